//! Windows: which a row belongs to, and the table functions that say so.

mod assign;
mod tvf;

pub use assign::{WindowKind, WindowTime};
pub use tvf::WindowTvfFactory;
pub(crate) use tvf::times_of;
