//! How far tasks have come, and sources with what they read again.

use headwater_core::{
    checkpoint::SubtaskSnapshot,
    execution::TaskMetrics,
    graph::VertexKind,
    ids::{CheckpointId, ExecutionAttemptId, SubtaskId},
    time::TimestampMs,
};

use super::{JobCell, Observed};
use crate::{history_store::Part, job::history::ExceptionId};

impl JobCell {
    pub(crate) fn publish_metrics(&self, at_ms: TimestampMs, tasks: Vec<(ExecutionAttemptId, TaskMetrics)>) {
        let mut observed = self.observed();
        for (attempt, metrics) in tasks {
            let current = observed.tasks.get_mut(&attempt.subtask);
            if let Some(task) = current.filter(|task| task.attempt == Some(attempt)) {
                task.samples.add(at_ms, &metrics);
                task.metrics = metrics;
                task.metrics_at_ms = Some(at_ms);
            }
            let records_in = observed.tasks.get(&attempt.subtask).map_or(0, |task| task.metrics.records_in);
            observed.replay.progressed(attempt, records_in);
        }
        let Observed { replay, exceptions, .. } = &mut *observed;
        let caught_up = replay.caught_up(|exception| exceptions.has_run(exception));
        for exception in &caught_up {
            exceptions.set_caught_up(*exception);
        }
        drop(observed);
        if !caught_up.is_empty() {
            self.is_unsaved(Part::Exceptions);
        }
    }

    /// Takes note of what a subtask's acknowledgement tells of it.
    pub(crate) fn publish_ack(
        &self,
        attempt: ExecutionAttemptId,
        checkpoint: CheckpointId,
        records_in: u64,
        snapshot: &SubtaskSnapshot,
    ) {
        let mut observed = self.observed();
        observed.replay.acknowledged(checkpoint, attempt, records_in);
        let keyed_bytes = snapshot.keyed_state.as_ref().map_or(0, |state| state.bytes());
        let committable_bytes = snapshot.committable.as_ref().map_or(0, Vec::len);
        let bytes = keyed_bytes + (snapshot.operator_state.len() + committable_bytes) as u64;
        if let Some(task) = observed.tasks.get_mut(&attempt.subtask) {
            task.state_bytes = Some(bytes);
        }
    }

    /// Takes note that tasks are being restarted, and of the failures that this mends.
    pub(crate) fn publish_restart(
        &self,
        mended: &[ExceptionId],
        restored: Option<CheckpointId>,
        attempts: &[ExecutionAttemptId],
    ) {
        let mut observed = self.observed();
        let Observed { record, replay, exceptions, .. } = &mut *observed;
        let is_source = |attempt: &&ExecutionAttemptId| {
            record.graph.vertex(attempt.subtask.vertex).kind == VertexKind::Source
        };
        let sources: Vec<ExecutionAttemptId> = attempts.iter().filter(is_source).copied().collect();
        let tasks: Vec<SubtaskId> = attempts.iter().map(|attempt| attempt.subtask).collect();
        for (exception, replayed) in replay.restarted(restored, &sources, mended) {
            exceptions.set_restarted(exception, restored, &tasks, replayed);
        }
        drop(observed);
        self.is_unsaved(Part::Exceptions);
    }
}
