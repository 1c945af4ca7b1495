//! Jobs: submit, list, look at, cancel.

use std::collections::BTreeMap;

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web,
};
use headwater_core::{
    job::JobSpec,
    options::nearest,
    time::{Clock, SystemClock},
};

use super::{Answer, Control, job_id, read_body};
use crate::{
    dto,
    endpoint::Endpoint,
    problem::{Problem, ProblemKind},
    sql::FrontEnd,
    submission,
};

pub(super) fn endpoints() -> Vec<Endpoint> {
    use ProblemKind as Kind;
    let wrong_submission =
        [Kind::UnknownProgram, Kind::BadArgument, Kind::InvalidProgram, Kind::BadOption, Kind::InvalidSql];
    vec![
        Endpoint::get("/jobs", "List the jobs, newest first", list).answers::<dto::Jobs>(StatusCode::OK),
        Endpoint::post("/jobs", "Submit a job", submit)
            .body::<dto::Submission>()
            .answers_at::<dto::Submitted>(StatusCode::CREATED)
            .problems(&wrong_submission),
        Endpoint::get("/jobs/{id}", "Look at a job", job).answers::<dto::JobDetails>(StatusCode::OK),
        Endpoint::patch("/jobs/{id}", "Cancel a job", cancel)
            .query::<dto::Change>()
            .answers::<dto::Submitted>(StatusCode::ACCEPTED)
            .problems(&[Kind::NotCancellable]),
        Endpoint::get("/jobs/{id}/exceptions", "List a job's failures, newest first", exceptions)
            .answers::<dto::Exceptions>(StatusCode::OK),
        Endpoint::delete("/jobs/{id}/actors/{actor}", "Kill an actor, to see the job come back", kill_actor)
            .answers::<dto::KilledActor>(StatusCode::ACCEPTED)
            .problems(&[Kind::UnknownActor, Kind::ActorNotRunning, Kind::ChaosDisabled]),
    ]
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

async fn list(control: Control) -> Answer {
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

async fn exceptions(control: Control, id: web::Path<String>) -> Answer {
    let exceptions = control.exceptions(job_id(&id)?).await?;
    Ok(HttpResponse::Ok().json(dto::Exceptions::of(&exceptions)))
}

async fn kill_actor(control: Control, path: web::Path<(String, String)>) -> Answer {
    let (id, actor) = path.into_inner();
    control.kill_actor(job_id(&id)?, &actor).await?;
    Ok(HttpResponse::Accepted().json(dto::KilledActor { actor }))
}
