//! Where a statement ends, while it is still being typed.

/// What a text begins with.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Scan {
    /// Nothing but blanks and comments.
    Blank,
    /// A statement that is not over yet.
    Open,
    /// A statement; the byte behind its semicolon.
    Statement(usize),
}

/// Looks for the semicolon that ends the first statement: not one within quotes or comments, nor one between the INSERTs of
/// a statement set.
pub(super) fn scan(text: &str) -> Scan {
    let mut words = Words::default();
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'-' if bytes[at..].starts_with(b"--") => at = behind(text, at, "\n"),
            b'/' if bytes[at..].starts_with(b"/*") => at = behind(text, at + 2, "*/"),
            // A doubled quote within quotes ends them and begins new ones, which comes to the same.
            quote @ (b'\'' | b'`' | b'"') => {
                words.end();
                words.any = true;
                match text[at + 1..].find(char::from(quote)) {
                    Some(length) => at += length + 2,
                    None => return Scan::Open,
                }
            }
            b';' => {
                words.end();
                if words.is_over() {
                    return Scan::Statement(at + 1);
                }
                words.end_of_part();
                at += 1;
            }
            byte if byte.is_ascii_alphanumeric() || byte == b'_' => {
                words.push(byte);
                at += 1;
            }
            byte => {
                words.end();
                words.any |= !byte.is_ascii_whitespace();
                at += 1;
            }
        }
    }
    words.end();
    if words.any { Scan::Open } else { Scan::Blank }
}

fn behind(text: &str, from: usize, end: &str) -> usize {
    text[from..].find(end).map_or(text.len(), |length| from + length + end.len())
}

/// What is remembered of a statement's words.
#[derive(Default)]
struct Words {
    /// The word that is being read, in upper case.
    word: String,
    /// The first words, without EXECUTE and EXPLAIN.
    first: Vec<String>,
    /// How many CASEs are open: their END is not the set's.
    cases: usize,
    /// Whether the set's END came last.
    has_ended: bool,
    /// Whether there is anything.
    any: bool,
}

impl Words {
    fn push(&mut self, byte: u8) {
        self.any = true;
        self.word.push(char::from(byte.to_ascii_uppercase()));
    }

    fn end(&mut self) {
        let word = std::mem::take(&mut self.word);
        match word.as_str() {
            "" => return,
            "CASE" => self.cases += 1,
            "END" if self.cases > 0 => self.cases -= 1,
            "END" => self.has_ended = true,
            _ => self.has_ended = false,
        }
        if self.first.len() < 3 && word != "EXECUTE" && word != "EXPLAIN" {
            self.first.push(word);
        }
    }

    fn end_of_part(&mut self) {
        self.cases = 0;
    }

    fn is_over(&self) -> bool {
        let is_set =
            self.first == ["BEGIN", "STATEMENT", "SET"] || self.first == ["STATEMENT", "SET", "BEGIN"];
        !is_set || self.has_ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(text: &str) -> Option<&str> {
        match scan(text) {
            Scan::Statement(end) => Some(&text[..end]),
            _ => None,
        }
    }

    #[test]
    fn a_statement_ends_at_its_semicolon() {
        assert_eq!(first("SELECT 1; SELECT 2;"), Some("SELECT 1;"));
        assert_eq!(
            first("SELECT 'a;''b;' -- c;\n /* d; */, `e;` ;x"),
            Some("SELECT 'a;''b;' -- c;\n /* d; */, `e;` ;")
        );
        assert_eq!(first("SELECT 'ü;' ;"), Some("SELECT 'ü;' ;"));
    }

    #[test]
    fn a_statement_set_ends_behind_its_end() {
        let sets = [
            "EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT 1; INSERT INTO b SELECT 2; END;",
            "begin statement set; INSERT INTO a SELECT CASE WHEN x THEN 1 END; INSERT INTO b SELECT 2; end ;",
            "EXPLAIN STATEMENT SET BEGIN INSERT INTO a SELECT 1; END;",
        ];
        for set in sets {
            assert_eq!(first(set), Some(set));
            assert_eq!(scan(set.trim_end_matches(';')), Scan::Open);
        }
    }

    #[test]
    fn what_is_not_over_is_open_and_comments_are_blank() {
        assert_eq!(scan("SELECT 'a;"), Scan::Open);
        assert_eq!(scan("SELECT 1 /* ;"), Scan::Open);
        assert_eq!(scan(" -- nothing;\n /* here; */ \n"), Scan::Blank);
        assert_eq!(scan(""), Scan::Blank);
        assert_eq!(scan(";"), Scan::Statement(1));
    }
}
