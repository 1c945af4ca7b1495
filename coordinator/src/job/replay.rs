//! How far the sources have come, so that it can be told what a restart makes them read again, and when they have.
//!
//! A source's place is counted in records from an origin of no meaning: only differences are used. It is that of its
//! checkpoint plus what its attempt has taken in since.

use std::collections::BTreeMap;

use headwater_core::ids::{CheckpointId, ExecutionAttemptId, SubtaskId};

use super::history::ExceptionId;

/// Of so many checkpoints the places are remembered; retained ones are far fewer.
const CHECKPOINTS_MAX: usize = 256;

#[derive(Default)]
pub(super) struct Replay {
    sources: BTreeMap<SubtaskId, Progress>,
    at: BTreeMap<CheckpointId, BTreeMap<SubtaskId, u64>>,
    catching_up: BTreeMap<ExceptionId, BTreeMap<SubtaskId, u64>>,
}

struct Progress {
    attempt: ExecutionAttemptId,
    /// Its place when the attempt began.
    base: u64,
    taken: u64,
}

impl Progress {
    fn place(&self) -> u64 {
        self.base + self.taken
    }
}

impl Replay {
    /// Takes note of a checkpoint's places.
    pub(super) fn acknowledged(
        &mut self,
        checkpoint: CheckpointId,
        attempt: ExecutionAttemptId,
        records_in: u64,
    ) {
        let Some(source) = self.sources.get(&attempt.subtask).filter(|source| source.attempt == attempt)
        else {
            return;
        };
        self.at.entry(checkpoint).or_default().insert(attempt.subtask, source.base + records_in);
        while self.at.len() > CHECKPOINTS_MAX {
            self.at.pop_first();
        }
    }

    /// Takes note of how many records an attempt has taken in.
    pub(super) fn progressed(&mut self, attempt: ExecutionAttemptId, records_in: u64) {
        let source = self.sources.get_mut(&attempt.subtask).filter(|source| source.attempt == attempt);
        if let Some(source) = source {
            source.taken = source.taken.max(records_in);
        }
    }

    /// The failures after which all sources are again where they had come to, told once. Asked only of those that `is_over`
    /// says it can be of.
    pub(super) fn caught_up(&mut self, is_over: impl Fn(ExceptionId) -> bool) -> Vec<ExceptionId> {
        let sources = &self.sources;
        let has_reached = |(subtask, target): (&SubtaskId, &u64)| {
            sources.get(subtask).is_some_and(|source| source.place() >= *target)
        };
        let caught_up: Vec<ExceptionId> = self
            .catching_up
            .iter()
            .filter(|(exception, targets)| is_over(**exception) && targets.iter().all(has_reached))
            .map(|(exception, _)| *exception)
            .collect();
        for exception in &caught_up {
            self.catching_up.remove(exception);
        }
        caught_up
    }

    /// Sources go on from a checkpoint, or begin anew. For each failure that this mends: how many records are read again
    /// because of it, if that is known.
    pub(super) fn restarted(
        &mut self,
        restored: Option<CheckpointId>,
        attempts: &[ExecutionAttemptId],
        mended: &[ExceptionId],
    ) -> Vec<(ExceptionId, Option<u64>)> {
        let mut replayed: BTreeMap<ExceptionId, Option<u64>> =
            mended.iter().map(|exception| (*exception, Some(0))).collect();
        for attempt in attempts {
            let subtask = attempt.subtask;
            let origin = match restored {
                None => Some(0),
                Some(checkpoint) => self.at.get(&checkpoint).and_then(|places| places.get(&subtask).copied()),
            };
            let was_at = self.sources.get(&subtask).map(Progress::place);
            if let (Some(origin), Some(was_at)) = (origin, was_at) {
                for (exception, records) in &mut replayed {
                    // A restart that was cut short may not have come as far as the one before it.
                    let targets = self.catching_up.entry(*exception).or_default();
                    let target = targets.entry(subtask).or_default();
                    *target = was_at.max(*target);
                    *records = records.map(|records| records + target.saturating_sub(origin));
                }
            } else {
                replayed.values_mut().for_each(|records| *records = None);
            }
            if origin.is_none() {
                self.forget(subtask);
                self.at.entry(restored.unwrap_or(CheckpointId(0))).or_default().insert(subtask, 0);
            }
            self.sources.insert(subtask, Progress { attempt: *attempt, base: origin.unwrap_or(0), taken: 0 });
        }
        for (exception, _) in replayed.iter().filter(|(_, records)| records.is_none()) {
            self.catching_up.remove(exception);
        }
        replayed.into_iter().collect()
    }

    /// Places of another origin are not comparable with those to come.
    fn forget(&mut self, subtask: SubtaskId) {
        for places in self.at.values_mut() {
            places.remove(&subtask);
        }
        self.catching_up.retain(|_, targets| !targets.contains_key(&subtask));
    }
}

#[cfg(test)]
mod tests {
    use headwater_core::ids::VertexId;

    use super::*;

    const ONE: CheckpointId = CheckpointId(1);

    fn attempt(index: u32, number: u32) -> ExecutionAttemptId {
        ExecutionAttemptId::new(SubtaskId { vertex: VertexId(0), index }, number)
    }

    fn always(_: ExceptionId) -> bool {
        true
    }

    #[test]
    fn what_lies_between_the_checkpoint_and_the_death_is_replayed() {
        let [first, second] = [ExceptionId(0), ExceptionId(1)];
        let mut replay = Replay::default();
        let (a, b) = (attempt(0, 0), attempt(1, 0));
        replay.restarted(None, &[a, b], &[]);
        replay.acknowledged(ONE, a, 100);
        replay.acknowledged(ONE, b, 10);
        replay.progressed(a, 150);
        replay.progressed(b, 12);
        let (a, b) = (attempt(0, 1), attempt(1, 1));
        assert_eq!(replay.restarted(Some(ONE), &[a, b], &[first]), [(first, Some(52))]);
        assert_eq!(replay.caught_up(always), []);
        replay.progressed(a, 50);
        assert_eq!(replay.caught_up(always), [], "the other source is not there yet");
        replay.progressed(b, 1);
        // A second death before that: it repeats less, and the first is caught up with later.
        let (a, b) = (attempt(0, 2), attempt(1, 2));
        assert_eq!(replay.restarted(Some(ONE), &[a, b], &[second]), [(second, Some(51))]);
        replay.progressed(a, 50);
        replay.progressed(b, 1);
        assert_eq!(replay.caught_up(always), [second]);
        replay.progressed(b, 2);
        assert_eq!(replay.caught_up(|_| false), [], "not before all tasks run");
        assert_eq!(replay.caught_up(always), [first]);
    }

    #[test]
    fn a_restart_that_is_cut_short_does_not_lessen_what_is_replayed() {
        let cause = ExceptionId(0);
        let mut replay = Replay::default();
        replay.restarted(None, &[attempt(0, 0)], &[]);
        let first = attempt(0, 1);
        replay.restarted(None, &[first], &[]);
        replay.progressed(first, 70);
        assert_eq!(replay.restarted(None, &[attempt(0, 2)], &[cause]), [(cause, Some(70))]);
        assert_eq!(replay.restarted(None, &[attempt(0, 3)], &[cause]), [(cause, Some(70))]);
    }

    #[test]
    fn what_a_dead_process_had_read_is_not_known_and_what_its_successor_reads_is() {
        let [process, task] = [ExceptionId(0), ExceptionId(1)];
        let mut replay = Replay::default();
        let next = attempt(0, 0);
        assert_eq!(replay.restarted(Some(ONE), &[next], &[process]), [(process, None)]);
        replay.progressed(next, 30);
        assert_eq!(replay.caught_up(always), []);
        assert_eq!(replay.restarted(Some(ONE), &[attempt(0, 1)], &[task]), [(task, Some(30))]);
    }
}
