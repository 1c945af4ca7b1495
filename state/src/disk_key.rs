//! How a key is laid out in RocksDB: `key group u16 | state id u16 | namespace i64 | key`, big-endian, so that the
//! database's order is that of the numbers.
//!
//! The key group comes first because rescaling moves ranges of key groups. The namespace comes before the key because a
//! window is fired and dropped as a whole: within a key group that is then one range to read and one range to delete,
//! where a namespace behind the key would mean looking at every key that the state has.

use headwater_core::key_group::{KeyGroup, MAX_MAX_PARALLELISM};

use crate::Namespace;

pub(crate) const PREFIX_BYTES: usize = 12;

pub(crate) type Prefix = [u8; PREFIX_BYTES];

/// Where the catalog is kept: behind all key groups that there can be.
pub(crate) const CATALOG_KEY: [u8; 2] = KeyGroup::MAX.to_be_bytes();

const _: () = assert!(MAX_MAX_PARALLELISM < KeyGroup::MAX);

/// What all keys of one key group of a namespace of a state begin with.
pub(crate) fn prefix(group: KeyGroup, state: u16, namespace: Namespace) -> Prefix {
    let mut bytes = [0; PREFIX_BYTES];
    bytes[0..2].copy_from_slice(&group.to_be_bytes());
    bytes[2..4].copy_from_slice(&state.to_be_bytes());
    // Flipping the sign bit puts negative numbers before the others.
    let ordered = namespace.cast_unsigned() ^ (1 << 63);
    bytes[4..12].copy_from_slice(&ordered.to_be_bytes());
    bytes
}

/// The first key behind all those that begin with `prefix`.
pub(crate) fn end_of(prefix: Prefix) -> Prefix {
    let mut end = prefix;
    for byte in end.iter_mut().rev() {
        *byte = byte.wrapping_add(1);
        if *byte != 0 {
            break;
        }
    }
    end
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_order_of_the_bytes_is_that_of_the_numbers(
            a in (0..MAX_MAX_PARALLELISM, any::<u16>(), any::<i64>()),
            b in (0..MAX_MAX_PARALLELISM, any::<u16>(), any::<i64>()),
        ) {
            let (first, second) = (prefix(a.0, a.1, a.2), prefix(b.0, b.1, b.2));
            prop_assert_eq!(first.cmp(&second), a.cmp(&b));
            prop_assert_eq!(end_of(first) <= second, a < b);
        }
    }
}
