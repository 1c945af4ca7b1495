//! Who may do what on this server, and what keeps other sites' pages away from it.
//!
//! On loopback whoever can open a connection is trusted, unless tokens are asked for; a server that others reach needs
//! tokens, each in a [role](Role). A program sends its token with each request (`Authorization: Bearer`), the page
//! logs in once and has a cookie then.
//!
//! A browser runs other people's pages, too. Hence: the `Host` must be one of ours (a page whose name was rebound to 127.0.0.1
//! still sends its own name), a request that changes something must come from our own origin, and a body must be
//! JSON, which no HTML form can send. There is no CORS.

mod audit;
mod gate;
mod hosts;
mod origin;
pub(crate) mod peers;
mod recording;
mod records;
mod roles;
pub(crate) mod routes;
mod sessions;
mod tokens;

use std::sync::Arc;

use actix_web::{
    Error, HttpMessage, ResponseError,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{ConnectionType, header},
    middleware::Next,
    web,
};
pub use audit::AuditLog;
pub(crate) use gate::Gate;
pub(crate) use hosts::AllowedHosts;
pub(crate) use origin::require_json;
pub use tokens::{Role, Token, TokenError, TokenFile};

use self::recording::Recording;
use crate::problem::{Problem, ProblemKind};

/// Who may use a server.
#[derive(Debug, Clone, Default)]
pub enum Authentication {
    /// Whoever reaches it.
    #[default]
    Anyone,
    /// Who has one of these tokens.
    Tokens(Arc<TokenFile>),
}

/// Who sent a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The token's; nothing where none is needed.
    pub(crate) name: Option<String>,
    pub(crate) role: Role,
}

/// Refuses what must not reach a handler, bounds live streams, and writes down what was done.
pub(crate) async fn guard(
    gate: web::Data<Gate>,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let checked = gate.check(&request);
    let may_see_records =
        checked.as_ref().ok().and_then(Option::as_ref).is_none_or(|identity| identity.role >= Role::Operate);
    let mut recording = Recording::begin(&gate, &request, checked.is_err());
    let response = match checked {
        Ok(identity) => {
            if let Some(identity) = identity {
                recording.iter_mut().for_each(|recording| recording.by(&identity));
                request.extensions_mut().insert(identity);
            }
            next.call(request).await.map(ServiceResponse::map_into_boxed_body)
        }
        Err(problem) => Ok(request.into_response(problem.error_response())),
    };
    let response = response.map(|response| hang_up_on_refusal(held(&gate, response)));
    let response = response.map(|response| match may_see_records {
        true => response,
        false => response.map_body(|_, body| records::without_records(body)),
    });
    match &response {
        Ok(response) => {
            if let Some(mut recording) = recording {
                // Who logs in is known only now.
                response.request().extensions().get().into_iter().for_each(|identity| recording.by(identity));
                let made = response.headers().get(header::LOCATION).and_then(|at| at.to_str().ok());
                recording.end(response.status(), made.map(str::to_owned));
            }
        }
        Err(error) => tracing::warn!("a request ended in an error: {error}"),
    }
    response
}

/// What is left of a body that was refused is thrown away, and the connection takes no other request.
fn hang_up_on_refusal(mut response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    if response.status().is_client_error() && !response.request().method().is_safe() {
        response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }
    response
}

/// Gives a live stream a place, or refuses it if there are too many.
fn held(gate: &Gate, response: ServiceResponse<BoxBody>) -> ServiceResponse<BoxBody> {
    let is_stream = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|found| found.as_bytes().starts_with(b"text/event-stream"));
    let Some(peer) = response.request().peer_addr().filter(|_| is_stream) else { return response };
    match gate.streams.enter(peer.ip()) {
        Ok(place) => response.map_body(|_, body| BoxBody::new(peers::Held { body, _place: place })),
        Err(max) => {
            let detail = format!("{max} live streams are open: close one");
            let problem = Problem::new(ProblemKind::TooManyStreams, detail);
            response.into_response(problem.error_response())
        }
    }
}
