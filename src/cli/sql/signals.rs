//! Ctrl-C and SIGTERM: they stop what is running, and only then the process.
//!
//! All is done within the signals' handlers, so that a signal counts for what ran when it came: a thread that hears of it later
//! would stop the next statement.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use anyhow::Context;
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    flag,
};

/// What shells give for a process that a signal has ended.
const EXIT_INTERRUPTED: u8 = 130;
const EXIT_TERMINATED: u8 = 143;

/// What signals have asked for.
pub(super) struct Signals {
    /// Whether the statement that runs is to stop.
    stop: Arc<AtomicBool>,
    is_terminated: Arc<AtomicBool>,
    /// Whether the next Ctrl-C ends the process.
    interrupt_ends: Arc<AtomicBool>,
    /// Whether the next SIGTERM does.
    terminate_ends: Arc<AtomicBool>,
    is_interactive: bool,
}

impl Signals {
    /// Listens from now on. Until something runs, a signal ends the process.
    pub(super) fn listen() -> anyhow::Result<Self> {
        let set = || Arc::new(AtomicBool::new(true));
        let signals = Self {
            stop: Arc::default(),
            is_terminated: Arc::default(),
            interrupt_ends: set(),
            terminate_ends: set(),
            is_interactive: false,
        };
        signals.register().context("cannot listen for signals")?;
        Ok(signals)
    }

    /// What a signal does, in this order.
    fn register(&self) -> std::io::Result<()> {
        let ends = [
            (SIGINT, EXIT_INTERRUPTED, &self.interrupt_ends),
            (SIGTERM, EXIT_TERMINATED, &self.terminate_ends),
        ];
        for (signal, code, ends) in ends {
            flag::register_conditional_shutdown(signal, i32::from(code), ends.clone())?;
            flag::register(signal, self.stop.clone())?;
            // What was asked to stop before, and does not.
            flag::register(signal, ends.clone())?;
        }
        flag::register(SIGTERM, self.is_terminated.clone())?;
        Ok(())
    }

    /// Between statements, Ctrl-C is for the line that is typed from now on.
    pub(super) fn be_interactive(&mut self) {
        self.is_interactive = true;
        self.interrupt_ends.store(false, Relaxed);
    }

    /// What Ctrl-C has stopped is over. To be called when the terminal makes no signals of it any more.
    pub(super) fn begin_line(&self) {
        self.interrupt_ends.store(false, Relaxed);
        self.stop.store(false, Relaxed);
    }

    /// Runs something that looks at [`stop`](Self::stop); tells whether it was asked to stop.
    pub(super) fn while_running<T>(&self, run: impl FnOnce() -> T) -> (T, bool) {
        let is_asked = || self.stop.load(Relaxed);
        self.interrupt_ends.store(is_asked(), Relaxed);
        self.terminate_ends.store(is_asked(), Relaxed);
        let result = run();
        self.interrupt_ends.store(!self.is_interactive || is_asked(), Relaxed);
        self.terminate_ends.store(true, Relaxed);
        (result, is_asked())
    }

    /// Set when what is running is to stop.
    pub(super) fn stop(&self) -> &Arc<AtomicBool> {
        &self.stop
    }

    /// What a process gives that a signal has stopped.
    pub(super) fn exit_code(&self) -> u8 {
        if self.is_terminated() { EXIT_TERMINATED } else { EXIT_INTERRUPTED }
    }

    /// Whether the process is to end, too.
    pub(super) fn is_terminated(&self) -> bool {
        self.is_terminated.load(Relaxed)
    }
}
