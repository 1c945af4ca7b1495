//! What was measured, for Prometheus and for the page.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web,
};
use headwater_core::{
    ids::VertexId,
    time::{Clock, SystemClock, TimestampMs},
};

use super::{
    Metrics, ProcessUsage, Snapshot,
    prometheus::{Exposition, Scrape, in_own_format},
};
use crate::{
    dto::{MetricHistory, MetricQuery, MetricSeries},
    endpoint::Endpoint,
    history::{self, CHUNK_MS, Fold, KEPT_MS, Source},
    problem::{Problem, ProblemKind},
    routes::{Answer, Control, job_id, vertex_of, within},
    server::BuildInfo,
};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";
const POINTS: u32 = 300;
const POINTS_MAX: u32 = 10_000;

pub(crate) fn scrapes() -> Vec<Endpoint> {
    vec![Endpoint::get("/metrics", "Read all metrics as Prometheus does", scrape).answers_with("text/plain")]
}

pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::get("/metrics/history", "See what was measured of the server", cluster_history)
            .query::<MetricQuery>()
            .answers::<MetricHistory>(StatusCode::OK)
            .problems(&[ProblemKind::UnknownPath, ProblemKind::HistoryFailed]),
        Endpoint::get("/jobs/{id}/metrics", "See what was measured of a job", job_history)
            .query::<MetricQuery>()
            .answers::<MetricHistory>(StatusCode::OK)
            .problems(&[ProblemKind::UnknownPath, ProblemKind::UnknownVertex, ProblemKind::HistoryFailed]),
    ]
}

async fn scrape(
    control: Control,
    metrics: web::Data<Metrics>,
    build: web::Data<BuildInfo>,
    request: HttpRequest,
) -> Answer {
    let snapshot = Snapshot::collect(control.as_ref(), SystemClock.now_ms()).await?;
    let text = {
        let measured = metrics.measured();
        let cores = measured.cores;
        let usage = ProcessUsage::read();
        Exposition::of(&Scrape { snapshot: &snapshot, window: &measured.window, usage, cores, build: &build })
    }
    .text();
    let accepted = request.headers().get(header::ACCEPT).and_then(|accepted| accepted.to_str().ok());
    let is_open = accepted.is_some_and(|accepted| accepted.contains("application/openmetrics-text"));
    let (content_type, text) =
        if is_open { (OPEN_METRICS, text) } else { (PROMETHEUS, in_own_format(&text)) };
    Ok(HttpResponse::Ok().insert_header((header::CONTENT_TYPE, content_type)).body(text))
}

async fn cluster_history(metrics: web::Data<Metrics>, query: web::Query<MetricQuery>) -> Answer {
    read(&metrics, Source::Cluster, &query, SystemClock.now_ms()).await
}

async fn job_history(
    control: Control,
    metrics: web::Data<Metrics>,
    id: web::Path<String>,
    query: web::Query<MetricQuery>,
) -> Answer {
    let id = job_id(&id)?;
    let job = control.job(id).await?;
    if let Some(vertex) = &query.vertex {
        vertex_of(&job, vertex)?;
    }
    let until_ms = job.summary.ended_at_ms.unwrap_or_else(|| SystemClock.now_ms());
    read(&metrics, Source::Job(id), &query, until_ms).await
}

/// Reads history up to `until_ms`, unless the query says where to end.
async fn read(metrics: &Metrics, source: Source, query: &MetricQuery, until_ms: TimestampMs) -> Answer {
    let read = parse(query, until_ms)?;
    let (from_ms, to_ms) = (read.from_ms, read.to_ms);
    let found = match metrics.history().cloned() {
        Some(history) => web::block(move || history.query(source, &read)).await,
        None => {
            return Err(Problem::new(ProblemKind::UnknownPath, "this server keeps no history of metrics"));
        }
    };
    let failed = |error: String| {
        Problem::new(ProblemKind::HistoryFailed, format!("the history of metrics cannot be read: {error}"))
    };
    let answer =
        found.map_err(|error| failed(error.to_string()))?.map_err(|error| failed(error.to_string()))?;
    let series = answer.series.into_iter().map(|series| MetricSeries {
        name: series.key.name,
        vertex: series.key.vertex.map(|vertex| vertex.to_string()),
        unit: series.unit.as_str().to_owned(),
        fold: match series.fold {
            Fold::Mean => "mean",
            Fold::Max => "max",
        }
        .to_owned(),
        values: series.values,
    });
    let step_ms = answer.step_ms;
    Ok(HttpResponse::Ok().json(MetricHistory { from_ms, to_ms, step_ms, series: series.collect() }))
}

fn parse(query: &MetricQuery, until_ms: TimestampMs) -> Result<history::Query, Problem> {
    let wrong = |detail: String| Problem::new(ProblemKind::InvalidRequest, detail);
    let points = within("points", query.points.unwrap_or(POINTS), 1, POINTS_MAX)?;
    // The sample of the moment itself belongs to it.
    let to_ms = query.to_ms.unwrap_or_else(|| until_ms.saturating_add(1));
    let from_ms = query.from_ms.unwrap_or_else(|| to_ms.saturating_sub(CHUNK_MS));
    if from_ms >= to_ms {
        return Err(wrong(format!("expected `from_ms` before `to_ms`, found {from_ms} and {to_ms}")));
    }
    let vertex = query.vertex.as_deref().map(|vertex| {
        let number = vertex.strip_prefix('v').and_then(|number| number.parse().ok()).map(VertexId);
        number.ok_or_else(|| {
            wrong(format!("query parameter `vertex`: expected one such as v0, found `{vertex}`"))
        })
    });
    Ok(history::Query {
        // A longer stretch has nothing more in it, and would only make the steps longer.
        from_ms: from_ms.max(to_ms.saturating_sub(KEPT_MS + 2 * CHUNK_MS)),
        to_ms,
        points: points as usize,
        vertex: vertex.transpose()?,
        names: query.name.iter().flat_map(|names| names.split(',')).map(str::to_owned).collect(),
    })
}
