//! Moments and units of time: adding, differences, rounding; and what time it is.

use std::sync::Arc;

use arrow::{
    array::ArrayRef,
    datatypes::{DataType, TimeUnit},
};
use chrono::{Datelike, Months, NaiveDate, NaiveTime};
use datafusion::{
    common::{Result, ScalarValue, exec_datafusion_err, plan_err},
    logical_expr::ScalarUDF,
};

use super::{
    Moments,
    pattern::{DAY_SECONDS, Moment, date_of_day},
    to_array,
};
use crate::functions::udf::{Args, Builtin, Kind, a_date, a_timestamp, a_timestamp_ltz, an_int};

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![
        Builtin::new("TIMESTAMPADD", &[Kind::Text, Kind::Int, Kind::Moment], added_type, add).udf(),
        Builtin::new("TIMESTAMPDIFF", &[Kind::Text, Kind::Moment, Kind::Moment], an_int, difference).udf(),
        // The time of the batch.
        Builtin::new("PROCTIME", &[], a_timestamp_ltz, now).volatile().udf(),
        Builtin::new("CURRENT_TIMESTAMP", &[], a_timestamp_ltz, now)
            .alias(&["NOW", "CURRENT_ROW_TIMESTAMP"])
            .volatile()
            .udf(),
        Builtin::new("LOCALTIMESTAMP", &[], a_timestamp, now).volatile().udf(),
        Builtin::new("CURRENT_DATE", &[], a_date, now).volatile().udf(),
        Builtin::new("LOCALTIME", &[], a_time, time_of_day).alias(&["CURRENT_TIME"]).volatile().udf(),
    ]
}

fn a_time(_: &[DataType], _: &[Option<&ScalarValue>]) -> Result<DataType> {
    Ok(DataType::Time32(TimeUnit::Millisecond))
}

fn current() -> Moment {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Moment { seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX), nanos: since.subsec_nanos() }
}

fn now(args: &Args) -> Result<ArrayRef> {
    let moment = current();
    to_array(std::iter::repeat_n(Some(moment), args.rows), &args.returned)
}

fn time_of_day(args: &Args) -> Result<ArrayRef> {
    let moment = current();
    let millis = moment.second_of_day() * 1_000 + moment.nanos / 1_000_000;
    let millis = i32::try_from(millis).ok();
    ScalarValue::Time32Millisecond(millis).to_array_of_size(args.rows)
}

/// A unit: so many months, or so many nanoseconds.
#[derive(Clone, Copy)]
enum Unit {
    Months(i64),
    Nanos(i64),
}

fn unit(name: &str) -> Option<Unit> {
    const SECOND: i64 = 1_000_000_000;
    Some(match name {
        "MICROSECOND" => Unit::Nanos(1_000),
        "MILLISECOND" => Unit::Nanos(1_000_000),
        "SECOND" => Unit::Nanos(SECOND),
        "MINUTE" => Unit::Nanos(60 * SECOND),
        "HOUR" => Unit::Nanos(3_600 * SECOND),
        "DAY" => Unit::Nanos(DAY_SECONDS * SECOND),
        "WEEK" => Unit::Nanos(7 * DAY_SECONDS * SECOND),
        "MONTH" => Unit::Months(1),
        "QUARTER" => Unit::Months(3),
        "YEAR" => Unit::Months(12),
        "DECADE" => Unit::Months(120),
        "CENTURY" => Unit::Months(1_200),
        "MILLENNIUM" => Unit::Months(12_000),
        _ => return None,
    })
}

fn unit_of(args: &Args, n: usize) -> Result<(String, Unit)> {
    let names = args.text(n)?;
    let name = names.constant().flatten().unwrap_or_default();
    let unit = unit(name)
        .ok_or_else(|| exec_datafusion_err!("expected a unit of time like DAY or HOUR, found `{name}`"))?;
    Ok((name.to_owned(), unit))
}

/// A date stays one if whole days are added to it.
fn added_type(types: &[DataType], scalars: &[Option<&ScalarValue>]) -> Result<DataType> {
    let name = match scalars.first() {
        Some(Some(ScalarValue::Utf8(Some(name)))) => name.as_str(),
        _ => "",
    };
    match (&types[2], unit(name)) {
        (DataType::Date32, Some(Unit::Nanos(nanos))) if nanos < DAY_SECONDS * 1_000_000_000 => {
            Ok(DataType::Timestamp(TimeUnit::Millisecond, None))
        }
        (DataType::Time32(_) | DataType::Time64(_), _) => {
            plan_err!("TIMESTAMPADD expects a TIMESTAMP or DATE, found a TIME")
        }
        (other, _) => Ok(other.clone()),
    }
}

fn add(args: &Args) -> Result<ArrayRef> {
    let (_, unit) = unit_of(args, 0)?;
    let (amounts, moments) = (args.int(1)?, Moments::of(args, 2)?);
    let sum = |row| {
        let (Some(amount), Some(moment)) = (amounts.get(row), moments.get(row)) else { return Ok(None) };
        let sum = match unit {
            Unit::Months(months) => amount.checked_mul(months).and_then(|months| add_months(moment, months)),
            Unit::Nanos(nanos) => add_nanos(moment, i128::from(amount) * i128::from(nanos)),
        };
        sum.map(Some)
            .ok_or_else(|| exec_datafusion_err!("TIMESTAMPADD goes beyond the calendar: {amount} units"))
    };
    let sums: Vec<Option<Moment>> = (0..args.rows).map(sum).collect::<Result<_>>()?;
    to_array(sums.into_iter(), &args.returned)
}

fn add_months(moment: Moment, months: i64) -> Option<Moment> {
    let date = moment.date()?;
    let by = Months::new(u32::try_from(months.unsigned_abs()).ok()?);
    let date = if months < 0 { date.checked_sub_months(by)? } else { date.checked_add_months(by)? };
    let start = Moment::of(date, NaiveTime::MIN);
    Some(Moment { seconds: start.seconds + i64::from(moment.second_of_day()), ..moment })
}

fn add_nanos(moment: Moment, nanos: i128) -> Option<Moment> {
    let total = i128::from(moment.seconds) * 1_000_000_000 + i128::from(moment.nanos) + nanos;
    let nanos = u32::try_from(total.rem_euclid(1_000_000_000)).ok()?;
    Some(Moment { seconds: i64::try_from(total.div_euclid(1_000_000_000)).ok()?, nanos })
}

/// Whole units from the first to the second, rounded towards none.
fn difference(args: &Args) -> Result<ArrayRef> {
    let (name, unit) = unit_of(args, 0)?;
    let (from, to) = (Moments::of(args, 1)?, Moments::of(args, 2)?);
    args.ints(|row| {
        let (Some(from), Some(to)) = (from.get(row), to.get(row)) else { return Ok(None) };
        let units = match unit {
            Unit::Months(months) => months_between(from, to).map(|between| between / months),
            Unit::Nanos(nanos) => {
                let between = i128::from(to.seconds - from.seconds) * 1_000_000_000 + i128::from(to.nanos)
                    - i128::from(from.nanos);
                i64::try_from(between / i128::from(nanos)).ok()
            }
        };
        let fits = units.filter(|units| i32::try_from(*units).is_ok());
        fits.map(Some).ok_or_else(|| exec_datafusion_err!("TIMESTAMPDIFF in {name} is beyond an INT"))
    })
}

fn months_between(from: Moment, to: Moment) -> Option<i64> {
    let (first, last) = (from.date()?, to.date()?);
    let of = |date: NaiveDate| i64::from(date.year()) * 12 + i64::from(date.month0());
    let months = of(last) - of(first);
    // The month that isn't over yet doesn't count.
    let rest = |moment: Moment, date: NaiveDate| (date.day(), moment.second_of_day(), moment.nanos);
    let (first_rest, last_rest) = (rest(from, first), rest(to, last));
    Some(match months {
        1.. if last_rest < first_rest => months - 1,
        ..=-1 if last_rest > first_rest => months + 1,
        _ => months,
    })
}

/// `FLOOR(t TO unit)`, `CEIL(t TO unit)`.
pub(in crate::functions) fn round(args: &Args, up: bool) -> Result<ArrayRef> {
    let moments = Moments::of(args, 0)?;
    let (name, unit) = unit_of(args, 1)?;
    let round = |row| {
        let Some(moment) = moments.get(row) else { return Ok(None) };
        let floor = floor(moment, &name, unit);
        let rounded = match floor {
            Some(floor) if up && floor != moment => match unit {
                Unit::Months(months) => add_months(floor, months),
                Unit::Nanos(nanos) => add_nanos(floor, i128::from(nanos)),
            },
            floor => floor,
        };
        rounded.map(Some).ok_or_else(|| exec_datafusion_err!("rounding to {name} goes beyond the calendar"))
    };
    let rounded: Vec<Option<Moment>> = (0..args.rows).map(round).collect::<Result<_>>()?;
    to_array(rounded.into_iter(), &args.returned)
}

fn floor(moment: Moment, name: &str, unit: Unit) -> Option<Moment> {
    match unit {
        Unit::Nanos(nanos) => {
            let total = i128::from(moment.seconds) * 1_000_000_000 + i128::from(moment.nanos);
            // Weeks begin on Sunday, as in Flink; 1970-01-01 was a Thursday.
            let origin = if name == "WEEK" { -4 * i128::from(DAY_SECONDS) * 1_000_000_000 } else { 0 };
            let into = (total - origin).rem_euclid(i128::from(nanos));
            add_nanos(moment, -into)
        }
        Unit::Months(months) => {
            let date = date_of_day(moment.day())?;
            // Decades begin with a year of 0, centuries and millennia with one of 1.
            let shift = if months > 120 { 12 } else { 0 };
            let month = i64::from(date.year()) * 12 + i64::from(date.month0()) - shift;
            let first = month - month.rem_euclid(months) + shift;
            let year = i32::try_from(first.div_euclid(12)).ok()?;
            let date = NaiveDate::from_ymd_opt(year, u32::try_from(first.rem_euclid(12)).ok()? + 1, 1)?;
            Some(Moment::of(date, NaiveTime::MIN))
        }
    }
}
