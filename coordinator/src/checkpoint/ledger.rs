//! The ledger's comparison: what every sender counted must be what its receiver counted.

use std::collections::BTreeMap;

use headwater_core::checkpoint::{ChannelCount, ChannelId, Ledger};

/// A channel whose two ends counted differently: records were lost or doubled inside.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Mismatch {
    pub(crate) channel: ChannelId,
    pub(crate) sent: ChannelCount,
    pub(crate) received: ChannelCount,
}

/// Compares both ends of every channel; an end that did not report counted nothing.
pub(crate) fn compare<'a>(ledgers: impl IntoIterator<Item = &'a Ledger>) -> Result<(), Mismatch> {
    let mut channels: BTreeMap<ChannelId, (ChannelCount, ChannelCount)> = BTreeMap::new();
    for ledger in ledgers {
        for (channel, count) in &ledger.sent {
            channels.entry(*channel).or_default().0 = *count;
        }
        for (channel, count) in &ledger.received {
            channels.entry(*channel).or_default().1 = *count;
        }
    }
    match channels.into_iter().find(|(_, (sent, received))| sent != received) {
        None => Ok(()),
        Some((channel, (sent, received))) => Err(Mismatch { channel, sent, received }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHANNEL: ChannelId = ChannelId { edge: 0, from: 1, to: 2 };

    fn count(rows: u64) -> ChannelCount {
        ChannelCount { batches: 1, rows }
    }

    #[test]
    fn a_lost_row_and_a_silent_receiver_are_both_found() {
        let sender = Ledger { sent: vec![(CHANNEL, count(10))], received: vec![] };
        let receiver = |rows| Ledger { sent: vec![], received: vec![(CHANNEL, count(rows))] };
        assert_eq!(compare([&sender, &receiver(10)]), Ok(()));
        let lost = compare([&sender, &receiver(9)]).unwrap_err();
        assert_eq!((lost.sent.rows, lost.received.rows), (10, 9));
        assert_eq!(compare([&sender]).unwrap_err().received, ChannelCount::default());
    }
}
