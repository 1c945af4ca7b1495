//! Flink's types and Arrow's: how a type is written, and what it is in memory.
//!
//! | Flink | Arrow |
//! |---|---|
//! | `CHAR`, `VARCHAR`, `STRING` | `Utf8` |
//! | `BINARY`, `VARBINARY`, `BYTES` | `Binary` |
//! | `DECIMAL(p, s)` | `Decimal128` |
//! | `TIMESTAMP(p)`, `TIMESTAMP_LTZ(p)` | `Timestamp` in ms (p ≤ 3), µs (≤ 6) or ns, without a zone or of UTC |
//! | `TIME(p)` | `Time32` in ms, `Time64` in µs or ns |
//! | `INTERVAL` of years and months, of days and less | `Interval(YearMonth)`, `Interval(MonthDayNano)` |
//! | `ROW`, `ARRAY`, `MAP` | `Struct`, `List`, `Map` |
//!
//! So a type's length and the precision between these steps are not kept: `VARCHAR(10)` is `STRING`, `TIMESTAMP(2)` is
//! `TIMESTAMP(3)`. The length of a table's column is kept beside its type, for sinks.

mod read;
mod spelling;

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, TimeUnit};
use datafusion::{
    common::{DataFusionError, plan_datafusion_err},
    logical_expr::planner::TypePlanner,
    sql::sqlparser::ast::{self, Ident, ObjectName},
};

pub(crate) use self::read::{Declared, parse_declared};
pub use self::{
    read::{Length, parse},
    spelling::{quoted, spelling},
};

/// The type of timestamps with this many digits behind the second; `local` is `TIMESTAMP_LTZ`.
pub fn timestamp(precision: u64, local: bool) -> DataType {
    DataType::Timestamp(unit(precision), local.then(|| "UTC".into()))
}

/// The type of times with this many digits behind the second.
pub fn time(precision: u64) -> DataType {
    match unit(precision) {
        TimeUnit::Millisecond => DataType::Time32(TimeUnit::Millisecond),
        unit => DataType::Time64(unit),
    }
}

fn unit(precision: u64) -> TimeUnit {
    match precision {
        0..=3 => TimeUnit::Millisecond,
        4..=6 => TimeUnit::Microsecond,
        _ => TimeUnit::Nanosecond,
    }
}

/// `MAP<key, value>`.
pub fn map(key: DataType, value: DataType, value_nullable: bool) -> DataType {
    let fields = vec![Field::new("key", key, false), Field::new("value", value, value_nullable)];
    DataType::Map(Arc::new(Field::new("entries", DataType::Struct(fields.into()), false)), false)
}

/// A type within sqlparser's trees: its spelling, which [`FlinkTypes`] reads.
pub(crate) fn to_sqlparser(data_type: &DataType) -> ast::DataType {
    ast::DataType::Custom(ObjectName::from(vec![Ident::new(spelling(data_type))]), Vec::new())
}

/// Whether `JSON_VALUE` can return it.
pub(crate) fn may_be_json_value(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::Boolean | DataType::Int32 | DataType::Float64)
}

/// Tells DataFusion's planner what the types in casts are.
#[derive(Debug, Default)]
pub struct FlinkTypes;

impl TypePlanner for FlinkTypes {
    fn plan_type_field(&self, sql_type: &ast::DataType) -> Result<Option<FieldRef>, DataFusionError> {
        let text = match sql_type {
            ast::DataType::Custom(name, _) => match name.0.as_slice() {
                [part] => part.as_ident().map_or_else(|| part.to_string(), |ident| ident.value.clone()),
                _ => name.to_string(),
            },
            other => other.to_string(),
        };
        let (data_type, nullable) = parse(&text).map_err(|error| plan_datafusion_err!("{error}"))?;
        Ok(Some(Arc::new(Field::new("", data_type, nullable))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_read_and_written() {
        for (text, spelled) in [
            ("boolean", "BOOLEAN"),
            ("TINYINT", "TINYINT"),
            ("integer", "INT"),
            ("DOUBLE PRECISION", "DOUBLE"),
            ("DEC", "DECIMAL(10, 0)"),
            ("NUMERIC(38, 18)", "DECIMAL(38, 18)"),
            ("VARCHAR(2147483647)", "STRING"),
            ("CHARACTER VARYING(3)", "STRING"),
            ("CHAR(3)", "STRING"),
            ("VARBINARY(8)", "BYTES"),
            ("TIME", "TIME(3)"),
            ("TIME(6) WITHOUT TIME ZONE", "TIME(6)"),
            ("TIMESTAMP", "TIMESTAMP(6)"),
            ("TIMESTAMP(3) WITH LOCAL TIME ZONE", "TIMESTAMP_LTZ(3)"),
            ("TIMESTAMP_LTZ(9)", "TIMESTAMP_LTZ(9)"),
            ("INTERVAL YEAR(4) TO MONTH", "INTERVAL YEAR TO MONTH"),
            ("INTERVAL SECOND(3)", "INTERVAL DAY TO SECOND"),
            (
                "ROW<a INT NOT NULL, `b c` ROW<d STRING 'what d is'>>",
                "ROW<`a` INT NOT NULL, `b c` ROW<`d` STRING>>",
            ),
            (
                "ROW(a INT, b MAP<STRING, ARRAY<ARRAY<INT>>>)",
                "ROW<`a` INT, `b` MAP<STRING, ARRAY<ARRAY<INT>>>>",
            ),
            ("ROW<>", "ROW<>"),
            ("INT NOT NULL ARRAY ARRAY NOT NULL", "ARRAY<ARRAY<INT NOT NULL>>"),
            ("MAP<STRING NOT NULL, ROW<x DOUBLE> NOT NULL>", "MAP<STRING, ROW<`x` DOUBLE> NOT NULL>"),
        ] {
            let (data_type, _) = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(spelling(&data_type), spelled, "{text}");
            let (again, _) = parse(spelled).unwrap_or_else(|error| panic!("{spelled}: {error}"));
            assert_eq!(again, data_type, "{text}");
        }
    }

    #[test]
    fn wrong_types_are_refused_by_name() {
        for (text, message) in [
            ("MULTISET<INT>", "line 1, column 1: the type MULTISET is not supported"),
            ("INT MULTISET", "line 1, column 5: the type MULTISET is not supported"),
            ("RAW('a', 'b')", "line 1, column 1: the type RAW is not supported"),
            ("TEXT", "line 1, column 1: unknown type `TEXT`; did you mean `STRING`?"),
            ("STRNG", "line 1, column 1: unknown type `STRNG`; did you mean `STRING`?"),
            (
                "DECIMAL(39, 2)",
                "line 1, column 8: expected a precision of 1 to 38 and a scale of 0 to the precision, found DECIMAL(39, 2)",
            ),
            ("TIMESTAMP(10)", "line 1, column 10: expected a precision of 0 to 9, found 10"),
            ("VARCHAR(0)", "line 1, column 8: expected a length of 1 to 2147483647, found 0"),
            ("ARRAY<INT", "expected >, found the end of the script"),
            ("ARRAY<INT>>", "line 1, column 1: expected as many `<` as `>` in a type"),
            ("ROW<a INT, a INT>", "line 1, column 12: the field `a` is there twice"),
            ("INT x", "line 1, column 5: expected the end of the type, found `x`"),
            (
                "TIMESTAMP WITH TIME ZONE",
                "line 1, column 1: the type TIMESTAMP WITH TIME ZONE is not supported: expected TIMESTAMP_LTZ",
            ),
        ] {
            assert_eq!(parse(text).expect_err(text).to_string(), message, "{text}");
        }
        assert!(parse(&"ARRAY<".repeat(100_000)).is_err());
    }
}
