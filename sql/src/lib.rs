//! The SQL front end: jobs written in Flink's dialect of SQL.
//!
//! DataFusion parses, plans and optimizes a query and evaluates its expressions; the streaming operators are ours, and
//! work on batches of Arrow columns. Only this crate names DataFusion.

pub mod batch;
pub mod catalog;
pub mod compact;
pub mod connectors;
pub mod deep;
pub mod error;
pub mod explain;
pub mod formats;
pub mod functions;
pub mod local;
mod look;
pub mod operator;
pub mod operators;
pub mod parser;
pub mod planner;
pub mod preview;
pub mod rows;
pub mod runtime;
pub mod session;
pub mod settings;
mod shown;
pub mod time;
pub mod types;
