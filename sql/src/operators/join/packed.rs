//! Rows of one key, packed one behind the other into one value of state.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// What is kept of each row beside its bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Layout {
    /// How often the row is there. Without it each row is there once.
    pub count: bool,
    /// How many rows it matches.
    pub matches: bool,
    /// When it was last written, or its event time.
    pub time: bool,
}

impl Layout {
    const LENGTH_BYTES: usize = 4;

    const fn matches_at(self) -> usize {
        Self::LENGTH_BYTES + if self.count { 4 } else { 0 }
    }

    const fn time_at(self) -> usize {
        self.matches_at() + if self.matches { 4 } else { 0 }
    }

    const fn header_bytes(self) -> usize {
        self.time_at() + if self.time { 8 } else { 0 }
    }
}

/// A row with what is kept of it. What the layout has no room for is as in the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record<'a> {
    pub row: &'a [u8],
    pub count: u32,
    pub matches: u32,
    pub time: i64,
}

/// Some of the rows of a key. The key's first chunk says how many it has.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Chunk(Vec<u8>);

const CHUNKS_BYTES: usize = 4;

impl Default for Chunk {
    fn default() -> Self {
        Self(1u32.to_le_bytes().to_vec())
    }
}

impl Chunk {
    /// Of the key's first chunk: how many there are.
    pub(super) fn chunks(&self) -> u32 {
        u32_at(&self.0, 0)
    }

    pub(super) fn set_chunks(&mut self, chunks: u32) {
        self.0[..CHUNKS_BYTES].copy_from_slice(&chunks.to_le_bytes());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.len() == CHUNKS_BYTES
    }

    pub(super) fn bytes(&self) -> usize {
        self.0.len()
    }

    /// The rows, each with where it is.
    #[inline]
    pub(super) fn records(&self, layout: Layout) -> Records<'_> {
        Records { bytes: &self.0, at: CHUNKS_BYTES, layout }
    }

    /// Adds a row behind the others.
    pub(super) fn push(&mut self, layout: Layout, record: Record<'_>) {
        let needed = layout.header_bytes() + record.row.len();
        if self.0.capacity() - self.0.len() < needed {
            // Less than doubling: most keys have few rows, and there are many keys.
            self.0.reserve_exact(needed.max(self.0.len() / 4));
        }
        self.0.extend_from_slice(&(record.row.len() as u32).to_le_bytes());
        if layout.count {
            self.0.extend_from_slice(&record.count.to_le_bytes());
        }
        if layout.matches {
            self.0.extend_from_slice(&record.matches.to_le_bytes());
        }
        if layout.time {
            self.0.extend_from_slice(&record.time.to_le_bytes());
        }
        self.0.extend_from_slice(record.row);
    }

    /// Adds a row, or counts it if it is there and was written after `outdated`. The layout has a count.
    pub(super) fn add(&mut self, layout: Layout, record: Record<'_>, outdated: i64) {
        let found = self.find(layout, record.row).map(|(at, found)| (at, found.count, found.time));
        let Some((at, count, time)) = found else { return self.push(layout, record) };
        let count = if time > outdated { count } else { 0 };
        self.write_u32(at + Layout::LENGTH_BYTES, count + record.count);
        self.set_matches(layout, at, record.matches);
        self.set_time(layout, at, record.time);
    }

    /// Takes a row away once. Returns whether it was there.
    pub(super) fn subtract(&mut self, layout: Layout, row: &[u8]) -> bool {
        let found = self.find(layout, row).map(|(at, found)| (at, found.count));
        let Some((at, count)) = found else { return false };
        if count > 1 {
            self.write_u32(at + Layout::LENGTH_BYTES, count - 1);
        } else {
            self.0.drain(at..at + layout.header_bytes() + row.len());
        }
        true
    }

    fn find(&self, layout: Layout, row: &[u8]) -> Option<(usize, Record<'_>)> {
        self.records(layout).find(|(_, record)| record.row == row)
    }

    /// Sets how many rows the one at a place matches.
    #[inline]
    pub(super) fn set_matches(&mut self, layout: Layout, at: usize, matches: u32) {
        if layout.matches {
            self.write_u32(at + layout.matches_at(), matches);
        }
    }

    /// How many rows the one at a place matches.
    #[inline]
    pub(super) fn matches(&self, layout: Layout, at: usize) -> u32 {
        u32_at(&self.0, at + layout.matches_at())
    }

    /// Sets the time of the row at a place.
    #[inline]
    pub(super) fn set_time(&mut self, layout: Layout, at: usize, time: i64) {
        if layout.time {
            let at = at + layout.time_at();
            self.0[at..at + 8].copy_from_slice(&time.to_le_bytes());
        }
    }

    /// Keeps the rows that are wanted.
    pub(super) fn retain(&mut self, layout: Layout, mut is_wanted: impl FnMut(Record<'_>) -> bool) {
        let mut kept = Self(self.0[..CHUNKS_BYTES].to_vec());
        for (_, record) in self.records(layout) {
            if is_wanted(record) {
                kept.push(layout, record);
            }
        }
        *self = kept;
    }

    fn write_u32(&mut self, at: usize, value: u32) {
        self.0[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }
}

/// The rows of a chunk.
pub(super) struct Records<'a> {
    bytes: &'a [u8],
    at: usize,
    layout: Layout,
}

impl<'a> Iterator for Records<'a> {
    type Item = (usize, Record<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.at == self.bytes.len() {
            return None;
        }
        let (at, layout) = (self.at, self.layout);
        let row_at = at + layout.header_bytes();
        let row_end = row_at + u32_at(self.bytes, at) as usize;
        self.at = row_end;
        let record = Record {
            row: &self.bytes[row_at..row_end],
            count: if layout.count { u32_at(self.bytes, at + Layout::LENGTH_BYTES) } else { 1 },
            matches: if layout.matches { u32_at(self.bytes, at + layout.matches_at()) } else { 0 },
            time: if layout.time { i64_at(self.bytes, at + layout.time_at()) } else { i64::MAX },
        };
        Some((at, record))
    }
}

#[inline]
fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[inline]
fn i64_at(bytes: &[u8], at: usize) -> i64 {
    (i64::from(u32_at(bytes, at + 4) as i32) << 32) | i64::from(u32_at(bytes, at))
}

impl Serialize for Chunk {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Chunk {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Chunk;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("packed rows")
            }
            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Chunk, E> {
                self.visit_byte_buf(bytes.to_vec())
            }
            fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Chunk, E> {
                if bytes.len() < CHUNKS_BYTES {
                    return Err(E::invalid_length(bytes.len(), &self));
                }
                Ok(Chunk(bytes))
            }
        }
        deserializer.deserialize_byte_buf(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_with_what_is_kept_of_them() {
        for flags in 0..8 {
            let layout = Layout { count: flags & 1 != 0, matches: flags & 2 != 0, time: flags & 4 != 0 };
            let mut chunk = Chunk::default();
            let rows: [&[u8]; 3] = [b"", b"one", b"three"];
            for row in rows {
                chunk.push(layout, Record { row, count: 1, matches: 3, time: -5 });
            }
            let (at, _) = chunk.records(layout).nth(1).unwrap();
            chunk.set_matches(layout, at, 8);
            chunk.set_time(layout, at, i64::MIN + 7);
            let bytes = headwater_core::codec::encode(&chunk).unwrap();
            let chunk: Chunk = headwater_core::codec::decode(&bytes).unwrap();
            let records: Vec<_> = chunk.records(layout).map(|(_, record)| record).collect();
            assert_eq!(records.iter().map(|record| record.row).collect::<Vec<_>>(), rows);
            assert_eq!(records[1].matches, if layout.matches { 8 } else { 0 });
            assert_eq!(records[1].time, if layout.time { i64::MIN + 7 } else { i64::MAX });
            assert_eq!(records[2].time, if layout.time { -5 } else { i64::MAX });
        }
    }
}
