//! The streaming operators.

pub mod aggregate;
pub mod calc;
pub mod constraints;
pub mod deduplicate;
pub mod expand;
mod groups;
pub mod join;
mod ordered;
pub mod over;
pub mod rank;
pub mod sort;
pub mod unnest;
pub mod window;
pub mod window_rank;

#[cfg(test)]
pub(crate) mod testing;
