//! Randomness, behind a seam: a simulation seeds its thread, so that ids and back-off times follow from the seed.

use std::cell::Cell;

use uuid::Uuid;

thread_local! {
    static SEEDED: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Makes everything random on this thread follow from a seed, for as long as the guard lives.
pub fn seed_thread(seed: u64) -> SeededThread {
    SEEDED.set(Some(seed));
    SeededThread(())
}

/// Gives the thread the system's randomness back when it is dropped.
#[must_use]
pub struct SeededThread(());

impl Drop for SeededThread {
    fn drop(&mut self) {
        SEEDED.set(None);
    }
}

/// A random number.
pub fn number() -> u64 {
    match SEEDED.get() {
        None => Uuid::new_v4().as_u64_pair().1 ^ Uuid::new_v4().as_u64_pair().0.rotate_left(32),
        Some(state) => {
            SEEDED.set(Some(state.wrapping_add(GAMMA)));
            at(state, 0)
        }
    }
}

/// A random number from 0 to 1, exclusive.
pub fn fraction() -> f64 {
    (number() >> 11) as f64 / (1u64 << 53) as f64
}

pub(crate) fn uuid() -> Uuid {
    match SEEDED.get() {
        None => Uuid::new_v4(),
        Some(_) => {
            let random = (u128::from(number()) << 64 | u128::from(number())).to_be_bytes();
            uuid::Builder::from_random_bytes(random).into_uuid()
        }
    }
}

const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// A random number that depends on nothing but the seed and the index. It is the output function of SplitMix64 (Steele, Lea,
/// Flood: Fast Splittable Pseudorandom Number Generators).
#[inline]
pub fn at(seed: u64, index: u64) -> u64 {
    let mut bits = seed.wrapping_add(index.wrapping_add(1).wrapping_mul(GAMMA));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seeded_thread_repeats_itself_and_an_unseeded_one_does_not() {
        let draw = || (number(), uuid(), fraction());
        let seeded = |seed| {
            let _seeded = seed_thread(seed);
            (draw(), draw())
        };
        assert_eq!(seeded(7), seeded(7));
        assert_ne!(seeded(7), seeded(8));
        assert_ne!(seeded(7).0, seeded(7).1);
        assert_ne!(draw(), draw());
        assert!((0.0..1.0).contains(&fraction()));
    }
}
