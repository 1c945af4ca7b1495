//! What is said of a record that cannot be decoded. Its cause may quote the record, which not everyone may see who may see that a job
//! has failed.

use std::{
    borrow::Cow,
    fmt::Display,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use crate::secret::HIDDEN;

const BEGIN: &str = "malformed record at ";
const END: &str =
    "; to go on without such records, set `source.malformed-records` to `skip` or `dead-letter`";

static IS_CAUSE_HIDDEN: AtomicBool = AtomicBool::new(false);

/// Tells no causes any more in this process: where fields are redacted, a record that cannot be taken apart into fields is not shown.
pub fn hide_causes() {
    IS_CAUSE_HIDDEN.store(true, Relaxed);
}

/// Says where a record is that cannot be decoded, what is wrong with it, and what to do.
pub fn message(position: impl Display, cause: &str) -> String {
    let cause = if IS_CAUSE_HIDDEN.load(Relaxed) { HIDDEN } else { cause };
    format!("{BEGIN}{position}: {cause}{END}")
}

/// Whether a text may have such a message in it.
pub fn is_in(text: &[u8]) -> bool {
    text.windows(BEGIN.len()).any(|window| window == BEGIN.as_bytes())
}

/// A text without the causes of such messages: what is between the first one's place and the last one's end.
pub fn without_causes(text: &str) -> Cow<'_, str> {
    let Some(begin) = text.find(BEGIN).map(|at| at + BEGIN.len()) else { return Cow::Borrowed(text) };
    let cause = text[begin..].find(": ").map_or(begin, |place| begin + place + 2);
    // A message that was cut has no end.
    let end = text[cause..].rfind(END).map_or(text.len(), |end| cause + end);
    Cow::Owned(format!("{}{HIDDEN}{}", &text[..cause], &text[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_taken_out_whatever_it_quotes() {
        for cause in ["x", "", "a: b", END, "malformed record at ", "é\n"] {
            let told = format!("task failed: {}; more", message("`a.csv`, byte 5", cause));
            let expected = format!("task failed: malformed record at `a.csv`, byte 5: ******{END}; more");
            assert_eq!(without_causes(&told), expected);
        }
        let (one, other) = (message("1", "a"), message("2", "b"));
        assert_eq!(without_causes(&format!("{one}, {other}")), format!("malformed record at 1: ******{END}"));
        let cut = &message("1", "a b c")[..26];
        assert_eq!(without_causes(cut), "malformed record at 1: ******");
        assert!(matches!(without_causes("a: b"), Cow::Borrowed(_)));
    }
}
