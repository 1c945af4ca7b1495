//! Cuts a stream of bytes into lines.

use std::{
    io::{self, Read},
    ops::Range,
};

/// Bytes that were read and not yet taken as lines. Reads in large pieces, looks at each byte once, and copies only what
/// is left of a line at the end of a piece.
#[derive(Debug)]
pub struct LineBuffer {
    bytes: Vec<u8>,
    /// The bytes in `start..filled` are not yet taken; those before `scanned` have no line's end.
    start: usize,
    scanned: usize,
    filled: usize,
    /// Where `start` lies in the stream.
    offset: u64,
    line_bytes_max: usize,
    delimiter: u8,
    /// Whether the bytes up to the next line's end belong to a line that was taken, or is not wanted.
    is_within_line: bool,
}

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    /// A line, without its `\n` or `\r\n`. Of one that is longer than the limit it is the beginning, one byte more than the limit.
    Line(Range<usize>),
    /// The rest of a line was passed over.
    Passed,
    /// Nothing as a whole: more must be read.
    Incomplete,
}

impl LineBuffer {
    /// An empty buffer for a stream that begins at `offset`, within a line or at the beginning of one. What is left of a line that
    /// it begins in is passed over.
    pub fn new(read_bytes: usize, line_bytes_max: usize, offset: u64, is_within_line: bool) -> Self {
        let bytes = vec![0; read_bytes];
        Self {
            bytes,
            start: 0,
            scanned: 0,
            filled: 0,
            offset,
            line_bytes_max,
            delimiter: b'\n',
            is_within_line,
        }
    }

    /// Lines end in this byte rather than in `\n` or `\r\n`.
    pub fn delimiter(mut self, delimiter: u8) -> Self {
        self.delimiter = delimiter;
        self
    }

    /// Reads once; returns how many bytes came, 0 at the end of the input.
    pub fn fill(&mut self, input: &mut impl Read) -> io::Result<usize> {
        self.bytes.copy_within(self.start..self.filled, 0);
        self.filled -= self.start;
        self.scanned -= self.start;
        self.start = 0;
        if self.filled == self.bytes.len() {
            self.bytes.resize(self.filled * 2, 0);
        }
        let read = input.read(&mut self.bytes[self.filled..])?;
        self.filled += read;
        Ok(read)
    }

    /// Takes the next line. A line that is too long is not waited for to its end.
    #[inline]
    pub fn next_line(&mut self) -> Next {
        let begin = self.start;
        let Some(found) = memchr::memchr(self.delimiter, &self.bytes[self.scanned..self.filled]) else {
            return self.without_end();
        };
        let end = self.scanned + found;
        self.skip_to(end + 1);
        if self.is_within_line {
            self.is_within_line = false;
            return Next::Passed;
        }
        let line = &self.bytes[begin..end];
        let has_return = self.delimiter == b'\n' && line.ends_with(b"\r");
        self.cut(begin, line.len() - usize::from(has_return))
    }

    #[cold]
    fn without_end(&mut self) -> Next {
        let begin = self.start;
        self.scanned = self.filled;
        // The last byte may be the `\r` of a line's end.
        let is_too_long = self.filled - begin > self.line_bytes_max.saturating_add(1);
        if is_too_long || self.is_within_line {
            self.skip_to(self.filled);
        }
        if self.is_within_line || !is_too_long {
            return Next::Incomplete;
        }
        self.is_within_line = true;
        self.cut(begin, self.line_bytes_max + 1)
    }

    /// Takes what is left at the end of the input: a last line without a line's end, if there is one.
    pub fn take_rest(&mut self) -> Next {
        let (begin, end) = (self.start, self.filled);
        self.skip_to(end);
        if begin == end || std::mem::take(&mut self.is_within_line) {
            return Next::Incomplete;
        }
        self.cut(begin, end - begin)
    }

    fn cut(&self, begin: usize, line_bytes: usize) -> Next {
        Next::Line(begin..begin + line_bytes.min(self.line_bytes_max.saturating_add(1)))
    }

    /// The bytes of a line, until more is read.
    #[inline]
    pub fn line(&self, line: Range<usize>) -> &[u8] {
        &self.bytes[line]
    }

    /// Where what is next begins in the stream.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Whether that is within a line.
    pub fn is_within_line(&self) -> bool {
        self.is_within_line
    }

    fn skip_to(&mut self, start: usize) {
        self.offset += (start - self.start) as u64;
        self.start = start;
        self.scanned = start;
    }
}

/// Whether a line as it was taken is one, or only the beginning of one that is too long.
#[inline]
pub fn within_limit(line: &[u8], line_bytes_max: usize) -> Result<(), String> {
    if line.len() > line_bytes_max {
        return Err(format!("expected a line of at most {line_bytes_max} bytes, found a longer one"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cut(text: &[u8], read_bytes: usize) -> Vec<Vec<u8>> {
        let (mut lines, mut input, mut taken) = (LineBuffer::new(read_bytes, 20, 0, false), text, Vec::new());
        loop {
            let is_at_end = lines.fill(&mut input).unwrap() == 0;
            loop {
                match lines.next_line() {
                    Next::Line(line) => taken.push(lines.line(line).to_vec()),
                    Next::Passed => {}
                    Next::Incomplete => break,
                }
            }
            if is_at_end {
                if let Next::Line(rest) = lines.take_rest() {
                    taken.push(lines.line(rest).to_vec());
                }
                assert_eq!(lines.offset(), text.len() as u64);
                return taken;
            }
        }
    }

    proptest! {
        #[test]
        fn lines_are_cut_alike_however_they_come_in(
            lines in prop::collection::vec(("[a-z]{0,30}", any::<bool>()), 0..20), tail in "[a-z]{0,30}", read_bytes in 1usize..50,
        ) {
            let mut text: String =
                lines.iter().map(|(line, crlf)| format!("{line}{}", if *crlf { "\r\n" } else { "\n" })).collect();
            text.push_str(&tail);
            let beginning = |line: String| line.into_bytes().into_iter().take(21).collect::<Vec<u8>>();
            let mut expected: Vec<_> = lines.into_iter().map(|(line, _)| beginning(line)).collect();
            expected.extend(Some(beginning(tail)).filter(|tail| !tail.is_empty()));
            prop_assert_eq!(cut(text.as_bytes(), read_bytes), expected);
        }
    }

    #[test]
    fn a_line_beyond_the_limit_is_given_out_before_it_ends_and_its_rest_is_passed_over() {
        let mut lines = LineBuffer::new(64, 20, 0, false);
        lines.fill(&mut [b'x'; 40].as_slice()).unwrap();
        assert_eq!(lines.next_line(), Next::Line(0..21));
        assert!(lines.is_within_line());
        lines.fill(&mut b"still\nnext\n".as_slice()).unwrap();
        assert_eq!(lines.next_line(), Next::Passed);
        assert_eq!(lines.offset(), 46);
        assert!(matches!(lines.next_line(), Next::Line(line) if lines.line(line.clone()) == b"next"));
    }

    #[test]
    fn a_stream_that_begins_within_a_line_passes_its_rest_over() {
        let mut lines = LineBuffer::new(64, 20, 7, true);
        lines.fill(&mut b"est\n".as_slice()).unwrap();
        assert_eq!((lines.next_line(), lines.next_line()), (Next::Passed, Next::Incomplete));
        assert_eq!((lines.offset(), lines.is_within_line()), (11, false));
    }
}
