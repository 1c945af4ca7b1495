//! Our aggregates as DataFusion's accumulators, for windows of rows.

use arrow::{
    array::{Array, ArrayRef, AsArray},
    datatypes::DataType,
};
use datafusion::{
    common::{DataFusionError, Result, ScalarValue},
    logical_expr::Accumulator,
};
use headwater_core::codec;

use super::{
    AggregateCall,
    call::Representation,
    cell::Cell,
    finish::finish,
    rows::{Rows, accumulate},
};
use crate::batch::RowKind;

/// An accumulator of one aggregate over its only argument.
pub fn accumulator(call: AggregateCall) -> Box<dyn Accumulator> {
    let representation = call.representation(false);
    Box::new(CellAccumulator { cell: Cell::empty(representation), representation, call })
}

#[derive(Debug)]
struct CellAccumulator {
    call: AggregateCall,
    representation: Representation,
    cell: Cell,
}

impl CellAccumulator {
    fn add(&mut self, values: &[ArrayRef], kind: RowKind) -> Result<()> {
        let Some(column) = values.first() else { return Ok(()) };
        // A literal NULL has no type of its own.
        let column = if *column.data_type() == DataType::Null {
            &arrow::array::new_null_array(&self.call.argument_type, column.len())
        } else {
            column
        };
        let groups = vec![0; column.len()];
        let kinds = vec![kind; column.len()];
        let rows = Rows { groups: &groups, kinds: (kind != RowKind::Insert).then_some(&kinds), active: None };
        let cells = std::slice::from_mut(&mut self.cell);
        let gone = accumulate(&self.call, self.representation, Some(column), &rows, cells)?;
        gone.iter().for_each(|(_, value)| self.cell.retract_from_list(value));
        self.cell.settle();
        Ok(())
    }
}

impl Accumulator for CellAccumulator {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.add(values, RowKind::Insert)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.add(values, RowKind::Delete)
    }

    fn supports_retract_batch(&self) -> bool {
        !matches!(self.representation, Representation::Extreme | Representation::Bytes)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let column = finish(&self.call, std::iter::once(&self.cell))?;
        ScalarValue::try_from_array(&column, 0)
    }

    fn size(&self) -> usize {
        size_of_val(self)
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let bytes = codec::encode(&self.cell).map_err(|error| DataFusionError::External(Box::new(error)))?;
        Ok(vec![ScalarValue::Binary(Some(bytes))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for state in
            states.iter().flat_map(|column| column.as_binary::<i32>().iter().flatten().collect::<Vec<_>>())
        {
            let cell: Cell =
                codec::decode(state).map_err(|error| DataFusionError::External(Box::new(error)))?;
            self.cell.merge(cell, &self.call.function);
        }
        Ok(())
    }
}
