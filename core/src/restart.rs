//! Restart strategies: pure decisions on whether and when to go on after a failure. The names and rules are Flink's.

use std::collections::VecDeque;

use crate::options::RestartOptions;

/// Decides after each failure. Times are of a monotonic clock, in milliseconds from any origin.
#[derive(Debug, Clone)]
pub struct RestartStrategy {
    options: RestartOptions,
    attempts_used: u32,
    /// When the last restart was due: calm is counted from then.
    restarted_at_ms: Option<u64>,
    recent_failures_ms: VecDeque<u64>,
}

/// What to do after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestartDecision {
    /// Restart after this many milliseconds.
    RestartAfterMs(u64),
    /// The budget is used up: the failure escalates.
    GiveUp,
}

impl RestartStrategy {
    /// A strategy with its whole budget.
    pub fn new(options: RestartOptions) -> Self {
        Self { options, attempts_used: 0, restarted_at_ms: None, recent_failures_ms: VecDeque::new() }
    }

    /// Takes note of a failure. `random` is uniform in 0..1 and spreads restarts where the strategy has jitter.
    pub fn on_failure(&mut self, now_ms: u64, random: f64) -> RestartDecision {
        let calm_ms = self.restarted_at_ms.map(|restarted| now_ms.saturating_sub(restarted));
        let decision = self.decide(now_ms, calm_ms, random);
        if let RestartDecision::RestartAfterMs(delay_ms) = decision {
            self.restarted_at_ms = Some(now_ms + delay_ms);
        }
        decision
    }

    fn decide(&mut self, now_ms: u64, calm_ms: Option<u64>, random: f64) -> RestartDecision {
        match self.options {
            RestartOptions::ExponentialDelay {
                initial_backoff_ms,
                max_backoff_ms,
                backoff_multiplier,
                reset_backoff_threshold_ms,
                jitter_factor,
                attempts,
            } => {
                if calm_ms.is_some_and(|calm| calm >= reset_backoff_threshold_ms) {
                    self.attempts_used = 0;
                }
                if self.attempts_used >= attempts {
                    return RestartDecision::GiveUp;
                }
                let grown = initial_backoff_ms as f64 * backoff_multiplier.powi(self.attempts_used as i32);
                let bounded = grown.min(max_backoff_ms as f64);
                self.attempts_used += 1;
                let spread = 1.0 + jitter_factor * (2.0 * random - 1.0);
                RestartDecision::RestartAfterMs((bounded * spread) as u64)
            }
            RestartOptions::FixedDelay { attempts, delay_ms } => {
                if self.attempts_used >= attempts {
                    return RestartDecision::GiveUp;
                }
                self.attempts_used += 1;
                RestartDecision::RestartAfterMs(delay_ms)
            }
            RestartOptions::FailureRate { max_failures_per_interval, interval_ms, delay_ms } => {
                while self
                    .recent_failures_ms
                    .front()
                    .is_some_and(|at| now_ms.saturating_sub(*at) > interval_ms)
                {
                    self.recent_failures_ms.pop_front();
                }
                if self.recent_failures_ms.len() >= max_failures_per_interval as usize {
                    return RestartDecision::GiveUp;
                }
                self.recent_failures_ms.push_back(now_ms);
                RestartDecision::RestartAfterMs(delay_ms)
            }
            RestartOptions::None => RestartDecision::GiveUp,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use RestartDecision::{GiveUp, RestartAfterMs};

    #[test]
    fn exponential_delay_grows_up_to_its_budget_and_a_calm_time_restores_it() {
        let mut strategy = RestartStrategy::new(RestartOptions::ExponentialDelay {
            initial_backoff_ms: 10,
            max_backoff_ms: 30,
            backoff_multiplier: 2.0,
            reset_backoff_threshold_ms: 1_000,
            jitter_factor: 0.0,
            attempts: 3,
        });
        let decisions: Vec<_> = (0..4).map(|at| strategy.on_failure(at, 0.5)).collect();
        assert_eq!(decisions, [RestartAfterMs(10), RestartAfterMs(20), RestartAfterMs(30), GiveUp]);
        assert_eq!(strategy.on_failure(5_000, 0.5), RestartAfterMs(10));
    }

    #[test]
    fn waiting_for_a_restart_is_no_calm() {
        let mut strategy = RestartStrategy::new(RestartOptions::ExponentialDelay {
            initial_backoff_ms: 1_000,
            max_backoff_ms: 1_000,
            backoff_multiplier: 1.0,
            reset_backoff_threshold_ms: 500,
            jitter_factor: 0.0,
            attempts: 2,
        });
        assert_eq!(strategy.on_failure(0, 0.5), RestartAfterMs(1_000));
        assert_eq!(strategy.on_failure(1_001, 0.5), RestartAfterMs(1_000));
        assert_eq!(strategy.on_failure(2_002, 0.5), GiveUp);
    }

    #[test]
    fn failure_rate_forgets_old_failures() {
        let mut strategy = RestartStrategy::new(RestartOptions::FailureRate {
            max_failures_per_interval: 2,
            interval_ms: 100,
            delay_ms: 1,
        });
        assert_eq!(strategy.on_failure(0, 0.0), RestartAfterMs(1));
        assert_eq!(strategy.on_failure(10, 0.0), RestartAfterMs(1));
        assert_eq!(strategy.on_failure(20, 0.0), GiveUp);
        assert_eq!(strategy.on_failure(111, 0.0), RestartAfterMs(1));
    }

    #[test]
    fn none_gives_up_at_once() {
        assert_eq!(RestartStrategy::new(RestartOptions::None).on_failure(0, 0.0), GiveUp);
    }
}
