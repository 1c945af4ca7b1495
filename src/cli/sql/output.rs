//! What the shell writes: tables, JSON, and errors with the place that they are about.

use std::io::{self, Write};

use headwater_core::secret::places;
use headwater_sql::{error::SqlError, preview::ShownRow};
use serde_json::{Value, json};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The width of a column in Flink's `tableau`, if nothing else is set.
pub(super) const COLUMN_WIDTH_MAX: usize = 30;

/// A table of rows whose number is known: columns are as wide as they need to be.
pub(super) fn write_table(out: &mut impl Write, columns: &[String], rows: &[Vec<String>]) -> io::Result<()> {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].as_str()).chain([columns[column].as_str()]);
        cells.map(UnicodeWidthStr::width).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    write_rule(out, &widths)?;
    write_cells(out, &widths, columns.iter().map(String::as_str))?;
    write_rule(out, &widths)?;
    for row in rows {
        write_cells(out, &widths, row.iter().map(String::as_str))?;
    }
    write_rule(out, &widths)?;
    writeln!(out, "{} {} in set", rows.len(), if rows.len() == 1 { "row" } else { "rows" })
}

/// A query's results, written while they come: the widths follow from the types.
pub(super) struct LiveTable {
    widths: Vec<usize>,
    has_op: bool,
    /// Longer values are cut here, if at all.
    width_max: Option<usize>,
}

impl LiveTable {
    /// For these columns, names with types; `has_op` if rows may be updated.
    pub(super) fn new(columns: &[(String, String)], has_op: bool, width_max: Option<usize>) -> Self {
        let limit = width_max.unwrap_or(COLUMN_WIDTH_MAX);
        let of_column = |(name, r#type): &(String, String)| width_of(r#type).min(limit).max(name.width());
        let widths = has_op.then_some(2).into_iter().chain(columns.iter().map(of_column)).collect();
        Self { widths, has_op, width_max }
    }

    pub(super) fn write_head(&self, out: &mut impl Write, columns: &[(String, String)]) -> io::Result<()> {
        write_rule(out, &self.widths)?;
        let op = self.has_op.then_some("op");
        write_cells(out, &self.widths, op.into_iter().chain(columns.iter().map(|(name, _)| name.as_str())))?;
        write_rule(out, &self.widths)
    }

    pub(super) fn write_row(&self, out: &mut impl Write, row: &ShownRow) -> io::Result<()> {
        let cells = row.cells.iter().zip(&self.widths[usize::from(self.has_op)..]);
        let cells: Vec<String> = cells
            .map(|(cell, width)| {
                let cell = on_one_line(cell.as_deref().unwrap_or("<NULL>"));
                if self.width_max.is_some() { cut(&cell, *width) } else { cell }
            })
            .collect();
        let op = self.has_op.then(|| row.kind.short());
        write_cells(out, &self.widths, op.into_iter().chain(cells.iter().map(String::as_str)))
    }

    pub(super) fn write_foot(&self, out: &mut impl Write, rows: u64) -> io::Result<()> {
        write_rule(out, &self.widths)?;
        writeln!(out, "Received a total of {rows} {}", if rows == 1 { "row" } else { "rows" })
    }
}

/// How wide a column of a type is, as in Flink.
fn width_of(r#type: &str) -> usize {
    match r#type.split(['(', '<', ' ']).next().unwrap_or_default() {
        "BOOLEAN" | "TINYINT" => 7,
        "SMALLINT" => 8,
        "INT" => 11,
        "BIGINT" => 20,
        "FLOAT" | "DOUBLE" => 24,
        "DATE" => 10,
        "TIME" => 12,
        "TIMESTAMP" | "TIMESTAMP_LTZ" => 26,
        _ => COLUMN_WIDTH_MAX,
    }
}

fn write_rule(out: &mut impl Write, widths: &[usize]) -> io::Result<()> {
    let rule: String = widths.iter().map(|width| format!("+{}", "-".repeat(width + 2))).collect();
    writeln!(out, "{rule}+")
}

/// Flink aligns all values to the right.
fn write_cells<'a>(
    out: &mut impl Write,
    widths: &[usize],
    cells: impl Iterator<Item = &'a str>,
) -> io::Result<()> {
    let mut row = String::new();
    for (width, cell) in widths.iter().zip(cells) {
        let pad = width.saturating_sub(cell.width());
        row.push_str(&format!("| {}{cell} ", " ".repeat(pad)));
    }
    writeln!(out, "{row}|")
}

/// Line breaks and what else moves the cursor would break the table, or worse: escapes could drive the terminal.
fn on_one_line(cell: &str) -> String {
    cell.chars()
        .flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] })
        .collect()
}

fn cut(cell: &str, width: usize) -> String {
    if cell.width() <= width {
        return cell.to_owned();
    }
    let mut left = width.saturating_sub(3);
    let fits = |c: &char| match left.checked_sub(c.width().unwrap_or(0)) {
        Some(rest) => {
            left = rest;
            true
        }
        None => false,
    };
    let mut short: String = cell.chars().take_while(fits).collect();
    short.push_str("...");
    short
}

/// A row as a line of JSON.
pub(super) fn json_of_row(row: &ShownRow) -> Value {
    json!({ "op": row.kind.short(), "row": row.cells })
}

/// An error as JSON.
pub(super) fn json_of_error(error: &SqlError) -> Value {
    let (line, column) = error.location.map(|at| (at.line, at.column)).unzip();
    json!({ "error": { "message": error.message, "line": line, "column": column, "hint": error.hint } })
}

/// An error with its place in `text`, which comes from `name`: the line, without secrets, and a caret below.
pub(super) fn told(error: &SqlError, name: Option<&str>, text: &str) -> String {
    let mut told = String::from("error: ");
    if let Some(at) = error.location {
        told.push_str(&match name {
            Some(name) => format!("{name}:{}:{}: ", at.line, at.column),
            None => format!("line {}, column {}: ", at.line, at.column),
        });
    }
    told.push_str(&error.message);
    let text = masked(text);
    let line = error
        .location
        .and_then(|at| Some((at, text.lines().nth(usize::try_from(at.line).ok()?.checked_sub(1)?)?)));
    if let Some((at, line)) = line {
        let before: usize = line
            .chars()
            .take(usize::try_from(at.column.saturating_sub(1)).unwrap_or(usize::MAX))
            .map(|c| c.width().unwrap_or(1))
            .sum();
        let shown: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let number = at.line.to_string();
        let margin = " ".repeat(number.len());
        told.push_str(&format!("\n {number} | {shown}\n {margin} | {}^", " ".repeat(before)));
    }
    if let Some(hint) = &error.hint {
        told.push_str(&format!("\nhint: {hint}"));
    }
    told
}

/// A text with stars for every character of secrets, so that everything else stays in its place.
fn masked(text: &str) -> String {
    let places = places(text);
    let is_hidden = |at: usize| places.iter().any(|place| place.contains(&at));
    let shown = |(at, c): (usize, char)| if c != '\n' && is_hidden(at) { '*' } else { c };
    text.char_indices().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use headwater_sql::{batch::RowKind, error::Location};

    use super::*;

    #[test]
    fn an_error_shows_its_line_with_a_caret_below_the_place() {
        let error = SqlError::new("table `typo` does not exist")
            .at(Location { line: 2, column: 10 })
            .hint("did you mean `type`?");
        let text = "SELECT 1,\n\t'日本' FROM typo\nWHERE true";
        let expected = "error: jobs.sql:2:10: table `typo` does not exist\n 2 |  '日本' FROM typo\n   |            ^\nhint: did you mean `type`?";
        assert_eq!(told(&error, Some("jobs.sql"), text), expected);
        assert!(told(&error, None, text).starts_with("error: line 2, column 10: "));
        let text = "WITH ('a' = 'b', 'token' = 's3cr3t', x = 1)";
        let told_of_option = told(&SqlError::new("x").at(Location { line: 1, column: 35 }), None, text);
        let expected =
            "\n 1 | WITH ('a' = 'b', 'token' = '******', x = 1)\n   |                                   ^";
        assert!(told_of_option.ends_with(expected), "{told_of_option}");
        let nowhere = SqlError::new("x").at(Location { line: 9, column: 1 });
        assert_eq!(told(&nowhere, None, text), "error: line 9, column 1: x");
    }

    #[test]
    fn a_live_table_has_an_op_column_if_rows_are_updated_and_keeps_its_widths() {
        let columns = [("name".to_owned(), "STRING".to_owned()), ("n".to_owned(), "INT".to_owned())];
        let row = ShownRow {
            kind: RowKind::UpdateAfter,
            cells: vec![Some("a\n\u{1b}[2Jb日本語日本語".to_owned()), None],
        };
        let written = |table: &LiveTable| {
            let mut out = Vec::new();
            table.write_head(&mut out, &columns).unwrap();
            table.write_row(&mut out, &row).unwrap();
            table.write_foot(&mut out, 1).unwrap();
            String::from_utf8(out).unwrap()
        };
        let text = written(&LiveTable::new(&columns, true, Some(22)));
        let widths: Vec<usize> = text.lines().take(5).map(UnicodeWidthStr::width).collect();
        assert_eq!(widths, [widths[0]; 5], "{text}");
        assert!(text.contains("| op |"), "{text}");
        assert!(text.contains("| +U |") && text.contains("a\\n\\u{1b}[2Jb日本語... |"), "{text}");
        assert!(text.contains("     <NULL> |") && text.ends_with("Received a total of 1 row\n"), "{text}");
        let whole = written(&LiveTable::new(&columns, false, None));
        assert!(whole.contains("日本語日本語") && !whole.contains("op"), "{whole}");
    }

    #[test]
    fn a_table_is_as_wide_as_its_cells() {
        let mut out = Vec::new();
        write_table(&mut out, &["table name".to_owned()], &[vec!["a".to_owned()], vec!["日本".to_owned()]])
            .unwrap();
        let expected = "+------------+\n| table name |\n+------------+\n|          a |\n|       日本 |\n+------------+\n2 rows in set\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
