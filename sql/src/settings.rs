//! `SET 'key' = 'value'`: Flink's option names, those of jobs and those of SQL.

use std::collections::BTreeMap;

use headwater_core::options::{JobOptions, OptionError, nearest, parse_duration_ms};

use crate::{error::SqlError, operators::constraints::LengthEnforcer, planner::PlanOptions};

/// What SQL has of options, and what they take.
const SQL_OPTIONS: [(&str, Takes); 19] = [
    ("execution.runtime-mode", Takes::OneOf(&["streaming"])),
    ("pipeline.name", Takes::Text),
    ("sql-client.execution.result-mode", Takes::OneOf(&["table", "changelog", "tableau"])),
    ("sql-client.display.max-column-width", Takes::Number),
    ("table.dml-sync", Takes::OneOf(&["true", "false"])),
    ("table.exec.emit.early-fire.delay", Takes::Duration),
    ("table.exec.emit.early-fire.enabled", Takes::OneOf(&["true", "false"])),
    ("table.exec.late-rows.table", Takes::Text),
    ("table.exec.mini-batch.allow-latency", Takes::Duration),
    ("table.exec.mini-batch.enabled", Takes::OneOf(&["true", "false"])),
    ("table.exec.mini-batch.size", Takes::Number),
    ("table.exec.sink.not-null-enforcer", Takes::OneOf(&["error", "drop"])),
    ("table.exec.sink.type-length-enforcer", Takes::OneOf(&["ignore", "trim_pad", "error"])),
    ("table.exec.source.idle-timeout", Takes::Duration),
    ("table.exec.state.ttl", Takes::Duration),
    ("table.local-time-zone", Takes::OneOf(&["utc"])),
    ("table.optimizer.agg-phase-strategy", Takes::OneOf(&["auto", "one_phase", "two_phase"])),
    ("table.optimizer.distinct-agg.split.enabled", Takes::OneOf(&["false"])),
    ("table.exec.resource.default-parallelism", Takes::Number),
];

#[derive(Clone, Copy)]
enum Takes {
    Text,
    Number,
    Duration,
    /// Any case.
    OneOf(&'static [&'static str]),
}

/// What was set.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settings(BTreeMap<String, String>);

impl Settings {
    /// Sets an option, if there is one with this key that takes this value.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), SqlError> {
        match SQL_OPTIONS.iter().find(|(known, _)| *known == key) {
            Some((_, takes)) => takes.check(key, value)?,
            None => {
                let mut probe = JobOptions::default();
                match probe.set(key, value) {
                    Err(OptionError::Unknown { suggestion, .. }) => {
                        let near =
                            suggestion.or_else(|| nearest(key, SQL_OPTIONS.iter().map(|(known, _)| *known)));
                        let error = SqlError::new(format!("unknown option `{key}`"));
                        return Err(match near {
                            Some(near) => error.hint(format!("did you mean `{near}`?")),
                            None => error,
                        });
                    }
                    Err(other) => return Err(SqlError::new(other.to_string())),
                    Ok(()) => {}
                }
            }
        }
        self.0.insert(key.to_owned(), value.to_owned());
        Ok(())
    }

    /// Forgets one option, or all.
    pub fn reset(&mut self, key: Option<&str>) {
        match key {
            Some(key) => drop(self.0.remove(key)),
            None => self.0.clear(),
        }
    }

    /// All that was set.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// What an option was set to.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// The job's options with what was set.
    pub fn job_options(&self, mut options: JobOptions) -> Result<JobOptions, SqlError> {
        for (key, value) in self.iter() {
            if key == "table.exec.resource.default-parallelism" {
                options
                    .set("parallelism.default", value)
                    .map_err(|error| SqlError::new(error.to_string()))?;
            }
            if !SQL_OPTIONS.iter().any(|(known, _)| *known == key) {
                options.set(key, value).map_err(|error| SqlError::new(error.to_string()))?;
            }
        }
        options.check().map_err(|error| SqlError::new(error.to_string()))?;
        Ok(options)
    }

    /// What holds for plans.
    pub fn plan_options(&self, options: &JobOptions) -> PlanOptions {
        let duration = |key: &str| self.get(key).and_then(parse_duration_ms).filter(|ms| *ms > 0);
        let lower = |key: &str| self.get(key).map(str::to_ascii_lowercase);
        let phases = lower("table.optimizer.agg-phase-strategy");
        PlanOptions {
            ttl_ms: duration("table.exec.state.ttl"),
            idle_timeout_ms: duration("table.exec.source.idle-timeout"),
            is_two_phase: match phases.as_deref() {
                Some("one_phase") => false,
                Some("two_phase") => true,
                _ => options.parallelism > 1,
            },
            early_fire: (lower("table.exec.emit.early-fire.enabled").as_deref() == Some("true"))
                .then(|| self.get("table.exec.emit.early-fire.delay").and_then(parse_duration_ms)),
            drops_nulls: lower("table.exec.sink.not-null-enforcer").as_deref() == Some("drop"),
            length_enforcer: match lower("table.exec.sink.type-length-enforcer").as_deref() {
                Some("trim_pad") => LengthEnforcer::TrimPad,
                Some("error") => LengthEnforcer::Error,
                _ => LengthEnforcer::Ignore,
            },
            late_table: None,
        }
    }
}

impl Takes {
    fn check(self, key: &str, value: &str) -> Result<(), SqlError> {
        let expected = match self {
            Self::Text => return Ok(()),
            Self::Number if value.trim().parse::<u64>().is_ok() => return Ok(()),
            Self::Number => "a number".to_owned(),
            Self::Duration if parse_duration_ms(value).is_some() => return Ok(()),
            Self::Duration => "a duration, such as `10 s`".to_owned(),
            Self::OneOf(known) if known.iter().any(|known| known.eq_ignore_ascii_case(value)) => {
                return Ok(());
            }
            Self::OneOf(known) => known.join(" or "),
        };
        Err(SqlError::new(format!("option `{key}`: expected {expected}, found `{value}`")))
    }
}
