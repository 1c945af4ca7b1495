//! The streaming operators.

pub mod aggregate;
pub mod calc;
pub mod window;
