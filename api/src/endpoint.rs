//! One endpoint: what it takes and answers, and what answers it. The routes and the OpenAPI document are both made of these.

use actix_web::{
    FromRequest, Handler, HttpResponse, Resource, Responder, Route,
    guard::{Any, Get, Head},
    http::{Method, StatusCode},
    web,
};
use schemars::{JsonSchema, r#gen::SchemaGenerator, schema::Schema};

use crate::problem::{Problem, ProblemKind};

/// Makes the schema of a shape.
pub(crate) type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// An endpoint. Its path is below `/api/v1`, but for those of [`at_root`](crate::routes::at_root).
pub(crate) struct Endpoint {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    /// In a few words, in the imperative.
    pub(crate) summary: &'static str,
    pub(crate) query: Option<SchemaOf>,
    /// Headers that it looks at, and what they are for.
    pub(crate) headers: Vec<(&'static str, &'static str)>,
    pub(crate) body: Option<SchemaOf>,
    pub(crate) answers: Vec<Answered>,
    /// Those of its own, beyond what any endpoint may answer.
    pub(crate) problems: Vec<ProblemKind>,
    takes_head: bool,
    route: Route,
}

/// An answer that is no problem.
pub(crate) struct Answered {
    pub(crate) status: StatusCode,
    pub(crate) content_type: Option<&'static str>,
    pub(crate) schema: Option<SchemaOf>,
    /// Whether `Location` says where to look.
    pub(crate) has_location: bool,
}

impl Endpoint {
    fn new<F, Args>(method: Method, path: &'static str, summary: &'static str, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        Self {
            method,
            path,
            summary,
            query: None,
            headers: Vec::new(),
            body: None,
            answers: Vec::new(),
            problems: Vec::new(),
            takes_head: false,
            route: web::route().to(handler),
        }
    }

    /// Answers GET, and HEAD with it.
    pub(crate) fn get<F, Args>(path: &'static str, summary: &'static str, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        Self { takes_head: true, ..Self::new(Method::GET, path, summary, handler) }
    }

    /// Answers GET, but not HEAD, with server-sent events.
    pub(crate) fn stream<F, Args>(path: &'static str, summary: &'static str, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        Self::new(Method::GET, path, summary, handler).answers_with("text/event-stream")
    }

    /// Answers POST.
    pub(crate) fn post<F, Args>(path: &'static str, summary: &'static str, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        Self::new(Method::POST, path, summary, handler)
    }

    /// Answers PATCH.
    pub(crate) fn patch<F, Args>(path: &'static str, summary: &'static str, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        Self::new(Method::PATCH, path, summary, handler)
    }

    /// Answers DELETE.
    pub(crate) fn delete<F, Args>(path: &'static str, summary: &'static str, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        Self::new(Method::DELETE, path, summary, handler)
    }

    /// Looks at a header.
    pub(crate) fn header(mut self, name: &'static str, what_for: &'static str) -> Self {
        self.headers.push((name, what_for));
        self
    }

    /// Takes the fields of `T` as query parameters.
    pub(crate) fn query<T: JsonSchema>(mut self) -> Self {
        self.query = Some(T::json_schema);
        self
    }

    /// Takes a body in JSON.
    pub(crate) fn body<T: JsonSchema>(mut self) -> Self {
        self.body = Some(SchemaGenerator::subschema_for::<T>);
        self
    }

    /// Answers with `T` in JSON.
    pub(crate) fn answers<T: JsonSchema>(self, status: StatusCode) -> Self {
        self.answer(status, Some("application/json"), Some(SchemaGenerator::subschema_for::<T>), false)
    }

    /// Answers with `T` in JSON and says where to look next.
    pub(crate) fn answers_at<T: JsonSchema>(self, status: StatusCode) -> Self {
        self.answer(status, Some("application/json"), Some(SchemaGenerator::subschema_for::<T>), true)
    }

    /// Answers 202 without a body.
    pub(crate) fn accepts(self) -> Self {
        self.answer(StatusCode::ACCEPTED, None, None, false)
    }

    /// Answers with something else than JSON.
    pub(crate) fn answers_with(self, content_type: &'static str) -> Self {
        self.answer(StatusCode::OK, Some(content_type), None, false)
    }

    /// Answers without a body.
    pub(crate) fn answers_nothing(self) -> Self {
        self.answer(StatusCode::NO_CONTENT, None, None, false)
    }

    fn answer(
        mut self,
        status: StatusCode,
        content_type: Option<&'static str>,
        schema: Option<SchemaOf>,
        has_location: bool,
    ) -> Self {
        self.answers.push(Answered { status, content_type, schema, has_location });
        self
    }

    /// May answer with these problems, too.
    pub(crate) fn problems(mut self, kinds: &[ProblemKind]) -> Self {
        self.problems.extend_from_slice(kinds);
        self
    }
}

/// A resource for each path, which answers methods it does not take with what it does.
pub(crate) fn resources(endpoints: Vec<Endpoint>) -> Vec<Resource> {
    let mut paths: Vec<(&'static str, Vec<Endpoint>)> = Vec::new();
    for endpoint in endpoints {
        match paths.iter_mut().find(|(path, _)| *path == endpoint.path) {
            Some((_, of_path)) => of_path.push(endpoint),
            None => paths.push((endpoint.path, vec![endpoint])),
        }
    }
    paths.into_iter().map(|(path, of_path)| resource(path, of_path)).collect()
}

fn resource(path: &str, endpoints: Vec<Endpoint>) -> Resource {
    let allowed: Vec<&str> = endpoints
        .iter()
        .map(|endpoint| if endpoint.takes_head { "GET, HEAD" } else { endpoint.method.as_str() })
        .collect();
    let allowed = allowed.join(", ");
    let refuse = move |method: Method| {
        let problem = Problem::method_not_allowed(&method, &allowed);
        async { Err::<HttpResponse, _>(problem) }
    };
    let routes = endpoints.into_iter().map(|Endpoint { method, takes_head, route, .. }| match takes_head {
        true => route.guard(Any(Get()).or(Head())),
        false => route.method(method),
    });
    routes.fold(web::resource(path), Resource::route).default_service(web::to(refuse))
}
