//! How far tasks have come, and sources with what they read again.

use headwater_core::{
    checkpoint::SubtaskSnapshot,
    execution::TaskMetrics,
    graph::VertexKind,
    ids::{CheckpointId, ExecutionAttemptId, SubtaskId},
    time::TimestampMs,
};

use super::{JobCell, Observed};
use crate::{checkpoint::lifecycle::Moment, history_store::Part, job::history::ExceptionId};

impl JobCell {
    pub(crate) fn publish_metrics(
        &self,
        now: Moment,
        at_ms: TimestampMs,
        tasks: Vec<(ExecutionAttemptId, TaskMetrics)>,
    ) {
        let mut observed = self.observed();
        let Observed { tasks: known, replay, exceptions, clock, .. } = &mut *observed;
        let set_by_ms = clock.set_by_ms(now.wall_ms, now.mono_ms);
        for since_ms in known.values_mut().filter_map(|task| task.state_since_ms.as_mut()) {
            *since_ms = since_ms.saturating_add(set_by_ms);
        }
        for (attempt, metrics) in tasks {
            let current = known.get_mut(&attempt.subtask).filter(|task| task.attempt == Some(attempt));
            let Some(task) = current else { continue };
            replay.progressed(attempt, metrics.records_in);
            task.samples.add(&metrics);
            task.metrics = metrics;
            task.metrics_at_ms = Some(at_ms);
        }
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
        if let Some(task) = observed.tasks.get_mut(&attempt.subtask) {
            task.state_bytes = Some(snapshot.bytes());
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
        if !mended.is_empty() {
            self.is_unsaved(Part::Exceptions);
        }
    }
}
