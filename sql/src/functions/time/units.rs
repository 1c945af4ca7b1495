//! Parts of a moment: `EXTRACT(unit FROM t)`, `YEAR(t)`, `HOUR(t)`, ….

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array};
use chrono::{Datelike, NaiveDate};
use datafusion::{
    common::{Result, exec_err},
    logical_expr::ScalarUDF,
};

use super::{Moments, pattern::Moment};
use crate::functions::udf::{Args, Builtin, Kind, a_bigint};

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    macro_rules! of_unit {
        ($($name:literal => $unit:literal),* $(,)?) => {
            vec![$(Builtin::new($name, &[Kind::Moment], a_bigint, |args| part(args, 0, $unit)).udf()),*]
        };
    }
    let mut functions = of_unit![
        "YEAR" => "YEAR", "QUARTER" => "QUARTER", "MONTH" => "MONTH", "WEEK" => "WEEK", "DAYOFYEAR" => "DOY",
        "DAYOFMONTH" => "DAY", "DAYOFWEEK" => "DOW", "HOUR" => "HOUR", "MINUTE" => "MINUTE", "SECOND" => "SECOND",
    ];
    functions.push(Builtin::new("EXTRACT", &[Kind::Text, Kind::Moment], a_bigint, extract).udf());
    functions
}

fn extract(args: &Args) -> Result<ArrayRef> {
    let units = args.text(0)?;
    match units.constant() {
        Some(Some(unit)) => part(args, 1, unit),
        _ => exec_err!("EXTRACT expects a unit of time"),
    }
}

fn part(args: &Args, n: usize, unit: &str) -> Result<ArrayRef> {
    let moments = Moments::of(args, n)?;
    // The cheap ones need no calendar.
    let of_moment: Option<fn(Moment) -> i64> = match unit {
        "HOUR" => Some(|moment| i64::from(moment.second_of_day() / 3_600)),
        "MINUTE" => Some(|moment| i64::from(moment.second_of_day() / 60 % 60)),
        "SECOND" => Some(|moment| i64::from(moment.second_of_day() % 60)),
        "MILLISECOND" => Some(|moment| i64::from(moment.nanos / 1_000_000)),
        "MICROSECOND" => Some(|moment| i64::from(moment.nanos / 1_000)),
        "NANOSECOND" => Some(|moment| i64::from(moment.nanos)),
        "EPOCH" => Some(|moment| moment.seconds),
        _ => None,
    };
    if let Some(of_moment) = of_moment {
        let parts: Int64Array = (0..args.rows).map(|row| moments.get(row).map(of_moment)).collect();
        return Ok(Arc::new(parts));
    }
    let of_date: fn(NaiveDate) -> i64 = match unit {
        "YEAR" => |date| i64::from(date.year()),
        "ISOYEAR" => |date| i64::from(date.iso_week().year()),
        "QUARTER" => |date| i64::from(date.month0() / 3 + 1),
        "MONTH" => |date| i64::from(date.month()),
        "WEEK" => |date| i64::from(date.iso_week().week()),
        "DAY" => |date| i64::from(date.day()),
        "DOY" | "DAYOFYEAR" => |date| i64::from(date.ordinal()),
        "DOW" | "DAYOFWEEK" => |date| i64::from(date.weekday().num_days_from_sunday() + 1),
        "ISODOW" => |date| i64::from(date.weekday().number_from_monday()),
        "DECADE" => |date| i64::from(date.year().div_euclid(10)),
        "CENTURY" => |date| i64::from((date.year() - 1).div_euclid(100) + 1),
        "MILLENNIUM" => |date| i64::from((date.year() - 1).div_euclid(1_000) + 1),
        other => return exec_err!("EXTRACT of {other} is not supported"),
    };
    // Neighbouring rows are mostly of one day.
    let mut last: Option<(i64, Option<i64>)> = None;
    args.ints(|row| {
        let Some(moment) = moments.get(row) else { return Ok(None) };
        let day = moment.day();
        match last {
            Some((known, part)) if known == day => Ok(part),
            _ => {
                let part = moment.date().map(of_date);
                last = Some((day, part));
                Ok(part)
            }
        }
    })
}
