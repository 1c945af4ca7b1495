//! What every request passes.

use std::net::IpAddr;

use actix_web::{HttpRequest, dev::ServiceRequest, http::header};

use super::{
    AllowedHosts, AuditLog, Authentication, Identity, Role, origin,
    peers::Peers,
    roles,
    sessions::{Failures, Sessions},
    tokens::{Token, hash_of},
};
use crate::problem::{Problem, ProblemKind};

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
        // As routes match it: a path may be written in several ways.
        let path = request.match_info().as_str();
        let needed = roles::required(request.method(), path);
        if !request.method().is_safe() {
            origin::check(request, host)?;
        } else if needed.is_some() || path.starts_with("/api/") {
            // Another site's page could not read the answer, but it would cost the same.
            origin::check_site(headers)?;
        }
        let Some(needed) = needed else { return Ok(None) };
        let identity = self.identity(request.request())?.ok_or_else(login_required)?;
        if identity.role < needed {
            let name = identity.name.unwrap_or_default();
            let detail = format!("the token `{name}` has the role `{}`: expected `{needed}`", identity.role);
            return Err(Problem::new(ProblemKind::NotPermitted, detail));
        }
        Ok(Some(identity))
    }

    /// Who sent a request, if it says so.
    pub(super) fn identity(&self, request: &HttpRequest) -> Result<Option<Identity>, Problem> {
        let Authentication::Tokens(tokens) = &self.authentication else {
            return Ok(Some(Identity { name: None, role: Role::Operate }));
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
        Err(Problem::new(ProblemKind::WrongToken, "the token is not one of this server's"))
    }
}

pub(super) fn login_required() -> Problem {
    Problem::new(
        ProblemKind::LoginRequired,
        "a token is needed: expected `Authorization: Bearer TOKEN` or a session",
    )
}

pub(super) fn identity_of(token: Token) -> Identity {
    Identity { name: Some(token.name), role: token.role }
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
