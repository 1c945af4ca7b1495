//! A client of the server's REST API.

use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::Value;
use ureq::{Agent, Body, http::Response};

const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);

/// Speaks to one server.
pub struct Rest {
    base: String,
    agent: Agent,
}

impl Rest {
    /// A client of the server whose root is at `url`.
    pub fn new(url: &str) -> Self {
        let config =
            Agent::config_builder().http_status_as_error(false).timeout_global(Some(REQUEST_TIMEOUT)).build();
        Self { base: format!("{}/api/v1", url.trim_end_matches('/')), agent: config.into() }
    }

    /// Reads.
    pub fn get(&self, path: &str) -> anyhow::Result<Value> {
        answer(path, self.agent.get(self.url(path)).call())
    }

    /// Sends JSON.
    pub fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        answer(path, self.agent.post(self.url(path)).send_json(body))
    }

    /// Changes without a body.
    pub fn patch(&self, path: &str) -> anyhow::Result<Value> {
        answer(path, self.agent.patch(self.url(path)).send_empty())
    }

    /// Deletes.
    pub fn delete(&self, path: &str) -> anyhow::Result<Value> {
        answer(path, self.agent.delete(self.url(path)).call())
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}

fn answer(path: &str, result: Result<Response<Body>, ureq::Error>) -> anyhow::Result<Value> {
    let mut response = result.with_context(|| format!("no answer to {path}"))?;
    let status = response.status();
    let text = response.body_mut().read_to_string().context("the answer broke off")?;
    if !status.is_success() {
        bail!("{path} was answered with {status}: {text}");
    }
    serde_json::from_str(&text).with_context(|| format!("the answer to {path} is not JSON: {text}"))
}
