//! What is written down of a job, so that it can be seen later, and by the next process.

use headwater_core::{
    ids::{CheckpointId, SubtaskId},
    job::JobStatus,
};

use super::{JobCell, Observed, Task};
use crate::{
    history_store::{History, Part, PartBytes},
    job::{
        attempts::Attempts,
        history::{Checkpoints, Exceptions},
        log::JobLog,
    },
    job_store::IdempotencyKey,
    services::Services,
    view::{AttemptView, JobEventKind, JobEventView},
};

impl JobCell {
    /// Takes over what an earlier process wrote down.
    pub(crate) fn restore_history(&self, services: &Services, history: History) {
        let mut observed = self.observed();
        let died_at = |at_ms| services.instant_of(at_ms);
        observed.exceptions = Exceptions::restored(history.exceptions, died_at);
        observed.checkpoints = Checkpoints::restored(history.checkpoints);
        observed.log = JobLog::restored(history.events);
        for (subtask, attempts) in history.attempts {
            if let Some(task) = observed.tasks.get_mut(&subtask) {
                task.attempts = Attempts::restored(attempts);
            }
        }
    }

    /// Writes down what has happened, and tells those who follow.
    pub(crate) fn log(&self, event: JobEventView) {
        let recorded = self.observed().log.record(self.recorder.incarnation(), event);
        self.recorder.tell(self.id, recorded);
        self.is_unsaved(Part::Events);
    }

    /// What happens now, to be completed and [logged](Self::log).
    pub(crate) fn event(&self, kind: JobEventKind, message: impl Into<String>) -> JobEventView {
        JobEventView::new(kind, self.recorder.now_ms(), message)
    }

    pub(super) fn log_status(&self, before: JobStatus, now: JobStatus, cause: Option<&str>) {
        if before == now {
            return;
        }
        let cause =
            cause.filter(|_| now == JobStatus::Failed).map_or_else(String::new, |why| format!(": {why}"));
        let message = format!("{} after {}{cause}", now.as_str(), before.as_str());
        let event = self.event(JobEventKind::StateChanged, message);
        self.log(JobEventView { state: Some(now), ..event });
    }

    /// Writes down that tasks were restarted.
    pub(crate) fn log_restart(&self, restored: Option<CheckpointId>, tasks: usize) {
        let from = restored.map_or_else(|| "the beginning".to_owned(), |id| format!("checkpoint {id}"));
        let event = self.event(JobEventKind::Restarted, format!("{tasks} tasks go on from {from}"));
        self.log(JobEventView { checkpoint: restored, ..event });
    }

    /// What the job was submitted under.
    pub(crate) fn idempotency(&self) -> Option<IdempotencyKey> {
        self.observed().record.idempotency.clone()
    }

    pub(crate) fn last_completed_checkpoint(&self) -> Option<CheckpointId> {
        self.observed().checkpoints.last_completed()
    }

    /// What happened to the job, oldest first.
    pub(crate) fn events(&self) -> Vec<JobEventView> {
        self.observed().log.entries()
    }

    /// The attempts at a subtask, newest first; `None` if the job has no such subtask.
    pub(crate) fn attempts(&self, subtask: SubtaskId) -> Option<Vec<AttemptView>> {
        self.observed().tasks.get(&subtask).map(|task| task.attempts.views())
    }

    pub(crate) fn is_unsaved(&self, part: Part) {
        self.observed().unsaved.insert(part);
        self.recorder.is_unsaved();
    }

    /// What must be stored again, which counts as stored from now on.
    pub(crate) fn take_unsaved(&self) -> Vec<PartBytes> {
        let mut observed = self.observed();
        let parts = std::mem::take(&mut observed.unsaved);
        parts.into_iter().map(|part| observed.written(part)).collect()
    }
}

impl Observed {
    fn written(&self, part: Part) -> PartBytes {
        match part {
            Part::Exceptions => PartBytes::new(part, &self.exceptions.entries()),
            Part::Checkpoints => PartBytes::new(part, &self.checkpoints.entries()),
            Part::Events => PartBytes::new(part, &self.log.entries()),
            Part::Attempts => {
                let of_task = |(subtask, task): (&SubtaskId, &Task)| (*subtask, task.attempts.entries());
                PartBytes::new(part, &self.tasks.iter().map(of_task).collect::<Vec<_>>())
            }
        }
    }
}
