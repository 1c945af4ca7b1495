//! The disk as one process has it.

use std::{
    fmt,
    io::{self, ErrorKind, Write},
    path::{Path, PathBuf},
    sync::{
        Arc, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
};

use headwater::core::{
    fault::{FaultPoint, try_reach},
    fs::{Entry, FileSystem, FileWriter},
};

use super::{Change, Disk, File, Node, State};
use crate::sim::trace::Trace;

impl Disk {
    /// The disk as a new process has it, until it is cut off by [`ProcessDisk::cut_off`].
    pub fn of_process(&self, trace: &Trace) -> ProcessDisk {
        ProcessDisk { disk: self.clone(), is_alive: Arc::new(AtomicBool::new(true)), trace: trace.clone() }
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

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.begin_writing(FaultPoint::StorageCreate, "link", to)?;
        let id = state.file(from)?;
        if state.node(to).is_some() {
            return Err(ErrorKind::AlreadyExists.into());
        }
        let (folder, name) = state.folder_of(to)?;
        folder.change(Change::Add(name, Node::File(id)));
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
