//! A job's plan, and the vertices and subtasks that run of it.

use actix_web::{HttpResponse, http::StatusCode, web};
use headwater_coordinator::view::JobDetails;
use headwater_core::{
    ids::{SubtaskId, VertexId},
    time::{Clock, SystemClock},
};

use super::{Answer, Control, job_id, vertex_of};
use crate::{
    dto,
    endpoint::Endpoint,
    problem::{Problem, ProblemKind},
};

pub(super) fn endpoints() -> Vec<Endpoint> {
    use ProblemKind as Kind;
    vec![
        Endpoint::get("/jobs/{id}/plan", "Show what a job runs as", plan)
            .answers::<dto::Plan>(StatusCode::OK),
        Endpoint::get("/jobs/{id}/vertices", "List a job's vertices", vertices)
            .answers::<dto::Vertices>(StatusCode::OK),
        Endpoint::get("/jobs/{id}/vertices/{vertex}", "Look at a vertex", vertex)
            .answers::<dto::Vertex>(StatusCode::OK)
            .problems(&[Kind::UnknownVertex]),
        Endpoint::get(
            "/jobs/{id}/vertices/{vertex}/subtasks/{subtask}",
            "Look at a subtask and the attempts at it",
            subtask,
        )
        .answers::<dto::SubtaskDetails>(StatusCode::OK)
        .problems(&[Kind::UnknownVertex, Kind::UnknownSubtask]),
    ]
}

async fn plan(control: Control, id: web::Path<String>) -> Answer {
    let job = control.job(job_id(&id)?).await?;
    Ok(HttpResponse::Ok().json(dto::Plan::of(&job.graph)))
}

async fn vertices(control: Control, id: web::Path<String>) -> Answer {
    let job = control.job(job_id(&id)?).await?;
    let vertices = dto::JobDetails::of(&job, SystemClock.now_ms()).vertices;
    Ok(HttpResponse::Ok().json(dto::Vertices { vertices }))
}

async fn vertex(control: Control, path: web::Path<(String, String)>) -> Answer {
    let (id, vertex) = path.into_inner();
    let job = control.job(job_id(&id)?).await?;
    Ok(HttpResponse::Ok().json(shown_vertex(&job, &vertex)?.1))
}

async fn subtask(control: Control, path: web::Path<(String, String, String)>) -> Answer {
    let (id, vertex, index) = path.into_inner();
    let id = job_id(&id)?;
    let (vertex_id, vertex) = shown_vertex(&control.job(id).await?, &vertex)?;
    let unknown = || {
        let detail = format!("vertex `{}` has no subtask `{index}`", vertex.id);
        Problem::new(ProblemKind::UnknownSubtask, detail)
            .hint(format!("expected 0 to {}", vertex.parallelism.saturating_sub(1)))
    };
    let index: u32 = index.parse().map_err(|_| unknown())?;
    let subtask = vertex.subtasks.iter().find(|subtask| subtask.index == index).ok_or_else(unknown)?;
    let attempts = control.attempts(id, SubtaskId { vertex: vertex_id, index }).await?;
    let attempts = attempts.ok_or_else(unknown)?.iter().map(dto::Attempt::of).collect();
    Ok(HttpResponse::Ok().json(dto::SubtaskDetails { subtask: subtask.clone(), attempts }))
}

fn shown_vertex(job: &JobDetails, id: &str) -> Result<(VertexId, dto::Vertex), Problem> {
    let found = vertex_of(job, id)?.id;
    let mut vertices = dto::JobDetails::of(job, SystemClock.now_ms()).vertices.into_iter();
    let shown = vertices.find(|vertex| vertex.id == id).expect("all vertices of the graph are shown");
    Ok((found, shown))
}
