//! OTLP over HTTP in its JSON encoding: <https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding>. Ids are hex, 64-bit
//! integers are strings.

use std::{str::FromStr, time::Duration};

use headwater_api::dto::LogLine;
use serde_json::{Value, json};
use ureq::{Agent, http::StatusCode};

const TIMEOUT: Duration = Duration::from_secs(10);

/// Where a collector is, e.g. `http://127.0.0.1:4318`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Endpoint(String);

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let uri: ureq::http::Uri =
            text.parse().map_err(|error| format!("`{text}` is no address: {error}"))?;
        match (uri.scheme_str(), uri.host()) {
            (Some("http"), Some(_)) => Ok(Self(text.trim_end_matches('/').to_owned())),
            _ => Err(format!(
                "expected an address such as http://127.0.0.1:4318, found `{text}`; let a collector nearby do TLS"
            )),
        }
    }
}

/// Why something was not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    /// It may be taken later.
    #[error("{0}")]
    Unreachable(String),
    /// It never will.
    #[error("{0}")]
    Refused(String),
}

/// Speaks to a collector.
pub(crate) struct Collector {
    agent: Agent,
    endpoint: Endpoint,
}

impl Collector {
    pub(super) fn new(endpoint: &Endpoint) -> Self {
        let config =
            Agent::config_builder().http_status_as_error(false).timeout_global(Some(TIMEOUT)).build();
        Self { agent: config.into(), endpoint: endpoint.clone() }
    }

    pub(super) fn send_logs(&self, lines: &[LogLine]) -> Result<(), SendError> {
        let records: Vec<Value> = lines.iter().map(log_record).collect();
        let scope = json!({ "scope": scope(), "logRecords": records });
        self.send("/v1/logs", &json!({ "resourceLogs": [{ "resource": resource(), "scopeLogs": [scope] }] }))
    }

    pub(super) fn send_spans(&self, spans: &[Value]) -> Result<(), SendError> {
        let scope = json!({ "scope": scope(), "spans": spans });
        self.send(
            "/v1/traces",
            &json!({ "resourceSpans": [{ "resource": resource(), "scopeSpans": [scope] }] }),
        )
    }

    fn send(&self, path: &str, body: &Value) -> Result<(), SendError> {
        let url = format!("{}{path}", self.endpoint.0);
        let answer = self
            .agent
            .post(&url)
            .send_json(body)
            .map_err(|error| SendError::Unreachable(format!("{url}: {error}")))?;
        let status = answer.status();
        // Those that the specification calls retryable.
        let is_retryable = [
            StatusCode::TOO_MANY_REQUESTS,
            StatusCode::BAD_GATEWAY,
            StatusCode::SERVICE_UNAVAILABLE,
            StatusCode::GATEWAY_TIMEOUT,
        ]
        .contains(&status);
        match status {
            _ if status.is_success() => Ok(()),
            _ if is_retryable => Err(SendError::Unreachable(format!("{url} answered {status}"))),
            _ => Err(SendError::Refused(format!("{url} answered {status}"))),
        }
    }
}

fn resource() -> Value {
    let version = Value::from(env!("CARGO_PKG_VERSION"));
    json!({ "attributes": [attribute("service.name", &"headwater".into()), attribute("service.version", &version)] })
}

fn scope() -> Value {
    json!({ "name": "headwater", "version": env!("CARGO_PKG_VERSION") })
}

/// An attribute of a resource, a span or a log record.
pub(super) fn attribute(key: &str, value: &Value) -> Value {
    let value = match value {
        Value::Bool(value) => json!({ "boolValue": value }),
        Value::Number(number) if number.is_f64() => json!({ "doubleValue": number }),
        Value::Number(number) => json!({ "intValue": number.to_string() }),
        Value::String(text) => json!({ "stringValue": text }),
        other => json!({ "stringValue": other.to_string() }),
    };
    json!({ "key": key, "value": value })
}

fn log_record(line: &LogLine) -> Value {
    let number = match line.level.as_str() {
        "error" => 17,
        "warn" => 13,
        "info" => 9,
        "debug" => 5,
        _ => 1,
    };
    let job = line.job.as_ref().map(|job| attribute("headwater.job.id", &job.as_str().into()));
    let target = attribute("code.namespace", &line.target.as_str().into());
    let fields = line.fields.iter().map(|(name, value)| attribute(name, value));
    let attributes: Vec<Value> = fields.chain(job).chain([target]).collect();
    let at_ns = nanoseconds(line.at_ms.saturating_mul(1_000));
    json!({
        "timeUnixNano": at_ns,
        "observedTimeUnixNano": at_ns,
        "severityNumber": number,
        "severityText": line.level.to_uppercase(),
        "body": { "stringValue": line.message },
        "attributes": attributes,
    })
}

/// A time, as 64-bit integers are written.
pub(super) fn nanoseconds(at_us: i64) -> String {
    at_us.saturating_mul(1_000).to_string()
}
