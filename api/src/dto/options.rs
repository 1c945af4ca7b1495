//! A job's options by their keys.

use std::collections::BTreeMap;

use headwater_core::options::{JobOptions, MalformedRecords, RestartOptions, StateBackend};

/// Every option that holds, as [`JobOptions::set_all`] would take it.
pub fn written(options: &JobOptions) -> BTreeMap<String, String> {
    let checkpointing = &options.checkpointing;
    let state_backend = match options.state_backend {
        StateBackend::HashMap => "hashmap",
        StateBackend::RocksDb => "rocksdb",
    };
    let general = [
        ("parallelism.default", options.parallelism.to_string()),
        ("pipeline.max-parallelism", options.max_parallelism.to_string()),
        ("execution.checkpointing.interval", ms(checkpointing.interval_ms.unwrap_or(0))),
        ("execution.checkpointing.timeout", ms(checkpointing.timeout_ms)),
        ("execution.checkpointing.min-pause", ms(checkpointing.min_pause_ms)),
        (
            "execution.checkpointing.tolerable-failed-checkpoints",
            checkpointing.tolerable_failures.to_string(),
        ),
        ("execution.checkpointing.num-retained", checkpointing.num_retained.to_string()),
        ("state.backend.type", state_backend.to_owned()),
        ("state.cache.memory", format!("{} bytes", options.state_cache_bytes)),
        ("state.backend.incremental-from", format!("{} bytes", options.state_incremental_from_bytes)),
        ("task.stall-timeout", ms(options.stall_timeout_ms)),
    ];
    let general = general.into_iter().map(|(key, value)| (key.to_owned(), value));
    let restart =
        restart(&options.restart).into_iter().map(|(key, value)| (format!("restart-strategy.{key}"), value));
    let malformed = malformed_records(&options.malformed_records)
        .into_iter()
        .map(|(key, value)| (format!("source.{key}"), value));
    general.chain(malformed).chain(restart).collect()
}

fn malformed_records(policy: &MalformedRecords) -> Vec<(&'static str, String)> {
    match policy {
        MalformedRecords::Fail => vec![("malformed-records", "fail".to_owned())],
        MalformedRecords::Skip => vec![("malformed-records", "skip".to_owned())],
        MalformedRecords::DeadLetter(folder) => vec![
            ("malformed-records", "dead-letter".to_owned()),
            ("dead-letter.path", folder.display().to_string()),
        ],
    }
}

fn ms(duration_ms: u64) -> String {
    format!("{duration_ms} ms")
}

fn restart(options: &RestartOptions) -> Vec<(&'static str, String)> {
    match options {
        RestartOptions::ExponentialDelay {
            initial_backoff_ms,
            max_backoff_ms,
            backoff_multiplier,
            reset_backoff_threshold_ms,
            jitter_factor,
            attempts,
        } => vec![
            ("type", "exponential-delay".to_owned()),
            ("exponential-delay.initial-backoff", ms(*initial_backoff_ms)),
            ("exponential-delay.max-backoff", ms(*max_backoff_ms)),
            ("exponential-delay.backoff-multiplier", backoff_multiplier.to_string()),
            ("exponential-delay.reset-backoff-threshold", ms(*reset_backoff_threshold_ms)),
            ("exponential-delay.jitter-factor", jitter_factor.to_string()),
            ("exponential-delay.attempts-before-reset-backoff", attempts.to_string()),
        ],
        RestartOptions::FixedDelay { attempts, delay_ms } => vec![
            ("type", "fixed-delay".to_owned()),
            ("fixed-delay.attempts", attempts.to_string()),
            ("fixed-delay.delay", ms(*delay_ms)),
        ],
        RestartOptions::FailureRate { max_failures_per_interval, interval_ms, delay_ms } => vec![
            ("type", "failure-rate".to_owned()),
            ("failure-rate.max-failures-per-interval", max_failures_per_interval.to_string()),
            ("failure-rate.failure-rate-interval", ms(*interval_ms)),
            ("failure-rate.delay", ms(*delay_ms)),
        ],
        RestartOptions::None => vec![("type", "none".to_owned())],
    }
}

#[cfg(test)]
mod tests {
    use headwater_core::options::{CheckpointOptions, JOB_OPTIONS};

    use super::*;

    #[test]
    fn what_is_shown_can_be_submitted_again_and_leaves_no_option_out() {
        let checkpointing = CheckpointOptions {
            interval_ms: None,
            timeout_ms: 7,
            min_pause_ms: 8,
            tolerable_failures: 9,
            num_retained: 10,
        };
        let strategies = [
            RestartOptions::ExponentialDelay {
                initial_backoff_ms: 1,
                max_backoff_ms: 2,
                backoff_multiplier: 1.5,
                reset_backoff_threshold_ms: 3,
                jitter_factor: 0.25,
                attempts: 4,
            },
            RestartOptions::FixedDelay { attempts: 5, delay_ms: 6 },
            RestartOptions::FailureRate { max_failures_per_interval: 7, interval_ms: 8, delay_ms: 9 },
            RestartOptions::None,
        ];
        let policies = [
            MalformedRecords::Fail,
            MalformedRecords::Skip,
            MalformedRecords::DeadLetter("dead letters".into()),
            MalformedRecords::Fail,
        ];
        let mut shown = std::collections::BTreeSet::new();
        for (restart, malformed_records) in strategies.into_iter().zip(policies) {
            let options = JobOptions {
                parallelism: 3,
                max_parallelism: 64,
                checkpointing: checkpointing.clone(),
                state_backend: StateBackend::HashMap,
                state_cache_bytes: 12_345,
                state_incremental_from_bytes: 23_456,
                restart,
                malformed_records,
                stall_timeout_ms: 11,
            };
            let written = written(&options);
            let mut read = JobOptions::default();
            read.set_all(&written).unwrap();
            assert_eq!(read, options);
            shown.extend(written.into_keys());
        }
        let missing: Vec<&str> =
            JOB_OPTIONS.iter().map(|(key, _, _)| *key).filter(|key| !shown.contains(*key)).collect();
        assert_eq!(missing, Vec::<&str>::new());
    }
}
