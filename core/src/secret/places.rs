//! Where a text says that something is a secret: SQL, JSON, how Rust writes values, command lines, addresses, and headers.

use std::ops::Range;

use super::is_secret;

/// What tokens for a server begin with, before 64 hex digits.
pub const TOKEN_PREFIX: &str = "hw_";
const TOKEN_BYTES: usize = TOKEN_PREFIX.len() + 64;
/// A longer name is none.
const NAME_BYTES_MAX: usize = 200;
/// What follows `Bearer` is a token if it is so long.
const BEARER_BYTES_MIN: usize = 16;

/// The places of secrets' values in a text, without the quotes around them, in their order:
/// - `'name' = 'value'` with a name [of a secret](is_secret), whichever quotes there are or are not, as in a clause, a hint or a
///   comment of SQL, a command line, or the query of an address; the `=` may have been forgotten between quotes;
/// - `"name": "value"`, as JSON and Rust write it, in quotes that may be escaped;
/// - the user and password of `scheme://user:password@host`;
/// - what follows `Bearer`, and tokens for a server.
pub fn places(text: &str) -> Vec<Range<usize>> {
    found(text).into_iter().map(|found| found.place).collect()
}

/// A secret's value in a text.
pub(super) struct Found<'a> {
    pub(super) place: Range<usize>,
    /// The name that it goes by, if it has one.
    pub(super) name: Option<&'a str>,
}

pub(super) fn found(text: &str) -> Vec<Found<'_>> {
    let bytes = text.as_bytes();
    let mut all = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let nameless = |place| Found { place, name: None };
        let (found, next) = match bytes[at] {
            b'\'' | b'"' | b'`' => (after_quoted_name(text, at), at + 1),
            b':' if text[at..].starts_with("://") => (userinfo(text, at + 3).map(nameless), at + 3),
            byte if is_of_name(byte) => {
                let end = end_of(bytes, at, is_of_name);
                let word = &text[at..end];
                let found = match word {
                    _ if word.starts_with(TOKEN_PREFIX) && word.len() == TOKEN_BYTES => {
                        Some(nameless(at..end))
                    }
                    _ if word.eq_ignore_ascii_case("bearer") => bearer(text, end).map(nameless),
                    _ => after_name(text, word, end, None),
                };
                (found, end)
            }
            _ => (None, at + 1),
        };
        match found {
            Some(found) => {
                // A closing quote does not begin a name.
                at = (found.place.end + 1).max(next);
                all.push(found);
            }
            None => at = next,
        }
    }
    all
}

fn is_of_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_.-".contains(&byte)
}

fn end_of(bytes: &[u8], from: usize, is_in: impl Fn(u8) -> bool) -> usize {
    bytes[from..].iter().position(|byte| !is_in(*byte)).map_or(bytes.len(), |length| from + length)
}

/// The value that belongs to the name in quotes that begins at `quote`.
fn after_quoted_name(text: &str, quote: usize) -> Option<Found<'_>> {
    let mark = text.as_bytes()[quote];
    let start = quote + 1;
    let rest = &text.as_bytes()[start..];
    let length = rest.iter().take(NAME_BYTES_MAX).position(|byte| *byte == mark)?;
    let name = &text[start..start + length];
    if name.contains(['\n', '=']) {
        return None;
    }
    after_name(text, name, start + length + 1, Some(mark))
}

/// The value that belongs to the name that ends at `end`; `mark` is the quote around the name.
fn after_name<'a>(text: &str, name: &'a str, end: usize, mark: Option<u8>) -> Option<Found<'a>> {
    let after = without_blanks(&text[end..]);
    let (rest, takes_bare) = match after.as_bytes().first()? {
        b'=' => (after.trim_start_matches(['=', '>']), true),
        b':' => (&after[1..], false),
        b'\'' if mark == Some(b'\'') && after.len() < text[end..].len() => (after, false),
        _ => return None,
    };
    if !is_secret(name) {
        return None;
    }
    let place = value(text, without_blanks(rest), takes_bare)?;
    Some(Found { place, name: Some(name) })
}

/// The value that `rest`, the end of `text`, begins with.
fn value(text: &str, rest: &str, takes_bare: bool) -> Option<Range<usize>> {
    // The prefix of a string with escapes.
    let rest = rest.strip_prefix("U&").or_else(|| rest.strip_prefix("u&")).unwrap_or(rest);
    let escapes = rest.bytes().take_while(|byte| *byte == b'\\').count();
    let mark = rest.as_bytes().get(escapes).copied();
    let start = text.len() - rest.len() + escapes;
    match mark {
        Some(b'\'') if escapes == 0 => Some(start + 1..end_of_doubled(text, start + 1)),
        Some(b'"') => Some(start + 1..end_of_escaped(text, start + 1, escapes)),
        _ if takes_bare => {
            let is_of_value = |byte: u8| !byte.is_ascii_whitespace() && !b"'\"`,;&()<>[]{}".contains(&byte);
            let end = end_of(text.as_bytes(), start, is_of_value);
            (end > start).then_some(start..end)
        }
        _ => None,
    }
}

/// Within a string of SQL a quote is doubled; a string without an end goes on to the end.
fn end_of_doubled(text: &str, from: usize) -> usize {
    let mut end = from;
    while let Some(found) = text[end..].find('\'') {
        end += found;
        if !text[end + 1..].starts_with('\'') {
            return end;
        }
        end += 2;
    }
    text.len()
}

/// Within a string of JSON a quote has a backslash more than the one that the string begins with.
fn end_of_escaped(text: &str, from: usize, escapes: usize) -> usize {
    let bytes = text.as_bytes();
    let mut backslashes = 0;
    for (at, byte) in bytes.iter().enumerate().skip(from) {
        match byte {
            b'\\' => backslashes += 1,
            b'"' if backslashes % (2 * escapes + 2) == escapes => return at - escapes,
            _ => backslashes = 0,
        }
    }
    text.len()
}

/// What stands for the user in an address whose host, or user, begins at `start`.
fn userinfo(text: &str, start: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let end = end_of(bytes, start, |byte| !byte.is_ascii_whitespace() && !b"'\"`,)<>".contains(&byte));
    let authority = &text[start..end_of(&bytes[..end], start, |byte| !b"/?#".contains(&byte))];
    let found = match authority.rfind('@') {
        Some(at) => at,
        // A password with a slash in it, rather than a port.
        None => {
            let (_, port) = authority.rsplit_once(':')?;
            let is_port = port.bytes().all(|byte| byte.is_ascii_digit());
            if is_port {
                return None;
            }
            text[start..end].rfind('@')?
        }
    };
    Some(start..start + found)
}

/// The token behind the word `Bearer`, which ends at `end`.
fn bearer(text: &str, end: usize) -> Option<Range<usize>> {
    let token = text[end..].starts_with(' ').then_some(end + 1)?;
    let is_of_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
    let token_end = end_of(text.as_bytes(), token, is_of_token);
    (token_end - token >= BEARER_BYTES_MIN).then_some(token..token_end)
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
