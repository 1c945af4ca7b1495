//! Java's patterns for dates and times (`DateTimeFormatter`), to write and to read.

use std::fmt::Write;

use chrono::{Datelike, NaiveDate, NaiveTime, Timelike, Weekday};

/// A point in time, since 1970-01-01 00:00:00.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment {
    pub(super) seconds: i64,
    pub(super) nanos: u32,
}

pub(super) const DAY_SECONDS: i64 = 86_400;

impl Moment {
    pub(super) fn day(self) -> i64 {
        self.seconds.div_euclid(DAY_SECONDS)
    }

    pub(super) fn second_of_day(self) -> u32 {
        // Less than a day's seconds.
        self.seconds.rem_euclid(DAY_SECONDS) as u32
    }

    pub(super) fn date(self) -> Option<NaiveDate> {
        date_of_day(self.day())
    }

    pub(super) fn of(date: NaiveDate, time: NaiveTime) -> Self {
        let seconds = day_of_date(date) * DAY_SECONDS + i64::from(time.num_seconds_from_midnight());
        Self { seconds, nanos: time.nanosecond() % 1_000_000_000 }
    }
}

const EPOCH_DAYS_FROM_CE: i32 = 719_163;

pub(super) fn date_of_day(day: i64) -> Option<NaiveDate> {
    NaiveDate::from_num_days_from_ce_opt(i32::try_from(day).ok()?.checked_add(EPOCH_DAYS_FROM_CE)?)
}

pub(super) fn day_of_date(date: NaiveDate) -> i64 {
    i64::from(date.num_days_from_ce()) - i64::from(EPOCH_DAYS_FROM_CE)
}

#[derive(Debug, Clone, PartialEq)]
enum Item {
    Text(String),
    /// A letter and how often it stands there.
    Field(char, usize),
}

/// A pattern that has been read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pattern {
    items: Vec<Item>,
    /// How many nanoseconds a formatted text stays the same.
    pub(super) grain_seconds: Option<i64>,
}

impl Pattern {
    /// Reads a pattern; an error names what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut items = Vec::new();
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '\'' => {
                    let mut quoted = String::new();
                    loop {
                        match chars.next() {
                            Some('\'') if chars.peek() == Some(&'\'') => {
                                quoted.push('\'');
                                chars.next();
                            }
                            Some('\'') => break,
                            Some(c) => quoted.push(c),
                            None => return Err(format!("the pattern `{text}` has a quote without its end")),
                        }
                    }
                    items.push(Item::Text(if quoted.is_empty() { "'".to_owned() } else { quoted }));
                }
                'y' | 'u' | 'M' | 'L' | 'd' | 'D' | 'H' | 'h' | 'K' | 'k' | 'm' | 's' | 'S' | 'n' | 'a'
                | 'E' | 'Q' | 'z' | 'Z' | 'X' | 'x' | 'V' => {
                    let mut count = 1;
                    while chars.peek() == Some(&c) {
                        chars.next();
                        count += 1;
                    }
                    if count > 9 {
                        return Err(format!("the pattern `{text}` repeats `{c}` too often"));
                    }
                    items.push(Item::Field(c, count));
                }
                c if c.is_ascii_alphabetic() || matches!(c, '{' | '}' | '#' | '[' | ']') => {
                    return Err(format!("`{c}` in the pattern `{text}` is not supported"));
                }
                c => match items.last_mut() {
                    Some(Item::Text(text)) => text.push(c),
                    _ => items.push(Item::Text(c.to_string())),
                },
            }
        }
        let grain = |item: &Item| match item {
            Item::Field('S' | 'n', _) => None,
            Item::Field('s', _) => Some(1),
            Item::Field('m', _) => Some(60),
            Item::Field('H' | 'h' | 'K' | 'k' | 'a', _) => Some(3_600),
            _ => Some(DAY_SECONDS),
        };
        let grain_seconds =
            items.iter().map(grain).try_fold(DAY_SECONDS, |least, grain| grain.map(|grain| least.min(grain)));
        Ok(Self { items, grain_seconds })
    }

    /// Writes a moment, as it is in UTC; `None` if it is too far away for a calendar.
    pub(super) fn format(&self, moment: Moment, out: &mut String) -> Option<()> {
        let date = moment.date()?;
        let second = moment.second_of_day();
        let (hour, minute) = (second / 3_600, second / 60 % 60);
        for item in &self.items {
            let (letter, count) = match item {
                Item::Text(text) => {
                    out.push_str(text);
                    continue;
                }
                Item::Field(letter, count) => (*letter, *count),
            };
            let number = match letter {
                'y' | 'u' if count == 2 => i64::from(date.year().rem_euclid(100)),
                'y' | 'u' => i64::from(date.year()),
                'M' | 'L' if count >= 3 => {
                    let name = MONTHS[date.month0() as usize];
                    out.push_str(if count == 3 { &name[..3] } else { name });
                    continue;
                }
                'M' | 'L' => i64::from(date.month()),
                'Q' => i64::from(date.month0() / 3 + 1),
                'd' => i64::from(date.day()),
                'D' => i64::from(date.ordinal()),
                'H' => i64::from(hour),
                'k' => i64::from(if hour == 0 { 24 } else { hour }),
                'K' => i64::from(hour % 12),
                'h' => i64::from(if hour % 12 == 0 { 12 } else { hour % 12 }),
                'm' => i64::from(minute),
                's' => i64::from(second % 60),
                'n' => i64::from(moment.nanos),
                'S' => {
                    let digits = format!("{:09}", moment.nanos);
                    out.push_str(&digits[..count]);
                    continue;
                }
                other => {
                    out.push_str(match other {
                        'a' if hour < 12 => "AM",
                        'a' => "PM",
                        'E' => {
                            let name = day_name(date.weekday());
                            if count <= 3 { &name[..3] } else { name }
                        }
                        'X' => "Z",
                        'Z' | 'x' if count == 3 => "+00:00",
                        'Z' | 'x' => "+0000",
                        _ => "UTC",
                    });
                    continue;
                }
            };
            let _ = write!(out, "{number:0count$}");
        }
        Some(())
    }

    /// Reads a moment; what the pattern leaves open is the first of its kind. `None` if the text is of another form.
    pub(super) fn read(&self, text: &str) -> Option<Moment> {
        let mut rest = text;
        let (mut year, mut month, mut day, mut day_of_year) = (1970_i64, 1_i64, 1_i64, None);
        let (mut hour, mut half, mut minute, mut second, mut nanos) = (0_i64, None, 0_i64, 0_i64, 0_i64);
        for (n, item) in self.items.iter().enumerate() {
            let (letter, count) = match item {
                Item::Text(text) => {
                    rest = rest.strip_prefix(text.as_str())?;
                    continue;
                }
                Item::Field(letter, count) => (*letter, *count),
            };
            let adjacent = matches!(self.items.get(n + 1), Some(Item::Field(..)));
            match letter {
                'y' | 'u' if count == 2 => year = 2000 + digits(&mut rest, 2, 2)?,
                'y' | 'u' => year = digits(&mut rest, count, if adjacent { count } else { count.max(9) })?,
                'M' | 'L' if count >= 3 => {
                    let found = MONTHS.iter().position(|name| {
                        let name = if count == 3 { &name[..3] } else { name };
                        rest.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name))
                    })?;
                    rest = &rest[if count == 3 { 3 } else { MONTHS[found].len() }..];
                    month = found as i64 + 1;
                }
                'M' | 'L' => month = short(&mut rest, count)?,
                'd' => day = short(&mut rest, count)?,
                'D' => day_of_year = Some(digits(&mut rest, count, 3)?),
                'H' => hour = short(&mut rest, count)?,
                'k' => hour = short(&mut rest, count)? % 24,
                'h' | 'K' => hour = short(&mut rest, count)? % 12,
                'm' => minute = short(&mut rest, count)?,
                's' => second = short(&mut rest, count)?,
                'S' => nanos = digits(&mut rest, count, count)? * 10_i64.pow(9 - u32::try_from(count).ok()?),
                'n' => nanos = digits(&mut rest, 1, 9)?,
                'a' => {
                    let word = rest.get(..2)?;
                    half = Some(if word.eq_ignore_ascii_case("PM") {
                        12
                    } else if word.eq_ignore_ascii_case("AM") {
                        0
                    } else {
                        return None;
                    });
                    rest = &rest[2..];
                }
                'E' => {
                    let days = [
                        Weekday::Mon,
                        Weekday::Tue,
                        Weekday::Wed,
                        Weekday::Thu,
                        Weekday::Fri,
                        Weekday::Sat,
                        Weekday::Sun,
                    ];
                    let name = days.into_iter().map(day_name).find_map(|name| {
                        let name = if count <= 3 { &name[..3] } else { name };
                        rest.strip_prefix(name)
                    })?;
                    rest = name;
                }
                'X' => rest = rest.strip_prefix('Z').or_else(|| rest.strip_prefix("+00:00"))?,
                'Z' | 'x' => rest = rest.strip_prefix("+0000").or_else(|| rest.strip_prefix("+00:00"))?,
                'z' | 'V' => rest = rest.strip_prefix("UTC").or_else(|| rest.strip_prefix("GMT"))?,
                _ => return None,
            }
        }
        if !rest.is_empty() {
            return None;
        }
        let year = i32::try_from(year).ok()?;
        let small = |number: i64| u32::try_from(number).ok();
        let date = match day_of_year {
            Some(day) => NaiveDate::from_yo_opt(year, small(day)?)?,
            None => NaiveDate::from_ymd_opt(year, small(month)?, small(day)?)?,
        };
        let hour = hour + half.unwrap_or(0);
        let time = NaiveTime::from_hms_nano_opt(small(hour)?, small(minute)?, small(second)?, small(nanos)?)?;
        Some(Moment::of(date, time))
    }
}

/// A number of two digits, or of one or two if the letter stands there once.
fn short(rest: &mut &str, count: usize) -> Option<i64> {
    digits(rest, count.min(2), 2)
}

fn digits(rest: &mut &str, min: usize, max: usize) -> Option<i64> {
    let count = rest.bytes().take(max).take_while(u8::is_ascii_digit).count();
    if count < min {
        return None;
    }
    let (number, left) = rest.split_at(count);
    *rest = left;
    number.parse().ok()
}

/// `yyyy-MM-dd[( |T)HH:mm[:ss[.fraction]]]`, each number as short as it may be.
pub(super) fn read_default(text: &str) -> Option<Moment> {
    let (date, time) = match text.trim().split_once([' ', 'T']) {
        Some((date, time)) => (date, Some(time)),
        None => (text.trim(), None),
    };
    let date = read_date(date)?;
    let time = match time {
        None => NaiveTime::MIN,
        Some(time) => read_time(time)?,
    };
    Some(Moment::of(date, time))
}

pub(super) fn read_date(text: &str) -> Option<NaiveDate> {
    let mut rest = text;
    let year = digits(&mut rest, 4, 6)?;
    rest = rest.strip_prefix('-')?;
    let month = digits(&mut rest, 1, 2)?;
    rest = rest.strip_prefix('-')?;
    let day = digits(&mut rest, 1, 2)?;
    let date = NaiveDate::from_ymd_opt(
        i32::try_from(year).ok()?,
        u32::try_from(month).ok()?,
        u32::try_from(day).ok()?,
    );
    date.filter(|_| rest.is_empty())
}

fn read_time(text: &str) -> Option<NaiveTime> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let mut parts = whole.split(':').map(|mut part| digits(&mut part, 1, 2).filter(|_| part.is_empty()));
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next().unwrap_or(Some(0))?);
    let right = parts.next().is_none()
        && (1..=9).contains(&fraction.len())
        && fraction.bytes().all(|b| b.is_ascii_digit());
    let nanos: u32 = if right { format!("{fraction:0<9}").parse().ok()? } else { return None };
    let small = |number: i64| u32::try_from(number).ok();
    NaiveTime::from_hms_nano_opt(small(hour)?, small(minute)?, small(second)?, nanos)
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

fn day_name(day: Weekday) -> &'static str {
    match day {
        Weekday::Mon => "Monday",
        Weekday::Tue => "Tuesday",
        Weekday::Wed => "Wednesday",
        Weekday::Thu => "Thursday",
        Weekday::Fri => "Friday",
        Weekday::Sat => "Saturday",
        Weekday::Sun => "Sunday",
    }
}
