//! Headwater's vocabulary: what the data plane, the control plane and their users agree upon.
//!
//! This crate knows no runtime, no storage engine and no protocol. Everything that crosses the line between
//! the coordinator and a worker is defined here and serializes, so that the two may live in different processes.

pub mod access;
pub mod checkpoint;
pub mod codec;
pub mod execution;
pub mod fault;
pub mod fs;
pub mod gateway;
pub mod graph;
pub mod ids;
pub mod job;
pub mod key_group;
pub mod malformed;
pub mod options;
pub mod random;
pub mod restart;
pub mod secret;
pub mod shown;
pub mod store;
pub mod supervision;
pub mod tap;
pub mod time;
