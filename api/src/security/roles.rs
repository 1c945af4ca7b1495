//! Which requests need which role.

use actix_web::http::Method;

use super::tokens::Role;

/// The role that a request needs, by its method and its decoded path; `None`: anyone may.
///
/// Outside of the API and of the metrics there is only the page, which has no data in it. To look needs `read`, all else
/// `operate`; so does looking at records and state, and at what others have done.
pub(super) fn required(method: &Method, path: &str) -> Option<Role> {
    let Some(path) = path.strip_prefix("/api/") else {
        return path.starts_with("/metrics").then_some(Role::Read);
    };
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    let is_read = matches!(*method, Method::GET | Method::HEAD);
    match parts[..] {
        ["login" | "logout" | "session"] => None,
        ["sql", "validate"] => Some(Role::Read),
        ["audit", ..] => Some(Role::Operate),
        ["jobs", _, "vertices", _, "tap", ..] => Some(Role::Operate),
        ["jobs", _, "state", _, ..] => Some(Role::Operate),
        _ if is_read => Some(Role::Read),
        _ => Some(Role::Operate),
    }
}

/// Whether it is written down that someone did this, even though it changes nothing.
pub(super) fn is_sensitive(method: &Method, path: &str) -> bool {
    method.is_safe() && required(method, path) == Some(Role::Operate) && !path.ends_with("/audit")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looking_needs_read_and_changing_operate() {
        for (method, path, role) in [
            (Method::GET, "/", None),
            (Method::GET, "/jobs/1", None),
            (Method::GET, "/static/app.js", None),
            (Method::GET, "/healthz", None),
            (Method::GET, "/metrics", Some(Role::Read)),
            (Method::GET, "/api/v1/jobs", Some(Role::Read)),
            (Method::HEAD, "/api/v1/openapi.json", Some(Role::Read)),
            (Method::GET, "/api/v1/config", Some(Role::Read)),
            (Method::GET, "/api/v2/anything", Some(Role::Read)),
            (Method::POST, "/api/v1/jobs", Some(Role::Operate)),
            (Method::PATCH, "/api/v1/jobs/1", Some(Role::Operate)),
            (Method::DELETE, "/api/v1/jobs/1/actors/v0-0", Some(Role::Operate)),
            (Method::POST, "/api/v1/sql/validate", Some(Role::Read)),
            (Method::POST, "/api/v1/sql/preview", Some(Role::Operate)),
            (Method::GET, "/api/v1/jobs/1/vertices/v0/tap", Some(Role::Operate)),
            (Method::GET, "/api/v1/jobs/1/state", Some(Role::Read)),
            (Method::GET, "/api/v1/jobs/1/state/v0/counts", Some(Role::Operate)),
            (Method::GET, "/api/v1/audit", Some(Role::Operate)),
            (Method::POST, "/api/v1/login", None),
            (Method::GET, "/api/v1/session", None),
            (Method::TRACE, "/api/v1/jobs", Some(Role::Operate)),
        ] {
            assert_eq!(required(&method, path), role, "{method} {path}");
        }
    }
}
