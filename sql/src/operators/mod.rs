//! The streaming operators.

pub mod aggregate;
pub mod calc;
pub mod window;
pub mod join;

#[cfg(test)]
pub(crate) mod testing;
