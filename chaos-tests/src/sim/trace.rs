//! What happened in a simulated run, as a hash and, if somebody wants to read it, as text.

use std::{
    fmt::{self, Write},
    hash::{DefaultHasher, Hasher},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::time::Instant;

/// A run's events in their order. Two runs of one seed have the same.
#[derive(Clone, Default)]
pub struct Trace {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    hasher: DefaultHasher,
    line: String,
    life_began: Option<Instant>,
    passed_ms: u64,
    is_muted: bool,
    prints: bool,
}

impl Trace {
    /// A trace that is also printed to standard error as it is made.
    pub fn printed() -> Self {
        let trace = Self::default();
        trace.lock().prints = true;
        trace
    }

    /// A process begins; the virtual clock goes on where it was.
    pub fn begin_life(&self) {
        let mut inner = self.lock();
        inner.life_began = Some(Instant::now());
        inner.is_muted = false;
    }

    /// The process is dead: what is still heard of it is no part of what happened.
    pub fn end_life(&self) {
        let mut inner = self.lock();
        inner.passed_ms = inner.now_ms();
        inner.life_began = None;
        inner.is_muted = true;
    }

    /// Virtual milliseconds since the run began.
    pub fn now_ms(&self) -> u64 {
        self.lock().now_ms()
    }

    /// Takes an event in.
    pub fn note(&self, event: fmt::Arguments<'_>) {
        let mut inner = self.lock();
        if inner.is_muted {
            return;
        }
        let mut line = std::mem::take(&mut inner.line);
        line.clear();
        // Writing to a string cannot fail.
        let _ = write!(line, "{:>7} {event}", inner.now_ms());
        inner.hasher.write(line.as_bytes());
        if inner.prints {
            eprintln!("{line}");
        }
        inner.line = line;
    }

    /// The hash of all events so far.
    pub fn hash(&self) -> u64 {
        self.lock().hasher.finish()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn now_ms(&self) -> u64 {
        self.passed_ms + self.life_began.map_or(0, |began| began.elapsed().as_millis() as u64)
    }
}
