//! Which failures a restart mends, and when it has: the times that users see.

use std::collections::{BTreeMap, BTreeSet};

use headwater_core::{
    execution::ExecutionState,
    ids::{ExecutionAttemptId, SubtaskId},
};

use super::{failover::FailoverId, history::ExceptionId};

#[derive(Default)]
pub(super) struct Recoveries {
    causes: BTreeMap<FailoverId, Vec<ExceptionId>>,
    restarted: Vec<Restarted>,
}

struct Restarted {
    mended: Vec<ExceptionId>,
    attempts: BTreeSet<ExecutionAttemptId>,
    is_running: bool,
    has_first_record: bool,
}

impl Recoveries {
    pub(super) fn add_cause(&mut self, failover: FailoverId, exception: ExceptionId) {
        self.causes.entry(failover).or_default().push(exception);
    }

    pub(super) fn merge(&mut self, from: FailoverId, into: FailoverId) {
        let causes = self.causes.remove(&from).unwrap_or_default();
        self.causes.entry(into).or_default().extend(causes);
    }

    /// The failover's tasks are being restarted; the failures that this mends. Among them are those of a restart that was cut
    /// short: its tasks never all ran.
    pub(super) fn restart(
        &mut self,
        failover: FailoverId,
        attempts: impl IntoIterator<Item = ExecutionAttemptId>,
    ) -> Vec<ExceptionId> {
        let attempts: BTreeSet<ExecutionAttemptId> = attempts.into_iter().collect();
        let subtasks: BTreeSet<SubtaskId> = attempts.iter().map(|attempt| attempt.subtask).collect();
        let is_replaced = |attempt: &ExecutionAttemptId| subtasks.contains(&attempt.subtask);
        let mut mended = self.causes.remove(&failover).unwrap_or_default();
        for restarted in &mut self.restarted {
            if !restarted.is_running && restarted.attempts.iter().any(is_replaced) {
                mended.append(&mut restarted.mended);
            }
        }
        if !mended.is_empty() {
            self.restarted.push(Restarted {
                mended: mended.clone(),
                attempts,
                is_running: false,
                has_first_record: false,
            });
        }
        mended
    }

    /// The failures after which all restarted tasks now run, which is told once. `state_of` an attempt is `None` when
    /// it is no longer current.
    pub(super) fn newly_running(
        &mut self,
        state_of: impl Fn(ExecutionAttemptId) -> Option<ExecutionState>,
    ) -> Vec<ExceptionId> {
        self.restarted.retain(|restarted| {
            let is_over = restarted.is_running && restarted.has_first_record;
            !is_over && restarted.attempts.iter().all(|attempt| state_of(*attempt).is_some())
        });
        let is_up = |attempt: &ExecutionAttemptId| {
            state_of(*attempt).is_some_and(|state| state.is_live() || state == ExecutionState::Finished)
        };
        let mut running = Vec::new();
        for restarted in self.restarted.iter_mut().filter(|restarted| !restarted.is_running) {
            restarted.is_running = restarted.attempts.iter().all(is_up);
            if restarted.is_running {
                running.extend(&restarted.mended);
            }
        }
        running
    }

    /// The failures after which this is the first record, which is told once.
    pub(super) fn first_record(&mut self, attempt: ExecutionAttemptId) -> Vec<ExceptionId> {
        let waiting =
            |restarted: &&mut Restarted| !restarted.has_first_record && restarted.attempts.contains(&attempt);
        let mut mended = Vec::new();
        for restarted in self.restarted.iter_mut().filter(waiting) {
            restarted.has_first_record = true;
            mended.extend(&restarted.mended);
        }
        mended
    }
}

#[cfg(test)]
mod tests {
    use headwater_core::ids::VertexId;

    use super::*;

    #[test]
    fn the_failures_of_a_restart_that_was_cut_short_are_mended_by_the_next_one() {
        let attempt = |number| ExecutionAttemptId::new(SubtaskId { vertex: VertexId(0), index: 0 }, number);
        let [first, second] = [ExceptionId(0), ExceptionId(1)];
        let mut recoveries = Recoveries::default();
        recoveries.add_cause(1, first);
        assert_eq!(recoveries.restart(1, [attempt(1)]), [first]);
        recoveries.add_cause(2, second);
        let current = attempt(2);
        assert_eq!(recoveries.restart(2, [current]), [second, first]);
        let state_of = |asked| (asked == current).then_some(ExecutionState::Running);
        assert_eq!(recoveries.newly_running(state_of), [second, first]);
    }
}
