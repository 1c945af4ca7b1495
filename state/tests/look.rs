//! What is found in the files of a checkpoint is what the job kept.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use common::{BACKENDS, World};
use headwater_core::{
    checkpoint::KeyedStateHandle, codec::decode, ids::CheckpointId, key_group::hash_key,
    options::StateBackend,
};
use headwater_state::{
    KeyedBackend, StateError, Table, TimerService,
    look::{KeyedSnapshot, Position, StateDescription, StateKind, StateQuery},
};

fn describe(world: &World, open: impl FnOnce(&mut KeyedBackend)) -> Vec<StateDescription> {
    let (env, recorded) = world.env.recording();
    open(&mut KeyedBackend::open(&env, world.config(StateBackend::RocksDb), None).unwrap());
    recorded.take()
}

fn query<'a>(state: &'a str, description: Option<&'a StateDescription>, limit: usize) -> StateQuery<'a> {
    let deadline = Instant::now() + Duration::from_secs(60);
    StateQuery { state, description, key: None, after: None, limit, bytes_max: usize::MAX, deadline }
}

/// All entries, page by page: by namespace and key.
fn all(
    snapshot: &KeyedSnapshot,
    state: &str,
    description: &StateDescription,
    limit: usize,
) -> BTreeMap<(i64, u64), u64> {
    let mut found = BTreeMap::new();
    let mut after: Option<Position> = None;
    loop {
        let query = StateQuery { after: after.as_ref(), ..query(state, Some(description), limit) };
        let page = snapshot.page(&query).unwrap();
        assert!(page.entries.len() <= limit);
        for entry in page.entries {
            let place = (entry.position.namespace, decode(&entry.position.key).unwrap());
            assert!(found.insert(place, decode(&entry.value).unwrap()).is_none(), "{place:?} came twice");
        }
        match page.read_up_to {
            Some(read_up_to) => after = Some(read_up_to),
            None => return found,
        }
    }
}

fn take(backend: &mut KeyedBackend, table: &mut Table<u64, u64>, checkpoint: u64) -> KeyedStateHandle {
    backend.snapshot(CheckpointId(checkpoint), &mut [table]).unwrap().write().unwrap()
}

#[test]
fn every_entry_is_found_once_whatever_was_changed_between_checkpoints() {
    for backend in BACKENDS {
        let world = World::new();
        let descriptions = describe(&world, |backend| drop(backend.table::<u64, u64>("counts").unwrap()));
        let mut config = world.config(backend);
        // So that the heap's files continue one another.
        config.incremental_from_bytes = 0;
        let mut open = KeyedBackend::open(&world.env, config, None).unwrap();
        let mut table = open.table::<u64, u64>("counts").unwrap();
        let mut expected = BTreeMap::new();
        for checkpoint in 1..=6u64 {
            for namespace in [-1, 0, 7] {
                let mut space = table.select(namespace).unwrap();
                for key in (0..500).filter(|key| checkpoint == 1 || key % (40 * checkpoint) == 0) {
                    space.insert(hash_key(&key), key, key * checkpoint);
                    expected.insert((namespace, key), key * checkpoint);
                }
                let gone = checkpoint * 11;
                space.remove(hash_key(&gone), &gone).unwrap();
                expected.remove(&(namespace, gone));
            }
            if checkpoint == 4 {
                table.drop_namespace(7).unwrap();
                expected.retain(|(namespace, _), _| *namespace != 7);
            }
            let handle = take(&mut open, &mut table, checkpoint);
            let snapshot =
                KeyedSnapshot::open(&world.env, world.job, CheckpointId(checkpoint), &handle).unwrap();
            assert_eq!(snapshot.states().collect::<Vec<_>>(), ["counts"]);
            for limit in [7, 10_000] {
                assert_eq!(all(&snapshot, "counts", &descriptions[0], limit), expected, "{backend:?}");
            }
            let key = descriptions[0].form.find("40").unwrap();
            let query = StateQuery { key: Some(&key), ..query("counts", Some(&descriptions[0]), 100) };
            let found: Vec<u64> =
                snapshot.page(&query).unwrap().entries.iter().map(|e| decode(&e.value).unwrap()).collect();
            let wanted: Vec<u64> =
                expected.iter().filter(|((_, key), _)| *key == 40).map(|(_, value)| *value).collect();
            assert_eq!(found, wanted, "{backend:?}");
        }
    }
}

#[test]
fn a_look_leaves_nothing_behind_and_changes_nothing() {
    for backend in BACKENDS {
        let world = World::new();
        let descriptions = describe(&world, |backend| drop(backend.table::<u64, u64>("counts").unwrap()));
        let mut open = KeyedBackend::open(&world.env, world.config(backend), None).unwrap();
        let mut table = open.table::<u64, u64>("counts").unwrap();
        table.select(0).unwrap().insert(hash_key(&1u64), 1, 1);
        let handle = take(&mut open, &mut table, 1);
        let files = || {
            let mut names: Vec<_> = walk(world.folder.path());
            names.sort();
            names
        };
        let before = files();
        let snapshot = KeyedSnapshot::open(&world.env, world.job, CheckpointId(1), &handle).unwrap();
        assert_eq!(all(&snapshot, "counts", &descriptions[0], 10), [((0, 1), 1)].into());
        drop(snapshot);
        assert_eq!(files(), before, "{backend:?}");
    }
}

fn walk(folder: &std::path::Path) -> Vec<(std::path::PathBuf, u64)> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries
        .flat_map(|entry| match entry.metadata().unwrap() {
            found if found.is_dir() => walk(&entry.path()),
            // RocksDB's own log tells of checkpoints.
            _ if entry.file_name() == "LOG" => vec![(entry.path(), 0)],
            found => vec![(entry.path(), found.len())],
        })
        .collect()
}

#[test]
fn timers_are_found_by_their_keys_and_show_when_they_fire() {
    for backend in BACKENDS {
        let world = World::new();
        let descriptions =
            describe(&world, |backend| drop(TimerService::<String>::open(backend, "timers").unwrap()));
        assert_eq!(descriptions[0].kind, StateKind::Timers);
        let mut open = KeyedBackend::open(&world.env, world.config(backend), None).unwrap();
        let mut timers = TimerService::<String>::open(&mut open, "timers").unwrap();
        for (key, at) in [("a", 1_500), ("a", 99_000), ("b", 1_500)] {
            timers.register(at, hash_key(key), &key.to_owned()).unwrap();
        }
        let handle = open.snapshot(CheckpointId(1), &mut [timers.as_table()]).unwrap().write().unwrap();
        let snapshot = KeyedSnapshot::open(&world.env, world.job, CheckpointId(1), &handle).unwrap();
        let key = descriptions[0].form.find("a").unwrap();
        let query = StateQuery { key: Some(&key), ..query("timers", Some(&descriptions[0]), 10) };
        let shown: Vec<(String, String)> = snapshot
            .page(&query)
            .unwrap()
            .entries
            .iter()
            .map(|entry| {
                let (form, key) = (&descriptions[0].form, &entry.position.key);
                let redaction = Default::default();
                let shown_key = form.show_key(key, &redaction, 100).unwrap().json;
                (shown_key, form.show_value(key, &entry.value, &redaction, 100).unwrap().json)
            })
            .collect();
        let expected = [1_500, 99_000].map(|at| ("\"a\"".to_owned(), format!("{{\"fires_at_ms\":{at}}}")));
        assert_eq!(shown, expected, "{backend:?}");
    }
}

#[test]
fn without_types_the_heaps_entries_are_undivided_and_damage_is_found() {
    let world = World::new();
    let descriptions = describe(&world, |backend| drop(backend.table::<u64, u64>("counts").unwrap()));
    let mut open = KeyedBackend::open(&world.env, world.config(StateBackend::HashMap), None).unwrap();
    let mut table = open.table::<u64, u64>("counts").unwrap();
    (0..100u64).for_each(|key| table.select(0).unwrap().insert(hash_key(&key), key, key));
    let handle = take(&mut open, &mut table, 1);
    let snapshot = KeyedSnapshot::open(&world.env, world.job, CheckpointId(1), &handle).unwrap();
    let page = snapshot.page(&query("counts", None, 10_000)).unwrap();
    assert!(page.entries.iter().all(|entry| entry.is_undivided));
    let bytes: usize = page.entries.iter().map(|entry| entry.value.len()).sum();
    assert_eq!(bytes, 100 * 16);

    let of_another_type = describe(&world, |backend| drop(backend.table::<String, u64>("counts").unwrap()));
    let error = snapshot.page(&query("counts", Some(&of_another_type[0]), 10)).unwrap_err();
    assert!(matches!(error, StateError::Codec { .. }), "{error}");

    let handle = take(&mut open, &mut table, 2);
    let path = world.checkpoint_folder(CheckpointId(2)).join(&handle.files()[0].path);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[0] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let error = KeyedSnapshot::open(&world.env, world.job, CheckpointId(2), &handle).err().unwrap();
    assert!(matches!(error, StateError::Damaged { .. }), "{error}");
    drop(descriptions);
}
