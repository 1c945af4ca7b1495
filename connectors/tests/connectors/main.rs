//! What the connectors promise, checked on their traits as a task would call them, with failures between any two calls.

#![allow(clippy::unwrap_used, reason = "a test may unwrap, its helpers too")]

mod file_sink;
mod files;
mod generator;
mod harness;
mod journal;
mod malformed;
mod socket;
