//! Headwater's REST API: submit, watch and cancel jobs, and the web page beside it.
//!
//! Everything is below `/api/v1`. Requests and answers are JSON in [`dto`]'s shapes, errors are `application/problem+json`
//! ([`problem`]), and live pages follow `GET /api/v1/events` (server-sent events). Who may do what is in [`security`].
//!
//! This crate knows the control plane by the [`ControlPlane`] trait alone, SQL by [`SqlFrontEnd`], and what jobs hold by
//! [`Inspector`].

mod caller;
mod config;
mod control_plane;
pub mod dto;
mod endpoint;
mod events;
mod hints;
mod history;
mod inspect;
mod logs;
mod metrics;
mod openapi;
pub mod problem;
mod rolling;
mod routes;
pub mod security;
mod server;
mod settings;
mod sql;
mod submission;
mod tls;

pub use control_plane::{ControlPlane, Reply};
pub use history::HistoryConfig;
pub use inspect::{EntriesQuery, InspectError, Inspector, Looked, TapStream};
pub use logs::{LogBook, LogFilter, NewLine};
pub use rolling::{Rolling, RollingFile};
pub use server::{ApiError, BuildInfo, ServerConfig, listen, serve};
pub use settings::{Limits, Settings};
pub use sql::{PreviewOut, SqlFrontEnd};
pub use tls::{Tls, TlsError, TlsFile};
