//! Literals of time: intervals of one or several units, timestamps, dates and times, each as strict as Flink's.

use arrow::datatypes::DataType;

use crate::types;

/// A unit of an interval, from the largest to the smallest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum IntervalField {
    Year,
    Quarter,
    Month,
    Week,
    Day,
    Hour,
    Minute,
    Second,
}

impl IntervalField {
    pub(super) fn named(word: &str) -> Option<Self> {
        Some(match word.strip_suffix('S').unwrap_or(word) {
            "YEAR" => Self::Year,
            "QUARTER" => Self::Quarter,
            "MONTH" => Self::Month,
            "WEEK" => Self::Week,
            "DAY" => Self::Day,
            "HOUR" => Self::Hour,
            "MINUTE" => Self::Minute,
            "SECOND" => Self::Second,
            _ => return None,
        })
    }

    fn word(self) -> String {
        format!("{self:?}").to_uppercase()
    }

    /// The units from this to `last`, if an interval can be of these.
    fn to(self, last: Self) -> Option<&'static [Self]> {
        const YEAR_MONTH: [IntervalField; 2] = [IntervalField::Year, IntervalField::Month];
        const DAY_TIME: [IntervalField; 4] =
            [IntervalField::Day, IntervalField::Hour, IntervalField::Minute, IntervalField::Second];
        [YEAR_MONTH.as_slice(), DAY_TIME.as_slice()].into_iter().find_map(|fields| {
            let begin = fields.iter().position(|field| *field == self)?;
            let end = fields.iter().position(|field| *field == last)?;
            fields.get(begin..=end).filter(|fields| fields.len() > 1)
        })
    }

    /// How many of it make one of the next larger unit.
    fn limit(self) -> u64 {
        match self {
            Self::Month => 12,
            Self::Hour => 24,
            _ => 60,
        }
    }

    fn nanos(self) -> i128 {
        let seconds = match self {
            Self::Day => 86_400,
            Self::Hour => 3_600,
            Self::Minute => 60,
            _ => 1,
        };
        seconds * 1_000_000_000
    }
}

/// Reads an interval's value; the first unit has at most `digits` digits. Returns an amount and its unit.
pub(super) fn interval(
    value: &str,
    first: IntervalField,
    digits: u64,
    last: Option<IntervalField>,
) -> Result<(String, IntervalField), String> {
    let trimmed = value.trim();
    let (sign, unsigned) = match trimmed.strip_prefix(['-', '+']) {
        Some(rest) => (if trimmed.starts_with('-') { "-" } else { "" }, rest),
        None => ("", trimmed),
    };
    let wrong = || {
        let to = last.map(|last| format!(" TO {}", last.word())).unwrap_or_default();
        format!("`{value}` is not an interval of {}{to}", first.word())
    };
    let within = |number: u64| match u32::try_from(digits).ok().and_then(|digits| 10_u64.checked_pow(digits))
    {
        Some(limit) if number >= limit => {
            let word = first.word();
            let needed = number.to_string().len();
            Err(format!(
                "the interval's {number} is longer than {word}({digits}) allows: expected {word}({needed})"
            ))
        }
        _ => Ok(number),
    };
    let Some(last) = last else {
        if first == IntervalField::Second {
            let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, "0"));
            let seconds = within(whole.parse().map_err(|_| wrong())?)?;
            check_fraction(fraction).ok_or_else(wrong)?;
            return Ok((format!("{sign}{seconds}.{fraction}").trim_end_matches(".0").to_owned(), first));
        }
        let amount = within(unsigned.parse().map_err(|_| wrong())?)?;
        let times = match first {
            IntervalField::Quarter => 3,
            IntervalField::Week => 7,
            _ => 1,
        };
        return Ok((format!("{sign}{}", amount.checked_mul(times).ok_or_else(wrong)?), first));
    };
    let fields = first.to(last).ok_or_else(|| {
        format!(
            "an interval cannot be of {} TO {}: expected YEAR TO MONTH or within DAY TO SECOND",
            first.word(),
            last.word()
        )
    })?;
    let mut rest = unsigned;
    let mut amounts = Vec::new();
    let mut nanos = 0_i128;
    for (n, field) in fields.iter().enumerate() {
        let separator = match field {
            IntervalField::Year => '-',
            IntervalField::Day => ' ',
            _ => ':',
        };
        let mut part = rest;
        if *field != last {
            (part, rest) = rest.split_once(separator).ok_or_else(wrong)?;
        }
        if *field == IntervalField::Second {
            let (whole, fraction) = part.split_once('.').unwrap_or((part, "0"));
            nanos += i128::from(check_fraction(fraction).ok_or_else(wrong)?);
            part = whole;
        }
        let amount: u64 = part.parse().map_err(|_| wrong())?;
        if n == 0 {
            within(amount)?;
        } else if amount >= field.limit() {
            return Err(wrong());
        }
        nanos += i128::from(amount) * field.nanos();
        amounts.push(amount);
    }
    if let [years, months] = amounts.as_slice()
        && first == IntervalField::Year
    {
        let total = years.checked_mul(12).and_then(|total| total.checked_add(*months)).ok_or_else(wrong)?;
        return Ok((format!("{sign}{total}"), IntervalField::Month));
    }
    let (seconds, fraction) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    let fraction = if fraction == 0 { String::new() } else { format!(".{fraction:09}") };
    Ok((format!("{sign}{seconds}{fraction}"), IntervalField::Second))
}

/// The nanoseconds of up to nine digits behind the point.
fn check_fraction(digits: &str) -> Option<u64> {
    let fine = (1..=9).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    if fine { format!("{digits:0<9}").parse().ok() } else { None }
}

/// The type of `TIMESTAMP '…'`, `DATE '…'` or `TIME '…'`, if the text is right.
pub(super) fn typed(kind: &str, text: &str) -> Result<DataType, String> {
    let (pattern, shape) = match kind {
        "DATE" => ("%Y-%m-%d", "yyyy-MM-dd"),
        "TIME" => ("%H:%M:%S", "HH:mm:ss[.fff]"),
        _ => ("%Y-%m-%d %H:%M:%S", "yyyy-MM-dd HH:mm:ss[.fff]"),
    };
    let (whole, fraction) = match text.split_once('.') {
        Some((whole, fraction)) if kind != "DATE" => (whole, Some(fraction)),
        _ => (text, None),
    };
    let parsed = match kind {
        "DATE" => chrono::NaiveDate::parse_from_str(whole, pattern).is_ok(),
        "TIME" => chrono::NaiveTime::parse_from_str(whole, pattern).is_ok(),
        _ => chrono::NaiveDateTime::parse_from_str(whole, pattern).is_ok(),
    };
    let precision = fraction.map_or(Some(0), |digits| check_fraction(digits).map(|_| digits.len()));
    let (true, Some(precision)) = (parsed, precision) else {
        return Err(format!("`{text}` is not a {kind}: expected {shape}"));
    };
    Ok(match kind {
        "DATE" => DataType::Date32,
        "TIME" => types::time(precision as u64),
        _ => types::timestamp(precision as u64, false),
    })
}
