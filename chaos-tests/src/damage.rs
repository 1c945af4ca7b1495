//! Damage on the disk.

use std::{
    collections::HashSet,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use anyhow::Context;
use rand::{Rng, rngs::StdRng, seq::IndexedRandom};

/// What happens to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// One bit is another.
    Flip,
    /// Its end is missing.
    Cut,
    /// It is gone.
    Remove,
}

impl Damage {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Flip, Self::Cut, Self::Remove];

    /// Does it, to all links of the file.
    pub fn inflict(self, file: &Path, random: &mut StdRng) -> anyhow::Result<()> {
        let done = match self {
            Self::Remove => fs::remove_file(file),
            Self::Flip => fs::read(file).and_then(|mut bytes| {
                let at = random.random_range(0..bytes.len());
                bytes[at] ^= 1 << random.random_range(0..8);
                fs::write(file, bytes)
            }),
            Self::Cut => {
                let length = fs::metadata(file)?.len();
                let opened = fs::File::options().write(true).open(file);
                opened.and_then(|opened| opened.set_len(random.random_range(0..length)))
            }
        };
        done.with_context(|| format!("{self:?} of {}", file.display()))
    }
}

/// The folders of a job's completed checkpoints, oldest first.
pub fn completed_checkpoints(job: &Path) -> Vec<PathBuf> {
    let number = |folder: &PathBuf| {
        let name = folder.file_name()?.to_str()?;
        name.strip_prefix("chk-")?.parse::<u64>().ok().filter(|_| folder.join("manifest").exists())
    };
    let entries = fs::read_dir(job).into_iter().flatten().flatten();
    let mut folders: Vec<(u64, PathBuf)> =
        entries.filter_map(|entry| Some((number(&entry.path())?, entry.path()))).collect();
    folders.sort();
    folders.into_iter().map(|(_, folder)| folder).collect()
}

/// By chance one of a checkpoint's files that no other checkpoint shares. Empty ones and RocksDB's options are left out: what
/// happens to them does not matter.
pub fn any_file(checkpoint: &Path, random: &mut StdRng) -> anyhow::Result<PathBuf> {
    let others = files_of_others(checkpoint)?;
    let mut files = files_of(checkpoint)?;
    files.retain(|file| {
        let is_own = |metadata: fs::Metadata| metadata.len() > 0 && !others.contains(&metadata.ino());
        fs::metadata(file).is_ok_and(is_own) && kind_of(file) != "OPTIONS"
    });
    // There are many small files of RocksDB's: each kind is to have its chance.
    let kinds: Vec<&str> = files.iter().map(|file| kind_of(file)).collect();
    let kind = *kinds.choose(random).context("a checkpoint has a manifest")?;
    let of_kind: Vec<&PathBuf> = files.iter().filter(|file| kind_of(file) == kind).collect();
    of_kind.choose(random).map(|file| (*file).clone()).context("a kind has a file")
}

/// Removes what the file sinks below a folder have withdrawn, as users may. Returns how many files that were.
pub fn remove_withdrawn(output: &Path) -> anyhow::Result<usize> {
    let mut removed = 0;
    for folder in fs::read_dir(output)? {
        for file in fs::read_dir(folder?.path())? {
            let path = file?.path();
            if path.extension().is_some_and(|extension| extension == "withdrawn") {
                fs::remove_file(path)?;
                removed += 1;
            }
        }
    }
    Ok(removed)
}

fn files_of(checkpoint: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = vec![checkpoint.join("manifest")];
    for folder in fs::read_dir(checkpoint)?.flatten().filter(|entry| entry.path().is_dir()) {
        files.extend(fs::read_dir(folder.path())?.flatten().map(|entry| entry.path()));
    }
    Ok(files)
}

/// What identifies the files that a job's other checkpoints have: checkpoints share files by hard links.
fn files_of_others(checkpoint: &Path) -> anyhow::Result<HashSet<u64>> {
    let job = checkpoint.parent().context("a checkpoint is in its job's folder")?;
    let mut others = HashSet::new();
    for other in completed_checkpoints(job).iter().filter(|other| *other != checkpoint) {
        others.extend(files_of(other)?.iter().filter_map(|file| Some(fs::metadata(file).ok()?.ino())));
    }
    Ok(others)
}

fn kind_of(file: &Path) -> &str {
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    match name.rsplit_once('.') {
        Some((_, "sst")) => "sst",
        _ => name.split('-').next().unwrap_or_default(),
    }
}
