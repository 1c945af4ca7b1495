//! The streaming operators.

pub mod deduplicate;
mod ordered;
pub mod over;
pub mod rank;
pub mod sort;
#[cfg(test)]
pub(crate) mod testing;
pub mod window_rank;
