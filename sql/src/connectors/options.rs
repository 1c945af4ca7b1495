//! The options of a WITH clause: read by their types, and none of them ignored.

use std::{
    collections::BTreeSet,
    fmt::Display,
    ops::{Bound, RangeBounds},
    str::FromStr,
};

use headwater_core::options::{parse_duration_ms, parse_memory_bytes};

use super::TableDescriptor;
use crate::error::SqlError;

/// The option that names the connector.
pub const CONNECTOR: &str = "connector";

/// Reads a table's options. What was asked for is known; [`finish`](Self::finish) refuses everything else.
#[derive(Debug)]
pub struct OptionReader<'a> {
    table: &'a TableDescriptor,
    known: BTreeSet<String>,
}

impl<'a> OptionReader<'a> {
    /// A reader of the options of this table, `connector` being known.
    pub fn new(table: &'a TableDescriptor) -> Self {
        Self { table, known: BTreeSet::from([CONNECTOR.to_owned()]) }
    }

    /// The value as it is written.
    pub fn optional(&mut self, key: &str) -> Option<&'a str> {
        if !self.known.contains(key) {
            self.known.insert(key.to_owned());
        }
        self.table.options.get(key).map(String::as_str)
    }

    /// The value as it is written; an error if it is not set.
    pub fn required(&mut self, key: &str) -> Result<&'a str, SqlError> {
        let value = self.optional(key);
        value.ok_or_else(|| self.error(key, format!("not set: connector `{}` needs it", self.connector())))
    }

    /// What `parse` makes of the value; `expected` is for the error if that is nothing.
    pub fn parsed<T>(
        &mut self,
        key: &str,
        expected: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, SqlError> {
        let Some(value) = self.optional(key) else { return Ok(None) };
        parse(value).map(Some).ok_or_else(|| self.invalid(key, expected))
    }

    /// `true` or `false`.
    pub fn flag(&mut self, key: &str) -> Result<Option<bool>, SqlError> {
        self.parsed(key, "`true` or `false`", |value| value.trim().to_ascii_lowercase().parse().ok())
    }

    /// A whole number in a range.
    pub fn integer<N>(&mut self, key: &str, range: impl RangeBounds<N>) -> Result<Option<N>, SqlError>
    where
        N: FromStr + PartialOrd + Display,
    {
        self.number(key, "whole number", range)
    }

    /// A number in a range, with or without decimals.
    pub fn decimal(&mut self, key: &str, range: impl RangeBounds<f64>) -> Result<Option<f64>, SqlError> {
        self.number(key, "number", range)
    }

    fn number<N>(&mut self, key: &str, what: &str, range: impl RangeBounds<N>) -> Result<Option<N>, SqlError>
    where
        N: FromStr + PartialOrd + Display,
    {
        let range_told = match (range.start_bound(), range.end_bound()) {
            (Bound::Included(low), Bound::Included(high)) => format!(" from {low} to {high}"),
            (Bound::Included(low), _) => format!(" of at least {low}"),
            (Bound::Excluded(low), _) => format!(" above {low}"),
            (Bound::Unbounded, Bound::Included(high)) => format!(" of at most {high}"),
            (Bound::Unbounded, _) => String::new(),
        };
        self.parsed(key, &format!("a {what}{range_told}"), |value| {
            value.trim().parse().ok().filter(|number| range.contains(number))
        })
    }

    /// A duration as Flink writes it, in milliseconds.
    pub fn duration_ms(&mut self, key: &str) -> Result<Option<u64>, SqlError> {
        self.parsed(key, "a duration such as `500 ms`, `10 s` or `5 min`", parse_duration_ms)
    }

    /// A memory size as Flink writes it, in bytes.
    pub fn memory_bytes(&mut self, key: &str) -> Result<Option<u64>, SqlError> {
        self.parsed(key, "a memory size such as `64 kb` or `128 mb`", parse_memory_bytes)
    }

    /// One of several words, in upper or lower case.
    pub fn choice<T: Clone>(&mut self, key: &str, choices: &[(&str, T)]) -> Result<Option<T>, SqlError> {
        let words: Vec<_> = choices.iter().map(|(word, _)| format!("`{word}`")).collect();
        let expected = match words.split_last() {
            Some((last, [])) => last.clone(),
            Some((last, others)) => format!("{} or {last}", others.join(", ")),
            None => "nothing".to_owned(),
        };
        self.parsed(key, &expected, |value| {
            let value = value.trim();
            choices.iter().find(|(word, _)| word.eq_ignore_ascii_case(value)).map(|(_, it)| it.clone())
        })
    }

    /// An error about one option.
    #[track_caller]
    pub fn error(&self, key: &str, message: impl Display) -> SqlError {
        SqlError::new(format!("table `{}`, option `{key}`: {message}", self.table.name))
    }

    /// The error that a value is right but may not be used here.
    pub fn refused(&self, key: &str, error: &std::io::Error) -> SqlError {
        self.error(key, error)
    }

    /// The error that an option's value is not what it should be.
    #[track_caller]
    pub fn invalid(&self, key: &str, expected: impl Display) -> SqlError {
        let found = self.table.options.get(key).map_or("nothing".to_owned(), |value| format!("`{value}`"));
        self.error(key, format!("expected {expected}, found {found}"))
    }

    /// Refuses options that nobody has asked for.
    pub fn finish(self) -> Result<(), SqlError> {
        let Some(unknown) = self.table.options.keys().find(|key| !self.known.contains(*key)) else {
            return Ok(());
        };
        let known = self.known.iter().map(String::as_str);
        let error = self.error(unknown, format!("unknown for connector `{}`", self.connector()));
        Err(error.did_you_mean(unknown, known))
    }

    fn connector(&self) -> &str {
        self.table.options.get(CONNECTOR).map_or("", String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing::table, *};

    fn told<T: std::fmt::Debug>(result: Result<T, SqlError>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn values_are_read_as_flink_writes_them() {
        let options = [
            ("connector", "x"),
            ("wait", "1 s"),
            ("pause", "10min"),
            ("size", "64 kb"),
            ("count", " 7 "),
            ("share", "0.25"),
            ("on", "TRUE"),
            ("mode", "Sequence"),
        ];
        let table = table("t", [], options);
        let mut reader = OptionReader::new(&table);
        assert_eq!(reader.required("count"), Ok(" 7 "));
        assert_eq!(reader.duration_ms("wait"), Ok(Some(1_000)));
        assert_eq!(reader.duration_ms("pause"), Ok(Some(600_000)));
        assert_eq!(reader.memory_bytes("size"), Ok(Some(64 << 10)));
        assert_eq!(reader.integer("count", 1..), Ok(Some(7u32)));
        assert_eq!(reader.decimal("share", 0.0..=1.0), Ok(Some(0.25)));
        assert_eq!(reader.flag("on"), Ok(Some(true)));
        assert_eq!(reader.flag("off"), Ok(None));
        assert_eq!(reader.choice("mode", &[("random", 1), ("sequence", 2)]), Ok(Some(2)));
        assert_eq!(reader.finish(), Ok(()));
    }

    #[test]
    fn an_option_that_nobody_reads_is_refused() {
        let table = table("t", [], [("connector", "datagen"), ("fooo", "1")]);
        let mut reader = OptionReader::new(&table);
        assert_eq!(reader.optional("foo"), None);
        let unknown = "table `t`, option `fooo`: unknown for connector `datagen`; did you mean `foo`?";
        assert_eq!(told(reader.finish()), unknown);
    }

    #[test]
    fn a_wrong_value_is_named_with_what_would_be_right() {
        let table = table("t", [], [("connector", "datagen"), ("a", "many"), ("b", "11")]);
        let mut reader = OptionReader::new(&table);
        let prefix = "table `t`, option ";
        assert_eq!(told(reader.flag("a")), format!("{prefix}`a`: expected `true` or `false`, found `many`"));
        assert_eq!(
            told(reader.integer("b", 0..=10i64)),
            format!("{prefix}`b`: expected a whole number from 0 to 10, found `11`")
        );
        assert_eq!(
            told(reader.decimal("a", 0.0..)),
            format!("{prefix}`a`: expected a number of at least 0, found `many`")
        );
        assert_eq!(
            told(reader.choice("a", &[("x", 1), ("y", 2), ("z", 3)])),
            format!("{prefix}`a`: expected `x`, `y` or `z`, found `many`")
        );
        assert!(told(reader.duration_ms("a")).contains("expected a duration"));
        assert!(told(reader.memory_bytes("a")).contains("expected a memory size"));
        let missing = format!("{prefix}`path`: not set: connector `datagen` needs it");
        assert_eq!(told(reader.required("path")), missing);
    }
}
