//! Key groups: the atoms by which keyed state and keyed streams are divided among subtasks.
//!
//! `hash(key) -> key group -> subtask`. The number of key groups, the *max parallelism*, is fixed for the life of a
//! job's state, so that rescaling moves whole key groups. The scheme is Apache Flink's (`KeyGroupRangeAssignment`).

use std::hash::{BuildHasher, Hash};
use std::ops::Range;

use rapidhash::fast::SeedableState;

/// A key group, below the job's max parallelism.
pub type KeyGroup = u16;

/// The max parallelism of a job that sets none.
pub const DEFAULT_MAX_PARALLELISM: u16 = 128;

/// The largest max parallelism that a job may set.
pub const MAX_MAX_PARALLELISM: u16 = 1 << 15;

/// The hash of a key: the same in every process, since key groups and so the state on disk depend on it.
#[inline]
pub fn hash_key<K: Hash + ?Sized>(key: &K) -> u64 {
    SeedableState::fixed().hash_one(key)
}

/// The key group of a key with this hash. Uses the hash's upper half: hash tables use the lower bits, and the keys
/// of one subtask must still spread over them.
#[inline]
pub fn key_group(hash: u64, max_parallelism: u16) -> KeyGroup {
    (((hash >> 32) * u64::from(max_parallelism)) >> 32) as KeyGroup
}

/// The subtask that owns a key group.
#[inline]
pub fn subtask_of(key_group: KeyGroup, parallelism: u32, max_parallelism: u16) -> u32 {
    u32::from(key_group) * parallelism / u32::from(max_parallelism)
}

/// The key groups that a subtask owns.
pub fn key_groups_of(subtask: u32, parallelism: u32, max_parallelism: u16) -> Range<KeyGroup> {
    let first_at_or_after =
        |index: u32| (index * u32::from(max_parallelism)).div_ceil(parallelism) as KeyGroup;
    first_at_or_after(subtask)..first_at_or_after(subtask + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_key_group_belongs_to_the_one_subtask_whose_range_holds_it(
            max_parallelism in 1..=MAX_MAX_PARALLELISM,
            parallelism in 1u32..200,
            hash: u64,
        ) {
            prop_assume!(parallelism <= u32::from(max_parallelism));
            let group = key_group(hash, max_parallelism);
            prop_assert!(group < max_parallelism);
            let owners: Vec<u32> = (0..parallelism)
                .filter(|subtask| key_groups_of(*subtask, parallelism, max_parallelism).contains(&group))
                .collect();
            prop_assert_eq!(owners, vec![subtask_of(group, parallelism, max_parallelism)]);
        }
    }

    #[test]
    fn the_hash_of_a_key_never_changes() {
        assert_eq!(hash_key("ipsum"), hash_key(&String::from("ipsum")));
        assert_eq!(hash_key(&42u64), HASH_OF_42, "state on disk depends on this value");
    }

    const HASH_OF_42: u64 = 11_138_757_646_667_810_241;
}
