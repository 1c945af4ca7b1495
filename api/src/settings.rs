//! How a server serves.

use std::{sync::Arc, time::Duration};

use headwater_core::options::JobOptions;
use tokio::sync::Notify;

use crate::{
    dto::ConfigEntry,
    security::{AuditLog, Authentication},
    tls::Tls,
};

/// How a server serves; the default is what a server on loopback has.
#[derive(Debug, Default)]
pub struct Settings {
    /// Who may use it.
    pub authentication: Authentication,
    /// What it is served with by TLS; without, by plain HTTP.
    pub tls: Option<Tls>,
    /// The names that it is reached by, besides those of loopback and its address.
    pub allowed_hosts: Vec<String>,
    /// Bounds.
    pub limits: Limits,
    /// Where it is written down who did what.
    pub audit: Option<AuditLog>,
    /// What is configured, to be shown.
    pub config: Vec<ConfigEntry>,
    /// What jobs have that set nothing themselves.
    pub job_options: JobOptions,
    /// Told when a client asks the server to stop.
    pub shutdown: Arc<Notify>,
}

/// What is bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Open connections.
    pub connections: usize,
    /// Open connections from one address.
    pub connections_per_peer: usize,
    /// Live streams.
    pub streams: usize,
    /// Live streams to one address.
    pub streams_per_peer: usize,
    /// A request's head must be there after so long, and so must a TLS handshake.
    pub header_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 512,
            connections_per_peer: 256,
            streams: 64,
            streams_per_peer: 32,
            header_timeout: Duration::from_secs(5),
        }
    }
}
