//! The newest lines of the log, in memory, for those who ask over REST. What writes them is the composition root's.

mod book;
pub(crate) mod routes;

pub use book::{LogBook, LogFilter, NewLine};
