//! The watermark of a task: the minimum over its active inputs that have not ended. A pure state machine.

use headwater_core::time::{MAX_WATERMARK, MIN_WATERMARK, TimestampMs};

/// What a change of an input means for the task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advance {
    /// Event time has progressed to this.
    To(TimestampMs),
    /// All inputs are idle now.
    Idle,
    /// An input is active again after all were idle.
    Active,
}

#[derive(Debug, Clone, Copy)]
struct Input {
    watermark: TimestampMs,
    active: bool,
}

/// The watermarks of a gate's channels. What it gives out never regresses.
#[derive(Debug)]
pub struct WatermarkValve {
    inputs: Vec<Input>,
    current: TimestampMs,
    all_idle: bool,
}

impl WatermarkValve {
    /// A valve for so many channels, all active and without a watermark.
    pub fn new(channels: usize) -> Self {
        Self {
            inputs: vec![Input { watermark: MIN_WATERMARK, active: true }; channels],
            current: MIN_WATERMARK,
            all_idle: false,
        }
    }

    /// The watermark given out last.
    pub fn current(&self) -> TimestampMs {
        self.current
    }

    /// Takes note of a channel's watermark, which also makes it active.
    pub fn on_watermark(&mut self, channel: usize, watermark: TimestampMs) -> [Option<Advance>; 2] {
        let input = &mut self.inputs[channel];
        input.watermark = input.watermark.max(watermark);
        input.active = true;
        self.settle()
    }

    /// Takes note of a channel's becoming idle or active.
    pub fn on_active(&mut self, channel: usize, active: bool) -> [Option<Advance>; 2] {
        self.inputs[channel].active = active;
        self.settle()
    }

    /// What the inputs amount to now. One that has ended says nothing of those that have not: an idle one may still
    /// deliver, and its rows must not all be late.
    fn settle(&mut self) -> [Option<Advance>; 2] {
        let open = || self.inputs.iter().filter(|input| input.watermark != MAX_WATERMARK);
        let slowest = open().filter(|input| input.active).map(|input| input.watermark).min();
        // What idle channels had promised still holds, and nothing is left that holds it back.
        let furthest = open().map(|input| input.watermark).max();
        let all_idle = slowest.is_none() && furthest.is_some();
        let was_idle = std::mem::replace(&mut self.all_idle, all_idle);
        let advance = self.raise(slowest.or(furthest).unwrap_or(MAX_WATERMARK));
        match (was_idle, all_idle) {
            (true, false) => [Some(Advance::Active), advance],
            (false, true) => [advance, Some(Advance::Idle)],
            _ => [advance, None],
        }
    }

    fn raise(&mut self, watermark: TimestampMs) -> Option<Advance> {
        (watermark > self.current).then(|| {
            self.current = watermark;
            Advance::To(watermark)
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_slowest_active_input_decides_and_an_idle_one_does_not() {
        let mut valve = WatermarkValve::new(2);
        assert_eq!(valve.on_watermark(0, 10), [None, None]);
        assert_eq!(valve.on_watermark(1, 5), [Some(Advance::To(5)), None]);
        assert_eq!(valve.on_active(1, false), [Some(Advance::To(10)), None]);
        assert_eq!(valve.on_active(0, false), [None, Some(Advance::Idle)]);
        assert_eq!(valve.on_watermark(1, 12), [Some(Advance::Active), Some(Advance::To(12))]);
    }

    #[test]
    fn event_time_ends_when_every_input_has_ended_the_idle_ones_too() {
        let mut valve = WatermarkValve::new(2);
        valve.on_watermark(0, 10);
        assert_eq!(valve.on_active(1, false), [Some(Advance::To(10)), None]);
        assert_eq!(valve.on_watermark(0, MAX_WATERMARK), [None, Some(Advance::Idle)]);
        assert_eq!(valve.on_watermark(1, 20), [Some(Advance::Active), Some(Advance::To(20))]);
        assert_eq!(valve.on_watermark(1, MAX_WATERMARK), [Some(Advance::To(MAX_WATERMARK)), None]);
    }

    proptest! {
        #[test]
        fn what_is_given_out_never_regresses(
            changes in prop::collection::vec((0..3usize, prop::option::of(-100..100i64)), 1..100),
        ) {
            let mut valve = WatermarkValve::new(3);
            let mut last = MIN_WATERMARK;
            for (channel, change) in changes {
                let advances = match change {
                    Some(watermark) => valve.on_watermark(channel, watermark),
                    None => valve.on_active(channel, false),
                };
                for advance in advances.into_iter().flatten() {
                    if let Advance::To(watermark) = advance {
                        prop_assert!(watermark > last);
                        last = watermark;
                    }
                }
            }
        }
    }
}
