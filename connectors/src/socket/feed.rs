//! The thread that reads the socket: replays the journal, then connects, reads, journals and hands over, for ever.

use std::{
    fs::{self, File, TryLockError},
    io, mem,
    net::{TcpStream, ToSocketAddrs},
    path::PathBuf,
    sync::{Arc, OnceLock},
    thread,
    time::{Duration, Instant},
};

use headwater_actors::{context::TaskError, metrics::TaskCounters};
use headwater_core::{access, fs::FileSystem};

use super::{
    LINE_BYTES_MAX,
    link::{Chunk, Link, Stopped},
};
use crate::{
    journal::{self, Journal, Segments},
    lines::{LineBuffer, Next},
};

const READ_BYTES: usize = 1 << 20;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const BACKOFF_MIN: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// How long an attempt waits for its predecessor to let go of the journal, and how often it looks.
const FENCE_TIMEOUT: Duration = Duration::from_secs(10);
const FENCE_INTERVAL: Duration = Duration::from_millis(2);

/// A stopped thread still journals what the kernel has received, in at most so many reads.
const LAST_READS_MAX: u32 = 8;

/// Why the thread ends.
enum End {
    Stopped,
    Failed(TaskError),
}

impl From<Stopped> for End {
    fn from(_: Stopped) -> Self {
        Self::Stopped
    }
}

impl From<journal::Error> for End {
    fn from(error: journal::Error) -> Self {
        Self::Failed(match error {
            journal::Error::Io { .. } => TaskError::Connector(error.to_string()),
            _ => TaskError::DataLoss(error.to_string()),
        })
    }
}

/// What the thread works with.
pub(super) struct Feed {
    pub(super) fs: Arc<dyn FileSystem>,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) delimiter: u8,
    pub(super) folder: PathBuf,
    pub(super) position: Option<u64>,
    /// `None` without a journal.
    pub(super) journal_bytes_max: Option<u64>,
    pub(super) link: Arc<Link>,
    pub(super) segments: Arc<OnceLock<Segments>>,
    pub(super) counters: Arc<TaskCounters>,
}

impl Feed {
    pub(super) fn spawn(self) -> io::Result<()> {
        let report = EndReport(self.link.clone());
        let task = tracing::Span::current();
        thread::Builder::new().name("socket-source".to_owned()).spawn(move || {
            let report = report;
            let _of_task = task.enter();
            if let Err(End::Failed(error)) = self.run() {
                report.0.fail(error);
            }
        })?;
        Ok(())
    }

    fn run(&self) -> Result<(), End> {
        // Held until everything else is dropped, the connection first of all.
        let _fence = self.fence()?;
        let log = match self.journal_bytes_max {
            Some(bytes_max) => self.open_journal(bytes_max)?,
            None => Log::none(),
        };
        let mut pump = Pump { link: &self.link, delimiter: self.delimiter, log };
        let address = format!("{}:{}", self.host, self.port);
        let mut backoff = BACKOFF_MIN;
        loop {
            let ended_by = match self.connect()? {
                Err(error) => error,
                Ok(connection) => {
                    tracing::info!(address, "connected");
                    let (has_read, ended_by) = pump.run(connection)?;
                    if has_read {
                        backoff = BACKOFF_MIN;
                    }
                    ended_by
                }
            };
            tracing::warn!(address, reason = %ended_by, retry_in_ms = backoff.as_millis() as u64, "no connection");
            self.link.sleep(backoff)?;
            self.counters.add_reconnect();
            backoff = (backoff * 2).min(BACKOFF_MAX);
        }
    }

    /// Waits until no earlier attempt holds the journal.
    fn fence(&self) -> Result<File, End> {
        let path = self.folder.join("lock");
        let refused = |error| {
            End::Failed(TaskError::io(format_args!("cannot lock the journal by `{}`", path.display()), error))
        };
        fs::create_dir_all(&self.folder).map_err(refused)?;
        let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(refused)?;
        let deadline = Instant::now() + FENCE_TIMEOUT;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::Error(error)) => return Err(refused(error)),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                    self.link.sleep(FENCE_INTERVAL)?;
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(refused(io::Error::new(
                        io::ErrorKind::TimedOut,
                        "an earlier attempt, or another process, did not let go of it in time",
                    )));
                }
            }
        }
    }

    fn open_journal(&self, bytes_max: u64) -> Result<Log, End> {
        let journal = Journal::open(&self.fs, &self.folder, self.position, bytes_max)?;
        let segments = self.segments.get_or_init(|| journal.segments()).clone();
        let from = self.position.unwrap_or(journal.records().start);
        let mut is_stopped = false;
        journal.replay(from, |first, records| {
            let mut chunk = Chunk::new(first);
            records.for_each(|record| chunk.push(record));
            is_stopped = self.link.wait_for_room(|| true).is_err();
            self.link.push(chunk);
            !is_stopped
        })?;
        if is_stopped {
            return Err(End::Stopped);
        }
        let lines = Chunk::new(journal.records().end);
        Ok(Log { journal: Some((journal, segments, bytes_max)), lines })
    }

    /// Connects to one of the host's addresses. That jobs may not is no failure that passes.
    fn connect(&self) -> Result<io::Result<TcpStream>, End> {
        let mut last_error = io::Error::new(io::ErrorKind::NotFound, "the host's name has no address");
        let policy = access::policy();
        let refused = |error: io::Error| End::Failed(TaskError::Connector(error.to_string()));
        policy.check_host(&self.host, self.port).map_err(refused)?;
        let addresses = match (self.host.as_str(), self.port).to_socket_addrs() {
            Ok(addresses) => addresses,
            Err(error) => return Ok(Err(error)),
        };
        for address in addresses {
            policy.check_address(&self.host, address.ip()).map_err(refused)?;
            match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
                Ok(connection) => return Ok(Ok(connection)),
                Err(error) => last_error = error,
            }
        }
        Ok(Err(last_error))
    }
}

/// Fails the task if the thread ends by a panic: nobody else would notice.
struct EndReport(Arc<Link>);

impl Drop for EndReport {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.fail(TaskError::Connector("the thread that reads the socket panicked".to_owned()));
        }
    }
}

/// Numbers lines, and keeps them if there is a journal.
struct Log {
    journal: Option<(Journal, Segments, u64)>,
    lines: Chunk,
}

impl Log {
    fn none() -> Self {
        Self { journal: None, lines: Chunk::default() }
    }

    fn bytes_max(&self) -> Option<u64> {
        self.journal.as_ref().map(|(_, _, bytes_max)| *bytes_max)
    }

    fn is_full(&self) -> bool {
        self.journal.as_ref().is_some_and(|(_, segments, bytes_max)| segments.bytes() >= *bytes_max)
    }

    fn add(&mut self, line: &[u8]) {
        if let Some((journal, _, _)) = &mut self.journal {
            journal.stage(line);
        }
        self.lines.push(line);
    }

    /// Returns the lines added since the last call, once they are durable.
    fn commit(&mut self) -> Result<Option<Chunk>, journal::Error> {
        if self.lines.is_empty() {
            return Ok(None);
        }
        if let Some((journal, _, _)) = &mut self.journal {
            let records = journal.commit()?;
            assert_eq!(records.end, self.lines.end(), "lines and records are numbered alike");
        }
        let following = Chunk::new(self.lines.end());
        Ok(Some(mem::replace(&mut self.lines, following)))
    }
}

/// Moves what comes from a connection into the log, and from there to the task.
struct Pump<'a> {
    link: &'a Link,
    delimiter: u8,
    log: Log,
}

impl Pump<'_> {
    /// Reads until the connection ends. Returns whether anything came, and how it ended.
    fn run(&mut self, mut connection: TcpStream) -> Result<(bool, io::Error), End> {
        let for_stop = connection.try_clone().map_err(|error| {
            End::Failed(TaskError::io("cannot keep a second handle to the connection", error))
        })?;
        self.link.set_connection(Some(for_stop))?;
        let mut lines = LineBuffer::new(READ_BYTES, LINE_BYTES_MAX, 0, false).delimiter(self.delimiter);
        let (mut has_read, mut last_reads) = (false, 0);
        let ended_by = loop {
            if self.wait_for_room() == Err(Stopped) {
                let gives_up =
                    self.log.journal.is_none() || self.log.is_full() || last_reads == LAST_READS_MAX;
                if gives_up {
                    return Err(End::Stopped);
                }
                last_reads += 1;
            }
            match lines.fill(&mut connection) {
                Ok(0) => {
                    break io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection");
                }
                Ok(_) => has_read = true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => break error,
            }
            self.hand_over(&mut lines)?;
        };
        // If it is the reader that ended it, the rest of the line is still to come: what is there would be half a line.
        self.link.set_connection(None)?;
        if let Next::Line(rest) = lines.take_rest() {
            self.log.add(lines.line(rest));
            self.commit()?;
        }
        Ok((has_read, ended_by))
    }

    /// Waits until the task has taken enough and the journal is not full.
    fn wait_for_room(&self) -> Result<(), Stopped> {
        if !self.log.is_full() {
            return self.link.wait_for_room(|| true);
        }
        tracing::warn!(
            bytes_max = self.log.bytes_max(),
            "the journal is full: the socket is not read until a checkpoint is completed"
        );
        self.link.wait_for_room(|| !self.log.is_full())?;
        tracing::info!("the journal has room again: the socket is read on");
        Ok(())
    }

    fn hand_over(&mut self, lines: &mut LineBuffer) -> Result<(), End> {
        loop {
            match lines.next_line() {
                Next::Line(line) => self.log.add(lines.line(line)),
                Next::Passed => {}
                Next::Incomplete => return self.commit(),
            }
        }
    }

    fn commit(&mut self) -> Result<(), End> {
        if let Some(chunk) = self.log.commit()? {
            self.link.push(chunk);
        }
        Ok(())
    }
}
