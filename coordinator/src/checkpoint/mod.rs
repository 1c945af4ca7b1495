//! Checkpoints: their life cycle, and the actor that carries it out.

pub(crate) mod coordinator;
#[cfg(test)]
mod crash_tests;
mod ledger;
pub(crate) mod lifecycle;
mod pending;
pub(crate) mod storage;
