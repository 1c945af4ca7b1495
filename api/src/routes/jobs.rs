//! Jobs: submit, list, look at, change.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web,
};
use headwater_coordinator::{IdempotencyKey, view::JobSummary};
use headwater_core::{
    ids::JobId,
    job::{JobSpec, JobStatus},
    key_group::hash_key,
    options::{JobOptions, nearest},
    secret::Secrets,
    time::{Clock, SystemClock},
};

use super::{API, Answer, Control, job_id, read_body, within};
use crate::{
    caller::Caller,
    dto,
    endpoint::Endpoint,
    problem::{Problem, ProblemKind},
    sql::FrontEnd,
    submission,
};

const PAGE_JOBS_DEFAULT: u32 = 100;
const PAGE_JOBS_MAX: u32 = 1_000;
const IDEMPOTENCY_KEY: &str = "Idempotency-Key";
const IDEMPOTENCY_KEY_MAX: usize = 255;

pub(super) fn endpoints() -> Vec<Endpoint> {
    use ProblemKind as Kind;
    let wrong_submission = [
        Kind::UnknownProgram,
        Kind::BadArgument,
        Kind::InvalidProgram,
        Kind::BadOption,
        Kind::InvalidSql,
        Kind::IdempotencyKeyReused,
        Kind::JobGone,
    ];
    vec![
        Endpoint::get("/jobs", "List the jobs, newest first", list)
            .query::<dto::JobFilter>()
            .answers::<dto::Jobs>(StatusCode::OK)
            .problems(&[Kind::UnknownJob]),
        Endpoint::post("/jobs", "Submit a job", submit)
            .header(
                IDEMPOTENCY_KEY,
                "Whatever is sent again with the same key within a day is the same job: 1 to 255 visible ASCII characters.",
            )
            .body::<dto::Submission>()
            .answers_at::<dto::Submitted>(StatusCode::CREATED)
            .problems(&wrong_submission),
        Endpoint::get("/jobs/{id}", "Look at a job", job).answers::<dto::JobDetails>(StatusCode::OK),
        Endpoint::patch("/jobs/{id}", "Cancel a job", cancel)
            .query::<dto::Change>()
            .answers_at::<dto::Submitted>(StatusCode::ACCEPTED)
            .problems(&[Kind::NotCancellable]),
        Endpoint::delete("/jobs/{id}", "Delete a job that has ended", delete)
            .answers_nothing()
            .answers_at::<dto::Submitted>(StatusCode::ACCEPTED)
            .problems(&[Kind::NotEnded]),
        Endpoint::post("/jobs/{id}/restart", "Restart a job from its newest checkpoint", restart)
            .header(
                IDEMPOTENCY_KEY,
                "If the job is submitted again, as one that finished or was cancelled is: whatever is sent again with the same key within a day is the same new job.",
            )
            .answers_at::<dto::Restarted>(StatusCode::ACCEPTED)
            .problems(&[Kind::NotRestartable, Kind::InvalidProgram, Kind::UnknownProgram, Kind::BadArgument])
            .problems(&[Kind::InvalidRequest, Kind::IdempotencyKeyReused, Kind::JobGone]),
        Endpoint::get("/jobs/{id}/exceptions", "List a job's failures, newest first", exceptions)
            .answers::<dto::Exceptions>(StatusCode::OK),
        Endpoint::get("/jobs/{id}/events", "List what happened to a job, newest first", events)
            .query::<dto::EventFilter>()
            .answers::<dto::LogEvents>(StatusCode::OK),
        Endpoint::delete("/jobs/{id}/actors/{actor}", "Kill an actor, to see the job come back", kill_actor)
            .answers::<dto::KilledActor>(StatusCode::ACCEPTED)
            .problems(&[Kind::UnknownActor, Kind::ActorNotRunning, Kind::ChaosDisabled]),
    ]
}

async fn submit(
    control: Control,
    front_end: FrontEnd,
    caller: Caller,
    defaults: web::Data<JobOptions>,
    request: HttpRequest,
    payload: web::Payload,
) -> Answer {
    let body = read_body(&request, payload).await?;
    let spec = submission::parse(&body, &defaults)?;
    let key = match key_of(&request)? {
        Some(key) => Some(IdempotencyKey { key, body_hash: body_hash(&body)? }),
        None => None,
    };
    let accepted = match control.submit(spec.clone(), key, caller.0).await {
        Ok(accepted) => accepted,
        Err(error) => {
            let secrets = Secrets::of_job(&spec);
            return Err(refusal(error.into(), spec, &control, front_end).await.without(&secrets));
        }
    };
    let mut answer = HttpResponse::Created();
    answer.insert_header((header::LOCATION, format!("{API}/jobs/{}", accepted.job)));
    if accepted.is_replay {
        answer.insert_header(("Idempotent-Replayed", "true"));
    }
    Ok(answer.json(dto::Submitted { id: accepted.job.to_string() }))
}

fn key_of(request: &HttpRequest) -> Result<Option<String>, Problem> {
    let Some(key) = request.headers().get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let is_usable = |key: &&str| {
        (1..=IDEMPOTENCY_KEY_MAX).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic())
    };
    let Some(key) = key.to_str().ok().filter(is_usable) else {
        let detail = format!(
            "header `{IDEMPOTENCY_KEY}`: expected 1 to {IDEMPOTENCY_KEY_MAX} visible ASCII characters, such as a UUID"
        );
        return Err(Problem::new(ProblemKind::InvalidRequest, detail));
    };
    Ok(Some(key.to_owned()))
}

/// Does not depend on how the JSON is written.
fn body_hash(body: &[u8]) -> Result<u64, Problem> {
    let value: serde_json::Value = serde_json::from_slice(body)
        .map_err(|error| Problem::new(ProblemKind::MalformedJson, error.to_string()))?;
    Ok(hash_key(value.to_string().as_str()))
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

async fn list(control: Control, filter: web::Query<dto::JobFilter>) -> Answer {
    let now_ms = SystemClock.now_ms();
    let limit = within("limit", filter.limit.unwrap_or(PAGE_JOBS_DEFAULT), 1, PAGE_JOBS_MAX)?;
    let states = filter.state.as_deref().map(states).transpose()?;
    let name = filter.name.as_deref().map(str::to_lowercase);
    let jobs = control.jobs().await?;
    let unreadable_jobs = control.overview().await?.unreadable_jobs;
    let fits = |job: &&JobSummary| {
        states.as_ref().is_none_or(|states| states.contains(&job.status))
            && name.as_ref().is_none_or(|name| job.name.to_lowercase().contains(name))
    };
    let fitting: Vec<&JobSummary> = jobs.iter().filter(fits).collect();
    let skipped = match &filter.after {
        None => 0,
        Some(after) => skipped(&jobs, &fitting, after)?,
    };
    let page: Vec<&JobSummary> = fitting[skipped..].iter().copied().take(limit as usize).collect();
    let is_last = skipped + page.len() == fitting.len();
    Ok(HttpResponse::Ok().json(dto::Jobs {
        jobs: page.iter().map(|job| dto::JobSummary::of(job, now_ms)).collect(),
        total: fitting.len(),
        next: page.last().filter(|_| !is_last).map(|last| last.id.to_string()),
        unreadable_jobs: unreadable_jobs.iter().map(dto::UnreadableJob::of).collect(),
    }))
}

/// How many of the fitting jobs come up to the one with the id `after`, which need not fit itself.
fn skipped(jobs: &[JobSummary], fitting: &[&JobSummary], after: &str) -> Result<usize, Problem> {
    let gone = || {
        let detail = format!("query parameter `after`: expected the id of a job, found `{after}`");
        Problem::new(ProblemKind::UnknownJob, detail)
            .hint("if that job was deleted, begin again without `after`")
    };
    let id = job_id(after).map_err(|_| gone())?;
    let last = jobs.iter().find(|job| job.id == id).ok_or_else(gone)?;
    let place = |job: &JobSummary| std::cmp::Reverse((job.submitted_at_ms, job.id));
    Ok(fitting.partition_point(|job| place(job) <= place(last)))
}

/// Reads states by comma.
fn states(text: &str) -> Result<Vec<JobStatus>, Problem> {
    let state = |name: &str| {
        let known = JobStatus::ALL.into_iter().find(|state| state.as_str().eq_ignore_ascii_case(name));
        known.ok_or_else(|| {
            let names = JobStatus::ALL.map(JobStatus::as_str).join(", ");
            let detail = format!("query parameter `state`: expected some of {names}, found `{name}`");
            Problem::new(ProblemKind::InvalidRequest, detail)
        })
    };
    text.split(',').map(str::trim).map(state).collect()
}

async fn job(control: Control, id: web::Path<String>) -> Answer {
    let job = control.job(job_id(&id)?).await?;
    Ok(HttpResponse::Ok().json(dto::JobDetails::of(&job, SystemClock.now_ms())))
}

async fn cancel(
    control: Control,
    caller: Caller,
    id: web::Path<String>,
    change: web::Query<dto::Change>,
) -> Answer {
    let job = job_id(&id)?;
    let dto::ChangeMode::Cancel = change.mode;
    control.cancel(job, caller.0).await?;
    Ok(accepted(job))
}

/// What was asked of a job is seen at the job.
fn accepted(job: JobId) -> HttpResponse {
    HttpResponse::Accepted()
        .insert_header((header::LOCATION, format!("{API}/jobs/{job}")))
        .json(dto::Submitted { id: job.to_string() })
}

async fn delete(control: Control, caller: Caller, id: web::Path<String>) -> Answer {
    let job = job_id(&id)?;
    let deleted = control.delete(job, caller.0).await?;
    Ok(if deleted.is_done { HttpResponse::NoContent().finish() } else { accepted(job) })
}

async fn restart(control: Control, caller: Caller, request: HttpRequest, id: web::Path<String>) -> Answer {
    let job = job_id(&id)?;
    let body_hash = hash_key(format!("restart {job}").as_str());
    let key = key_of(&request)?.map(|key| IdempotencyKey { key, body_hash });
    let restarted = control.restart(job, key, caller.0).await?;
    Ok(HttpResponse::Accepted()
        .insert_header((header::LOCATION, format!("{API}/jobs/{}", restarted.job)))
        .json(dto::Restarted::of(job, &restarted)))
}

async fn exceptions(control: Control, id: web::Path<String>) -> Answer {
    let exceptions = control.exceptions(job_id(&id)?).await?;
    Ok(HttpResponse::Ok().json(dto::Exceptions::of(&exceptions)))
}

async fn events(control: Control, id: web::Path<String>, filter: web::Query<dto::EventFilter>) -> Answer {
    let job = job_id(&id)?;
    let events = control.events(job).await?;
    let is_wanted = |id: u64| filter.after.is_none_or(|after| id > after);
    let wanted = events.iter().rev().filter(|event| is_wanted(event.id));
    let events = wanted.map(|event| dto::LogEvent::of(job, event)).collect();
    Ok(HttpResponse::Ok().json(dto::LogEvents { events }))
}

async fn kill_actor(control: Control, caller: Caller, path: web::Path<(String, String)>) -> Answer {
    let (id, actor) = path.into_inner();
    control.kill_actor(job_id(&id)?, &actor, caller.0).await?;
    Ok(HttpResponse::Accepted().json(dto::KilledActor { actor }))
}
