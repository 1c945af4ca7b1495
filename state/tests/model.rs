//! State does what a plain map does, through snapshots that are written while it goes on changing, restores, eviction
//! and lazy reading.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use std::{collections::BTreeMap, thread::JoinHandle};

use common::{MAX_PARALLELISM, World};
use headwater_core::{
    checkpoint::KeyedStateHandle,
    ids::CheckpointId,
    key_group::{hash_key, key_group},
    options::StateBackend,
};
use headwater_state::{BackendConfig, KeyedBackend, Namespace, PendingSnapshot, StateError, Table};
use proptest::prelude::*;

const NAMESPACES: [Namespace; 4] = [i64::MIN, -7, 0, 1_000];
const KEYS: u8 = 48;

#[derive(Clone, Debug)]
enum Op {
    Insert(usize, u8, u16),
    /// `get_or_insert_with`, then append.
    Append(usize, u8, u16),
    Remove(usize, u8),
    Get(usize, u8),
    Drop(usize),
    Scan(usize),
    Snapshot(Writing),
}

/// What becomes of a snapshot.
#[derive(Clone, Copy, Debug)]
enum Writing {
    /// Another thread writes it while the operations go on.
    Concurrent,
    /// It is written after all operations.
    Late,
    /// It is written at once.
    Now,
    /// It is dropped unwritten.
    Never,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let (namespace, key) = (0..NAMESPACES.len(), 0..KEYS);
    let op = prop_oneof![
        6 => (namespace.clone(), key.clone(), any::<u16>()).prop_map(|(n, k, v)| Op::Insert(n, k, v)),
        6 => (namespace.clone(), key.clone(), any::<u16>()).prop_map(|(n, k, v)| Op::Append(n, k, v)),
        4 => (namespace.clone(), key.clone()).prop_map(|(n, k)| Op::Remove(n, k)),
        4 => (namespace.clone(), key).prop_map(|(n, k)| Op::Get(n, k)),
        1 => namespace.clone().prop_map(Op::Drop),
        1 => namespace.prop_map(Op::Scan),
        2 => prop_oneof![
            4 => Just(Writing::Concurrent),
            1 => Just(Writing::Late),
            1 => Just(Writing::Now),
            1 => Just(Writing::Never),
        ].prop_map(Op::Snapshot),
    ];
    prop::collection::vec(op, 1..300)
}

/// What one table should hold.
type Model = BTreeMap<(Namespace, String), Vec<u16>>;

/// Two tables of different types that get the same operations: snapshots interleave their entries.
struct Subject {
    backend: KeyedBackend,
    lists: Table<String, Vec<u16>>,
    sums: Table<u8, u64>,
    model: Model,
    checkpoint: CheckpointId,
}

fn name(key: u8) -> String {
    // Some longer than the inline strings of any string type.
    format!("key-{key}-{}", "x".repeat(usize::from(key % 5) * 10))
}

fn sum(list: &[u16]) -> u64 {
    list.iter().map(|item| u64::from(*item)).sum()
}

impl Subject {
    fn open(
        world: &World,
        config: BackendConfig,
        restore: Option<(CheckpointId, &KeyedStateHandle, Model)>,
    ) -> Self {
        let handle = restore.as_ref().map(|(checkpoint, handle, _)| (*checkpoint, *handle));
        let mut backend = KeyedBackend::open(&world.env, config, handle).unwrap();
        let lists = backend.table("lists").unwrap();
        let sums = backend.table("sums").unwrap();
        let (checkpoint, model) = restore
            .map_or((CheckpointId(0), Model::new()), |(checkpoint, _, model)| {
                (CheckpointId(checkpoint.0 + 1_000), model)
            });
        Self { backend, lists, sums, model, checkpoint }
    }

    fn apply(&mut self, op: &Op) -> Result<(), StateError> {
        match *op {
            Op::Insert(namespace, key, value) => {
                let (namespace, text) = (NAMESPACES[namespace], name(key));
                self.lists.select(namespace)?.insert(hash_key(&text), text.clone(), vec![value]);
                self.sums.select(namespace)?.insert(hash_key(&key), key, u64::from(value));
                self.model.insert((namespace, text), vec![value]);
            }
            Op::Append(namespace, key, value) => {
                let (namespace, text) = (NAMESPACES[namespace], name(key));
                let mut lists = self.lists.select(namespace)?;
                lists.get_or_insert_borrowed(hash_key(&text), text.as_str(), Vec::new)?.push(value);
                *self.sums.select(namespace)?.get_or_insert_with(hash_key(&key), &key, || 0)? +=
                    u64::from(value);
                self.model.entry((namespace, text)).or_default().push(value);
            }
            Op::Remove(namespace, key) => {
                let (namespace, text) = (NAMESPACES[namespace], name(key));
                let removed = self.lists.select(namespace)?.remove(hash_key(&text), &text)?;
                assert_eq!(self.sums.select(namespace)?.remove(hash_key(&key), &key)?, removed);
                assert_eq!(self.model.remove(&(namespace, text)).is_some(), removed);
            }
            Op::Get(namespace, key) => self.check_key(NAMESPACES[namespace], key)?,
            Op::Drop(namespace) => {
                let namespace = NAMESPACES[namespace];
                self.lists.drop_namespace(namespace)?;
                self.sums.drop_namespace(namespace)?;
                self.model.retain(|(other, _), _| *other != namespace);
            }
            Op::Scan(namespace) => self.check_scan(NAMESPACES[namespace])?,
            Op::Snapshot(_) => unreachable!("snapshots are taken by whoever collects them"),
        }
        Ok(())
    }

    fn check_key(&mut self, namespace: Namespace, key: u8) -> Result<(), StateError> {
        let text = name(key);
        let expected = self.model.get(&(namespace, text.clone()));
        assert_eq!(self.lists.select(namespace)?.get(hash_key(&text), &text)?, expected);
        let found = self.sums.select(namespace)?.get_mut(hash_key(&key), &key)?.copied();
        assert_eq!(found, expected.map(|list| sum(list)));
        Ok(())
    }

    fn check_scan(&mut self, namespace: Namespace) -> Result<(), StateError> {
        let (mut lists, mut sums) = (Model::new(), Vec::new());
        for group in self.lists.key_groups() {
            self.lists.scan(namespace, group, |hash, key, list| {
                assert_eq!((hash, group), (hash_key(key), key_group(hash, MAX_PARALLELISM)));
                assert!(
                    lists.insert((namespace, key.clone()), list.clone()).is_none(),
                    "visited twice: {key}"
                );
            })?;
            self.sums.scan(namespace, group, |_, _, sum| sums.push(*sum))?;
        }
        let expected: Model = self
            .model
            .iter()
            .filter(|((n, _), _)| *n == namespace)
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect();
        let mut expected_sums: Vec<u64> = expected.values().map(|list| sum(list)).collect();
        sums.sort_unstable();
        expected_sums.sort_unstable();
        assert_eq!(sums, expected_sums);
        assert_eq!(lists, expected);
        Ok(())
    }

    fn check_all(&mut self) -> Result<(), StateError> {
        for namespace in NAMESPACES {
            if self.model.keys().any(|(other, _)| *other == namespace) {
                assert!(self.lists.namespaces().contains(&namespace));
            }
            self.check_scan(namespace)?;
            (0..KEYS).try_for_each(|key| self.check_key(namespace, key))?;
            self.check_scan(namespace)?;
        }
        Ok(())
    }

    fn snapshot(&mut self) -> (CheckpointId, PendingSnapshot, Model) {
        self.checkpoint = self.checkpoint.next();
        let tables: &mut [&mut dyn headwater_state::AnyTable] = &mut [&mut self.sums, &mut self.lists];
        (self.checkpoint, self.backend.snapshot(self.checkpoint, tables).unwrap(), self.model.clone())
    }

    /// Runs the operations, and returns what the snapshots should restore to.
    fn run(&mut self, ops: &[Op]) -> Vec<(CheckpointId, KeyedStateHandle, Model)> {
        let mut writing: Vec<(CheckpointId, JoinHandle<_>, Model)> = Vec::new();
        let (mut late, mut written) = (Vec::new(), Vec::new());
        for op in ops {
            let Op::Snapshot(how) = op else {
                self.apply(op).unwrap();
                continue;
            };
            let (checkpoint, pending, model) = self.snapshot();
            match how {
                Writing::Concurrent => {
                    writing.push((checkpoint, std::thread::spawn(|| pending.write()), model));
                }
                Writing::Late => late.push((checkpoint, pending, model)),
                Writing::Now => written.push((checkpoint, pending.write().unwrap(), model)),
                Writing::Never => drop(pending),
            }
        }
        let joined =
            writing.into_iter().map(|(id, thread, model)| (id, thread.join().unwrap().unwrap(), model));
        written.extend(joined);
        // The youngest first: it has to write those before it.
        written
            .extend(late.into_iter().rev().map(|(id, pending, model)| (id, pending.write().unwrap(), model)));
        written
    }
}

/// `bytes`: how many of state with RocksDB are kept in memory, or behind how many the heap backend writes changes only.
fn check(backend: StateBackend, bytes: u64, first: &[Op], then: &[Op], chosen: prop::sample::Index) {
    let world = World::new();
    let config =
        || BackendConfig { cache_bytes: bytes, incremental_from_bytes: bytes, ..world.config(backend) };
    let mut subject = Subject::open(&world, config(), None);
    let mut snapshots = subject.run(first);
    let (checkpoint, pending, model) = subject.snapshot();
    snapshots.push((checkpoint, pending.write().unwrap(), model));
    subject.check_all().unwrap();
    drop(subject);

    let second = chosen.index(snapshots.len());
    for (index, (checkpoint, handle, model)) in snapshots.iter().enumerate() {
        let mut restored = Subject::open(&world, config(), Some((*checkpoint, handle, model.clone())));
        if index != second {
            restored.check_all().unwrap();
            continue;
        }
        // Goes on from there without having looked at everything, and is restored again.
        let mut again = restored.run(then);
        let (checkpoint, pending, model) = restored.snapshot();
        again.push((checkpoint, pending.write().unwrap(), model));
        restored.check_all().unwrap();
        for (checkpoint, handle, model) in again {
            Subject::open(&world, config(), Some((checkpoint, &handle, model))).check_all().unwrap();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn the_heap_backend_restores_every_snapshot_as_it_was_taken(
        first in ops(), then in ops(), chosen: prop::sample::Index, incremental_from_bytes in 0u64..4_000,
    ) {
        check(StateBackend::HashMap, incremental_from_bytes, &first, &then, chosen);
    }

    #[test]
    fn the_rocksdb_backend_restores_every_snapshot_as_it_was_taken(
        first in ops(), then in ops(), chosen: prop::sample::Index,
    ) {
        check(StateBackend::RocksDb, 64 << 20, &first, &then, chosen);
    }

    #[test]
    fn the_rocksdb_backend_may_have_next_to_no_memory(
        first in ops(), then in ops(), chosen: prop::sample::Index, cache_bytes in 0u64..20_000,
    ) {
        check(StateBackend::RocksDb, cache_bytes, &first, &then, chosen);
    }
}
