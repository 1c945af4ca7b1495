//! `POST /login`, `POST /logout`, `GET /session`, `GET /audit`.

use actix_web::{
    HttpMessage, HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web,
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    Authentication, Gate, Identity,
    gate::{COOKIE, cookie, identity_of},
    sessions::LIFETIME,
};
use crate::{
    dto,
    endpoint::Endpoint,
    problem::{Problem, ProblemKind},
    routes::{Answer, read_json},
};

const ENTRIES_DEFAULT: usize = 100;
const ENTRIES_MAX: usize = 1_000;

pub(crate) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::get("/session", "Tell who is asking, and whether a login is needed", session)
            .answers::<dto::Session>(StatusCode::OK),
        Endpoint::post("/login", "Log in with a token, for a cookie", login)
            .body::<dto::Login>()
            .answers::<dto::Session>(StatusCode::OK),
        Endpoint::post("/logout", "End the session", logout).answers_nothing(),
        Endpoint::get("/audit", "List who did what, newest first", audit)
            .query::<AuditQuery>()
            .answers::<dto::Audit>(StatusCode::OK),
    ]
}

/// Begins a session: the cookie stands for the token from then on.
async fn login(gate: web::Data<Gate>, request: HttpRequest, payload: web::Payload) -> Answer {
    let login: dto::Login = read_json(&request, payload).await?;
    let token = gate.verify(&request, login.token.trim())?;
    let id = gate.sessions.begin(token.hash).map_err(|error| {
        Problem::new(ProblemKind::StoreFailed, format!("no random numbers for a session: {error}"))
    })?;
    let identity = identity_of(token);
    request.extensions_mut().insert(identity.clone());
    Ok(HttpResponse::Ok()
        .insert_header((header::SET_COOKIE, set_cookie(&gate, &id, LIFETIME.as_secs())))
        .json(session_of(&gate, Some(identity))))
}

/// Ends the session.
async fn logout(gate: web::Data<Gate>, request: HttpRequest) -> Answer {
    if let Some(id) = cookie(&request) {
        gate.sessions.end(id);
    }
    Ok(HttpResponse::NoContent().insert_header((header::SET_COOKIE, set_cookie(&gate, "", 0))).finish())
}

/// Tells who is asking, and whether that is needed. Never an error: the page asks before anyone has logged in.
async fn session(gate: web::Data<Gate>, request: HttpRequest) -> Answer {
    let identity = gate.identity(&request).ok().flatten();
    Ok(HttpResponse::Ok().json(session_of(&gate, identity)))
}

fn session_of(gate: &Gate, identity: Option<Identity>) -> dto::Session {
    let login_required = matches!(gate.authentication, Authentication::Tokens(_));
    let role = identity.as_ref().map(|identity| identity.role);
    let name = identity.and_then(|identity| identity.name);
    dto::Session { login_required, name, role }
}

fn set_cookie(gate: &Gate, value: &str, lifetime_s: u64) -> String {
    let secure = if gate.is_secure { "; Secure" } else { "" };
    format!("{COOKIE}={value}; Path=/; Max-Age={lifetime_s}; HttpOnly; SameSite=Strict{secure}")
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuditQuery {
    /// At most so many, from 1 to 1000; 100 if it is not said.
    #[schemars(range(min = 1, max = 1_000))]
    limit: Option<usize>,
    /// Only entries before this number.
    before: Option<u64>,
}

/// Tells who did what, newest first.
async fn audit(gate: web::Data<Gate>, query: web::Query<AuditQuery>) -> Answer {
    let limit = query.limit.unwrap_or(ENTRIES_DEFAULT);
    if !(1..=ENTRIES_MAX).contains(&limit) {
        let detail = format!("query parameter `limit`: expected 1 to {ENTRIES_MAX}, found {limit}");
        return Err(Problem::new(ProblemKind::InvalidRequest, detail));
    }
    let before = query.before;
    let read = web::block(move || match &gate.audit {
        Some(audit) => audit.read(limit, before),
        None => Ok(dto::Audit { entries: Vec::new(), next: None }),
    });
    match read.await {
        Ok(Ok(audit)) => Ok(HttpResponse::Ok().json(audit)),
        Ok(Err(error)) => {
            Err(Problem::new(ProblemKind::StoreFailed, format!("the audit log cannot be read: {error}")))
        }
        Err(_) => Err(Problem::new(ProblemKind::StoreFailed, "the audit log cannot be read")),
    }
}
