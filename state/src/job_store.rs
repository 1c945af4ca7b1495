//! The control plane's store: a small RocksDB in which every write is synced.

use std::path::Path;

use headwater_core::{
    codec::{frame, unframe},
    fault::{FaultPoint, try_reach},
    store::{DurableStore, StoreError},
};
use rocksdb::{BlockBasedOptions, Cache, DB, Direction, IteratorMode, Options, WriteOptions};

use crate::StateError;

const VALUE_MAGIC: [u8; 4] = *b"HWJS";

/// Keys and values of a few kilobytes, in one folder that no other process may open at the same time.
pub struct RocksJobStore {
    db: DB,
    synced: WriteOptions,
}

impl RocksJobStore {
    /// Opens the store in a folder, which is created if it is not there.
    pub fn open(folder: &Path) -> Result<Self, StateError> {
        let mut tables = BlockBasedOptions::default();
        tables.set_block_cache(&Cache::new_lru_cache(512 << 10));
        let mut options = Options::default();
        options.create_if_missing(true);
        options.set_block_based_table_factory(&tables);
        options.set_write_buffer_size(1 << 20);
        options.set_max_write_buffer_number(2);
        options.set_max_background_jobs(1);
        options.set_max_total_wal_size(4 << 20);
        options.set_max_open_files(64);
        options.set_keep_log_file_num(1);
        options.set_max_log_file_size(1 << 20);
        let db = DB::open(&options, folder).map_err(StateError::rocks("open the job store"))?;
        let mut synced = WriteOptions::default();
        synced.set_sync(true);
        Ok(Self { db, synced })
    }
}

impl DurableStore for RocksJobStore {
    fn put(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        try_reach(FaultPoint::JobStorePut).map_err(failed("write", key))?;
        let framed = frame(VALUE_MAGIC, &value).map_err(failed("write", key))?;
        self.db.put_opt(key, framed, &self.synced).map_err(failed("write", key))
    }

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let framed = self.db.get(key).map_err(failed("read", key))?;
        framed.map(|framed| value_of(key, &framed)).transpose()
    }

    fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.db.delete_opt(key, &self.synced).map_err(failed("delete", key))
    }

    fn scan(&self, prefix: &str) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let mut found = Vec::new();
        for entry in self.db.iterator(IteratorMode::From(prefix.as_bytes(), Direction::Forward)) {
            let (key, framed) = entry.map_err(failed("scan", prefix))?;
            if !key.starts_with(prefix.as_bytes()) {
                break;
            }
            let key = String::from_utf8(key.into_vec()).map_err(failed("read a key below", prefix))?;
            let value = value_of(&key, &framed)?;
            found.push((key, value));
        }
        Ok(found)
    }
}

fn value_of(key: &str, framed: &[u8]) -> Result<Vec<u8>, StoreError> {
    unframe(VALUE_MAGIC, framed).map_err(failed("read", key))
}

fn failed<E: std::fmt::Display>(action: &str, key: &str) -> impl FnOnce(E) -> StoreError {
    move |error| StoreError(format!("job store: cannot {action} `{key}`: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_is_there_after_reopening_in_order_and_by_prefix() {
        let folder = tempfile::tempdir().unwrap();
        {
            let store = RocksJobStore::open(folder.path()).unwrap();
            for key in ["job/b", "job/a", "jobs", "other", "job/c"] {
                store.put(key, key.as_bytes()).unwrap();
            }
            store.put("job/a", b"again").unwrap();
            store.delete("job/c").unwrap();
            store.delete("never there").unwrap();
        }
        let store = RocksJobStore::open(folder.path()).unwrap();
        let expected = vec![("job/a".to_owned(), b"again".to_vec()), ("job/b".to_owned(), b"job/b".to_vec())];
        assert_eq!(store.scan("job/").unwrap(), expected);
        assert_eq!(store.get("other").unwrap(), Some(b"other".to_vec()));
        assert_eq!(store.get("job/c").unwrap(), None);
    }

    #[test]
    fn a_damaged_value_is_an_error_that_names_its_key() {
        let folder = tempfile::tempdir().unwrap();
        let store = RocksJobStore::open(folder.path()).unwrap();
        store.put("job/a", b"value").unwrap();
        let mut framed = store.db.get("job/a").unwrap().unwrap();
        *framed.last_mut().unwrap() ^= 1;
        store.db.put("job/a", framed).unwrap();
        let error = store.get("job/a").unwrap_err().to_string();
        assert_eq!(error, "job store: cannot read `job/a`: damaged data: the checksum does not match");
        assert!(store.scan("job/").is_err());
    }
}
