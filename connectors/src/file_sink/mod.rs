//! A sink that writes text files, exactly once.
//!
//! Rows go into hidden files in progress. When a checkpoint is taken, they are synced and closed, and their names go into the
//! checkpoint; once it is completed they are renamed to their final names. So a reader sees whole files only, and only rows
//! that a completed checkpoint covers.
//!
//! If that checkpoint turns out to be damaged later and the job goes back to the one before, the files that it made visible
//! are withdrawn, by hidden names, before their rows are written again. A reader that has seen them meanwhile sees the
//! same rows again, maybe spread over other files; one that looks when the job has ended, or at any one moment, sees no row twice.

mod part;
mod prepared;

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    fmt::Display,
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
    sync::Arc,
};

use headwater_actors::{
    batch::Batch,
    context::{TaskContext, TaskError},
    look::json_of,
    sink::{Sink, SinkWriter},
};
use headwater_core::{
    access, codec,
    fault::{FaultPoint, reach},
    fs::{FileSystem, create_folder_durably},
    ids::CheckpointId,
};

use crate::folder::name_of;
use part::Part;
use prepared::{Prepared, State, below, name_in, split};

const ROLL_BYTES: u64 = 128 << 20;
const PART: &str = "part";
const DEAD_LETTER: &str = "dead-letter";
const IN_PROGRESS: &str = ".inprogress";
const WITHDRAWN: &str = ".withdrawn";

/// Writes each row as a line to files in a folder, which is made if it isn't there. A file ends with each checkpoint, and before
/// that if it becomes too long; without rows there is no file. Final names are
/// `part-<job>-<operator>-<subtask>-<sequence>`, so several jobs can write into one folder.
#[derive(Debug, Clone)]
pub struct FileSink {
    folder: PathBuf,
    /// So many levels of folders below it hold files, too.
    depth: usize,
    /// The name of an empty file in every folder that rows were committed to.
    marker: Option<String>,
    roll_bytes: u64,
    /// What the files' names begin with.
    kind: &'static str,
}

impl FileSink {
    /// A sink into this folder.
    pub fn new(folder: impl AsRef<Path>) -> Self {
        Self {
            folder: folder.as_ref().to_owned(),
            depth: 0,
            marker: None,
            roll_bytes: ROLL_BYTES,
            kind: PART,
        }
    }

    /// Files may lie in folders below this one, so many levels deep: partitions (`a=1/b=x`), by which
    /// [`FileWriter::append`] names them.
    pub fn partition_depth(mut self, levels: usize) -> Self {
        self.depth = levels;
        self
    }

    /// Makes an empty file of this name in each partition when rows are committed to it.
    pub fn success_file(mut self, name: impl Into<String>) -> Self {
        self.marker = Some(name.into());
        self
    }

    /// What a source's dead letters go through. Its files have names of their own, so that the sink that is fused to the
    /// source may write into the same folder.
    pub(crate) fn of_dead_letters(folder: &Path) -> Self {
        Self { kind: DEAD_LETTER, ..Self::new(folder) }
    }

    /// Begins a new file when one has so many bytes, also between checkpoints; 128 MiB if not set.
    pub fn roll_bytes(mut self, bytes: u64) -> Self {
        self.roll_bytes = bytes;
        self
    }
}

/// Writes the files of one subtask.
#[derive(Debug)]
pub struct FileWriter {
    fs: Arc<dyn FileSystem>,
    folder: PathBuf,
    depth: usize,
    marker: Option<String>,
    roll_bytes: u64,
    /// What the names of this subtask's files begin with: kind, job, operator and index.
    owner: String,
    /// The attempt, as it is in the names of its files in progress.
    attempt: String,
    state: State,
    /// The files in progress, by the folder that they are in; the one of an unpartitioned sink has no name.
    parts: BTreeMap<String, Part>,
    /// The folders below the sink's that are known to be there for good.
    partitions: HashSet<String>,
    /// Closed files that are not yet prepared.
    closed: Vec<(String, String)>,
}

impl<T: Display + 'static> Sink<T> for FileSink {
    type Writer = FileWriter;

    fn show_state(&self, state: &[u8]) -> Option<String> {
        json_of::<State>(state)
    }

    fn show_prepared(&self, prepared: &[u8]) -> Option<String> {
        json_of::<Prepared>(prepared)
    }

    fn open(
        &self,
        context: &TaskContext,
        state: Option<&[u8]>,
        prepared: &[&[u8]],
    ) -> Result<FileWriter, TaskError> {
        let is_restored = state.is_some();
        let state = state.map(codec::decode::<State>).transpose()?.unwrap_or_default();
        let mut kept = HashSet::new();
        for bytes in prepared {
            kept.extend(codec::decode::<Prepared>(bytes)?.renames.into_iter().map(|(from, _)| from));
        }
        let writer = FileWriter {
            fs: context.fs(),
            folder: self.folder.clone(),
            depth: self.depth,
            marker: self.marker.clone(),
            roll_bytes: self.roll_bytes.max(1),
            owner: format!(
                "{}-{}-{}-{}",
                self.kind,
                context.job,
                name_of(&context.vertex.uid),
                context.index()
            ),
            attempt: context.attempt.to_string().replace('-', "_"),
            state,
            parts: BTreeMap::new(),
            partitions: HashSet::new(),
            closed: Vec::new(),
        };
        writer.prepare_folder(is_restored)?;
        let names = writer.list()?;
        // If this attempt has hung, what comes from now on may be its successor's; what was listed is not.
        context.fence.check()?;
        writer.remove_orphans(&names, &kept)?;
        writer.withdraw(&names)?;
        Ok(writer)
    }
}

impl FileWriter {
    /// Makes the folder, durable once something was restored, and finds out now whether it can be written to.
    fn prepare_folder(&self, is_durable: bool) -> Result<(), TaskError> {
        let create = || match is_durable {
            true => self.fs.create_folder(&self.folder),
            false => create_folder_durably(&*self.fs, &self.folder),
        };
        let probe = self.folder.join(self.in_progress_name("probe"));
        access::check_path(&self.folder)
            .and_then(|()| create())
            .and_then(|()| access::check_path(&self.folder))
            .and_then(|()| self.fs.create_new(&probe))
            .and_then(|_| self.fs.remove_file(&probe))
            .map_err(|error| self.failed("write files to", error))
    }

    /// The paths of all files in the folder, and in the partitions below it.
    fn list(&self) -> Result<Vec<String>, TaskError> {
        let mut paths = Vec::new();
        let mut folders = vec![(String::new(), 0)];
        while let Some((folder, depth)) = folders.pop() {
            let entries = self
                .fs
                .list(&self.folder.join(&folder))
                .map_err(|error| self.failed("list what is in", error))?;
            for entry in entries {
                let path = below(&folder, &entry.name);
                match entry.is_folder {
                    true if depth < self.depth => folders.push((path, depth + 1)),
                    true => {}
                    false => paths.push(path),
                }
            }
        }
        Ok(paths)
    }

    /// Removes what earlier attempts have begun and no checkpoint knows of.
    fn remove_orphans(&self, names: &[String], kept: &HashSet<String>) -> Result<(), TaskError> {
        let is_orphan = |path: &&String| self.is_in_progress(name_in(path)) && !kept.contains(*path);
        for name in names.iter().filter(is_orphan) {
            self.fs
                .remove_file(&self.folder.join(name))
                .map_err(|error| self.failed("remove a file from", error))?;
        }
        Ok(())
    }

    /// Hides what was committed for checkpoints that are later than the one that this goes on from: they were lost, and what
    /// they held is about to be written again.
    fn withdraw(&self, names: &[String]) -> Result<(), TaskError> {
        let is_later = |path: &&String| {
            self.sequence_of(name_in(path)).is_some_and(|sequence| sequence >= self.state.next_sequence)
        };
        let mut touched = BTreeSet::new();
        for path in names.iter().filter(is_later) {
            let (folder, name) = split(path);
            tracing::warn!(
                folder = %self.folder.display(),
                name = path,
                "withdrew a file of a checkpoint that was lost: its rows are written again"
            );
            let to = self.folder.join(below(folder, &format!(".{name}{WITHDRAWN}")));
            self.fs
                .rename(&self.folder.join(path), &to)
                .map_err(|error| self.failed("withdraw a file in", error))?;
            touched.insert(folder);
        }
        touched.into_iter().try_for_each(|folder| self.sync_folder(folder))
    }

    fn final_name(&self, sequence: u64) -> String {
        format!("{}-{sequence}", self.owner)
    }

    /// The sequence number in a final name of this subtask's.
    fn sequence_of(&self, name: &str) -> Option<u64> {
        let sequence: u64 = name.rsplit('-').next()?.parse().ok()?;
        (name == self.final_name(sequence)).then_some(sequence)
    }

    fn in_progress_name(&self, number: impl Display) -> String {
        format!(".{}-{}-{number}{IN_PROGRESS}", self.owner, self.attempt)
    }

    /// Whether a file in progress is of this subtask, of whichever attempt.
    fn is_in_progress(&self, name: &str) -> bool {
        let stem = name.strip_prefix('.').and_then(|name| name.strip_suffix(IN_PROGRESS));
        stem.and_then(|stem| stem.rsplitn(3, '-').nth(2)) == Some(&self.owner)
    }

    /// The file in progress in a folder; one is begun if there is none.
    fn part_in(&mut self, folder: &str) -> Result<&mut Part, TaskError> {
        if !self.parts.contains_key(folder) {
            let part = self.create_part(folder).map_err(|error| self.failed("make a file in", error))?;
            self.state.next_sequence += 1;
            self.parts.insert(folder.to_owned(), part);
        }
        Ok(self.parts.get_mut(folder).expect("it was made if it was not there"))
    }

    fn create_part(&mut self, folder: &str) -> std::io::Result<Part> {
        let sequence = self.state.next_sequence;
        let path = self.folder.join(folder);
        access::check_path(&path)?;
        if !folder.is_empty() && !self.partitions.contains(folder) {
            create_folder_durably(&*self.fs, &path)?;
            self.partitions.insert(folder.to_owned());
        }
        Part::create(&*self.fs, &self.folder, below(folder, &self.in_progress_name(sequence)), sequence)
    }

    /// Makes the file in progress in a folder durable, if there is one. It gets its final name when it is committed.
    pub fn close(&mut self, folder: &str) -> Result<(), TaskError> {
        let Some(part) = self.parts.remove(folder) else { return Ok(()) };
        let to = below(folder, &self.final_name(part.sequence()));
        let from = part.finish().map_err(|error| self.failed("sync a file in", error))?;
        self.closed.push((from, to));
        Ok(())
    }

    /// Appends bytes to the file in progress in a folder below the sink's, which is made if it isn't there; `""` is the
    /// sink's own. Returns how long that file is.
    pub fn append(&mut self, folder: &str, bytes: &[u8]) -> Result<u64, TaskError> {
        let part = self.part_in(folder)?;
        let written = part.write_all(bytes);
        let length = part.bytes();
        written.map_err(|error| self.failed("write to a file in", error))?;
        Ok(length)
    }

    pub(crate) fn write_row(&mut self, row: &impl Display) -> Result<(), TaskError> {
        let roll_bytes = self.roll_bytes;
        let part = self.part_in("")?;
        let written = writeln!(part, "{row}");
        let is_full = part.bytes() >= roll_bytes;
        written.map_err(|error| self.failed("write to a file in", error))?;
        if is_full { self.close("") } else { Ok(()) }
    }

    /// Renames one file; it may have been done before.
    fn publish(&self, from: &str, to: &str) -> Result<(), TaskError> {
        let (source, target) = (self.folder.join(from), self.folder.join(to));
        let exists = |path: &Path| self.fs.exists(path).map_err(|error| self.failed("look into", error));
        match (exists(&source)?, exists(&target)?) {
            (false, true) => Ok(()),
            (true, false) => {
                match access::check_path(&target).and_then(|()| self.fs.rename(&source, &target)) {
                    // An earlier attempt that had not yet noticed its end was faster.
                    Err(error) if error.kind() == ErrorKind::NotFound && exists(&target)? => Ok(()),
                    result => result.map_err(|error| self.failed("rename a file in", error)),
                }
            }
            (true, true) => Err(TaskError::Connector(format!(
                "cannot commit `{from}` in `{}`: `{to}` exists already; it holds rows of a checkpoint that is no longer \
                 known, move it away if they are to be written again",
                self.folder.display()
            ))),
            (false, false) => Err(TaskError::Connector(format!(
                "cannot commit `{from}` in `{}`: neither it nor `{to}` is there; someone removed it, so whether its rows \
                 were seen is unknown",
                self.folder.display()
            ))),
        }
    }

    fn sync_folder(&self, folder: &str) -> Result<(), TaskError> {
        self.fs.sync_folder(&self.folder.join(folder)).map_err(|error| self.failed("sync", error))
    }

    /// Makes the file that says that rows were committed to a folder.
    fn mark(&self, folder: &str) -> Result<(), TaskError> {
        let Some(marker) = &self.marker else { return Ok(()) };
        match self.fs.create_new(&self.folder.join(below(folder, marker))) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                Err(self.failed("make a success file in", error))
            }
            _ => Ok(()),
        }
    }

    fn failed(&self, doing: &str, error: std::io::Error) -> TaskError {
        TaskError::io(format_args!("cannot {doing} `{}`", self.folder.display()), error)
    }
}

impl<T: Display + 'static> SinkWriter<T> for FileWriter {
    fn write(&mut self, batch: &mut Batch<T>) -> Result<(), TaskError> {
        batch.drain().try_for_each(|(row, _)| self.write_row(&row))
    }

    fn prepare(&mut self, _: CheckpointId) -> Result<Option<Vec<u8>>, TaskError> {
        while let Some((folder, _)) = self.parts.first_key_value() {
            self.close(&folder.clone())?;
        }
        if self.closed.is_empty() {
            return Ok(None);
        }
        let prepared = Prepared { renames: std::mem::take(&mut self.closed) };
        prepared.folders().into_iter().try_for_each(|folder| self.sync_folder(folder))?;
        Ok(Some(codec::encode(&prepared)?))
    }

    fn snapshot(&mut self) -> Result<Vec<u8>, TaskError> {
        Ok(codec::encode(&self.state)?)
    }

    fn commit(&mut self, prepared: &[u8]) -> Result<(), TaskError> {
        let prepared: Prepared = codec::decode(prepared)?;
        for (from, to) in &prepared.renames {
            self.publish(from, to)?;
            reach(FaultPoint::SinkCommitPart);
        }
        // Also if nothing had to be renamed: who did it may have died before this.
        prepared.folders().into_iter().try_for_each(|folder| {
            self.mark(folder)?;
            self.sync_folder(folder)
        })
    }
}

impl Drop for FileWriter {
    /// Leaves no file that no checkpoint knows of, as far as it can: the next attempt looks for what is left.
    fn drop(&mut self) {
        let open = std::mem::take(&mut self.parts).into_values().map(Part::into_name);
        for name in self.closed.drain(..).map(|(from, _)| from).chain(open) {
            let _ = self.fs.remove_file(&self.folder.join(name));
        }
    }
}
