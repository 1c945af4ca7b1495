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
            let state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            SEEDED.set(Some(state));
            mix(state)
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

/// The finalizer of SplitMix64 (Steele, Lea and Flood, 2014).
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
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
