//! A key group that is on the disk is read key by key at first, and as a whole once many of its keys were asked for, if it is
//! small enough. Whoever asks cannot tell.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use common::{MAX_PARALLELISM, World};
use headwater_core::{ids::CheckpointId, key_group::hash_key, options::StateBackend};
use headwater_state::Table;

/// Numbers with `padding` bytes behind each, which make a key group large.
fn check(keys_per_group: u64, padding: usize) {
    let keys = keys_per_group * u64::from(MAX_PARALLELISM);
    let value = |number: u64| (number, vec![number as u8; padding]);
    let world = World::new();
    let handle = {
        let mut backend = world.open(StateBackend::RocksDb, None);
        let mut table: Table<u64, (u64, Vec<u8>)> = backend.table("values").unwrap();
        let mut plain = table.select(0).unwrap();
        for key in 0..keys {
            plain.insert(hash_key(&key), key, value(key));
        }
        backend.snapshot(CheckpointId(1), &mut [&mut table]).unwrap().write().unwrap()
    };

    let mut backend = world.open(StateBackend::RocksDb, Some((CheckpointId(1), &handle)));
    let mut table: Table<u64, (u64, Vec<u8>)> = backend.table("values").unwrap();
    let expected = |key: u64| match key % 5 {
        0 => None,
        1 => Some(value(key + keys)),
        2 => Some(value(key + 1)),
        _ => Some(value(key)),
    };
    let mut plain = table.select(0).unwrap();
    // Removed, overwritten and modified both while keys are read one by one and after they were read as a whole.
    for key in 0..keys {
        let hash = hash_key(&key);
        match key % 5 {
            0 => assert!(plain.remove(hash, &key).unwrap(), "key {key} was there"),
            1 => plain.insert(hash, key, value(key + keys)),
            2 => *plain.get_mut(hash, &key).unwrap().unwrap() = value(key + 1),
            _ => {}
        }
        let stranger = key + keys;
        assert_eq!(plain.get(hash_key(&stranger), &stranger).unwrap(), None);
    }
    for key in 0..keys {
        assert_eq!(plain.get(hash_key(&key), &key).unwrap(), expected(key).as_ref(), "key {key}");
    }
    let mut found = Vec::new();
    for group in table.key_groups() {
        table.scan(0, group, |_, key, value| found.push((*key, value.clone()))).unwrap();
    }
    found.sort_unstable();
    let all: Vec<_> = (0..keys).filter_map(|key| Some((key, expected(key)?))).collect();
    assert!(found == all, "found {} entries, expected {}", found.len(), all.len());
}

#[test]
fn a_small_key_group_is_the_same_read_by_key_or_as_a_whole() {
    check(500, 0);
}

#[test]
fn a_key_group_of_too_many_entries_is_read_by_key() {
    check(20_000, 0);
}

#[test]
fn a_key_group_of_too_many_bytes_is_read_by_key() {
    check(1_500, 1_000);
}
