//! Files that are only appended to. When one is large it gets the next number behind its name, and the oldest goes.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// How large files get, and how many are kept.
#[derive(Debug, Clone, Copy)]
pub struct Rolling {
    /// Beyond so many bytes a new file is begun.
    pub file_bytes_max: u64,
    /// Files that are kept, the one that is written included: at least 2.
    pub files_max: u32,
    /// Who may read a file that is made.
    pub mode: u32,
}

/// The file that is written, and older ones behind it.
#[derive(Debug)]
pub struct RollingFile {
    path: PathBuf,
    rolling: Rolling,
    file: File,
    bytes: u64,
}

impl RollingFile {
    /// Opens the file, or makes it. What a killed process wrote last may be half a line, which is ended.
    pub fn open(path: &Path, rolling: Rolling) -> io::Result<Self> {
        let mut file = append(path, rolling.mode)?;
        let mut bytes = file.seek(SeekFrom::End(0))?;
        if bytes > 0 {
            let mut last = [0];
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                file.write_all(b"\n")?;
                bytes += 1;
            }
        }
        Ok(Self { path: path.to_owned(), rolling, file, bytes })
    }

    /// Appends whole lines.
    pub fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.bytes > 0 && self.bytes + lines.len() as u64 > self.rolling.file_bytes_max {
            for number in (1..self.rolling.files_max.max(2)).rev() {
                rename_if_there(&numbered(&self.path, number - 1), &numbered(&self.path, number))?;
            }
            self.file = append(&self.path, self.rolling.mode)?;
            self.bytes = 0;
        }
        self.file.write_all(lines)?;
        self.bytes += lines.len() as u64;
        Ok(())
    }

    /// The file that is written.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file that is written, and those behind it, newest first; they need not be there.
    pub fn paths(&self) -> impl Iterator<Item = PathBuf> {
        (0..self.rolling.files_max).map(|number| numbered(&self.path, number))
    }
}

fn append(path: &Path, mode: u32) -> io::Result<File> {
    OpenOptions::new().create(true).read(true).append(true).mode(mode).open(path)
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    if number > 0 {
        name.push(format!(".{number}"));
    }
    name.into()
}

fn rename_if_there(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
