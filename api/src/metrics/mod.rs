//! What the server measures: `GET /metrics` in Prometheus' format, and a history of the last day without another server.
//!
//! A [`snapshot`] is read from the control plane once a second while the server runs, and once per scrape. Two of them
//! make [`rates`]. What is exposed and what is kept is listed in two tables, [`exposed`] and
//! [`history::series`](crate::history); a new counter of tasks is one line in either.

mod exposed;
mod process;
mod prometheus;
mod rates;
pub(crate) mod routes;
mod sampler;
mod snapshot;

pub(crate) use process::{ProcessUsage, UsageMeter};
pub(crate) use rates::{TaskRates, Window};
pub(crate) use sampler::Metrics;
pub(crate) use snapshot::{JobSnapshot, Snapshot, queued_records, watermark_lag_ms};
