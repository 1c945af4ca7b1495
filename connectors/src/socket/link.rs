//! What the reader and its thread share: the lines on their way, and the order to stop.

use std::{
    collections::VecDeque,
    net::{Shutdown, TcpStream},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use headwater_actors::context::TaskError;

/// The thread waits while more than this is queued, in bytes of lines.
const QUEUE_BYTES_MAX: usize = 4 << 20;

/// Lines in a row, not yet decoded.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    /// The number of the first line.
    first: u64,
    bytes: Vec<u8>,
    /// Where each line ends in `bytes`.
    ends: Vec<usize>,
    taken: usize,
}

impl Chunk {
    /// No lines yet, the first of which will have this number.
    pub(super) fn new(first: u64) -> Self {
        Self { first, ..Self::default() }
    }

    pub(super) fn push(&mut self, line: &[u8]) {
        self.bytes.extend_from_slice(line);
        self.ends.push(self.bytes.len());
    }

    /// Takes the next line, with its number.
    pub(super) fn next_line(&mut self) -> Option<(u64, &[u8])> {
        let number = self.next_number()?;
        let begin = self.taken.checked_sub(1).map_or(0, |last| self.ends[last]);
        let line = &self.bytes[begin..self.ends[self.taken]];
        self.taken += 1;
        Some((number, line))
    }

    /// The number of the next line.
    pub(super) fn next_number(&self) -> Option<u64> {
        (!self.is_empty()).then_some(self.first + self.taken as u64)
    }

    /// The number of the line after these.
    pub(super) fn end(&self) -> u64 {
        self.first + self.ends.len() as u64
    }

    /// Whether all lines are taken.
    pub(super) fn is_empty(&self) -> bool {
        self.taken == self.ends.len()
    }

    fn size(&self) -> usize {
        self.bytes.len() + self.ends.len() * size_of::<usize>()
    }
}

/// The two ends' common ground.
#[derive(Debug, Default)]
pub(super) struct Link {
    state: Mutex<State>,
    /// Something has changed that the thread may be waiting for.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    chunks: VecDeque<(Chunk, usize)>,
    queued_bytes: usize,
    failure: Option<TaskError>,
    waker: Option<Waker>,
    connection: Option<TcpStream>,
    is_stopped: bool,
}

/// The reader is gone.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stopped;

/// The task's side.
impl Link {
    /// The next lines, or the failure that ended them.
    pub(super) fn poll_chunk(&self, context: &mut Context<'_>) -> Poll<Result<Chunk, TaskError>> {
        let mut state = self.lock();
        if let Some((chunk, bytes)) = state.chunks.pop_front() {
            state.queued_bytes -= bytes;
            self.changed.notify_all();
            return Poll::Ready(Ok(chunk));
        }
        if let Some(error) = state.failure.take() {
            return Poll::Ready(Err(error));
        }
        state.waker = Some(context.waker().clone());
        Poll::Pending
    }

    /// Ends the thread. A read that it is in returns what the kernel has received, then the end.
    pub(super) fn stop(&self) {
        let mut state = self.lock();
        state.is_stopped = true;
        state.chunks.clear();
        if let Some(connection) = state.connection.take() {
            // It fails if the connection is gone already, and then there is nothing to wake.
            let _ = connection.shutdown(Shutdown::Read);
        }
        self.changed.notify_all();
    }

    /// Lets the thread look again at what it waits for.
    pub(super) fn notify_feed(&self) {
        // Under the lock: so it comes either before the thread looks, or after it has begun to wait.
        let _state = self.lock();
        self.changed.notify_all();
    }
}

/// The thread's side.
impl Link {
    /// Queues lines for the task.
    pub(super) fn push(&self, chunk: Chunk) {
        let mut state = self.lock();
        if state.is_stopped {
            return;
        }
        let bytes = chunk.size();
        state.queued_bytes += bytes;
        state.chunks.push_back((chunk, bytes));
        wake(state);
    }

    /// Fails the task once it has taken what is queued.
    pub(super) fn fail(&self, error: TaskError) {
        let mut state = self.lock();
        state.failure.get_or_insert(error);
        state.connection = None;
        wake(state);
    }

    /// Takes note of the connection that [`stop`](Self::stop) ends; `None` for none.
    pub(super) fn set_connection(&self, connection: Option<TcpStream>) -> Result<(), Stopped> {
        let mut state = self.lock();
        if state.is_stopped {
            return Err(Stopped);
        }
        state.connection = connection;
        Ok(())
    }

    /// Waits until the queue has room and `is_ready` returns true.
    pub(super) fn wait_for_room(&self, is_ready: impl Fn() -> bool) -> Result<(), Stopped> {
        let mut state = self.lock();
        while !state.is_stopped {
            if state.queued_bytes < QUEUE_BYTES_MAX && is_ready() {
                return Ok(());
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        Err(Stopped)
    }

    /// Waits for a time, unless stopped.
    pub(super) fn sleep(&self, duration: Duration) -> Result<(), Stopped> {
        let deadline = Instant::now() + duration;
        let mut state = self.lock();
        while !state.is_stopped {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        Err(Stopped)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wake(mut state: MutexGuard<'_, State>) {
    let waker = state.waker.take();
    drop(state);
    if let Some(waker) = waker {
        waker.wake();
    }
}
