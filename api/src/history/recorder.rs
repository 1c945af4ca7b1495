//! Writes samples, folds chunks that are over, and removes what is old or too much.

use std::{
    collections::BTreeMap,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use headwater_core::{
    fs::{Entry, FileSystem, FileWriter},
    ids::VertexId,
    time::TimestampMs,
};

use super::{
    CHUNK_MS, COARSE_MS, HistoryConfig, KEPT_MS, Sample, Source, chunk_of,
    file::{ReadError, Table, encode_coarse, encode_row, encode_series, read_coarse, read_fine},
    series::{Fold, Row, SeriesKey, definition},
};

/// How much may be written before it is looked whether there is too much, as a share of what may be kept.
const UNCHECKED_SHARE: u64 = 16;
/// How often a failing disk is told of, in samples.
const WARNING_INTERVAL: u32 = 600;

/// What a file is, by its name: `<first sample>.fine`, `<chunk>.coarse`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Fine,
    Coarse,
}

/// A file of a source.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct File {
    pub(super) at_ms: TimestampMs,
    pub(super) kind: Kind,
    pub(super) path: PathBuf,
    bytes: u64,
}

impl File {
    fn of(folder: &Path, entry: &Entry) -> Option<Self> {
        let (at_ms, kind) = entry.name.split_once('.')?;
        let kind = match kind {
            "fine" => Kind::Fine,
            "coarse" => Kind::Coarse,
            _ => return None,
        };
        Some(Self { at_ms: at_ms.parse().ok()?, kind, path: folder.join(&entry.name), bytes: entry.bytes })
    }

    pub(super) fn chunk(&self) -> TimestampMs {
        chunk_of(self.at_ms)
    }

    /// What is in it. A damaged file is put aside, so that it is told of once; one that cannot be read now may be read later.
    pub(super) fn read(&self, fs: &dyn FileSystem) -> io::Result<Option<Table>> {
        let read = match self.kind {
            Kind::Fine => read_fine(fs, &self.path),
            Kind::Coarse => read_coarse(fs, &self.path),
        };
        match read {
            Ok(table) => Ok(Some(table)),
            // Removed by age since the folder was listed.
            Err(ReadError::Io(error)) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(ReadError::Io(error)) => Err(error),
            Err(ReadError::Damaged(error)) => {
                let path = self.path.display();
                tracing::warn!(%path, %error, "a file of the metric history is damaged: what it held is left out");
                if let Err(error) = fs.rename(&self.path, &self.path.with_extension("damaged")) {
                    tracing::warn!(%path, %error, "and it cannot be renamed");
                }
                Ok(None)
            }
        }
    }
}

/// The files of a source, oldest first; none if it has no folder.
pub(super) fn files_of(fs: &dyn FileSystem, folder: &Path) -> io::Result<Vec<File>> {
    if !fs.exists(folder)? {
        return Ok(Vec::new());
    }
    let mut files: Vec<File> = fs.list(folder)?.iter().filter_map(|entry| File::of(folder, entry)).collect();
    files.sort_by_key(|file| file.at_ms);
    Ok(files)
}

struct Writer {
    file: Box<dyn FileWriter>,
    vertices: Vec<VertexId>,
}

/// Owns the folder.
pub(super) struct Recorder {
    config: HistoryConfig,
    writers: BTreeMap<Source, Writer>,
    /// The chunk of the last sample.
    chunk: Option<TimestampMs>,
    /// Since it was last looked how much there is.
    unchecked_bytes: u64,
    quiet_for: u32,
}

impl Recorder {
    pub(super) fn new(config: HistoryConfig) -> Self {
        Self { config, writers: BTreeMap::new(), chunk: None, unchecked_bytes: 0, quiet_for: 0 }
    }

    /// Writes a sample. What cannot be written is left out.
    pub(super) fn record(&mut self, sample: &Sample) {
        let chunk = chunk_of(sample.at_ms);
        if self.chunk.replace(chunk) != Some(chunk) {
            self.writers.clear();
            self.tidy(sample);
        }
        let writers = &mut self.writers;
        writers.retain(|source, _| sample.rows.iter().any(|(sampled, _)| sampled == source));
        self.quiet_for = self.quiet_for.saturating_sub(1);
        for (source, row) in &sample.rows {
            if let Err(error) = self.write(*source, sample.at_ms, row) {
                // What it ends with is not known, so it is not written on.
                self.writers.remove(source);
                self.warn(&error);
            }
        }
        if self.unchecked_bytes > self.config.bytes_max / UNCHECKED_SHARE {
            self.tidy(sample);
        }
    }

    fn warn(&mut self, error: &io::Error) {
        if self.quiet_for == 0 {
            let folder = self.config.folder.display();
            tracing::warn!(%folder, %error, "the metric history cannot be written and has a gap");
            self.quiet_for = WARNING_INTERVAL;
        }
    }

    fn write(&mut self, source: Source, at_ms: TimestampMs, row: &Row) -> io::Result<()> {
        if self.writers.get(&source).is_none_or(|writer| writer.vertices != row.vertices) {
            let writer = self.create(source, at_ms, row)?;
            self.writers.insert(source, writer);
        }
        let writer = self.writers.get_mut(&source).expect("it was just inserted, or was there");
        let bytes = encode_row(at_ms, &row.values)?;
        self.unchecked_bytes += bytes.len() as u64;
        writer.file.write_all(&bytes)
    }

    fn create(&self, source: Source, at_ms: TimestampMs, row: &Row) -> io::Result<Writer> {
        let folder = self.config.folder.join(source.to_string());
        self.config.fs.create_folder(&folder)?;
        let path = folder.join(format!("{at_ms}.fine"));
        if self.config.fs.exists(&path)? {
            // Of this very second: by the process before, or because the clock was set back.
            self.config.fs.remove_file(&path)?;
        }
        let mut file = self.config.fs.create_new(&path)?;
        if let Err(error) = encode_series(&row.keys(source)).and_then(|series| file.write_all(&series)) {
            // On a full disk there would be one for each second.
            let _ = self.config.fs.remove_file(&path);
            return Err(error);
        }
        Ok(Writer { file, vertices: row.vertices.clone() })
    }

    /// Folds what is over, and removes what is not to be kept.
    fn tidy(&mut self, sample: &Sample) {
        self.unchecked_bytes = 0;
        if let Err(error) = self.try_tidy(sample) {
            self.warn(&error);
        }
    }

    fn try_tidy(&self, sample: &Sample) -> io::Result<()> {
        let fs = self.config.fs.as_ref();
        let mut kept = Vec::new();
        let mut folded = Ok(());
        for entry in fs.list(&self.config.folder)?.iter().filter(|entry| entry.is_folder) {
            let folder = self.config.folder.join(&entry.name);
            let is_known = match Source::parse(&entry.name) {
                Some(Source::Cluster) => true,
                Some(Source::Job(job)) => sample.known_jobs.contains(&job),
                None => false,
            };
            if !is_known && !sample.unreadable_jobs.contains(&entry.name) {
                fs.remove_folder(&folder)?;
                continue;
            }
            // Even if nothing can be written, what is too old goes.
            if let Some(source) = Source::parse(&entry.name) {
                folded = folded.and(fold_finished(fs, source, &folder, sample.at_ms));
            }
            kept.extend(remove_old(fs, &folder, sample.at_ms)?);
        }
        kept.sort_by_key(|file| file.at_ms);
        let mut bytes: u64 = kept.iter().map(|file| file.bytes).sum();
        for file in kept {
            if bytes <= self.config.bytes_max {
                break;
            }
            fs.remove_file(&file.path)?;
            bytes -= file.bytes;
        }
        folded
    }
}

/// Makes a coarse file of each chunk that is over and has none.
fn fold_finished(fs: &dyn FileSystem, source: Source, folder: &Path, now_ms: TimestampMs) -> io::Result<()> {
    let files = files_of(fs, folder)?;
    let is_folded = |chunk| files.iter().any(|file| file.kind == Kind::Coarse && file.at_ms == chunk);
    let mut chunks: Vec<TimestampMs> = files.iter().map(File::chunk).collect();
    chunks.dedup();
    for chunk in chunks.into_iter().filter(|chunk| *chunk < chunk_of(now_ms) && !is_folded(*chunk)) {
        let of_chunk = files.iter().filter(|file| file.kind == Kind::Fine && file.chunk() == chunk);
        let tables: Vec<Option<Table>> = of_chunk.map(|file| file.read(fs)).collect::<io::Result<_>>()?;
        let folded = fold(source, tables.into_iter().flatten());
        if !folded.rows.is_empty() {
            write_whole(fs, &folder.join(format!("{chunk}.coarse")), &encode_coarse(&folded)?)?;
        }
    }
    Ok(())
}

/// A file that is either whole or not there.
fn write_whole(fs: &dyn FileSystem, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = path.with_extension("unfinished");
    if fs.exists(&unfinished)? {
        fs.remove_file(&unfinished)?;
    }
    let mut file = fs.create_new(&unfinished)?;
    file.write_all(bytes)?;
    file.sync()?;
    fs.rename(&unfinished, path)
}

/// Samples, folded to one row per [`COARSE_MS`].
fn fold(source: Source, tables: impl Iterator<Item = Table>) -> Table {
    let mut series: Vec<(SeriesKey, Fold)> = Vec::new();
    let mut rows = BTreeMap::<TimestampMs, Vec<Folded>>::new();
    for table in tables {
        let columns: Vec<Option<usize>> = table
            .series
            .into_iter()
            .map(|key| {
                let (_, fold) = definition(source, &key)?;
                let known = series.iter().position(|(known, _)| *known == key);
                Some(known.unwrap_or_else(|| {
                    series.push((key, fold));
                    series.len() - 1
                }))
            })
            .collect();
        for (at_ms, values) in table.rows {
            let row = rows.entry(at_ms - at_ms.rem_euclid(COARSE_MS)).or_default();
            row.resize(series.len(), Folded::default());
            for (column, value) in columns.iter().zip(values) {
                if let Some(column) = column {
                    row[*column].add(value);
                }
            }
        }
    }
    let values = |mut row: Vec<Folded>| {
        row.resize(series.len(), Folded::default());
        row.iter().zip(&series).map(|(folded, (_, fold))| folded.value(*fold).unwrap_or(f32::NAN)).collect()
    };
    let rows = rows.into_iter().map(|(at_ms, row)| (at_ms, values(row))).collect();
    Table { rows, series: series.into_iter().map(|(key, _)| key).collect() }
}

/// Values of one series that become one.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(super) struct Folded {
    sum: f64,
    count: u32,
    max: f32,
}

impl Folded {
    /// What is no number is not known and counts for nothing.
    pub(super) fn add(&mut self, value: f32) {
        if value.is_nan() {
            return;
        }
        self.max = if self.count == 0 { value } else { self.max.max(value) };
        self.sum += f64::from(value);
        self.count += 1;
    }

    pub(super) fn value(&self, fold: Fold) -> Option<f32> {
        (self.count > 0).then(|| match fold {
            Fold::Mean => (self.sum / f64::from(self.count)) as f32,
            Fold::Max => self.max,
        })
    }
}

/// Removes what is too old, also of what is not ours to read, and gives what is left. A folder with nothing in it goes, too.
fn remove_old(fs: &dyn FileSystem, folder: &Path, now_ms: TimestampMs) -> io::Result<Vec<File>> {
    let mut left = Vec::new();
    let mut others = 0;
    for entry in fs.list(folder)? {
        let Some(file) = File::of(folder, &entry) else {
            let at_ms = entry.name.split('.').next().and_then(|at_ms| at_ms.parse::<TimestampMs>().ok());
            if at_ms.is_none_or(|at_ms| at_ms < now_ms - KEPT_MS) {
                fs.remove_file(&folder.join(&entry.name))?;
            } else {
                others += 1;
            }
            continue;
        };
        let kept_ms = match file.kind {
            Kind::Fine => CHUNK_MS,
            Kind::Coarse => KEPT_MS,
        };
        if file.chunk() + CHUNK_MS + kept_ms <= now_ms {
            fs.remove_file(&file.path)?;
        } else {
            left.push(file);
        }
    }
    if left.is_empty() && others == 0 {
        fs.remove_folder(folder)?;
    }
    Ok(left)
}
