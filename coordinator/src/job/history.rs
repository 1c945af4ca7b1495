//! What is remembered of a job: its failures and its checkpoints, the newest of each.

use std::{collections::VecDeque, sync::Arc};

use headwater_core::{
    ids::{CheckpointId, SubtaskId},
    time::TimestampMs,
};
use tokio::time::Instant;

use crate::view::{CheckpointStatus, CheckpointView, ExceptionView, RecoveryView};

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
    entries: VecDeque<(Instant, CheckpointView)>,
    last_completed: Option<CheckpointId>,
}

impl Checkpoints {
    /// Those of earlier processes, oldest first.
    pub(super) fn restored(views: Vec<CheckpointView>) -> Self {
        let completed = views.iter().filter(|view| view.status == CheckpointStatus::Completed);
        let last_completed = completed.map(|view| view.id).max();
        let began = Instant::now();
        Self { entries: views.into_iter().map(|view| (began, view)).collect(), last_completed }
    }

    /// Those that are over, oldest first, for the next process: what each subtask did only of the newest.
    pub(super) fn ended(&self) -> Vec<CheckpointView> {
        let is_over = |view: &&CheckpointView| view.status != CheckpointStatus::InProgress;
        let ended: Vec<&CheckpointView> = self.entries.iter().map(|(_, view)| view).filter(is_over).collect();
        let without = ended.len().saturating_sub(DETAILED_MAX);
        let shortened = |(index, view): (usize, &CheckpointView)| match index < without {
            true => CheckpointView { subtasks: Arc::default(), ..view.clone() },
            false => view.clone(),
        };
        ended.into_iter().enumerate().map(shortened).collect()
    }

    /// Takes note of how far the checkpoint under way has come.
    pub(super) fn observe(&mut self, view: CheckpointView) {
        match self.entries.iter_mut().rev().find(|(_, known)| known.id == view.id) {
            Some((_, known)) => *known = view,
            None => {
                self.entries.push_back((Instant::now(), view));
                if self.entries.len() > CHECKPOINTS_MAX {
                    self.entries.pop_front();
                }
            }
        }
    }

    pub(super) fn end(&mut self, id: CheckpointId, status: CheckpointStatus) {
        if status == CheckpointStatus::Completed {
            self.last_completed = self.last_completed.max(Some(id));
        }
        let under_way = |view: &CheckpointView| view.id == id && view.status == CheckpointStatus::InProgress;
        if let Some((since, view)) = self.entries.iter_mut().rev().find(|(_, view)| under_way(view)) {
            view.status = status;
            view.awaited.clear();
            view.duration_us = Some(micros(since.elapsed()));
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
