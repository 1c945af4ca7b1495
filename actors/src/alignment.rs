//! Barrier alignment, after Chandy and Lamport as Flink applies it: a channel that has delivered its barrier stays unread
//! until all have. A pure state machine.

use headwater_core::ids::CheckpointId;

/// Which channels of a gate are held back, and for which checkpoint.
#[derive(Debug)]
pub struct Aligner {
    blocked: Vec<bool>,
    aligning: Option<CheckpointId>,
    newest: CheckpointId,
}

/// What a barrier led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alignment {
    /// The first barrier of its checkpoint, of several.
    Started,
    /// More are to come.
    Waiting,
    /// The last: the snapshot is to be taken now; all channels are free again.
    Complete,
    /// Of a checkpoint that was given up.
    Stale,
}

impl Aligner {
    /// An aligner for so many channels.
    pub fn new(channels: usize) -> Self {
        Self { blocked: vec![false; channels], aligning: None, newest: CheckpointId(0) }
    }

    /// Whether a channel must stay unread.
    pub fn is_blocked(&self, channel: usize) -> bool {
        self.blocked[channel]
    }

    /// Whether any channel is held back.
    pub fn is_aligning(&self) -> bool {
        self.aligning.is_some()
    }

    /// Takes note of a barrier. A newer checkpoint's barrier gives an older one up.
    pub fn on_barrier(&mut self, channel: usize, checkpoint: CheckpointId) -> Alignment {
        let is_continuation = self.aligning == Some(checkpoint);
        if checkpoint < self.newest || (checkpoint == self.newest && !is_continuation) {
            return Alignment::Stale;
        }
        if !is_continuation {
            self.release();
            self.aligning = Some(checkpoint);
            self.newest = checkpoint;
        }
        self.blocked[channel] = true;
        if self.blocked.iter().all(|blocked| *blocked) {
            self.release();
            return Alignment::Complete;
        }
        if is_continuation { Alignment::Waiting } else { Alignment::Started }
    }

    /// Gives a checkpoint up; its later barriers are stale.
    pub fn abort(&mut self, checkpoint: CheckpointId) {
        self.newest = self.newest.max(checkpoint);
        if self.aligning.is_some_and(|aligning| aligning <= checkpoint) {
            self.release();
        }
    }

    fn release(&mut self) {
        self.blocked.fill(false);
        self.aligning = None;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ONE: CheckpointId = CheckpointId(1);
    const TWO: CheckpointId = CheckpointId(2);

    #[test]
    fn a_channel_is_unread_from_its_barrier_to_the_last_one() {
        let mut aligner = Aligner::new(2);
        assert_eq!(aligner.on_barrier(0, ONE), Alignment::Started);
        assert!(aligner.is_blocked(0) && !aligner.is_blocked(1));
        assert_eq!(aligner.on_barrier(1, ONE), Alignment::Complete);
        assert!(!aligner.is_blocked(0) && !aligner.is_blocked(1));
    }

    #[test]
    fn an_aborted_checkpoint_frees_its_channels_and_its_late_barriers_are_stale() {
        let mut aligner = Aligner::new(2);
        aligner.on_barrier(0, ONE);
        aligner.abort(ONE);
        assert!(!aligner.is_blocked(0));
        assert_eq!(aligner.on_barrier(1, ONE), Alignment::Stale);
        assert_eq!(aligner.on_barrier(1, TWO), Alignment::Started);
        assert_eq!(aligner.on_barrier(0, TWO), Alignment::Complete);
    }

    proptest! {
        #[test]
        fn a_checkpoint_completes_exactly_when_every_channel_has_delivered_it(
            order in Just((0..4usize).collect::<Vec<_>>()).prop_shuffle(),
        ) {
            let mut aligner = Aligner::new(order.len());
            for (step, channel) in order.iter().enumerate() {
                let complete = aligner.on_barrier(*channel, ONE) == Alignment::Complete;
                prop_assert_eq!(complete, step + 1 == order.len());
            }
        }
    }
}
