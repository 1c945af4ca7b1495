//! The attempts at one subtask, the newest of them.

use std::collections::VecDeque;

use headwater_core::{
    execution::{ExecutionState, Failure},
    time::TimestampMs,
};

use super::execution_graph::Execution;
use crate::view::AttemptView;

const ATTEMPTS_MAX: usize = 20;

#[derive(Default)]
pub(super) struct Attempts {
    entries: VecDeque<AttemptView>,
    /// Whether the newest entry is of this process, whose attempts are counted anew.
    is_current: bool,
}

impl Attempts {
    /// Those of earlier processes: none of them runs any more.
    pub(super) fn restored(mut entries: Vec<AttemptView>) -> Self {
        for entry in entries.iter_mut().filter(|entry| !entry.state.is_terminal()) {
            entry.state = ExecutionState::Failed;
            entry.failure.get_or_insert_with(|| "its process ended".to_owned());
        }
        Self { entries: entries.into(), is_current: false }
    }

    /// Takes note of how an attempt is; whether that is news.
    pub(super) fn observe(&mut self, execution: &Execution, now_ms: TimestampMs) -> bool {
        let (number, state) = (execution.attempt.attempt, execution.state);
        let is_new = !self.is_current || self.entries.back().is_none_or(|newest| newest.number != number);
        if is_new {
            self.is_current = true;
            if let Some(replaced) = self.entries.back_mut() {
                replaced.ended_at_ms.get_or_insert(now_ms);
            }
            self.entries.push_back(AttemptView {
                number,
                state: ExecutionState::Created,
                deployed_at_ms: now_ms,
                running_at_ms: None,
                ended_at_ms: None,
                restored_checkpoint: execution.restored,
                failure: None,
            });
            if self.entries.len() > ATTEMPTS_MAX {
                self.entries.pop_front();
            }
        }
        let Some(newest) = self.entries.back_mut().filter(|newest| newest.state != state) else {
            return is_new;
        };
        newest.state = state;
        if state.is_live() {
            newest.running_at_ms.get_or_insert(now_ms);
        }
        if state.is_terminal() {
            newest.ended_at_ms.get_or_insert(now_ms);
        }
        true
    }

    pub(super) fn set_failure(&mut self, number: u32, failure: &Failure) {
        if let Some(entry) = self.entries.iter_mut().rev().find(|entry| entry.number == number) {
            entry.failure.get_or_insert_with(|| format!("{}: {}", failure.kind.as_str(), failure.message));
        }
    }

    /// Newest first.
    pub(super) fn views(&self) -> Vec<AttemptView> {
        self.entries.iter().rev().cloned().collect()
    }

    /// Oldest first.
    pub(super) fn entries(&self) -> Vec<AttemptView> {
        self.entries.iter().cloned().collect()
    }
}
