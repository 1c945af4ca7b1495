//! A disk in memory that forgets what was not synced.
//!
//! What a process sees is what it wrote. After a power loss a file has what was last synced, and of what was written since some
//! first part, or as many zeros; a folder has the names that were last synced, and of the changes since the first few, in
//! their order, as a journaling file system has them. A process that was killed loses nothing, but whatever it still tries to
//! do while it is being taken apart fails and changes nothing: that is what a [`ProcessDisk`] is for.

mod process;

use std::{
    collections::BTreeMap,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

pub use process::ProcessDisk;
use rand::{Rng, rngs::StdRng};

/// The disk, which outlives the processes that use it.
#[derive(Clone, Default)]
pub struct Disk {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    files: BTreeMap<u64, File>,
    folders: BTreeMap<PathBuf, Folder>,
    next_file: u64,
    is_full: bool,
    is_lying: bool,
}

#[derive(Default)]
struct File {
    bytes: Vec<u8>,
    synced: Vec<u8>,
}

#[derive(Default)]
struct Folder {
    names: BTreeMap<String, Node>,
    synced: BTreeMap<String, Node>,
    /// What has changed since the last sync, oldest first.
    changes: Vec<Change>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Node {
    File(u64),
    Folder,
}

enum Change {
    Add(String, Node),
    Remove(String),
    Rename(String, String),
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<String, Node>) {
        match self {
            Self::Add(name, node) => {
                names.insert(name.clone(), *node);
            }
            Self::Remove(name) => {
                names.remove(name);
            }
            Self::Rename(from, to) => {
                if let Some(node) = names.remove(from) {
                    names.insert(to.clone(), node);
                }
            }
        }
    }
}

impl Folder {
    fn change(&mut self, change: Change) {
        change.apply(&mut self.names);
        self.changes.push(change);
    }
}

impl Disk {
    /// Takes back what was not synced, as far as chance wants.
    pub fn lose_power(&self, random: &mut StdRng) {
        let mut state = self.lock();
        for file in state.files.values_mut() {
            file.lose(random);
        }
        for folder in state.folders.values_mut() {
            let survivors = random.random_range(0..=folder.changes.len());
            let mut names = std::mem::take(&mut folder.synced);
            folder.changes.drain(..).take(survivors).for_each(|change| change.apply(&mut names));
            folder.names.clone_from(&names);
            folder.synced = names;
        }
        // A folder whose name is lost is lost with all that is in it.
        let is_known =
            |folders: &BTreeMap<PathBuf, Folder>, path: &Path| match (path.parent(), path.file_name()) {
                (Some(parent), Some(name)) => folders.get(parent).is_some_and(|folder| {
                    folder.names.get(name.to_str().unwrap_or_default()) == Some(&Node::Folder)
                }),
                _ => true,
            };
        let paths: Vec<PathBuf> = state.folders.keys().cloned().collect();
        for path in paths {
            if !is_known(&state.folders, &path) {
                state.folders.remove(&path);
            }
        }
        // And one whose name came back is empty again.
        let missing: Vec<PathBuf> = state
            .folders
            .iter()
            .flat_map(|(path, folder)| folder.names.iter().map(move |(name, node)| (path.join(name), *node)))
            .filter(|(path, node)| *node == Node::Folder && !state.folders.contains_key(path))
            .map(|(path, _)| path)
            .collect();
        state.folders.extend(missing.into_iter().map(|path| (path, Folder::default())));
    }

    /// Lets no more bytes in, or again.
    pub fn set_full(&self, is_full: bool) {
        self.lock().is_full = is_full;
    }

    /// Says that it syncs what it does not, or does.
    pub fn set_lying(&self, is_lying: bool) {
        self.lock().is_lying = is_lying;
    }

    /// A file's bytes, for those who judge.
    pub fn read(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.lock();
        let id = state.file(path).ok()?;
        Some(state.files[&id].bytes.clone())
    }

    /// What is in a folder, for those who judge.
    pub fn names(&self, folder: &Path) -> Vec<String> {
        let state = self.lock();
        state.folders.get(folder).map_or_else(Vec::new, |folder| folder.names.keys().cloned().collect())
    }

    /// Flips a bit of a file.
    pub fn flip_bit(&self, path: &Path, random: &mut StdRng) -> bool {
        let mut state = self.lock();
        let Ok(id) = state.file(path) else { return false };
        let file = state.files.get_mut(&id).expect("names are of files that are there");
        if file.bytes.is_empty() {
            return false;
        }
        let (at, bit) = (random.random_range(0..file.bytes.len()), random.random_range(0..8));
        file.bytes[at] ^= 1 << bit;
        file.synced.clone_from(&file.bytes);
        true
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl File {
    fn lose(&mut self, random: &mut StdRng) {
        if self.bytes == self.synced {
            return;
        }
        if let Some(tail) = self.bytes.strip_prefix(self.synced.as_slice()) {
            let kept = random.random_range(0..=tail.len());
            self.synced.extend_from_slice(&tail[..kept]);
            if random.random_bool(0.3) {
                // The length came through, and not all of the bytes.
                self.synced.resize(self.bytes.len(), 0);
            }
        }
        self.bytes.clone_from(&self.synced);
    }
}

impl State {
    fn folder_of(&mut self, path: &Path) -> io::Result<(&mut Folder, String)> {
        let name = path.file_name().and_then(|name| name.to_str()).ok_or(ErrorKind::InvalidInput)?;
        let folder = path.parent().and_then(|parent| self.folders.get_mut(parent));
        Ok((folder.ok_or(ErrorKind::NotFound)?, name.to_owned()))
    }

    fn node(&self, path: &Path) -> Option<Node> {
        let name = path.file_name()?.to_str()?;
        self.folders.get(path.parent()?)?.names.get(name).copied()
    }

    fn file(&self, path: &Path) -> io::Result<u64> {
        match self.node(path) {
            Some(Node::File(id)) => Ok(id),
            Some(Node::Folder) => Err(ErrorKind::IsADirectory.into()),
            None => Err(ErrorKind::NotFound.into()),
        }
    }

    fn sync_file(&mut self, id: u64) -> io::Result<()> {
        let is_lying = self.is_lying;
        let file = self.files.get_mut(&id).ok_or(ErrorKind::NotFound)?;
        if !is_lying {
            file.synced.clone_from(&file.bytes);
        }
        Ok(())
    }

    fn create_folder(&mut self, path: &Path) {
        if self.folders.contains_key(path) {
            return;
        }
        self.folders.insert(path.to_owned(), Folder::default());
        if let Some(parent) = path.parent() {
            self.create_folder(parent);
            if let Ok((folder, name)) = self.folder_of(path) {
                folder.change(Change::Add(name, Node::Folder));
            }
        }
    }

    fn remove_folder(&mut self, path: &Path) -> io::Result<()> {
        self.folders.retain(|folder, _| !folder.starts_with(path));
        let (parent, name) = self.folder_of(path)?;
        parent.change(Change::Remove(name));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use headwater::core::fs::{FileSystem, FileWriter};
    use rand::SeedableRng;

    use super::*;
    use crate::sim::trace::Trace;

    fn write(disk: &ProcessDisk, path: &str, bytes: &[u8]) -> Box<dyn FileWriter> {
        let mut file = disk.create_new(Path::new(path)).unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    #[test]
    fn what_was_synced_with_its_name_survives_and_what_was_not_may_be_torn_or_gone() {
        let mut outcomes = std::collections::BTreeSet::new();
        for seed in 0..200 {
            let disk = Disk::default();
            let process = disk.of_process(&Trace::default());
            process.create_folder(Path::new("/data/in")).unwrap();
            for folder in ["/data/in", "/data", "/"] {
                process.sync_folder(Path::new(folder)).unwrap();
            }
            write(&process, "/data/in/safe", b"safe").sync().unwrap();
            process.sync_folder(Path::new("/data/in")).unwrap();
            write(&process, "/data/in/named", b"named");
            process.sync_folder(Path::new("/data/in")).unwrap();
            write(&process, "/data/in/unnamed", b"unnamed").sync().unwrap();
            disk.lose_power(&mut StdRng::seed_from_u64(seed));
            assert_eq!(disk.read(Path::new("/data/in/safe")).unwrap(), b"safe");
            let named = disk.read(Path::new("/data/in/named")).unwrap();
            assert!(named.len() <= 5, "{named:?}");
            outcomes.insert((named, disk.read(Path::new("/data/in/unnamed"))));
        }
        assert!(outcomes.iter().any(|(_, unnamed)| unnamed.is_none()));
        assert!(outcomes.iter().any(|(_, unnamed)| unnamed.as_deref() == Some(b"unnamed")));
        assert!(outcomes.iter().any(|(named, _)| named == b"named"));
        assert!(outcomes.iter().any(|(named, _)| named == b"na\0\0\0"));
    }

    #[test]
    fn a_dead_process_changes_nothing() {
        let disk = Disk::default();
        let process = disk.of_process(&Trace::default());
        process.create_folder(Path::new("/data")).unwrap();
        let mut file = write(&process, "/data/file", b"before");
        process.cut_off();
        assert!(file.write_all(b"after").is_err());
        assert!(process.remove_file(Path::new("/data/file")).is_err());
        assert_eq!(disk.read(Path::new("/data/file")).unwrap(), b"before");
    }
}
