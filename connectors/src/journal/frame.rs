//! Frames: groups of records as they lie on the disk.
//!
//! A frame is `length of the payload (u32 LE) | CRC-32 (u32 LE) | number of the first record (u64 LE) | payload`, the payload is
//! `length (u32 LE) | bytes` for each record, and the checksum covers all that follows it. Because the record's number is part
//! of it, neither zeros nor an old frame in the wrong place pass for a frame.

use std::ops::Range;

const HEADER_BYTES: usize = 16;
const CHECKED_FROM: usize = 8;
const LENGTH_BYTES: usize = 4;

/// Records on their way into one frame.
#[derive(Debug)]
pub(super) struct Group {
    bytes: Vec<u8>,
    records: u64,
}

impl Default for Group {
    fn default() -> Self {
        Self { bytes: vec![0; HEADER_BYTES], records: 0 }
    }
}

impl Group {
    pub(super) fn push(&mut self, record: &[u8]) {
        let length = u32::try_from(record.len()).expect("a record is far below 4 GiB: its source limits it");
        self.bytes.extend_from_slice(&length.to_le_bytes());
        self.bytes.extend_from_slice(record);
        self.records += 1;
    }

    pub(super) fn len(&self) -> u64 {
        self.records
    }

    /// The whole frame.
    pub(super) fn seal(&mut self, first: u64) -> &[u8] {
        let length = u32::try_from(self.bytes.len() - HEADER_BYTES)
            .expect("a group is far below 4 GiB: it is what one read has filled a buffer with");
        self.bytes[0..4].copy_from_slice(&length.to_le_bytes());
        self.bytes[CHECKED_FROM..HEADER_BYTES].copy_from_slice(&first.to_le_bytes());
        let crc = crc32fast::hash(&self.bytes[CHECKED_FROM..]);
        self.bytes[4..8].copy_from_slice(&crc.to_le_bytes());
        &self.bytes
    }

    pub(super) fn clear(&mut self) {
        self.bytes.truncate(HEADER_BYTES);
        self.records = 0;
    }
}

/// A frame that was read.
pub(super) struct Frame<'a> {
    pub(super) first: u64,
    pub(super) records: u64,
    payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The frame at the start of `bytes`, if it is whole and its first record's number is among `expected`.
    fn parse(bytes: &'a [u8], expected: Range<u64>) -> Option<Self> {
        let header = bytes.get(..HEADER_BYTES)?;
        let length = u32::from_le_bytes(header[0..4].try_into().ok()?) as usize;
        let crc = u32::from_le_bytes(header[4..8].try_into().ok()?);
        let first = u64::from_le_bytes(header[8..16].try_into().ok()?);
        let checked = bytes.get(CHECKED_FROM..HEADER_BYTES.checked_add(length)?)?;
        if !expected.contains(&first) || crc32fast::hash(checked) != crc {
            return None;
        }
        let mut frame = Self { first, records: 0, payload: &bytes[HEADER_BYTES..HEADER_BYTES + length] };
        frame.records = frame.iter().count() as u64;
        Some(frame)
    }

    /// The records.
    pub(super) fn iter(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut rest = self.payload;
        std::iter::from_fn(move || {
            let (length, tail) = rest.split_first_chunk::<LENGTH_BYTES>()?;
            let (record, tail) = tail.split_at_checked(u32::from_le_bytes(*length) as usize)?;
            rest = tail;
            Some(record)
        })
    }

    fn bytes(&self) -> usize {
        HEADER_BYTES + self.payload.len()
    }
}

/// Goes through the frames of a segment up to the first that is not whole.
pub(super) struct Scan<'a> {
    bytes: &'a [u8],
    offset: usize,
    next_record: u64,
}

/// The frames in `bytes`, the first of which begins with record `first`.
pub(super) fn scan(bytes: &[u8], first: u64) -> Scan<'_> {
    Scan { bytes, offset: 0, next_record: first }
}

impl<'a> Iterator for Scan<'a> {
    type Item = Frame<'a>;

    fn next(&mut self) -> Option<Frame<'a>> {
        let frame = Frame::parse(&self.bytes[self.offset..], self.next_record..self.next_record + 1)?;
        self.offset += frame.bytes();
        self.next_record += frame.records;
        Some(frame)
    }
}

impl Scan<'_> {
    /// Where the frames gone through end.
    pub(super) fn offset(&self) -> usize {
        self.offset
    }

    /// The number of the record after the frames gone through.
    pub(super) fn next_record(&self) -> u64 {
        self.next_record
    }

    /// Whether a whole frame of a later group lies behind what is not one. A group is only written once the one before is
    /// synced, so this tells damage from a torn end.
    pub(super) fn is_followed_by_a_frame(&self) -> bool {
        let rest = &self.bytes[self.offset..];
        let records_max = (rest.len() / LENGTH_BYTES) as u64;
        let later = self.next_record + 1..self.next_record + 1 + records_max;
        (1..rest.len()).any(|at| Frame::parse(&rest[at..], later.clone()).is_some())
    }

    /// Whether what is not a frame has the length that its header says. A torn frame is shorter, so this one was whole once.
    pub(super) fn ends_in_a_full_frame(&self) -> bool {
        let rest = &self.bytes[self.offset..];
        let length = rest.first_chunk::<LENGTH_BYTES>().map(|length| u32::from_le_bytes(*length) as usize);
        length.is_some_and(|length| length > 0 && rest.len() == HEADER_BYTES + length)
    }

    /// For people: what lies where a frame should.
    pub(super) fn what_is_there(&self) -> String {
        match self.bytes.len() - self.offset {
            0 => format!("expected record {}, found the end of the file", self.next_record),
            bytes => format!(
                "expected a frame that begins with record {}, found {bytes} bytes that are none",
                self.next_record
            ),
        }
    }
}
