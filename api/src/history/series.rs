//! The tables of what is kept, and how a sample is taken.

use std::collections::BTreeSet;

use headwater_coordinator::view::SubtaskView;
use headwater_core::{
    graph::JobVertex,
    ids::{JobId, VertexId},
    job::JobStatus,
    time::TimestampMs,
};
use serde::{Deserialize, Serialize};

use super::Source;
use crate::metrics::{
    JobSnapshot, ProcessUsage, Snapshot, TaskRates, Window, queued_records, watermark_lag_ms,
};

/// Vertices of one job that have series of their own; further ones are only in the job's.
const VERTICES_MAX: usize = 256;

/// How several samples become one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fold {
    Mean,
    Max,
}

/// What a value counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unit {
    RecordsPerSecond,
    BytesPerSecond,
    Milliseconds,
    Bytes,
    /// From 0 to 1.
    Share,
    Count,
    Cores,
}

impl Unit {
    /// As clients see it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::RecordsPerSecond => "records/s",
            Self::BytesPerSecond => "bytes/s",
            Self::Milliseconds => "ms",
            Self::Bytes => "bytes",
            Self::Share => "share",
            Self::Count => "count",
            Self::Cores => "cores",
        }
    }
}

/// A series: one value per sample of an `R`, or none.
struct Definition<R> {
    name: &'static str,
    unit: Unit,
    fold: Fold,
    value: fn(&R) -> Option<f64>,
}

const fn series<R>(
    name: &'static str,
    unit: Unit,
    fold: Fold,
    value: fn(&R) -> Option<f64>,
) -> Definition<R> {
    Definition { name, unit, fold, value }
}

/// A series' name within its source.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub(crate) struct SeriesKey {
    pub(crate) vertex: Option<VertexId>,
    pub(crate) name: String,
}

/// The server, read for its series.
struct Cluster<'a> {
    snapshot: &'a Snapshot,
    usage: Option<(ProcessUsage, Option<f64>)>,
    records_in: f64,
}

/// A vertex, read for its series.
struct Vertex<'a> {
    vertex: &'a JobVertex,
    tasks: Vec<(&'a SubtaskView, Option<TaskRates>)>,
    now_ms: TimestampMs,
}

/// A job, read for its series.
struct Job<'a> {
    job: &'a JobSnapshot,
    vertices: Vec<Vertex<'a>>,
    now_ms: TimestampMs,
}

fn of_cluster<'a>() -> Vec<Definition<Cluster<'a>>> {
    vec![
        series("cpu_cores", Unit::Cores, Fold::Mean, |cluster| cluster.usage?.1),
        series("memory_bytes", Unit::Bytes, Fold::Max, |cluster| {
            Some(cluster.usage?.0.resident_bytes as f64)
        }),
        series("threads", Unit::Count, Fold::Max, |cluster| Some(cluster.usage?.0.threads as f64)),
        series("jobs_running", Unit::Count, Fold::Max, |cluster| {
            let jobs = &cluster.snapshot.overview.jobs;
            Some(jobs.iter().filter(|job| job.status == JobStatus::Running).count() as f64)
        }),
        series("tasks_running", Unit::Count, Fold::Max, |cluster| {
            Some(cluster.snapshot.overview.tasks_running as f64)
        }),
        series("slots_used", Unit::Count, Fold::Max, |cluster| {
            Some(cluster.snapshot.overview.slots_used as f64)
        }),
        series("slots_total", Unit::Count, Fold::Max, |cluster| {
            Some(cluster.snapshot.overview.slots_total as f64)
        }),
        series("records_in_per_second", Unit::RecordsPerSecond, Fold::Mean, |cluster| {
            Some(cluster.records_in)
        }),
    ]
}

fn of_job<'a>() -> Vec<Definition<Job<'a>>> {
    vec![
        series("records_in_per_second", Unit::RecordsPerSecond, Fold::Mean, |job| job.records_in()),
        series("records_out_per_second", Unit::RecordsPerSecond, Fold::Mean, |job| {
            sum(job.ends(|from, _| from).flat_map(|vertex| vertex.rates(|rates| rates.records_out)))
        }),
        series("late_records_per_second", Unit::RecordsPerSecond, Fold::Mean, |job| {
            sum(job.vertices.iter().flat_map(|vertex| vertex.rates(|rates| rates.late_records)))
        }),
        series("malformed_records_per_second", Unit::RecordsPerSecond, Fold::Mean, |job| {
            sum(job.vertices.iter().flat_map(|vertex| vertex.rates(|rates| rates.malformed_records)))
        }),
        series("busy_max", Unit::Share, Fold::Max, |job| {
            max(job.vertices.iter().flat_map(|vertex| vertex.rates(|rates| rates.busy)))
        }),
        series("backpressured_max", Unit::Share, Fold::Max, |job| {
            max(job.vertices.iter().flat_map(|vertex| vertex.rates(|rates| rates.backpressured)))
        }),
        series("watermark_lag_ms", Unit::Milliseconds, Fold::Max, |job| {
            max(job.vertices.iter().flat_map(Vertex::lags))
        }),
        series("queued_records", Unit::Count, Fold::Max, |job| {
            let subtasks = job.job.details.vertices.iter().flatten();
            Some(subtasks.map(queued_records).sum())
        }),
        series("pending_records", Unit::Count, Fold::Max, |job| {
            let subtasks = job.job.details.vertices.iter().flatten();
            sum(subtasks
                .filter_map(|subtask| subtask.metrics.gauges.pending_records.map(|records| records as f64)))
        }),
        series("restarts", Unit::Count, Fold::Max, |job| Some(f64::from(job.job.details.summary.restarts))),
        series("tasks_running", Unit::Count, Fold::Max, |job| {
            let subtasks = job.job.details.vertices.iter().flatten();
            Some(subtasks.filter(|subtask| subtask.state.is_live()).count() as f64)
        }),
        series("checkpoint_duration_ms", Unit::Milliseconds, Fold::Max, |job| {
            Some(job.job.last_completed()?.duration_us? as f64 / 1e3)
        }),
        series("checkpoint_alignment_ms", Unit::Milliseconds, Fold::Max, |job| {
            Some(job.job.last_completed()?.alignment_us_max as f64 / 1e3)
        }),
        series("checkpoint_bytes", Unit::Bytes, Fold::Max, |job| {
            Some(job.job.last_completed()?.new_bytes as f64)
        }),
        series("checkpoint_age_ms", Unit::Milliseconds, Fold::Max, |job| {
            Some(job.now_ms.saturating_sub(job.job.last_completed_at_ms()?).max(0) as f64)
        }),
        series("state_bytes", Unit::Bytes, Fold::Max, |job| {
            Some(job.job.last_completed()?.state_bytes as f64)
        }),
    ]
}

fn of_vertex<'a>() -> Vec<Definition<Vertex<'a>>> {
    vec![
        series("records_in_per_second", Unit::RecordsPerSecond, Fold::Mean, |vertex| {
            sum(vertex.rates(|rates| rates.records_in))
        }),
        series("records_out_per_second", Unit::RecordsPerSecond, Fold::Mean, |vertex| {
            sum(vertex.rates(|rates| rates.records_out))
        }),
        series("late_records_per_second", Unit::RecordsPerSecond, Fold::Mean, |vertex| {
            sum(vertex.rates(|rates| rates.late_records))
        }),
        series("bytes_in_per_second", Unit::BytesPerSecond, Fold::Mean, |vertex| {
            sum(vertex.rates(|rates| rates.bytes_in))
        }),
        series("bytes_out_per_second", Unit::BytesPerSecond, Fold::Mean, |vertex| {
            sum(vertex.rates(|rates| rates.bytes_out))
        }),
        series("queued_records", Unit::Count, Fold::Max, |vertex| {
            Some(vertex.tasks.iter().map(|(subtask, _)| queued_records(subtask)).sum())
        }),
        series("state_bytes", Unit::Bytes, Fold::Max, |vertex| {
            sum(vertex.tasks.iter().filter_map(|(subtask, _)| subtask.state_bytes.map(|bytes| bytes as f64)))
        }),
        series("busy_max", Unit::Share, Fold::Max, |vertex| max(vertex.rates(|rates| rates.busy))),
        series("busy_mean", Unit::Share, Fold::Mean, |vertex| mean(vertex.rates(|rates| rates.busy))),
        series("backpressured_max", Unit::Share, Fold::Max, |vertex| {
            max(vertex.rates(|rates| rates.backpressured))
        }),
        series("backpressured_mean", Unit::Share, Fold::Mean, |vertex| {
            mean(vertex.rates(|rates| rates.backpressured))
        }),
        series("idle_max", Unit::Share, Fold::Max, |vertex| max(vertex.rates(|rates| rates.idle))),
        series("idle_mean", Unit::Share, Fold::Mean, |vertex| mean(vertex.rates(|rates| rates.idle))),
        series("watermark_lag_ms", Unit::Milliseconds, Fold::Max, |vertex| max(vertex.lags())),
    ]
}

impl<'a> Vertex<'a> {
    fn rates(&self, rate: fn(TaskRates) -> f64) -> impl Iterator<Item = f64> {
        self.tasks.iter().filter_map(move |(_, rates)| rates.map(rate))
    }

    fn lags(&self) -> impl Iterator<Item = f64> {
        self.tasks.iter().filter_map(|(subtask, _)| watermark_lag_ms(subtask, self.now_ms))
    }
}

impl<'a> Job<'a> {
    fn of(job: &'a JobSnapshot, window: &Window, now_ms: TimestampMs) -> Self {
        let id = job.details.summary.id;
        let vertices = job.vertices().map(|(vertex, subtasks)| Vertex {
            vertex,
            tasks: subtasks.iter().map(|subtask| (subtask, window.newest_rates(id, subtask))).collect(),
            now_ms,
        });
        Self { job, vertices: vertices.collect(), now_ms }
    }

    /// What comes from outside.
    fn records_in(&self) -> Option<f64> {
        sum(self.ends(|_, to| to).flat_map(|vertex| vertex.rates(|rates| rates.records_in)))
    }

    /// The vertices that are not at that end of any edge.
    fn ends(&self, end: fn(VertexId, VertexId) -> VertexId) -> impl Iterator<Item = &Vertex<'a>> {
        let edges = &self.job.details.graph.edges;
        self.vertices
            .iter()
            .filter(move |vertex| edges.iter().all(|edge| end(edge.from, edge.to) != vertex.vertex.id))
    }
}

fn sum(values: impl Iterator<Item = f64>) -> Option<f64> {
    values.reduce(|sum, value| sum + value)
}

fn max(values: impl Iterator<Item = f64>) -> Option<f64> {
    values.reduce(f64::max)
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.fold((0.0, 0u32), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}

/// All that was measured in one second.
pub(crate) struct Sample {
    pub(crate) at_ms: TimestampMs,
    pub(crate) rows: Vec<(Source, Row)>,
    /// The jobs that the control plane knows, ended ones included; the histories of others are of no use.
    pub(crate) known_jobs: BTreeSet<JobId>,
    /// As they are in the job store.
    pub(crate) unreadable_jobs: Vec<String>,
}

/// One source's values. Those that are not known are no numbers.
pub(crate) struct Row {
    pub(crate) vertices: Vec<VertexId>,
    pub(crate) values: Vec<f32>,
}

impl Sample {
    pub(crate) fn of(
        at_ms: TimestampMs,
        snapshot: &Snapshot,
        window: &Window,
        usage: Option<(ProcessUsage, Option<f64>)>,
    ) -> Self {
        let jobs: Vec<Job<'_>> =
            snapshot.jobs.iter().map(|job| Job::of(job, window, snapshot.at_ms)).collect();
        let records_in = jobs.iter().filter_map(Job::records_in).sum();
        let cluster = Cluster { snapshot, usage, records_in };
        let of_cluster = Row { vertices: Vec::new(), values: values(&of_cluster(), &cluster) };
        let of_jobs = jobs.iter().map(|job| (Source::Job(job.job.details.summary.id), Row::of(job)));
        Self {
            at_ms,
            rows: [(Source::Cluster, of_cluster)].into_iter().chain(of_jobs).collect(),
            known_jobs: snapshot.overview.jobs.iter().map(|job| job.id).collect(),
            unreadable_jobs: snapshot.overview.unreadable_jobs.iter().map(|job| job.id.clone()).collect(),
        }
    }
}

impl Row {
    fn of(job: &Job<'_>) -> Self {
        let shown = &job.vertices[..job.vertices.len().min(VERTICES_MAX)];
        let of_vertex = of_vertex();
        let mut read = values(&of_job(), job);
        read.extend(shown.iter().flat_map(|vertex| values(&of_vertex, vertex)));
        Self { vertices: shown.iter().map(|vertex| vertex.vertex.id).collect(), values: read }
    }

    /// What the values are, in their order.
    pub(crate) fn keys(&self, source: Source) -> Vec<SeriesKey> {
        let key = |vertex, name: &str| SeriesKey { vertex, name: name.to_owned() };
        let of_vertex = of_vertex();
        let whole: Vec<&str> = match source {
            Source::Cluster => of_cluster().iter().map(|definition| definition.name).collect(),
            Source::Job(_) => of_job().iter().map(|definition| definition.name).collect(),
        };
        let of_vertices = self
            .vertices
            .iter()
            .flat_map(|vertex| of_vertex.iter().map(move |definition| key(Some(*vertex), definition.name)));
        whole.into_iter().map(|name| key(None, name)).chain(of_vertices).collect()
    }
}

fn values<R>(definitions: &[Definition<R>], read: &R) -> Vec<f32> {
    let value = |definition: &Definition<R>| (definition.value)(read).map_or(f32::NAN, |value| value as f32);
    definitions.iter().map(value).collect()
}

/// What is known of a series; `None` if it was written by another version and is no longer kept.
pub(crate) fn definition(source: Source, key: &SeriesKey) -> Option<(Unit, Fold)> {
    fn find<R>(definitions: &[Definition<R>], name: &str) -> Option<(Unit, Fold)> {
        let found = definitions.iter().find(|definition| definition.name == name)?;
        Some((found.unit, found.fold))
    }
    match (source, key.vertex) {
        (Source::Cluster, _) => find(&of_cluster(), &key.name),
        (Source::Job(_), None) => find(&of_job(), &key.name),
        (Source::Job(_), Some(_)) => find(&of_vertex(), &key.name),
    }
}
