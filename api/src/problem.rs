//! Errors as clients get them: `application/problem+json` (RFC 9457).

use std::{borrow::Cow, fmt};

use actix_web::{
    HttpResponse, ResponseError,
    body::BoxBody,
    http::{Method, StatusCode, header},
};
use headwater_coordinator::handle::DispatcherError;
use headwater_core::{
    ids::InvalidJobId,
    job::PlanError,
    options::OptionError,
    secret::{Secrets, hide},
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::dto::SqlFault;

/// What kind of error it is. Clients tell them apart by the `type` that [`urn`](Self::urn) gives; it never changes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProblemKind {
    /// No job has this id, or it is no id at all.
    UnknownJob,
    /// The vertex keeps no such state.
    UnknownState,
    /// A file of the checkpoint is damaged.
    DamagedCheckpoint,
    /// The checkpoint cannot be read.
    StateUnreadable,
    /// Too many look already.
    TooManyReaders,
    /// The job has ended, so that nothing passes in it.
    JobHasEnded,
    /// The job has no such actor.
    UnknownActor,
    /// The actor is being restarted, or is about to end.
    ActorNotRunning,
    /// Nothing is at this path.
    UnknownPath,
    /// No such program is registered.
    UnknownProgram,
    /// The program does not take this argument, or not this value.
    BadArgument,
    /// The program's graph cannot run.
    InvalidProgram,
    /// An option's key or value cannot be taken.
    BadOption,
    /// The body is not JSON.
    MalformedJson,
    /// The body or the query holds something else than what is expected.
    InvalidRequest,
    /// The path does not take this method.
    MethodNotAllowed,
    /// The body is too long.
    BodyTooLarge,
    /// The body is not said to be JSON.
    UnsupportedMediaType,
    /// The job has ended already.
    NotCancellable,
    /// The job is about to end, or its process is.
    NotRestartable,
    /// The job has not ended.
    NotEnded,
    /// Not all of the job's tasks run.
    NotRunning,
    /// The job has no such vertex.
    UnknownVertex,
    /// The vertex has no such subtask.
    UnknownSubtask,
    /// Nothing is known of such a checkpoint.
    UnknownCheckpoint,
    /// The idempotency key came with another body before.
    IdempotencyKeyReused,
    /// What the idempotency key was used for is not there any more.
    JobGone,
    /// The server has not taken its jobs up yet.
    NotReady,
    /// A token is needed.
    LoginRequired,
    /// The token is none of this server's.
    WrongToken,
    /// The token's role does not allow this.
    NotPermitted,
    /// Too many wrong tokens came from there.
    TooManyLogins,
    /// The `Host` is not one of this server's.
    HostNotAllowed,
    /// Another site's page sent this.
    CrossOrigin,
    /// Actors may not be killed here.
    ChaosDisabled,
    /// More live streams than the server has room for.
    TooManyStreams,
    /// The history of metrics cannot be read.
    HistoryFailed,
    /// The dispatcher missed its deadline.
    DispatcherTimeout,
    /// The job store failed.
    StoreFailed,
    /// A script in SQL is wrong.
    InvalidSql,
    /// What looks at SQL died.
    SqlFailed,
}

impl ProblemKind {
    fn parts(self) -> (&'static str, StatusCode, &'static str) {
        match self {
            Self::UnknownJob => ("unknown-job", StatusCode::NOT_FOUND, "Unknown job"),
            Self::UnknownState => ("unknown-state", StatusCode::NOT_FOUND, "Unknown state"),
            Self::DamagedCheckpoint => {
                ("damaged-checkpoint", StatusCode::INTERNAL_SERVER_ERROR, "Damaged checkpoint")
            }
            Self::StateUnreadable => {
                ("state-unreadable", StatusCode::INTERNAL_SERVER_ERROR, "State cannot be read")
            }
            Self::TooManyReaders => ("too-many-readers", StatusCode::SERVICE_UNAVAILABLE, "Too many readers"),
            Self::JobHasEnded => ("job-has-ended", StatusCode::CONFLICT, "Job has ended"),
            Self::UnknownActor => ("unknown-actor", StatusCode::NOT_FOUND, "Unknown actor"),
            Self::ActorNotRunning => ("actor-not-running", StatusCode::CONFLICT, "Actor is not running"),
            Self::UnknownPath => ("unknown-path", StatusCode::NOT_FOUND, "Unknown path"),
            Self::UnknownProgram => ("unknown-program", StatusCode::BAD_REQUEST, "Unknown program"),
            Self::BadArgument => ("bad-argument", StatusCode::BAD_REQUEST, "Bad argument"),
            Self::InvalidProgram => ("invalid-program", StatusCode::BAD_REQUEST, "Program cannot run"),
            Self::BadOption => ("bad-option", StatusCode::BAD_REQUEST, "Bad option"),
            Self::MalformedJson => ("malformed-json", StatusCode::BAD_REQUEST, "Malformed JSON"),
            Self::InvalidRequest => ("invalid-request", StatusCode::BAD_REQUEST, "Invalid request"),
            Self::MethodNotAllowed => {
                ("method-not-allowed", StatusCode::METHOD_NOT_ALLOWED, "Method not allowed")
            }
            Self::BodyTooLarge => ("body-too-large", StatusCode::PAYLOAD_TOO_LARGE, "Body too large"),
            Self::UnsupportedMediaType => {
                ("unsupported-media-type", StatusCode::UNSUPPORTED_MEDIA_TYPE, "Unsupported media type")
            }
            Self::NotCancellable => ("not-cancellable", StatusCode::CONFLICT, "Job has ended"),
            Self::NotRestartable => ("not-restartable", StatusCode::CONFLICT, "Job cannot be restarted now"),
            Self::NotEnded => ("not-ended", StatusCode::CONFLICT, "Job has not ended"),
            Self::NotRunning => ("not-running", StatusCode::CONFLICT, "Job is not running"),
            Self::UnknownVertex => ("unknown-vertex", StatusCode::NOT_FOUND, "Unknown vertex"),
            Self::UnknownSubtask => ("unknown-subtask", StatusCode::NOT_FOUND, "Unknown subtask"),
            Self::UnknownCheckpoint => ("unknown-checkpoint", StatusCode::NOT_FOUND, "Unknown checkpoint"),
            Self::IdempotencyKeyReused => (
                "idempotency-key-reused",
                StatusCode::UNPROCESSABLE_ENTITY,
                "Idempotency key was used for something else",
            ),
            Self::JobGone => ("job-gone", StatusCode::GONE, "Job is gone"),
            Self::NotReady => ("not-ready", StatusCode::SERVICE_UNAVAILABLE, "Not ready"),
            Self::LoginRequired => ("login-required", StatusCode::UNAUTHORIZED, "Login required"),
            Self::WrongToken => ("wrong-token", StatusCode::UNAUTHORIZED, "Wrong token"),
            Self::NotPermitted => ("not-permitted", StatusCode::FORBIDDEN, "Not permitted"),
            Self::TooManyLogins => {
                ("too-many-logins", StatusCode::TOO_MANY_REQUESTS, "Too many wrong tokens")
            }
            Self::HostNotAllowed => ("host-not-allowed", StatusCode::MISDIRECTED_REQUEST, "Host not allowed"),
            Self::CrossOrigin => ("cross-origin", StatusCode::FORBIDDEN, "Cross-origin request"),
            Self::ChaosDisabled => ("chaos-disabled", StatusCode::FORBIDDEN, "Chaos is switched off"),
            Self::TooManyStreams => {
                ("too-many-streams", StatusCode::SERVICE_UNAVAILABLE, "Too many live streams")
            }
            Self::HistoryFailed => {
                ("history-failed", StatusCode::INTERNAL_SERVER_ERROR, "Metric history failed")
            }
            Self::DispatcherTimeout => {
                ("dispatcher-timeout", StatusCode::SERVICE_UNAVAILABLE, "Dispatcher timeout")
            }
            Self::StoreFailed => ("store-failed", StatusCode::INTERNAL_SERVER_ERROR, "Job store failed"),
            Self::InvalidSql => ("invalid-sql", StatusCode::BAD_REQUEST, "SQL cannot run"),
            Self::SqlFailed => ("sql-failed", StatusCode::INTERNAL_SERVER_ERROR, "SQL failed"),
        }
    }

    /// The stable name of the kind.
    pub fn urn(self) -> String {
        format!("urn:headwater:error:{}", self.name())
    }

    pub(crate) fn name(self) -> &'static str {
        self.parts().0
    }

    /// The HTTP status that it is sent with.
    pub fn status(self) -> StatusCode {
        self.parts().1
    }
}

/// One error, for one request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Problem {
    kind: ProblemKind,
    detail: String,
    hint: Option<String>,
    allow: Option<String>,
    line: Option<u64>,
    column: Option<u64>,
}

/// The JSON that a [`Problem`] is sent as.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub(crate) struct ProblemBody<'a> {
    /// The kind, which never changes: `urn:headwater:error:…`.
    r#type: String,
    /// The kind in words.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What is wrong this time.
    detail: Cow<'a, str>,
    /// What to do about it.
    hint: Cow<'a, str>,
    /// The line of a script, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    /// The column of a script, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<u64>,
}

impl Problem {
    /// A problem with what is wrong this time.
    pub fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), hint: None, allow: None, line: None, column: None }
    }

    /// Adds what to do about it.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The path does not take `method`.
    pub fn method_not_allowed(method: &Method, allowed: &str) -> Self {
        let mut problem = Self::new(
            ProblemKind::MethodNotAllowed,
            format!("this path does not take {method}: expected one of {allowed}"),
        );
        problem.allow = Some(allowed.to_owned());
        problem
    }

    /// The same without these secrets.
    pub(crate) fn without(mut self, secrets: &Secrets) -> Self {
        self.detail = secrets.hide(&self.detail).into();
        self.hint = self.hint.map(|hint| secrets.hide(&hint).into());
        self
    }

    /// Its kind.
    pub fn kind(&self) -> ProblemKind {
        self.kind
    }

    pub(crate) fn body(&self) -> ProblemBody<'_> {
        let (_, status, title) = self.kind.parts();
        ProblemBody {
            r#type: self.kind.urn(),
            title,
            status: status.as_u16(),
            detail: hide(&self.detail),
            hint: self.hint.as_deref().map_or_else(|| self.kind.hint().into(), hide),
            line: self.line,
            column: self.column,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        self.kind.status()
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        let mut response = HttpResponse::build(self.status_code());
        if let Some(allow) = &self.allow {
            response.insert_header((header::ALLOW, allow.as_str()));
        }
        match self.status_code() {
            StatusCode::SERVICE_UNAVAILABLE => {
                response.insert_header((header::RETRY_AFTER, "1"));
            }
            StatusCode::TOO_MANY_REQUESTS => {
                response.insert_header((header::RETRY_AFTER, "60"));
            }
            StatusCode::UNAUTHORIZED => {
                response.insert_header((header::WWW_AUTHENTICATE, "Bearer"));
            }
            _ => {}
        }
        response.insert_header((header::CONTENT_TYPE, "application/problem+json")).json(self.body())
    }
}

impl From<DispatcherError> for Problem {
    fn from(error: DispatcherError) -> Self {
        let kind = match &error {
            DispatcherError::UnknownJob(_) => ProblemKind::UnknownJob,
            DispatcherError::Plan(PlanError::UnknownProgram { .. }) => ProblemKind::UnknownProgram,
            DispatcherError::Plan(PlanError::BadArgument { .. }) => ProblemKind::BadArgument,
            DispatcherError::Plan(PlanError::Invalid(_)) => ProblemKind::InvalidProgram,
            DispatcherError::NotCancellable { .. } => ProblemKind::NotCancellable,
            DispatcherError::NotRestartable { .. } => ProblemKind::NotRestartable,
            DispatcherError::NotEnded { .. } => ProblemKind::NotEnded,
            DispatcherError::NotRunning { .. } => ProblemKind::NotRunning,
            DispatcherError::IdempotencyKeyReused { .. } => ProblemKind::IdempotencyKeyReused,
            DispatcherError::JobGone { .. } => ProblemKind::JobGone,
            DispatcherError::BeingDeleted(_) => ProblemKind::NotRestartable,
            DispatcherError::ChaosDisabled => ProblemKind::ChaosDisabled,
            DispatcherError::UnknownActor { .. } => ProblemKind::UnknownActor,
            DispatcherError::ActorNotRunning { .. } => ProblemKind::ActorNotRunning,
            DispatcherError::Store(_) => ProblemKind::StoreFailed,
            DispatcherError::Timeout(_) => ProblemKind::DispatcherTimeout,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<InvalidJobId> for Problem {
    fn from(error: InvalidJobId) -> Self {
        Self::new(ProblemKind::UnknownJob, error.to_string()).hint("GET /api/v1/jobs lists the jobs")
    }
}

impl From<SqlFault> for Problem {
    fn from(SqlFault { message, line, column, hint }: SqlFault) -> Self {
        Self { line, column, hint, ..Self::new(ProblemKind::InvalidSql, message) }
    }
}

impl From<OptionError> for Problem {
    fn from(error: OptionError) -> Self {
        Self::new(ProblemKind::BadOption, error.to_string())
    }
}
