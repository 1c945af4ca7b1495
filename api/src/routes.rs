//! The endpoints below `/api/v1`.

use std::collections::BTreeMap;

use actix_web::{
    HttpRequest, HttpResponse, Resource, Route,
    guard::{Any, Get, Head},
    http::{Method, header},
    middleware::DefaultHeaders,
    web::{self, Bytes},
};
use headwater_core::{
    ids::JobId,
    job::JobSpec,
    options::nearest,
    time::{Clock, SystemClock},
};
use serde::de::DeserializeOwned;

use crate::{
    control_plane::ControlPlane,
    dto, events,
    problem::{Problem, ProblemKind},
    security,
    server::BuildInfo,
    sql::{self, FrontEnd},
    submission,
};

pub(crate) type Control = web::Data<dyn ControlPlane>;
pub(crate) type Answer = Result<HttpResponse, Problem>;

const BODY_BYTES_MAX: usize = 1 << 20;

pub(crate) fn configure(config: &mut web::ServiceConfig) {
    let api = web::scope("/api/v1")
        .wrap(DefaultHeaders::new().add((header::CACHE_CONTROL, "no-store")))
        .service(resource("/jobs", "GET, HEAD, POST", vec![read().to(jobs), web::post().to(submit)]))
        .service(resource("/jobs/{id}", "GET, HEAD, PATCH", vec![read().to(job), web::patch().to(cancel)]))
        .service(resource("/jobs/{id}/checkpoints", "GET, HEAD", vec![read().to(checkpoints)]))
        .service(resource("/jobs/{id}/exceptions", "GET, HEAD", vec![read().to(exceptions)]))
        .service(resource("/jobs/{id}/actors/{actor}", "DELETE", vec![web::delete().to(kill_actor)]))
        .service(resource("/programs", "GET, HEAD", vec![read().to(programs)]))
        .service(resource("/overview", "GET, HEAD", vec![read().to(overview)]))
        .service(resource("/events", "GET", vec![web::get().to(events::stream)]))
        .service(resource("/sql/validate", "POST", vec![web::post().to(sql::validate)]))
        .service(resource("/sql/preview", "POST", vec![web::post().to(sql::preview)]))
        .service(resource("/health", "GET, HEAD", vec![read().to(health)]));
    config.service(api);
}

fn read() -> Route {
    web::route().guard(Any(Get()).or(Head()))
}

/// A resource that answers methods it does not take with what it does.
fn resource(path: &str, allowed: &'static str, routes: Vec<Route>) -> Resource {
    let refuse = move |method: Method| async move {
        Err::<HttpResponse, _>(Problem::method_not_allowed(&method, allowed))
    };
    routes.into_iter().fold(web::resource(path), Resource::route).default_service(web::to(refuse))
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

/// A request's body, which must be JSON and not too long.
async fn read_body(request: &HttpRequest, payload: web::Payload) -> Result<Bytes, Problem> {
    security::require_json(request)?;
    payload
        .to_bytes_limited(BODY_BYTES_MAX)
        .await
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

async fn submit(
    control: Control,
    front_end: FrontEnd,
    request: HttpRequest,
    payload: web::Payload,
) -> Answer {
    let body = read_body(&request, payload).await?;
    let spec = submission::parse(&body)?;
    let id = match control.submit(spec.clone()).await {
        Ok(id) => id,
        Err(error) => return Err(refusal(error.into(), spec, &control, front_end).await),
    };
    Ok(HttpResponse::Created()
        .insert_header((header::LOCATION, format!("/api/v1/jobs/{id}")))
        .json(dto::Submitted { id: id.to_string() }))
}

/// Adds to a refused submission's problem what is known beyond it.
async fn refusal(problem: Problem, spec: JobSpec, control: &Control, front_end: FrontEnd) -> Problem {
    match problem.kind() {
        ProblemKind::UnknownProgram => {
            let names = control.programs();
            match nearest(&spec.program, names.iter().map(|known| known.name)) {
                Some(known) => problem.hint(format!("did you mean `{known}`?")),
                None => problem,
            }
        }
        ProblemKind::InvalidProgram => match web::block(move || front_end.fault_of_job(&spec)).await {
            Ok(Some(fault)) => fault.into(),
            _ => problem,
        },
        _ => problem,
    }
}

async fn jobs(control: Control) -> Answer {
    let overview = control.overview().await?;
    Ok(HttpResponse::Ok().json(dto::Jobs::of(&overview, SystemClock.now_ms())))
}

async fn job(control: Control, id: web::Path<String>) -> Answer {
    let job = control.job(job_id(&id)?).await?;
    Ok(HttpResponse::Ok().json(dto::JobDetails::of(&job, SystemClock.now_ms())))
}

async fn cancel(
    control: Control,
    id: web::Path<String>,
    query: web::Query<BTreeMap<String, String>>,
) -> Answer {
    let job = job_id(&id)?;
    match query.get("mode").map(String::as_str) {
        Some("cancel") => {
            control.cancel(job).await?;
            Ok(HttpResponse::Accepted().json(dto::Submitted { id: job.to_string() }))
        }
        found => Err(Problem::new(
            ProblemKind::InvalidRequest,
            format!("query parameter `mode`: expected `cancel`, found `{}`", found.unwrap_or_default()),
        )),
    }
}

async fn checkpoints(control: Control, id: web::Path<String>) -> Answer {
    let checkpoints = control.checkpoints(job_id(&id)?).await?;
    Ok(HttpResponse::Ok().json(dto::Checkpoints::of(&checkpoints)))
}

async fn exceptions(control: Control, id: web::Path<String>) -> Answer {
    let exceptions = control.exceptions(job_id(&id)?).await?;
    Ok(HttpResponse::Ok().json(dto::Exceptions::of(&exceptions)))
}

async fn kill_actor(control: Control, path: web::Path<(String, String)>) -> Answer {
    let (id, actor) = path.into_inner();
    control.kill_actor(job_id(&id)?, &actor).await?;
    Ok(HttpResponse::Accepted().json(dto::KilledActor { actor }))
}

async fn programs(control: Control) -> Answer {
    let programs = control.programs().iter().map(dto::Program::of).collect();
    Ok(HttpResponse::Ok().json(dto::Programs { programs }))
}

async fn overview(control: Control, build: web::Data<BuildInfo>) -> Answer {
    let overview = control.overview().await?;
    Ok(HttpResponse::Ok().json(dto::Overview::of(&overview, &build, SystemClock.now_ms())))
}

/// Well if the dispatcher answers within its deadline.
async fn health(control: Control, build: web::Data<BuildInfo>) -> Answer {
    control.overview().await?;
    Ok(HttpResponse::Ok().json(dto::Health { status: "ok".to_owned(), version: build.version.clone() }))
}
