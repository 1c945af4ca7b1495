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

/// Whether the process was asked to stop.
pub(super) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Listens from now on; without this the process would simply end.
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
        let is_set = Arc::new(AtomicBool::new(false));
        let setter = Arc::clone(&is_set);
        thread::spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
            });
            setter.store(true, Ordering::Relaxed);
        });
        Ok(Self(is_set))
    }

    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
