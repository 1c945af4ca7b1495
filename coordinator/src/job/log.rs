//! What happened to a job, for people: the newest of it.

use std::collections::VecDeque;

use headwater_core::job::JobStatus;

use crate::view::{JobEventKind, JobEventView};

const EVENTS_MAX: usize = 200;

#[derive(Default)]
pub(super) struct JobLog {
    entries: VecDeque<JobEventView>,
}

impl JobLog {
    pub(super) fn restored(entries: Vec<JobEventView>) -> Self {
        Self { entries: entries.into() }
    }

    /// Adds an event, numbered; what was added.
    pub(super) fn record(&mut self, mut event: JobEventView) -> JobEventView {
        event.id = self.entries.back().map_or(1, |last| last.id + 1);
        self.entries.push_back(event.clone());
        if self.entries.len() > EVENTS_MAX {
            self.entries.pop_front();
        }
        event
    }

    /// How many actors have died since the job was last not to run: had failed for good, or was suspended.
    pub(super) fn failures_since_stop(&self) -> usize {
        let is_stop =
            |event: &JobEventView| matches!(event.state, Some(JobStatus::Failed | JobStatus::Suspended));
        let since_stop = self.entries.iter().rev().take_while(|event| !is_stop(event));
        since_stop.filter(|event| event.kind == JobEventKind::Failed).count()
    }

    /// Oldest first.
    pub(super) fn entries(&self) -> Vec<JobEventView> {
        self.entries.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_events_are_kept_and_numbers_go_on() {
        let mut log = JobLog::default();
        for _ in 0..EVENTS_MAX + 5 {
            log.record(JobEventView::new(JobEventKind::Failed, 0, "again"));
        }
        let mut log = JobLog::restored(log.entries());
        assert_eq!((log.entries().len(), log.entries()[0].id), (EVENTS_MAX, 6));
        assert_eq!(log.record(JobEventView::new(JobEventKind::Failed, 0, "again")).id, EVENTS_MAX as u64 + 6);
    }
}
