//! From a text to a value of a column, as Java's parsers read it.

use std::{fmt::Display, str::FromStr};

use arrow::datatypes::TimeUnit;
use base64::{Engine, engine::general_purpose::STANDARD};

use super::{
    column::{ColumnBuilder, Values},
    temporal::{TimestampStyle, parse_date, parse_time, parse_timestamp},
};

impl ColumnBuilder {
    /// Adds what a text says. An error says what was expected; then nothing is added.
    #[inline]
    pub fn push_text(&mut self, text: &str, style: TimestampStyle) -> Result<(), String> {
        let is_read = match &mut self.values {
            Values::Text(bytes) => {
                bytes.push(text.as_bytes());
                true
            }
            Values::Boolean(values) => parse_boolean(text).map(|value| values.append(value)).is_some(),
            Values::Int8(values) => push(values, parse_number(text)),
            Values::Int16(values) => push(values, parse_number(text)),
            Values::Int32(values) => push(values, parse_number(text)),
            Values::Int64(values) => push(values, parse_long(text)),
            Values::Float32(values) => push(values, parse_number(text)),
            Values::Float64(values) => push(values, parse_number(text)),
            Values::Decimal { values, precision, scale } => {
                push(values, parse_decimal(text.trim(), *precision, *scale))
            }
            Values::Date(values) => push(values, parse_date(text.as_bytes())),
            Values::Time { values, unit } => push(values, parse_time(text.as_bytes(), *unit)),
            Values::Timestamp { values, unit, zone } => {
                push(values, parse_timestamp(text.as_bytes(), *unit, style, zone.is_some()))
            }
            Values::Binary(bytes) => STANDARD.decode(text).map(|value| bytes.push(&value)).is_ok(),
            Values::Struct(_) | Values::List { .. } | Values::Map { .. } => false,
        };
        if !is_read {
            return Err(self.refused(text, style));
        }
        self.is_set();
        Ok(())
    }

    #[cold]
    fn refused(&self, text: &str, style: TimestampStyle) -> String {
        self.expected(self.description(style), format_args!("`{}`", beginning(text)))
    }

    /// An error about a value of this column.
    #[cold]
    pub(super) fn expected(&self, expected: impl Display, found: impl Display) -> String {
        format!("column `{}`: expected {expected}, found {found}", self.name())
    }

    /// What a value must be.
    pub(super) fn description(&self, style: TimestampStyle) -> String {
        let name = match &self.values {
            Values::Boolean(_) => "BOOLEAN, `true` or `false`",
            Values::Int8(_) => "TINYINT",
            Values::Int16(_) => "SMALLINT",
            Values::Int32(_) => "INT",
            Values::Int64(_) => "BIGINT",
            Values::Float32(_) => "FLOAT",
            Values::Float64(_) => "DOUBLE",
            Values::Decimal { precision, scale, .. } => return format!("DECIMAL({precision}, {scale})"),
            Values::Date(_) => "DATE like `2020-01-31`",
            Values::Time { .. } => "TIME like `12:30:00`",
            Values::Timestamp { zone, unit, .. } => {
                let name = if zone.is_some() { "TIMESTAMP_LTZ" } else { "TIMESTAMP" };
                let range = if *unit == TimeUnit::Nanosecond { ", from 1677 to 2262" } else { "" };
                return format!("{name} like `{}`{range}", style.example(zone.is_some()));
            }
            Values::Text(_) => "STRING",
            Values::Binary(_) => "BYTES in base64",
            Values::Struct(_) => "ROW",
            Values::List { .. } => "ARRAY",
            Values::Map { .. } => "MAP",
        };
        name.to_owned()
    }
}

/// A text as far as an error shows it.
pub(super) fn beginning(text: &str) -> String {
    const CHARS_MAX: usize = 60;
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[inline]
fn push<T>(values: &mut Vec<T>, value: Option<T>) -> bool {
    value.map(|value| values.push(value)).is_some()
}

fn parse_boolean(text: &str) -> Option<bool> {
    let text = text.trim();
    let is_true = text.eq_ignore_ascii_case("true");
    (is_true || text.eq_ignore_ascii_case("false")).then_some(is_true)
}

fn parse_number<T: FromStr>(text: &str) -> Option<T> {
    text.trim().parse().ok()
}

/// Up to 18 digits, which cannot overflow, take the short way.
#[inline]
fn parse_long(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    if bytes.is_empty() || bytes.len() > 18 {
        return parse_number(text);
    }
    let mut value = 0;
    for byte in bytes {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return parse_number(text);
        }
        value = value * 10 + i64::from(digit);
    }
    Some(value)
}

/// The unscaled value of a decimal number, rounded half up to the scale.
fn parse_decimal(text: &str, precision: u8, scale: i8) -> Option<i128> {
    let (is_negative, unsigned) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    // So many of the digits come before the point once the value is scaled.
    let kept = i64::try_from(whole.len()).ok()? + i64::from(exponent) + i64::from(scale);
    let mut value: i128 = 0;
    let mut place = 0;
    for byte in whole.bytes().chain(fraction.bytes()) {
        let digit = byte.is_ascii_digit().then(|| byte - b'0')?;
        if place < kept {
            value = value.checked_mul(10)?.checked_add(i128::from(digit))?;
        } else if place == kept && digit >= 5 {
            value += 1;
        }
        place += 1;
    }
    if value != 0 {
        for _ in place..kept {
            value = value.checked_mul(10)?;
        }
    }
    let limit = 10_i128.checked_pow(u32::from(precision))?;
    (value < limit).then_some(if is_negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_rounded_half_up_and_kept_in_their_precision() {
        let cases = [
            ("1", Some(100)),
            ("-1.5", Some(-150)),
            ("+.5", Some(50)),
            ("5.", Some(500)),
            ("1.005", Some(101)),
            ("-1.005", Some(-101)),
            ("1.00499", Some(100)),
            ("0.004", Some(0)),
            ("12E-1", Some(120)),
            ("1.2e2", Some(12_000)),
            ("999.99", Some(99_999)),
            ("999.995", None),
            ("1000", None),
            ("0e99", Some(0)),
            ("1e-99", Some(0)),
            ("9e-3", Some(1)),
            ("9e-4", Some(0)),
            ("", None),
            ("-", None),
            (".", None),
            ("1x", None),
            ("1.2.3", None),
            ("NaN", None),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_decimal(text, 5, 2), expected, "{text}");
        }
        assert_eq!(parse_decimal(&"9".repeat(38), 38, 0), Some(10_i128.pow(38) - 1));
    }

    #[test]
    fn longs_are_read_whole_or_not_at_all() {
        for value in [0, 7, -7, i64::MAX, i64::MIN, 999_999_999_999_999_999, 1_000_000_000_000_000_000] {
            assert_eq!(parse_long(&value.to_string()), Some(value));
        }
        assert_eq!((parse_long(" 12 "), parse_long("+5")), (Some(12), Some(5)));
        for bad in ["", "-", "1.0", "9223372036854775808", "1 2", "0x1"] {
            assert_eq!(parse_long(bad), None, "{bad}");
        }
    }
}
