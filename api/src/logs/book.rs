//! A bounded number of lines that readers can wait for.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use headwater_core::time::TimestampMs;
use serde_json::Value;
use tokio::sync::watch;

use crate::dto::LogLine;

const LINES_MAX: usize = 10_000;
const BYTES_MAX: usize = 8 << 20;
/// Of a line's message and each of its fields; the rest is cut off.
const TEXT_BYTES_MAX: usize = 16 << 10;

/// A line that has no number yet.
#[derive(Clone, Debug, Default)]
pub struct NewLine {
    /// When.
    pub at_ms: TimestampMs,
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub level: &'static str,
    /// The part of the program that it comes from.
    pub target: String,
    /// What happened.
    pub message: String,
    /// The particulars.
    pub fields: BTreeMap<String, Value>,
    /// The job that it belongs to.
    pub job: Option<String>,
}

/// Which lines are wanted.
#[derive(Clone, Debug, Default)]
pub struct LogFilter {
    /// How bad at least, as levels are ordered by `severity`; `None` is any.
    pub severity: Option<u8>,
    /// Only this job's.
    pub job: Option<String>,
}

/// 0 is an error, 4 a trace; `None` is no level.
pub(crate) fn severity(level: &str) -> Option<u8> {
    let levels = ["error", "warn", "info", "debug", "trace"];
    levels.iter().position(|known| level.eq_ignore_ascii_case(known)).map(|position| position as u8)
}

impl LogFilter {
    fn takes(&self, line: &LogLine) -> bool {
        let is_bad_enough =
            self.severity.is_none_or(|least| severity(&line.level).is_some_and(|it| it <= least));
        is_bad_enough && (self.job.is_none() || line.job == self.job)
    }
}

/// The newest lines. Nothing in here logs, since it is where lines end up.
#[derive(Debug)]
pub struct LogBook {
    lines: Mutex<Lines>,
    has_more: Condvar,
    newest: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Lines {
    lines: VecDeque<LogLine>,
    bytes: usize,
    last_seq: u64,
    /// The last line of the processes before this one.
    earlier_seq: u64,
}

impl Default for LogBook {
    fn default() -> Self {
        Self { lines: Mutex::default(), has_more: Condvar::new(), newest: watch::channel(0).0 }
    }
}

impl LogBook {
    /// Adds a line at the end, and gives it with its number: the time in microseconds, or one more than the last line's, so that
    /// numbers go on growing when the process is another one.
    pub fn append(&self, line: NewLine) -> LogLine {
        let mut lines = self.lock();
        let seq = (lines.last_seq + 1).max(u64::try_from(line.at_ms).unwrap_or(0) * 1_000);
        let cut = |mut text: String| {
            if text.len() > TEXT_BYTES_MAX {
                text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
                text.push('…');
            }
            text
        };
        let cut_value = |value| match value {
            Value::String(text) => Value::String(cut(text)),
            other => other,
        };
        let line = LogLine {
            seq,
            at_ms: line.at_ms,
            level: line.level.to_owned(),
            target: line.target,
            message: cut(line.message),
            fields: line.fields.into_iter().map(|(name, value)| (name, cut_value(value))).collect(),
            job: line.job,
        };
        lines.push(line.clone());
        drop(lines);
        self.has_more.notify_all();
        self.newest.send_replace(seq);
        line
    }

    /// Puts the lines of an earlier process before the present ones; those that are not older are left out.
    pub fn prepend(&self, earlier: Vec<LogLine>) {
        let mut lines = self.lock();
        let first_seq = lines.lines.front().map_or(u64::MAX, |line| line.seq);
        let present = std::mem::take(&mut lines.lines);
        let older = |line: &&LogLine| line.seq < first_seq;
        lines.earlier_seq = earlier.iter().rev().find(older).map_or(lines.earlier_seq, |line| line.seq);
        lines.bytes = 0;
        let mut last_seq = 0;
        for line in earlier.into_iter().filter(|line| line.seq < first_seq).chain(present) {
            if line.seq > last_seq {
                last_seq = line.seq;
                lines.push(line);
            }
        }
        lines.last_seq = lines.last_seq.max(last_seq);
    }

    /// The number of the last line that an earlier process wrote, or 0.
    pub fn last_seq_before_this_process(&self) -> u64 {
        self.lock().earlier_seq
    }

    /// Lines behind `after`, oldest first, or else the newest, at most `limit`, and where to go on: behind the last of
    /// these, or behind all if there are no more.
    pub fn read(&self, filter: &LogFilter, after: Option<u64>, limit: usize) -> (Vec<LogLine>, u64) {
        let lines = self.lock();
        let wanted = |line: &&LogLine| filter.takes(line);
        match after {
            Some(after) => {
                let from = lines.lines.partition_point(|line| line.seq <= after);
                let found: Vec<LogLine> =
                    lines.lines.range(from..).filter(wanted).take(limit).cloned().collect();
                let next = match found.last() {
                    Some(last) if found.len() == limit => last.seq,
                    _ => lines.last_seq.max(after),
                };
                (found, next)
            }
            None => {
                let mut found: Vec<LogLine> =
                    lines.lines.iter().rev().filter(wanted).take(limit).cloned().collect();
                found.reverse();
                (found, lines.last_seq)
            }
        }
    }

    /// All lines behind `after`, once there are any, or none at the deadline: for a thread that writes them somewhere.
    pub fn wait_after(&self, after: u64, deadline: Duration) -> Vec<LogLine> {
        let lines = self.lock();
        let none = |lines: &mut Lines| lines.last_seq <= after;
        let (lines, _) =
            self.has_more.wait_timeout_while(lines, deadline, none).unwrap_or_else(PoisonError::into_inner);
        let from = lines.lines.partition_point(|line| line.seq <= after);
        lines.lines.range(from..).cloned().collect()
    }

    /// The number of the last line; changes with every line.
    pub fn newest(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    /// The number of the last line.
    pub fn last_seq(&self) -> u64 {
        self.lock().last_seq
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lines {
    fn push(&mut self, line: LogLine) {
        self.last_seq = self.last_seq.max(line.seq);
        self.bytes += size(&line);
        self.lines.push_back(line);
        while self.lines.len() > LINES_MAX || (self.bytes > BYTES_MAX && self.lines.len() > 1) {
            let oldest = self.lines.pop_front().expect("there is more than one");
            self.bytes -= size(&oldest);
        }
    }
}

/// About what a line takes.
fn size(line: &LogLine) -> usize {
    let of_value = |value: &Value| value.as_str().map_or(16, str::len);
    let of_fields: usize = line.fields.iter().map(|(name, value)| name.len() + of_value(value)).sum();
    128 + line.message.len() + line.target.len() + of_fields
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(at_ms: TimestampMs, level: &'static str, job: Option<&str>) -> NewLine {
        let message = format!("{level} at {at_ms}");
        NewLine { at_ms, level, message, job: job.map(str::to_owned), ..NewLine::default() }
    }

    fn seqs(lines: &[LogLine]) -> Vec<u64> {
        lines.iter().map(|line| line.seq).collect()
    }

    #[test]
    fn lines_are_numbered_in_order_and_read_on_from_any_of_them() {
        let book = LogBook::default();
        for (at_ms, level) in [(5, "info"), (5, "warn"), (3, "error"), (9, "debug")] {
            book.append(line(at_ms, level, None));
        }
        let all = LogFilter::default();
        assert_eq!(seqs(&book.read(&all, None, 10).0), [5_000, 5_001, 5_002, 9_000]);
        assert_eq!(seqs(&book.read(&all, None, 2).0), [5_002, 9_000], "the newest");
        let (first, next) = book.read(&all, Some(0), 2);
        assert_eq!((seqs(&first), next), (vec![5_000, 5_001], 5_001), "the oldest");
        let (rest, next) = book.read(&all, Some(next), 2);
        assert_eq!((seqs(&rest), next), (vec![5_002, 9_000], 9_000));
        let bad = LogFilter { severity: severity("WARN"), job: None };
        assert_eq!(seqs(&book.read(&bad, None, 10).0), [5_001, 5_002]);
        assert_eq!(
            book.read(&bad, Some(5_002), 10),
            (Vec::new(), 9_000),
            "what is passed over is not read again"
        );
    }

    #[test]
    fn a_jobs_lines_are_its_own() {
        let book = LogBook::default();
        book.append(line(1, "info", Some("a")));
        book.append(line(2, "info", Some("b")));
        book.append(line(3, "info", None));
        let of_a = LogFilter { job: Some("a".to_owned()), ..LogFilter::default() };
        assert_eq!(seqs(&book.read(&of_a, None, 10).0), [1_000]);
    }

    #[test]
    fn the_oldest_lines_go_and_long_ones_are_cut() {
        let book = LogBook::default();
        for number in 0..LINES_MAX as i64 + 7 {
            book.append(line(number, "info", None));
        }
        assert_eq!(book.read(&LogFilter::default(), None, usize::MAX).0.len(), LINES_MAX);
        let long = NewLine { message: "ä".repeat(2 * TEXT_BYTES_MAX), ..line(1, "info", None) };
        assert!(book.append(long).message.len() <= TEXT_BYTES_MAX + '…'.len_utf8());
        for _ in 0..2 * BYTES_MAX / TEXT_BYTES_MAX {
            book.append(NewLine { message: "x".repeat(TEXT_BYTES_MAX), ..line(1, "info", None) });
        }
        assert!(book.lock().bytes <= BYTES_MAX);
    }

    #[test]
    fn lines_of_an_earlier_process_come_first_and_are_not_doubled() {
        let book = LogBook::default();
        let earlier: Vec<LogLine> = [1, 2].map(|at_ms| book.append(line(at_ms, "info", None))).to_vec();
        let book = LogBook::default();
        book.append(line(7, "info", None));
        book.prepend(earlier.clone());
        book.prepend(earlier);
        assert_eq!(seqs(&book.read(&LogFilter::default(), None, 10).0), [1_000, 2_000, 7_000]);
    }
}
