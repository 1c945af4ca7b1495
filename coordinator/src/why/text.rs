//! Numbers and times for people.

use chrono::DateTime;
use headwater_core::time::TimestampMs;

/// A span of time: the two digits that matter, and a unit.
pub(super) fn span(ms: i64) -> String {
    match ms.max(0) {
        ms @ 0..1_000 => format!("{ms} ms"),
        ms @ 1_000..10_000 => format!("{:.1} s", ms as f64 / 1e3),
        ms @ 10_000..120_000 => format!("{} s", ms / 1_000),
        ms @ 120_000..7_200_000 => format!("{} min", ms / 60_000),
        ms @ 7_200_000..172_800_000 => format!("{} h", ms / 3_600_000),
        ms => format!("{} days", ms / 86_400_000),
    }
}

pub(super) fn span_us(us: u64) -> String {
    span(i64::try_from(us / 1_000).unwrap_or(i64::MAX))
}

/// A point in time, in UTC.
pub(super) fn point(ms: TimestampMs) -> String {
    match DateTime::from_timestamp_millis(ms) {
        Some(time) => time.format("%Y-%m-%d %H:%M:%S%.3f").to_string(),
        None => ms.to_string(),
    }
}

/// A share of 1 in per cent.
pub(super) fn share(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// A count or a rate, its digits in threes.
pub(super) fn count(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// `1 task`, `2 tasks`.
pub(super) fn plural(number: usize, noun: &str) -> String {
    format!("{} {noun}{}", count(number as f64), if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_have_their_units() {
        let spans = [0, 999, 1_250, 59_999, 125_000, 7_300_000, 200_000_000].map(span);
        assert_eq!(spans, ["0 ms", "999 ms", "1.2 s", "59 s", "2 min", "2 h", "2 days"]);
        assert_eq!([7.0, 1_000.0, 1_234_567.4].map(count), ["7", "1 000", "1 234 567"]);
        assert_eq!(point(0), "1970-01-01 00:00:00.000");
        assert_eq!((plural(1, "task"), plural(2, "task")), ("1 task".into(), "2 tasks".into()));
    }
}
