//! Where a table's columns come from: out of files, from the names of folders, or from what is known of a file.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, RecordBatch, RecordBatchOptions},
    datatypes::{DataType, FieldRef, Fields, SchemaRef, TimeUnit},
};
use datafusion::common::ScalarValue;
use headwater_actors::context::TaskError;

use super::listing::ListedFile;
use crate::{
    connectors::{Scan, TableDescriptor},
    error::SqlError,
    formats::{ColumnBuilder, ReadSchema, temporal::TimestampStyle},
    operator::failed,
    types::spelling,
};

/// The columns of a table.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) schema: SchemaRef,
    pub(super) origins: Vec<Origin>,
    /// Those that files have.
    pub(super) physical: Fields,
    /// PARTITIONED BY, in this order, as indices into the schema.
    pub(super) partition_keys: Vec<usize>,
}

/// Where a column comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// The column of files with this index.
    Physical(usize),
    /// The name of the folder at this level.
    Partition(usize),
    /// The file.
    Metadata(Metadata),
}

/// What is known of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Metadata {
    Path,
    Name,
    Size,
    ModificationTime,
}

const METADATA: [(&str, Metadata, &str); 4] = [
    ("file.path", Metadata::Path, "STRING"),
    ("file.name", Metadata::Name, "STRING"),
    ("file.size", Metadata::Size, "BIGINT"),
    ("file.modification-time", Metadata::ModificationTime, "TIMESTAMP_LTZ(3)"),
];

impl Layout {
    /// The layout of a table. An error names the column.
    pub(super) fn new(table: &TableDescriptor) -> Result<Self, SqlError> {
        let mut physical = Vec::new();
        let mut origins = Vec::new();
        for (index, field) in table.schema.fields().iter().enumerate() {
            let level = table.partition_keys.iter().position(|key| *key == index);
            origins.push(if let Some(key) = table.metadata.get(&index) {
                Origin::Metadata(metadata(table, field, key)?)
            } else if let Some(level) = level {
                check_partition_key(table, field)?;
                Origin::Partition(level)
            } else {
                physical.push(field.clone());
                Origin::Physical(physical.len() - 1)
            });
        }
        Ok(Self {
            schema: table.schema.clone(),
            origins,
            physical: physical.into(),
            partition_keys: table.partition_keys.clone(),
        })
    }

    /// The name of the partition key at a level.
    pub(super) fn key_name(&self, level: usize) -> &str {
        self.schema.field(self.partition_keys[level]).name()
    }

    /// What a scan reads of files.
    pub(super) fn read_schema(&self, scan: &Scan) -> ReadSchema {
        let mut read = ReadSchema {
            physical: self.physical.clone(),
            wanted: Vec::new(),
            fields: Fields::empty(),
            nested: Vec::new(),
        };
        for column in &scan.projection {
            if let Origin::Physical(index) = self.origins[*column] {
                if let Some(fields) = scan.fields.get(column) {
                    read.nested.push((read.wanted.len(), fields.clone()));
                }
                read.wanted.push(index);
            }
        }
        read.fields = read.wanted.iter().map(|index| self.physical[*index].clone()).collect();
        read
    }

    /// The value of a column that is the same in all rows of a file; `None` if it is read from the file.
    pub(super) fn constant(&self, column: usize, file: &ListedFile) -> Result<Option<ScalarValue>, String> {
        let field = &self.schema.fields()[column];
        let value = match self.origins[column] {
            Origin::Physical(_) => return Ok(None),
            Origin::Partition(level) => partition_value(field, file.partition[level].as_deref())?,
            Origin::Metadata(Metadata::Path) => ScalarValue::from(file.path.as_str()),
            Origin::Metadata(Metadata::Name) => ScalarValue::from(file.name()),
            Origin::Metadata(Metadata::Size) => {
                ScalarValue::Int64(Some(i64::try_from(file.bytes).unwrap_or(i64::MAX)))
            }
            Origin::Metadata(Metadata::ModificationTime) => {
                ScalarValue::TimestampMillisecond(Some(file.modified_ms), Some("UTC".into()))
            }
        };
        value.cast_to(field.data_type()).map(Some).map_err(|error| error.to_string())
    }
}

/// Refuses keys that no folder could be named by.
fn check_partition_key(table: &TableDescriptor, field: &FieldRef) -> Result<(), SqlError> {
    let is_fitting = !field.data_type().is_nested() && *field.data_type() != DataType::Binary;
    if is_fitting && ColumnBuilder::new(field).is_ok() {
        return Ok(());
    }
    Err(SqlError::new(format!(
        "table `{}`, column `{}`: expected a partition key of a type that a folder can be named by, found {}",
        table.name,
        field.name(),
        spelling(field.data_type())
    )))
}

fn metadata(table: &TableDescriptor, field: &FieldRef, key: &str) -> Result<Metadata, SqlError> {
    let refused = |message: String| {
        SqlError::new(format!("table `{}`, column `{}`: {message}", table.name, field.name()))
    };
    let Some((_, found, type_name)) = METADATA.iter().find(|(known, ..)| *known == key) else {
        let known: Vec<_> = METADATA.iter().map(|(known, ..)| format!("`{known}`")).collect();
        return Err(refused(format!("no metadata `{key}`: expected one of {}", known.join(", ")))
            .did_you_mean(key, METADATA.iter().map(|(known, ..)| *known)));
    };
    let is_fitting = match (found, field.data_type()) {
        (Metadata::Path | Metadata::Name, DataType::Utf8) | (Metadata::Size, DataType::Int64) => true,
        (Metadata::ModificationTime, DataType::Timestamp(unit, _)) => *unit != TimeUnit::Second,
        _ => false,
    };
    if !is_fitting {
        return Err(refused(format!("expected metadata `{key}` to be of type {type_name}")));
    }
    Ok(*found)
}

/// The value of a partition key that is in a folder's name; `None` is NULL.
fn partition_value(field: &FieldRef, text: Option<&str>) -> Result<ScalarValue, String> {
    let mut column = ColumnBuilder::new(field).map_err(|error| error.to_string())?;
    match text {
        Some(text) => column.push_text(text, TimestampStyle::Sql)?,
        None => column.push_null(),
    }
    column.missing()?;
    let column = column.finish().map_err(|error| error.to_string())?;
    ScalarValue::try_from_array(&column, 0).map_err(|error| error.to_string())
}

/// Puts batches together: what was read of a file, and what is the same in all of its rows.
pub(super) struct Assembly {
    schema: SchemaRef,
    /// The wanted columns: constants of the current file, `None` for those that are read, in their order.
    constants: Vec<Option<ScalarValue>>,
}

impl Assembly {
    /// For the columns of a scan; [`begin_file`](Self::begin_file) comes before the first batch.
    pub(super) fn new(layout: &Layout, scan: &Scan) -> Result<Self, TaskError> {
        let schema = Arc::new(layout.schema.project(&scan.projection).map_err(failed)?);
        Ok(Self { schema, constants: Vec::new() })
    }

    /// Another file is read.
    pub(super) fn begin_file(
        &mut self,
        layout: &Layout,
        scan: &Scan,
        file: &ListedFile,
    ) -> Result<(), TaskError> {
        let constants: Result<_, String> =
            scan.projection.iter().map(|column| layout.constant(*column, file)).collect();
        self.constants = constants
            .map_err(|cause| TaskError::Connector(format!("malformed file `{}`: {cause}", file.path)))?;
        Ok(())
    }

    /// A batch of the columns that were read.
    pub(super) fn batch(&self, read: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch, TaskError> {
        if rows == 0 {
            return Ok(RecordBatch::new_empty(self.schema.clone()));
        }
        let mut read = read.into_iter();
        let columns = self.constants.iter().map(|constant| match constant {
            Some(value) => value.to_array_of_size(rows).map_err(failed),
            None => Ok(read.next().expect("there is a column for each that is not constant")),
        });
        let columns = columns.collect::<Result<Vec<_>, TaskError>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(self.schema.clone(), columns, &options).map_err(failed)
    }
}
