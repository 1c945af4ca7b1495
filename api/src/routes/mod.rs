//! The endpoints, a file for each subject. What they are is a table, of which the server's routes and the OpenAPI document
//! are made.

mod checkpoints;
mod cluster;
mod graph;
mod inspect;
mod jobs;
mod why;

use std::{fmt::Display, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse,
    http::header,
    middleware::DefaultHeaders,
    web::{self, Bytes},
};
use headwater_coordinator::view::JobDetails;
use headwater_core::{graph::JobVertex, ids::JobId};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::{
    config,
    control_plane::ControlPlane,
    endpoint::{Endpoint, resources},
    logs, metrics,
    problem::{Problem, ProblemKind},
    security, sql,
};

pub(crate) type Control = web::Data<dyn ControlPlane>;
pub(crate) type Answer = Result<HttpResponse, Problem>;

const BODY_BYTES_MAX: usize = 1 << 20;
/// A body that comes more slowly is none that anyone waits for.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// Where the API is.
pub(crate) const API: &str = "/api/v1";

/// All that is below [`API`]. Of two paths that fit a request, the first takes it.
pub(crate) fn below_api() -> Vec<Endpoint> {
    [
        jobs::endpoints(),
        graph::endpoints(),
        checkpoints::endpoints(),
        cluster::endpoints(),
        metrics::routes::endpoints(),
        logs::routes::endpoints(),
        sql::endpoints(),
        why::endpoints(),
        inspect::endpoints(),
        config::endpoints(),
        security::routes::endpoints(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What is for machines that know nothing of the API: probes, and the scrapes of Prometheus.
pub(crate) fn at_root() -> Vec<Endpoint> {
    cluster::probes().into_iter().chain(metrics::routes::scrapes()).collect()
}

pub(crate) fn configure(service: &mut web::ServiceConfig) {
    let no_store = || DefaultHeaders::new().add((header::CACHE_CONTROL, "no-store"));
    let api = web::scope(API).wrap(no_store());
    service.service(resources(below_api()).into_iter().fold(api, actix_web::Scope::service));
    for probe in resources(at_root()) {
        service.service(probe.wrap(no_store()));
    }
}

pub(crate) async fn unknown_path(request: HttpRequest) -> Answer {
    Err(Problem::new(ProblemKind::UnknownPath, format!("nothing is at `{}`", request.path()))
        .hint("the API is below /api/v1, the web page at /"))
}

/// A query or a path that cannot be read.
pub(crate) fn unreadable(error: &impl std::fmt::Display) -> Problem {
    Problem::new(ProblemKind::InvalidRequest, error.to_string())
}

pub(crate) fn job_id(text: &str) -> Result<JobId, Problem> {
    Ok(text.parse()?)
}

/// A parameter of the query that must be within bounds.
pub(crate) fn within<N: Copy + PartialOrd + Display>(
    parameter: &str,
    found: N,
    min: N,
    max: N,
) -> Result<N, Problem> {
    if (min..=max).contains(&found) {
        return Ok(found);
    }
    let detail = format!("query parameter `{parameter}`: expected {min} to {max}, found `{found}`");
    Err(Problem::new(ProblemKind::InvalidRequest, detail))
}

/// A vertex of a job, as its id is written: `v0`.
pub(crate) fn vertex_of<'a>(job: &'a JobDetails, id: &str) -> Result<&'a JobVertex, Problem> {
    let vertices = &job.graph.vertices;
    vertices.iter().find(|vertex| vertex.id.to_string() == id).ok_or_else(|| {
        let known: Vec<String> = vertices.iter().map(|vertex| vertex.id.to_string()).collect();
        Problem::new(ProblemKind::UnknownVertex, format!("the job has no vertex `{id}`"))
            .hint(format!("expected one of {}", known.join(", ")))
    })
}

/// A request's body, which must be JSON and not too long.
pub(crate) async fn read_body(request: &HttpRequest, payload: web::Payload) -> Result<Bytes, Problem> {
    security::require_json(request)?;
    let body = timeout(BODY_TIMEOUT, payload.to_bytes_limited(BODY_BYTES_MAX)).await;
    body.map_err(|_| Problem::new(ProblemKind::InvalidRequest, "the body did not come in time"))?
        .map_err(|_| {
            Problem::new(
                ProblemKind::BodyTooLarge,
                format!("the body is too large: expected at most {BODY_BYTES_MAX} bytes"),
            )
        })?
        .map_err(|error| {
            Problem::new(ProblemKind::InvalidRequest, format!("the body could not be read: {error}"))
        })
}

/// A request's body in a known shape.
pub(crate) async fn read_json<T: DeserializeOwned>(
    request: &HttpRequest,
    payload: web::Payload,
) -> Result<T, Problem> {
    let body = read_body(request, payload).await?;
    serde_json::from_slice(&body).map_err(|error| {
        let kind = if error.is_data() { ProblemKind::InvalidRequest } else { ProblemKind::MalformedJson };
        Problem::new(kind, error.to_string())
    })
}
