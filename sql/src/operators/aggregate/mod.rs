//! Aggregation: by key for ever, or by key and window.
//!
//! A batch is aggregated by itself first: its rows' keys get dense numbers, and each aggregate goes over its column once. Then each
//! distinct key is looked up in the state once, and what the batch made of it is merged.

mod accumulator;
mod batch;
mod call;
mod cell;
mod distinct;
mod finish;
mod group;
mod local;
mod look;
mod partial;
mod results;
mod rows;
mod session;
#[cfg(test)]
mod tests;
mod window;

pub use accumulator::accumulator;
pub use call::{AggregateCall, AggregateFunction};
pub use group::GroupAggregateFactory;
pub use local::{LocalAggregateFactory, LocalWindowSpec};
pub use results::WindowProperty;
pub use session::SessionAggregateFactory;
pub use window::{LateRows, WindowAggregateFactory, Windowing};
