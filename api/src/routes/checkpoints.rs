//! A job's checkpoints.

use actix_web::{
    HttpResponse,
    http::{StatusCode, header},
    web,
};

use super::{API, Answer, Control, job_id};
use crate::{
    caller::Caller,
    dto,
    endpoint::Endpoint,
    problem::{Problem, ProblemKind},
};

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::get("/jobs/{id}/checkpoints", "List a job's checkpoints, newest first", checkpoints)
            .answers::<dto::Checkpoints>(StatusCode::OK),
        Endpoint::post("/jobs/{id}/checkpoints", "Take a checkpoint now", trigger)
            .answers_at::<dto::Triggered>(StatusCode::ACCEPTED)
            .problems(&[ProblemKind::NotRunning]),
        Endpoint::get("/jobs/{id}/checkpoints/config", "Show how a job is checkpointed", config)
            .answers::<dto::CheckpointConfig>(StatusCode::OK),
        Endpoint::get("/jobs/{id}/checkpoints/{checkpoint}", "Look at a checkpoint", checkpoint)
            .answers::<dto::CheckpointDetails>(StatusCode::OK)
            .problems(&[ProblemKind::UnknownCheckpoint]),
    ]
}

async fn checkpoints(control: Control, id: web::Path<String>) -> Answer {
    let checkpoints = control.checkpoints(job_id(&id)?).await?;
    Ok(HttpResponse::Ok().json(dto::Checkpoints::of(&checkpoints)))
}

async fn trigger(control: Control, caller: Caller, id: web::Path<String>) -> Answer {
    let job = job_id(&id)?;
    let triggered = control.trigger_checkpoint(job, caller.0).await?;
    let id = triggered.checkpoint.0;
    Ok(HttpResponse::Accepted()
        .insert_header((header::LOCATION, format!("{API}/jobs/{job}/checkpoints/{id}")))
        .json(dto::Triggered { id, was_under_way: triggered.was_under_way }))
}

async fn config(control: Control, id: web::Path<String>) -> Answer {
    let job = control.job(job_id(&id)?).await?;
    Ok(HttpResponse::Ok().json(dto::CheckpointConfig::of(&job.spec.options)))
}

async fn checkpoint(control: Control, path: web::Path<(String, String)>) -> Answer {
    let (id, number) = path.into_inner();
    let checkpoints = control.checkpoints(job_id(&id)?).await?;
    let is_meant = |known: u64| number.parse() == Ok(known);
    let found = checkpoints.iter().find(|checkpoint| is_meant(checkpoint.id.0)).ok_or_else(|| {
        Problem::new(ProblemKind::UnknownCheckpoint, format!("nothing is known of a checkpoint `{number}`"))
            .hint(format!("GET {API}/jobs/{id}/checkpoints lists the newest ones"))
    })?;
    Ok(HttpResponse::Ok().json(dto::CheckpointDetails::of(found)))
}
