//! What must not be shown: passwords and the like. They are known by the names that they go by ([`is_secret`]), by how they stand in
//! a text ([`hide`]), and, once they are known, wherever they turn up ([`Secrets`], [`remember`]): a driver's error may quote a
//! password without saying that it is one.

mod known;
mod places;

use std::borrow::Cow;

pub use known::{Secrets, forget, remember};
pub use places::{TOKEN_PREFIX, places};

/// What stands in place of a secret, as in Flink.
pub const HIDDEN: &str = "******";

/// What the names of secrets have in them; those of Flink's `GlobalConfiguration`, and some more.
const SECRET_WORDS: [&str; 17] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "credential",
    "api-key",
    "apikey",
    "access-key",
    "account-key",
    "service-key",
    "private-key",
    "authorization",
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

/// A text without secrets: neither the values at their [`places`], nor what is [remembered](remember), wherever it stands.
pub fn hide(text: &str) -> Cow<'_, str> {
    known::hide_remembered(hide_said(text))
}

/// A text without the values at their [`places`]: the same in every process, as names must be.
pub fn hide_said(text: &str) -> Cow<'_, str> {
    let places = places(text);
    if places.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    let mut copied = 0;
    for place in places {
        shown.push_str(&text[copied..place.start]);
        shown.push_str(HIDDEN);
        copied = place.end;
    }
    shown.push_str(&text[copied..]);
    Cow::Owned(shown)
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
    fn values_are_hidden_where_their_name_says_so() {
        for (text, shown) in [
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
            // Mistakes in scripts, which are shown with what is wrong about them.
            ("'password' 'x', 'a' = 'b'", "'password' '******', 'a' = 'b'"),
            ("'password' = x, 'a' = 'b'", "'password' = ******, 'a' = 'b'"),
            ("'password' == 'x'", "'password' == '******'"),
            ("password = 'x' AND `api_key` = 'y'", "password = '******' AND `api_key` = '******'"),
            // How values are logged, and how drivers take them.
            (r#"{"password": "a\"b", "n": 1}"#, r#"{"password": "******", "n": 1}"#),
            (r#"{\"password\":\"a\",\"n\":1}"#, r#"{\"password\":\"******\",\"n\":1}"#),
            (r#"Options { db_password: "x", n: 1 }"#, r#"Options { db_password: "******", n: 1 }"#),
            ("jdbc:x://h/db?user=u&password=p&n=1", "jdbc:x://h/db?user=u&password=******&n=1"),
            ("--api-key=x --n=1", "--api-key=****** --n=1"),
            // Addresses.
            ("no connection to http://me:pw@h:1/p: x", "no connection to http://******@h:1/p: x"),
            ("s3://a:b/c@h/p, http://h:1/a@b", "s3://******@h/p, http://h:1/a@b"),
            ("'postgres://h/?a@b' and x@y", "'postgres://h/?a@b' and x@y"),
            // Tokens.
            ("authorization: Bearer 0123456789abcdef0 x", "authorization: Bearer ****** x"),
            (&format!("found `hw_{}`", "0f".repeat(32)), "found `******`"),
        ] {
            assert_eq!(hide(text), shown);
        }
        for text in [
            "'path' = 'password'",
            "'password'",
            "'password' =",
            "'password' <> 'x'",
            "password != 'x'",
            "IN ('password', 'x')",
            "é '",
            "option `password`: expected a number",
            "expected `Authorization: Bearer TOKEN` or a session",
            "the token: none",
            "a://b",
        ] {
            assert!(matches!(hide(text), Cow::Borrowed(_)), "{text}: {}", hide(text));
        }
    }

    #[test]
    fn no_text_is_too_odd() {
        let pieces =
            ["'", "\"", "\\", "`", "password", "=", ":", "é", "://", "@", "--", "/*", "\n", " ", "Bearer "];
        let mut text = String::new();
        let mut seed = 7_u64;
        for _ in 0..20_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            text.push_str(pieces[(seed >> 33) as usize % pieces.len()]);
            if text.len() > 60 {
                let _ = hide(&text);
                text.clear();
            }
        }
    }
}
