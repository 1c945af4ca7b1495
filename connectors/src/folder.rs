//! Folders and file names.

use headwater_core::key_group::hash_key;

/// So many bytes of a uid at most go into a file name: names are limited to 255 bytes, and other parts come with it.
const NAME_BYTES_MAX: usize = 80;

/// A uid as a part of a file name: what could mean something in a path is written as `%` and two hex digits, and what
/// would be too long ends in a hash. Different uids get different names.
pub(crate) fn name_of(uid: &str) -> String {
    let mut name = String::with_capacity(uid.len());
    for byte in uid.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => name.push(char::from(byte)),
            _ => name.push_str(&format!("%{byte:02X}")),
        }
    }
    if name.len() > NAME_BYTES_MAX {
        name.truncate(NAME_BYTES_MAX - 17);
        name.push_str(&format!("~{:016x}", hash_key(uid)));
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_in_their_folder_and_differ_if_the_uids_do() {
        assert_eq!(name_of("word-count_2"), "word-count_2");
        assert_eq!(name_of("../a b"), "%2E%2E%2Fa%20b");
        let (long, longer) = ("x".repeat(300), "x".repeat(301));
        assert_eq!(name_of(&long).len(), NAME_BYTES_MAX);
        assert_ne!(name_of(&long), name_of(&longer));
    }
}
