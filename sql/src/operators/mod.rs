//! The streaming operators.

pub mod join;

#[cfg(test)]
pub(crate) mod testing;
