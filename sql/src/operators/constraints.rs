//! What the columns of a table that is written ask of values: NOT NULL, and lengths.

use std::{borrow::Cow, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, BinaryArray, RecordBatch, StringArray, UInt32Array},
    datatypes::DataType,
};
use headwater_actors::context::TaskError;

use crate::{
    batch::ChangeBatch,
    operator::{Emit, OpenContext, OperatorFactory, StreamOperator, failed},
    types::Length,
};

/// `table.exec.sink.type-length-enforcer`: what becomes of values that do not have the length of their column.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LengthEnforcer {
    /// They are written as they are.
    #[default]
    Ignore,
    /// They are cut off or filled up.
    TrimPad,
    /// They fail the job.
    Error,
}

/// Checks rows before they are written.
#[derive(Debug, Clone)]
pub struct ConstraintFactory {
    /// The table's name.
    pub table: String,
    /// The names of its columns, as they come here.
    pub columns: Vec<String>,
    /// The columns that are NOT NULL.
    pub required: Vec<usize>,
    /// Whether rows with a NULL there are dropped; else they fail the job.
    pub drops_nulls: bool,
    /// The lengths of columns.
    pub lengths: Vec<(usize, Length)>,
    /// Whether values are made to fit; else those that don't fail the job.
    pub trims: bool,
}

impl OperatorFactory for ConstraintFactory {
    fn passes_changes_on(&self) -> bool {
        // A row that is dropped must not leave the one before it there.
        self.required.is_empty() || !self.drops_nulls
    }

    fn open(&self, _: &mut OpenContext<'_>) -> Result<Box<dyn StreamOperator>, TaskError> {
        Ok(Box::new(Constraints(self.clone())))
    }
}

struct Constraints(ConstraintFactory);

impl StreamOperator for Constraints {
    fn process(&mut self, _: usize, batch: ChangeBatch, emit: &mut Emit<'_>) -> Result<(), TaskError> {
        let batch = self.without_nulls(batch)?;
        if batch.is_empty() {
            return Ok(());
        }
        let mut columns = batch.rows.columns().to_vec();
        for (column, length) in &self.0.lengths {
            columns[*column] = self.fitted(&batch, *column, *length)?;
        }
        let rows = RecordBatch::try_new(batch.rows.schema(), columns).map_err(failed)?;
        emit(batch.with_rows(rows))
    }
}

impl Constraints {
    fn without_nulls(&self, batch: ChangeBatch) -> Result<ChangeBatch, TaskError> {
        let columns = batch.rows.columns();
        let with_nulls: Vec<usize> =
            self.0.required.iter().copied().filter(|column| columns[*column].null_count() > 0).collect();
        let Some(first) = with_nulls.first() else { return Ok(batch) };
        if !self.0.drops_nulls {
            return Err(failed(format!(
                "column `{}` of `{}` is NOT NULL, and a NULL comes to it: expected values only, or \
                 SET 'table.exec.sink.not-null-enforcer' = 'DROP', which drops such rows",
                self.0.columns[*first], self.0.table
            )));
        }
        let is_whole = |row: &u32| with_nulls.iter().all(|column| columns[*column].is_valid(*row as usize));
        let kept: Vec<u32> = (0..batch.len() as u32).filter(is_whole).collect();
        batch.take(&UInt32Array::from(kept)).map_err(failed)
    }

    fn fitted(&self, batch: &ChangeBatch, column: usize, length: Length) -> Result<ArrayRef, TaskError> {
        let values = batch.rows.column(column);
        let is_text = *values.data_type() == DataType::Utf8;
        let fits = |row: usize| {
            let found = if is_text {
                values.as_string::<i32>().value(row).chars().count()
            } else {
                values.as_binary::<i32>().value(row).len()
            };
            match length {
                Length::Exactly(length) => found as u64 == length,
                Length::AtMost(length) => found as u64 <= length,
            }
        };
        let Some(misfit) = (0..values.len()).find(|row| values.is_valid(*row) && !fits(*row)) else {
            return Ok(values.clone());
        };
        if self.0.trims {
            return Ok(if is_text {
                let texts = values.as_string::<i32>().iter();
                Arc::new(texts.map(|text| text.map(|text| fit_text(text, length))).collect::<StringArray>())
            } else {
                let values = values.as_binary::<i32>().iter();
                Arc::new(
                    values.map(|value| value.map(|value| fit_bytes(value, length))).collect::<BinaryArray>(),
                )
            });
        }
        let (wanted, unit) = match length {
            Length::Exactly(length) => (length.to_string(), if is_text { "characters" } else { "bytes" }),
            Length::AtMost(length) => {
                (format!("at most {length}"), if is_text { "characters" } else { "bytes" })
            }
        };
        let found = if is_text {
            format!("`{}`", values.as_string::<i32>().value(misfit))
        } else {
            format!("{} bytes", values.as_binary::<i32>().value(misfit).len())
        };
        Err(failed(format!(
            "column `{}` of `{}` takes {wanted} {unit}: found {found}; expected values of that length, or \
             SET 'table.exec.sink.type-length-enforcer' = 'TRIM_PAD', which makes them so",
            self.0.columns[column], self.0.table
        )))
    }
}

fn fit_text(text: &str, length: Length) -> Cow<'_, str> {
    let (Length::Exactly(wanted) | Length::AtMost(wanted)) = length;
    let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
    if let Some((end, _)) = text.char_indices().nth(wanted) {
        return Cow::Borrowed(&text[..end]);
    }
    match length {
        Length::AtMost(_) => Cow::Borrowed(text),
        Length::Exactly(_) => Cow::Owned(format!("{text:<wanted$}")),
    }
}

fn fit_bytes(bytes: &[u8], length: Length) -> Cow<'_, [u8]> {
    let (Length::Exactly(wanted) | Length::AtMost(wanted)) = length;
    let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
    match length {
        _ if bytes.len() >= wanted => Cow::Borrowed(&bytes[..wanted]),
        Length::AtMost(_) => Cow::Borrowed(bytes),
        Length::Exactly(_) => {
            let mut filled = bytes.to_vec();
            filled.resize(wanted, 0);
            Cow::Owned(filled)
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow::{array::Int32Array, datatypes::Int32Type};
    use headwater_core::options::StateBackend;

    use super::*;
    use crate::{batch::RowKind, operators::testing::Harness};

    fn factory() -> ConstraintFactory {
        ConstraintFactory {
            table: "t".to_owned(),
            columns: vec!["a".to_owned(), "b".to_owned()],
            required: vec![0],
            drops_nulls: false,
            lengths: Vec::new(),
            trims: true,
        }
    }

    fn run(
        factory: ConstraintFactory,
        rows: RecordBatch,
        kinds: Vec<RowKind>,
    ) -> Result<ChangeBatch, String> {
        let mut harness = Harness::open(factory, StateBackend::HashMap);
        let given = harness.try_process(0, ChangeBatch::changes(rows, kinds));
        given.map_err(|error| error.to_string()).map(|()| harness.take_output().remove(0))
    }

    #[test]
    fn nulls_fail_the_job_or_are_dropped_with_their_rows() {
        let column = || Arc::new(Int32Array::from(vec![Some(1), None, Some(3)])) as ArrayRef;
        let rows = || RecordBatch::try_from_iter([("a", column())]).unwrap();
        let kinds = vec![RowKind::Insert, RowKind::UpdateAfter, RowKind::Delete];
        let error = run(factory(), rows(), kinds.clone()).unwrap_err();
        assert!(error.contains("column `a` of `t` is NOT NULL"), "{error}");
        let kept = run(ConstraintFactory { drops_nulls: true, ..factory() }, rows(), kinds).unwrap();
        assert_eq!(kept.rows.column(0).as_primitive::<Int32Type>(), &Int32Array::from(vec![1, 3]));
        assert_eq!(kept.kinds, Some(vec![RowKind::Insert, RowKind::Delete]));
    }

    #[test]
    fn values_are_made_as_long_as_their_columns_or_refused() {
        let texts = || {
            let column = || Arc::new(StringArray::from(vec![Some("ähm…x"), Some("a"), None])) as ArrayRef;
            RecordBatch::try_from_iter([("c", column()), ("v", column())]).unwrap()
        };
        let lengths = vec![(0, Length::Exactly(3)), (1, Length::AtMost(3))];
        let fitting = ConstraintFactory { required: Vec::new(), lengths, ..factory() };
        let fitted = run(fitting.clone(), texts(), vec![RowKind::Insert; 3]).unwrap().rows;
        let column = |column: usize| fitted.column(column).as_string::<i32>().iter().collect::<Vec<_>>();
        assert_eq!(column(0), [Some("ähm"), Some("a  "), None]);
        assert_eq!(column(1), [Some("ähm"), Some("a"), None]);
        let strict = ConstraintFactory { trims: false, ..fitting };
        let error = run(strict, texts(), vec![RowKind::Insert; 3]).unwrap_err();
        assert!(error.contains("column `a` of `t` takes 3 characters: found `ähm…x`"), "{error}");
    }

    #[test]
    fn bytes_are_cut_off_or_filled_with_zeros() {
        assert_eq!(*fit_bytes(&[1, 2, 3], Length::Exactly(2)), [1, 2]);
        assert_eq!(*fit_bytes(&[1], Length::Exactly(2)), [1, 0]);
        assert_eq!(*fit_bytes(&[1], Length::AtMost(2)), [1]);
    }
}
