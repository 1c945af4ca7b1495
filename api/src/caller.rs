//! Who sends a request, as far as that is known.

use std::{convert::Infallible, future::Ready};

use actix_web::{FromRequest, HttpMessage, HttpRequest, dev::Payload};

/// The name that what guards the API has found out, left among the request's extensions.
#[derive(Clone, Debug)]
pub struct CallerName(pub String);

/// The caller's name for handlers; `None` if nobody asks for names.
pub(crate) struct Caller(pub(crate) Option<String>);

impl FromRequest for Caller {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let name = request.extensions().get::<CallerName>().map(|CallerName(name)| name.clone());
        std::future::ready(Ok(Self(name)))
    }
}
