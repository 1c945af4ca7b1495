//! The restart timeline: every failure, and how far the job has come with mending it.

use headwater_coordinator::view::{ExceptionView, JobEventView, RecoveryView};
use headwater_core::{job::JobStatus, time::TimestampMs};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Exception;

/// `GET /jobs/{id}/restarts`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Restarts {
    /// Newest first.
    pub restarts: Vec<Restart>,
}

/// A failure and the restart that mends it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Restart {
    /// The failure, with the times of its recovery.
    #[serde(flatten)]
    pub failure: Exception,
    /// How far that is.
    pub phase: Phase,
}

/// How far a job has come with mending a failure.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Tasks are being stopped, the restart strategy's delay runs, or the checkpoint is being looked up.
    Waiting,
    /// Tasks are being started and restore their state.
    Restoring,
    /// All tasks run, and the sources read again what they had read before.
    CatchingUp,
    /// All is as before.
    CaughtUp,
    /// All tasks run. How far the sources had come is not known.
    Running,
    /// A control actor was rebuilt, and no task was restarted.
    Rebuilt,
    /// The job has ended of it, or before it was mended.
    NotMended,
}

impl Restarts {
    /// What clients see of a job's failures. Those from before the process began, at `started_at_ms`, are no longer followed, nor are
    /// those from before the job was stopped, as its `events` tell.
    pub fn of(
        exceptions: &[ExceptionView],
        events: &[JobEventView],
        status: JobStatus,
        started_at_ms: TimestampMs,
    ) -> Self {
        let is_stop =
            |event: &&JobEventView| matches!(event.state, Some(JobStatus::Failed | JobStatus::Suspended));
        let stopped_at_ms = events.iter().filter(is_stop).map(|event| event.at_ms).max();
        let restart = |exception: &ExceptionView| {
            let is_over = status.is_terminal()
                || exception.at_ms < started_at_ms
                || stopped_at_ms.is_some_and(|stopped| exception.at_ms <= stopped);
            Restart {
                failure: Exception::of(exception),
                phase: Phase::of(exception.recovery.as_ref(), is_over),
            }
        };
        Self { restarts: exceptions.iter().map(restart).collect() }
    }
}

impl Phase {
    fn of(recovery: Option<&RecoveryView>, is_over: bool) -> Self {
        let Some(recovery) = recovery else {
            return if is_over { Self::NotMended } else { Self::Waiting };
        };
        match (recovery.running_after_us, recovery.caught_up_after_us) {
            (Some(_), _) if recovery.tasks_restarted == 0 => Self::Rebuilt,
            (_, Some(_)) => Self::CaughtUp,
            (None, None) if is_over => Self::NotMended,
            (None, None) => Self::Restoring,
            (Some(_), None) if recovery.records_replayed.is_none() || is_over => Self::Running,
            (Some(_), None) => Self::CatchingUp,
        }
    }
}

#[cfg(test)]
mod tests {
    use headwater_coordinator::view::JobEventKind;
    use headwater_core::execution::FailureKind;

    use super::*;

    fn death(at_ms: TimestampMs) -> ExceptionView {
        ExceptionView {
            at_ms,
            actor: "v0-0".to_owned(),
            actor_name: "lines".to_owned(),
            attempt: Some(0),
            kind: FailureKind::Error,
            message: "no such luck".to_owned(),
            detected_after_us: Some(10),
            recovery: None,
        }
    }

    #[test]
    fn what_a_job_had_failed_of_when_it_was_started_again_is_not_being_mended() {
        let failed = JobEventView::new(JobEventKind::StateChanged, 100, "FAILED after RUNNING");
        let events = [JobEventView { state: Some(JobStatus::Failed), ..failed }];
        let shown = Restarts::of(&[death(150), death(100)], &events, JobStatus::Restarting, 0);
        let phases: Vec<Phase> = shown.restarts.iter().map(|restart| restart.phase).collect();
        assert_eq!(phases, [Phase::Waiting, Phase::NotMended]);
    }
}
