//! The control plane at one moment.

use headwater_coordinator::{
    handle::DispatcherError,
    view::{CheckpointStatus, CheckpointView, ClusterOverview, JobDetails, SubtaskView},
};
use headwater_core::{
    graph::JobVertex,
    time::{MAX_WATERMARK, MIN_WATERMARK, TimestampMs},
};

use crate::control_plane::ControlPlane;

/// All that metrics are made of: the server, and every job that has not ended.
pub(crate) struct Snapshot {
    pub(crate) at_ms: TimestampMs,
    pub(crate) overview: ClusterOverview,
    pub(crate) jobs: Vec<JobSnapshot>,
}

/// One job.
pub(crate) struct JobSnapshot {
    pub(crate) details: JobDetails,
    /// Newest first.
    pub(crate) checkpoints: Vec<CheckpointView>,
}

impl Snapshot {
    pub(crate) async fn collect(
        control: &dyn ControlPlane,
        at_ms: TimestampMs,
    ) -> Result<Self, DispatcherError> {
        let overview = control.overview().await?;
        let mut jobs = Vec::new();
        for job in overview.jobs.iter().filter(|job| !job.status.is_terminal()) {
            match (control.job(job.id).await, control.checkpoints(job.id).await) {
                (Ok(details), Ok(checkpoints)) => jobs.push(JobSnapshot { details, checkpoints }),
                // Forgotten since the overview was made.
                (Err(DispatcherError::UnknownJob(_)), _) | (_, Err(DispatcherError::UnknownJob(_))) => {}
                (Err(error), _) | (_, Err(error)) => return Err(error),
            }
        }
        Ok(Self { at_ms, overview, jobs })
    }
}

impl JobSnapshot {
    /// The newest checkpoint that completed, of those that are remembered.
    pub(crate) fn last_completed(&self) -> Option<&CheckpointView> {
        self.checkpoints.iter().find(|checkpoint| checkpoint.status == CheckpointStatus::Completed)
    }

    /// When that one ended.
    pub(crate) fn last_completed_at_ms(&self) -> Option<TimestampMs> {
        let last = self.last_completed()?;
        Some(last.triggered_at_ms + i64::try_from(last.duration_us? / 1_000).ok()?)
    }

    /// Each vertex with its subtasks.
    pub(crate) fn vertices(&self) -> impl Iterator<Item = (&JobVertex, &[SubtaskView])> {
        let subtasks = self.details.vertices.iter().map(Vec::as_slice);
        self.details.graph.vertices.iter().zip(subtasks)
    }
}

/// How far a subtask's watermark is behind the clock; `None` before the first and after the last watermark.
pub(crate) fn watermark_lag_ms(subtask: &SubtaskView, now_ms: TimestampMs) -> Option<f64> {
    let watermark = subtask.metrics.watermark_ms?;
    (watermark != MIN_WATERMARK && watermark != MAX_WATERMARK)
        .then(|| now_ms.saturating_sub(watermark) as f64)
}

/// Records that wait in a subtask's input channels.
pub(crate) fn queued_records(subtask: &SubtaskView) -> f64 {
    subtask.metrics.inputs.iter().map(|input| input.queued_records).sum::<u64>() as f64
}
