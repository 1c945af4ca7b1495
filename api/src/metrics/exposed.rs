//! The tables of what `GET /metrics` shows. Names, labels and types are those of Flink's `PrometheusReporter` where the
//! meaning is the same; that reporter writes counters, too, as gauges without a suffix.

use headwater_coordinator::view::SubtaskView;
use headwater_core::{
    graph::{JobVertex, VertexKind},
    time::TimestampMs,
};

use super::{
    JobSnapshot, TaskRates,
    rates::CheckpointCounts,
    snapshot::{queued_records, watermark_lag_ms},
};

/// A metric that has one value per `R`; a value of `None` is not shown.
pub(super) struct Metric<R: ?Sized> {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) value: fn(&R) -> Option<f64>,
}

const fn metric<R: ?Sized>(
    name: &'static str,
    help: &'static str,
    value: fn(&R) -> Option<f64>,
) -> Metric<R> {
    Metric { name, help, value }
}

/// A subtask, read for its metrics.
pub(super) struct Task<'a> {
    pub(super) vertex: &'a JobVertex,
    pub(super) view: &'a SubtaskView,
    /// Over the last seconds.
    pub(super) rates: Option<TaskRates>,
    pub(super) now_ms: TimestampMs,
}

/// A job, read for its metrics.
pub(super) struct Job<'a> {
    pub(super) job: &'a JobSnapshot,
    pub(super) counts: CheckpointCounts,
    pub(super) now_ms: TimestampMs,
}

fn milliseconds(share: f64) -> f64 {
    share * 1_000.0
}

/// What Flink tells of a task and of its operators alike.
fn records<'a>() -> [Metric<Task<'a>>; 4] {
    [
        metric("numRecordsIn", "records that the current attempt took in", |task| {
            Some(task.view.metrics.records_in as f64)
        }),
        metric("numRecordsOut", "records that the current attempt gave out", |task| {
            Some(task.view.metrics.records_out as f64)
        }),
        metric("numRecordsInPerSecond", "records taken in per second", |task| Some(task.rates?.records_in)),
        metric("numRecordsOutPerSecond", "records given out per second", |task| {
            Some(task.rates?.records_out)
        }),
    ]
}

/// Below `flink_taskmanager_job_task_`, with the labels of a subtask.
pub(super) fn task<'a>() -> Vec<Metric<Task<'a>>> {
    let mut metrics: Vec<Metric<Task<'a>>> = vec![
        metric("busyTimeMsPerSecond", "milliseconds of work per second", |task| {
            Some(milliseconds(task.rates?.busy))
        }),
        metric(
            "backPressuredTimeMsPerSecond",
            "milliseconds of waiting for room downstream per second",
            |task| Some(milliseconds(task.rates?.backpressured)),
        ),
        metric("idleTimeMsPerSecond", "milliseconds of waiting for input per second", |task| {
            Some(milliseconds(task.rates?.idle))
        }),
        metric("numBytesIn", "bytes that the current attempt took from its input channels, about", |task| {
            Some(task.view.metrics.bytes_in as f64)
        }),
        metric("numBytesOut", "bytes that the current attempt gave to its output channels, about", |task| {
            Some(task.view.metrics.bytes_out as f64)
        }),
        metric("numBytesInPerSecond", "bytes taken in per second", |task| Some(task.rates?.bytes_in)),
        metric("numBytesOutPerSecond", "bytes given out per second", |task| Some(task.rates?.bytes_out)),
        metric("numBuffersIn", "batches that the current attempt took in", |task| {
            Some(task.view.metrics.batches_in as f64)
        }),
        metric("numBuffersOut", "batches that the current attempt gave out", |task| {
            Some(task.view.metrics.batches_out as f64)
        }),
        metric("accumulateIdleTimeMs", "milliseconds that the current attempt waited for input", |task| {
            Some(task.view.metrics.idle_us as f64 / 1e3)
        }),
        metric("accumulateBusyTimeMs", "milliseconds of work of the current attempt", |task| {
            Some(task.view.metrics.busy_us as f64 / 1e3)
        }),
        metric(
            "accumulateBackPressuredTimeMs",
            "milliseconds that the current attempt waited for room downstream",
            |task| Some(task.view.metrics.backpressured_us as f64 / 1e3),
        ),
        metric(
            "currentInputWatermark",
            "the watermark, in milliseconds since 1970; not shown before the first",
            |task| Some(task.view.metrics.watermark_ms? as f64),
        ),
    ];
    metrics.extend(records());
    metrics
}

/// Below `flink_taskmanager_job_task_operator_`, with the labels of a subtask and of its operator, which is the whole
/// chain.
pub(super) fn operator<'a>() -> Vec<Metric<Task<'a>>> {
    let mut metrics: Vec<Metric<Task<'a>>> = vec![
        metric(
            "currentOutputWatermark",
            "the watermark, in milliseconds since 1970; not shown before the first",
            |task| Some(task.view.metrics.watermark_ms? as f64),
        ),
        metric("numLateRecordsDropped", "records that came too late and were dropped", |task| {
            Some(task.view.metrics.late_records as f64)
        }),
        metric("pendingRecords", "records that a source has still to read, if it knows its end", |task| {
            Some(task.view.metrics.gauges.pending_records? as f64)
        }),
        metric("pendingBytes", "bytes that a source has still to read, if it knows its end", |task| {
            Some(task.view.metrics.gauges.pending_bytes? as f64)
        }),
        metric("numRecordsInErrors", "records that a source could not decode", |task| {
            (task.vertex.kind == VertexKind::Source).then_some(task.view.metrics.malformed_records as f64)
        }),
    ];
    metrics.extend(records());
    metrics
}

/// Below `headwater_task_`, with the labels of a subtask: what Flink has no name for.
pub(super) fn own_task<'a>() -> Vec<Metric<Task<'a>>> {
    vec![
        metric("watermark_lag_ms", "how far the watermark is behind the clock, in milliseconds", |task| {
            watermark_lag_ms(task.view, task.now_ms)
        }),
        metric("reconnects", "how often a connection to the outside was made anew", |task| {
            Some(task.view.metrics.restarts_of_connection as f64)
        }),
        metric("queued_records", "records that wait in the input channels", |task| {
            Some(queued_records(task.view))
        }),
        metric("blocked_on", "subtasks downstream that have no room, while the task waits for it", |task| {
            Some(task.view.metrics.blocked_on.len() as f64)
        }),
        metric(
            "state_bytes",
            "bytes of the subtask's part of the last checkpoint that it acknowledged",
            |task| Some(task.view.state_bytes? as f64),
        ),
        metric("state_entries", "entries of keyed state in memory", |task| {
            Some(task.view.metrics.gauges.state_entries? as f64)
        }),
        metric("is_running", "1 if the subtask is at work, else 0", |task| {
            Some(f64::from(u8::from(task.view.state.is_live())))
        }),
    ]
}

/// Below `flink_jobmanager_job_`, with the labels of a job.
pub(super) fn job<'a>() -> Vec<Metric<Job<'a>>> {
    vec![
        metric("uptime", "milliseconds since the job first ran", |job| {
            Some(job.now_ms.saturating_sub(job.job.details.summary.started_at_ms?).max(0) as f64)
        }),
        metric("numRestarts", "restarts of the job, as a whole or in part, since it was submitted", |job| {
            Some(f64::from(job.job.details.summary.restarts))
        }),
        metric("lastCheckpointDuration", "milliseconds that the last completed checkpoint took", |job| {
            Some(job.job.last_completed()?.duration_us? as f64 / 1e3)
        }),
        metric("lastCheckpointSize", "bytes that were written for the last completed checkpoint", |job| {
            Some(job.job.last_completed()?.new_bytes as f64)
        }),
        metric(
            "lastCheckpointFullSize",
            "bytes of state that the last completed checkpoint stands for",
            |job| Some(job.job.last_completed()?.state_bytes as f64),
        ),
        metric("lastCompletedCheckpointId", "the number of the last completed checkpoint", |job| {
            Some(job.job.details.last_completed_checkpoint?.0 as f64)
        }),
        metric(
            "lastCheckpointCompletedTimestamp",
            "when the last completed checkpoint ended, in milliseconds since 1970",
            |job| Some(job.job.last_completed_at_ms()? as f64),
        ),
        metric("numberOfInProgressCheckpoints", "checkpoints under way", |job| Some(in_progress(job))),
        metric(
            "numberOfCompletedCheckpoints",
            "checkpoints that completed since this process took the job up",
            |job| Some(job.counts.completed as f64),
        ),
        metric(
            "numberOfFailedCheckpoints",
            "checkpoints that failed since this process took the job up",
            |job| Some(job.counts.failed as f64),
        ),
        metric(
            "totalNumberOfCheckpoints",
            "checkpoints since this process took the job up, those under way included",
            |job| Some((job.counts.completed + job.counts.failed) as f64 + in_progress(job)),
        ),
    ]
}

/// Below `headwater_job_`, with the labels of a job.
pub(super) fn own_job<'a>() -> Vec<Metric<Job<'a>>> {
    vec![
        metric("last_checkpoint_age_ms", "milliseconds since the last completed checkpoint ended", |job| {
            Some(job.now_ms.saturating_sub(job.job.last_completed_at_ms()?).max(0) as f64)
        }),
        metric(
            "last_checkpoint_alignment_ms",
            "the longest alignment of the last completed checkpoint, in milliseconds",
            |job| Some(job.job.last_completed()?.alignment_us_max as f64 / 1e3),
        ),
    ]
}

fn in_progress(job: &Job<'_>) -> f64 {
    use headwater_coordinator::view::CheckpointStatus::InProgress;
    job.job.checkpoints.iter().filter(|checkpoint| checkpoint.status == InProgress).count() as f64
}
