//! Jobs: executions and failover as a pure state machine, the actor that carries it out, and what is seen of both.

mod attempts;
pub(crate) mod cell;
pub(crate) mod deletion;
pub(crate) mod ending;
mod execution_graph;
mod failover;
pub(crate) mod history;
mod log;
pub(crate) mod master;
mod recent;
mod recoveries;
mod replay;
#[cfg(test)]
mod tests;
