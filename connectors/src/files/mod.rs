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
    look::json_of,
    source::Source,
};
use headwater_core::{codec, ids::JobId, options::MalformedRecords};

use crate::{
    decode::{Decode, FromBytes, FromText, Text},
    malformed::{Letters, MalformedHandler},
    rate::RateLimit,
};
use listing::{ListedFile, list};
pub use reader::FileReader;
use reader::{Position, Split};

/// Reads the lines of a file, or of all files in a folder, but not in folders below it. Lines end in `\n` or `\r\n`, which
/// are not part of them.
///
/// A line that is longer than 16 MiB, or not UTF-8, or refused by the function that [decodes](Self::decode) it, is a malformed
/// record.
///
/// Files whose names begin with a dot are passed over: that is what files in the making are called.
///
/// ```
/// use headwater_connectors::{MalformedRecords, files::FileSource};
/// // Numbers, one a line. What is no number is kept apart, to be looked at.
/// let numbers = FileSource::new("numbers.txt")
///     .decode(|line| line.trim().parse::<u64>())
///     .on_malformed(MalformedRecords::DeadLetter("not-numbers".into()));
/// ```
#[derive(Debug)]
pub struct FileSource<D = Text> {
    path: PathBuf,
    rows_per_second: Option<f64>,
    decoder: D,
    /// The job's if not set.
    on_malformed: Option<MalformedRecords>,
    /// All subtasks must deal out the same files, also if one is opened later than another.
    listing: Mutex<Option<(JobId, Arc<[ListedFile]>)>>,
}

impl FileSource {
    /// A source of the lines below `path`, at full speed.
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self {
            path: path.as_ref().to_owned(),
            rows_per_second: None,
            decoder: Text,
            on_malformed: None,
            listing: Mutex::new(None),
        }
    }
}

impl<D> FileSource<D> {
    /// Yields what `function` makes of each line. An error makes the line a malformed record, of which it is the cause.
    pub fn decode<T, E, F: Fn(&str) -> Result<T, E>>(self, function: F) -> FileSource<FromText<F, T>> {
        self.with(FromText::new(function))
    }

    /// As [`decode`](Self::decode), for lines that need not be UTF-8.
    pub fn decode_bytes<T, E, F: Fn(&[u8]) -> Result<T, E>>(
        self,
        function: F,
    ) -> FileSource<FromBytes<F, T>> {
        self.with(FromBytes::new(function))
    }

    fn with<E>(self, decoder: E) -> FileSource<E> {
        let Self { path, rows_per_second, on_malformed, listing, .. } = self;
        FileSource { path, rows_per_second, decoder, on_malformed, listing }
    }

    /// What becomes of lines that are malformed; if not set, what the job's option `source.malformed-records` says.
    pub fn on_malformed(mut self, policy: MalformedRecords) -> Self {
        self.on_malformed = Some(policy);
        self
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

impl<D: Decode> Source for FileSource<D> {
    type Item = D::Item;
    type Reader = FileReader<D>;

    fn show_position(&self, position: &[u8]) -> Option<String> {
        json_of::<(Position, Letters)>(position)
    }

    fn open(&self, context: &TaskContext, position: Option<&[u8]>) -> Result<FileReader<D>, TaskError> {
        let parallelism = context.vertex.parallelism;
        let (position, letters) = match position {
            Some(bytes) => codec::decode::<(Position, Letters)>(bytes)?,
            None => {
                let splits = deal(&self.listing_of(context.job)?, context.index(), parallelism);
                (Position { parallelism, splits, next: None }, Letters::default())
            }
        };
        if position.parallelism != parallelism {
            return Err(TaskError::Connector(format!(
                "`{}` was restored with parallelism {parallelism}: expected {}, by which its files were dealt out",
                self.path.display(),
                position.parallelism
            )));
        }
        position.splits.iter().try_for_each(|split| split.file.open().map(drop))?;
        let rate = self.rows_per_second.map(RateLimit::new).transpose()?;
        let malformed = MalformedHandler::open(self.on_malformed.as_ref(), context, letters)?;
        Ok(FileReader::new(position, self.decoder.clone(), malformed, rate))
    }
}
