//! Looking into the state of a checkpoint: what is in its files, entry by entry, without the job that made it.
//!
//! Files say nothing of types. Those are in the code of the operators: opened in a [recording](StateEnv::recording) environment, they
//! tell their states by registering them, and add what people should know of them.

mod describe;
pub(crate) mod form;
mod page;

pub use describe::{Recorded, StateDescription, StateKind};
pub use form::{EntryForm, KeyMatch, TimersOf, TypedForm, form_of};
pub(crate) use page::Visit;
pub use page::{Entry, KeyedSnapshot, Page, Position, StateQuery};

#[cfg(doc)]
use crate::StateEnv;
