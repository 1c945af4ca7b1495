//! Ctrl-C and SIGTERM: they stop what is running, and only then the process.

use std::{
    process,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use crate::cli::interrupt::{Heard, hear};

/// What shells give for a process that a signal has ended.
fn exit_code_of(signal: Heard) -> u8 {
    match signal {
        Heard::Interrupt => 130,
        Heard::Terminate => 143,
    }
}

/// What signals have asked for.
#[derive(Clone, Default)]
pub(super) struct Signals {
    /// Whether the statement that runs is to stop.
    stop: Arc<AtomicBool>,
    is_running: Arc<AtomicBool>,
    is_terminated: Arc<AtomicBool>,
    /// Whether the process outlives Ctrl-C if nothing runs that could stop.
    is_interactive: Arc<AtomicBool>,
}

impl Signals {
    /// Listens from now on.
    pub(super) fn listen() -> anyhow::Result<Self> {
        let signals = Self::default();
        let heard = signals.clone();
        hear(move |signal| {
            heard.is_terminated.fetch_or(signal == Heard::Terminate, Relaxed);
            let is_ended = if heard.is_running.load(Relaxed) {
                // What was asked to stop before, and does not.
                heard.stop.swap(true, Relaxed)
            } else {
                signal == Heard::Terminate || !heard.is_interactive.load(Relaxed)
            };
            if is_ended {
                process::exit(i32::from(exit_code_of(signal)));
            }
        })?;
        Ok(signals)
    }

    /// Ctrl-C between statements is for the line that is typed, also when the terminal makes a signal of it.
    pub(super) fn be_interactive(&self) {
        self.is_interactive.store(true, Relaxed);
    }

    /// Runs something that looks at [`stop`](Self::stop); tells whether it was asked to stop.
    pub(super) fn while_running<T>(&self, run: impl FnOnce() -> T) -> (T, bool) {
        self.stop.store(false, Relaxed);
        self.is_running.store(true, Relaxed);
        let result = run();
        self.is_running.store(false, Relaxed);
        (result, self.stop.swap(false, Relaxed))
    }

    /// Set when what is running is to stop.
    pub(super) fn stop(&self) -> &Arc<AtomicBool> {
        &self.stop
    }

    /// What a process gives that a signal has stopped.
    pub(super) fn exit_code(&self) -> u8 {
        exit_code_of(if self.is_terminated() { Heard::Terminate } else { Heard::Interrupt })
    }

    /// Whether the process is to end, too.
    pub(super) fn is_terminated(&self) -> bool {
        self.is_terminated.load(Relaxed)
    }
}
