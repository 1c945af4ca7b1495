//! When which faults come: a pure function of a seed.

use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};

use crate::cli::faults::FaultKind;

/// A fault to inject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Planned {
    /// Since the job is running.
    pub(super) at_ms: u64,
    pub(super) kind: FaultKind,
    /// Chooses among the actors of the kind.
    pub(super) pick: usize,
    /// Whether it waits until a checkpoint was completed since the fault before it.
    pub(super) is_after_checkpoint: bool,
}

/// If too many faults came without a checkpoint between them, the job would go back to its beginning again and again,
/// and no mistake in what checkpoints hold could show. Those that do not wait meet recoveries under way.
const AFTER_CHECKPOINT_SHARE: f64 = 0.75;

/// So many faults over so long a time: one at random within each of as many equal parts. Every kind comes before any
/// comes again.
pub(super) fn schedule(seed: u64, faults: usize, kinds: &[FaultKind], duration_ms: u64) -> Vec<Planned> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut deck = Vec::new();
    let part_ms = duration_ms as f64 / faults as f64;
    (0..faults)
        .map(|index| {
            if deck.is_empty() {
                deck.extend_from_slice(kinds);
                deck.shuffle(&mut random);
            }
            Planned {
                at_ms: (part_ms * (index as f64 + random.random::<f64>())) as u64,
                kind: deck.pop().expect("there is at least one kind"),
                pick: random.random::<u32>() as usize,
                is_after_checkpoint: index == 0 || random.random_bool(AFTER_CHECKPOINT_SHARE),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_spread_and_follow_from_the_seed() {
        let plan = |seed| schedule(seed, 14, FaultKind::ALL, 7_000);
        assert_eq!(plan(7), plan(7));
        assert_ne!(plan(7), plan(8));
        for (index, fault) in plan(7).iter().enumerate() {
            let part = index as u64 * 500..=(index as u64 + 1) * 500;
            assert!(part.contains(&fault.at_ms), "{fault:?} is not within {part:?}");
        }
        for kind in FaultKind::ALL {
            assert_eq!(plan(7).iter().filter(|fault| fault.kind == *kind).count(), 2, "{kind:?}");
        }
    }
}
