//! Reading entries of a checkpoint's database for people.

use std::path::Path;

use headwater_core::{checkpoint::FileRef, ids::JobId, key_group::KeyGroup};
use rocksdb::ReadOptions;

use super::Database;
use crate::{
    Namespace, StateEnv, StateError,
    catalog::Catalog,
    disk_key::{PREFIX_BYTES, Prefix, end_of, prefix},
    look::{Entry, Position, Visit},
};

/// A checkpoint's database, opened in a folder of its own: its files stay as they are, and stay even if the checkpoint goes.
pub(crate) struct RocksReader {
    database: Database,
}

impl RocksReader {
    pub fn open(
        env: &StateEnv,
        job: JobId,
        checkpoint: &Path,
        files: &[FileRef],
    ) -> Result<(Self, Catalog), StateError> {
        let (database, catalog) = Database::look(env, job, checkpoint, files)?;
        Ok((Self { database }, catalog))
    }

    /// Visits the entries of a key group, those behind `after`.
    pub fn visit(
        &self,
        state: u16,
        group: KeyGroup,
        after: Option<&Position>,
        visit: &mut Visit<'_>,
    ) -> Result<(), StateError> {
        let first = prefix(group, state, Namespace::MIN);
        let start = match after {
            Some(after) => [&prefix(group, state, after.namespace), after.key.as_slice()].concat(),
            None => first.to_vec(),
        };
        let mut options = ReadOptions::default();
        options.set_iterate_upper_bound(end_of(prefix(group, state, Namespace::MAX)));
        // The job's own blocks stay in the cache.
        options.fill_cache(false);
        let mut iterator = self.database.db().raw_iterator_opt(options);
        iterator.seek(&start);
        while let Some((key, value)) = iterator.item() {
            let is_behind = after.is_none() || key > start.as_slice();
            if is_behind {
                let Some((before, key)) = key.split_first_chunk::<PREFIX_BYTES>() else { break };
                let position = Position { group, namespace: namespace_of(before), key: key.to_vec() };
                let entry = Entry { position, value: value.to_vec(), is_undivided: false };
                if visit(entry).is_break() {
                    return Ok(());
                }
            }
            iterator.next();
        }
        iterator.status().map_err(StateError::rocks("read a range"))
    }
}

fn namespace_of(prefix: &Prefix) -> Namespace {
    let mut ordered = [0; 8];
    ordered.copy_from_slice(&prefix[4..]);
    (u64::from_be_bytes(ordered) ^ (1 << 63)).cast_signed()
}
