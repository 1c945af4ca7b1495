//! A disk in memory that forgets what was not synced.
//!
//! What a process sees is what it wrote. After a power loss a file has what was last synced, and of what was written since some
//! first part, or as many zeros; a folder has the names that were last synced, and of the changes since the first few, in
//! their order, as a journaling file system has them. A process that was killed loses nothing, but whatever it still tries to
//! do while it is being taken apart fails and changes nothing: that is what a [`ProcessDisk`] is for.

use std::{
    collections::BTreeMap,
    fmt,
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use headwater::core::{
    fault::{FaultPoint, try_reach},
    fs::{Entry, FileSystem, FileWriter},
};
use rand::{Rng, rngs::StdRng};

use super::trace::Trace;

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
    /// The disk as a new process has it, until it is cut off by [`ProcessDisk::cut_off`].
    pub fn of_process(&self, trace: &Trace) -> ProcessDisk {
        ProcessDisk { disk: self.clone(), is_alive: Arc::new(AtomicBool::new(true)), trace: trace.clone() }
    }

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

/// The disk as one process has it.
#[derive(Clone)]
pub struct ProcessDisk {
    disk: Disk,
    is_alive: Arc<AtomicBool>,
    trace: Trace,
}

impl ProcessDisk {
    /// The process is dead: nothing that it still does has an effect.
    pub fn cut_off(&self) {
        self.is_alive.store(false, Ordering::SeqCst);
    }

    /// Whether it has not been cut off.
    pub fn is_alive(&self) -> bool {
        self.is_alive.load(Ordering::SeqCst)
    }

    fn begin(
        &self,
        point: Option<FaultPoint>,
        doing: &str,
        path: &Path,
    ) -> io::Result<MutexGuard<'_, State>> {
        if let Some(point) = point.filter(|_| self.is_alive()) {
            try_reach(point)?;
        }
        if !self.is_alive() {
            return Err(io::Error::other("the process is dead"));
        }
        self.trace.note(format_args!("{doing} {}", path.display()));
        Ok(self.disk.lock())
    }

    fn begin_writing(
        &self,
        point: FaultPoint,
        doing: &str,
        path: &Path,
    ) -> io::Result<MutexGuard<'_, State>> {
        let state = self.begin(Some(point), doing, path)?;
        if state.is_full { Err(ErrorKind::StorageFull.into()) } else { Ok(state) }
    }
}

impl fmt::Debug for ProcessDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProcessDisk")
    }
}

#[derive(Debug)]
struct OpenFile {
    disk: ProcessDisk,
    path: PathBuf,
    id: u64,
}

impl Write for OpenFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.disk.begin_writing(FaultPoint::StorageWrite, "write", &self.path)?;
        let file = state.files.get_mut(&self.id).ok_or(ErrorKind::NotFound)?;
        file.bytes.extend_from_slice(bytes);
        self.disk.trace.note(format_args!("{} bytes", bytes.len()));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl FileWriter for OpenFile {
    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.disk.begin(Some(FaultPoint::StorageSync), "sync", &self.path)?;
        state.sync_file(self.id)
    }
}

impl FileSystem for ProcessDisk {
    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        self.begin_writing(FaultPoint::StorageCreate, "create folder", folder)?.create_folder(folder);
        Ok(())
    }

    fn create_new(&self, path: &Path) -> io::Result<Box<dyn FileWriter>> {
        let mut state = self.begin_writing(FaultPoint::StorageCreate, "create", path)?;
        if state.node(path).is_some() {
            return Err(ErrorKind::AlreadyExists.into());
        }
        let id = state.next_file;
        let (folder, name) = state.folder_of(path)?;
        folder.change(Change::Add(name, Node::File(id)));
        state.next_file += 1;
        state.files.insert(id, File::default());
        Ok(Box::new(OpenFile { disk: self.clone(), path: path.to_owned(), id }))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn FileWriter>> {
        let id = self.begin(None, "append", path)?.file(path)?;
        Ok(Box::new(OpenFile { disk: self.clone(), path: path.to_owned(), id }))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let state = self.begin(Some(FaultPoint::StorageRead), "read", path)?;
        Ok(state.files[&state.file(path)?].bytes.clone())
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<Entry>> {
        let state = self.begin(None, "list", folder)?;
        let listed = state.folders.get(folder).ok_or(ErrorKind::NotFound)?;
        let entry = |(name, node): (&String, &Node)| match node {
            Node::Folder => Entry { name: name.clone(), is_folder: true, bytes: 0 },
            Node::File(id) => {
                Entry { name: name.clone(), is_folder: false, bytes: state.files[id].bytes.len() as u64 }
            }
        };
        Ok(listed.names.iter().map(entry).collect())
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        Ok(self.begin(None, "look at", path)?.node(path).is_some())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.begin(Some(FaultPoint::StorageRename), "rename", from)?;
        state.file(from)?;
        assert_eq!(from.parent(), to.parent(), "this disk renames within a folder only");
        let (_, new_name) = state.folder_of(to)?;
        let (folder, name) = state.folder_of(from)?;
        folder.change(Change::Rename(name, new_name));
        Ok(())
    }

    fn truncate(&self, path: &Path, bytes: u64) -> io::Result<()> {
        let mut state = self.begin(None, "truncate", path)?;
        let id = state.file(path)?;
        let file = state.files.get_mut(&id).ok_or(ErrorKind::NotFound)?;
        file.bytes.truncate(usize::try_from(bytes).map_err(io::Error::other)?);
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut state = self.begin(Some(FaultPoint::StorageRemove), "remove", path)?;
        state.file(path)?;
        let (folder, name) = state.folder_of(path)?;
        folder.change(Change::Remove(name));
        Ok(())
    }

    fn remove_folder(&self, folder: &Path) -> io::Result<()> {
        let mut state = self.begin(Some(FaultPoint::StorageRemove), "remove folder", folder)?;
        match state.node(folder) {
            Some(_) => state.remove_folder(folder),
            None => Ok(()),
        }
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        let mut state = self.begin(Some(FaultPoint::StorageSync), "sync", path)?;
        let id = state.file(path)?;
        state.sync_file(id)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        let mut state = self.begin(Some(FaultPoint::StorageSyncFolder), "sync folder", folder)?;
        let is_lying = state.is_lying;
        let folder = state.folders.get_mut(folder).ok_or(ErrorKind::NotFound)?;
        if !is_lying {
            folder.synced.clone_from(&folder.names);
            folder.changes.clear();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

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
