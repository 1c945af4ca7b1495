//! What is seen of a job's deletion.

use super::JobCell;
use crate::view::DeletionView;

impl JobCell {
    /// Takes note that the job is being deleted.
    pub(crate) fn begin_deletion(&self) {
        let since_ms = self.recorder.now_ms();
        self.observed().deletion = Some(DeletionView { since_ms, failure: None });
    }

    /// Takes note that it could not be deleted.
    pub(crate) fn fail_deletion(&self, failure: String) {
        if let Some(deletion) = self.observed().deletion.as_mut() {
            deletion.failure = Some(failure);
        }
    }

    /// Whether a deletion is under way.
    pub(crate) fn is_being_deleted(&self) -> bool {
        self.deletion().is_some_and(|deletion| deletion.failure.is_none())
    }

    /// The job's deletion, if that was ever asked for.
    pub(crate) fn deletion(&self) -> Option<DeletionView> {
        self.observed().deletion.clone()
    }
}
