//! Reads scripts in Flink's dialect of SQL.
//!
//! sqlparser tokenizes, and reads queries and expressions, by a dialect of ours; the statements around them, which no other
//! system has, are read here, token by token. What Flink alone means by an expression becomes a call of a function
//! (`EXTRACT(DAY FROM t)` is `EXTRACT('DAY', t)`), so that nothing behind this has to know of it; what sqlparser reads and
//! Flink doesn't know is refused by its name.
//!
//! What the planner finds in a query:
//! - `TABLE(TUMBLE(TABLE t, …))` and `TUMBLE(TABLE t, …)` in FROM are both `TableFactor::TableFunction`, whose tables
//!   [`TableArgument::of`] reads;
//! - `UNNEST(…)` is `TableFactor::UNNEST`, `LATERAL TABLE(f(…))` is `TableFactor::Function` of `f`;
//! - the `OPTIONS` hint on a table is in its `with_hints`, as [`hint_options`] reads it; those behind SELECT are in its
//!   `optimizer_hints`;
//! - types in casts are `ast::DataType::Custom`, for [`crate::types::FlinkTypes`].

mod ast;
mod constructs;
pub(crate) mod cursor;
mod dialect;
mod group_windows;
mod hints;
mod insert;
mod json;
mod literal;
mod normalize;
mod script;
mod statements;
mod table;
#[cfg(test)]
mod tests;
mod unnest;

pub use ast::*;
pub(crate) use dialect::{CAST_AS_STRING, FlinkDialect};

pub use self::{
    constructs::{TableArgument, TableRelation, hint_options},
    script::parse_script,
};
