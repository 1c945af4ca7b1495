//! What holds a job back, and how it came back from failures.

use actix_web::{HttpResponse, http::StatusCode, web};
use headwater_coordinator::why::diagnose;
use headwater_core::time::{Clock, SystemClock};

use super::{Answer, Control, job_id};
use crate::{dto, endpoint::Endpoint};

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::get("/jobs/{id}/why", "Say what holds a job back", why).answers::<dto::Why>(StatusCode::OK),
        Endpoint::get("/jobs/{id}/restarts", "List a job's restarts, newest first", restarts)
            .answers::<dto::Restarts>(StatusCode::OK),
    ]
}

async fn why(control: Control, id: web::Path<String>) -> Answer {
    let id = job_id(&id)?;
    let job = control.job(id).await?;
    let checkpoints = control.checkpoints(id).await?;
    let exceptions = control.exceptions(id).await?;
    let now_ms = SystemClock.now_ms();
    let diagnosis = diagnose(&job, &checkpoints, &exceptions, now_ms);
    Ok(HttpResponse::Ok().json(dto::Why::of(id.to_string(), &diagnosis, now_ms)))
}

async fn restarts(control: Control, id: web::Path<String>) -> Answer {
    let id = job_id(&id)?;
    let exceptions = control.exceptions(id).await?;
    let events = control.events(id).await?;
    let status = control.job(id).await?.summary.status;
    let started_at_ms = control.overview().await?.started_at_ms;
    Ok(HttpResponse::Ok().json(dto::Restarts::of(&exceptions, &events, status, started_at_ms)))
}
