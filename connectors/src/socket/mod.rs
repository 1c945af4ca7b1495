//! A source that reads lines from a TCP server, e.g. `nc -lk 9000`.
//!
//! TCP can't rewind, so whatever comes in is appended to a [journal](crate::journal) and synced to the disk before it can be
//! emitted. After a failure, that of the whole process included, the journal is replayed from the restored checkpoint's
//! position; once a checkpoint is completed, what lies before its position is released. From the journal on, every line is
//! processed exactly once.
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
    path::PathBuf,
    sync::{Arc, OnceLock},
    task::{Context, Poll},
};

use headwater_actors::{
    batch::Batch,
    context::{TaskContext, TaskError},
    operator::SourceStatus,
    source::{Source, SourceReader},
};
use headwater_core::{codec, ids::CheckpointId, time::NO_TIMESTAMP};
use serde::{Deserialize, Serialize};

use crate::{Str, folder::name_of, journal::Segments};
use feed::Feed;
use link::{Chunk, Link};

const JOURNAL_BYTES_MAX: u64 = 256 << 20;

/// Reads lines from a TCP server, in one subtask. Lines end in `\n` or `\r\n`, which are not part of them; when the server
/// closes the connection, what came after the last line's end is a line, too. A line may have 1 MiB; a longer one is an
/// error. What is not UTF-8 in a line is replaced by U+FFFD, as Apache Flink does it, and logged.
///
/// If there is no connection, or no more, a new one is tried for ever, after 50 ms first and then less and less often, down to
/// every 5 s. So the source never ends.
#[derive(Debug, Clone)]
pub struct SocketSource {
    host: String,
    port: u16,
    is_journaled: bool,
    journal_bytes_max: u64,
}

impl SocketSource {
    /// A source of the lines that the server at this address sends.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port, is_journaled: true, journal_bytes_max: JOURNAL_BYTES_MAX }
    }

    /// Whether lines are journaled before they are emitted, which is the default. Without the journal no line waits for the
    /// disk, and after every failure all lines are lost that were read since the last completed checkpoint, or were on their
    /// way into state and results: at most once, as Apache Flink's own socket source. Lines that are in a journal from an
    /// earlier run are not replayed either.
    pub fn journal(mut self, is_journaled: bool) -> Self {
        self.is_journaled = is_journaled;
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
#[derive(Debug, Serialize, Deserialize)]
struct Position(Option<u64>);

impl Source for SocketSource {
    type Item = Str;
    type Reader = SocketReader;

    fn open(&self, context: &TaskContext, position: Option<&[u8]>) -> Result<SocketReader, TaskError> {
        let parallelism = context.vertex.parallelism;
        if parallelism != 1 {
            return Err(TaskError::Connector(format!(
                "socket source `{}`: expected parallelism 1, found {parallelism}; set it to 1, a server can't be read in \
                 parallel",
                context.vertex.name
            )));
        }
        let next = match position {
            Some(bytes) => codec::decode::<Position>(bytes)?.0,
            None => None,
        };
        let link = Arc::new(Link::default());
        let segments = Arc::new(OnceLock::new());
        let feed = Feed {
            fs: context.fs(),
            host: self.host.clone(),
            port: self.port,
            folder: journal_folder(context),
            position: next,
            journal_bytes_max: self.is_journaled.then_some(self.journal_bytes_max),
            link: link.clone(),
            segments: segments.clone(),
            counters: context.counters.clone(),
        };
        feed.spawn().map_err(|error| TaskError::io("cannot start the thread that reads a socket", error))?;
        let retained_max = context.options.checkpointing.num_retained.max(1) as usize;
        Ok(SocketReader {
            next,
            current: Chunk::default(),
            failure: None,
            link,
            releases: Releases {
                segments,
                retained_max,
                pending: VecDeque::new(),
                completed: VecDeque::new(),
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
pub struct SocketReader {
    next: Option<u64>,
    /// What was taken from the link and is not yet emitted.
    current: Chunk,
    /// Told when what came before it is emitted.
    failure: Option<TaskError>,
    link: Arc<Link>,
    releases: Releases,
}

impl SourceReader<Str> for SocketReader {
    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        rows_max: usize,
        batch: &mut Batch<Str>,
    ) -> Poll<Result<SourceStatus, TaskError>> {
        let rows_before = batch.len();
        while batch.len() - rows_before < rows_max {
            let wanted = rows_max - (batch.len() - rows_before);
            let rows = self.current.lines.len().min(wanted);
            if rows > 0 {
                batch.values.extend(self.current.lines.by_ref().take(rows));
                batch.timestamps.resize(batch.values.len(), NO_TIMESTAMP);
                self.current.first += rows as u64;
                self.next = Some(self.current.first);
                continue;
            }
            if self.failure.is_some() {
                break;
            }
            match self.link.poll_chunk(context) {
                Poll::Ready(Ok(chunk)) => self.current = chunk,
                Poll::Ready(Err(error)) => self.failure = Some(error),
                Poll::Pending if batch.len() == rows_before => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        match self.failure.take_if(|_| batch.len() == rows_before) {
            Some(error) => Poll::Ready(Err(error)),
            None => Poll::Ready(Ok(SourceStatus::Ready)),
        }
    }

    fn snapshot(&mut self, checkpoint: CheckpointId) -> Result<Vec<u8>, TaskError> {
        self.releases.pending.push_back((checkpoint, self.next));
        Ok(codec::encode(&Position(self.next))?)
    }

    fn checkpoint_completed(&mut self, checkpoint: CheckpointId) -> Result<(), TaskError> {
        self.releases.completed(checkpoint)?;
        self.link.notify_feed();
        Ok(())
    }
}

impl Drop for SocketReader {
    fn drop(&mut self) {
        self.link.stop();
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
        let mut reader =
            SocketReader { next: None, current: Chunk::default(), failure: None, link, releases };
        reader.link.push(Chunk { first: 0, lines: vec![Str::from("line")].into_iter() });
        reader.link.fail(TaskError::Connector("the disk is full".to_owned()));

        let mut context = Context::from_waker(std::task::Waker::noop());
        let mut batch = Batch::default();
        let first = reader.poll_read(&mut context, 10, &mut batch);
        assert!(matches!(first, Poll::Ready(Ok(SourceStatus::Ready))), "{first:?}");
        assert_eq!(batch.values, [Str::from("line")]);
        let second = reader.poll_read(&mut context, 10, &mut batch);
        assert!(matches!(second, Poll::Ready(Err(TaskError::Connector(_)))), "{second:?}");
    }
}
