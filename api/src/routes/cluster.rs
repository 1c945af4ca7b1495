//! The server as a whole.

use actix_web::{HttpResponse, http::StatusCode, web};
use headwater_core::time::{Clock, SystemClock};

use super::{Answer, Control};
use crate::{
    dto,
    endpoint::Endpoint,
    events, openapi,
    problem::{Problem, ProblemKind},
    server::BuildInfo,
};

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::get("/programs", "List the programs that can be submitted", programs)
            .answers::<dto::Programs>(StatusCode::OK),
        Endpoint::get("/overview", "See jobs and slots at a glance", overview)
            .answers::<dto::Overview>(StatusCode::OK),
        Endpoint::get("/build", "Tell what this server was built from", build)
            .answers::<dto::Build>(StatusCode::OK),
        Endpoint::get("/slots", "See which task is in which slot", slots)
            .answers::<dto::Slots>(StatusCode::OK),
        Endpoint::stream("/events", "Follow what changes", events::stream)
            .query::<events::Filter>()
            .header(
                "Last-Event-ID",
                "The id of the last event that was received: what came after it is sent first.",
            )
            .problems(&[ProblemKind::UnknownJob, ProblemKind::TooManyStreams]),
        Endpoint::get("/openapi.json", "Describe this API", openapi::document)
            .answers::<serde_json::Value>(StatusCode::OK),
    ]
}

pub(super) fn probes() -> Vec<Endpoint> {
    vec![
        Endpoint::get("/healthz", "Tell whether the server runs", healthz)
            .answers::<dto::Health>(StatusCode::OK),
        Endpoint::get("/readyz", "Tell whether all stored jobs have been taken up", readyz)
            .answers::<dto::Health>(StatusCode::OK)
            .problems(&[ProblemKind::NotReady]),
    ]
}

async fn programs(control: Control) -> Answer {
    let programs = control.programs().iter().map(dto::Program::of).collect();
    Ok(HttpResponse::Ok().json(dto::Programs { programs }))
}

async fn overview(control: Control, build: web::Data<BuildInfo>) -> Answer {
    let overview = control.overview().await?;
    Ok(HttpResponse::Ok().json(dto::Overview::of(&overview, &build, SystemClock.now_ms())))
}

async fn slots(control: Control) -> Answer {
    let overview = control.overview().await?;
    let tasks = control.slots().await?;
    Ok(HttpResponse::Ok().json(dto::Slots::of(overview.slots_total, &tasks)))
}

async fn build(build: web::Data<BuildInfo>) -> HttpResponse {
    HttpResponse::Ok().json(dto::Build { version: build.version.clone(), commit: build.commit.clone() })
}

/// Well if it answers at all: a dispatcher that is being rebuilt is no reason to end the process.
async fn healthz(build: web::Data<BuildInfo>) -> HttpResponse {
    HttpResponse::Ok().json(health("ok", &build))
}

/// Ready once the jobs of the last process have been taken up, until the process begins to stop.
async fn readyz(control: Control, build: web::Data<BuildInfo>) -> Answer {
    if !control.is_ready() {
        let detail = "the stored jobs have not been taken up yet, or the process is stopping";
        return Err(Problem::new(ProblemKind::NotReady, detail));
    }
    Ok(HttpResponse::Ok().json(health("ready", &build)))
}

fn health(status: &str, build: &BuildInfo) -> dto::Health {
    dto::Health { status: status.to_owned(), version: build.version.clone() }
}
