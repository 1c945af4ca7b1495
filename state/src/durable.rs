//! What it takes for a file to be there after a power loss: its bytes and its name in its folder must be synced.

use std::{
    fs::{self, File},
    io,
    path::Path,
};

use crate::StateError;

/// Makes the names in a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), StateError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(StateError::io("sync", folder))
}

/// Makes the bytes of a file durable.
pub(crate) fn sync_file(file: &Path) -> Result<(), StateError> {
    File::open(file).and_then(|file| file.sync_all()).map_err(StateError::io("sync", file))
}

/// Makes the names from `folder` up to `root` durable, `root` included.
pub(crate) fn sync_folders_up_to(folder: &Path, root: &Path) -> Result<(), StateError> {
    folder.ancestors().take_while(|ancestor| ancestor.starts_with(root)).try_for_each(sync_folder)
}

/// Creates a folder with its parents.
pub(crate) fn create_folder(folder: &Path) -> Result<(), StateError> {
    fs::create_dir_all(folder).map_err(StateError::io("create", folder))
}

/// Removes a folder with all that is in it; that it is not there is no error.
pub(crate) fn remove_folder(folder: &Path) -> Result<(), StateError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StateError::io("remove", folder)(error)),
        _ => Ok(()),
    }
}
