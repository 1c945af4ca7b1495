//! Finds the files to read, and finds them again.

use std::{
    fs::{self, File},
    path::Path,
};

use headwater_actors::context::TaskError;
use headwater_core::access;
use serde::{Deserialize, Serialize};

/// A file as it was when it was listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ListedFile {
    pub(super) path: String,
    pub(super) bytes: u64,
}

impl ListedFile {
    /// Opens the file, if it still has its length.
    pub(super) fn open(&self) -> Result<File, TaskError> {
        let file = access::open_file(&self.path).map_err(|error| cannot_read(&self.path, error))?;
        self.check_length(&file)?;
        Ok(file)
    }

    /// Refuses a file that has become longer or shorter.
    pub(super) fn check_length(&self, file: &File) -> Result<(), TaskError> {
        let found = file.metadata().map_err(|error| cannot_read(&self.path, error))?.len();
        if found == self.bytes { Ok(()) } else { Err(self.changed(found)) }
    }

    pub(super) fn changed(&self, found_bytes: u64) -> TaskError {
        TaskError::Connector(format!(
            "`{}` was changed while a job was reading it: expected {} bytes, found {found_bytes}; restore it, or start \
             the job afresh",
            self.path, self.bytes
        ))
    }
}

pub(super) fn cannot_read(path: impl std::fmt::Display, error: std::io::Error) -> TaskError {
    TaskError::io(format_args!("cannot read `{path}`"), error)
}

/// The file at `path`, or the files in the folder at `path`, by name.
pub(super) fn list(path: &Path) -> Result<Vec<ListedFile>, TaskError> {
    let unreadable = |error| cannot_read(path.display(), error);
    let metadata = access::metadata(path).map_err(unreadable)?;
    if metadata.is_file() {
        return Ok(vec![listed(path, metadata.len())?]);
    }
    if !metadata.is_dir() {
        return Err(TaskError::Connector(format!(
            "cannot read `{}`: expected a file or a folder, found neither",
            path.display()
        )));
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let found = entry.path();
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        // Follows links, unlike the entry's own metadata.
        let metadata = access::metadata(&found).map_err(|error| cannot_read(found.display(), error))?;
        if metadata.is_file() {
            files.push(listed(&found, metadata.len())?);
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn listed(path: &Path, bytes: u64) -> Result<ListedFile, TaskError> {
    let Some(path) = path.to_str() else {
        return Err(TaskError::Connector(format!(
            "cannot read `{}`: expected a name in UTF-8; rename it",
            path.display()
        )));
    };
    Ok(ListedFile { path: path.to_owned(), bytes })
}
