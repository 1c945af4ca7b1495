//! Headwater's data plane.
//!
//! A *task* is one attempt at one subtask: a chain of operators with an input gate before it and an exchange behind
//! it. Each task runs in an actor, a thin shell for lifecycle, control and observation around a plain task loop. Control
//! comes by mailbox; data travels in batches on bounded channels, with watermarks and barriers between them.

pub mod actor;
pub mod alignment;
pub mod batch;
pub mod context;
pub mod exchange;
mod failure;
pub mod fence;
pub mod gate;
pub mod look;
pub mod metrics;
pub mod observer;
pub mod operator;
pub mod output;
pub mod sink;
pub mod slots;
pub mod source;
pub mod tap;
pub mod task;
pub mod walk;
pub mod watermark;
pub mod wiring;
pub mod worker;
