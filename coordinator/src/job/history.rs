//! What is remembered of a job: its failures and its checkpoints, the newest of each.

use std::{collections::VecDeque, sync::Arc};

use headwater_core::{
    ids::{CheckpointId, SubtaskId},
    time::TimestampMs,
};
use tokio::time::Instant;

use crate::view::{CheckpointAckView, CheckpointStatus, CheckpointView, ExceptionView, RecoveryView};

const EXCEPTIONS_MAX: usize = 50;
const CHECKPOINTS_MAX: usize = 100;
/// Of how many checkpoints the next process knows what each subtask did.
const DETAILED_MAX: usize = 10;

/// A recorded failure, for what follows from it to be added.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct ExceptionId(pub(super) u64);

#[derive(Default)]
pub(super) struct Exceptions {
    recorded: u64,
    entries: VecDeque<(ExceptionId, Instant, ExceptionView)>,
}

impl Exceptions {
    /// Those of earlier processes, oldest first.
    pub(super) fn restored(views: Vec<ExceptionView>, died_at: impl Fn(TimestampMs) -> Instant) -> Self {
        let number = |(id, view): (usize, ExceptionView)| (ExceptionId(id as u64), died_at(view.at_ms), view);
        let entries: VecDeque<_> = views.into_iter().enumerate().map(number).collect();
        Self { recorded: entries.len() as u64, entries }
    }

    pub(super) fn record(&mut self, died_at: Instant, view: ExceptionView) -> ExceptionId {
        let id = ExceptionId(self.recorded);
        self.recorded += 1;
        self.entries.push_back((id, died_at, view));
        if self.entries.len() > EXCEPTIONS_MAX {
            self.entries.pop_front();
        }
        id
    }

    pub(super) fn set_restarted(
        &mut self,
        id: ExceptionId,
        restored_checkpoint: Option<CheckpointId>,
        tasks: &[SubtaskId],
        records_replayed: Option<u64>,
    ) {
        if let Some((_, _, view)) = self.find(id) {
            view.recovery = Some(RecoveryView {
                restored_checkpoint,
                tasks_restarted: tasks.len(),
                tasks: tasks.to_vec(),
                records_replayed,
                running_after_us: None,
                first_record_after_us: None,
                caught_up_after_us: None,
            });
        }
    }

    pub(super) fn set_running(&mut self, id: ExceptionId) {
        self.stamp(id, |recovery| &mut recovery.running_after_us);
    }

    /// The actor is at work again after every failure that it was rebuilt for.
    pub(super) fn set_running_of(&mut self, actor: &str) {
        let rebuilt: Vec<ExceptionId> = self
            .entries
            .iter()
            .filter(|(_, _, view)| view.actor == actor && view.recovery.is_some())
            .map(|(id, ..)| *id)
            .collect();
        for id in rebuilt {
            self.set_running(id);
        }
    }

    pub(super) fn set_first_record(&mut self, id: ExceptionId) {
        self.stamp(id, |recovery| &mut recovery.first_record_after_us);
    }

    pub(super) fn set_caught_up(&mut self, id: ExceptionId) {
        self.stamp(id, |recovery| &mut recovery.caught_up_after_us);
    }

    /// Whether tasks run again after this failure.
    pub(super) fn has_run(&self, id: ExceptionId) -> bool {
        let view = self.entries.iter().rev().find(|(other, ..)| *other == id).map(|(_, _, view)| view);
        view.and_then(|view| view.recovery.as_ref()?.running_after_us).is_some()
    }

    /// Of the newest failures those of a kind after which tasks have not run again, oldest first.
    pub(super) fn unmended(
        &self,
        newest: usize,
        is_meant: impl Fn(&ExceptionView) -> bool,
    ) -> Vec<ExceptionId> {
        let has_run = |view: &ExceptionView| {
            view.recovery.as_ref().is_some_and(|recovery| recovery.running_after_us.is_some())
        };
        let newest = self.entries.iter().skip(self.entries.len().saturating_sub(newest));
        let unmended = newest.filter(|(_, _, view)| is_meant(view) && !has_run(view));
        unmended.map(|(id, ..)| *id).collect()
    }

    /// Oldest first.
    pub(super) fn entries(&self) -> Vec<ExceptionView> {
        self.entries.iter().map(|(_, _, view)| view.clone()).collect()
    }

    /// Newest first.
    pub(super) fn views(&self) -> Vec<ExceptionView> {
        self.entries.iter().rev().map(|(_, _, view)| view.clone()).collect()
    }

    fn stamp(&mut self, id: ExceptionId, field: fn(&mut RecoveryView) -> &mut Option<u64>) {
        if let Some((_, died_at, view)) = self.find(id) {
            let after_us = micros(died_at.elapsed());
            if let Some(recovery) = view.recovery.as_mut() {
                field(recovery).get_or_insert(after_us);
            }
        }
    }

    fn find(&mut self, id: ExceptionId) -> Option<&mut (ExceptionId, Instant, ExceptionView)> {
        self.entries.iter_mut().rev().find(|(other, ..)| *other == id)
    }
}

#[derive(Default)]
pub(super) struct Checkpoints {
    /// Each with when it began, if that was in this process.
    entries: VecDeque<(Option<Instant>, CheckpointView)>,
    last_completed: Option<CheckpointId>,
}

impl Checkpoints {
    /// Those of earlier processes, oldest first. How one ended that was under way, its job's new coordinator finds out.
    pub(super) fn restored(views: Vec<CheckpointView>) -> Self {
        let completed = views.iter().filter(|view| view.status == CheckpointStatus::Completed);
        let last_completed = completed.map(|view| view.id).max();
        Self { entries: views.into_iter().map(|view| (None, view)).collect(), last_completed }
    }

    /// Oldest first, for the next process: what each subtask did only of the newest.
    pub(super) fn entries(&self) -> Vec<CheckpointView> {
        let without = self.entries.len().saturating_sub(DETAILED_MAX);
        let shortened = |(index, view): (usize, &CheckpointView)| match index < without {
            true => CheckpointView { subtasks: Arc::default(), ..view.clone() },
            false => view.clone(),
        };
        self.entries.iter().map(|(_, view)| view).enumerate().map(shortened).collect()
    }

    /// Takes note of how far the checkpoint under way has come.
    pub(super) fn observe(&mut self, view: CheckpointView) {
        match self.entries.iter_mut().rev().find(|(_, known)| known.id == view.id) {
            Some((_, known)) => *known = view,
            None => {
                self.entries.push_back((Some(Instant::now()), view));
                if self.entries.len() > CHECKPOINTS_MAX {
                    self.entries.pop_front();
                }
            }
        }
    }

    /// Takes note of an acknowledgement that counts. Work is done in proportion to it, not to the number of subtasks.
    pub(super) fn observe_ack(&mut self, id: CheckpointId, subtask: SubtaskId, ack: CheckpointAckView) {
        let known = self.entries.iter_mut().rev().find(|(_, known)| known.id == id);
        let Some((_, view)) = known else { return };
        let Ok(place) = view.subtasks.binary_search_by_key(&subtask, |part| part.subtask) else { return };
        if let Ok(place) = view.awaited.binary_search(&subtask) {
            view.awaited.remove(place);
        }
        view.acknowledged += 1;
        view.state_bytes += ack.state_bytes;
        view.new_bytes += ack.new_bytes;
        view.sync_us_max = view.sync_us_max.max(ack.sync_us);
        view.async_us_max = view.async_us_max.max(ack.async_us);
        view.alignment_us_max = view.alignment_us_max.max(ack.alignment_us);
        // Copied only if somebody still looks at the last ones.
        Arc::make_mut(&mut view.subtasks)[place].ack = Some(ack);
    }

    pub(super) fn end(&mut self, id: CheckpointId, status: CheckpointStatus) {
        if status == CheckpointStatus::Completed {
            self.last_completed = self.last_completed.max(Some(id));
        }
        let under_way = |view: &CheckpointView| view.id == id && view.status == CheckpointStatus::InProgress;
        if let Some((since, view)) = self.entries.iter_mut().rev().find(|(_, view)| under_way(view)) {
            view.status = status;
            view.awaited.clear();
            view.duration_us = since.map(|since| micros(since.elapsed()));
        }
    }

    /// The checkpoints that nobody has ended.
    pub(super) fn in_progress(&self) -> Vec<CheckpointId> {
        let under_way = |view: &CheckpointView| view.status == CheckpointStatus::InProgress;
        self.entries.iter().filter(|(_, view)| under_way(view)).map(|(_, view)| view.id).collect()
    }

    pub(super) fn last_completed(&self) -> Option<CheckpointId> {
        self.last_completed
    }

    pub(super) fn set_last_completed(&mut self, id: CheckpointId) {
        self.last_completed = self.last_completed.max(Some(id));
    }

    /// Newest first.
    pub(super) fn views(&self) -> Vec<CheckpointView> {
        self.entries.iter().rev().map(|(_, view)| view.clone()).collect()
    }
}

pub(super) fn micros(elapsed: std::time::Duration) -> u64 {
    u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use headwater_core::ids::{ExecutionAttemptId, VertexId};

    use super::*;
    use crate::checkpoint::lifecycle::{Ack, Pending};

    #[test]
    fn a_checkpoint_that_is_followed_by_its_acknowledgements_is_seen_as_it_is() {
        let subtasks = (0..3).flat_map(|vertex| (0..4).map(move |index| (vertex, index)));
        let attempts: Vec<ExecutionAttemptId> = subtasks
            .map(|(vertex, index)| SubtaskId { vertex: VertexId(vertex), index })
            .map(|subtask| ExecutionAttemptId::new(subtask, 1))
            .collect();
        let mut pending = Pending::new(CheckpointId(7), 5_000, attempts.iter().copied());
        let mut checkpoints = Checkpoints::default();
        checkpoints.observe(pending.view());
        let mut seen = Vec::new();
        for (place, attempt) in
            attempts.iter().enumerate().map(|(place, _)| (place, attempts[place * 5 % 12]))
        {
            let us = place as u64 * 7 % 5;
            let ack =
                Ack { sync_us: us, async_us: 10 - us, alignment_us: 2 * us, at_ms: 1, ..Ack::default() };
            checkpoints.observe_ack(CheckpointId(7), attempt.subtask, ack.view());
            pending.acknowledge(attempt, ack);
            assert_eq!(checkpoints.views(), [pending.view()]);
            seen.push(checkpoints.views());
        }
        let acknowledged: Vec<usize> = seen.iter().map(|views| views[0].acknowledged).collect();
        assert_eq!(acknowledged, (1..=12).collect::<Vec<_>>(), "what was looked at before stays as it was");
    }
}
