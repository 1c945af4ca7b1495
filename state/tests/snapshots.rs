//! What a snapshot's files promise.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::{os::unix::fs::MetadataExt, path::Path};

use common::{BACKENDS, MAX_PARALLELISM, World};
use headwater_core::{
    checkpoint::{FileRef, KeyedStateHandle},
    ids::CheckpointId,
    key_group::{hash_key, key_group},
    options::StateBackend,
};
use headwater_state::{BackendConfig, KeyedBackend, StateEnv, StateError, Table};

fn add(table: &mut Table<u64, u64>, keys: impl Iterator<Item = u64>) {
    let mut plain = table.select(0).unwrap();
    for key in keys {
        *plain.get_or_insert_with(hash_key(&key), &key, || 0).unwrap() += 1;
    }
}

fn take(backend: &mut KeyedBackend, table: &mut Table<u64, u64>, checkpoint: u64) -> KeyedStateHandle {
    backend.snapshot(CheckpointId(checkpoint), &mut [table]).unwrap().write().unwrap()
}

fn contents(table: &mut Table<u64, u64>) -> Vec<(u64, u64)> {
    let mut found = Vec::new();
    for group in table.key_groups() {
        table.scan(0, group, |_, key, value| found.push((*key, *value))).unwrap();
    }
    found.sort_unstable();
    found
}

fn ssts(handle: &KeyedStateHandle) -> Vec<FileRef> {
    let KeyedStateHandle::RocksDb { files, .. } = handle else {
        panic!("expected RocksDB's, found {handle:?}")
    };
    files.iter().filter(|file| file.path.ends_with(".sst")).cloned().collect()
}

#[test]
fn checkpoints_and_what_is_restored_from_them_share_their_files() {
    let world = World::new();
    let mut backend = world.open(StateBackend::RocksDb, None);
    let mut table = backend.table::<u64, u64>("counts").unwrap();
    add(&mut table, 0..10_000);
    let first = take(&mut backend, &mut table, 1);
    add(&mut table, 0..10);
    let second = take(&mut backend, &mut table, 2);

    let [old] = &ssts(&first)[..] else { panic!("expected one file, found {:?}", ssts(&first)) };
    assert_eq!(first.new_bytes(), old.bytes);
    assert!(second.new_bytes() < first.new_bytes() / 10, "only what changed is written");
    let shared = &ssts(&second)[0];
    let inode = |checkpoint: u64, file: &FileRef| {
        let folder = world.checkpoint_folder(CheckpointId(checkpoint));
        std::fs::metadata(folder.join(&file.path)).unwrap().ino()
    };
    assert_eq!(inode(1, old), inode(2, shared));

    let config = world.config(StateBackend::RocksDb);
    let work = world.folder.path().join(format!("work/{}/{}/db", world.job, config.attempt));
    let restored = KeyedBackend::open(&world.env, config, Some((CheckpointId(2), &second))).unwrap();
    let name = shared.path.rsplit('/').next().unwrap();
    assert_eq!(std::fs::metadata(work.join(name)).unwrap().ino(), inode(2, shared));
    drop(restored);
    assert!(!work.exists(), "a working folder goes with its attempt");
}

#[test]
fn a_checkpoint_stays_whole_when_those_around_it_are_removed() {
    let world = World::new();
    let mut backend = world.open(StateBackend::RocksDb, None);
    let mut table = backend.table::<u64, u64>("counts").unwrap();
    let handles: Vec<_> = (1..=12)
        .map(|checkpoint| {
            add(&mut table, 0..checkpoint * 100);
            take(&mut backend, &mut table, checkpoint)
        })
        .collect();
    let expected = contents(&mut table);
    drop((backend, table));
    for checkpoint in 1..12 {
        std::fs::remove_dir_all(world.checkpoint_folder(CheckpointId(checkpoint))).unwrap();
    }
    let mut restored = world.open(StateBackend::RocksDb, Some((CheckpointId(12), &handles[11])));
    assert_eq!(contents(&mut restored.table("counts").unwrap()), expected);
}

#[test]
fn a_checkpoint_of_unchanged_state_writes_nothing_new() {
    let world = World::new();
    let mut backend = world.open(StateBackend::RocksDb, None);
    let mut table = backend.table::<u64, u64>("counts").unwrap();
    add(&mut table, 0..100);
    let first = take(&mut backend, &mut table, 1);
    let second = take(&mut backend, &mut table, 2);
    assert_eq!((second.new_bytes(), ssts(&second).len()), (0, ssts(&first).len()));
}

#[test]
fn a_damaged_or_missing_file_is_found_when_a_new_process_restores_state() {
    for backend_type in BACKENDS {
        let world = World::new();
        let mut backend = world.open(backend_type, None);
        let mut table = backend.table::<u64, u64>("counts").unwrap();
        add(&mut table, 0..100);
        let handle = take(&mut backend, &mut table, 1);
        let files = handle.files();
        let reopen = || {
            let (env, config) = (StateEnv::open(world.folder.path()).unwrap(), world.config(backend_type));
            KeyedBackend::open(&env, config, Some((CheckpointId(1), &handle))).map(|_| ())
        };
        for file in files {
            let path = world.checkpoint_folder(CheckpointId(1)).join(&file.path);
            let whole = std::fs::read(&path).unwrap();
            let longer = [&whole[..], b"x"].concat();
            std::fs::write(&path, longer).unwrap();
            assert!(matches!(reopen(), Err(StateError::Damaged { .. })), "too long: {}", file.path);
            // RocksDB's log is empty, as it is switched off.
            for at in [0, whole.len() / 2, whole.len().saturating_sub(1)] {
                if file.bytes > 0 {
                    flip(&path, at);
                    assert!(matches!(reopen(), Err(StateError::Damaged { .. })), "flipped: {}", file.path);
                    std::fs::write(&path, &whole).unwrap();
                }
            }
            std::fs::remove_file(&path).unwrap();
            assert!(matches!(reopen(), Err(StateError::Damaged { .. })), "missing: {}", file.path);
            std::fs::write(&path, whole).unwrap();
        }
        reopen().unwrap();
    }
}

fn flip(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn damage_under_a_running_database_is_found_by_the_restore_after_the_read_that_met_it() {
    let world = World::new();
    let mut backend = world.open(StateBackend::RocksDb, None);
    let mut table = backend.table::<u64, u64>("counts").unwrap();
    add(&mut table, 0..10_000);
    let first = take(&mut backend, &mut table, 1);
    let [file] = &ssts(&first)[..] else { panic!("expected one file, found {:?}", ssts(&first)) };
    let path = world.checkpoint_folder(CheckpointId(1)).join(&file.path);
    drop((backend, table));
    flip(&path, file.bytes as usize / 4);

    // This process wrote the file, so it does not read it through.
    let mut backend = world.open(StateBackend::RocksDb, Some((CheckpointId(1), &first)));
    let mut table = backend.table::<u64, u64>("counts").unwrap();
    let second = take(&mut backend, &mut table, 2);
    assert_eq!(ssts(&second)[0].crc32, file.crc32, "the sum of a file is that of when it was new");
    let mut groups = table.key_groups();
    let read = groups.try_for_each(|group| table.scan(0, group, |_, _, _| ()));
    assert!(matches!(read, Err(StateError::RocksDb { .. })), "found {read:?}");
    drop((backend, table));
    for (checkpoint, handle) in [(2, &second), (1, &first)] {
        let config = world.config(StateBackend::RocksDb);
        let restored = KeyedBackend::open(&world.env, config, Some((CheckpointId(checkpoint), handle)));
        let error = restored.err().unwrap();
        assert!(matches!(error, StateError::Damaged { .. }), "found {error}");
    }
}

#[test]
fn a_subtask_restores_the_key_groups_that_it_owns_and_refuses_to_lack_one() {
    for backend_type in BACKENDS {
        let world = World::new();
        let mut backend = world.open(backend_type, None);
        let mut table = backend.table::<u64, u64>("counts").unwrap();
        add(&mut table, 0..1_000);
        let whole = take(&mut backend, &mut table, 1);

        let config = world.owning(backend_type, 2..5);
        let mut part = KeyedBackend::open(&world.env, config, Some((CheckpointId(1), &whole))).unwrap();
        let mut table = part.table::<u64, u64>("counts").unwrap();
        let owned = |key: &u64| (2..5).contains(&key_group(hash_key(key), MAX_PARALLELISM));
        let expected: Vec<(u64, u64)> = (0..1_000).filter(owned).map(|key| (key, 1)).collect();
        assert_eq!(contents(&mut table), expected);
        let part = take(&mut part, &mut table, 2);

        let narrower = world.owning(backend_type, 3..4);
        KeyedBackend::open(&world.env, narrower, Some((CheckpointId(2), &part))).unwrap();
        let wider = world.owning(backend_type, 2..6);
        let refused = KeyedBackend::open(&world.env, wider, Some((CheckpointId(2), &part)));
        assert!(matches!(refused, Err(StateError::KeyGroups { .. })));
        let other = BackendConfig { max_parallelism: 16, ..world.owning(backend_type, 2..5) };
        let refused = KeyedBackend::open(&world.env, other, Some((CheckpointId(2), &part)));
        assert!(matches!(refused, Err(StateError::KeyGroups { .. })));
    }
}

/// Removes the folders of all checkpoints but this one.
fn remove_all_but(world: &World, kept: u64) {
    let kept = world.checkpoint_folder(CheckpointId(kept));
    for folder in std::fs::read_dir(kept.parent().unwrap()).unwrap() {
        let path = folder.unwrap().path();
        if path != kept {
            std::fs::remove_dir_all(path).unwrap();
        }
    }
}

#[test]
fn snapshots_on_the_heap_have_what_changed_in_few_files_until_that_is_as_much_as_all() {
    let world = World::new();
    let mut backend = world.open(StateBackend::HashMap, None);
    let mut table = backend.table::<u64, u64>("counts").unwrap();
    add(&mut table, 0..10_000);
    let whole = take(&mut backend, &mut table, 1);
    let (mut new_bytes, mut wholes) = (0, 0);
    for checkpoint in 2..=200 {
        add(&mut table, checkpoint * 50..checkpoint * 50 + 80);
        let mut plain = table.select(0).unwrap();
        for key in [checkpoint, 20_000 - checkpoint] {
            plain.remove(hash_key(&key), &key).unwrap();
        }
        let handle = take(&mut backend, &mut table, checkpoint);
        assert!(handle.files().len() <= 8, "found {}", handle.files().len());
        assert!(handle.bytes() < whole.bytes() * 3, "{} bytes of {}", handle.bytes(), whole.bytes());
        new_bytes += handle.new_bytes();
        wholes += usize::from(handle.files().len() == 1);
        if checkpoint % 20 == 0 {
            remove_all_but(&world, checkpoint);
            let mut restored = world.open(StateBackend::HashMap, Some((CheckpointId(checkpoint), &handle)));
            assert_eq!(contents(&mut restored.table("counts").unwrap()), contents(&mut table));
        }
    }
    assert!(wholes > 0, "what has changed is as much as all by then");
    assert!(new_bytes < 20 * whole.bytes(), "200 snapshots wrote {new_bytes} bytes of {}", whole.bytes());
}

#[test]
fn a_damaged_file_of_the_heap_is_not_carried_on() {
    let world = World::new();
    let mut backend = world.open(StateBackend::HashMap, None);
    let mut table = backend.table::<u64, u64>("counts").unwrap();
    add(&mut table, 0..10_000);
    let mut refused = 0;
    for checkpoint in 1..=20 {
        add(&mut table, 0..10);
        match backend.snapshot(CheckpointId(checkpoint), &mut [&mut table]).unwrap().write() {
            Ok(handle) if checkpoint == 4 => {
                let newest = &handle.files().last().unwrap().path;
                flip(&world.checkpoint_folder(CheckpointId(4)).join(newest), 3);
            }
            Err(StateError::Damaged { .. }) => refused = checkpoint,
            Ok(handle) if checkpoint == refused + 1 && refused > 0 => {
                assert_eq!(handle.files().len(), 1, "all is written anew");
                let mut restored =
                    world.open(StateBackend::HashMap, Some((CheckpointId(checkpoint), &handle)));
                assert_eq!(contents(&mut restored.table("counts").unwrap()), contents(&mut table));
                return;
            }
            written => drop(written.unwrap()),
        }
    }
    panic!("the files were to be merged");
}

#[test]
fn a_state_that_is_not_registered_after_a_restore_is_carried_on() {
    for backend_type in BACKENDS {
        let world = World::new();
        let mut backend = world.open(backend_type, None);
        let mut kept = backend.table::<u64, u64>("kept").unwrap();
        let mut used = backend.table::<u64, u64>("used").unwrap();
        add(&mut kept, 0..100);
        add(&mut used, 0..100);
        let refused = backend.snapshot(CheckpointId(1), &mut [&mut used]);
        assert!(matches!(refused, Err(StateError::IncompleteSnapshot { .. })));
        let first = backend.snapshot(CheckpointId(1), &mut [&mut used, &mut kept]).unwrap().write().unwrap();

        let mut backend = world.open(backend_type, Some((CheckpointId(1), &first)));
        let mut used = backend.table::<u64, u64>("used").unwrap();
        let mut new = backend.table::<u64, u64>("new").unwrap();
        assert!(matches!(backend.table::<u64, u64>("new"), Err(StateError::AlreadyRegistered(_))));
        add(&mut used, 0..100);
        add(&mut new, 0..5);
        let second = backend.snapshot(CheckpointId(2), &mut [&mut used, &mut new]).unwrap().write().unwrap();

        let mut backend = world.open(backend_type, Some((CheckpointId(2), &second)));
        let all = |count: u64| (0..100).map(|key| (key, count)).collect::<Vec<_>>();
        assert_eq!(contents(&mut backend.table("kept").unwrap()), all(1));
        assert_eq!(contents(&mut backend.table("used").unwrap()), all(2));
        assert_eq!(contents(&mut backend.table("new").unwrap()), all(1)[..5]);
    }
}

#[test]
fn what_is_removed_from_a_state_that_was_registered_late_stays_removed() {
    for backend_type in BACKENDS {
        let world = World::new();
        let mut backend = world.open(backend_type, None);
        let mut table = backend.table::<u64, u64>("counts").unwrap();
        add(&mut table, 0..1_000);
        let first = take(&mut backend, &mut table, 1);

        let mut backend = world.open(backend_type, Some((CheckpointId(1), &first)));
        let _carried_on = backend.snapshot(CheckpointId(2), &mut []).unwrap().write().unwrap();
        let mut table = backend.table::<u64, u64>("counts").unwrap();
        assert!(table.select(0).unwrap().remove(hash_key(&7), &7).unwrap());
        let third = take(&mut backend, &mut table, 3);
        let mut backend = world.open(backend_type, Some((CheckpointId(3), &third)));
        assert_eq!(contents(&mut backend.table("counts").unwrap()), contents(&mut table));
    }
}

#[test]
fn a_type_that_changed_and_a_backend_that_changed_are_refused() {
    for (backend_type, other) in
        [BACKENDS, [StateBackend::RocksDb, StateBackend::HashMap]].map(|[a, b]| (a, b))
    {
        let world = World::new();
        let mut backend = world.open(backend_type, None);
        let mut table = backend.table::<u64, u64>("counts").unwrap();
        add(&mut table, 0..1);
        let handle = take(&mut backend, &mut table, 1);
        let restore = Some((CheckpointId(1), &handle));

        let refused = KeyedBackend::open(&world.env, world.config(other), restore);
        assert!(matches!(refused, Err(StateError::OtherBackend { .. })));
        let mut backend = world.open(backend_type, restore);
        let read = backend
            .table::<u64, (u64, String)>("counts")
            .and_then(|mut table| Ok(table.select(0)?.get(hash_key(&0u64), &0)?.cloned()));
        assert!(matches!(read, Err(StateError::Codec { .. })), "found {read:?}");
    }
}

#[test]
fn a_write_that_failed_loses_nothing_for_the_next_one() {
    let world = World::new();
    let mut backend = world.open(StateBackend::RocksDb, None);
    let mut table = backend.table::<u64, u64>("counts").unwrap();
    add(&mut table, 0..100);
    // In the way of the checkpoint's folder.
    std::fs::create_dir_all(world.checkpoint_folder(CheckpointId(1)).parent().unwrap()).unwrap();
    std::fs::write(world.checkpoint_folder(CheckpointId(1)), "in the way").unwrap();
    let failed = backend.snapshot(CheckpointId(1), &mut [&mut table]).unwrap().write();
    assert!(matches!(failed, Err(StateError::Io { .. })), "found {failed:?}");
    add(&mut table, 50..150);
    let second = take(&mut backend, &mut table, 2);
    let expected = contents(&mut table);
    let mut restored = world.open(StateBackend::RocksDb, Some((CheckpointId(2), &second)));
    assert_eq!(contents(&mut restored.table("counts").unwrap()), expected);
}

#[test]
fn purging_a_job_removes_its_working_folders_and_no_others() {
    let (world, other) = (World::new(), World::new());
    let mut config = world.config(StateBackend::RocksDb);
    let mine = KeyedBackend::open(&world.env, config.clone(), None).unwrap();
    config.job = other.job;
    let _others = KeyedBackend::open(&world.env, config, None).unwrap();
    let folder = |world_of: &World| world.folder.path().join("work").join(world_of.job.to_string());
    assert!(folder(&world).is_dir() && folder(&other).is_dir());
    drop(mine);
    world.env.purge_job(world.job).unwrap();
    assert!(!folder(&world).exists() && folder(&other).is_dir());
    world.env.purge_job(world.job).unwrap();
}
