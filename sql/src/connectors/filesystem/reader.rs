//! Reads the splits of one subtask, one after the other, and looks for new files if the folder is watched.

use std::{
    collections::{BTreeSet, VecDeque},
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use arrow::{array::RecordBatch, datatypes::Fields};
use headwater_actors::{context::TaskError, source::Pending};
use headwater_connectors::malformed::{Letters, MalformedHandler};
use headwater_core::{codec, ids::CheckpointId};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, Sleep, sleep_until};

use super::{
    layout::Assembly,
    lines::{OpenLines, RecordPlace},
    listing::{ListedFile, list},
    options::FileTable,
    parquet::OpenRowGroup,
    source::{Share, is_pruned, splits_of},
};
use crate::{
    connectors::{Scan, TableReader},
    formats::{Format, RecordDecoder},
    operator::failed,
};

/// A part of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Split {
    pub(super) file: ListedFile,
    pub(super) part: Part,
}

/// Which part of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Part {
    /// The lines that begin in this range of bytes.
    Bytes { begin: u64, end: u64 },
    /// A row group of a parquet file.
    RowGroup(usize),
}

/// A place in a split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    /// A byte of the file, or a row of the row group.
    pub(super) at: u64,
    /// Whether the bytes up to the next line's end are not wanted.
    pub(super) is_within_line: bool,
}

/// What is still to be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    pub(super) parallelism: u32,
    /// The splits that are not yet read to their end.
    pub(super) splits: VecDeque<Split>,
    /// Where to go on in the first split; `None` if none of it was read.
    pub(super) next: Option<Place>,
    /// If the folder is watched: the files that were found in it.
    pub(super) seen: BTreeSet<String>,
}

impl Split {
    /// Where to begin. Whether a line begins at a range's first byte is told by the byte before it.
    fn first_place(&self) -> Place {
        match self.part {
            Part::Bytes { begin, .. } => Place { at: begin.saturating_sub(1), is_within_line: begin > 0 },
            Part::RowGroup(_) => Place { at: 0, is_within_line: false },
        }
    }

    /// The bytes from a place on, if they can be told: a row group's cannot, and of what is compressed only the whole file's.
    fn left(&self, begun: Option<Place>) -> Option<u64> {
        match self.part {
            Part::RowGroup(_) => None,
            Part::Bytes { end: u64::MAX, .. } => Some(self.file.bytes),
            Part::Bytes { begin, end } => Some(end.saturating_sub(begun.map_or(begin, |place| place.at))),
        }
    }
}

/// Reads for one subtask.
pub(super) struct FileTableReader {
    table: Arc<FileTable>,
    scan: Scan,
    share: Share,
    position: Position,
    /// What is read of files.
    fields: Fields,
    /// `None` for parquet.
    decoder: Option<RecordDecoder>,
    malformed: MalformedHandler,
    assembly: Assembly,
    /// The first split, once it is being read.
    open: Option<Open>,
    /// When the folder is looked at again, if it is watched.
    timer: Option<Pin<Box<Sleep>>>,
    /// Where the rows of the last batch are from.
    located: Option<(ListedFile, Rows)>,
}

enum Open {
    Lines(OpenLines),
    RowGroup(OpenRowGroup),
}

/// The places of rows in a file.
enum Rows {
    /// Where each one begins.
    At(Vec<u64>),
    /// The first one in a row group.
    From { row_group: usize, first: u64 },
}

impl FileTableReader {
    pub(super) fn new(
        table: Arc<FileTable>,
        scan: &Scan,
        share: Share,
        position: Position,
        malformed: MalformedHandler,
    ) -> Result<Self, TaskError> {
        let schema = table.layout.read_schema(scan);
        let decoder = match table.format {
            Format::Parquet(_) => None,
            _ => Some(table.format.decoder(&schema).map_err(|error| failed(table.error(error)))?),
        };
        let assembly = Assembly::new(&table.layout, scan)?;
        Ok(Self {
            table,
            scan: scan.clone(),
            share,
            position,
            fields: schema.fields,
            decoder,
            malformed,
            assembly,
            open: None,
            timer: None,
            located: None,
        })
    }

    /// The next rows of the first split, maybe none; closes the split at its end. There must be one.
    fn read_split(&mut self, rows_max: usize) -> Result<RecordBatch, TaskError> {
        let split = self.position.splits.front().expect("the caller has looked");
        let file = split.file.clone();
        let place = self.position.next.unwrap_or_else(|| split.first_place());
        self.malformed.begin_batch();
        if self.open.is_none() {
            self.assembly.begin_file(&self.table.layout, &self.scan, &file)?;
            self.open = Some(match split.part {
                Part::Bytes { end, .. } => Open::Lines(OpenLines::open(&file, end, place)?),
                Part::RowGroup(group) => {
                    Open::RowGroup(OpenRowGroup::open(&file, group, place.at, &self.fields, rows_max)?)
                }
            });
        }
        let open = self.open.as_mut().expect("it was opened if it was not");
        let (columns, rows, is_read) = match (open, split.part, &mut self.decoder) {
            (Open::Lines(lines), _, Some(decoder)) => {
                let mut offsets = Vec::new();
                let is_read = lines.read(&file, decoder, &mut self.malformed, rows_max, &mut offsets);
                self.position.next = Some(lines.place());
                self.located = Some((file.clone(), Rows::At(offsets)));
                let is_read = is_read?;
                let rows = decoder.rows();
                (decoder.finish().map_err(failed)?, rows, is_read)
            }
            (Open::RowGroup(group), Part::RowGroup(row_group), _) => {
                let first = group.next_row();
                self.located = Some((file.clone(), Rows::From { row_group, first }));
                match group.read(&file, &self.fields)? {
                    Some((columns, rows)) => {
                        self.position.next = Some(Place { at: group.next_row(), is_within_line: false });
                        (columns, rows, false)
                    }
                    None => (Vec::new(), 0, true),
                }
            }
            _ => unreachable!("only parquet has row groups, and no decoder"),
        };
        if is_read {
            file.check_length()?;
            self.position.splits.pop_front();
            self.position.next = None;
            self.open = None;
        }
        self.assembly.batch(columns, rows)
    }

    /// The next rows, maybe none; `None` once all splits are read.
    pub(super) fn read_next(&mut self, rows_max: usize) -> Result<Option<RecordBatch>, TaskError> {
        if self.position.splits.is_empty() { Ok(None) } else { self.read_split(rows_max).map(Some) }
    }

    /// How many malformed records were passed over for the last rows.
    pub(super) fn malformed_records(&self) -> usize {
        self.malformed.in_batch()
    }

    /// Looks for new files when it is time to; `Pending` until then.
    fn poll_monitor(&mut self, context: &mut Context<'_>, interval_ms: u64) -> Poll<Result<(), TaskError>> {
        if let Some(timer) = &mut self.timer {
            ready!(timer.as_mut().poll(context));
        }
        let next = Instant::now() + Duration::from_millis(interval_ms);
        self.timer = Some(Box::pin(sleep_until(next)));
        Poll::Ready(self.find_new_files())
    }

    fn find_new_files(&mut self) -> Result<(), TaskError> {
        for file in list(&self.table)? {
            if self.share.has(&file.path) && !self.position.seen.contains(&file.path) {
                self.position.seen.insert(file.path.clone());
                if !is_pruned(&self.table, &self.scan, &file)? {
                    self.position.splits.extend(splits_of(&self.table, file)?);
                }
            }
        }
        Ok(())
    }
}

impl TableReader for FileTableReader {
    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        rows_max: usize,
    ) -> Poll<Result<Option<RecordBatch>, TaskError>> {
        while self.position.splits.is_empty() {
            let Some(interval_ms) = self.table.monitor_interval_ms else { return Poll::Ready(Ok(None)) };
            if let Err(error) = ready!(self.poll_monitor(context, interval_ms)) {
                return Poll::Ready(Err(error));
            }
        }
        Poll::Ready(self.read_split(rows_max).map(Some))
    }

    fn pending(&self) -> Pending {
        let begun = |index| if index == 0 { self.position.next } else { None };
        let left = |(index, split): (usize, &Split)| split.left(begun(index));
        Pending { records: None, bytes: self.position.splits.iter().enumerate().map(left).sum() }
    }

    fn snapshot(&mut self, checkpoint: CheckpointId) -> Result<Vec<u8>, TaskError> {
        let letters: Letters = self.malformed.snapshot(checkpoint)?;
        Ok(codec::encode(&(&self.position, letters))?)
    }

    fn checkpoint_completed(&mut self, checkpoint: CheckpointId) -> Result<(), TaskError> {
        self.malformed.checkpoint_completed(checkpoint)
    }

    fn locate(&mut self, row: usize) -> Option<String> {
        let (file, rows) = self.located.as_ref()?;
        Some(match rows {
            Rows::At(offsets) => RecordPlace { file, offset: *offsets.get(row)? }.to_string(),
            Rows::From { row_group, first } => {
                format!("`{}`, row group {row_group}, row {}", file.path, first + row as u64)
            }
        })
    }
}
