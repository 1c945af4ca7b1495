//! A job with known answers.

use headwater_coordinator::{
    handle::DispatcherError,
    view::{CheckpointView, ExceptionView, JobDetails, JobSummary},
};
use headwater_core::{
    execution::{ExecutionState, FailureKind},
    ids::{CheckpointId, JobId},
    job::{ArgValue, Args, JobSpec, JobStatus},
    options::JobOptions,
    time::{Clock, MAX_WATERMARK, SystemClock},
};

use super::data::{actors, checkpoint, exception, graph, subtask};

/// A job, and what happened to it.
pub(super) struct Job {
    pub(super) details: JobDetails,
    pub(super) checkpoints: Vec<CheckpointView>,
    pub(super) exceptions: Vec<ExceptionView>,
}

impl Job {
    pub(super) fn running(name: &str, submitted_at_ms: i64, status: JobStatus) -> Self {
        let graph = graph();
        let vertices = graph
            .vertices
            .iter()
            .map(|vertex| (0..vertex.parallelism).map(|index| subtask(vertex.id, index)).collect())
            .collect();
        let actors = actors(&graph);
        let summary = JobSummary {
            id: JobId::random(),
            name: name.to_owned(),
            program: "socket-word-count".to_owned(),
            status,
            submitted_at_ms,
            started_at_ms: Some(submitted_at_ms + 14),
            ended_at_ms: None,
            restarts: 2,
            tasks: vec![(ExecutionState::Running, 6)],
            failure: None,
            deletion: None,
        };
        let spec = JobSpec {
            name: name.to_owned(),
            program: summary.program.clone(),
            args: Args::from([
                ("host".to_owned(), ArgValue::Text("localhost".to_owned())),
                ("port".to_owned(), ArgValue::Integer(9_000)),
            ]),
            options: JobOptions { parallelism: 2, ..JobOptions::default() },
        };
        let checkpoints =
            (1..=40).rev().map(|id| checkpoint(id, submitted_at_ms + id as i64 * 1_000)).collect();
        let last_completed_checkpoint = Some(CheckpointId(40));
        let exceptions = vec![
            exception(
                submitted_at_ms + 31_200,
                "v1-1",
                FailureKind::Panic,
                "index out of bounds: the len is 3 but the index is 7",
            ),
            exception(
                submitted_at_ms + 12_400,
                "v0-0",
                FailureKind::Error,
                "connection to `localhost:9000` was reset by the peer",
            ),
        ];
        let details = JobDetails { summary, spec, graph, vertices, actors, last_completed_checkpoint };
        Self { details, checkpoints, exceptions }
    }

    pub(super) fn ended(name: &str, submitted_at_ms: i64, took_ms: i64, root_cause: Option<&str>) -> Self {
        let status = if root_cause.is_some() { JobStatus::Failed } else { JobStatus::Finished };
        let mut job = Self::running(name, submitted_at_ms, status);
        let summary = &mut job.details.summary;
        summary.ended_at_ms = Some(submitted_at_ms + took_ms);
        summary.failure = root_cause.map(str::to_owned);
        summary.tasks = if root_cause.is_some() {
            vec![(ExecutionState::Canceled, 5), (ExecutionState::Failed, 1)]
        } else {
            summary.restarts = 0;
            vec![(ExecutionState::Finished, 6)]
        };
        for subtask in job.details.vertices.iter_mut().flatten() {
            subtask.state =
                if root_cause.is_some() { ExecutionState::Canceled } else { ExecutionState::Finished };
            subtask.metrics.watermark_ms = Some(MAX_WATERMARK);
            subtask.recent = None;
        }
        job
    }

    pub(super) fn advance(&mut self, elapsed_ms: u64) {
        if self.details.summary.status != JobStatus::Running {
            return;
        }
        for (vertex, subtask) in self.details.vertices.iter_mut().flatten().enumerate() {
            let busy_percent = [18, 22, 71, 64, 35, 30][vertex];
            subtask.metrics_at_ms = subtask.metrics_at_ms.map(|at_ms| at_ms + elapsed_ms as i64);
            let metrics = &mut subtask.metrics;
            metrics.records_in += elapsed_ms * 1_900 / (1 + vertex as u64);
            metrics.records_out += elapsed_ms * 1_700 / (1 + vertex as u64);
            metrics.busy_us += elapsed_ms * busy_percent * 10;
            metrics.backpressured_us += if vertex < 2 { elapsed_ms * 450 } else { 0 };
            metrics.running_us += elapsed_ms * 1_000;
            metrics.idle_us = metrics.running_us.saturating_sub(metrics.busy_us + metrics.backpressured_us);
            let now_ms = SystemClock.now_ms();
            metrics.watermark_ms = Some(now_ms - 1_200);
            metrics.activity.since_ms = now_ms - 40;
            for input in &mut metrics.inputs {
                input.watermark_ms = Some(now_ms - 1_200);
                input.unchanged_since_ms = now_ms - 200;
            }
        }
        let newest = &self.checkpoints.first().map_or((0, 0), |newest| (newest.id.0, newest.triggered_at_ms));
        if SystemClock.now_ms() - newest.1 >= 1_000 {
            self.checkpoints.insert(0, checkpoint(newest.0 + 1, SystemClock.now_ms()));
            self.checkpoints.truncate(60);
            self.details.last_completed_checkpoint = Some(CheckpointId(newest.0 + 1));
        }
    }

    pub(super) fn kill(&mut self, id: &str) -> Result<(), DispatcherError> {
        let job = self.details.summary.id;
        let known =
            || self.details.actors.iter().map(|actor| actor.id.as_str()).collect::<Vec<_>>().join(", ");
        if !self.details.actors.iter().any(|actor| actor.id == id) {
            return Err(DispatcherError::UnknownActor { job, actor: id.to_owned(), known: known() });
        }
        for actor in self.details.actors.iter_mut().filter(|actor| actor.id == id) {
            actor.restarts += 1;
            actor.last_failure = Some("killed on purpose".to_owned());
        }
        for subtask in self.details.vertices.iter_mut().flatten() {
            subtask.attempt += 1;
        }
        self.details.summary.restarts += 1;
        self.exceptions
            .insert(0, exception(SystemClock.now_ms(), id, FailureKind::Kill, "killed on purpose"));
        Ok(())
    }
}
