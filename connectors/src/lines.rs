//! Cuts a stream of bytes into lines.

use std::io::{self, Read};

/// Bytes that were read and not yet taken as lines. Reads in large pieces, looks at each byte once, and copies only what
/// is left of a line at the end of a piece.
#[derive(Debug)]
pub(crate) struct LineBuffer {
    bytes: Vec<u8>,
    /// The bytes in `start..filled` are not yet taken; those before `scanned` have no line's end.
    start: usize,
    scanned: usize,
    filled: usize,
    /// Where `start` lies in the stream.
    offset: u64,
    line_bytes_max: usize,
}

/// A line is longer than its limit.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a line is longer than {bytes_max} bytes")]
pub(crate) struct LineTooLong {
    bytes_max: usize,
}

impl LineBuffer {
    /// An empty buffer for a stream that begins at `offset`.
    pub(crate) fn new(read_bytes: usize, line_bytes_max: usize, offset: u64) -> Self {
        Self { bytes: vec![0; read_bytes], start: 0, scanned: 0, filled: 0, offset, line_bytes_max }
    }

    /// Reads once; returns how many bytes came, 0 at the end of the input.
    pub(crate) fn fill(&mut self, input: &mut impl Read) -> io::Result<usize> {
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

    /// Takes the next line, without its `\n` or `\r\n`; `None` if it is not there as a whole.
    #[inline]
    pub(crate) fn next_line(&mut self) -> Result<Option<&[u8]>, LineTooLong> {
        let too_long = LineTooLong { bytes_max: self.line_bytes_max };
        let Some(found) = memchr::memchr(b'\n', &self.bytes[self.scanned..self.filled]) else {
            self.scanned = self.filled;
            let is_too_long = self.filled - self.start > self.line_bytes_max.saturating_add(1);
            return if is_too_long { Err(too_long) } else { Ok(None) };
        };
        let (begin, end) = (self.start, self.scanned + found);
        self.skip_to(end + 1);
        let line = &self.bytes[begin..end];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.len() > self.line_bytes_max { Err(too_long) } else { Ok(Some(line)) }
    }

    /// Takes what is left at the end of the input: a last line without a line's end, if there is one.
    pub(crate) fn take_rest(&mut self) -> Option<&[u8]> {
        let (begin, end) = (self.start, self.filled);
        self.skip_to(end);
        Some(&self.bytes[begin..end]).filter(|rest| !rest.is_empty())
    }

    /// Where the next line begins in the stream.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    fn skip_to(&mut self, start: usize) {
        self.offset += (start - self.start) as u64;
        self.start = start;
        self.scanned = start;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cut(text: &[u8], read_bytes: usize) -> Result<Vec<Vec<u8>>, LineTooLong> {
        let (mut lines, mut input, mut taken) = (LineBuffer::new(read_bytes, 20, 0), text, Vec::new());
        while lines.fill(&mut input).unwrap() > 0 {
            while let Some(line) = lines.next_line()? {
                taken.push(line.to_vec());
            }
        }
        taken.extend(lines.take_rest().map(<[u8]>::to_vec));
        assert_eq!(lines.offset(), text.len() as u64);
        Ok(taken)
    }

    proptest! {
        #[test]
        fn lines_are_cut_alike_however_they_come_in(
            lines in prop::collection::vec(("[a-z]{0,20}", any::<bool>()), 0..20), tail in "[a-z]{0,20}", read_bytes in 1usize..50,
        ) {
            let mut text: String =
                lines.iter().map(|(line, crlf)| format!("{line}{}", if *crlf { "\r\n" } else { "\n" })).collect();
            text.push_str(&tail);
            let mut expected: Vec<_> = lines.into_iter().map(|(line, _)| line.into_bytes()).collect();
            expected.extend(Some(tail.into_bytes()).filter(|tail| !tail.is_empty()));
            prop_assert_eq!(cut(text.as_bytes(), read_bytes), Ok(expected));
        }
    }

    #[test]
    fn a_line_beyond_the_limit_is_refused_before_it_ends() {
        assert_eq!(cut(&[b'x'; 100], 10), Err(LineTooLong { bytes_max: 20 }));
        assert_eq!(cut(b"123456789012345678901\n", 64), Err(LineTooLong { bytes_max: 20 }));
    }
}
