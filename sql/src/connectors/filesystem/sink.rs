//! Writes the files of a table, partition by partition.

use std::{collections::BTreeMap, sync::Arc};

use arrow::{
    array::{RecordBatch, UInt32Array},
    compute::take_record_batch,
    datatypes::{Schema, SchemaRef},
    error::ArrowError,
};
use hashbrown::HashMap;
use headwater_actors::{
    context::{TaskContext, TaskError},
    sink::{Committer, Sink},
};
use headwater_connectors::file_sink::{FileSink, FileWriter};
use headwater_core::{
    ids::CheckpointId,
    time::{Clock, TimestampMs},
};
use parquet::arrow::ArrowWriter;

use super::{
    layout::Origin,
    options::{FileTable, Rolling},
    partition::push_folder,
};
use crate::{
    batch::{ChangeBatch, RowKind},
    connectors::{Accepts, TableDescriptor, TableSink, TableWriter},
    error::SqlError,
    formats::{Format, ParquetOptions, RowEncoder, text_of_cell},
    operator::failed,
    rows::KeyExtractor,
};

/// A row group is written once it takes so much memory: there may be one per partition.
const ROW_GROUP_BYTES: usize = 32 << 20;

/// A table of files that is written.
pub(super) struct FileTableSink {
    table: Arc<FileTable>,
    /// The columns that files have, as indices into the table's.
    physical: Vec<usize>,
    /// These columns.
    schema: SchemaRef,
    encoding: Encoding,
}

#[derive(Clone)]
enum Encoding {
    Lines(RowEncoder),
    Parquet(ParquetOptions),
}

impl FileTableSink {
    pub(super) fn new(descriptor: &TableDescriptor, table: FileTable) -> Result<Self, SqlError> {
        if let Some((column, _)) = descriptor.metadata.first_key_value() {
            let message = format!(
                "column `{}`: metadata of files can only be read",
                descriptor.schema.field(*column).name()
            );
            return Err(table.error(SqlError::new(message)));
        }
        let origins = table.layout.origins.iter().enumerate();
        let physical = origins.filter(|(_, origin)| matches!(origin, Origin::Physical(_)));
        let physical = physical.map(|(index, _)| index).collect();
        let fields = table.layout.physical.clone();
        if fields.is_empty() {
            return Err(table.error(SqlError::new("expected a column that is no partition key, found none")));
        }
        let encoding = match &table.format {
            Format::Parquet(options) => Encoding::Parquet(*options),
            format => Encoding::Lines(format.encoder(&fields).map_err(|error| table.error(error))?),
        };
        Ok(Self { table: Arc::new(table), physical, schema: Arc::new(Schema::new(fields)), encoding })
    }
}

impl TableSink for FileTableSink {
    fn show_state(&self, state: &[u8]) -> Option<String> {
        Sink::<String>::show_state(&FileSink::new(&self.table.path), state)
    }

    fn show_prepared(&self, prepared: &[u8]) -> Option<String> {
        Sink::<String>::show_prepared(&FileSink::new(&self.table.path), prepared)
    }

    fn accepts(&self) -> Accepts {
        if self.table.format.has_changes() { Accepts::Changelog } else { Accepts::InsertOnly }
    }

    fn parallelism(&self) -> Option<u32> {
        self.table.sink_parallelism
    }

    fn open(
        &self,
        task: &TaskContext,
        state: Option<&[u8]>,
        committable: Option<&[u8]>,
    ) -> Result<Box<dyn TableWriter>, TaskError> {
        let layout = &self.table.layout;
        let sink = FileSink::new(&self.table.path).partition_depth(layout.partition_keys.len());
        let sink = self.table.success_file.iter().fold(sink, FileSink::success_file);
        let committer = Committer::restore::<String, _>(&sink, task, state, committable)?;
        let keys = match layout.partition_keys.is_empty() {
            true => None,
            false => Some(KeyExtractor::new(&layout.schema, layout.partition_keys.clone()).map_err(failed)?),
        };
        let clock = task.clock.clone();
        Ok(Box::new(FileTableWriter {
            table: self.table.clone(),
            physical: self.physical.clone(),
            schema: self.schema.clone(),
            encoding: self.encoding.clone(),
            keys,
            committer,
            parts: BTreeMap::new(),
            buffer: Vec::new(),
            checked_ms: clock.now_ms(),
            clock,
        }))
    }
}

/// Writes for one subtask.
struct FileTableWriter {
    table: Arc<FileTable>,
    physical: Vec<usize>,
    schema: SchemaRef,
    encoding: Encoding,
    /// `None` if there are no partitions.
    keys: Option<KeyExtractor>,
    committer: Committer<FileWriter>,
    /// The files in progress, by their folders.
    parts: BTreeMap<String, Part>,
    buffer: Vec<u8>,
    checked_ms: TimestampMs,
    clock: Arc<dyn Clock>,
}

/// Rows with their kinds, as in a [`ChangeBatch`].
type Rows = (RecordBatch, Option<Vec<RowKind>>);

/// A file in progress.
struct Part {
    parquet: Option<ArrowWriter<Vec<u8>>>,
    began_ms: TimestampMs,
    written_ms: TimestampMs,
}

impl FileTableWriter {
    /// The folders of the partitions that a batch has rows of, and these rows, in the order in which they come first.
    fn partitions(&self, batch: &ChangeBatch) -> Result<Vec<(String, Rows)>, ArrowError> {
        let (rows, kinds) = (&batch.rows, &batch.kinds);
        let columns = self.physical.iter().map(|column| rows.column(*column).clone()).collect();
        // With the table's own names; and NULL is refused where it must not be.
        let physical = RecordBatch::try_new(self.schema.clone(), columns)?;
        let Some(extractor) = &self.keys else {
            return Ok(vec![(String::new(), (physical, kinds.clone()))]);
        };
        let keys = extractor.keys(rows, Vec::new())?;
        let mut known: HashMap<&[u8], usize> = HashMap::new();
        let mut partitions: Vec<Vec<u32>> = Vec::new();
        for row in 0..rows.num_rows() {
            let partition = *known.entry(keys.bytes(row)).or_insert_with(|| {
                partitions.push(Vec::new());
                partitions.len() - 1
            });
            partitions[partition].push(row as u32);
        }
        if let [all] = partitions.as_slice() {
            return Ok(vec![(self.folder(rows, all[0]), (physical, kinds.clone()))]);
        }
        let parts = partitions.into_iter().map(|indices| {
            let folder = self.folder(rows, indices[0]);
            let kinds = kinds.as_ref().map(|kinds| indices.iter().map(|row| kinds[*row as usize]).collect());
            Ok((folder, (take_record_batch(&physical, &UInt32Array::from(indices))?, kinds)))
        });
        parts.collect()
    }

    /// The folder that a row belongs to.
    fn folder(&self, rows: &RecordBatch, row: u32) -> String {
        let mut folder = String::new();
        for (level, column) in self.table.layout.partition_keys.iter().enumerate() {
            if level > 0 {
                folder.push('/');
            }
            let value = text_of_cell(rows.column(*column), row as usize).filter(|text| !text.is_empty());
            let value = value.as_deref().unwrap_or(&self.table.default_partition);
            push_folder(self.table.layout.key_name(level), value, &mut folder);
        }
        folder
    }

    /// Appends rows to the file in progress of a folder, and closes it if it is long enough.
    fn append(&mut self, folder: String, (rows, kinds): &Rows, now_ms: TimestampMs) -> Result<(), TaskError> {
        if !self.parts.contains_key(&folder) {
            let parquet = match &self.encoding {
                Encoding::Lines(_) => None,
                Encoding::Parquet(options) => {
                    let properties = Some(options.properties());
                    let writer = ArrowWriter::try_new(Vec::new(), self.schema.clone(), properties);
                    Some(writer.map_err(failed)?)
                }
            };
            self.parts.insert(folder.clone(), Part { parquet, began_ms: now_ms, written_ms: now_ms });
        }
        let part = self.parts.get_mut(&folder).expect("it was made if it was not there");
        part.written_ms = now_ms;
        let file_bytes = match (&self.encoding, &mut part.parquet) {
            (Encoding::Parquet(_), Some(parquet)) => {
                parquet.write(rows).map_err(failed)?;
                if parquet.in_progress_size() >= ROW_GROUP_BYTES {
                    parquet.flush().map_err(failed)?;
                }
                let written = std::mem::take(parquet.inner_mut());
                let pending = parquet.in_progress_size() as u64;
                self.committer.writer().append(&folder, &written)? + pending
            }
            (Encoding::Lines(encoder), _) => {
                self.buffer.clear();
                let encoded = encoder.encode(rows, kinds.as_deref(), &mut self.buffer);
                encoded.map_err(|cause| self.cannot_write(cause))?;
                self.committer.writer().append(&folder, &self.buffer)?
            }
            (Encoding::Parquet(_), None) => unreachable!("its writer was made with the part"),
        };
        if file_bytes >= self.table.rolling.file_bytes { self.close(&folder) } else { Ok(()) }
    }

    fn cannot_write(&self, cause: impl std::fmt::Display) -> TaskError {
        TaskError::Connector(format!("cannot write to table `{}`: {cause}", self.table.name))
    }

    /// Ends the file in progress of a folder.
    fn close(&mut self, folder: &str) -> Result<(), TaskError> {
        let Some(part) = self.parts.remove(folder) else { return Ok(()) };
        if let Some(mut parquet) = part.parquet {
            parquet.finish().map_err(failed)?;
            let written = std::mem::take(parquet.inner_mut());
            self.committer.writer().append(folder, &written)?;
        }
        self.committer.writer().close(folder)
    }

    /// Ends the files that are old enough, or that nothing was written to for long enough.
    fn close_old(&mut self, now_ms: TimestampMs) -> Result<(), TaskError> {
        let Rolling { rollover_ms, inactivity_ms, check_ms, .. } = self.table.rolling;
        let elapsed_ms = |since: TimestampMs| u64::try_from(now_ms.saturating_sub(since)).unwrap_or(0);
        if elapsed_ms(self.checked_ms) < check_ms {
            return Ok(());
        }
        self.checked_ms = now_ms;
        let is_old = |part: &Part| {
            elapsed_ms(part.began_ms) >= rollover_ms || elapsed_ms(part.written_ms) >= inactivity_ms
        };
        let old = self.parts.iter().filter(|(_, part)| is_old(part)).map(|(folder, _)| folder.clone());
        old.collect::<Vec<_>>().iter().try_for_each(|folder| self.close(folder))
    }
}

impl TableWriter for FileTableWriter {
    fn write(&mut self, batch: &ChangeBatch) -> Result<(), TaskError> {
        let now_ms = self.clock.now_ms();
        let partitions = self.partitions(batch).map_err(|error| self.cannot_write(error))?;
        for (folder, rows) in partitions {
            self.append(folder, &rows, now_ms)?;
        }
        self.close_old(now_ms)
    }

    fn flush(&mut self) -> Result<(), TaskError> {
        self.close_old(self.clock.now_ms())
    }

    fn prepare(&mut self, checkpoint: CheckpointId) -> Result<(Vec<u8>, Option<Vec<u8>>), TaskError> {
        while let Some((folder, _)) = self.parts.first_key_value() {
            self.close(&folder.clone())?;
        }
        self.committer.prepare::<String>(checkpoint)
    }

    fn commit(&mut self, checkpoint: CheckpointId) -> Result<(), TaskError> {
        self.committer.commit::<String>(checkpoint)
    }
}
