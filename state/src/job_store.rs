//! The control plane's store: a small RocksDB in which every write is synced.

use std::{fs, io::ErrorKind, path::Path};

use headwater_core::{
    codec::{frame, unframe},
    fault::{FaultPoint, try_reach},
    store::{DurableStore, ScannedValue, StoreError},
};
use rocksdb::{BlockBasedOptions, Cache, DB, DBRecoveryMode, Direction, IteratorMode, Options, WriteOptions};

use crate::StateError;

const VALUE_MAGIC: [u8; 4] = *b"HWJS";

/// RocksDB's file that names what else belongs to the database, and the end of its logs' names.
const CURRENT: &str = "CURRENT";
const LOG: &str = ".log";

/// Keys and values of a few kilobytes, in one folder that no other process may open at the same time.
pub struct RocksJobStore {
    db: DB,
    synced: WriteOptions,
}

impl RocksJobStore {
    /// Opens the store in a folder, which is created if it is not there, and reads it through: what is damaged in RocksDB's
    /// own files is an error now, not when it is first asked for.
    pub fn open(folder: &Path) -> Result<Self, StateError> {
        let refused = |reason: String| StateError::JobStore { folder: folder.to_owned(), reason };
        if let Some(missing) = missing_file(folder)? {
            return Err(refused(format!("its file `{missing}` is missing")));
        }
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
        // By default what follows a damaged record of the log is dropped without a word. All but a torn end is damage.
        options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
        options.set_track_and_verify_wals_in_manifest(true);
        let db = DB::open(&options, folder).map_err(|error| refused(error.to_string()))?;
        let mut entries = db.iterator(IteratorMode::Start);
        entries.try_for_each(|entry| entry.map(drop)).map_err(|error| refused(error.to_string()))?;
        drop(entries);
        let mut synced = WriteOptions::default();
        synced.set_sync(true);
        Ok(Self { db, synced })
    }
}

impl RocksJobStore {
    fn write(&self, key: &str, value: &[u8], options: &WriteOptions) -> Result<(), StoreError> {
        try_reach(FaultPoint::JobStorePut).map_err(failed("write", key))?;
        let framed = frame(VALUE_MAGIC, &value).map_err(failed("write", key))?;
        self.db.put_opt(key, framed, options).map_err(failed("write", key))
    }
}

impl DurableStore for RocksJobStore {
    fn put(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        self.write(key, value, &self.synced)
    }

    fn put_unsynced(&self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        self.write(key, value, &WriteOptions::default())
    }

    fn get(&self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let framed = self.db.get(key).map_err(failed("read", key))?;
        framed.map(|framed| value_of(key, &framed)).transpose()
    }

    fn delete(&self, key: &str) -> Result<(), StoreError> {
        self.db.delete_opt(key, &self.synced).map_err(failed("delete", key))
    }

    fn scan(&self, prefix: &str) -> Result<Vec<ScannedValue>, StoreError> {
        let mut found = Vec::new();
        for entry in self.db.iterator(IteratorMode::From(prefix.as_bytes(), Direction::Forward)) {
            let (key, framed) = entry.map_err(failed("scan", prefix))?;
            if !key.starts_with(prefix.as_bytes()) {
                break;
            }
            let key = String::from_utf8(key.into_vec()).map_err(failed("read a key below", prefix))?;
            let value = value_of(&key, &framed);
            found.push((key, value));
        }
        Ok(found)
    }
}

/// A file that every database has and whose loss RocksDB itself does not mind: it would begin an empty one, or go on
/// without what the log holds.
fn missing_file(folder: &Path) -> Result<Option<&'static str>, StateError> {
    let mut names = Vec::new();
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        listed => listed.map_err(StateError::io("list", folder))?,
    };
    for entry in entries {
        names.push(entry.map_err(StateError::io("list", folder))?.file_name());
    }
    let has_log = names.iter().any(|name| name.to_string_lossy().ends_with(LOG));
    Ok(match names.is_empty() {
        true => None,
        false if !names.iter().any(|name| name == CURRENT) => Some(CURRENT),
        false => (!has_log).then_some("*.log"),
    })
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
        let expected =
            vec![("job/a".to_owned(), Ok(b"again".to_vec())), ("job/b".to_owned(), Ok(b"job/b".to_vec()))];
        assert_eq!(store.scan("job/").unwrap(), expected);
        assert_eq!(store.get("other").unwrap(), Some(b"other".to_vec()));
        assert_eq!(store.get("job/c").unwrap(), None);
    }

    #[test]
    fn a_damaged_value_is_an_error_that_names_its_key_and_leaves_others_readable() {
        let folder = tempfile::tempdir().unwrap();
        let store = RocksJobStore::open(folder.path()).unwrap();
        store.put("job/a", b"value").unwrap();
        store.put("job/b", b"whole").unwrap();
        let mut framed = store.db.get("job/a").unwrap().unwrap();
        *framed.last_mut().unwrap() ^= 1;
        store.db.put("job/a", framed).unwrap();
        let error = store.get("job/a").unwrap_err();
        assert_eq!(
            error.to_string(),
            "job store: cannot read `job/a`: damaged data: the checksum does not match"
        );
        let expected = vec![("job/a".to_owned(), Err(error)), ("job/b".to_owned(), Ok(b"whole".to_vec()))];
        assert_eq!(store.scan("job/").unwrap(), expected);
    }

    /// A folder with two values in RocksDB's log, or in a file of its own.
    fn stored(is_flushed: bool) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let store = RocksJobStore::open(folder.path()).unwrap();
        // Longer than what a torn end of the log could be.
        store.put("job/a", &[7; 100_000]).unwrap();
        store.put("job/b", &[8; 100_000]).unwrap();
        if is_flushed {
            store.db.flush().unwrap();
        }
        folder
    }

    fn file(folder: &Path, begins: &str, ends: &str) -> std::path::PathBuf {
        let mut files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
        let is_meant = |entry: &fs::DirEntry| {
            let name = entry.file_name().into_string().unwrap();
            name.starts_with(begins) && name.ends_with(ends) && entry.metadata().unwrap().len() > 0
        };
        files.find(is_meant).expect("RocksDB has such a file").path()
    }

    #[test]
    fn a_store_with_a_damaged_or_missing_file_does_not_open() {
        for (begins, ends, is_flushed) in
            [("", ".log", false), ("", ".sst", true), ("MANIFEST", "", true), ("CURRENT", "", true)]
        {
            for damage in ["flip", "cut", "remove"] {
                let folder = stored(is_flushed);
                let path = file(folder.path(), begins, ends);
                let mut bytes = fs::read(&path).unwrap();
                let middle = bytes.len() / 2;
                match damage {
                    // Of the log's end nobody can tell whether it ever was whole.
                    "cut" if ends == ".log" => continue,
                    "flip" => {
                        bytes[middle / 2] ^= 1;
                        fs::write(&path, bytes).unwrap();
                    }
                    "cut" => fs::write(&path, &bytes[..middle]).unwrap(),
                    _ => fs::remove_file(&path).unwrap(),
                }
                let error = RocksJobStore::open(folder.path()).err().map(|error| error.to_string());
                let error = error.unwrap_or_else(|| panic!("{damage} {begins}{ends} was not found"));
                let folder = folder.path().display().to_string();
                assert!(error.contains(&folder) && error.contains("from a copy"), "{error}");
            }
        }
    }
}
