//! Tables: what sources and sinks implement for SQL, and the connectors by name.

pub mod blackhole;
pub mod datagen;
mod filesystem;
pub mod lookup;
mod malformed;
pub mod nexmark;
pub mod options;
pub mod print;
pub mod row_text;
mod socket;
pub mod values;

#[cfg(test)]
pub(crate) mod testing;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    task::{Context, Poll},
};

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use datafusion::common::ScalarValue;
use headwater_actors::{
    context::{TaskContext, TaskError},
    source::Pending,
};
use headwater_core::ids::CheckpointId;

use crate::{batch::ChangeBatch, error::SqlError, types::Length};

/// A table as its connector sees it: physical and metadata columns, without computed ones.
#[derive(Debug, Clone)]
pub struct TableDescriptor {
    /// The table's name.
    pub name: String,
    /// The physical columns, followed by the metadata columns.
    pub schema: SchemaRef,
    /// For each metadata column, by its index in the schema, the connector's key for it.
    pub metadata: BTreeMap<usize, String>,
    /// The lengths of columns that were declared with one.
    pub lengths: BTreeMap<usize, Length>,
    /// `PRIMARY KEY … NOT ENFORCED`, as indices into the schema.
    pub primary_key: Vec<usize>,
    /// `PARTITIONED BY`, as indices into the schema.
    pub partition_keys: Vec<usize>,
    /// The options of the WITH clause, `connector` included.
    pub options: BTreeMap<String, String>,
}

/// What a query wants of a source.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scan {
    /// The wanted columns, as indices into the descriptor's schema; a reader's batches have these, in this order.
    pub projection: Vec<usize>,
    /// Of these columns, which are ROWs, only these fields are read; a reader may leave the others null.
    pub fields: BTreeMap<usize, BTreeSet<String>>,
    /// Rows in which one of these columns has another value may be left out. A hint: they are filtered again.
    pub equal: Vec<(usize, ScalarValue)>,
}

/// A table that can be read.
pub trait TableSource: Send + Sync {
    /// Whether it ends.
    fn is_bounded(&self) -> bool;

    /// The number of subtasks, if the source cannot have as many as the job wants.
    fn parallelism(&self) -> Option<u32> {
        None
    }

    /// Whether two readers see the same rows. If not, all queries of a job share one.
    fn is_replicable(&self) -> bool {
        true
    }

    /// Opens the reader of one subtask. `position` is what its predecessor's [`TableReader::snapshot`] returned for the checkpoint
    /// that the attempt goes on from.
    fn open(
        &self,
        scan: &Scan,
        task: &TaskContext,
        position: Option<&[u8]>,
    ) -> Result<Box<dyn TableReader>, TaskError>;

    /// A reader's position as JSON, for people who look into a checkpoint; `None`: they see its bytes.
    fn show_position(&self, _position: &[u8]) -> Option<String> {
        None
    }

    /// Reads a bounded table as a whole, for lookup joins and previews; an error says why it can't be.
    fn read_all(&self, _scan: &Scan) -> Result<Vec<RecordBatch>, TaskError> {
        Err(TaskError::Connector("the connector cannot be looked up: expected a bounded table".to_owned()))
    }
}

/// Reads for one subtask.
pub trait TableReader {
    /// Reads about `rows_max` rows at most. `None`: the table has ended; not called again. Must not block for long; `Pending`
    /// means that nothing is there for now, and that the context's waker will be woken.
    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        rows_max: usize,
    ) -> Poll<Result<Option<RecordBatch>, TaskError>>;

    /// How much is still to be read, if that is known.
    fn pending(&self) -> Pending {
        Pending::default()
    }

    /// The position after what was read so far, to go on from.
    fn snapshot(&mut self, checkpoint: CheckpointId) -> Result<Vec<u8>, TaskError>;

    /// A checkpoint is durable: what lies before its position will not be read again.
    fn checkpoint_completed(&mut self, _checkpoint: CheckpointId) -> Result<(), TaskError> {
        Ok(())
    }

    /// Where a row of the last batch is from, counted from 0, for people.
    fn locate(&mut self, _row: usize) -> Option<String> {
        None
    }
}

/// The changes that a sink takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepts {
    /// New rows only: results must never change.
    InsertOnly,
    /// All changes.
    Changelog,
    /// All but `-U`: rows are found by the table's primary key, if it has one.
    Upsert,
}

/// A table that can be written.
pub trait TableSink: Send + Sync {
    /// The changes that it takes.
    fn accepts(&self) -> Accepts;

    /// The number of subtasks, if the sink cannot have as many as the job wants.
    fn parallelism(&self) -> Option<u32> {
        None
    }

    /// Opens the writer of one subtask, and commits (again) what `committable` holds. Both are what the predecessor's
    /// [`TableWriter::prepare`] returned.
    fn open(
        &self,
        task: &TaskContext,
        state: Option<&[u8]>,
        committable: Option<&[u8]>,
    ) -> Result<Box<dyn TableWriter>, TaskError>;

    /// A writer's state as JSON, for people who look into a checkpoint; `None`: they see its bytes.
    fn show_state(&self, _state: &[u8]) -> Option<String> {
        None
    }

    /// What a writer has prepared as JSON, for people who look into a checkpoint; `None`: they see its bytes.
    fn show_prepared(&self, _prepared: &[u8]) -> Option<String> {
        None
    }
}

/// Writes for one subtask.
pub trait TableWriter {
    /// Writes all rows.
    fn write(&mut self, batch: &ChangeBatch) -> Result<(), TaskError>;

    /// The input has nothing more for now: a sink that shows rows at once does it here.
    fn flush(&mut self) -> Result<(), TaskError> {
        Ok(())
    }

    /// Makes durable but invisible what was written; returns the state that a successor needs and what is still to be
    /// committed.
    fn prepare(&mut self, _checkpoint: CheckpointId) -> Result<(Vec<u8>, Option<Vec<u8>>), TaskError> {
        Ok((Vec::new(), None))
    }

    /// Makes visible what was prepared for checkpoints up to this one. Idempotent.
    fn commit(&mut self, _checkpoint: CheckpointId) -> Result<(), TaskError> {
        Ok(())
    }
}

type MakeSource = fn(&TableDescriptor) -> Result<Arc<dyn TableSource>, SqlError>;
type MakeSink = fn(&TableDescriptor) -> Result<Arc<dyn TableSink>, SqlError>;

/// The connectors by name, each with what it can do.
const CONNECTORS: &[(&str, Option<MakeSource>, Option<MakeSink>)] = &[
    ("blackhole", None, Some(blackhole::sink)),
    ("datagen", Some(datagen::source), None),
    ("filesystem", Some(filesystem::source), Some(filesystem::sink)),
    ("nexmark", Some(nexmark::source), None),
    ("print", None, Some(print::sink)),
    ("socket", Some(socket::source), None),
];

/// Makes a table's source. Errors name the table and the option.
pub fn source_of(table: &TableDescriptor) -> Result<Arc<dyn TableSource>, SqlError> {
    let (name, source, _) = connector_of(table)?;
    let make = source.ok_or_else(|| {
        SqlError::new(format!("table `{}`: connector `{name}` can only be written to", table.name))
    })?;
    make(table)
}

/// Makes a table's sink.
pub fn sink_of(table: &TableDescriptor) -> Result<Arc<dyn TableSink>, SqlError> {
    let (name, _, sink) = connector_of(table)?;
    let make = sink.ok_or_else(|| {
        SqlError::new(format!("table `{}`: connector `{name}` can only be read from", table.name))
    })?;
    make(table)
}

fn connector_of(
    table: &TableDescriptor,
) -> Result<(&'static str, Option<MakeSource>, Option<MakeSink>), SqlError> {
    let names = || CONNECTORS.iter().map(|(name, ..)| *name);
    let known = || names().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let Some(wanted) = table.options.get(options::CONNECTOR) else {
        let message = format!("table `{}`: no option `connector`: expected one of {}", table.name, known());
        return Err(SqlError::new(message));
    };
    CONNECTORS.iter().find(|(name, ..)| name == wanted).copied().ok_or_else(|| {
        let message =
            format!("table `{}`: unknown connector `{wanted}`: expected one of {}", table.name, known());
        SqlError::new(message).did_you_mean(wanted, names())
    })
}

/// Refuses metadata columns, for connectors that have none.
pub(crate) fn refuse_metadata(table: &TableDescriptor) -> Result<(), SqlError> {
    let Some((column, key)) = table.metadata.first_key_value() else { return Ok(()) };
    Err(SqlError::new(format!(
        "table `{}`, column `{}`: no metadata `{key}`: connector `{}` has no metadata columns",
        table.name,
        table.schema.field(*column).name(),
        table.options.get(options::CONNECTOR).map_or("", String::as_str),
    )))
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{DataType, Field};

    use super::{testing::table, *};

    #[test]
    fn a_connector_is_found_by_its_name_or_refused_with_the_names_there_are() {
        let told = |table: &TableDescriptor| {
            [source_of(table).err().map(|e| e.to_string()), sink_of(table).err().map(|e| e.to_string())]
        };
        let named = |name| table("t", [], [("connector", name)]);
        let read_only = "table `t`: connector `nexmark` can only be read from".to_owned();
        assert_eq!(told(&named("nexmark")), [None, Some(read_only)]);
        let write_only = "table `t`: connector `print` can only be written to".to_owned();
        assert_eq!(told(&named("print")), [Some(write_only), None]);
        let [unknown, _] = told(&named("datagne")).map(Option::unwrap);
        assert!(unknown.starts_with("table `t`: unknown connector `datagne`: expected one of `blackhole`, "));
        assert!(unknown.ends_with("; did you mean `datagen`?"), "{unknown}");
        let [missing, _] = told(&table("t", [], [])).map(Option::unwrap);
        assert!(missing.starts_with("table `t`: no option `connector`: expected one of "), "{missing}");
    }

    #[test]
    fn metadata_that_a_connector_does_not_have_is_refused() {
        let column = Field::new("path", DataType::Utf8, true);
        let mut table = table("t", [column], [("connector", "datagen")]);
        table.metadata.insert(0, "file.path".to_owned());
        assert_eq!(
            source_of(&table).err().unwrap().to_string(),
            "table `t`, column `path`: no metadata `file.path`: connector `datagen` has no metadata columns"
        );
    }
}
