//! The control plane.
pub mod handle;
pub mod view;
