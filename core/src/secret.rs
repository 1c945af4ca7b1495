//! What must not be shown: passwords and the like, by the names that they go by.

use std::borrow::Cow;

/// What stands in place of a secret, as in Flink.
pub const HIDDEN: &str = "******";

/// What the names of secrets have in them; those of Flink's `GlobalConfiguration`, and some more.
const SECRET_WORDS: [&str; 13] = [
    "password",
    "secret",
    "token",
    "credential",
    "api-key",
    "apikey",
    "access-key",
    "account-key",
    "service-key",
    "auth-params",
    "basic-auth",
    "jaas.config",
    "http-headers",
];

/// Whether the name of an argument or option looks like that of a secret, so that its value is not shown.
pub fn is_secret(name: &str) -> bool {
    let plain_name = name.to_ascii_lowercase().replace('_', "-");
    SECRET_WORDS.iter().any(|word| plain_name.contains(word) || plain_name.contains(&word.replace('-', ".")))
}

/// A script in SQL with the values of secret options hidden: wherever it says `'key' = 'value'`, be it a clause, a hint or a comment.
pub fn hide_options(script: &str) -> Cow<'_, str> {
    let mut shown = String::new();
    let mut copied = 0;
    let mut at = 0;
    while let Some(quote) = script[at..].find('\'').map(|quote| at + quote) {
        match secret_value(script, quote) {
            Some((start, end)) => {
                shown.push_str(&script[copied..start]);
                shown.push_str(HIDDEN);
                copied = end;
                at = (end + 1).min(script.len());
            }
            None => at = quote + 1,
        }
    }
    if copied == 0 {
        return Cow::Borrowed(script);
    }
    shown.push_str(&script[copied..]);
    Cow::Owned(shown)
}

/// The place of the value, without its quotes, if a secret's key begins at this quote.
fn secret_value(script: &str, quote: usize) -> Option<(usize, usize)> {
    let key_start = quote + 1;
    let key_end = key_start + script[key_start..].find('\'')?;
    if !is_secret(&script[key_start..key_end]) || script[key_start..key_end].contains(['\n', '=']) {
        return None;
    }
    let rest = without_blanks(without_blanks(&script[key_end + 1..]).strip_prefix('=')?);
    // The prefix of a string with escapes.
    let rest = rest.strip_prefix("U&").or_else(|| rest.strip_prefix("u&")).unwrap_or(rest);
    let value = rest.strip_prefix('\'')?;
    let start = script.len() - value.len();
    // Within a string a quote is doubled; a string without an end goes on to the end.
    let mut end = start;
    while let Some(found) = script[end..].find('\'') {
        end += found;
        if !script[end + 1..].starts_with('\'') {
            return Some((start, end));
        }
        end += 2;
    }
    Some((start, script.len()))
}

/// What follows blanks and comments.
fn without_blanks(text: &str) -> &str {
    let text = text.trim_start();
    let comment = if let Some(comment) = text.strip_prefix("--") {
        comment.split_once('\n')
    } else if let Some(comment) = text.strip_prefix("/*") {
        comment.split_once("*/")
    } else {
        return text;
    };
    comment.map_or("", |(_, rest)| without_blanks(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_are_known_however_they_are_spelled() {
        for name in
            ["password", "API_KEY", "s3.access-key", "fs.azure.account.key", "properties.sasl.jaas.config"]
        {
            assert!(is_secret(name), "{name}");
        }
        for name in ["connector", "path", "fields.key.min", "scan.parallelism"] {
            assert!(!is_secret(name), "{name}");
        }
    }

    #[test]
    fn values_of_secret_options_are_hidden_wherever_they_stand() {
        for (script, shown) in [
            (
                "WITH ('connector' = 'x', 'password' = 'it''s')",
                "WITH ('connector' = 'x', 'password' = '******')",
            ),
            ("'password'='a','token'='b'", "'password'='******','token'='******'"),
            ("'api_key' /* a */ = -- b's\n U&'x'", "'api_key' /* a */ = -- b's\n U&'******'"),
            ("t /*+ OPTIONS('secret'='x') */", "t /*+ OPTIONS('secret'='******') */"),
            ("-- it's 'password' = 'x'", "-- it's 'password' = '******'"),
            ("'password' = 'no end", "'password' = '******"),
            ("'password' = ''", "'password' = '******'"),
            ("SET 'a.token' = 'é'; SELECT 'é'", "SET 'a.token' = '******'; SELECT 'é'"),
        ] {
            assert_eq!(hide_options(script), shown);
        }
        for script in ["'path' = 'password'", "'password'", "'password' =", "'password' <> 'x'", "é '"] {
            assert!(matches!(hide_options(script), Cow::Borrowed(_)), "{script}");
        }
    }
}
