//! The kinds of state and the timers, with both backends and over a restore.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;

use common::{BACKENDS, World};
use headwater_core::{ids::CheckpointId, key_group::hash_key};
use headwater_state::{
    AggregateFunction, AggregatingState, KeyedBackend, ListState, MapState, ReducingState, TimerService,
    ValueState,
};

/// Sum and count, for a mean.
struct Mean;

impl AggregateFunction for Mean {
    type In = u64;
    type Acc = (u64, u64);
    type Out = f64;

    fn create(&self) -> (u64, u64) {
        (0, 0)
    }

    fn add(&self, accumulator: &mut (u64, u64), value: u64) {
        self.merge(accumulator, (value, 1));
    }

    fn merge(&self, accumulator: &mut (u64, u64), other: (u64, u64)) {
        accumulator.0 += other.0;
        accumulator.1 += other.1;
    }

    fn result(&self, accumulator: &(u64, u64)) -> f64 {
        accumulator.0 as f64 / accumulator.1 as f64
    }
}

fn maximum(max: &mut u64, value: u64) {
    *max = value.max(*max);
}

struct Kinds {
    value: ValueState<String, u64>,
    list: ListState<String, u64>,
    map: MapState<String, u32, String>,
    reducing: ReducingState<String, u64, fn(&mut u64, u64)>,
    aggregating: AggregatingState<String, Mean>,
}

impl Kinds {
    fn open(backend: &mut KeyedBackend) -> Self {
        Self {
            value: ValueState::open(backend, "value").unwrap(),
            list: ListState::open(backend, "list").unwrap(),
            map: MapState::open(backend, "map").unwrap(),
            reducing: ReducingState::open(backend, "reducing", maximum as fn(&mut u64, u64)).unwrap(),
            aggregating: AggregatingState::open(backend, "aggregating", Mean).unwrap(),
        }
    }
}

#[test]
fn every_kind_goes_on_after_a_restore_from_where_it_was() {
    let key = "key".to_owned();
    let hash = hash_key(&key);
    for backend_type in BACKENDS {
        let world = World::new();
        let mut backend = world.open(backend_type, None);
        let mut kinds = Kinds::open(&mut backend);
        kinds.value.set(hash, &key, 1).unwrap();
        kinds.list.add(hash, &key, 1).unwrap();
        kinds.list.extend(hash, &key, [2, 3]).unwrap();
        kinds.map.put(hash, &key, 1, "one".into()).unwrap();
        kinds.map.put(hash, &key, 2, "two".into()).unwrap();
        kinds.reducing.add(hash, &key, 7).unwrap();
        kinds.aggregating.add(hash, &key, 1).unwrap();
        let tables = &mut [
            kinds.value.as_table(),
            kinds.list.as_table(),
            kinds.map.as_table(),
            kinds.reducing.as_table(),
            kinds.aggregating.as_table(),
        ];
        let handle = backend.snapshot(CheckpointId(1), tables).unwrap().write().unwrap();

        let mut backend = world.open(backend_type, Some((CheckpointId(1), &handle)));
        let mut kinds = Kinds::open(&mut backend);
        *kinds.value.get_or_insert_with(hash, &key, || 0).unwrap() += 1;
        kinds.list.add(hash, &key, 4).unwrap();
        assert_eq!(kinds.map.remove(hash, &key, &1).unwrap(), Some("one".to_owned()));
        kinds.map.get_or_insert_with(hash, &key, 3, String::new).unwrap().push('3');
        kinds.reducing.add(hash, &key, 5).unwrap();
        kinds.aggregating.merge(hash, &key, (5, 1)).unwrap();
        assert_eq!(kinds.value.get(hash, &key).unwrap(), Some(&2));
        assert_eq!(kinds.list.get(hash, &key).unwrap(), [1, 2, 3, 4]);
        let map = kinds.map.entries(hash, &key).unwrap().unwrap();
        assert_eq!(map.iter().collect::<Vec<_>>(), [(&2, &"two".to_owned()), (&3, &"3".to_owned())]);
        assert_eq!(kinds.reducing.get(hash, &key).unwrap(), Some(&7));
        assert_eq!(kinds.aggregating.get(hash, &key).unwrap(), Some(3.0));

        assert!(kinds.value.clear(hash, &key).unwrap() && !kinds.value.clear(hash, &key).unwrap());
        assert!(kinds.list.clear(hash, &key).unwrap() && kinds.list.get(hash, &key).unwrap().is_empty());
        assert!(kinds.map.clear(hash, &key).unwrap() && kinds.map.get(hash, &key, &2).unwrap().is_none());
        assert!(
            kinds.reducing.clear(hash, &key).unwrap() && kinds.reducing.get(hash, &key).unwrap().is_none()
        );
        assert!(kinds.aggregating.clear(hash, &key).unwrap());
        assert_eq!(kinds.aggregating.get(hash, &key).unwrap(), None);
    }
}

fn fire(timers: &mut TimerService<u64>, up_to: i64) -> Vec<(i64, u64)> {
    let mut fired = Vec::new();
    timers
        .fire(up_to, |timestamp_ms, hash, key| {
            assert_eq!(hash, hash_key(key));
            fired.push((timestamp_ms, *key));
        })
        .unwrap();
    fired
}

#[test]
fn timers_fire_once_in_order_and_up_to_the_time_given() {
    for backend_type in BACKENDS {
        let world = World::new();
        let mut backend = world.open(backend_type, None);
        let mut timers = TimerService::<u64>::open(&mut backend, "timers").unwrap();
        assert_eq!(timers.next_timestamp().unwrap(), None);
        let registered =
            [(5_500, 1), (100, 2), (-3, 3), (101, 4), (5_400, 5), (i64::MAX, 6), (100_000, 7), (99, 2)];
        for (timestamp_ms, key) in registered {
            assert!(timers.register(timestamp_ms, hash_key(&key), &key).unwrap());
        }
        assert!(!timers.register(100, hash_key(&2u64), &2).unwrap(), "it is registered already");
        assert!(!timers.delete(101, hash_key(&2u64), &2).unwrap(), "that is another key's");
        assert_eq!(timers.next_timestamp().unwrap(), Some(-3));
        assert!(timers.delete(-3, hash_key(&3u64), &3).unwrap());
        assert_eq!(timers.next_timestamp().unwrap(), Some(99));
        assert_eq!(fire(&mut timers, 98), []);
        assert_eq!(fire(&mut timers, 100), [(99, 2), (100, 2)]);
        assert_eq!(timers.next_timestamp().unwrap(), Some(101));

        let pending = backend.snapshot(CheckpointId(1), &mut [timers.as_table()]).unwrap();
        assert_eq!(fire(&mut timers, 5_450), [(101, 4), (5_400, 5)]);
        let handle = pending.write().unwrap();

        let mut backend = world.open(backend_type, Some((CheckpointId(1), &handle)));
        let mut timers = TimerService::<u64>::open(&mut backend, "timers").unwrap();
        assert_eq!(timers.next_timestamp().unwrap(), Some(101));
        assert_eq!(fire(&mut timers, 99_999), [(101, 4), (5_400, 5), (5_500, 1)]);
        assert!(timers.delete(100_000, hash_key(&7u64), &7).unwrap());
        assert_eq!(timers.next_timestamp().unwrap(), Some(i64::MAX));
        assert_eq!(fire(&mut timers, i64::MAX), [(i64::MAX, 6)]);
        assert_eq!(timers.next_timestamp().unwrap(), None);
    }
}
