//! Who sends a request, as far as that is known.

use std::{convert::Infallible, future::Ready};

use actix_web::{FromRequest, HttpMessage, HttpRequest, dev::Payload};

use crate::security::Identity;

/// The caller's name for handlers; `None` if nobody asks for names.
pub(crate) struct Caller(pub(crate) Option<String>);

impl FromRequest for Caller {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let name = request.extensions().get::<Identity>().and_then(|identity| identity.name.clone());
        std::future::ready(Ok(Self(name)))
    }
}
