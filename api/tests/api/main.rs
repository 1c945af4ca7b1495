//! The server over real connections, and the page in a real browser, with a stand-in for the control plane.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

mod attacks;
mod dashboard;
mod exposition;
mod fake;
mod http;
mod inspect;
mod jobs;
mod logs;
mod metrics;
mod openapi;
mod page;
mod rest;
mod security;
mod sql;
mod tls;
