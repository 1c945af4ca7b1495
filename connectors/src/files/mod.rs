//! A source that reads text files line by line.
//!
//! What there is to read is fixed when a job first opens the source and goes into every position: files that are added
//! later are not seen, and one that was removed, or whose length changed, is an error rather than wrong data.
//!
//! Files are dealt out to the subtasks in turn, in the order of their names. One file alone is cut into ranges of bytes,
//! one for each subtask; a line belongs to the range in which it begins.

mod listing;
mod reader;

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use headwater_actors::{
    context::{TaskContext, TaskError},
    source::Source,
};
use headwater_core::{codec, ids::JobId};

use crate::{Str, rate::RateLimit};
use listing::{ListedFile, list};
pub use reader::FileReader;
use reader::{Position, Split};

/// Reads the lines of a file, or of all files in a folder, but not in folders below it. Lines end in `\n` or `\r\n`, which
/// are not part of them, and must be UTF-8 and no longer than 16 MiB.
///
/// Files whose names begin with a dot are passed over: that is what files in the making are called.
#[derive(Debug)]
pub struct FileSource {
    path: PathBuf,
    rows_per_second: Option<f64>,
    /// All subtasks must deal out the same files, also if one is opened later than another.
    listing: Mutex<Option<(JobId, Arc<[ListedFile]>)>>,
}

impl FileSource {
    /// A source of the lines below `path`, at full speed.
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self { path: path.as_ref().to_owned(), rows_per_second: None, listing: Mutex::new(None) }
    }

    /// Reads at most so many lines per second and subtask.
    pub fn rate(mut self, lines_per_second: f64) -> Self {
        self.rows_per_second = Some(lines_per_second);
        self
    }

    fn listing_of(&self, job: JobId) -> Result<Arc<[ListedFile]>, TaskError> {
        let mut known = self.listing.lock().unwrap_or_else(PoisonError::into_inner);
        match &*known {
            Some((listed_for, files)) if *listed_for == job => Ok(files.clone()),
            _ => {
                let files: Arc<[ListedFile]> = list(&self.path)?.into();
                *known = Some((job, files.clone()));
                Ok(files)
            }
        }
    }
}

/// What subtask `index` of `parallelism` reads of the files.
fn deal(files: &[ListedFile], index: u32, parallelism: u32) -> VecDeque<Split> {
    if let [file] = files {
        let boundary = |range: u32| {
            let share = u128::from(file.bytes) * u128::from(range) / u128::from(parallelism);
            u64::try_from(share).expect("a share of a u64 is a u64")
        };
        return VecDeque::from([Split {
            file: file.clone(),
            begin: boundary(index),
            end: boundary(index + 1),
        }]);
    }
    files
        .iter()
        .skip(index as usize)
        .step_by(parallelism as usize)
        .map(|file| Split { file: file.clone(), begin: 0, end: file.bytes })
        .collect()
}

impl Source for FileSource {
    type Item = Str;
    type Reader = FileReader;

    fn open(&self, context: &TaskContext, position: Option<&[u8]>) -> Result<FileReader, TaskError> {
        let parallelism = context.vertex.parallelism;
        let rate = self.rows_per_second.map(RateLimit::new).transpose()?;
        let Some(bytes) = position else {
            let splits = deal(&self.listing_of(context.job)?, context.index(), parallelism);
            splits.iter().try_for_each(|split| split.file.open().map(drop))?;
            return Ok(FileReader::new(Position { parallelism, splits, next_offset: None }, rate));
        };
        let position: Position = codec::decode(bytes)?;
        if position.parallelism != parallelism {
            return Err(TaskError::Connector(format!(
                "`{}` was restored with parallelism {parallelism}: expected {}, by which its files were dealt out",
                self.path.display(),
                position.parallelism
            )));
        }
        position.splits.iter().try_for_each(|split| split.file.open().map(drop))?;
        Ok(FileReader::new(position, rate))
    }
}
