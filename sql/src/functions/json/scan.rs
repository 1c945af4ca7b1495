//! Walks over JSON text without building a tree: values are parts of the text.

/// How deep JSON may nest.
const DEPTH_MAX: usize = 256;

/// The kinds of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Object,
    Array,
    String,
    Number,
    Bool,
    Null,
}

/// A value and its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Value<'a> {
    pub(super) kind: Kind,
    pub(super) text: &'a str,
}

impl<'a> Value<'a> {
    /// The only value of a text; `None` if it is not JSON.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let mut scanner = Scanner { text, at: 0 };
        let value = scanner.value(0)?;
        scanner.space();
        (scanner.at == text.len()).then_some(value)
    }

    pub(super) fn is_scalar(self) -> bool {
        !matches!(self.kind, Kind::Object | Kind::Array)
    }

    /// The members of an object, with their names, and the elements of an array, with none.
    pub(super) fn children(self) -> Vec<(&'a str, Value<'a>)> {
        let mut scanner = Scanner { text: self.text, at: 1 };
        let mut children = Vec::new();
        if self.is_scalar() {
            return children;
        }
        let object = self.kind == Kind::Object;
        scanner.space();
        while !matches!(scanner.peek(), Some(b'}' | b']') | None) {
            let mut name = "";
            if object {
                let Some(text) = scanner.string() else { break };
                name = text;
                scanner.space();
                scanner.at += 1;
            }
            let Some(value) = scanner.value(0) else { break };
            children.push((name, value));
            scanner.space();
            scanner.take(b',');
            scanner.space();
        }
        children
    }

    /// The member of a name: the last, if there are several.
    pub(super) fn member(self, name: &str) -> Option<Value<'a>> {
        if self.kind != Kind::Object {
            return None;
        }
        let same = |quoted: &str| match quoted.contains('\\') {
            false => quoted.get(1..quoted.len() - 1) == Some(name),
            true => unescape(quoted).as_deref() == Some(name),
        };
        self.children().into_iter().rfind(|(quoted, _)| same(quoted)).map(|(_, value)| value)
    }

    /// Writes it without white space.
    pub(super) fn write_compact(self, out: &mut String) {
        let mut quoted = false;
        let mut escaped = false;
        for c in self.text.chars() {
            if quoted {
                quoted = escaped || c != '"';
                escaped = !escaped && c == '\\';
            } else if c.is_ascii_whitespace() {
                continue;
            } else {
                quoted = c == '"';
            }
            out.push(c);
        }
    }
}

/// What a quoted string says.
pub(super) fn unescape(quoted: &str) -> Option<String> {
    serde_json::from_str(quoted).ok()
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn value(&mut self, depth: usize) -> Option<Value<'a>> {
        self.space();
        let start = self.at;
        let kind = match self.peek()? {
            b'{' => {
                self.items(b'}', depth, true)?;
                Kind::Object
            }
            b'[' => {
                self.items(b']', depth, false)?;
                Kind::Array
            }
            b'"' => {
                self.string()?;
                Kind::String
            }
            b't' => self.word("true", Kind::Bool)?,
            b'f' => self.word("false", Kind::Bool)?,
            b'n' => self.word("null", Kind::Null)?,
            _ => self.number()?,
        };
        Some(Value { kind, text: &self.text[start..self.at] })
    }

    fn items(&mut self, end: u8, depth: usize, named: bool) -> Option<()> {
        if depth >= DEPTH_MAX {
            return None;
        }
        self.at += 1;
        self.space();
        if self.take(end) {
            return Some(());
        }
        loop {
            if named {
                self.space();
                self.string()?;
                self.space();
                self.take(b':').then_some(())?;
            }
            self.value(depth + 1)?;
            self.space();
            if self.take(end) {
                return Some(());
            }
            self.take(b',').then_some(())?;
        }
    }

    /// A string, with its quotes.
    fn string(&mut self) -> Option<&'a str> {
        let start = self.at;
        self.take(b'"').then_some(())?;
        loop {
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    return Some(&self.text[start..self.at]);
                }
                b'\\' => {
                    self.at += 1;
                    match self.peek()? {
                        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => self.at += 1,
                        b'u' => {
                            let digits = self.text.as_bytes().get(self.at + 1..self.at + 5)?;
                            digits.iter().all(u8::is_ascii_hexdigit).then_some(())?;
                            self.at += 5;
                        }
                        _ => return None,
                    }
                }
                0..=0x1f => return None,
                _ => self.at += 1,
            }
        }
    }

    fn word(&mut self, word: &str, kind: Kind) -> Option<Kind> {
        self.text[self.at..].starts_with(word).then(|| self.at += word.len())?;
        Some(kind)
    }

    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }

    fn number(&mut self) -> Option<Kind> {
        self.take(b'-');
        if !self.take(b'0') {
            self.digits()?;
        }
        if self.take(b'.') {
            self.digits()?;
        }
        if self.take(b'e') || self.take(b'E') {
            if !self.take(b'+') {
                self.take(b'-');
            }
            self.digits()?;
        }
        Some(Kind::Number)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_json_is_what_serde_takes_for_it(text in "[\\[\\]{}:,\"\\\\a1-9.eE+ tnu0-]{0,24}") {
            let known = serde_json::from_str::<serde_json::Value>(&text);
            // A number may be too large for serde.
            let out_of_range = known.as_ref().is_err_and(|error| error.to_string().contains("out of range"));
            let surrogate = text.contains("\\u");
            prop_assume!(!out_of_range && !surrogate);
            prop_assert_eq!(Value::parse(&text).is_some(), known.is_ok(), "{}", text);
        }
    }

    #[test]
    fn what_nests_without_end_is_no_json() {
        assert_eq!(Value::parse(&"[".repeat(1_000_000)), None);
    }
}
