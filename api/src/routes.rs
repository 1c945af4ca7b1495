//! The endpoints below `/api/v1`.

use std::collections::BTreeMap;

use actix_web::{
    HttpRequest, HttpResponse, Resource, Route,
    guard::{Any, Get, Head},
    http::{Method, header},
    middleware::DefaultHeaders,
    web,
};
use headwater_core::{
    ids::JobId,
    options::nearest,
    time::{Clock, SystemClock},
};

use crate::{
    control_plane::ControlPlane,
    dto, events,
    problem::{Problem, ProblemKind},
    security,
    server::BuildInfo,
    submission,
};

pub(crate) type Control = web::Data<dyn ControlPlane>;
type Answer = Result<HttpResponse, Problem>;

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

async fn submit(control: Control, request: HttpRequest, payload: web::Payload) -> Answer {
    security::require_json(&request)?;
    let body = payload
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
        })?;
    let spec = submission::parse(&body)?;
    let program = spec.program.clone();
    let id = control.submit(spec).await.map_err(|error| {
        let problem = Problem::from(error);
        let names = control.programs();
        match nearest(&program, names.iter().map(|known| known.name)) {
            Some(known) if problem.kind() == ProblemKind::UnknownProgram => {
                problem.hint(format!("did you mean `{known}`?"))
            }
            _ => problem,
        }
    })?;
    Ok(HttpResponse::Created()
        .insert_header((header::LOCATION, format!("/api/v1/jobs/{id}")))
        .json(dto::Submitted { id: id.to_string() }))
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
