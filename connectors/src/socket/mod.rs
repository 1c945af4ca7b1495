//! A source that reads lines from a TCP server, e.g. `nc -lk 9000`.
//!
//! TCP can't rewind, so whatever comes in is appended to a [journal](crate::journal) and synced to the disk before it can be
//! emitted. After a failure, that of the whole process included, the journal is replayed from the restored checkpoint's
//! position; when a checkpoint is completed, what lies before the positions of all that are kept is released. From the journal
//! on, every line is processed exactly once.
//!
//! Before the journal nothing can be promised over plain TCP: what the kernel has received and acknowledged, but the
//! source has not yet journaled, is lost when the process is killed. That is a matter of milliseconds, since the journal is
//! written as soon as something is there. When only the task dies, what the kernel has received is still journaled, except
//! for a line whose end has not come. What the server sends while nobody is connected is the server's own affair.
//!
//! Reading and syncing happen on a thread of the reader's own. It ends when the reader is dropped, and a lock file keeps the
//! next attempt's thread from the journal and the server until it has.

mod feed;
mod link;

use std::{
    collections::VecDeque,
    fmt,
    path::PathBuf,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
};

use headwater_actors::{
    batch::Batch,
    context::{TaskContext, TaskError},
    look::json_of,
    operator::SourceStatus,
    source::{Source, SourceReader},
};
use headwater_core::{codec, ids::CheckpointId, options::MalformedRecords, time::NO_TIMESTAMP};
use serde::{Deserialize, Serialize};

use crate::{
    decode::{Decode, FromBytes, FromText, Text},
    folder::name_of,
    journal::Segments,
    lines::within_limit,
    malformed::{Letters, Malformed, MalformedHandler},
};
use feed::Feed;
use link::{Chunk, Link};

const JOURNAL_BYTES_MAX: u64 = 256 << 20;
const LINE_BYTES_MAX: usize = 1 << 20;

/// Reads lines from a TCP server, in one subtask. Lines end in `\n` or `\r\n`, which are not part of them; when the server
/// closes the connection, what came after the last line's end is a line, too.
///
/// A line that is longer than 1 MiB, or not UTF-8, or refused by the function that [decodes](Self::decode) it, is a malformed
/// record. Of a line that is too long the journal and a dead letter keep the first 1 MiB.
///
/// If there is no connection, or no more, a new one is tried for ever, after 50 ms first and then less and less often, down to
/// every 5 s. So the source never ends.
///
/// ```
/// use headwater_connectors::{MalformedRecords, socket::SocketSource};
/// // Numbers, one a line. What is no number is left out, and counted.
/// let numbers = SocketSource::new("localhost", 9000)
///     .decode(|line| line.trim().parse::<u64>())
///     .on_malformed(MalformedRecords::Skip);
/// ```
#[derive(Debug, Clone)]
pub struct SocketSource<D = Text> {
    host: String,
    port: u16,
    decoder: D,
    /// The job's if not set.
    on_malformed: Option<MalformedRecords>,
    is_journaled: bool,
    journal_bytes_max: u64,
    delimiter: u8,
}

impl SocketSource {
    /// A source of the lines that the server at this address sends.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
            decoder: Text,
            on_malformed: None,
            is_journaled: true,
            journal_bytes_max: JOURNAL_BYTES_MAX,
            delimiter: b'\n',
        }
    }
}

impl<D> SocketSource<D> {
    /// Yields what `function` makes of each line. An error makes the line a malformed record, of which it is the cause.
    pub fn decode<T, E, F: Fn(&str) -> Result<T, E>>(self, function: F) -> SocketSource<FromText<F, T>> {
        self.with(FromText::new(function))
    }

    /// As [`decode`](Self::decode), for lines that need not be UTF-8.
    pub fn decode_bytes<T, E, F: Fn(&[u8]) -> Result<T, E>>(
        self,
        function: F,
    ) -> SocketSource<FromBytes<F, T>> {
        self.with(FromBytes::new(function))
    }

    fn with<E>(self, decoder: E) -> SocketSource<E> {
        let Self { host, port, on_malformed, is_journaled, journal_bytes_max, delimiter, .. } = self;
        SocketSource { host, port, decoder, on_malformed, is_journaled, journal_bytes_max, delimiter }
    }

    /// What becomes of lines that are malformed; if not set, what the job's option `source.malformed-records` says.
    pub fn on_malformed(mut self, policy: MalformedRecords) -> Self {
        self.on_malformed = Some(policy);
        self
    }

    /// Whether lines are journaled before they are emitted, which is the default. Without the journal no line waits for the
    /// disk, and after every failure all lines are lost that were read since the last completed checkpoint, or were on their
    /// way into state and results: at most once, as Apache Flink's own socket source. Lines that are in a journal from an
    /// earlier run are not replayed either.
    pub fn journal(mut self, is_journaled: bool) -> Self {
        self.is_journaled = is_journaled;
        self
    }

    /// Lines end in this byte rather than in `\n` or `\r\n`.
    pub fn delimiter(mut self, delimiter: u8) -> Self {
        self.delimiter = delimiter;
        self
    }

    /// How much the journal may hold, in bytes; 256 MiB if not set. When it is full since checkpoints don't complete, the
    /// source stops reading, and the server has to wait. It may be exceeded by what one read brings, up to 2 MiB.
    pub fn journal_bytes_max(mut self, bytes: u64) -> Self {
        self.journal_bytes_max = bytes;
        self
    }
}

/// What comes next: a record's number in the journal, `None` while nothing was emitted.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Position {
    next: Option<u64>,
    letters: Letters,
}

impl<D: Decode> Source for SocketSource<D> {
    type Item = D::Item;
    type Reader = SocketReader<D>;

    fn open(&self, context: &TaskContext, position: Option<&[u8]>) -> Result<SocketReader<D>, TaskError> {
        Ok(SocketReader { lines: self.open_lines(context, position)?, decoder: self.decoder.clone() })
    }

    fn show_position(&self, position: &[u8]) -> Option<String> {
        json_of::<Position>(position)
    }
}

impl<D> SocketSource<D> {
    /// Opens what yields the lines as bytes.
    pub fn open_lines(
        &self,
        context: &TaskContext,
        position: Option<&[u8]>,
    ) -> Result<SocketLines, TaskError> {
        let parallelism = context.vertex.parallelism;
        if parallelism != 1 {
            return Err(TaskError::Connector(format!(
                "socket source `{}`: expected parallelism 1, found {parallelism}; set it to 1, a server can't be read in \
                 parallel",
                context.vertex.name
            )));
        }
        let Position { next, letters } = position.map(codec::decode).transpose()?.unwrap_or_default();
        // Before the thread connects: what is wrong with the policy shows first.
        let malformed = MalformedHandler::open(self.on_malformed.as_ref(), context, letters)?;
        let link = Arc::new(Link::default());
        let segments = Arc::new(OnceLock::new());
        let feed = Feed {
            fs: context.fs(),
            host: self.host.clone(),
            port: self.port,
            delimiter: self.delimiter,
            folder: journal_folder(context),
            position: next,
            journal_bytes_max: self.is_journaled.then_some(self.journal_bytes_max),
            link: link.clone(),
            segments: segments.clone(),
            counters: context.counters.clone(),
        };
        feed.spawn().map_err(|error| TaskError::io("cannot start the thread that reads a socket", error))?;
        let retained_max = context.options.checkpointing.num_retained.max(1) as usize;
        Ok(SocketLines {
            next,
            batch_first: None,
            current: Chunk::default(),
            malformed,
            is_journaled: self.is_journaled,
            failure: None,
            link,
            releases: Releases {
                segments,
                retained_max,
                pending: VecDeque::new(),
                completed: next.into_iter().collect(),
            },
        })
    }
}

fn journal_folder(context: &TaskContext) -> PathBuf {
    let subtask = format!("{}-{}", name_of(&context.vertex.uid), context.index());
    context.data_dir.join("journal").join(context.job.to_string()).join(subtask)
}

/// Emits what its thread has journaled.
#[derive(Debug)]
pub struct SocketReader<D> {
    lines: SocketLines,
    decoder: D,
}

/// The lines that its thread has journaled.
#[derive(Debug)]
pub struct SocketLines {
    next: Option<u64>,
    /// The first line of the last batch.
    batch_first: Option<u64>,
    /// What was taken from the link and is not yet emitted.
    current: Chunk,
    malformed: MalformedHandler,
    is_journaled: bool,
    /// Told when what came before it is emitted.
    failure: Option<TaskError>,
    link: Arc<Link>,
    releases: Releases,
}

impl SocketLines {
    /// Gives out up to `lines_max` lines of what was taken from the link; returns how many there were.
    fn read_current(
        &mut self,
        lines_max: usize,
        take: &mut impl FnMut(&[u8]) -> Result<(), String>,
    ) -> Result<usize, TaskError> {
        for lines in 0..lines_max {
            let Some((number, line)) = self.current.next_line() else { return Ok(lines) };
            if let Err(cause) = within_limit(line, LINE_BYTES_MAX).and_then(|()| take(line)) {
                let place = LinePlace { number, is_journaled: self.is_journaled };
                self.malformed.handle(Malformed { record: line, at: number, cause }, place)?;
            }
            self.next = Some(number + 1);
        }
        Ok(lines_max)
    }

    /// Gives out up to `lines_max` lines, of which there is at least one. What `take` refuses is a malformed record; its error
    /// is the cause.
    pub fn poll_lines(
        &mut self,
        context: &mut Context<'_>,
        lines_max: usize,
        mut take: impl FnMut(&[u8]) -> Result<(), String>,
    ) -> Poll<Result<(), TaskError>> {
        let mut lines = 0;
        while lines < lines_max {
            if self.current.is_empty() {
                if self.failure.is_some() {
                    break;
                }
                match self.link.poll_chunk(context) {
                    Poll::Ready(Ok(chunk)) => self.current = chunk,
                    Poll::Ready(Err(error)) => {
                        self.failure = Some(error);
                        break;
                    }
                    Poll::Pending if lines == 0 => return Poll::Pending,
                    Poll::Pending => break,
                }
            }
            if lines == 0 {
                self.batch_first = self.current.next_number();
                self.malformed.begin_batch();
            }
            lines += self.read_current(lines_max - lines, &mut take)?;
        }
        Poll::Ready(self.failure.take_if(|_| lines == 0).map_or(Ok(()), Err))
    }

    /// Where one of the lines is from that were given out by the last call and not refused, counted from 0.
    pub fn locate(&self, row: usize) -> Option<String> {
        let number =
            (self.batch_first?..).filter(|number| !self.malformed.was_malformed(*number)).nth(row)?;
        Some(LinePlace { number, is_journaled: self.is_journaled }.to_string())
    }

    /// The position after what was given out so far.
    pub fn snapshot(&mut self, checkpoint: CheckpointId) -> Result<Vec<u8>, TaskError> {
        self.releases.pending.push_back((checkpoint, self.next));
        Ok(codec::encode(&Position { next: self.next, letters: self.malformed.snapshot(checkpoint)? })?)
    }

    /// A checkpoint is durable.
    pub fn checkpoint_completed(&mut self, checkpoint: CheckpointId) -> Result<(), TaskError> {
        self.malformed.checkpoint_completed(checkpoint)?;
        self.releases.completed(checkpoint)?;
        self.link.notify_feed();
        Ok(())
    }
}

impl Drop for SocketLines {
    fn drop(&mut self) {
        self.link.stop();
    }
}

/// A line's place, for people.
struct LinePlace {
    number: u64,
    is_journaled: bool,
}

impl fmt::Display for LinePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_journaled {
            true => write!(f, "journal record {}", self.number),
            false => write!(f, "line {} since the source was opened", self.number),
        }
    }
}

impl<D: Decode> SourceReader<D::Item> for SocketReader<D> {
    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        rows_max: usize,
        batch: &mut Batch<D::Item>,
    ) -> Poll<Result<SourceStatus, TaskError>> {
        let Self { lines, decoder } = self;
        let take = |line: &[u8]| decoder.decode(line).map(|value| batch.push(value, NO_TIMESTAMP));
        lines.poll_lines(context, rows_max, take).map_ok(|()| SourceStatus::Ready)
    }

    fn locate(&mut self, row: usize) -> Option<String> {
        self.lines.locate(row)
    }

    fn snapshot(&mut self, checkpoint: CheckpointId) -> Result<Vec<u8>, TaskError> {
        self.lines.snapshot(checkpoint)
    }

    fn checkpoint_completed(&mut self, checkpoint: CheckpointId) -> Result<(), TaskError> {
        self.lines.checkpoint_completed(checkpoint)
    }
}

/// Decides what is released: what lies before the position of every checkpoint that may be restored.
#[derive(Debug)]
struct Releases {
    /// Known once the journal is open.
    segments: Arc<OnceLock<Segments>>,
    retained_max: usize,
    /// Positions of checkpoints that are not yet completed, oldest first.
    pending: VecDeque<(CheckpointId, Option<u64>)>,
    /// Positions of the checkpoints that are kept, oldest first.
    completed: VecDeque<u64>,
}

impl Releases {
    fn completed(&mut self, checkpoint: CheckpointId) -> Result<(), TaskError> {
        while let Some((id, position)) = self.pending.front().copied().filter(|(id, _)| *id <= checkpoint) {
            self.pending.pop_front();
            if id == checkpoint {
                self.completed.extend(position);
            }
        }
        while self.completed.len() > self.retained_max {
            self.completed.pop_front();
        }
        if self.completed.len() < self.retained_max {
            return Ok(());
        }
        match (self.segments.get(), self.completed.front()) {
            (Some(segments), Some(position)) => {
                segments.release(*position).map_err(|error| TaskError::Connector(error.to_string()))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_right_behind_some_lines_is_told_after_them() {
        let link = Arc::new(Link::default());
        let releases = Releases {
            segments: Arc::default(),
            retained_max: 1,
            pending: VecDeque::new(),
            completed: VecDeque::new(),
        };
        let mut chunk = Chunk::new(0);
        chunk.push(b"line");
        link.push(chunk);
        let lines = SocketLines {
            next: None,
            batch_first: None,
            current: Chunk::default(),
            failure: None,
            malformed: MalformedHandler::detached(&MalformedRecords::Fail),
            is_journaled: true,
            link,
            releases,
        };
        let mut reader = SocketReader { lines, decoder: Text };
        reader.lines.link.fail(TaskError::Connector("the disk is full".to_owned()));

        let mut context = Context::from_waker(std::task::Waker::noop());
        let mut batch = Batch::default();
        let first = reader.poll_read(&mut context, 10, &mut batch);
        assert!(matches!(first, Poll::Ready(Ok(SourceStatus::Ready))), "{first:?}");
        assert_eq!(batch.values, ["line"]);
        let second = reader.poll_read(&mut context, 10, &mut batch);
        assert!(matches!(second, Poll::Ready(Err(TaskError::Connector(_)))), "{second:?}");
    }
}
