//! The streaming operators.

#[cfg(test)]
pub(crate) mod testing;
