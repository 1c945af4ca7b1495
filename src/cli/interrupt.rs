//! Ctrl-C and SIGTERM for commands that have to clean up.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

/// Which signal came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// Ctrl-C.
    Interrupt,
    /// SIGTERM.
    Terminate,
}

/// Tells of every signal from now on, on a thread of its own; without this the process would simply end.
pub(super) fn hear(mut tell: impl FnMut(Heard) + Send + 'static) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot listen for signals")?;
    let (mut interrupt, mut terminate) = {
        let _within = runtime.enter();
        let listen = |kind| signal(kind).context("cannot listen for signals");
        (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?)
    };
    thread::spawn(move || {
        runtime.block_on(async {
            loop {
                tokio::select! {
                    _ = interrupt.recv() => tell(Heard::Interrupt),
                    _ = terminate.recv() => tell(Heard::Terminate),
                }
            }
        });
    });
    Ok(())
}

/// Whether the process was asked to stop.
pub(super) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Listens from now on.
    pub(super) fn listen() -> anyhow::Result<Self> {
        let is_set = Arc::new(AtomicBool::new(false));
        let setter = Arc::clone(&is_set);
        hear(move |_| setter.store(true, Ordering::Relaxed))?;
        Ok(Self(is_set))
    }

    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
