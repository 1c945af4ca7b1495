//! The kinds of keyed state: thin views of a [`Table`](crate::Table) in namespace 0. Operators that keep state per window
//! use the table itself.

mod aggregating;
mod list;
mod map;
mod reducing;
mod value;

pub use aggregating::{AggregateFunction, AggregatingState};
pub use list::ListState;
pub use map::MapState;
pub use reducing::ReducingState;
pub use value::ValueState;

/// The namespace of state that is not divided further.
const PLAIN: crate::Namespace = 0;
