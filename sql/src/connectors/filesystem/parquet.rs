//! Reads row groups of parquet files.

use std::{fs::File, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, new_null_array},
    compute::{CastOptions, cast_with_options},
    datatypes::{DataType, FieldRef, Fields},
    util::display::FormatOptions,
};
use headwater_actors::context::TaskError;
use parquet::arrow::{
    ProjectionMask,
    arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder},
};

use super::listing::{ListedFile, cannot_read};
use crate::types::spelling;

/// How many row groups a file has.
pub(super) fn row_groups(file: &ListedFile) -> Result<usize, TaskError> {
    Ok(builder(file)?.metadata().num_row_groups())
}

fn builder(file: &ListedFile) -> Result<ParquetRecordBatchReaderBuilder<File>, TaskError> {
    let input =
        headwater_core::access::open_file(&file.path).map_err(|error| cannot_read(&file.path, error))?;
    ParquetRecordBatchReaderBuilder::try_new(input).map_err(|error| damaged(file, error))
}

fn damaged(file: &ListedFile, error: impl std::fmt::Display) -> TaskError {
    TaskError::Connector(format!("cannot read `{}` as parquet: {error}", file.path))
}

/// A row group that is being read.
pub(super) struct OpenRowGroup {
    batches: ParquetRecordBatchReader,
    /// For each wanted column, its index in the batches; `None` if the file does not have it.
    columns: Vec<Option<usize>>,
    next_row: u64,
}

impl OpenRowGroup {
    /// Opens a row group at a row.
    pub(super) fn open(
        file: &ListedFile,
        row_group: usize,
        row: u64,
        fields: &Fields,
        batch_rows: usize,
    ) -> Result<Self, TaskError> {
        file.check_length()?;
        let builder = builder(file)?;
        let roots: Vec<Option<usize>> =
            fields.iter().map(|field| builder.schema().index_of(field.name()).ok()).collect();
        for (field, root) in fields.iter().zip(&roots) {
            let Some(root) = root else { continue };
            let found = builder.schema().field(*root).data_type();
            if !is_convertible(found, field.data_type()) {
                return Err(damaged(
                    file,
                    format_args!(
                        "column `{}`: expected {}, found {}",
                        field.name(),
                        spelling(field.data_type()),
                        spelling(found)
                    ),
                ));
            }
        }
        // Batches have the columns in the order of the file.
        let mut read: Vec<usize> = roots.iter().flatten().copied().collect();
        read.sort_unstable();
        let columns = roots.iter().map(|root| root.and_then(|root| read.binary_search(&root).ok())).collect();
        let mask = ProjectionMask::roots(builder.parquet_schema(), read);
        let skipped = usize::try_from(row).map_err(|error| damaged(file, error))?;
        let batches = builder
            .with_projection(mask)
            .with_row_groups(vec![row_group])
            .with_offset(skipped)
            .with_batch_size(batch_rows)
            .build()
            .map_err(|error| damaged(file, error))?;
        Ok(Self { batches, columns, next_row: row })
    }

    pub(super) fn next_row(&self) -> u64 {
        self.next_row
    }

    /// The next rows; `None` at the end.
    pub(super) fn read(
        &mut self,
        file: &ListedFile,
        fields: &Fields,
    ) -> Result<Option<(Vec<ArrayRef>, usize)>, TaskError> {
        let Some(batch) = self.batches.next() else { return Ok(None) };
        let batch = batch.map_err(|error| damaged(file, error))?;
        let rows = batch.num_rows();
        let columns = self.columns.iter().zip(fields).map(|(column, field)| match column {
            Some(column) => convert(batch.column(*column), field)
                .map_err(|cause| damaged(file, format_args!("column `{}`: {cause}", field.name()))),
            None if field.is_nullable() => Ok(new_null_array(field.data_type(), rows)),
            None => Err(damaged(
                file,
                format_args!("column `{}`: expected it to be there since it is NOT NULL", field.name()),
            )),
        });
        let columns = columns.collect::<Result<_, _>>()?;
        self.next_row += rows as u64;
        Ok(Some((columns, rows)))
    }
}

/// The same values in the type that the table declares.
fn convert(column: &ArrayRef, field: &FieldRef) -> Result<ArrayRef, String> {
    if !field.is_nullable() && column.null_count() > 0 {
        return Err("expected values since it is NOT NULL, found NULL".to_owned());
    }
    if column.data_type() == field.data_type() {
        return Ok(Arc::clone(column));
    }
    let options = CastOptions { safe: false, format_options: FormatOptions::default() };
    cast_with_options(column, field.data_type(), &options).map_err(|error| error.to_string())
}

/// Whether values of a file's type are values of the declared one, if they are small enough.
fn is_convertible(found: &DataType, declared: &DataType) -> bool {
    use DataType::{
        Binary, BinaryView, Date32, Decimal128, Dictionary, LargeBinary, LargeList, LargeUtf8, List, Map,
        Struct, Time32, Time64, Timestamp, Utf8, Utf8View,
    };
    match (found, declared) {
        _ if found == declared => true,
        (found, declared) if found.is_integer() && declared.is_signed_integer() => true,
        (found, declared) if found.is_floating() && declared.is_floating() => true,
        (Decimal128(..), Decimal128(..)) | (Timestamp(..), Timestamp(..)) | (Date32, Date32) => true,
        (Time32(_) | Time64(_), Time32(_) | Time64(_)) => true,
        (Utf8 | LargeUtf8 | Utf8View, Utf8) | (Binary | LargeBinary | BinaryView, Binary) => true,
        (Dictionary(_, values), _) => is_convertible(values, declared),
        (List(found) | LargeList(found), List(declared)) => {
            is_convertible(found.data_type(), declared.data_type())
        }
        (Map(found, _), Map(declared, _)) => match (found.data_type(), declared.data_type()) {
            // The two fields of an entry have other names in other writers' files.
            (Struct(found), Struct(declared)) => found
                .iter()
                .zip(declared)
                .all(|(found, declared)| is_convertible(found.data_type(), declared.data_type())),
            _ => false,
        },
        (Struct(found), Struct(declared)) => {
            found.len() == declared.len()
                && found.iter().zip(declared).all(|(found, declared)| {
                    found.name() == declared.name() && is_convertible(found.data_type(), declared.data_type())
                })
        }
        _ => false,
    }
}
