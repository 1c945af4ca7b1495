//! From a plan's nodes to a job graph and its tasks.

mod chain;
mod changelog;
mod graph;
mod look;
mod partition;
mod tap;
mod task;
mod watermark;

pub use graph::{Distribution, Node, NodeId, NodeKind, SqlJob, StreamPlan};
pub use watermark::WatermarkSpec;
