//! Takes a JSON text apart, value by value, without building a tree of it.

/// So deep may values be nested that are passed over.
const DEPTH_MAX: usize = 256;

/// What is wrong with a text: it is not JSON from there on.
pub(super) type Syntax = String;

/// A text and how far it is read.
pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

/// A value that is no object and no array.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Scalar<'a> {
    Null,
    True,
    False,
    /// A number, as it is written.
    Number(&'a str),
    /// A string, without its escapes.
    Text(&'a str),
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Goes back to a place that was reached before.
    pub(super) fn go_back(&mut self, at: usize) {
        self.at = at;
    }

    /// The next byte that is no white space; 0 at the end.
    #[inline]
    pub(super) fn peek(&mut self) -> u8 {
        let bytes = self.text.as_bytes();
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = bytes.get(self.at) {
            self.at += 1;
        }
        bytes.get(self.at).copied().unwrap_or(0)
    }

    /// Takes this byte, if it is next.
    #[inline]
    pub(super) fn take(&mut self, byte: u8) -> bool {
        // Without a branch, adding the comparison's result, rustc 1.95 makes a loop of this that never advances.
        if self.peek() != byte {
            return false;
        }
        self.at += 1;
        true
    }

    #[cold]
    fn expected(&self, expected: &str) -> Syntax {
        let found = match self.text[self.at..].chars().next() {
            Some(found) => format!("`{found}`"),
            None => "the end".to_owned(),
        };
        format!("not JSON: expected {expected} at byte {}, found {found}", self.at)
    }

    /// Takes this byte, which must be next.
    #[inline]
    pub(super) fn expect(&mut self, byte: u8) -> Result<(), Syntax> {
        if self.take(byte) { Ok(()) } else { Err(self.expected(&format!("`{}`", char::from(byte)))) }
    }

    /// Nothing may follow.
    pub(super) fn expect_end(&mut self) -> Result<(), Syntax> {
        match self.peek() {
            0 if self.at == self.text.len() => Ok(()),
            _ => Err(self.expected("nothing more")),
        }
    }

    /// After `{` or `[`, or an item: whether another one comes; takes the comma, or the closing `end`.
    #[inline]
    pub(super) fn next_item(&mut self, end: u8, is_first: bool) -> Result<bool, Syntax> {
        if self.take(end) {
            return Ok(false);
        }
        if !is_first {
            let end = if end == b'}' { "`,` or `}`" } else { "`,` or `]`" };
            if !self.take(b',') {
                return Err(self.expected(end));
            }
        }
        Ok(true)
    }

    /// The key of an object's next member, with the colon.
    #[inline]
    pub(super) fn key<'b>(&mut self, scratch: &'b mut String) -> Result<&'b str, Syntax>
    where
        'a: 'b,
    {
        if self.peek() != b'"' {
            return Err(self.expected("a key in quotes"));
        }
        let key = self.string(scratch)?;
        self.expect(b':')?;
        Ok(key)
    }

    /// The next value, if it is no object and no array.
    pub(super) fn scalar<'b>(&mut self, scratch: &'b mut String) -> Result<Option<Scalar<'b>>, Syntax>
    where
        'a: 'b,
    {
        Ok(Some(match self.peek() {
            b'"' => Scalar::Text(self.string(scratch)?),
            b'-' | b'0'..=b'9' => Scalar::Number(self.number()?),
            b't' => self.word("true").map(|()| Scalar::True)?,
            b'f' => self.word("false").map(|()| Scalar::False)?,
            b'n' => self.word("null").map(|()| Scalar::Null)?,
            b'{' | b'[' => return Ok(None),
            _ => return Err(self.expected("a value")),
        }))
    }

    fn word(&mut self, word: &str) -> Result<(), Syntax> {
        if !self.text[self.at..].starts_with(word) {
            return Err(self.expected(&format!("`{word}`")));
        }
        self.at += word.len();
        Ok(())
    }

    fn digits(&mut self) -> usize {
        let bytes = self.text.as_bytes();
        let begin = self.at;
        while bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        self.at - begin
    }

    fn number(&mut self) -> Result<&'a str, Syntax> {
        let bytes = self.text.as_bytes();
        let begin = self.at;
        self.at += usize::from(bytes[self.at] == b'-');
        let first = self.at;
        let whole = self.digits();
        if whole == 0 || (whole > 1 && bytes[first] == b'0') {
            self.at = first;
            return Err(self.expected("a number without leading zeros"));
        }
        if bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            if self.digits() == 0 {
                return Err(self.expected("a digit"));
            }
        }
        if let Some(b'e' | b'E') = bytes.get(self.at) {
            self.at += 1;
            self.at += usize::from(matches!(bytes.get(self.at), Some(b'+' | b'-')));
            if self.digits() == 0 {
                return Err(self.expected("a digit"));
            }
        }
        Ok(&self.text[begin..self.at])
    }

    /// The string that begins here. It is copied only if it has escapes.
    #[inline]
    fn string<'b>(&mut self, scratch: &'b mut String) -> Result<&'b str, Syntax>
    where
        'a: 'b,
    {
        let bytes = self.text.as_bytes();
        let begin = self.at + 1;
        let mut end = begin;
        loop {
            match bytes.get(end) {
                Some(b'"') => {
                    self.at = end + 1;
                    return Ok(&self.text[begin..end]);
                }
                Some(b'\\') => break,
                Some(0x20..) => end += 1,
                _ => {
                    self.at = end;
                    return Err(self.expected("a string without control characters, ended by `\"`"));
                }
            }
        }
        scratch.clear();
        self.at = begin;
        self.unescape(scratch)?;
        Ok(scratch)
    }

    fn unescape(&mut self, out: &mut String) -> Result<(), Syntax> {
        let bytes = self.text.as_bytes();
        loop {
            let begin = self.at;
            while matches!(bytes.get(self.at), Some(0x20..)) && !matches!(bytes[self.at], b'"' | b'\\') {
                self.at += 1;
            }
            out.push_str(&self.text[begin..self.at]);
            match bytes.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape(out)?,
                _ => return Err(self.expected("a string without control characters, ended by `\"`")),
            }
        }
    }

    fn escape(&mut self, out: &mut String) -> Result<(), Syntax> {
        self.at += 1;
        let escaped = match self.text.as_bytes().get(self.at) {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let high = self.code_unit()?;
                let is_pair = (0xD800..0xDC00).contains(&high) && self.text[self.at..].starts_with("\\u");
                let units = if is_pair {
                    self.at += 1;
                    [high, self.code_unit()?]
                } else {
                    [high, 0]
                };
                // Half of a surrogate pair is no character; Java would keep it, a text in UTF-8 cannot.
                let decoded = char::decode_utf16(units).next().expect("there are two units");
                out.push(decoded.unwrap_or(char::REPLACEMENT_CHARACTER));
                if is_pair && !(0xDC00..0xE000).contains(&units[1]) {
                    out.push(char::from_u32(units[1].into()).unwrap_or(char::REPLACEMENT_CHARACTER));
                }
                return Ok(());
            }
            _ => return Err(self.expected("one of `\"\\/bfnrtu`")),
        };
        self.at += 1;
        out.push(escaped);
        Ok(())
    }

    /// The four hex digits after a `u`.
    fn code_unit(&mut self) -> Result<u16, Syntax> {
        let digits = self.text.get(self.at + 1..self.at + 5);
        let digits = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let Some(unit) = digits.and_then(|digits| u16::from_str_radix(digits, 16).ok()) else {
            self.at = self.text.len().min(self.at + 1);
            return Err(self.expected("four hex digits"));
        };
        self.at += 5;
        Ok(unit)
    }

    /// Passes a value over, whatever it is.
    pub(super) fn skip_value(&mut self, scratch: &mut String) -> Result<(), Syntax> {
        self.skip_nested(scratch, 0)
    }

    fn skip_nested(&mut self, scratch: &mut String, depth: usize) -> Result<(), Syntax> {
        if self.scalar(scratch)?.is_some() {
            return Ok(());
        }
        if depth == DEPTH_MAX {
            return Err(self.expected(&format!("values nested at most {DEPTH_MAX} deep")));
        }
        let is_object = self.peek() == b'{';
        let end = if is_object { b'}' } else { b']' };
        self.at += 1;
        let mut is_first = true;
        while self.next_item(end, is_first)? {
            if is_object {
                self.key(scratch)?;
            }
            self.skip_nested(scratch, depth + 1)?;
            is_first = false;
        }
        Ok(())
    }

    /// The next value as it is written, without the white space between its parts.
    pub(super) fn compact(&mut self, scratch: &mut String, out: &mut Vec<u8>) -> Result<(), Syntax> {
        self.peek();
        let begin = self.at;
        self.skip_value(scratch)?;
        let (mut is_in_string, mut is_escaped) = (false, false);
        for byte in self.text.as_bytes()[begin..self.at].iter().copied() {
            if is_in_string {
                is_in_string = is_escaped || byte != b'"';
                is_escaped = !is_escaped && byte == b'\\';
            } else if byte.is_ascii_whitespace() {
                continue;
            } else {
                is_in_string = byte == b'"';
            }
            out.push(byte);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn is_json(text: &str) -> Result<(), String> {
        let mut scanner = Scanner::new(text);
        scanner.skip_value(&mut String::new())?;
        scanner.expect_end()
    }

    fn text_of(json: &str) -> String {
        let mut scratch = String::new();
        match Scanner::new(json).scalar(&mut scratch) {
            Ok(Some(Scalar::Text(text))) => text.to_owned(),
            other => panic!("{json}: {other:?}"),
        }
    }

    #[test]
    fn strings_lose_their_escapes() {
        assert_eq!(text_of(r#""plain""#), "plain");
        assert_eq!(text_of(r#""a\"\\\/\b\f\n\r\tz""#), "a\"\\/\u{8}\u{c}\n\r\tz");
        assert_eq!(text_of(r#""\u00e9\uD83D\uDE00!""#), "é😀!");
        assert_eq!(text_of(r#""\uD83Dx""#), "\u{FFFD}x");
        assert_eq!(text_of(r#""\uD83D\u0041""#), "\u{FFFD}A");
    }

    #[test]
    fn an_error_says_where_and_what_was_expected() {
        assert_eq!(is_json("[1, 2").unwrap_err(), "not JSON: expected `,` or `]` at byte 5, found the end");
        assert_eq!(is_json("{\"a\" 1}").unwrap_err(), "not JSON: expected `:` at byte 5, found `1`");
        assert_eq!(
            is_json("[01]").unwrap_err(),
            "not JSON: expected a number without leading zeros at byte 1, found `0`"
        );
        assert!(is_json(&"[".repeat(100_000)).unwrap_err().contains("at most 256 deep"));
    }

    #[test]
    fn white_space_goes_only_between_the_parts() {
        let mut out = Vec::new();
        Scanner::new(r#" { "a b\" " : [ 1 , true ] }"#).compact(&mut String::new(), &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), r#"{"a b\" ":[1,true]}"#);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn it_takes_what_another_parser_takes(text in r#"([\[\]{}:,"\\truefalsn019.eE+ u\-é]|"a":|null|true){0,12}"#) {
            let expected = serde_json::from_str::<serde_json::Value>(&text);
            // Ours replaces half a surrogate pair, and does not look at the size of a number.
            let is_other = expected.as_ref().is_err_and(|error| {
                let error = error.to_string();
                error.contains("surrogate") || error.contains("hex escape") || error.contains("out of range")
            });
            prop_assert!(is_other || expected.is_ok() == is_json(&text).is_ok(), "{} {:?} {:?}", text, expected, is_json(&text));
        }

        #[test]
        fn strings_are_read_as_they_were_written(text: String) {
            prop_assert_eq!(text_of(&serde_json::to_string(&text).unwrap()), text);
        }
    }
}
