//! A client of the REST API.

use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use serde_json::Value;
use ureq::{Agent, Body, http::Response};

const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Speaks to one server.
pub(super) struct Client {
    server: String,
    agent: Agent,
}

impl Client {
    pub(super) fn new(server: &str) -> Self {
        let config =
            Agent::config_builder().http_status_as_error(false).timeout_global(Some(REQUEST_TIMEOUT)).build();
        Self { server: server.trim_end_matches('/').to_owned(), agent: config.into() }
    }

    pub(super) fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.answer(self.agent.get(self.url(path)).call())
    }

    pub(super) fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.answer(self.agent.post(self.url(path)).send_json(body))
    }

    pub(super) fn patch(&self, path: &str) -> anyhow::Result<Value> {
        self.answer(self.agent.patch(self.url(path)).send_empty())
    }

    fn url(&self, path: &str) -> String {
        format!("{}/api/v1{path}", self.server)
    }

    fn answer(&self, result: Result<Response<Body>, ureq::Error>) -> anyhow::Result<Value> {
        let mut response = result
            .with_context(|| format!("no answer from {}: is it running? (`headwater start`)", self.server))?;
        let status = response.status();
        let text = response.body_mut().read_to_string().context("the answer broke off")?;
        let body: Value = if text.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text)
                .map_err(|_| anyhow!("{} answered {status} with something that is not JSON", self.server))?
        };
        if status.is_success() {
            return Ok(body);
        }
        let part = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        match (part("detail"), part("hint")) {
            (detail, _) if detail.is_empty() => bail!("{} answered {status}", self.server),
            (detail, hint) if hint.is_empty() => bail!("{detail}"),
            (detail, hint) => bail!("{detail}\nhint: {hint}"),
        }
    }
}
