//! Configuration: what can be set for a job, under Flink's names where the meaning is the same.

use std::{collections::BTreeMap, path::PathBuf, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::key_group::{DEFAULT_MAX_PARALLELISM, MAX_MAX_PARALLELISM};

/// Everything that holds for one job. Read it with [`JobOptions::set`] from keys and values.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct JobOptions {
    /// `parallelism.default`: of operators that set none.
    pub parallelism: u32,
    /// `pipeline.max-parallelism`: the number of key groups.
    pub max_parallelism: u16,
    /// `execution.checkpointing.*`.
    pub checkpointing: CheckpointOptions,
    /// `state.backend.type`.
    pub state_backend: StateBackend,
    /// `state.cache.memory`: how much keyed state a subtask keeps in memory with the RocksDB backend, in bytes.
    pub state_cache_bytes: u64,
    /// With the heap backend: once a subtask's snapshot has so many bytes, those that follow have only what has changed.
    pub state_incremental_from_bytes: u64,
    /// `restart-strategy.*`.
    pub restart: RestartOptions,
    /// `source.malformed-records` and `source.dead-letter.path`: of sources that set nothing else.
    pub malformed_records: MalformedRecords,
    /// `task.stall-timeout`: how long a task may work without progress before it counts as hung, in milliseconds.
    pub stall_timeout_ms: u64,
}

/// When checkpoints are taken and how many are kept.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CheckpointOptions {
    /// `interval`, in milliseconds; `None` takes only the one that commits a bounded job's output.
    pub interval_ms: Option<u64>,
    /// `timeout`: a checkpoint that takes longer is given up, in milliseconds.
    pub timeout_ms: u64,
    /// `min-pause` between the end of one and the start of the next, in milliseconds.
    pub min_pause_ms: u64,
    /// `tolerable-failed-checkpoints` in a row before the job itself fails.
    pub tolerable_failures: u32,
    /// `num-retained`: how many completed ones are kept.
    pub num_retained: u32,
}

/// Where keyed state lives.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum StateBackend {
    /// `hashmap`: in memory; every checkpoint writes all of it.
    HashMap,
    /// `rocksdb`: in RocksDB behind a write-back cache; a checkpoint writes what changed.
    RocksDb,
}

/// What becomes of a record that a source cannot decode.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum MalformedRecords {
    /// `fail`: the job fails, and says which record it is and what is wrong with it.
    #[default]
    Fail,
    /// `skip`: it is passed over and counted.
    Skip,
    /// `dead-letter`: it is written to a file in this folder, exactly once, with where it was and what is wrong with it, and
    /// counted.
    DeadLetter(PathBuf),
}

/// What happens after a failure.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum RestartOptions {
    /// `exponential-delay`: wait longer each time, up to a budget of attempts.
    ExponentialDelay {
        /// `initial-backoff`, in milliseconds.
        initial_backoff_ms: u64,
        /// `max-backoff`, in milliseconds.
        max_backoff_ms: u64,
        /// `backoff-multiplier`.
        backoff_multiplier: f64,
        /// `reset-backoff-threshold`: so long without a failure restores the budget, in milliseconds.
        reset_backoff_threshold_ms: u64,
        /// `jitter-factor`: the share of the delay by which it varies at random.
        jitter_factor: f64,
        /// `attempts-before-reset-backoff`: the budget.
        attempts: u32,
    },
    /// `fixed-delay`: so many times in all, each after the same delay.
    FixedDelay {
        /// `attempts`.
        attempts: u32,
        /// `delay`, in milliseconds.
        delay_ms: u64,
    },
    /// `failure-rate`: as long as failures are rare enough.
    FailureRate {
        /// `max-failures-per-interval`.
        max_failures_per_interval: u32,
        /// `failure-rate-interval`, in milliseconds.
        interval_ms: u64,
        /// `delay`, in milliseconds.
        delay_ms: u64,
    },
    /// `none`: the first failure is the job's.
    None,
}

impl Default for JobOptions {
    fn default() -> Self {
        Self {
            parallelism: 1,
            max_parallelism: DEFAULT_MAX_PARALLELISM,
            checkpointing: CheckpointOptions::default(),
            state_backend: StateBackend::RocksDb,
            state_cache_bytes: 256 << 20,
            state_incremental_from_bytes: 1 << 20,
            restart: RestartOptions::default(),
            malformed_records: MalformedRecords::default(),
            stall_timeout_ms: 60_000,
        }
    }
}

impl Default for CheckpointOptions {
    fn default() -> Self {
        Self {
            interval_ms: Some(1_000),
            timeout_ms: 600_000,
            min_pause_ms: 0,
            tolerable_failures: 0,
            num_retained: 2,
        }
    }
}

impl RestartOptions {
    fn exponential_delay() -> Self {
        Self::ExponentialDelay {
            initial_backoff_ms: 10,
            max_backoff_ms: 60_000,
            backoff_multiplier: 2.0,
            reset_backoff_threshold_ms: 10_000,
            jitter_factor: 0.1,
            attempts: 10,
        }
    }

    fn fixed_delay() -> Self {
        Self::FixedDelay { attempts: 1, delay_ms: 1_000 }
    }

    fn failure_rate() -> Self {
        Self::FailureRate { max_failures_per_interval: 1, interval_ms: 60_000, delay_ms: 1_000 }
    }
}

impl Default for RestartOptions {
    fn default() -> Self {
        Self::exponential_delay()
    }
}

/// A key or value that cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptionError {
    /// No such option.
    #[error("unknown option `{key}`{}", did_you_mean(.suggestion))]
    Unknown {
        /// The key as given.
        key: String,
        /// The known key that is nearest to it, if any is near.
        suggestion: Option<String>,
    },
    /// The value is not of the option's kind, or out of its range.
    #[error("option `{key}`: expected {expected}, found `{found}`")]
    Invalid {
        /// The key.
        key: String,
        /// What would be right.
        expected: &'static str,
        /// The value as given.
        found: String,
    },
    /// Another option needs this one.
    #[error("option `{key}` is not set: expected {expected}")]
    Missing {
        /// The key.
        key: &'static str,
        /// What would be right, and why.
        expected: &'static str,
    },
}

fn did_you_mean(suggestion: &Option<String>) -> String {
    suggestion.as_ref().map_or_else(String::new, |known| format!(": did you mean `{known}`?"))
}

/// The known name that is nearest to `name` by edit distance, if it is near enough to be a slip.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    known
        .into_iter()
        .map(|candidate| (strsim::levenshtein(name, candidate), candidate))
        .min()
        // Of a short name not much may be another.
        .filter(|(distance, candidate)| {
            *distance <= 2.max(candidate.len() / 4) && distance * 2 <= candidate.len().max(name.len())
        })
        .map(|(_, candidate)| candidate.to_owned())
}

/// A number of milliseconds as Flink writes durations: `500 ms`, `10 s`, `5 min`, `1 h`, `2 d`, or with the unit's whole
/// name; a bare number is milliseconds.
pub fn parse_duration_ms(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim() {
        "" | "ms" | "milli" | "millis" | "millisecond" | "milliseconds" => 1,
        "s" | "sec" | "secs" | "second" | "seconds" => 1_000,
        "min" | "m" | "minute" | "minutes" => 60_000,
        "h" | "hour" | "hours" => 3_600_000,
        "d" | "day" | "days" => 86_400_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// A number of bytes as Flink writes memory sizes: `64 kb`, `256 mb`, `1 gb`; a bare number is bytes.
pub fn parse_memory_bytes(text: &str) -> Option<u64> {
    let text = text.trim().to_ascii_lowercase();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim() {
        "" | "b" | "bytes" => 1,
        "k" | "kb" => 1 << 10,
        "m" | "mb" => 1 << 20,
        "g" | "gb" => 1 << 30,
        "t" | "tb" => 1 << 40,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

const DURATION: &str = "a duration such as `500 ms`, `10 s` or `5 min`";
const WHOLE: &str = "a whole number";

type Setter = fn(&mut JobOptions, &str) -> Result<(), &'static str>;

/// Every option: its key, what it is, and how it is set.
pub const JOB_OPTIONS: &[(&str, &str, Setter)] = &[
    ("parallelism.default", "parallelism of operators that set none", |options, value| {
        options.parallelism = positive(value)?;
        Ok(())
    }),
    ("pipeline.max-parallelism", "number of key groups", |options, value| {
        options.max_parallelism = value
            .parse()
            .ok()
            .filter(|number| (1..=MAX_MAX_PARALLELISM).contains(number))
            .ok_or("a whole number from 1 to 32768")?;
        Ok(())
    }),
    (
        "execution.checkpointing.interval",
        "time between checkpoints; 0 takes only the one that commits the end of the input",
        |options, value| {
            options.checkpointing.interval_ms = Some(duration(value)?).filter(|interval| *interval > 0);
            Ok(())
        },
    ),
    ("execution.checkpointing.timeout", "a checkpoint that takes longer is given up", |options, value| {
        options.checkpointing.timeout_ms = duration(value)?;
        Ok(())
    }),
    ("execution.checkpointing.min-pause", "least time between two checkpoints", |options, value| {
        options.checkpointing.min_pause_ms = duration(value)?;
        Ok(())
    }),
    (
        "execution.checkpointing.tolerable-failed-checkpoints",
        "failed checkpoints in a row before the job itself fails",
        |options, value| {
            options.checkpointing.tolerable_failures = number(value)?;
            Ok(())
        },
    ),
    ("execution.checkpointing.num-retained", "completed checkpoints kept", |options, value| {
        options.checkpointing.num_retained = positive(value)?;
        Ok(())
    }),
    ("state.backend.type", "`rocksdb` or `hashmap`", |options, value| {
        options.state_backend = match value {
            "rocksdb" => StateBackend::RocksDb,
            "hashmap" => StateBackend::HashMap,
            _ => return Err("`rocksdb` or `hashmap`"),
        };
        Ok(())
    }),
    ("state.cache.memory", "keyed state kept in memory per subtask with `rocksdb`", |options, value| {
        options.state_cache_bytes =
            parse_memory_bytes(value).ok_or("a memory size such as `64 mb` or `1 gb`")?;
        Ok(())
    }),
    (
        "state.backend.incremental-from",
        "bytes of a subtask's snapshot behind which further ones have changes only, with `hashmap`",
        |options, value| {
            options.state_incremental_from_bytes =
                parse_memory_bytes(value).ok_or("a memory size such as `64 mb` or `1 gb`")?;
            Ok(())
        },
    ),
    ("task.stall-timeout", "a task that works so long without progress counts as hung", |options, value| {
        options.stall_timeout_ms = duration(value)?;
        Ok(())
    }),
    (
        MALFORMED_RECORDS,
        "what becomes of a record that a source cannot decode: `fail`, `skip` or `dead-letter`",
        |options, value| {
            options.malformed_records = match value {
                "fail" => MalformedRecords::Fail,
                "skip" => MalformedRecords::Skip,
                "dead-letter" => MalformedRecords::DeadLetter(PathBuf::new()),
                _ => return Err("`fail`, `skip` or `dead-letter`"),
            };
            Ok(())
        },
    ),
    (DEAD_LETTER_PATH, "folder that such records are written to with `dead-letter`", |options, value| {
        let MalformedRecords::DeadLetter(folder) = &mut options.malformed_records else {
            return Err("`source.malformed-records` to be `dead-letter` for this option");
        };
        if value.is_empty() {
            return Err(A_FOLDER);
        }
        *folder = PathBuf::from(value);
        Ok(())
    }),
    (
        "restart-strategy.type",
        "`exponential-delay`, `fixed-delay`, `failure-rate` or `none`",
        |options, value| {
            options.restart = match value {
                "exponential-delay" => RestartOptions::exponential_delay(),
                "fixed-delay" => RestartOptions::fixed_delay(),
                "failure-rate" => RestartOptions::failure_rate(),
                "none" | "disable" | "off" => RestartOptions::None,
                _ => return Err("`exponential-delay`, `fixed-delay`, `failure-rate` or `none`"),
            };
            Ok(())
        },
    ),
    ("restart-strategy.exponential-delay.initial-backoff", "first delay", |options, value| {
        let RestartOptions::ExponentialDelay { initial_backoff_ms, .. } = &mut options.restart else {
            return Err(NEEDS_EXPONENTIAL);
        };
        *initial_backoff_ms = duration(value)?;
        Ok(())
    }),
    ("restart-strategy.exponential-delay.max-backoff", "longest delay", |options, value| {
        let RestartOptions::ExponentialDelay { max_backoff_ms, .. } = &mut options.restart else {
            return Err(NEEDS_EXPONENTIAL);
        };
        *max_backoff_ms = duration(value)?;
        Ok(())
    }),
    (
        "restart-strategy.exponential-delay.backoff-multiplier",
        "growth of the delay per attempt",
        |options, value| {
            let RestartOptions::ExponentialDelay { backoff_multiplier, .. } = &mut options.restart else {
                return Err(NEEDS_EXPONENTIAL);
            };
            *backoff_multiplier = value
                .parse()
                .ok()
                .filter(|factor: &f64| factor.is_finite() && *factor >= 1.0)
                .ok_or("a number of at least 1")?;
            Ok(())
        },
    ),
    (
        "restart-strategy.exponential-delay.reset-backoff-threshold",
        "time without a failure that restores the budget",
        |options, value| {
            let RestartOptions::ExponentialDelay { reset_backoff_threshold_ms, .. } = &mut options.restart
            else {
                return Err(NEEDS_EXPONENTIAL);
            };
            *reset_backoff_threshold_ms = duration(value)?;
            Ok(())
        },
    ),
    (
        "restart-strategy.exponential-delay.jitter-factor",
        "share of the delay that is random",
        |options, value| {
            let RestartOptions::ExponentialDelay { jitter_factor, .. } = &mut options.restart else {
                return Err(NEEDS_EXPONENTIAL);
            };
            *jitter_factor = value
                .parse()
                .ok()
                .filter(|share| (0.0..=1.0).contains(share))
                .ok_or("a number from 0 to 1")?;
            Ok(())
        },
    ),
    (
        "restart-strategy.exponential-delay.attempts-before-reset-backoff",
        "restarts in the budget",
        |options, value| {
            let RestartOptions::ExponentialDelay { attempts, .. } = &mut options.restart else {
                return Err(NEEDS_EXPONENTIAL);
            };
            *attempts = number(value)?;
            Ok(())
        },
    ),
    ("restart-strategy.fixed-delay.attempts", "restarts in all", |options, value| {
        let RestartOptions::FixedDelay { attempts, .. } = &mut options.restart else {
            return Err("`restart-strategy.type` to be `fixed-delay` before this option");
        };
        *attempts = number(value)?;
        Ok(())
    }),
    ("restart-strategy.fixed-delay.delay", "time before each restart", |options, value| {
        let RestartOptions::FixedDelay { delay_ms, .. } = &mut options.restart else {
            return Err("`restart-strategy.type` to be `fixed-delay` before this option");
        };
        *delay_ms = duration(value)?;
        Ok(())
    }),
    (
        "restart-strategy.failure-rate.max-failures-per-interval",
        "failures in an interval that are borne",
        |options, value| {
            let RestartOptions::FailureRate { max_failures_per_interval, .. } = &mut options.restart else {
                return Err(NEEDS_FAILURE_RATE);
            };
            *max_failures_per_interval = number(value)?;
            Ok(())
        },
    ),
    ("restart-strategy.failure-rate.failure-rate-interval", "that interval", |options, value| {
        let RestartOptions::FailureRate { interval_ms, .. } = &mut options.restart else {
            return Err(NEEDS_FAILURE_RATE);
        };
        *interval_ms = duration(value)?;
        Ok(())
    }),
    ("restart-strategy.failure-rate.delay", "time before each restart", |options, value| {
        let RestartOptions::FailureRate { delay_ms, .. } = &mut options.restart else {
            return Err(NEEDS_FAILURE_RATE);
        };
        *delay_ms = duration(value)?;
        Ok(())
    }),
];

const MALFORMED_RECORDS: &str = "source.malformed-records";
/// The option that names the folder of dead letters.
pub const DEAD_LETTER_PATH: &str = "source.dead-letter.path";
const A_FOLDER: &str = "a folder, since `source.malformed-records` is `dead-letter`";

const NEEDS_EXPONENTIAL: &str = "`restart-strategy.type` to be `exponential-delay` for this option";
const NEEDS_FAILURE_RATE: &str = "`restart-strategy.type` to be `failure-rate` for this option";

fn duration(value: &str) -> Result<u64, &'static str> {
    parse_duration_ms(value).ok_or(DURATION)
}

fn number<N: FromStr>(value: &str) -> Result<N, &'static str> {
    value.trim().parse().map_err(|_| WHOLE)
}

fn positive(value: &str) -> Result<u32, &'static str> {
    number(value).ok().filter(|number| *number > 0).ok_or("a whole number of at least 1")
}

impl JobOptions {
    /// Sets one option by its key.
    ///
    /// ```
    /// use headwater_core::options::JobOptions;
    /// let mut options = JobOptions::default();
    /// options.set("execution.checkpointing.interval", "10 s").unwrap();
    /// assert_eq!(options.checkpointing.interval_ms, Some(10_000));
    /// let error = options.set("execution.checkpointing.intervall", "10 s").unwrap_err();
    /// assert!(error.to_string().ends_with("did you mean `execution.checkpointing.interval`?"));
    /// ```
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), OptionError> {
        let Some((_, _, setter)) = JOB_OPTIONS.iter().find(|(known, _, _)| *known == key) else {
            let known = || JOB_OPTIONS.iter().map(|(known, _, _)| *known);
            // Flink's older names are often the newer ones cut short: `state.backend`, `restart-strategy`.
            let longer = known().find(|known| known.starts_with(&format!("{key}."))).map(str::to_owned);
            return Err(OptionError::Unknown {
                key: key.to_owned(),
                suggestion: longer.or_else(|| nearest(key, known())),
            });
        };
        setter(self, value).map_err(|expected| OptionError::Invalid {
            key: key.to_owned(),
            expected,
            found: value.to_owned(),
        })
    }

    /// Sets several options, a choice before the options that need it, and [checks](Self::check) them.
    pub fn set_all(&mut self, options: &BTreeMap<String, String>) -> Result<(), OptionError> {
        let is_choice = |key: &str| key.ends_with(".type") || key == MALFORMED_RECORDS;
        let (choices, others): (Vec<_>, Vec<_>) = options.iter().partition(|(key, _)| is_choice(key));
        choices.into_iter().chain(others).try_for_each(|(key, value)| self.set(key, value))?;
        self.check()
    }

    /// Refuses options one of which needs another that is not set.
    pub fn check(&self) -> Result<(), OptionError> {
        match &self.malformed_records {
            MalformedRecords::DeadLetter(folder) if folder.as_os_str().is_empty() => {
                Err(OptionError::Missing { key: DEAD_LETTER_PATH, expected: A_FOLDER })
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes_are_written_as_in_flink() {
        assert_eq!(parse_duration_ms("250"), Some(250));
        assert_eq!(parse_duration_ms("10 s"), Some(10_000));
        assert_eq!(parse_duration_ms("5min"), Some(300_000));
        assert_eq!(parse_duration_ms("2 days"), Some(2 * 86_400_000));
        assert_eq!(parse_duration_ms("-1 s"), None);
        assert_eq!(parse_memory_bytes("64 mb"), Some(64 << 20));
        assert_eq!(parse_memory_bytes("many"), None);
    }

    #[test]
    fn a_strategy_and_its_options_can_come_in_any_order() {
        let mut options = JobOptions::default();
        let given = BTreeMap::from([
            ("restart-strategy.fixed-delay.attempts".to_owned(), "7".to_owned()),
            ("restart-strategy.type".to_owned(), "fixed-delay".to_owned()),
        ]);
        options.set_all(&given).unwrap();
        assert_eq!(options.restart, RestartOptions::FixedDelay { attempts: 7, delay_ms: 1_000 });
    }

    #[test]
    fn dead_letters_need_a_folder_and_a_folder_needs_dead_letters() {
        let set = |given: &[(&str, &str)]| {
            let given = given.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            let mut options = JobOptions::default();
            options.set_all(&given).map(|()| options.malformed_records).map_err(|error| error.to_string())
        };
        let (policy, folder) =
            (("source.malformed-records", "dead-letter"), ("source.dead-letter.path", "bad"));
        assert_eq!(set(&[folder, policy]), Ok(MalformedRecords::DeadLetter(PathBuf::from("bad"))));
        let without_folder = set(&[policy]).unwrap_err();
        assert!(
            without_folder.starts_with("option `source.dead-letter.path` is not set"),
            "{without_folder}"
        );
        let without_policy = set(&[folder]).unwrap_err();
        assert!(
            without_policy.contains("`source.malformed-records` to be `dead-letter`"),
            "{without_policy}"
        );
        let skipping = set(&[("source.malformed-records", "skip"), folder]).unwrap_err();
        assert!(skipping.contains("`source.malformed-records` to be `dead-letter`"), "{skipping}");
    }

    #[test]
    fn an_older_name_that_was_cut_short_is_recognized() {
        let error = JobOptions::default().set("state.backend", "rocksdb").unwrap_err();
        assert!(error.to_string().ends_with("did you mean `state.backend.type`?"), "{error}");
    }

    #[test]
    fn a_wrong_value_is_named_with_what_would_be_right() {
        let error = JobOptions::default().set("state.backend.type", "memory").unwrap_err();
        assert_eq!(
            error.to_string(),
            "option `state.backend.type`: expected `rocksdb` or `hashmap`, found `memory`"
        );
    }
}
