//! Headwater's web page, embedded in the binary.
//!
//! Plain ES modules that the browser loads as they are: nothing is built, nothing comes from the network. The page asks
//! `/api/v1` for everything it shows.

mod assets;

use actix_web::{
    HttpRequest, HttpResponse,
    guard::{Any, Get, Head},
    http::header,
    web::{self, ServiceConfig},
};
use assets::{Asset, INDEX, STATIC};

/// The page may load its own files and talk to its own server; nothing else, and nobody may frame it.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Where the page itself is served; it shows what its address names.
const PAGES: [&str; 9] =
    ["/", "/jobs", "/jobs/{id}", "/jobs/{id}/{part}", "/submit", "/sql", "/cluster", "/logs", "/config"];

/// Serves the page at its addresses, and its files below `/static/`.
pub fn configure(config: &mut ServiceConfig) {
    for path in PAGES {
        config.route(path, reads(&INDEX));
    }
    for asset in STATIC {
        config.route(asset.path, reads(asset));
    }
}

fn reads(asset: &'static Asset) -> actix_web::Route {
    let etag = header::EntityTag::new_strong(asset.fingerprint());
    web::route()
        .guard(Any(Get()).or(Head()))
        .to(move |request: HttpRequest| std::future::ready(answer(asset, &etag, &request)))
}

fn answer(asset: &'static Asset, etag: &header::EntityTag, request: &HttpRequest) -> HttpResponse {
    let mut response = if is_known(etag, request) { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response
        .insert_header(header::ETag(etag.clone()))
        // Kept, but asked for again: a new binary's page is seen at once.
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .insert_header((header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"));
    if is_known(etag, request) {
        return response.finish();
    }
    response.content_type(asset.content_type).body(asset.bytes)
}

fn is_known(etag: &header::EntityTag, request: &HttpRequest) -> bool {
    let given = request.headers().get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    given.is_some_and(|tags| {
        tags.split(',').filter_map(|tag| tag.trim().parse().ok()).any(|tag| etag.weak_eq(&tag))
    })
}
