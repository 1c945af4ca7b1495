//! `ROW_NUMBER()`, `RANK()` and `DENSE_RANK()`, which are BIGINT in Flink.

use std::{ops::Range, sync::Arc};

use arrow::{
    array::{ArrayRef, Int64Array},
    datatypes::{DataType, Field, FieldRef},
};
use datafusion::{
    common::Result,
    logical_expr::{
        PartitionEvaluator, Signature, Volatility, WindowUDF, WindowUDFImpl,
        function::{PartitionEvaluatorArgs, WindowUDFFieldArgs},
    },
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Counts {
    /// Each row.
    Rows,
    /// Each row, and rows that are equal by the order share the first one's number.
    RowsBefore,
    /// What differs by the order.
    Peers,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct RankFunction {
    counts: Counts,
    signature: Signature,
}

/// The function with this name, in lower case.
pub fn lookup(name: &str) -> Option<Arc<WindowUDF>> {
    let counts = match name {
        "row_number" => Counts::Rows,
        "rank" => Counts::RowsBefore,
        "dense_rank" => Counts::Peers,
        _ => return None,
    };
    let signature = Signature::nullary(Volatility::Immutable);
    Some(Arc::new(WindowUDF::from(RankFunction { counts, signature })))
}

impl WindowUDFImpl for RankFunction {
    fn name(&self) -> &str {
        match self.counts {
            Counts::Rows => "row_number",
            Counts::RowsBefore => "rank",
            Counts::Peers => "dense_rank",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn partition_evaluator(&self, _: PartitionEvaluatorArgs) -> Result<Box<dyn PartitionEvaluator>> {
        Ok(Box::new(Numbers(self.counts)))
    }

    fn field(&self, arguments: WindowUDFFieldArgs) -> Result<FieldRef> {
        Ok(Arc::new(Field::new(arguments.name(), DataType::Int64, false)))
    }
}

#[derive(Debug)]
struct Numbers(Counts);

impl PartitionEvaluator for Numbers {
    fn evaluate_all(&mut self, _: &[ArrayRef], rows: usize) -> Result<ArrayRef> {
        Ok(Arc::new(Int64Array::from_iter_values((1..).take(rows))))
    }

    fn evaluate_all_with_rank(&self, _: usize, peers: &[Range<usize>]) -> Result<ArrayRef> {
        let number = |(place, range): (i64, &Range<usize>)| {
            let number = if self.0 == Counts::Peers { place } else { range.start as i64 + 1 };
            std::iter::repeat_n(number, range.len())
        };
        Ok(Arc::new(Int64Array::from_iter_values((1..).zip(peers).flat_map(number))))
    }

    fn include_rank(&self) -> bool {
        self.0 != Counts::Rows
    }
}
