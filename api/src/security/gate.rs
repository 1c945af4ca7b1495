//! What every request passes.

use std::net::IpAddr;

use actix_web::{
    HttpRequest,
    dev::ServiceRequest,
    http::{Method, StatusCode, header},
};
use headwater_core::time::{Clock, SystemClock};

use super::{
    AllowedHosts, AuditLog, Authentication, Identity, Role, origin,
    peers::Peers,
    roles,
    sessions::{Failures, Sessions},
    tokens::{Token, hash_of},
};
use crate::{
    dto::AuditEntry,
    problem::{Problem, ProblemKind},
};

/// The cookie of a browser's session.
pub(super) const COOKIE: &str = "headwater-session";

/// Decides about requests.
pub(crate) struct Gate {
    pub(crate) hosts: AllowedHosts,
    pub(crate) authentication: Authentication,
    pub(crate) audit: Option<AuditLog>,
    /// Whether the cookie is for TLS only.
    pub(crate) is_secure: bool,
    pub(crate) streams: Peers,
    pub(super) sessions: Sessions,
    failures: Failures,
}

impl Gate {
    pub(crate) fn new(
        hosts: AllowedHosts,
        authentication: Authentication,
        audit: Option<AuditLog>,
        is_secure: bool,
        streams: Peers,
    ) -> Self {
        let (sessions, failures) = (Sessions::default(), Failures::default());
        Self { hosts, authentication, audit, is_secure, streams, sessions, failures }
    }

    /// Lets a request through, with who sent it, or says why not.
    pub(super) fn check(&self, request: &ServiceRequest) -> Result<Option<Identity>, Problem> {
        let headers = request.headers();
        let host = origin::text(headers, header::HOST).unwrap_or_default();
        if !self.hosts.contains(host) {
            let detail = format!(
                "`{host}` is not a name of this server: expected localhost, the address it listens on, or one of \
                 `security.allowed-hosts`"
            );
            return Err(Problem::new(ProblemKind::HostNotAllowed, detail));
        }
        if !request.method().is_safe() {
            origin::check(request, host)?;
        }
        // As routes match it: a path may be written in several ways.
        let path = request.match_info().as_str();
        let Some(needed) = roles::required(request.method(), path) else { return Ok(None) };
        let identity = self.identity(request.request())?.ok_or_else(login_required)?;
        if identity.role < needed {
            let detail = format!(
                "the token `{}` has the role `{}`: expected `{needed}`",
                identity.name, identity.role
            );
            return Err(Problem::new(ProblemKind::NotPermitted, detail));
        }
        Ok(Some(identity))
    }

    /// Who sent a request, if it says so.
    pub(super) fn identity(&self, request: &HttpRequest) -> Result<Option<Identity>, Problem> {
        let Authentication::Tokens(tokens) = &self.authentication else {
            return Ok(Some(Identity { name: "anyone".to_owned(), role: Role::Operate }));
        };
        let headers = request.headers();
        if let Some(given) = origin::text(headers, header::AUTHORIZATION) {
            let scheme = given.get(..7).filter(|scheme| scheme.eq_ignore_ascii_case("bearer "));
            let token = scheme.map(|_| given[7..].trim()).ok_or_else(|| {
                Problem::new(
                    ProblemKind::WrongToken,
                    "expected `Authorization: Bearer TOKEN`, found another scheme",
                )
            })?;
            return self.verify(request, token).map(|token| Some(identity_of(token)));
        }
        let session = cookie(request).and_then(|id| self.sessions.token(id));
        Ok(session.and_then(|hash| tokens.by_hash(&hash)).map(identity_of))
    }

    /// Whose token it is. Who has been wrong too often has to wait before he may be wrong again.
    pub(super) fn verify(&self, request: &HttpRequest, token: &str) -> Result<Token, Problem> {
        let Authentication::Tokens(tokens) = &self.authentication else {
            return Err(Problem::new(
                ProblemKind::InvalidRequest,
                "this server has no tokens: no login is needed",
            ));
        };
        // Before anything else: whoever guesses from the same address, as behind a proxy, must not lock the others out.
        if let Some(token) = tokens.by_hash(&hash_of(token)) {
            return Ok(token);
        }
        let peer = peer_of(request);
        if let Some(wait) = peer.and_then(|peer| self.failures.wait(peer)) {
            let detail = format!("too many wrong tokens from this address: wait {} s", wait.as_secs() + 1);
            return Err(Problem::new(ProblemKind::TooManyLogins, detail));
        }
        if let Some(peer) = peer {
            self.failures.add(peer);
        }
        Err(Problem::new(ProblemKind::WrongToken, "the token is not one of this server's")
            .hint("`headwater token create NAME` on the server makes one"))
    }

    /// What will be written down of a request if it comes to that.
    pub(super) fn entry_of(&self, request: &ServiceRequest) -> Option<AuditEntry> {
        self.audit.as_ref()?;
        let method = request.method();
        let path = request.match_info().as_str();
        let mode = request.query_string().split('&').find(|part| part.starts_with("mode="));
        let query = mode.map_or_else(String::new, |mode| format!("?{mode}"));
        Some(AuditEntry {
            seq: 0,
            at_ms: SystemClock.now_ms(),
            who: None,
            peer: peer_of(request.request()).map_or_else(String::new, |peer| peer.to_string()),
            action: shortened(&format!("{method} {path}{query}")),
            status: 0,
            outcome: String::new(),
            made: None,
            left_out: None,
        })
    }

    /// Writes down what changed something or shows what is in records, and whatever was denied.
    pub(super) fn record(
        &self,
        entry: Option<AuditEntry>,
        request: &HttpRequest,
        status: StatusCode,
        made: Option<String>,
    ) {
        use actix_web::HttpMessage;
        let (Some(audit), Some(mut entry)) = (&self.audit, entry) else { return };
        let path = request.match_info().as_str();
        let is_denied = matches!(status.as_u16(), 401 | 403 | 421 | 429);
        let is_asked_only = *request.method() == Method::POST && path.starts_with("/api/v1/sql/validate");
        let is_of_note = is_denied
            || (!request.method().is_safe() && !is_asked_only)
            || roles::is_sensitive(request.method(), path);
        if !is_of_note {
            return;
        }
        entry.who = request.extensions().get::<Identity>().map(|identity| identity.name.clone());
        entry.status = status.as_u16();
        entry.outcome = match status {
            _ if is_denied => "denied",
            status if status.is_success() => "done",
            status if status.is_client_error() => "refused",
            _ => "failed",
        }
        .to_owned();
        entry.made = made;
        audit.record(entry);
    }
}

pub(super) fn login_required() -> Problem {
    Problem::new(
        ProblemKind::LoginRequired,
        "a token is needed: expected `Authorization: Bearer TOKEN` or a session",
    )
    .hint("on the command line use `--token` or HEADWATER_TOKEN, on the page log in")
}

fn identity_of(token: Token) -> Identity {
    Identity { name: token.name, role: token.role }
}

pub(super) fn peer_of(request: &HttpRequest) -> Option<IpAddr> {
    request.peer_addr().map(|peer| peer.ip().to_canonical())
}

/// The session's id that a browser sent.
pub(super) fn cookie(request: &HttpRequest) -> Option<&str> {
    let cookies = request.headers().get_all(header::COOKIE).filter_map(|value| value.to_str().ok());
    cookies.flat_map(|line| line.split(';')).find_map(|cookie| {
        let (name, value) = cookie.trim().split_once('=')?;
        (name == COOKIE).then_some(value)
    })
}

/// A path that someone made up may be long.
fn shortened(text: &str) -> String {
    const CHARS_MAX: usize = 300;
    text.chars().take(CHARS_MAX).collect()
}
