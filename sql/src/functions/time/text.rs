//! Moments as text, and text as moments.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, timezone::Tz},
    datatypes::{DataType, Float64Type, Int64Type, TimeUnit},
};
use chrono::{LocalResult, NaiveDateTime, Offset, TimeZone};
use datafusion::{
    common::{Result, ScalarValue, exec_datafusion_err, exec_err, plan_err},
    logical_expr::ScalarUDF,
};

use super::{
    Moments,
    pattern::{self, Moment, Pattern},
    to_array,
};
use crate::functions::udf::{Args, Builtin, Kind, a_bigint, a_date, a_string, a_timestamp, a_timestamp_ltz};

/// How Flink writes and reads timestamps if it isn't told.
const DEFAULT: &str = "yyyy-MM-dd HH:mm:ss";

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    use Kind::{Any, Int, MomentOrText, Text};
    vec![
        Builtin::new("DATE_FORMAT", &[MomentOrText, Text], a_string, date_format).udf(),
        Builtin::new("TO_TIMESTAMP", &[Text], a_timestamp, to_moment).optional(&[Text]).udf(),
        Builtin::new("TO_DATE", &[Text], a_date, to_moment).optional(&[Text]).udf(),
        Builtin::new("TO_TIMESTAMP_LTZ", &[Any], ltz_type, to_timestamp_ltz).optional(&[Any, Text]).udf(),
        Builtin::new("FROM_UNIXTIME", &[Int], a_string, from_unixtime).optional(&[Text]).udf(),
        Builtin::new("UNIX_TIMESTAMP", &[], a_bigint, unix_timestamp)
            .optional(&[Text, Text])
            .volatile()
            .udf(),
        Builtin::new("CONVERT_TZ", &[Text, Text, Text], a_string, convert_tz).udf(),
    ]
}

/// The pattern of each row; mostly it is one for all.
struct Patterns<'a> {
    texts: Option<crate::functions::udf::Values<'a, arrow::array::StringArray>>,
    last: Option<(&'a str, Pattern)>,
}

impl<'a> Patterns<'a> {
    fn of(args: &'a Args, n: usize) -> Result<Self> {
        Ok(Self { texts: args.optional_text(n)?, last: None })
    }

    fn get(&mut self, row: usize) -> Result<Option<&Pattern>> {
        let text = match &self.texts {
            None => DEFAULT,
            Some(texts) => match texts.get(row) {
                Some(text) => text,
                None => return Ok(None),
            },
        };
        if self.last.as_ref().is_none_or(|(last, _)| *last != text) {
            self.last = Some((text, Pattern::parse(text).map_err(|error| exec_datafusion_err!("{error}"))?));
        }
        Ok(self.last.as_ref().map(|(_, pattern)| pattern))
    }
}

fn beyond(row: usize) -> datafusion::error::DataFusionError {
    exec_datafusion_err!("a timestamp is beyond the calendar (row {row} of its batch)")
}

fn date_format(args: &Args) -> Result<ArrayRef> {
    let moments = Moments::of(args, 0)?;
    let mut patterns = Patterns::of(args, 1)?;
    let one_pattern = args.is_constant(1);
    // Neighbouring rows mostly have the same text: by its day, hour, minute or second.
    let mut last: Option<(i64, String)> = None;
    args.strings(|row, out| {
        let (Some(moment), Some(pattern)) = (moments.get(row), patterns.get(row)?) else { return Ok(None) };
        let Some(grain) = pattern.grain_seconds.filter(|_| one_pattern) else {
            return pattern.format(moment, out).map(Some).ok_or_else(|| beyond(row));
        };
        let grain = moment.seconds.div_euclid(grain);
        match &last {
            Some((known, text)) if *known == grain => out.push_str(text),
            _ => {
                pattern.format(moment, out).ok_or_else(|| beyond(row))?;
                last = Some((grain, out.clone()));
            }
        }
        Ok(Some(()))
    })
}

/// `TO_TIMESTAMP`, `TO_DATE`: text that is of another form is null.
fn to_moment(args: &Args) -> Result<ArrayRef> {
    let texts = args.text(0)?;
    let mut patterns = Patterns::of(args, 1)?;
    let has_pattern = args.len() > 1;
    let read = |row| {
        let Some(text) = texts.get(row) else { return Ok(None) };
        if !has_pattern {
            return Ok(pattern::read_default(text));
        }
        Ok(patterns.get(row)?.and_then(|pattern| pattern.read(text)))
    };
    let moments: Vec<Option<Moment>> = (0..args.rows).map(read).collect::<Result<_>>()?;
    to_array(moments.into_iter(), &args.returned)
}

fn ltz_type(types: &[DataType], scalars: &[Option<&ScalarValue>]) -> Result<DataType> {
    let text = types[0] == DataType::Utf8;
    let second = types.get(1);
    if !text && !types[0].is_numeric() && !types[0].is_null() {
        return plan_err!("argument 1 of TO_TIMESTAMP_LTZ has to be a number or a STRING");
    }
    if text && second.is_some_and(|second| *second != DataType::Utf8) || !text && types.len() > 2 {
        return plan_err!(
            "TO_TIMESTAMP_LTZ takes (number [, precision]) or (string [, format [, time zone]])"
        );
    }
    a_timestamp_ltz(types, scalars)
}

fn to_timestamp_ltz(args: &Args) -> Result<ArrayRef> {
    if *args.raw(0).data_type() == DataType::Utf8 {
        return ltz_of_text(args);
    }
    let precision = if args.len() > 1 { precision(args)? } else { 3 };
    let per_second = 10_i64.pow(precision);
    let moment = |value: i64| {
        let fraction = value.rem_euclid(per_second);
        let nanos = (fraction * (1_000_000_000 / per_second)) as u32;
        Moment { seconds: value.div_euclid(per_second), nanos }
    };
    let of_double =
        args.raw(0).data_type().is_floating() || matches!(args.raw(0).data_type(), DataType::Decimal128(..));
    if of_double {
        let values = arrow::compute::cast(&args.array(0)?, &DataType::Float64)?;
        let values = values.as_primitive::<Float64Type>();
        let millis = |value: f64| (value * (1_000.0 / per_second as f64)).round() as i64;
        let of_millis = |value: i64| Moment {
            seconds: value.div_euclid(1_000),
            nanos: (value.rem_euclid(1_000) * 1_000_000) as u32,
        };
        return to_array(
            values.iter().map(|value| value.map(|value| of_millis(millis(value)))),
            &args.returned,
        );
    }
    let values = arrow::compute::cast(&args.array(0)?, &DataType::Int64)?;
    to_array(values.as_primitive::<Int64Type>().iter().map(|value| value.map(moment)), &args.returned)
}

fn precision(args: &Args) -> Result<u32> {
    let precision = arrow::compute::cast(args.raw(1), &DataType::Int64)?;
    let precision = precision.as_primitive::<Int64Type>();
    if !args.is_constant(1) || precision.is_null(0) || !matches!(precision.value(0), 0 | 3 | 6 | 9) {
        return exec_err!("the precision of TO_TIMESTAMP_LTZ has to be 0, 3, 6 or 9");
    }
    u32::try_from(precision.value(0)).map_err(|_| exec_datafusion_err!("the precision is negative"))
}

fn ltz_of_text(args: &Args) -> Result<ArrayRef> {
    let texts = args.text(0)?;
    let mut patterns = Patterns::of(args, 1)?;
    let zones = args.optional_text(2)?;
    let mut zone = Zone::default();
    let read = |row| {
        let Some(text) = texts.get(row) else { return Ok(None) };
        let moment = match args.len() {
            1 => pattern::read_default(text),
            _ => patterns.get(row)?.and_then(|pattern| pattern.read(text)),
        };
        let Some(zones) = &zones else { return Ok(moment) };
        let (Some(moment), Some(name)) = (moment, zones.get(row)) else { return Ok(None) };
        Ok(to_utc(moment, zone.get(name)?))
    };
    let moments: Vec<Option<Moment>> = (0..args.rows).map(read).collect::<Result<_>>()?;
    to_array(moments.into_iter(), &args.returned)
}

fn from_unixtime(args: &Args) -> Result<ArrayRef> {
    let seconds = args.int(0)?;
    let mut patterns = Patterns::of(args, 1)?;
    args.strings(|row, out| {
        let (Some(seconds), Some(pattern)) = (seconds.get(row), patterns.get(row)?) else { return Ok(None) };
        pattern.format(Moment { seconds, nanos: 0 }, out).map(Some).ok_or_else(|| beyond(row))
    })
}

fn unix_timestamp(args: &Args) -> Result<ArrayRef> {
    if args.len() == 0 {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        return args.ints(|_| Ok(i64::try_from(now.as_secs()).ok()));
    }
    let texts = args.text(0)?;
    let mut patterns = Patterns::of(args, 1)?;
    args.ints(|row| {
        let (Some(text), Some(pattern)) = (texts.get(row), patterns.get(row)?) else { return Ok(None) };
        // What Flink returns for a text that is of another form.
        Ok(Some(pattern.read(text).map_or(i64::MIN, |moment| moment.seconds)))
    })
}

/// The time zone that was named last.
#[derive(Default)]
struct Zone(Option<(String, Tz)>);

impl Zone {
    fn get(&mut self, name: &str) -> Result<Tz> {
        if let Some((known, zone)) = &self.0
            && known == name
        {
            return Ok(*zone);
        }
        let zone: Tz =
            name.strip_prefix("GMT").filter(|offset| !offset.is_empty()).unwrap_or(name).parse().map_err(
                |_| {
                    exec_datafusion_err!(
                        "unknown time zone `{name}`: expected one like America/Los_Angeles or +01:00"
                    )
                },
            )?;
        self.0 = Some((name.to_owned(), zone));
        Ok(zone)
    }
}

fn naive(moment: Moment) -> Option<NaiveDateTime> {
    chrono::DateTime::from_timestamp(moment.seconds, moment.nanos).map(|at| at.naive_utc())
}

/// A moment of a zone's clocks in UTC; where clocks are put forward, the hour that there isn't is counted on.
fn to_utc(moment: Moment, zone: Tz) -> Option<Moment> {
    let local = naive(moment)?;
    let offset = match zone.offset_from_local_datetime(&local) {
        LocalResult::Single(offset) | LocalResult::Ambiguous(offset, _) => offset.fix(),
        LocalResult::None => {
            let before = local.checked_sub_signed(chrono::TimeDelta::hours(3))?;
            zone.offset_from_local_datetime(&before).earliest()?.fix()
        }
    };
    Some(Moment { seconds: moment.seconds - i64::from(offset.local_minus_utc()), ..moment })
}

fn convert_tz(args: &Args) -> Result<ArrayRef> {
    let (texts, from, to) = (args.text(0)?, args.text(1)?, args.text(2)?);
    let (mut from_zone, mut to_zone) = (Zone::default(), Zone::default());
    let default = Pattern::parse(DEFAULT).map_err(|error| exec_datafusion_err!("{error}"))?;
    args.strings(|row, out| {
        let (Some(text), Some(from), Some(to)) = (texts.get(row), from.get(row), to.get(row)) else {
            return Ok(None);
        };
        let (from, to) = (from_zone.get(from)?, to_zone.get(to)?);
        let Some(utc) = default.read(text).and_then(|moment| to_utc(moment, from)) else { return Ok(None) };
        let Some(at) = naive(utc) else { return Ok(None) };
        let offset = to.offset_from_utc_datetime(&at).fix();
        let local = Moment { seconds: utc.seconds + i64::from(offset.local_minus_utc()), ..utc };
        Ok(default.format(local, out))
    })
}

/// Timestamps as `CAST(t AS STRING)` writes them: with the digits of their type.
pub(in crate::functions) fn timestamps_to_text(array: &ArrayRef) -> Result<ArrayRef> {
    let args = Args::of_one(Arc::clone(array));
    let pattern = match array.data_type() {
        DataType::Timestamp(TimeUnit::Second, _) => DEFAULT,
        DataType::Timestamp(TimeUnit::Millisecond, _) => "yyyy-MM-dd HH:mm:ss.SSS",
        DataType::Timestamp(TimeUnit::Microsecond, _) => "yyyy-MM-dd HH:mm:ss.SSSSSS",
        _ => "yyyy-MM-dd HH:mm:ss.SSSSSSSSS",
    };
    let pattern = Pattern::parse(pattern).map_err(|error| exec_datafusion_err!("{error}"))?;
    let moments = Moments::of(&args, 0)?;
    args.strings(|row, out| match moments.get(row) {
        None => Ok(None),
        Some(moment) => pattern.format(moment, out).map(Some).ok_or_else(|| beyond(row)),
    })
}
