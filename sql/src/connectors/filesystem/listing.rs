//! Finds the files of a table.

use std::{
    fs::{self, Metadata},
    io,
    path::Path,
    time::UNIX_EPOCH,
};

use headwater_actors::context::TaskError;
use headwater_core::access;
use serde::{Deserialize, Serialize};

use super::{options::FileTable, partition::parse_folder};

/// A file as it was when it was listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ListedFile {
    pub(super) path: String,
    pub(super) bytes: u64,
    pub(super) modified_ms: i64,
    /// The values of the partition keys; `None` is NULL.
    pub(super) partition: Vec<Option<String>>,
}

impl ListedFile {
    pub(super) fn name(&self) -> &str {
        self.path.rsplit_once('/').map_or(self.path.as_str(), |(_, name)| name)
    }

    /// Refuses a file that has become longer or shorter.
    pub(super) fn check_length(&self) -> Result<(), TaskError> {
        let found = access::metadata(&self.path).map_err(|error| cannot_read(&self.path, error))?.len();
        if found == self.bytes {
            return Ok(());
        }
        Err(TaskError::Connector(format!(
            "`{}` was changed while a job was reading it: expected {} bytes, found {found}; restore it, or start the job \
             afresh",
            self.path, self.bytes
        )))
    }
}

pub(super) fn cannot_read(path: impl std::fmt::Display, error: io::Error) -> TaskError {
    TaskError::io(format_args!("cannot read `{path}`"), error)
}

/// The files of a table, in the order of their paths.
pub(super) fn list(table: &FileTable) -> Result<Vec<ListedFile>, TaskError> {
    let unreadable = |error| cannot_read(table.path.display(), error);
    let metadata = access::metadata(&table.path).map_err(unreadable)?;
    // Absolute, so that patterns and the metadata `file.path` are what they are in Flink.
    let path = std::path::absolute(&table.path).map_err(unreadable)?;
    let mut files = Vec::new();
    if metadata.is_dir() {
        list_folder(table, &path, &mut Vec::new(), &mut files)?;
    } else {
        add(table, &path, &metadata, &[], &mut files)?;
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn list_folder(
    table: &FileTable,
    folder: &Path,
    partition: &mut Vec<Option<String>>,
    files: &mut Vec<ListedFile>,
) -> Result<(), TaskError> {
    for entry in fs::read_dir(folder).map_err(|error| cannot_read(folder.display(), error))? {
        let entry = entry.map_err(|error| cannot_read(folder.display(), error))?;
        let (path, name) = (entry.path(), entry.file_name());
        if let [b'.' | b'_', ..] = name.as_encoded_bytes() {
            continue;
        }
        // Follows links, unlike the entry's own metadata.
        let metadata = match access::metadata(&path) {
            // A file that has been renamed meanwhile is found the next time, or was not to be read.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            metadata => metadata.map_err(|error| cannot_read(path.display(), error))?,
        };
        if !metadata.is_dir() {
            add(table, &path, &metadata, partition, files)?;
            continue;
        }
        let level = partition.len();
        if level == table.layout.partition_keys.len() {
            list_folder(table, &path, partition, files)?;
            continue;
        }
        let key = table.layout.key_name(level);
        let value =
            name.to_str().and_then(parse_folder).filter(|(found, _)| found == key).map(|(_, value)| value);
        let value = value.ok_or_else(|| {
            TaskError::Connector(format!(
                "cannot read `{}`: expected a partition folder named `{key}=…`, since the table is PARTITIONED BY that",
                path.display()
            ))
        })?;
        partition.push((value != table.default_partition).then_some(value));
        list_folder(table, &path, partition, files)?;
        partition.pop();
    }
    Ok(())
}

fn add(
    table: &FileTable,
    path: &Path,
    metadata: &Metadata,
    partition: &[Option<String>],
    files: &mut Vec<ListedFile>,
) -> Result<(), TaskError> {
    let Some(path) = path.to_str() else {
        return Err(TaskError::Connector(format!(
            "cannot read `{}`: expected a name in UTF-8; rename it",
            path.display()
        )));
    };
    if !metadata.is_file() || table.pattern.as_ref().is_some_and(|pattern| !pattern.is_match(path)) {
        return Ok(());
    }
    let keys = table.layout.partition_keys.len();
    if partition.len() != keys {
        return Err(TaskError::Connector(format!(
            "cannot read `{path}`: expected it in a partition folder `{}=…`, {} levels deep",
            table.layout.key_name(partition.len()),
            keys
        )));
    }
    let modified = metadata.modified().map_err(|error| cannot_read(path, error))?;
    let modified_ms = modified.duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_millis());
    files.push(ListedFile {
        path: path.to_owned(),
        bytes: metadata.len(),
        modified_ms: i64::try_from(modified_ms).unwrap_or(i64::MAX),
        partition: partition.to_vec(),
    });
    Ok(())
}
