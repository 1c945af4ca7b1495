//! The file system, behind a seam: the same code runs on the machine's and, in simulations, on one in memory that
//! forgets what was not synced.

use std::{
    fmt,
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom, Write},
    ops::Range,
    path::Path,
};

use crate::fault::{FaultPoint, try_reach};

/// What is in a folder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// Whether it is a folder itself.
    pub is_folder: bool,
    /// A file's length.
    pub bytes: u64,
}

/// A file that is being written.
pub trait FileWriter: Write + Send + fmt::Debug {
    /// Makes what was written durable. After an error what is on the disk is unknown, also after a later success: the
    /// file must be given up.
    fn sync(&mut self) -> io::Result<()>;
}

/// Files and folders. A name is durable once its folder was synced, a file's bytes once the file was.
pub trait FileSystem: Send + Sync + fmt::Debug {
    /// Makes a folder with its parents; that it is there is no error.
    fn create_folder(&self, folder: &Path) -> io::Result<()>;

    /// Makes a file, which must not be there yet.
    fn create_new(&self, file: &Path) -> io::Result<Box<dyn FileWriter>>;

    /// Opens a file to write at its end.
    fn append(&self, file: &Path) -> io::Result<Box<dyn FileWriter>>;

    /// A file's bytes.
    fn read(&self, file: &Path) -> io::Result<Vec<u8>>;

    /// Some of a file's bytes; there must be as many.
    fn read_range(&self, file: &Path, range: Range<u64>) -> io::Result<Vec<u8>> {
        let bytes = self.read(file)?;
        let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
        let found = bytes.get(place(range.start)..place(range.end));
        found.map(<[u8]>::to_vec).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// What is in a folder, in the order of the names.
    fn list(&self, folder: &Path) -> io::Result<Vec<Entry>>;

    /// Whether there is such a file or folder.
    fn exists(&self, path: &Path) -> io::Result<bool>;

    /// Gives a file another name; a file that has it is replaced.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Gives a file a second name, which must not be there yet, on the same file system.
    fn link(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Cuts a file to so many bytes.
    fn truncate(&self, file: &Path, bytes: u64) -> io::Result<()>;

    /// Removes a file.
    fn remove_file(&self, file: &Path) -> io::Result<()>;

    /// Removes a folder with all that is in it; that it is not there is no error.
    fn remove_folder(&self, folder: &Path) -> io::Result<()>;

    /// Makes the bytes of a file durable, whoever wrote them.
    fn sync_file(&self, file: &Path) -> io::Result<()>;

    /// Makes the names in a folder durable.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
}

/// Makes a folder with its parents, all of which are there after a power loss, too: a folder's name is durable once its
/// parent was synced. Parents that may not be read are not ours, and have long been there.
pub fn create_folder_durably(fs: &dyn FileSystem, folder: &Path) -> io::Result<()> {
    fs.create_folder(folder)?;
    let parents = folder.ancestors().skip(1).filter(|parent| !parent.as_os_str().is_empty());
    for parent in parents {
        match fs.sync_folder(parent) {
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
            synced => synced?,
        }
    }
    Ok(())
}

/// The machine's own.
#[derive(Debug, Clone, Copy, Default)]
pub struct LocalFileSystem;

#[derive(Debug)]
struct LocalFile(File);

impl Write for LocalFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        try_reach(FaultPoint::StorageWrite)?;
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl FileWriter for LocalFile {
    fn sync(&mut self) -> io::Result<()> {
        try_reach(FaultPoint::StorageSync)?;
        self.0.sync_all()
    }
}

impl FileSystem for LocalFileSystem {
    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        try_reach(FaultPoint::StorageCreate)?;
        fs::create_dir_all(folder)
    }

    fn create_new(&self, file: &Path) -> io::Result<Box<dyn FileWriter>> {
        try_reach(FaultPoint::StorageCreate)?;
        Ok(Box::new(LocalFile(File::create_new(file)?)))
    }

    fn append(&self, file: &Path) -> io::Result<Box<dyn FileWriter>> {
        Ok(Box::new(LocalFile(File::options().append(true).open(file)?)))
    }

    fn read(&self, file: &Path) -> io::Result<Vec<u8>> {
        try_reach(FaultPoint::StorageRead)?;
        fs::read(file)
    }

    fn read_range(&self, file: &Path, range: Range<u64>) -> io::Result<Vec<u8>> {
        try_reach(FaultPoint::StorageRead)?;
        let mut file = File::open(file)?;
        let length = range.end.saturating_sub(range.start);
        if file.metadata()?.len() < range.end {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        file.seek(SeekFrom::Start(range.start))?;
        let mut bytes = Vec::new();
        file.take(length).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            // No name that we give is anything else, and what is not ours is passed over.
            let Ok(name) = entry.file_name().into_string() else { continue };
            let metadata = match entry.metadata() {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                metadata => metadata?,
            };
            entries.push(Entry { name, is_folder: metadata.is_dir(), bytes: metadata.len() });
        }
        entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        path.try_exists()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        try_reach(FaultPoint::StorageRename)?;
        fs::rename(from, to)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        try_reach(FaultPoint::StorageCreate)?;
        fs::hard_link(from, to)
    }

    fn truncate(&self, file: &Path, bytes: u64) -> io::Result<()> {
        File::options().write(true).open(file)?.set_len(bytes)
    }

    fn remove_file(&self, file: &Path) -> io::Result<()> {
        try_reach(FaultPoint::StorageRemove)?;
        fs::remove_file(file)
    }

    fn remove_folder(&self, folder: &Path) -> io::Result<()> {
        try_reach(FaultPoint::StorageRemove)?;
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn sync_file(&self, file: &Path) -> io::Result<()> {
        try_reach(FaultPoint::StorageSync)?;
        File::open(file)?.sync_all()
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        try_reach(FaultPoint::StorageSyncFolder)?;
        File::open(folder)?.sync_all()
    }
}
