//! Deals the files of a table out to the subtasks.
//!
//! What there is to read of a bounded table is fixed when a job first opens it, and goes into every position. Files are dealt
//! out in turn, in the order of their paths, parquet files by row groups; one file of lines alone is cut into ranges of bytes,
//! unless it is compressed or its records may have line ends in them. Files of a watched folder go to the subtask that the hash
//! of their path says.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Arc, Mutex, PoisonError},
};

use arrow::array::RecordBatch;
use headwater_actors::context::{TaskContext, TaskError};
use headwater_connectors::{
    MalformedRecords,
    malformed::{Letters, MalformedHandler},
};
use headwater_core::{codec, ids::JobId, key_group::hash_key};

use super::{
    lines::is_compressed,
    listing::{ListedFile, list},
    options::FileTable,
    parquet,
    reader::{FileTableReader, Part, Position, Split},
};
use crate::{
    connectors::{Scan, TableReader, TableSource},
    error::SqlError,
    formats::Format,
};

const READ_ALL_ROWS: usize = 8 * 1024;

/// A table of files that is read.
pub(super) struct FileTableSource {
    table: Arc<FileTable>,
    /// All subtasks must deal out the same files, also if one is opened later than another.
    listing: Mutex<Option<(JobId, Arc<[ListedFile]>)>>,
}

/// Which part of the files a subtask reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) index: u32,
    pub(super) parallelism: u32,
}

impl Share {
    /// Whether a file of a watched folder is in it.
    pub(super) fn has(self, path: &str) -> bool {
        hash_key(path) % u64::from(self.parallelism) == u64::from(self.index)
    }
}

impl FileTableSource {
    pub(super) fn new(table: FileTable) -> Result<Self, SqlError> {
        let everything =
            Scan { projection: (0..table.layout.schema.fields().len()).collect(), ..Scan::default() };
        if !matches!(table.format, Format::Parquet(_)) {
            // What the format refuses shows now rather than when the job runs.
            table
                .format
                .decoder(&table.layout.read_schema(&everything))
                .map_err(|error| table.error(error))?;
        }
        Ok(Self { table: Arc::new(table), listing: Mutex::new(None) })
    }

    fn listing_of(&self, job: JobId) -> Result<Arc<[ListedFile]>, TaskError> {
        let mut known = self.listing.lock().unwrap_or_else(PoisonError::into_inner);
        match &*known {
            Some((listed_for, files)) if *listed_for == job => Ok(files.clone()),
            _ => {
                let files: Arc<[ListedFile]> = list(&self.table)?.into();
                *known = Some((job, files.clone()));
                Ok(files)
            }
        }
    }

    /// Where a subtask begins.
    fn first_position(&self, scan: &Scan, files: &[ListedFile], share: Share) -> Result<Position, TaskError> {
        let Share { index, parallelism } = share;
        let mut splits = VecDeque::new();
        let mut wanted = Vec::new();
        for file in files {
            if !is_pruned(&self.table, scan, file)? {
                wanted.extend(splits_of(&self.table, file.clone())?);
            }
        }
        match wanted.as_slice() {
            [Split { file, part: Part::Bytes { .. } }]
                if !is_compressed(file) && !self.table.format.has_multiline_records() =>
            {
                let boundary = |range: u32| {
                    let bytes = u128::from(file.bytes) * u128::from(range) / u128::from(parallelism);
                    u64::try_from(bytes).expect("a share of a u64 is a u64")
                };
                let part = Part::Bytes { begin: boundary(index), end: boundary(index + 1) };
                splits.push_back(Split { file: file.clone(), part });
            }
            wanted => {
                let share = wanted.iter().skip(index as usize).step_by(parallelism as usize);
                splits.extend(share.cloned());
            }
        }
        Ok(Position { parallelism, splits, next: None, seen: BTreeSet::new() })
    }
}

/// The splits of a file, if it is not cut further.
pub(super) fn splits_of(table: &FileTable, file: ListedFile) -> Result<Vec<Split>, TaskError> {
    let split = |part| Split { file: file.clone(), part };
    Ok(match table.format {
        Format::Parquet(_) => {
            (0..parquet::row_groups(&file)?).map(|group| split(Part::RowGroup(group))).collect()
        }
        _ if is_compressed(&file) => vec![split(Part::Bytes { begin: 0, end: u64::MAX })],
        _ => vec![split(Part::Bytes { begin: 0, end: file.bytes })],
    })
}

/// Whether no row of a file is wanted, which the values of its partition keys tell.
pub(super) fn is_pruned(table: &FileTable, scan: &Scan, file: &ListedFile) -> Result<bool, TaskError> {
    for (column, wanted) in &scan.equal {
        let constant = table.layout.constant(*column, file);
        let constant = constant.map_err(|cause| {
            TaskError::Connector(format!("malformed name of a partition of `{}`: {cause}", file.path))
        })?;
        if constant.is_some_and(|found| found.data_type() == wanted.data_type() && found != *wanted) {
            return Ok(true);
        }
    }
    Ok(false)
}

impl TableSource for FileTableSource {
    fn show_position(&self, position: &[u8]) -> Option<String> {
        headwater_actors::look::json_of::<(Position, Letters)>(position)
    }

    fn is_bounded(&self) -> bool {
        self.table.monitor_interval_ms.is_none()
    }

    fn open(
        &self,
        scan: &Scan,
        task: &TaskContext,
        position: Option<&[u8]>,
    ) -> Result<Box<dyn TableReader>, TaskError> {
        let share = Share { index: task.index(), parallelism: task.vertex.parallelism };
        let (position, letters) = match position {
            Some(bytes) => codec::decode::<(Position, Letters)>(bytes)?,
            None if self.is_bounded() => {
                let position = self.first_position(scan, &self.listing_of(task.job)?, share)?;
                (position, Letters::default())
            }
            None => (self.first_position(scan, &[], share)?, Letters::default()),
        };
        if position.parallelism != share.parallelism {
            return Err(TaskError::Connector(format!(
                "table `{}` was restored with parallelism {}: expected {}, by which its files were dealt out",
                self.table.name, share.parallelism, position.parallelism
            )));
        }
        position.splits.iter().try_for_each(|split| split.file.check_length())?;
        let malformed = MalformedHandler::open(self.table.on_malformed.as_ref(), task, letters)?;
        let reader = FileTableReader::new(self.table.clone(), scan, share, position, malformed)?;
        Ok(Box::new(reader))
    }

    fn read_all(&self, scan: &Scan) -> Result<Vec<RecordBatch>, TaskError> {
        if !self.is_bounded() {
            return Err(TaskError::Connector(format!(
                "table `{}` cannot be read as a whole: expected a bounded table, but `source.monitor-interval` is set",
                self.table.name
            )));
        }
        let share = Share { index: 0, parallelism: 1 };
        let position = self.first_position(scan, &list(&self.table)?, share)?;
        let policy = self.table.on_malformed.as_ref().unwrap_or(&MalformedRecords::Fail);
        let malformed = MalformedHandler::detached(policy);
        let mut reader = FileTableReader::new(self.table.clone(), scan, share, position, malformed)?;
        let (mut batches, mut malformed) = (Vec::new(), 0);
        while let Some(batch) = reader.read_next(READ_ALL_ROWS)? {
            batches.push(batch);
            malformed += reader.malformed_records();
        }
        if malformed > 0 {
            tracing::warn!(table = self.table.name, malformed, "passed over malformed records");
        }
        Ok(batches)
    }
}
