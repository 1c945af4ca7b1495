//! What keeps other sites' pages away from a server on the user's own machine.
//!
//! There is no login, so whoever can open a connection is trusted, and only this machine can. But a browser on this
//! machine runs other people's pages. Hence: the `Host` must be one of ours (a page whose name was rebound to 127.0.0.1
//! still sends its own name), a request that changes something must come from our own origin, and a body must be
//! JSON, which no HTML form can send. There is no CORS.

use std::{collections::BTreeSet, net::SocketAddr};

use actix_web::{
    Error, HttpMessage, ResponseError,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::header::{self, HeaderMap},
    middleware::Next,
    web,
};

use crate::problem::{Problem, ProblemKind};

/// The names that this server answers to, with any port: a forwarded port differs from our own.
#[derive(Clone, Debug)]
pub struct AllowedHosts(BTreeSet<String>);

impl AllowedHosts {
    /// The names of loopback, and of the address that is listened on.
    pub fn of(bind: SocketAddr) -> Self {
        let bound = match bind {
            SocketAddr::V4(address) => address.ip().to_string(),
            SocketAddr::V6(address) => format!("[{}]", address.ip()),
        };
        Self(BTreeSet::from(["localhost".to_owned(), "127.0.0.1".to_owned(), "[::1]".to_owned(), bound]))
    }

    fn contains(&self, host: &str) -> bool {
        let name = match host.rsplit_once(':') {
            Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => host,
        };
        self.0.contains(&name.to_ascii_lowercase())
    }
}

/// Refuses what must not reach a handler; see the module's text.
pub(crate) async fn guard(
    hosts: web::Data<AllowedHosts>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    match check(&hosts, &request) {
        Ok(()) => next.call(request).await.map(ServiceResponse::map_into_boxed_body),
        Err(problem) => Ok(request.into_response(problem.error_response())),
    }
}

fn check(hosts: &AllowedHosts, request: &ServiceRequest) -> Result<(), Problem> {
    let headers = request.headers();
    let host = text(headers, header::HOST).unwrap_or_default();
    if !hosts.contains(host) {
        return Err(Problem::new(
            ProblemKind::HostNotAllowed,
            format!("`{host}` is not a name of this server: expected localhost or the address it listens on"),
        ));
    }
    if request.method().is_safe() {
        return Ok(());
    }
    check_origin(headers, host)?;
    let has_body = text(headers, header::CONTENT_LENGTH).is_some_and(|length| length != "0")
        || headers.contains_key(header::TRANSFER_ENCODING);
    if has_body {
        require_json(request)?;
    }
    Ok(())
}

/// Browsers name the origin of what they send; other clients need not.
fn check_origin(headers: &HeaderMap, host: &str) -> Result<(), Problem> {
    let refuse = |what: String| Err(Problem::new(ProblemKind::CrossOrigin, what));
    if let Some(site) = text(headers, header::HeaderName::from_static("sec-fetch-site"))
        && !matches!(site, "same-origin" | "none")
    {
        return refuse(format!("the request came from a `{site}` page: expected this server's own"));
    }
    match headers.get(header::ORIGIN).map(|origin| origin.to_str().unwrap_or("unreadable")) {
        Some(origin) if origin != format!("http://{host}") => {
            refuse(format!("the request came from `{origin}`: expected `http://{host}`"))
        }
        _ => Ok(()),
    }
}

/// Refuses a body that is not said to be JSON.
pub(crate) fn require_json(request: &impl HttpMessage) -> Result<(), Problem> {
    let found = request.content_type();
    if found.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let found = if found.is_empty() { "none" } else { found };
    Err(Problem::new(
        ProblemKind::UnsupportedMediaType,
        format!("expected the content type application/json, found {found}"),
    ))
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_server_are_allowed() {
        let hosts = AllowedHosts::of("127.0.0.2:8081".parse().unwrap());
        for ours in ["localhost", "LOCALHOST:8081", "127.0.0.1:9", "[::1]:8081", "[::1]", "127.0.0.2:8081"] {
            assert!(hosts.contains(ours), "{ours}");
        }
        for foreign in
            ["", "evil.example", "localhost.evil.example", "127.0.0.1.nip.io:8081", "::1", "127.0.0.3"]
        {
            assert!(!hosts.contains(foreign), "{foreign}");
        }
    }
}
