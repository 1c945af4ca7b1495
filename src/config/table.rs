//! Every option: its key, type, default and description. What reads, shows and documents options is made from this.

use headwater_core::options::{JOB_OPTIONS, parse_duration_ms, parse_memory_bytes};

use crate::{logging::filter, telemetry::Endpoint};

/// What a value may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A file or folder.
    Path,
    /// `true` or `false`.
    Flag,
    /// A whole number within these bounds.
    Integer(u64, u64),
    /// An IP address.
    Address,
    /// Where a collector is, such as `http://127.0.0.1:4318`.
    Endpoint,
    /// A memory size such as `64 mb`.
    Bytes,
    /// A duration such as `10 s`.
    Duration,
    /// What is logged, as in `RUST_LOG`.
    LogFilter,
    /// One of these.
    Choice(&'static [&'static str]),
    /// Several texts: an array in the file, separated by commas elsewhere.
    List,
    /// An option of jobs: the server's value is what jobs have that set none.
    Job(&'static str),
}

/// One option.
#[derive(Debug, Clone, Copy)]
pub struct ConfigOption {
    /// Its key, Flink's where the meaning is the same.
    pub key: &'static str,
    /// What its value may be.
    pub kind: Kind,
    /// Its value if nothing else is said; empty if it is then not set.
    pub default: &'static str,
    /// What it is, in Markdown.
    pub description: &'static str,
}

const fn option(
    key: &'static str,
    kind: Kind,
    default: &'static str,
    description: &'static str,
) -> ConfigOption {
    ConfigOption { key, kind, default, description }
}

/// Keys that code asks for.
pub mod keys {
    #![allow(missing_docs, reason = "the table describes them")]
    pub const DATA_DIR: &str = "data.dir";
    pub const BIND: &str = "rest.bind-address";
    pub const PORT: &str = "rest.port";
    pub const SLOTS: &str = "taskmanager.numberOfTaskSlots";
    pub const CHAOS: &str = "chaos.enabled";
    pub const JOBS_MAX: &str = "jobstore.max-capacity";
    pub const JOBS_FOR: &str = "jobstore.expiration-time";
    pub const CONNECTIONS: &str = "rest.connections.max";
    pub const CONNECTIONS_PER_PEER: &str = "rest.connections.max-per-peer";
    pub const STREAMS: &str = "rest.streams.max";
    pub const STREAMS_PER_PEER: &str = "rest.streams.max-per-peer";
    pub const HEADER_TIMEOUT: &str = "rest.header-timeout";
    pub const AUTHENTICATION: &str = "security.authentication";
    pub const TLS: &str = "security.ssl.rest.enabled";
    pub const TLS_CERTIFICATE: &str = "security.ssl.rest.certificate";
    pub const TLS_KEY: &str = "security.ssl.rest.private-key";
    pub const TOKENS_FILE: &str = "security.tokens-file";
    pub const ALLOWED_HOSTS: &str = "security.allowed-hosts";
    pub const ALLOWED_PATHS: &str = "security.allowed-paths";
    pub const OUTBOUND_HOSTS: &str = "security.allowed-outbound-hosts";
    pub const LOG_LEVEL: &str = "log.level";
    pub const LOG_FORMAT: &str = "log.format";
    pub const LOG_DIR: &str = "log.dir";
    pub const OTEL_ENDPOINT: &str = "otel.endpoint";
    pub const REDACTED_FIELDS: &str = "security.redacted-fields";
    pub const AUDIT_BYTES: &str = "security.audit.max-bytes";
}

/// The options of the server itself.
const SERVER_OPTIONS: &[ConfigOption] = &[
    option(
        keys::DATA_DIR,
        Kind::Path,
        "headwater-data",
        "folder for jobs, checkpoints, state and journals; `--data-dir`",
    ),
    option(
        keys::BIND,
        Kind::Address,
        "127.0.0.1",
        "address that REST and the page are served on; `--bind`. Another than loopback needs tokens or `--insecure`",
    ),
    option(
        keys::PORT,
        Kind::Integer(0, 65_535),
        "8081",
        "port of REST and the page; 0 is any free one; `--port`",
    ),
    option(
        keys::SLOTS,
        Kind::Integer(1, 1_024),
        "",
        "slots, each of which is a thread; if not set, as many as the machine has cores; `--slots`",
    ),
    option(keys::CHAOS, Kind::Flag, "false", "whether actors may be killed on purpose; `--chaos`"),
    option(
        keys::JOBS_MAX,
        Kind::Integer(0, 100_000),
        "200",
        "jobs that have ended are remembered up to this number; then the one that ended first is forgotten, with the checkpoints of \
         one that failed",
    ),
    option(
        keys::JOBS_FOR,
        Kind::Duration,
        "",
        "how long after its end a job is forgotten in any case; if not set, no sooner than by their number",
    ),
    option(keys::CONNECTIONS, Kind::Integer(1, 100_000), "512", "open connections to the server, at most"),
    option(
        keys::CONNECTIONS_PER_PEER,
        Kind::Integer(1, 100_000),
        "256",
        "open connections from one address, at most; more are closed at once",
    ),
    option(keys::STREAMS, Kind::Integer(1, 100_000), "64", "live event streams, at most"),
    option(
        keys::STREAMS_PER_PEER,
        Kind::Integer(1, 100_000),
        "32",
        "live event streams to one address, at most; each is a connection",
    ),
    option(
        keys::HEADER_TIMEOUT,
        Kind::Duration,
        "5 s",
        "a request's head must arrive within this time, and so must a TLS handshake",
    ),
    option(
        keys::AUTHENTICATION,
        Kind::Choice(&["auto", "token", "none"]),
        "auto",
        "who may use the server: `token`: who has a token; `none`: everyone who reaches it (`--insecure`); `auto`: on loopback \
         everyone, elsewhere who has a token",
    ),
    option(
        keys::TOKENS_FILE,
        Kind::Path,
        "",
        "file with the tokens' names, roles and hashes; if not set, `security/tokens` in the data folder",
    ),
    option(
        keys::TLS,
        Kind::Flag,
        "",
        "whether REST and the page are served by TLS (https) and by nothing else; if not set, as soon as there is a certificate or \
         a key",
    ),
    option(
        keys::TLS_CERTIFICATE,
        Kind::Path,
        "",
        "PEM file with the server's certificate, and then those of the authorities between it and a known one",
    ),
    option(
        keys::TLS_KEY,
        Kind::Path,
        "",
        "PEM file with the certificate's private key, not encrypted, which not everyone may read",
    ),
    option(
        keys::ALLOWED_HOSTS,
        Kind::List,
        "",
        "names by which the server is reached, besides those of loopback and the address it listens on: the `Host` of a \
         request must be one of them",
    ),
    option(
        keys::ALLOWED_PATHS,
        Kind::List,
        "",
        "folders that jobs may read and write files below, `*` for all; if not set: all if the server is on loopback without \
         tokens, else `files` in the data folder",
    ),
    option(
        keys::OUTBOUND_HOSTS,
        Kind::List,
        "",
        "hosts that jobs may connect to: `HOST`, `HOST:PORT`, `*.DOMAIN`, `*`; if not set: all if the server is on loopback \
         without tokens, else none. Link-local and metadata addresses must be named themselves",
    ),
    option(
        keys::REDACTED_FIELDS,
        Kind::List,
        "",
        "names of fields and columns that nobody sees who looks into records or state, besides those of secrets",
    ),
    option(
        keys::AUDIT_BYTES,
        Kind::Bytes,
        "16 mb",
        "the audit log begins a new file at this size; the last five are kept",
    ),
    option(
        keys::LOG_LEVEL,
        Kind::LogFilter,
        "info,actix_server=warn",
        "what is logged, as in `RUST_LOG`, which goes before it: `warn`, or `info,headwater_actors=debug`",
    ),
    option(
        keys::LOG_FORMAT,
        Kind::Choice(&["text", "json"]),
        "text",
        "how it is written to standard error; `--log-format`",
    ),
    option(
        keys::LOG_DIR,
        Kind::Path,
        "",
        "folder for the log's files; if not set, `logs` in the data folder; `--log-dir`",
    ),
    option(
        keys::OTEL_ENDPOINT,
        Kind::Endpoint,
        "",
        "an OpenTelemetry collector that the log and spans are sent to, e.g. `http://127.0.0.1:4318`; `--otel-endpoint`",
    ),
];

/// Type and default of every option of jobs; what they are is in [`JOB_OPTIONS`].
const JOB_DEFAULTS: &[(&str, &str, &str)] = &[
    ("parallelism.default", "integer", "1"),
    ("pipeline.max-parallelism", "integer", "128"),
    ("execution.checkpointing.interval", "duration", "1 s"),
    ("execution.checkpointing.timeout", "duration", "10 min"),
    ("execution.checkpointing.min-pause", "duration", "0 ms"),
    ("execution.checkpointing.tolerable-failed-checkpoints", "integer", "0"),
    ("execution.checkpointing.num-retained", "integer", "2"),
    ("state.backend.type", "choice", "rocksdb"),
    ("state.cache.memory", "memory size", "256 mb"),
    ("state.backend.incremental-from", "memory size", "1 mb"),
    ("task.stall-timeout", "duration", "1 min"),
    ("source.malformed-records", "choice", "fail"),
    ("source.dead-letter.path", "path", ""),
    ("restart-strategy.type", "choice", "exponential-delay"),
    ("restart-strategy.exponential-delay.initial-backoff", "duration", "10 ms"),
    ("restart-strategy.exponential-delay.max-backoff", "duration", "1 min"),
    ("restart-strategy.exponential-delay.backoff-multiplier", "number", "2"),
    ("restart-strategy.exponential-delay.reset-backoff-threshold", "duration", "10 s"),
    ("restart-strategy.exponential-delay.jitter-factor", "number", "0.1"),
    ("restart-strategy.exponential-delay.attempts-before-reset-backoff", "integer", "10"),
    ("restart-strategy.fixed-delay.attempts", "integer", "1"),
    ("restart-strategy.fixed-delay.delay", "duration", "1 s"),
    ("restart-strategy.failure-rate.max-failures-per-interval", "integer", "1"),
    ("restart-strategy.failure-rate.failure-rate-interval", "duration", "1 min"),
    ("restart-strategy.failure-rate.delay", "duration", "1 s"),
];

/// All options: the server's, then those of jobs.
pub fn options() -> impl Iterator<Item = ConfigOption> {
    let of_jobs = JOB_OPTIONS.iter().map(|(key, description, _)| {
        let known = JOB_DEFAULTS.iter().find(|(known, ..)| known == key);
        let (kind, default) = known.map_or(("text", ""), |(_, kind, default)| (*kind, *default));
        option(key, Kind::Job(kind), default, description)
    });
    SERVER_OPTIONS.iter().copied().chain(of_jobs)
}

impl ConfigOption {
    /// The environment's variable for it.
    pub fn variable(&self) -> String {
        format!("HEADWATER_{}", self.key.replace(['.', '-'], "_").to_ascii_uppercase())
    }

    /// Whether it is a default for jobs.
    pub fn is_of_jobs(&self) -> bool {
        matches!(self.kind, Kind::Job(_))
    }

    /// Its type, for people.
    pub fn type_name(&self) -> &'static str {
        match self.kind {
            Kind::Path => "path",
            Kind::Flag => "flag",
            Kind::Integer(..) => "integer",
            Kind::Address => "address",
            Kind::Endpoint => "URL",
            Kind::Bytes => "memory size",
            Kind::Duration => "duration",
            Kind::LogFilter => "log levels",
            Kind::Choice(_) => "choice",
            Kind::List => "list",
            Kind::Job(kind) => kind,
        }
    }

    /// What would be right in place of `value`, if it is wrong. Those of jobs are checked together, elsewhere.
    pub fn expected_instead_of(&self, value: &str) -> Option<String> {
        let is_right = match self.kind {
            Kind::Path => !value.is_empty(),
            Kind::List | Kind::Job(_) => true,
            Kind::Flag => matches!(value, "true" | "false"),
            Kind::Integer(min, max) => value.parse().is_ok_and(|number: u64| (min..=max).contains(&number)),
            Kind::Address => value.parse::<std::net::IpAddr>().is_ok(),
            Kind::Endpoint => value.parse::<Endpoint>().is_ok(),
            Kind::Bytes => parse_memory_bytes(value).is_some_and(|bytes| bytes > 0),
            Kind::Duration => parse_duration_ms(value).is_some_and(|duration| duration > 0),
            Kind::LogFilter => filter::parse(value).is_some(),
            Kind::Choice(choices) => choices.contains(&value),
        };
        (!is_right).then(|| match self.kind {
            Kind::Flag => "`true` or `false`".to_owned(),
            Kind::Integer(min, max) => format!("a whole number from {min} to {max}"),
            Kind::Address => "an IP address such as 127.0.0.1".to_owned(),
            Kind::Endpoint => "an address such as `http://127.0.0.1:4318`".to_owned(),
            Kind::Bytes => "a memory size such as `64 mb`".to_owned(),
            Kind::Duration => "a duration such as `10 s`".to_owned(),
            Kind::LogFilter => filter::EXPECTED.to_owned(),
            Kind::Choice(choices) => {
                let quoted: Vec<_> = choices.iter().map(|choice| format!("`{choice}`")).collect();
                format!("one of {}", quoted.join(", "))
            }
            _ => "a value that is not empty".to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use headwater_core::options::JobOptions;

    use super::*;

    #[test]
    fn defaults_of_jobs_are_what_jobs_have() {
        assert_eq!(JOB_DEFAULTS.len(), JOB_OPTIONS.len());
        let strategies = ["exponential-delay", "fixed-delay", "failure-rate"];
        for option in options().filter(|option| option.is_of_jobs() && !option.default.is_empty()) {
            let mut expected = JobOptions::default();
            for strategy in strategies {
                if option.key.contains(&format!(".{strategy}.")) {
                    expected.set("restart-strategy.type", strategy).unwrap();
                }
            }
            let mut found = expected.clone();
            found.set(option.key, option.default).unwrap();
            assert_eq!(found, expected, "{}", option.key);
        }
    }

    #[test]
    fn defaults_are_right_and_no_two_options_have_one_variable() {
        let mut variables = BTreeSet::new();
        for option in options() {
            assert!(variables.insert(option.variable()), "{}", option.key);
            if !option.default.is_empty() {
                assert_eq!(option.expected_instead_of(option.default), None, "{}", option.key);
            }
            let is_folder_of = |other: &ConfigOption| other.key.starts_with(&format!("{}.", option.key));
            assert!(!options().any(|other| is_folder_of(&other)), "a table and a value: {}", option.key);
        }
    }
}
