//! Requests that another site's page has a browser send.

use actix_web::{
    HttpMessage,
    http::header::{self, HeaderMap},
};

use crate::problem::{Problem, ProblemKind};

/// Refuses a request for something to change that another site's page may have sent.
pub(super) fn check(request: &impl HttpMessage, host: &str) -> Result<(), Problem> {
    let headers = request.headers();
    check_origin(headers, host)?;
    let has_body = text(headers, header::CONTENT_LENGTH).is_some_and(|length| length != "0")
        || headers.contains_key(header::TRANSFER_ENCODING);
    if has_body { require_json(request) } else { Ok(()) }
}

/// Browsers name the origin of what they send; other clients need not.
fn check_origin(headers: &HeaderMap, host: &str) -> Result<(), Problem> {
    check_site(headers)?;
    // The scheme may have been another before a proxy; on one port of one host there is only one of them.
    let is_own = |origin: &str| {
        let own = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        own == Some(host)
    };
    match headers.get(header::ORIGIN).map(|origin| origin.to_str().unwrap_or("unreadable")) {
        Some(origin) if !is_own(origin) => {
            let detail = format!("the request came from `{origin}`: expected `{host}`, which this server is");
            Err(Problem::new(ProblemKind::CrossOrigin, detail))
        }
        _ => Ok(()),
    }
}

/// Refuses what a browser says that another site's page had it send, or that a link there leads to. Browsers say so to servers on
/// loopback and to those with TLS.
pub(super) fn check_site(headers: &HeaderMap) -> Result<(), Problem> {
    match text(headers, header::HeaderName::from_static("sec-fetch-site")) {
        None | Some("same-origin" | "none") => Ok(()),
        Some(site) => {
            let detail = format!("the request came from a `{site}` page: expected this server's own");
            Err(Problem::new(ProblemKind::CrossOrigin, detail))
        }
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

pub(super) fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
