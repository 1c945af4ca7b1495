//! UNNEST: each row once for each element of an array or map in it.

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, AsArray, Int32Array, RecordBatch, RecordBatchOptions, UInt32Array, new_null_array,
    },
    buffer::NullBuffer,
    compute::take,
    datatypes::SchemaRef,
};
use datafusion::physical_expr::PhysicalExpr;
use headwater_actors::context::TaskError;

use crate::{
    batch::ChangeBatch,
    operator::{Emit, OpenContext, OperatorFactory, STEP_ROWS, StreamOperator, failed},
};

/// `UNNEST(collection)`.
#[derive(Clone)]
pub struct UnnestFactory {
    /// The array or map.
    pub collection: Arc<dyn PhysicalExpr>,
    /// Whether there is a last column with the element's place, from 1.
    pub with_ordinality: bool,
    /// Whether a row without elements is kept, with nulls behind it.
    pub keeps_empty: bool,
    /// Which of the input's columns are wanted; nulls take the place of the others, so that long ones are not copied for nothing.
    pub wanted: Vec<bool>,
    /// The input's columns, then the element's.
    pub output: SchemaRef,
}

impl OperatorFactory for UnnestFactory {
    fn open(&self, _: &mut OpenContext<'_>) -> Result<Box<dyn StreamOperator>, TaskError> {
        Ok(Box::new(Unnest(self.clone())))
    }
}

struct Unnest(UnnestFactory);

/// The elements of a column of collections.
struct Elements<'a> {
    /// Of each row, where its elements begin; behind the last row, where they end.
    offsets: &'a [i32],
    /// The rows that have a collection.
    rows: Option<&'a NullBuffer>,
    columns: Vec<ArrayRef>,
    /// The elements that are not null as a whole.
    elements: Option<&'a NullBuffer>,
}

impl<'a> Elements<'a> {
    fn of(collections: &'a ArrayRef) -> Result<Self, TaskError> {
        if let Some(lists) = collections.as_list_opt::<i32>() {
            let (columns, elements) = match lists.values().as_struct_opt() {
                Some(rows) => (rows.columns().to_vec(), rows.nulls()),
                None => (vec![lists.values().clone()], None),
            };
            return Ok(Self { offsets: lists.value_offsets(), rows: lists.nulls(), columns, elements });
        }
        let Some(maps) = collections.as_map_opt() else {
            return Err(failed(format!(
                "UNNEST takes arrays and maps: found a column of {}",
                collections.data_type()
            )));
        };
        let columns = vec![maps.keys().clone(), maps.values().clone()];
        Ok(Self { offsets: maps.value_offsets(), rows: maps.nulls(), columns, elements: None })
    }

    /// Where a row's elements are.
    fn of_row(&self, row: usize) -> std::ops::Range<usize> {
        if self.rows.is_some_and(|rows| rows.is_null(row)) {
            return 0..0;
        }
        self.offsets[row] as usize..self.offsets[row + 1] as usize
    }

    fn is_null(&self, element: usize) -> bool {
        self.elements.is_some_and(|elements| elements.is_null(element))
    }
}

/// Rows to be emitted, by their places.
#[derive(Default)]
struct Places {
    rows: Vec<u32>,
    elements: Vec<Option<u32>>,
    ordinals: Vec<Option<i32>>,
}

impl Unnest {
    fn emit(
        &self,
        batch: &ChangeBatch,
        elements: &Elements<'_>,
        places: &mut Places,
        emit: &mut Emit<'_>,
    ) -> Result<(), TaskError> {
        let Places { rows, elements: taken, ordinals } = std::mem::take(places);
        if rows.is_empty() {
            return Ok(());
        }
        let rows = UInt32Array::from(rows);
        let taken = UInt32Array::from(taken);
        let mut columns: Vec<ArrayRef> = Vec::with_capacity(self.0.output.fields().len());
        for (column, is_wanted) in batch.rows.columns().iter().zip(&self.0.wanted) {
            columns.push(if *is_wanted {
                take(column, &rows, None).map_err(failed)?
            } else {
                new_null_array(column.data_type(), rows.len())
            });
        }
        for column in &elements.columns {
            columns.push(take(column, &taken, None).map_err(failed)?);
        }
        if self.0.with_ordinality {
            columns.push(Arc::new(Int32Array::from(ordinals)));
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        let unnested =
            RecordBatch::try_new_with_options(self.0.output.clone(), columns, &options).map_err(failed)?;
        let places = || rows.values().iter().map(|row| *row as usize);
        let kinds = batch.kinds.as_ref().map(|kinds| places().map(|row| kinds[row]).collect());
        let hashes = if batch.hashes.is_empty() {
            Vec::new()
        } else {
            places().map(|row| batch.hashes[row]).collect()
        };
        emit(ChangeBatch { rows: unnested, kinds, hashes, is_late: false })
    }
}

impl StreamOperator for Unnest {
    fn process(&mut self, _: usize, batch: ChangeBatch, emit: &mut Emit<'_>) -> Result<(), TaskError> {
        let collections = self.0.collection.evaluate(&batch.rows);
        let collections = collections.and_then(|value| value.into_array(batch.len())).map_err(failed)?;
        let elements = Elements::of(&collections)?;
        let mut places = Places::default();
        for row in 0..batch.len() {
            let range = elements.of_row(row);
            if range.is_empty() && self.0.keeps_empty {
                places.rows.push(row as u32);
                places.elements.push(None);
                places.ordinals.push(None);
            }
            for (element, ordinal) in range.zip(1..) {
                places.rows.push(row as u32);
                places.elements.push((!elements.is_null(element)).then_some(element as u32));
                places.ordinals.push(Some(ordinal));
                if places.rows.len() >= STEP_ROWS {
                    self.emit(&batch, &elements, &mut places, emit)?;
                }
            }
        }
        self.emit(&batch, &elements, &mut places, emit)
    }
}

#[cfg(test)]
mod tests {
    use arrow::{
        array::{Int64Array, ListArray, StringArray, StructArray},
        buffer::OffsetBuffer,
        datatypes::{DataType, Field, Int32Type, Schema},
    };
    use datafusion::physical_expr::expressions::Column;
    use headwater_core::options::StateBackend;
    use proptest::prelude::*;

    use super::*;
    use crate::{
        batch::RowKind,
        operators::testing::{Harness, change_texts},
    };

    fn unnest(lists: ArrayRef, elements: Vec<Field>, keeps_empty: bool, kinds: &[RowKind]) -> Vec<String> {
        let ids = Int64Array::from_iter_values(1..=lists.len() as i64);
        let mut fields = vec![
            Field::new("id", DataType::Int64, true),
            Field::new("list", lists.data_type().clone(), true),
        ];
        let input = Arc::new(Schema::new(fields.clone()));
        fields.extend(elements);
        fields.push(Field::new("ordinal", DataType::Int32, true));
        let factory = UnnestFactory {
            collection: Arc::new(Column::new("list", 1)),
            with_ordinality: true,
            keeps_empty,
            wanted: vec![true, false],
            output: Arc::new(Schema::new(fields)),
        };
        let mut harness = Harness::open(factory, StateBackend::HashMap);
        let rows = RecordBatch::try_new(input, vec![Arc::new(ids), lists]).unwrap();
        harness.process(0, ChangeBatch::changes(rows, kinds.to_vec()));
        change_texts(&harness.take_output())
    }

    #[test]
    fn each_element_is_a_row_of_the_same_kind() {
        let lists = ListArray::from_iter_primitive::<Int32Type, _, _>([
            Some(vec![Some(7), None]),
            Some(vec![]),
            None,
            Some(vec![Some(9)]),
        ]);
        let element = || vec![Field::new("element", DataType::Int32, true)];
        let kinds = [RowKind::UpdateBefore, RowKind::UpdateAfter, RowKind::Delete, RowKind::Insert];
        let lists: ArrayRef = Arc::new(lists);
        assert_eq!(
            unnest(lists.clone(), element(), false, &kinds),
            ["-U[1,null,7,1]", "-U[1,null,null,2]", "+I[4,null,9,1]"]
        );
        assert_eq!(
            unnest(lists, element(), true, &kinds),
            [
                "-U[1,null,7,1]",
                "-U[1,null,null,2]",
                "+U[2,null,null,null]",
                "-D[3,null,null,null]",
                "+I[4,null,9,1]"
            ]
        );
    }

    #[test]
    fn fields_of_rows_become_columns_and_a_row_that_is_null_has_nulls() {
        let fields = vec![Field::new("a", DataType::Int64, true), Field::new("b", DataType::Utf8, true)];
        let columns: Vec<ArrayRef> =
            vec![Arc::new(Int64Array::from(vec![1, 2, 3])), Arc::new(StringArray::from(vec!["x", "y", "z"]))];
        let nulls = NullBuffer::from(vec![true, false, true]);
        let rows = StructArray::new(fields.clone().into(), columns, Some(nulls));
        let item = Arc::new(Field::new_list_field(rows.data_type().clone(), true));
        let lists = ListArray::new(item, OffsetBuffer::from_lengths([2, 1]), Arc::new(rows), None);
        assert_eq!(
            unnest(Arc::new(lists), fields, false, &[RowKind::Insert; 2]),
            ["+I[1,null,1,x,1]", "+I[1,null,null,null,2]", "+I[2,null,3,z,1]"]
        );
    }

    proptest! {
        #[test]
        fn it_is_what_a_loop_gives(
            lists in proptest::collection::vec(
                proptest::option::of(proptest::collection::vec(proptest::option::of(0i32..5), 0..5)), 0..20,
            ),
            cut in 0usize..5, keeps_empty: bool,
        ) {
            let array: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>(lists.clone()));
            // A slice's offsets do not begin at 0.
            let cut = cut.min(lists.len());
            let array = array.slice(cut, lists.len() - cut);
            let text = |value: Option<i32>| value.map_or("null".to_owned(), |value| value.to_string());
            let mut expected = Vec::new();
            for (row, list) in lists[cut..].iter().enumerate() {
                let list = list.clone().unwrap_or_default();
                if list.is_empty() && keeps_empty {
                    expected.push(format!("+I[{},null,null,null]", row + 1));
                }
                for (place, value) in list.into_iter().enumerate() {
                    expected.push(format!("+I[{},null,{},{}]", row + 1, text(value), place + 1));
                }
            }
            let element = vec![Field::new("element", DataType::Int32, true)];
            let kinds = vec![RowKind::Insert; array.len()];
            prop_assert_eq!(unnest(array, element, keeps_empty, &kinds), expected);
        }
    }
}
