//! Ctrl-C and SIGTERM: they stop what is running, and only then the process.

use std::{
    process,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
};

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

/// What shells give for a process that SIGINT or SIGTERM has ended.
const EXIT_INTERRUPTED: u8 = 130;
const EXIT_TERMINATED: u8 = 143;

/// What signals have asked for.
#[derive(Clone, Default)]
pub(super) struct Signals {
    /// Whether the statement that runs is to stop.
    stop: Arc<AtomicBool>,
    is_running: Arc<AtomicBool>,
    is_terminated: Arc<AtomicBool>,
}

impl Signals {
    /// Listens from now on.
    pub(super) fn listen() -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot listen for signals")?;
        let (mut interrupt, mut terminate) = {
            let _within = runtime.enter();
            let listen = |kind| signal(kind).context("cannot listen for signals");
            (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?)
        };
        let signals = Self::default();
        let heard = signals.clone();
        thread::spawn(move || {
            runtime.block_on(async {
                loop {
                    let exit = tokio::select! {
                        _ = interrupt.recv() => EXIT_INTERRUPTED,
                        _ = terminate.recv() => EXIT_TERMINATED,
                    };
                    heard.is_terminated.fetch_or(exit == EXIT_TERMINATED, Relaxed);
                    if !heard.is_running.load(Relaxed) || heard.stop.swap(true, Relaxed) {
                        // Nothing runs that could stop, or it does not.
                        process::exit(i32::from(exit));
                    }
                }
            });
        });
        Ok(signals)
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
        if self.is_terminated() { EXIT_TERMINATED } else { EXIT_INTERRUPTED }
    }

    /// Whether the process is to end, too.
    pub(super) fn is_terminated(&self) -> bool {
        self.is_terminated.load(Relaxed)
    }
}
