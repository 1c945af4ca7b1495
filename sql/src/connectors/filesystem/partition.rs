//! The names of partition folders: `a=1`.

use std::fmt::Write;

/// What must not stand in a name as it is, besides control characters.
const ESCAPED: &[char] = &['"', '#', '%', '\'', '*', '/', ':', '=', '?', '\\', '\u{7F}', '{', '[', ']', '^'];

/// Appends `key=value`, escaped as Flink and Hive do.
pub(super) fn push_folder(key: &str, value: &str, out: &mut String) {
    push_escaped(key, out);
    out.push('=');
    push_escaped(value, out);
}

fn push_escaped(text: &str, out: &mut String) {
    for found in text.chars() {
        if found.is_ascii_control() || ESCAPED.contains(&found) {
            write!(out, "%{:02X}", u32::from(found)).expect("a String takes all that is written");
        } else {
            out.push(found);
        }
    }
}

/// The key and the value in a folder's name.
pub(super) fn parse_folder(name: &str) -> Option<(String, String)> {
    let (key, value) = name.split_once('=')?;
    Some((unescape(key)?, unescape(value)?))
}

fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, behind)) = rest.split_first() {
        let hex = behind.get(..2).filter(|_| *byte == b'%').and_then(|hex| str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(escaped) => {
                bytes.push(escaped);
                rest = &behind[2..];
            }
            None => {
                bytes.push(*byte);
                rest = behind;
            }
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_value_stays_in_its_folder() {
        let mut name = String::new();
        push_folder("a", "../x=1", &mut name);
        assert_eq!(name, "a=..%2Fx%3D1");
    }

    proptest! {
        #[test]
        fn names_are_read_as_they_were_written(key: String, value: String) {
            let mut name = String::new();
            push_folder(&key, &value, &mut name);
            prop_assert!(!name.contains('/'));
            prop_assert_eq!(parse_folder(&name), Some((key, value)));
        }
    }
}
