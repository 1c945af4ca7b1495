//! Timers: keys that want to be called at a time.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

use headwater_core::{key_group::hash_key, time::TimestampMs};
use serde::{Deserialize, Serialize};

use crate::{
    AnyTable, Key, KeyedBackend, Namespace, StateError, Table,
    look::{StateKind, TimersOf, TypedForm},
};

/// Timers of one second share a namespace. One namespace per timestamp would do as well where many keys wait for the same
/// window to end, but a million keys that wait for a million different milliseconds would pay for a million namespaces.
const NAMESPACE_MS: i64 = 1_000;

/// A timer, found by its key's hash like all state of that key.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Timer<K> {
    timestamp_ms: TimestampMs,
    key: K,
}

impl<K: Hash> Hash for Timer<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key.hash(state);
    }
}

/// The timers of an operator in one kind of time. Event time and processing time each have a service, under names of their
/// own. Registering a timer again does nothing.
pub struct TimerService<K> {
    table: Table<Timer<K>, ()>,
    next: Next,
}

/// What is known about the earliest timer.
#[derive(Clone, Copy)]
enum Next {
    At(TimestampMs),
    None,
    /// The earliest one went.
    Unknown,
}

impl<K: Key> TimerService<K> {
    /// Registers the timers as a state.
    pub fn open(backend: &mut KeyedBackend, name: &str) -> Result<Self, StateError> {
        let table = backend.table(name)?;
        backend.describe(name, |timers| {
            timers.kind = StateKind::Timers;
            timers.form = Arc::new(TimersOf(Arc::new(TypedForm::<K, ()>::new(hash_key))));
        });
        Ok(Self { table, next: Next::Unknown })
    }

    /// Registers a timer. Returns whether it is new.
    pub fn register(&mut self, timestamp_ms: TimestampMs, hash: u64, key: &K) -> Result<bool, StateError> {
        let timer = Timer { timestamp_ms, key: key.clone() };
        let mut timers = self.table.select(namespace_of(timestamp_ms))?;
        if timers.get(hash, &timer)?.is_some() {
            return Ok(false);
        }
        timers.insert(hash, timer, ());
        self.next = match self.next {
            Next::At(next) => Next::At(next.min(timestamp_ms)),
            Next::None => Next::At(timestamp_ms),
            Next::Unknown => Next::Unknown,
        };
        Ok(true)
    }

    /// Deletes a timer. Returns whether it was registered.
    pub fn delete(&mut self, timestamp_ms: TimestampMs, hash: u64, key: &K) -> Result<bool, StateError> {
        let timer = Timer { timestamp_ms, key: key.clone() };
        let removed = self.table.select(namespace_of(timestamp_ms))?.remove(hash, &timer)?;
        if removed && matches!(self.next, Next::At(next) if next == timestamp_ms) {
            self.next = Next::Unknown;
        }
        Ok(removed)
    }

    /// The time of the earliest timer.
    pub fn next_timestamp(&mut self) -> Result<Option<TimestampMs>, StateError> {
        if let Next::Unknown = self.next {
            self.next = self.find_next()?.map_or(Next::None, Next::At);
        }
        Ok(match self.next {
            Next::At(next) => Some(next),
            _ => None,
        })
    }

    /// Removes the timers up to `up_to`, inclusive, and visits them in the order of their times. Timers that their
    /// owners register in answer are due at the next call, even if their time has come.
    pub fn fire(
        &mut self,
        up_to: TimestampMs,
        mut visit: impl FnMut(TimestampMs, u64, &K),
    ) -> Result<(), StateError> {
        while let Some(next) = self.next_timestamp()?.filter(|next| *next <= up_to) {
            let namespace = namespace_of(next);
            let mut due = Vec::new();
            self.scan(namespace, |hash, timer| {
                if timer.timestamp_ms <= up_to {
                    due.push((timer.timestamp_ms, hash, timer.key.clone()));
                }
            })?;
            due.sort_by_key(|(timestamp_ms, hash, _)| (*timestamp_ms, *hash));
            if up_to >= namespace.saturating_add(NAMESPACE_MS - 1) {
                self.table.drop_namespace(namespace)?;
            } else {
                let mut timers = self.table.select(namespace)?;
                for (timestamp_ms, hash, key) in &due {
                    let timer = Timer { timestamp_ms: *timestamp_ms, key: key.clone() };
                    timers.remove(*hash, &timer)?;
                }
            }
            self.next = Next::Unknown;
            due.iter().for_each(|(timestamp_ms, hash, key)| visit(*timestamp_ms, *hash, key));
        }
        Ok(())
    }

    /// For a snapshot.
    pub fn as_table(&mut self) -> &mut dyn AnyTable {
        &mut self.table
    }

    fn find_next(&mut self) -> Result<Option<TimestampMs>, StateError> {
        for namespace in self.table.namespaces() {
            let mut earliest: Option<TimestampMs> = None;
            self.scan(namespace, |_, timer| {
                earliest =
                    Some(earliest.map_or(timer.timestamp_ms, |earliest| earliest.min(timer.timestamp_ms)));
            })?;
            if earliest.is_some() {
                return Ok(earliest);
            }
            // All of its timers were removed one by one.
            self.table.drop_namespace(namespace)?;
        }
        Ok(None)
    }

    fn scan(
        &mut self,
        namespace: Namespace,
        mut visit: impl FnMut(u64, &Timer<K>),
    ) -> Result<(), StateError> {
        self.table
            .key_groups()
            .try_for_each(|group| self.table.scan(namespace, group, |hash, timer, ()| visit(hash, timer)))
    }
}

/// The first timestamp of the second that a timestamp is in; saturates at the ends of time.
fn namespace_of(timestamp_ms: TimestampMs) -> Namespace {
    timestamp_ms.div_euclid(NAMESPACE_MS).saturating_mul(NAMESPACE_MS)
}
