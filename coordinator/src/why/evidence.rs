//! What the findings are concluded from.

use std::collections::BTreeMap;

use headwater_core::{
    execution::{ActivityKind, ExecutionState, InputMetrics, TaskMetrics},
    graph::VertexKind,
    ids::{CheckpointId, SubtaskId, VertexId},
    time::TimestampMs,
};

use super::text::span;
use crate::view::{CheckpointView, ExceptionView, JobDetails, Recent, SubtaskView};

/// Back pressure that is not worth a word.
const PRESSURE_MIN: f64 = 0.1;

pub(super) struct Evidence<'a> {
    pub(super) job: &'a JobDetails,
    pub(super) checkpoints: &'a [CheckpointView],
    pub(super) exceptions: &'a [ExceptionView],
    pub(super) now_ms: TimestampMs,
    subtasks: BTreeMap<SubtaskId, &'a SubtaskView>,
    /// By upstream, then by downstream subtask: the records in the channels from one to the other.
    queued: BTreeMap<SubtaskId, BTreeMap<SubtaskId, u64>>,
}

impl<'a> Evidence<'a> {
    pub(super) fn new(
        job: &'a JobDetails,
        checkpoints: &'a [CheckpointView],
        exceptions: &'a [ExceptionView],
        now_ms: TimestampMs,
    ) -> Self {
        let subtasks = job.vertices.iter().flatten().map(|view| (view.subtask, view)).collect();
        let mut queued: BTreeMap<SubtaskId, BTreeMap<SubtaskId, u64>> = BTreeMap::new();
        for view in job.vertices.iter().flatten() {
            for input in &view.metrics.inputs {
                let most = queued.entry(input.from).or_default().entry(view.subtask).or_default();
                *most = input.queued_records.max(*most);
            }
        }
        Self { job, checkpoints, exceptions, now_ms, subtasks, queued }
    }

    pub(super) fn subtasks(&self) -> impl Iterator<Item = &'a SubtaskView> {
        self.job.vertices.iter().flatten()
    }

    pub(super) fn live(&self) -> impl Iterator<Item = &'a SubtaskView> {
        self.subtasks().filter(|subtask| subtask.state.is_live())
    }

    /// Since when all of the tasks have been running.
    pub(super) fn running_since_ms(&self) -> Option<TimestampMs> {
        let is_up =
            |subtask: &SubtaskView| subtask.state.is_live() || subtask.state == ExecutionState::Finished;
        if !self.subtasks().all(is_up) {
            return None;
        }
        self.live().filter_map(|subtask| subtask.state_since_ms).max()
    }

    pub(super) fn subtask(&self, id: SubtaskId) -> Option<&'a SubtaskView> {
        self.subtasks.get(&id).copied()
    }

    pub(super) fn kind(&self, vertex: VertexId) -> VertexKind {
        self.job.graph.vertex(vertex).kind
    }

    pub(super) fn is_source(&self, subtask: &SubtaskView) -> bool {
        self.kind(subtask.subtask.vertex) == VertexKind::Source
    }

    /// How long ago something was.
    pub(super) fn age_ms(&self, since_ms: TimestampMs) -> i64 {
        self.now_ms.saturating_sub(since_ms).max(0)
    }

    pub(super) fn ago(&self, since_ms: TimestampMs) -> String {
        span(self.age_ms(since_ms))
    }

    /// `v1-0 (window count)`.
    pub(super) fn name(&self, id: SubtaskId) -> String {
        format!("{id} ({})", self.job.graph.vertex(id.vertex).name)
    }

    pub(super) fn recent(&self, subtask: &SubtaskView) -> Recent {
        subtask.recent.unwrap_or_default()
    }

    /// Where most records of a kind were counted in the last minute, how many there were then, and since the tasks were started;
    /// `None` if there were none in that minute.
    pub(super) fn counted(
        &self,
        in_minute: fn(&Recent) -> u64,
        in_all: fn(&TaskMetrics) -> u64,
    ) -> Option<(SubtaskId, u64, u64)> {
        let of = |subtask: &SubtaskView| in_minute(&self.recent(subtask));
        let worst = self.live().max_by_key(|subtask| of(subtask)).filter(|subtask| of(subtask) > 0)?;
        let sum = self.live().map(|subtask| in_all(&subtask.metrics)).sum();
        Some((worst.subtask, self.live().map(of).sum(), sum))
    }

    /// What the task does, as the rest of a sentence about it.
    pub(super) fn doing(&self, subtask: &SubtaskView) -> String {
        if subtask.state == ExecutionState::Draining {
            return "has processed all its input".to_owned();
        }
        let activity = subtask.metrics.activity;
        let what = match activity.kind {
            ActivityKind::Opening => "is restoring its state".to_owned(),
            ActivityKind::Processing => "is processing records".to_owned(),
            ActivityKind::Firing => "is emitting the results of windows or timers".to_owned(),
            ActivityKind::Snapshotting => "is taking its snapshot".to_owned(),
            ActivityKind::Committing => "is committing".to_owned(),
            ActivityKind::Aligning => match self.unaligned(subtask).first() {
                Some(input) => format!("waits for the barrier of {}", self.name(input.from)),
                None => "waits for barriers".to_owned(),
            },
            ActivityKind::WaitingForInput => "waits for input".to_owned(),
            ActivityKind::WaitingForRoom => match subtask.metrics.blocked_on.first() {
                Some(blocked_on) => format!("waits for room at {}", self.name(*blocked_on)),
                None => "waits for room downstream".to_owned(),
            },
        };
        let checkpoint = activity.checkpoint.filter(|_| activity.kind.is_work());
        let checkpoint =
            checkpoint.map_or_else(String::new, |checkpoint| format!(" of checkpoint {checkpoint}"));
        match self.age_ms(activity.since_ms) {
            ..1_000 => format!("{what}{checkpoint}"),
            age => format!("{what}{checkpoint} for {}", span(age)),
        }
    }

    /// The inputs of an aligning task whose barriers have not come.
    pub(super) fn unaligned(&self, subtask: &'a SubtaskView) -> Vec<&'a InputMetrics> {
        let aligning = subtask.metrics.activity.checkpoint;
        let is_awaited = |input: &&InputMetrics| input.barrier < aligning;
        let is_aligning = subtask.metrics.activity.kind == ActivityKind::Aligning;
        subtask.metrics.inputs.iter().filter(|input| is_aligning && is_awaited(input)).collect()
    }

    /// Who waits for whom: from a task to the one that waits for no other, both included.
    pub(super) fn chain(&self, from: SubtaskId) -> Vec<SubtaskId> {
        let mut chain = vec![from];
        while let Some(next) = chain.last().and_then(|last| self.waits_for(*last)) {
            if chain.contains(&next) {
                break;
            }
            chain.push(next);
        }
        chain
    }

    fn waits_for(&self, id: SubtaskId) -> Option<SubtaskId> {
        let subtask = self.subtask(id).filter(|subtask| subtask.state.is_live())?;
        let activity = subtask.metrics.activity.kind;
        if activity == ActivityKind::Aligning {
            let inputs = self.unaligned(subtask);
            // What is queued will be read: the barrier may be behind it.
            return inputs.iter().find(|input| input.queued_records == 0).map(|input| input.from);
        }
        let is_held_up = self.recent(subtask).backpressured_share >= PRESSURE_MIN
            || activity == ActivityKind::WaitingForRoom;
        if !is_held_up {
            return None;
        }
        let queued = self.queued.get(&id);
        let queued_at = |to: &SubtaskId| queued.and_then(|queued| queued.get(to)).copied().unwrap_or(0);
        let blocked_on = subtask.metrics.blocked_on.iter().copied().max_by_key(queued_at);
        // At this very moment there may be room.
        blocked_on.or_else(|| {
            let fullest = queued?.iter().max_by_key(|(_, records)| **records);
            fullest.filter(|(_, records)| **records > 0).map(|(to, _)| *to)
        })
    }

    pub(super) fn last_completed(&self) -> Option<&'a CheckpointView> {
        self.checkpoints
            .iter()
            .find(|checkpoint| checkpoint.status == crate::view::CheckpointStatus::Completed)
    }

    pub(super) fn names(&self, ids: &[SubtaskId]) -> String {
        let shown: Vec<String> = ids.iter().take(3).map(|id| self.name(*id)).collect();
        match ids.len().saturating_sub(3) {
            0 => shown.join(", "),
            more => format!("{} and {more} more", shown.join(", ")),
        }
    }

    pub(super) fn is_writing(&self, id: SubtaskId, checkpoint: CheckpointId) -> bool {
        self.subtask(id).is_some_and(|subtask| subtask.metrics.writing_checkpoint == Some(checkpoint))
    }
}
