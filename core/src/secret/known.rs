//! Secrets that are known, by their values.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    sync::{PoisonError, RwLock},
};

use super::{
    HIDDEN, is_secret,
    places::{Found, found},
};
use crate::{
    ids::JobId,
    job::{ArgValue, JobSpec},
};

/// A shorter value is hidden only where it is said to be a secret: elsewhere it may be any word.
const CHARS_MIN: usize = 6;

/// Values of secrets.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secrets(BTreeSet<String>);

/// Those of jobs that the process knows.
static REMEMBERED: RwLock<BTreeMap<JobId, Secrets>> = RwLock::new(BTreeMap::new());

/// Hides a job's secrets from now on in every text that this process [hides](super::hide) secrets in.
pub fn remember(job: JobId, secrets: Secrets) {
    if secrets != Secrets::default() {
        REMEMBERED.write().unwrap_or_else(PoisonError::into_inner).insert(job, secrets);
    }
}

/// The process need not know a job's secrets any more.
pub fn forget(job: JobId) {
    REMEMBERED.write().unwrap_or_else(PoisonError::into_inner).remove(&job);
}

pub(super) fn hide_remembered(text: Cow<'_, str>) -> Cow<'_, str> {
    let remembered = REMEMBERED.read().unwrap_or_else(PoisonError::into_inner);
    remembered.values().fold(text, |text, secrets| secrets.hide_values(text))
}

impl Secrets {
    /// Those that stand in a text where they are said to be secrets.
    pub fn of_text(text: &str) -> Self {
        let mut secrets = Self::default();
        secrets.add_text(text);
        secrets
    }

    /// Those among a job's arguments.
    pub fn of_job(spec: &JobSpec) -> Self {
        let mut secrets = Self::default();
        for (name, value) in &spec.args {
            match value {
                ArgValue::Text(text) if is_name_of_secret(name) => secrets.add(text),
                ArgValue::Text(text) => secrets.add_text(text),
                ArgValue::Integer(number) if is_name_of_secret(name) => secrets.add(&number.to_string()),
                ArgValue::Integer(_) | ArgValue::Float(_) | ArgValue::Flag(_) => {}
            }
        }
        secrets
    }

    /// A text without these secrets, nor those that it says are some.
    pub fn hide<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.hide_values(super::hide(text))
    }

    fn hide_values<'a>(&self, text: Cow<'a, str>) -> Cow<'a, str> {
        // The longest first, since others may be parts of them.
        let mut values: Vec<&String> = self.0.iter().filter(|value| text.contains(value.as_str())).collect();
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        values.into_iter().fold(text, |text, value| Cow::Owned(text.replace(value, HIDDEN)))
    }

    /// Adds those that stand in a text where they are said to be secrets.
    pub fn add_text(&mut self, text: &str) {
        for Found { place, name } in found(text) {
            let value = &text[place.clone()];
            // Of an address the password is the secret, with its user or without.
            if text[..place.start].ends_with("://") {
                value.split_once(':').into_iter().for_each(|(_, password)| self.add(password));
            } else if name.is_none_or(is_name_of_secret) {
                self.add(value);
                self.add(&value.replace("''", "'"));
            }
        }
    }

    /// A value, in the ways that it may be written.
    fn add(&mut self, value: &str) {
        let escaped = format!("{value:?}");
        let written = [value.to_owned(), escaped[1..escaped.len() - 1].to_owned(), percent_encoded(value)];
        self.0.extend(written.into_iter().filter(|written| written.chars().count() >= CHARS_MIN));
    }
}

/// What is only about a secret is hidden in its place, but is none: of `fields.token.length` the word is above the last part.
fn is_name_of_secret(name: &str) -> bool {
    let mut parts = name.rsplitn(3, '.');
    let (last, above) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    is_secret(last) || (is_secret(&format!("{above}.{last}")) && !is_secret(above))
}

fn percent_encoded(value: &str) -> String {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    let encoded =
        |byte: u8| if is_plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    value.bytes().map(encoded).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{job::Args, options::JobOptions};

    #[test]
    fn a_jobs_secrets_are_hidden_wherever_they_turn_up_until_they_are_forgotten() {
        let text = |text: &str| ArgValue::Text(text.to_owned());
        let script = "WITH ('password' = 'it''s s3cret', 'url' = 'x://me:pass@word1@h', 'fields.token.kind' = 'sequence', 'path' = '/data/in')";
        let args = Args::from([
            ("script".to_owned(), text(script)),
            ("api_key".to_owned(), text("k\"eyk\"ey")),
            ("pin_token".to_owned(), ArgValue::Integer(47_114_711)),
            ("n".to_owned(), ArgValue::Integer(12_345_678)),
            ("token".to_owned(), text("true")),
            ("fields.token.kind".to_owned(), text("sequence")),
        ]);
        let spec =
            JobSpec { name: String::new(), program: "p".to_owned(), args, options: JobOptions::default() };
        let job = JobId::random();
        let told = "login 'it's s3cret' at h: \"k\\\"eyk\\\"ey\", 47114711, it%27s%20s3cret, pass@word1";
        assert_eq!(super::super::hide(told), told);
        remember(job, Secrets::of_job(&spec));
        let hidden = "login '******' at h: \"******\", ******, ******, ******";
        assert_eq!(super::super::hide(told), hidden);
        let plain = "12345678 is true of the sequence in /data/in";
        assert_eq!(super::super::hide(plain), plain);
        forget(job);
        assert_eq!(super::super::hide(told), told);
    }
}
