//! What is seen of a job from inside: records that pass, and the state in its checkpoints.

mod tap;

use actix_web::{HttpResponse, http::StatusCode, web};
use headwater_core::ids::{CheckpointId, VertexId};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Answer, job_id, within};
use crate::{
    dto,
    endpoint::Endpoint,
    inspect::{EntriesQuery, Inspector},
    problem::{Problem, ProblemKind},
};

pub(super) type Looker = web::Data<dyn Inspector>;

const LIMIT_DEFAULT: usize = 50;
const LIMIT_MAX: usize = 1_000;

pub(super) fn endpoints() -> Vec<Endpoint> {
    use ProblemKind as Kind;
    let unreadable =
        [Kind::UnknownCheckpoint, Kind::DamagedCheckpoint, Kind::StateUnreadable, Kind::TooManyReaders];
    vec![
        Endpoint::stream(
            "/jobs/{id}/vertices/{vertex}/tap",
            "Look at some of the records that leave a vertex",
            tap::tap,
        )
        .query::<tap::TapQuery>()
        .problems(&[Kind::UnknownVertex, Kind::JobHasEnded, Kind::TooManyReaders]),
        Endpoint::get("/jobs/{id}/state", "List what a job keeps, as a checkpoint has it", states)
            .query::<StatesQuery>()
            .answers::<dto::JobState>(StatusCode::OK)
            .problems(&unreadable),
        Endpoint::get("/jobs/{id}/state/{vertex}/{state}", "Page through a state, or look a key up", entries)
            .query::<PageQuery>()
            .answers::<dto::StateEntries>(StatusCode::OK)
            .problems(&unreadable)
            .problems(&[Kind::UnknownVertex, Kind::UnknownState]),
    ]
}

/// Which checkpoint.
#[derive(Deserialize, JsonSchema)]
struct StatesQuery {
    /// The checkpoint's number; without it, the last one.
    checkpoint: Option<u64>,
}

/// Which entries.
#[derive(Deserialize, JsonSchema)]
struct PageQuery {
    /// The checkpoint's number; without it, the last one.
    checkpoint: Option<u64>,
    /// Only the entries of this key: in JSON as the entries have it, or as plain text.
    key: Option<String>,
    /// How many entries at most.
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<usize>,
    /// The `next` of the page before.
    after: Option<String>,
}

async fn states(looker: Looker, id: web::Path<String>, query: web::Query<StatesQuery>) -> Answer {
    let states = looker.states(job_id(&id)?, query.checkpoint.map(CheckpointId)).await?;
    Ok(HttpResponse::Ok().json(states))
}

async fn entries(
    looker: Looker,
    path: web::Path<(String, String, String)>,
    query: web::Query<PageQuery>,
) -> Answer {
    let ((id, vertex, state), query) = (path.into_inner(), query.into_inner());
    let query = EntriesQuery {
        job: job_id(&id)?,
        vertex: vertex_id(&vertex)?,
        state,
        checkpoint: query.checkpoint.map(CheckpointId),
        key: query.key,
        limit: within("limit", query.limit.unwrap_or(LIMIT_DEFAULT), 1, LIMIT_MAX)?,
        after: query.after,
    };
    Ok(HttpResponse::Ok().json(looker.entries(query).await?))
}

/// A vertex as its id is written: `v0`.
fn vertex_id(text: &str) -> Result<VertexId, Problem> {
    let number = text.strip_prefix('v').and_then(|number| number.parse().ok());
    number.map(VertexId).ok_or_else(|| {
        Problem::new(ProblemKind::UnknownVertex, format!("expected a vertex such as `v0`, found `{text}`"))
            .hint("GET /api/v1/jobs/{id} lists the vertices")
    })
}
