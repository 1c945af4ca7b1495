//! Tables for people, and how they show numbers, sizes and times.

use std::{fmt::Display, io};

use chrono::{DateTime, SecondsFormat};
use comfy_table::{Cell, CellAlignment, Table as Grid, presets};

use super::output::{self, on_one_line};

/// What is not known.
pub(super) const UNKNOWN: &str = "-";

/// Columns under their names, as wide as they have to be.
pub(super) struct Table {
    grid: Grid,
    /// What comes below each row, since it would be too wide for a column.
    below: Vec<Vec<String>>,
}

impl Table {
    /// The names of columns of numbers begin with `>`: they are aligned to the right.
    pub(super) fn new<const N: usize>(columns: [&str; N]) -> Self {
        let mut grid = Grid::new();
        grid.load_preset(presets::NOTHING).set_header(columns.map(|name| name.trim_start_matches('>')));
        for (column, name) in grid.column_iter_mut().zip(columns) {
            column.set_padding((0, 2));
            if name.starts_with('>') {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        Self { grid, below: Vec::new() }
    }

    pub(super) fn row<const N: usize>(&mut self, cells: [&dyn Display; N]) {
        self.grid.add_row(cells.map(|cell| Cell::new(on_one_line(&cell.to_string()))));
        self.below.push(Vec::new());
    }

    /// Lines below the last row.
    pub(super) fn below(&mut self, text: impl Display) {
        if let Some(below) = self.below.last_mut() {
            below.extend(text.to_string().lines().map(|line| format!("  {line}")));
        }
    }

    pub(super) fn print(&self) -> io::Result<()> {
        self.lines().iter().try_for_each(output::line)
    }

    pub(super) fn lines(&self) -> Vec<String> {
        let none = Vec::new();
        let below = [&none].into_iter().chain(&self.below);
        let with_below =
            self.grid.lines().zip(below).flat_map(|(line, below)| {
                [line.trim_end().to_owned()].into_iter().chain(below.iter().cloned())
            });
        with_below.collect()
    }
}

/// Something, if it is known.
pub(super) fn known(value: Option<impl Display>) -> String {
    value.map_or_else(|| UNKNOWN.to_owned(), |value| value.to_string())
}

/// A point in time, in UTC.
pub(super) fn time(at_ms: i64) -> String {
    let at = DateTime::from_timestamp_millis(at_ms);
    known(at.map(|at| at.to_rfc3339_opts(SecondsFormat::Secs, true)))
}

/// A duration in its two largest units.
pub(super) fn span(ms: i64) -> String {
    let seconds = ms.max(0) / 1_000;
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, ..) => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

/// A number of bytes, to three digits.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    let mut value = bytes as f64;
    let mut unit = "B";
    for larger in UNITS {
        if value < 999.5 {
            break;
        }
        (value, unit) = (value / 1_000.0, larger);
    }
    match unit {
        "B" => format!("{bytes} B"),
        _ if value < 9.95 => format!("{value:.1} {unit}"),
        _ => format!("{value:.0} {unit}"),
    }
}

/// A share of the time, from 0 to 1.
pub(super) fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_by_what_is_seen_and_rows_stay_on_their_lines() {
        let mut table = Table::new(["NAME", ">COUNT", "STATE"]);
        table.row([&"日本語", &7, &"RUNNING"]);
        table.row([&"a\n\u{1b}[2Jb", &12_345, &""]);
        table.below("and\nbelow");
        assert_eq!(
            table.lines(),
            [
                "NAME           COUNT  STATE",
                "日本語             7  RUNNING",
                r"a\n\u{1b}[2Jb  12345",
                "  and",
                "  below",
            ]
        );
    }

    #[test]
    fn times_and_sizes_are_as_exact_as_people_need_them() {
        assert_eq!([span(-5), span(59_999), span(192_000)], ["0 s", "59 s", "3 min 12 s"]);
        assert_eq!([span(3_600_000 * 5 + 60_000), span(86_400_000 * 2)], ["5 h 1 min", "2 d 0 h"]);
        assert_eq!([size(0), size(999), size(1_234), size(12_345)], ["0 B", "999 B", "1.2 kB", "12 kB"]);
        assert_eq!([size(999_600), size(5_000_000_000)], ["1.0 MB", "5.0 GB"]);
        assert_eq!([time(1_700_000_000_123), known(None::<u8>)], ["2023-11-14T22:13:20Z", "-"]);
    }
}
