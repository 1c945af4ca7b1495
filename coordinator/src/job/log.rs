//! What happened to a job, for people: the newest of it.

use std::collections::VecDeque;

use headwater_core::job::JobStatus;

use crate::{
    job_store::Incarnation,
    view::{JobEventKind, JobEventView},
};

const EVENTS_MAX: usize = 200;
/// The events of a job are numbered from a new multiple of this in each process. A process that was killed may not have saved its
/// last events, and their numbers must not become those of others.
const NUMBERS: u64 = 1_000_000_000;

#[derive(Default)]
pub(super) struct JobLog {
    entries: VecDeque<JobEventView>,
}

impl JobLog {
    pub(super) fn restored(entries: Vec<JobEventView>) -> Self {
        Self { entries: entries.into() }
    }

    /// Adds an event, numbered; what was added.
    pub(super) fn record(&mut self, process: Incarnation, mut event: JobEventView) -> JobEventView {
        let last = self.entries.back().map_or(0, |last| last.id);
        event.id = last.max(process.number * NUMBERS) + 1;
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
    fn the_newest_events_are_kept_and_numbers_go_up_from_process_to_process() {
        let mut log = JobLog::default();
        let event = || JobEventView::new(JobEventKind::Failed, 0, "again");
        let process = |number| Incarnation { number, began_ms: 0 };
        for _ in 0..EVENTS_MAX + 5 {
            log.record(process(0), event());
        }
        let mut log = JobLog::restored(log.entries());
        assert_eq!((log.entries().len(), log.entries()[0].id), (EVENTS_MAX, 6));
        assert_eq!(log.record(process(0), event()).id, EVENTS_MAX as u64 + 6);
        assert_eq!(log.record(process(2), event()).id, 2_000_000_001);
        assert_eq!(log.record(process(2), event()).id, 2_000_000_002);
    }
}
