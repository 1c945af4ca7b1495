//! What it takes for a file to be there after a power loss: its bytes and its name in its folder must be synced.

use std::path::Path;

use headwater_core::fs::FileSystem;

use crate::StateError;

/// Makes the names in a folder durable.
pub(crate) fn sync_folder(fs: &dyn FileSystem, folder: &Path) -> Result<(), StateError> {
    fs.sync_folder(folder).map_err(StateError::io("sync", folder))
}

/// Makes the names from `folder` up to `root` durable, `root` included.
pub(crate) fn sync_folders_up_to(fs: &dyn FileSystem, folder: &Path, root: &Path) -> Result<(), StateError> {
    let mut folders = folder.ancestors().take_while(|ancestor| ancestor.starts_with(root));
    folders.try_for_each(|folder| sync_folder(fs, folder))
}

/// Creates a folder with its parents.
pub(crate) fn create_folder(fs: &dyn FileSystem, folder: &Path) -> Result<(), StateError> {
    fs.create_folder(folder).map_err(StateError::io("create", folder))
}

/// Removes a folder with all that is in it; that it is not there is no error.
pub(crate) fn remove_folder(fs: &dyn FileSystem, folder: &Path) -> Result<(), StateError> {
    fs.remove_folder(folder).map_err(StateError::io("remove", folder))
}
