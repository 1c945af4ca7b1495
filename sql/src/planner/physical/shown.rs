//! Expressions as people read them: in the names of operators, and in plans.

use datafusion::{
    common::{
        Column, ScalarValue,
        tree_node::{Transformed, TreeNode},
    },
    logical_expr::Expr,
};

/// Longer texts are cut.
const CHARS_MAX: usize = 120;
/// How the optimizer's names for what it calculates apart begin, and how they are shown.
const CALCULATED: [(&str, &str); 2] = [("__datafusion_extracted_", "$f"), ("__common_expr_", "$c")];
/// Units of time in nanoseconds.
const UNITS: [(i128, &str); 4] = [
    (86_400_000_000_000, "DAY"),
    (3_600_000_000_000, "HOUR"),
    (60_000_000_000, "MINUTE"),
    (1_000_000_000, "SECOND"),
];

/// Expressions, one behind the other.
pub(super) fn shown<'a>(exprs: impl IntoIterator<Item = &'a Expr>) -> String {
    let text = exprs.into_iter().map(one).collect::<Vec<_>>().join(", ");
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn one(expr: &Expr) -> String {
    match expr {
        Expr::Column(column) => column_name(&column.name),
        Expr::Alias(alias) => column_name(&alias.name),
        other => {
            let legible = other.clone().transform(|expr| {
                Ok(match &expr {
                    Expr::Literal(value, _) => Transformed::yes(named(literal(value))),
                    Expr::Column(column) => Transformed::yes(named(column_name(&column.name))),
                    _ => Transformed::no(expr),
                })
            });
            legible.map_or_else(
                |_| other.schema_name().to_string(),
                |legible| legible.data.schema_name().to_string(),
            )
        }
    }
}

fn named(text: String) -> Expr {
    Expr::Column(Column::from_name(text))
}

fn column_name(name: &str) -> String {
    let of = |(prefix, short): &(&str, &str)| Some(format!("{short}{}", name.strip_prefix(prefix)?));
    CALCULATED.iter().find_map(of).unwrap_or_else(|| name.to_owned())
}

/// A literal as SQL has it.
fn literal(value: &ScalarValue) -> String {
    if value.is_null() {
        return "NULL".to_owned();
    }
    match value {
        ScalarValue::Utf8(Some(text))
        | ScalarValue::Utf8View(Some(text))
        | ScalarValue::LargeUtf8(Some(text)) => {
            format!("'{}'", text.replace('\'', "''"))
        }
        ScalarValue::IntervalMonthDayNano(Some(interval)) if interval.months == 0 => {
            time(i128::from(interval.days) * UNITS[0].0 + i128::from(interval.nanoseconds))
        }
        ScalarValue::IntervalMonthDayNano(Some(interval))
            if interval.days == 0 && interval.nanoseconds == 0 =>
        {
            format!("INTERVAL '{}' MONTH", interval.months)
        }
        ScalarValue::IntervalYearMonth(Some(months)) => format!("INTERVAL '{months}' MONTH"),
        ScalarValue::IntervalDayTime(Some(interval)) => {
            time(i128::from(interval.days) * UNITS[0].0 + i128::from(interval.milliseconds) * 1_000_000)
        }
        other => other.to_string(),
    }
}

/// An interval in the largest unit of which it is a multiple.
fn time(nanoseconds: i128) -> String {
    match UNITS.iter().find(|(unit, _)| nanoseconds % unit == 0) {
        Some((unit, name)) => format!("INTERVAL '{}' {name}", nanoseconds / unit),
        None => format!("INTERVAL '{}' SECOND", nanoseconds as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::IntervalMonthDayNano;
    use datafusion::prelude::{col, lit};

    use super::*;

    #[test]
    fn literals_are_shown_as_sql_has_them() {
        let seconds = |seconds: i64| {
            lit(ScalarValue::IntervalMonthDayNano(Some(IntervalMonthDayNano::new(
                0,
                0,
                seconds * 1_000_000_000,
            ))))
        };
        assert_eq!(shown([&(col("t.at") - seconds(4))]), "at - INTERVAL '4' SECOND");
        assert_eq!(shown([&(col("at") - seconds(7_200))]), "at - INTERVAL '2' HOUR");
        assert_eq!(
            shown([&col("a").eq(lit("it's")), &col("__datafusion_extracted_3").gt(lit(5i64))]),
            "a = 'it''s', $f3 > 5"
        );
        assert_eq!(shown([&col("a").eq(lit(ScalarValue::Int64(None)))]), "a = NULL");
        assert_eq!(shown([&col("x".repeat(200))]).chars().count(), CHARS_MAX + 1);
    }
}
