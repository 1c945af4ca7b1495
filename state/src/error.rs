//! What can go wrong with state.

use std::{ops::Range, path::Path, path::PathBuf};

use headwater_core::{codec::CodecError, key_group::KeyGroup};

/// A failure to keep, write or read back state.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The file system refused.
    #[error("cannot {action} `{}`: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// RocksDB refused.
    #[error("RocksDB cannot {action}: {source}")]
    RocksDb {
        /// What was tried.
        action: &'static str,
        /// Why not.
        source: rocksdb::Error,
    },
    /// A key or value could not be encoded, or what was stored is not of the type that the state now has.
    #[error("state `{state}`: {source}; was the type of its keys or values changed?")]
    Codec {
        /// The state's name.
        state: String,
        /// Why not.
        source: CodecError,
    },
    /// A file of a checkpoint is not what its manifest says.
    #[error("damaged checkpoint file `{}`: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// How it differs.
        reason: String,
    },
    /// More than can be looked at.
    #[error("state `{state}` has {bytes} bytes in one key group: at most {most} can be looked at")]
    TooLarge {
        /// The state's name.
        state: String,
        /// How much there is.
        bytes: u64,
        /// How much there may be.
        most: u64,
    },
    /// Reading took too long.
    #[error("reading state `{state}` took too long: try again when the machine has less to do")]
    TooSlow {
        /// The state's name.
        state: String,
    },
    /// The job store does not open.
    #[error(
        "the job store `{}` cannot be opened: {reason}; put the folder back as it was, from a copy, or move the whole \
         data folder away to start without its jobs", folder.display()
    )]
    JobStore {
        /// Its folder.
        folder: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Two tables of one name.
    #[error("state `{0}` is registered already: give every state of an operator its own name")]
    AlreadyRegistered(String),
    /// More states than a subtask can have.
    #[error("cannot register state `{0}`: a subtask has at most 65535 states")]
    TooManyStates(String),
    /// The tables given to a snapshot are not those that were registered.
    #[error("a snapshot needs every registered table once: expected {expected:?}, found {found:?}")]
    IncompleteSnapshot {
        /// The registered names.
        expected: Vec<String>,
        /// The names of the tables given.
        found: Vec<String>,
    },
    /// The snapshot does not hold the key groups that the subtask owns.
    #[error(
        "the snapshot holds key groups {found:?} of {found_max}, but the subtask owns {expected:?} of {expected_max}: \
         keep the parallelism that the checkpoint was taken with"
    )]
    KeyGroups {
        /// What the subtask owns.
        expected: Range<KeyGroup>,
        /// The job's max parallelism.
        expected_max: u16,
        /// What the snapshot holds.
        found: Range<KeyGroup>,
        /// The max parallelism that it was taken with.
        found_max: u16,
    },
    /// The snapshot was taken with the other backend.
    #[error(
        "the snapshot was taken with the `{found}` backend, but the job uses `{expected}`: set `state.backend.type` \
         to `{found}`"
    )]
    OtherBackend {
        /// The job's backend.
        expected: &'static str,
        /// The snapshot's.
        found: &'static str,
    },
}

impl StateError {
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }

    pub(crate) fn rocks(action: &'static str) -> impl FnOnce(rocksdb::Error) -> Self {
        move |source| Self::RocksDb { action, source }
    }

    pub(crate) fn codec(state: &str) -> impl FnOnce(CodecError) -> Self {
        move |source| Self::Codec { state: state.to_owned(), source }
    }

    pub(crate) fn damaged(path: &Path, reason: impl ToString) -> Self {
        Self::Damaged { path: path.to_owned(), reason: reason.to_string() }
    }
}
