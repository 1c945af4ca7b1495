//! Dates, times and timestamps as text, as Java's `ISO_LOCAL_DATE` and `ISO_LOCAL_TIME` have them.

use std::io::Write;

use arrow::datatypes::TimeUnit;
use chrono::{Datelike, NaiveDate};

const DAY_SECONDS: i64 = 24 * 60 * 60;
const DAYS_TO_EPOCH: i32 = 719_163;

/// How a timestamp is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimestampStyle {
    /// `2020-01-31 12:30:00.123`
    Sql,
    /// `2020-01-31T12:30:00.123`
    Iso8601,
}

impl TimestampStyle {
    fn separator(self) -> u8 {
        match self {
            Self::Sql => b' ',
            Self::Iso8601 => b'T',
        }
    }

    /// A timestamp that is written so.
    pub fn example(self, is_local_zoned: bool) -> &'static str {
        match (self, is_local_zoned) {
            (Self::Sql, false) => "2020-01-31 12:30:00.123",
            (Self::Sql, true) => "2020-01-31 12:30:00.123Z",
            (Self::Iso8601, false) => "2020-01-31T12:30:00.123",
            (Self::Iso8601, true) => "2020-01-31T12:30:00.123Z",
        }
    }
}

/// So many of a unit are a second.
pub fn per_second(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    }
}

/// The number that these digits are.
fn digits(text: &[u8]) -> Option<u32> {
    text.iter().try_fold(0, |number, byte| match byte {
        b'0'..=b'9' => Some(number * 10 + u32::from(byte - b'0')),
        _ => None,
    })
}

/// The days from 1970-01-01 to a `yyyy-mm-dd`.
pub fn parse_date(text: &[u8]) -> Option<i32> {
    let &[_, _, _, _, b'-', _, _, b'-', _, _] = text else { return None };
    let (year, month, day) = (digits(&text[..4])?, digits(&text[5..7])?, digits(&text[8..])?);
    let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?;
    Some(date.num_days_from_ce() - DAYS_TO_EPOCH)
}

/// The seconds and nanoseconds of a `hh:mm[:ss[.fffffffff]]`.
fn parse_time_of_day(text: &[u8]) -> Option<(i64, i64)> {
    let two = |at: usize| text.get(at..at + 2).and_then(digits);
    let (hour, minute) = (two(0)?, two(3)?);
    if text[2] != b':' || hour > 23 || minute > 59 {
        return None;
    }
    let minutes = i64::from(hour * 60 + minute) * 60;
    let Some(separator) = text.get(5) else { return Some((minutes, 0)) };
    let second = two(6).filter(|second| *separator == b':' && *second < 60)?;
    let nanos = match text.get(8) {
        None => 0,
        Some(b'.') if (10..=18).contains(&text.len()) => {
            let fraction = &text[9..];
            let scale = 10_u32.pow(9 - u32::try_from(fraction.len()).ok()?);
            digits(fraction)? * scale
        }
        Some(_) => return None,
    };
    Some((minutes + i64::from(second), i64::from(nanos)))
}

/// A time of day in a unit; what is finer is cut off.
pub fn parse_time(text: &[u8], unit: TimeUnit) -> Option<i64> {
    let (seconds, nanos) = parse_time_of_day(text)?;
    let per_second = per_second(unit);
    Some(seconds * per_second + nanos / (1_000_000_000 / per_second))
}

/// A timestamp in a unit since the epoch; what is finer is cut off. With a local time zone it ends in `Z`.
pub fn parse_timestamp(
    text: &[u8],
    unit: TimeUnit,
    style: TimestampStyle,
    is_local_zoned: bool,
) -> Option<i64> {
    let text = if is_local_zoned { text.strip_suffix(b"Z")? } else { text };
    let (date, time) = text.split_at_checked(10)?;
    let (separator, time) = time.split_first()?;
    if *separator != style.separator() {
        return None;
    }
    let (seconds, nanos) = parse_time_of_day(time)?;
    let seconds = i64::from(parse_date(date)?) * DAY_SECONDS + seconds;
    let per_second = per_second(unit);
    seconds.checked_mul(per_second)?.checked_add(nanos / (1_000_000_000 / per_second))
}

/// Writes days since the epoch as `yyyy-mm-dd`.
pub fn write_date(days: i32, out: &mut Vec<u8>) {
    match days.checked_add(DAYS_TO_EPOCH).and_then(NaiveDate::from_num_days_from_ce_opt) {
        Some(date) if (0..=9999).contains(&date.year()) => {
            write_digits(date.year().unsigned_abs(), 4, out);
            out.push(b'-');
            write_digits(date.month(), 2, out);
            out.push(b'-');
            write_digits(date.day(), 2, out);
        }
        // Java writes years of more digits with their sign.
        Some(date) => {
            let sign = if date.year() < 0 { '-' } else { '+' };
            let (year, month, day) = (date.year().unsigned_abs(), date.month(), date.day());
            write!(out, "{sign}{year:04}-{month:02}-{day:02}").expect("a Vec takes all that is written");
        }
        None => write!(out, "{days} days since 1970-01-01").expect("a Vec takes all that is written"),
    }
}

/// Writes a time of day as `hh:mm:ss`, with as much of a fraction as there is.
pub fn write_time(value: i64, unit: TimeUnit, out: &mut Vec<u8>) {
    let per_second = per_second(unit);
    let seconds = u32::try_from(value.div_euclid(per_second)).unwrap_or(0);
    write_digits(seconds / 3600, 2, out);
    out.push(b':');
    write_digits(seconds / 60 % 60, 2, out);
    out.push(b':');
    write_digits(seconds % 60, 2, out);
    let nanos = value.rem_euclid(per_second) * (1_000_000_000 / per_second);
    if nanos > 0 {
        out.push(b'.');
        write_digits(u32::try_from(nanos).expect("less than a second is less than 10^9 ns"), 9, out);
        while out.last() == Some(&b'0') {
            out.pop();
        }
    }
}

/// Writes a timestamp.
pub fn write_timestamp(
    value: i64,
    unit: TimeUnit,
    style: TimestampStyle,
    is_local_zoned: bool,
    out: &mut Vec<u8>,
) {
    let per_day = per_second(unit) * DAY_SECONDS;
    let days = value.div_euclid(per_day);
    // No timestamp in seconds that could be read or computed lies so far off.
    write_date(i32::try_from(days).unwrap_or(i32::MAX), out);
    out.push(style.separator());
    write_time(value.rem_euclid(per_day), unit, out);
    if is_local_zoned {
        out.push(b'Z');
    }
}

fn write_digits(number: u32, width: usize, out: &mut Vec<u8>) {
    let end = out.len() + width;
    out.resize(end, b'0');
    let mut rest = number;
    for place in out[end - width..].iter_mut().rev() {
        *place = b'0' + u8::try_from(rest % 10).expect("a digit is below 10");
        rest /= 10;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn timestamp(text: &str) -> Option<i64> {
        parse_timestamp(text.as_bytes(), TimeUnit::Millisecond, TimestampStyle::Sql, false)
    }

    #[test]
    fn timestamps_are_read_as_java_does() {
        assert_eq!(timestamp("1970-01-01 00:00:00"), Some(0));
        assert_eq!(timestamp("1970-01-01 00:01"), Some(60_000));
        assert_eq!(timestamp("1969-12-31 23:59:59.999"), Some(-1));
        assert_eq!(timestamp("2020-02-29 12:30:01.5"), Some(1_582_979_401_500));
        assert_eq!(timestamp("1970-01-01 00:00:00.123456789"), Some(123));
        for bad in [
            "",
            "2020-01-01",
            "2020-01-01T00:00:00",
            "2020-02-30 00:00:00",
            "2020-01-01 24:00:00",
            "2020-01-01 00:00:00.",
            "2020-01-01 00:00:00.1234567890",
            "2020-01-01 00:00:00Z",
            "2020-01-01 00:00:0x",
            "2020-01-01 00:00:60",
            "2020-01-01 0:00:00",
        ] {
            assert_eq!(timestamp(bad), None, "{bad}");
        }
        let zoned = |text: &[u8]| parse_timestamp(text, TimeUnit::Second, TimestampStyle::Iso8601, true);
        assert_eq!(zoned(b"1970-01-01T00:00:07Z"), Some(7));
        assert_eq!(zoned(b"1970-01-01T00:00:07"), None);
        let nanos = |text: &[u8]| parse_timestamp(text, TimeUnit::Nanosecond, TimestampStyle::Sql, false);
        assert_eq!(nanos(b"9999-01-01 00:00:00"), None, "out of range");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(value in -60_000_000_000_000i64..250_000_000_000_000, is_zoned: bool) {
            for unit in [TimeUnit::Second, TimeUnit::Millisecond, TimeUnit::Microsecond, TimeUnit::Nanosecond] {
                let value = if unit == TimeUnit::Second { value / 1000 } else { value };
                for style in [TimestampStyle::Sql, TimestampStyle::Iso8601] {
                    let mut text = Vec::new();
                    write_timestamp(value, unit, style, is_zoned, &mut text);
                    prop_assert_eq!(
                        parse_timestamp(&text, unit, style, is_zoned), Some(value), "{}", String::from_utf8_lossy(&text)
                    );
                }
            }
        }
    }
}
