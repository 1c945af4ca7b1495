//! A client of the REST API.

use std::time::Duration;

use anyhow::{Context, anyhow};
use headwater_api::dto;
use serde::de::DeserializeOwned;
use serde_json::Value;
use ureq::{
    Agent, Body,
    http::{Response, StatusCode},
};

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
        serde_json::from_value(self.get(path)?).with_context(|| {
            format!("{} answered {path} in another shape: is it of another version?", self.server)
        })
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
        let (status, body) = self.body(result)?;
        self.accepted(status, body)
    }

    fn body(&self, result: Result<Response<Body>, ureq::Error>) -> anyhow::Result<(StatusCode, Value)> {
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
        Ok((status, body))
    }

    /// The body of a success; of a refusal what the server says about it.
    fn accepted(&self, status: StatusCode, body: Value) -> anyhow::Result<Value> {
        if status.is_success() {
            return Ok(body);
        }
        let part = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        Err(match (part("detail"), part("hint")) {
            (detail, _) if detail.is_empty() => anyhow!("{} answered {status}", self.server),
            (detail, hint) if hint.is_empty() => anyhow!("{detail}"),
            (detail, hint) => anyhow!("{detail}\nhint: {hint}"),
        })
    }
}
