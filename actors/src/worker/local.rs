//! A worker in the coordinator's own process.

use headwater_core::gateway::{ToWorker, WorkerGateway};
use tokio::sync::mpsc::UnboundedSender;

/// The coordinator's end of a worker in the same process.
pub struct LocalWorker {
    pub(super) messages: UnboundedSender<ToWorker>,
    pub(super) slots: usize,
}

impl WorkerGateway for LocalWorker {
    fn send(&self, message: ToWorker) {
        if self.messages.send(message).is_err() {
            tracing::warn!("a message to the worker was dropped: the worker has stopped");
        }
    }

    fn slots(&self) -> usize {
        self.slots
    }
}
