//! Joins: regular ones of two changelogs, interval, window and lookup joins.
//!
//! All of them collect pairs of rows with equal keys, evaluate what else the condition asks for over all pairs at once, and take the
//! columns of the result from both sides (`assemble.rs`). Rows are kept as bytes, packed by key (`packed.rs`, `keyed_rows.rs`).

mod assemble;
mod interval;
mod keyed_rows;
mod lookup;
mod packed;
mod pairs;
mod regular;
mod side;
mod window;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::physical_expr::PhysicalExpr;

pub use self::{
    interval::IntervalJoinFactory, lookup::LookupJoinFactory, regular::JoinFactory, window::WindowJoinFactory,
};

/// The inputs of a join, as they are counted.
const LEFT: usize = 0;
const RIGHT: usize = 1;

/// What becomes of rows without a match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JoinKind {
    /// Only pairs.
    Inner,
    /// Left rows without a match too, padded with nulls.
    Left,
    /// Right rows without a match too, padded with nulls.
    Right,
    /// Rows without a match of both sides too.
    Full,
    /// The left rows that have a match: `IN`, `EXISTS`.
    LeftSemi,
    /// The left rows that have none: `NOT EXISTS`. For `NOT IN`, whose nulls match all, the condition has to say so.
    LeftAnti,
}

impl JoinKind {
    /// Whether rows of an input that have no match are padded with nulls.
    fn pads(self, input: usize) -> bool {
        match self {
            Self::Full => true,
            Self::Left => input == LEFT,
            Self::Right => input == RIGHT,
            Self::Inner | Self::LeftSemi | Self::LeftAnti => false,
        }
    }

    /// Whether only left rows come out.
    fn is_of_left(self) -> bool {
        matches!(self, Self::LeftSemi | Self::LeftAnti)
    }

    /// Whether it matters which rows of an input have found a match.
    fn tracks(self, input: usize) -> bool {
        self.pads(input) || (self.is_of_left() && input == LEFT)
    }
}

/// What is joined, and how.
#[derive(Debug, Clone)]
pub struct JoinSpec {
    /// What becomes of rows without a match.
    pub kind: JoinKind,
    /// The columns of the left and the right input.
    pub inputs: [SchemaRef; 2],
    /// The pairs of columns, left and right, that must be equal; each is of the same type on both sides. Both inputs are partitioned by
    /// them, in this order. Without any, the join has one subtask.
    pub on: Vec<(usize, usize)>,
    /// Whether keys that hold a null match: `IS NOT DISTINCT FROM`.
    pub null_equals_null: bool,
    /// What else pairs have to fulfil, over the left columns followed by the right ones.
    pub filter: Option<Arc<dyn PhysicalExpr>>,
    /// The columns of the output: left and right ones, or the left ones only of a semi or anti join.
    pub output: SchemaRef,
}

impl JoinSpec {
    /// A join without further conditions.
    pub fn new(kind: JoinKind, left: SchemaRef, right: SchemaRef, on: Vec<(usize, usize)>) -> Self {
        let output = Arc::new(output_schema(kind, &left, &right));
        Self { kind, inputs: [left, right], on, null_equals_null: false, filter: None, output }
    }

    /// The same, with a condition over the left columns followed by the right ones.
    pub fn filter(mut self, filter: Option<Arc<dyn PhysicalExpr>>) -> Self {
        self.filter = filter;
        self
    }

    fn key_columns(&self, input: usize) -> Vec<usize> {
        self.on.iter().map(|(left, right)| if input == LEFT { *left } else { *right }).collect()
    }
}

fn output_schema(kind: JoinKind, left: &Schema, right: &Schema) -> Schema {
    let side = |schema: &Schema, is_padded: bool| -> Vec<Field> {
        let fields = schema.fields().iter();
        fields.map(|f| f.as_ref().clone().with_nullable(is_padded || f.is_nullable())).collect()
    };
    let mut fields = side(left, kind.pads(RIGHT));
    if !kind.is_of_left() {
        fields.extend(side(right, kind.pads(LEFT)));
    }
    Schema::new(fields)
}
