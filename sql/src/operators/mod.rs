//! The streaming operators.
