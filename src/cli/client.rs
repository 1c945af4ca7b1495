//! A client of the REST API.

use std::{
    fs,
    io::{BufRead, BufReader},
    ops::ControlFlow,
    path::PathBuf,
    sync::OnceLock,
    time::Duration,
};

use anyhow::{Context, anyhow};
use headwater_api::dto;
use serde::de::DeserializeOwned;
use serde_json::Value;
use ureq::{
    Agent, Body, RequestBuilder, SendBody,
    http::{HeaderValue, Request, Response, StatusCode, Uri, header::AUTHORIZATION},
    middleware::MiddlewareNext,
    tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem},
};

use super::exit::{Coded, DENIED, NO_ANSWER, NOT_FOUND, USAGE};

/// The token of all clients of this process.
static TOKEN: OnceLock<String> = OnceLock::new();
/// The variable that it is taken from otherwise.
const TOKEN_VARIABLE: &str = "HEADWATER_TOKEN";

/// The authorities of all clients of this process, if they are named.
static AUTHORITIES: OnceLock<Vec<Certificate<'static>>> = OnceLock::new();
/// The variable that their file is taken from otherwise.
const AUTHORITIES_VARIABLE: &str = "HEADWATER_CA";

const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// What a request asks for, beyond its path.
#[derive(Default)]
pub(super) struct Query(Vec<(&'static str, String)>);

impl Query {
    /// Asks for something, if it was given.
    pub(super) fn with(mut self, name: &'static str, value: Option<impl ToString>) -> Self {
        self.0.extend(value.map(|value| (name, value.to_string())));
        self
    }

    fn add_to<B>(&self, request: RequestBuilder<B>) -> RequestBuilder<B> {
        self.0.iter().fold(request, |request, (name, value)| request.query(name, value))
    }
}

/// Sets the token of all clients; without one the environment's is taken.
pub(super) fn use_token(token: Option<String>) {
    let token = token.or_else(|| std::env::var(TOKEN_VARIABLE).ok()).unwrap_or_default();
    // A second call in one process keeps the first one's.
    let _ = TOKEN.set(token.trim().to_owned());
}

/// Reads the authorities that all clients trust, and no others; without a file the environment's is taken, and without that
/// the machine's hold.
pub(super) fn use_authorities(file: Option<&PathBuf>) -> anyhow::Result<()> {
    let of_environment = || std::env::var_os(AUTHORITIES_VARIABLE).filter(|file| !file.is_empty());
    let Some(file) = file.cloned().or_else(|| of_environment().map(PathBuf::from)) else { return Ok(()) };
    let wrong = |what: String| Coded::new(USAGE, format!("the authorities `{}`: {what}", file.display()));
    let text = fs::read(&file).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    let items: Result<Vec<_>, _> = parse_pem(&text).collect();
    let items =
        items.map_err(|error| wrong(format!("expected certificates in PEM, found an error: {error}")))?;
    let certificates: Vec<_> = items
        .into_iter()
        .filter_map(|item| match item {
            PemItem::Certificate(certificate) => Some(certificate),
            _ => None,
        })
        .collect();
    if certificates.is_empty() {
        return Err(wrong("expected certificates in PEM (`BEGIN CERTIFICATE`), found none".to_owned()).into());
    }
    // A second call in one process keeps the first one's.
    let _ = AUTHORITIES.set(certificates);
    Ok(())
}

fn is_https(server: &str) -> bool {
    server.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:"))
}

/// Whom to trust: who was named, else whom this machine trusts.
fn root_certs() -> RootCerts {
    let of_machine = || {
        let found = rustls_native_certs::load_native_certs();
        for error in found.errors {
            tracing::warn!("an authority of this machine cannot be read: {error}");
        }
        found.certs.iter().map(|certificate| Certificate::from_der(certificate).to_owned()).collect()
    };
    RootCerts::new_with_certs(AUTHORITIES.get_or_init(of_machine))
}

/// Sends the token along.
fn with_token(
    mut request: Request<SendBody<'_>>,
    next: MiddlewareNext<'_>,
) -> Result<Response<Body>, ureq::Error> {
    if let Some(token) = TOKEN.get().filter(|token| !token.is_empty())
        && let Ok(mut value) = HeaderValue::from_str(&format!("Bearer {token}"))
    {
        value.set_sensitive(true);
        request.headers_mut().insert(AUTHORIZATION, value);
    }
    next.handle(request)
}

/// Speaks to one server.
pub(super) struct Client {
    server: String,
    agent: Agent,
}

impl Client {
    pub(super) fn new(server: &str) -> Self {
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(REQUEST_TIMEOUT))
            // A token is for the server that was named.
            .max_redirects(0)
            .middleware(with_token);
        if is_https(server) {
            config = config.tls_config(TlsConfig::builder().root_certs(root_certs()).build());
        }
        Self { server: server.trim_end_matches('/').to_owned(), agent: config.build().into() }
    }

    pub(super) fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.answer(self.agent.get(self.url(path)).call())
    }

    /// Whether someone answers there, whatever it is.
    pub(super) fn is_answered(&self) -> bool {
        self.agent.get(self.url("/session")).call().is_ok()
    }

    /// A job, read.
    pub(super) fn job(&self, id: &str) -> anyhow::Result<dto::JobDetails> {
        self.read(&format!("/jobs/{id}"))
    }

    /// The failures of a job that the server remembers, newest first.
    pub(super) fn exceptions(&self, id: &str) -> anyhow::Result<Vec<dto::Exception>> {
        Ok(self.read::<dto::Exceptions>(&format!("/jobs/{id}/exceptions"))?.exceptions)
    }

    /// The server at a glance.
    pub(super) fn overview(&self) -> anyhow::Result<dto::Overview> {
        self.read("/overview")
    }

    /// Kills an actor of a job. `false`: it is not running now, since it is being restarted or the job is about to end.
    pub(super) fn kill_actor(&self, job: &str, actor: &str) -> anyhow::Result<bool> {
        let url = self.url(&format!("/jobs/{job}/actors/{actor}"));
        let (status, body) = self.body(self.agent.delete(url).call())?;
        if status == StatusCode::CONFLICT {
            return Ok(false);
        }
        self.accepted(status, body).map(|_| true)
    }

    pub(super) fn read<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        self.read_as(path, self.get(path)?)
    }

    /// Reads an answer to a request for `path`.
    pub(super) fn read_as<T: DeserializeOwned>(&self, path: &str, answer: Value) -> anyhow::Result<T> {
        serde_json::from_value(answer).with_context(|| self.other_shape(path))
    }

    /// As [`get`](Self::get), with a query.
    pub(super) fn query<T: DeserializeOwned>(&self, path: &str, query: &Query) -> anyhow::Result<T> {
        let answer = self.answer(query.add_to(self.agent.get(self.url(path))).call())?;
        self.read_as(path, answer)
    }

    /// Follows server-sent events for as long as `each` wants more of them; it is given their names and data.
    pub(super) fn follow(
        &self,
        path: &str,
        query: &Query,
        mut each: impl FnMut(&str, &str) -> anyhow::Result<ControlFlow<()>>,
    ) -> anyhow::Result<()> {
        let request = query.add_to(self.agent.get(self.url(path)));
        // A stream has no end that could be waited for.
        let answer = request.config().timeout_global(None).build().call();
        if answer.as_ref().is_ok_and(|answer| !answer.status().is_success()) || answer.is_err() {
            return self.answer(answer).map(|_| ());
        }
        let body = answer.context("the answer broke off")?.into_body();
        let mut name = String::new();
        for line in BufReader::new(body.into_reader()).lines() {
            let line = line.context("the stream broke off: is the server still running?")?;
            if let Some(event) = line.strip_prefix("event: ") {
                event.clone_into(&mut name);
            } else if let Some(data) = line.strip_prefix("data: ")
                && each(&name, data)?.is_break()
            {
                return Ok(());
            }
        }
        anyhow::bail!("the stream broke off: is the server still running?")
    }

    fn other_shape(&self, path: &str) -> String {
        format!("{} answered {path} in another shape: is it of another version?", self.server)
    }

    pub(super) fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.answer(self.agent.post(self.url(path)).send_json(body))
    }

    /// Submits a job.
    pub(super) fn submit(&self, submission: &Value) -> anyhow::Result<dto::Submitted> {
        const PATH: &str = "/jobs";
        self.read_as(PATH, self.post(PATH, submission)?)
    }

    pub(super) fn patch(&self, path: &str) -> anyhow::Result<Value> {
        self.answer(self.agent.patch(self.url(path)).send_empty())
    }

    pub(super) fn delete(&self, path: &str) -> anyhow::Result<Value> {
        self.answer(self.agent.delete(self.url(path)).call())
    }

    fn url(&self, path: &str) -> String {
        format!("{}/api/v1{path}", self.server)
    }

    fn answer(&self, result: Result<Response<Body>, ureq::Error>) -> anyhow::Result<Value> {
        let (status, body) = self.body(result)?;
        self.accepted(status, body)
    }

    fn body(&self, result: Result<Response<Body>, ureq::Error>) -> anyhow::Result<(StatusCode, Value)> {
        let mut response = result.with_context(|| {
            let question = if is_https(&self.server) {
                "does it run with TLS, and is its authority trusted here? (`--ca FILE`)"
            } else {
                "is it running? (`headwater start`)"
            };
            let message = format!("no answer from {}: {question}", self.server);
            Coded::new(NO_ANSWER, message)
        })?;
        let status = response.status();
        let text = response.body_mut().read_to_string().context("the answer broke off")?;
        let body: Value = if text.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text)
                .map_err(|_| anyhow!("{} answered {status} with something that is not JSON", self.server))?
        };
        Ok((status, body))
    }

    /// The body of a success; of a refusal what the server says about it.
    fn accepted(&self, status: StatusCode, body: Value) -> anyhow::Result<Value> {
        if status.is_success() {
            return Ok(body);
        }
        let code = match status.as_u16() {
            401 | 403 | 429 => DENIED,
            404 => NOT_FOUND,
            _ => 1,
        };
        let part = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        let message = match (part("detail"), part("hint")) {
            (detail, _) if detail.is_empty() => format!("{} answered {status}", self.server),
            (detail, hint) if hint.is_empty() => detail,
            (detail, hint) => format!("{detail}\nhint: {hint}"),
        };
        Err(Coded::of_problem(code, message, body).into())
    }
}

/// An address such as `http://127.0.0.1:8081`, as `--server` takes it.
pub(super) fn server_address(text: &str) -> Result<String, String> {
    let is_address = |uri: &Uri| {
        matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|host| !host.is_empty())
    };
    match text.parse::<Uri>() {
        Ok(uri) if is_address(&uri) => Ok(text.trim_end_matches('/').to_owned()),
        _ => Err(format!("expected an address such as `http://127.0.0.1:8081`, found `{text}`")),
    }
}
