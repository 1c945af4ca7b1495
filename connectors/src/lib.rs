//! Headwater's sources and sinks for outside systems.
//!
//! | connector | replays by | guarantee |
//! |---|---|---|
//! | [`generator::GeneratorSource`] | the next record's index | exactly once |
//! | [`files::FileSource`] | file and byte offset | exactly once |
//! | [`socket::SocketSource`] | a durable journal of what was read | exactly once, from the journal on |
//! | [`file_sink::FileSink`] | two-phase commit by rename | exactly once |
//! | [`print::PrintSink`] | - | at least once: after a failure lines may appear again |
//! | [`discard::DiscardSink`] | - | nothing is written |
//!
//! A source that reads bytes [decodes](decode) them. What becomes of a record that cannot be decoded is the source's own
//! [policy](MalformedRecords), or the job's.

pub mod decode;
pub mod discard;
pub mod file_sink;
pub mod files;
pub mod generator;
pub mod journal;
pub mod lines;
pub mod malformed;
pub mod print;
pub mod rate;
pub mod socket;

mod folder;

pub use headwater_core::options::MalformedRecords;

/// A line of text: up to 24 bytes without an allocation.
pub type Str = compact_str::CompactString;
