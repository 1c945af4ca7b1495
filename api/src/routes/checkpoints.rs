//! A job's checkpoints.

use actix_web::{HttpResponse, http::StatusCode, web};

use super::{Answer, Control, job_id};
use crate::{dto, endpoint::Endpoint};

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::get("/jobs/{id}/checkpoints", "List a job's checkpoints, newest first", checkpoints)
            .answers::<dto::Checkpoints>(StatusCode::OK),
    ]
}

async fn checkpoints(control: Control, id: web::Path<String>) -> Answer {
    let checkpoints = control.checkpoints(job_id(&id)?).await?;
    Ok(HttpResponse::Ok().json(dto::Checkpoints::of(&checkpoints)))
}
