//! The judge: works out from the seeds alone what the committed output must be, and compares.

use std::{collections::BTreeMap, fmt, fs, io, path::Path};

use crate::records::{Record, WINDOW_MS, WindowTotal, record_at};

/// Lines, each with how often it occurs.
pub type Multiset = BTreeMap<String, u64>;

/// How much of the expected output must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coverage {
    /// All: the job has finished.
    Whole,
    /// Any part, but nothing else and nothing twice: the job was cancelled.
    Part,
}

/// A difference between what must be and what is there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Difference {
    /// A file that is not of the committed output, such as one in progress.
    Orphan(String),
    /// The line is there too often.
    Duplicate {
        /// The line.
        line: String,
        /// How often it must be there.
        expected: u64,
        /// How often it is.
        found: u64,
    },
    /// The line is there too rarely.
    Missing {
        /// The line.
        line: String,
        /// How often it must be there.
        expected: u64,
        /// How often it is.
        found: u64,
    },
    /// The line must not be there at all.
    Unexpected(String),
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Orphan(file) => write!(f, "orphan: the file `{file}` is not committed output"),
            Self::Duplicate { line, expected, found } => {
                write!(f, "duplicate: `{line}` is there {found} times, expected {expected}")
            }
            Self::Missing { line, expected, found } => {
                write!(f, "missing: `{line}` is there {found} times, expected {expected}")
            }
            Self::Unexpected(line) => write!(f, "unexpected: `{line}`"),
        }
    }
}

/// The records of one source per seed, `count` from each.
pub fn records(seeds: &[u64], count: u64) -> impl Iterator<Item = Record> + '_ {
    seeds.iter().flat_map(move |seed| (0..count).map(move |index| record_at(*seed, index)))
}

/// The lines of all records.
pub fn expected_records(seeds: &[u64], count: u64) -> Multiset {
    multiset(records(seeds, count).map(|record| record.to_string()))
}

/// The lines of all windows.
pub fn expected_windows(seeds: &[u64], count: u64) -> Multiset {
    let mut totals: BTreeMap<(u64, i64), (u64, u64)> = BTreeMap::new();
    for record in records(seeds, count) {
        let start_ms = record.at_ms.div_euclid(WINDOW_MS) * WINDOW_MS;
        let (count, sum) = totals.entry((record.key, start_ms)).or_default();
        *count += 1;
        *sum += record.sequence;
    }
    let lines = totals
        .into_iter()
        .map(|((key, start_ms), (count, sum))| WindowTotal { key, start_ms, count, sum }.to_string());
    multiset(lines)
}

/// What all windows of each key have together, as one window that begins at 0.
pub fn expected_totals(seeds: &[u64], count: u64) -> Multiset {
    let mut totals: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
    for record in records(seeds, count) {
        let (count, sum) = totals.entry(record.key).or_default();
        *count += 1;
        *sum += record.sequence;
    }
    multiset(total_lines(totals))
}

/// Files of windows with all windows of a key added up, for windows whose bounds follow from chance.
pub fn added_up(files: impl Iterator<Item = (String, String)>) -> Vec<(String, String)> {
    let (committed, others): (Vec<_>, Vec<_>) = files.partition(|(name, _)| is_committed(name));
    let mut totals: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
    for line in committed.iter().flat_map(|(_, text)| text.lines()) {
        let numbers: Vec<u64> = line.split(' ').filter_map(|number| number.parse().ok()).collect();
        // A line of another form is counted for a key that no record has.
        let (key, count, sum) = match numbers[..] {
            [key, _, count, sum] => (key, count, sum),
            _ => (u64::MAX, 1, 0),
        };
        let total = totals.entry(key).or_default();
        *total = (total.0 + count, total.1 + sum);
    }
    let text = total_lines(totals).collect::<Vec<_>>().join("\n");
    others.into_iter().chain([("part-all".to_owned(), text)]).collect()
}

fn total_lines(totals: BTreeMap<u64, (u64, u64)>) -> impl Iterator<Item = String> {
    let line = |(key, (count, sum))| WindowTotal { key, start_ms: 0, count, sum }.to_string();
    totals.into_iter().map(line)
}

fn multiset(lines: impl Iterator<Item = String>) -> Multiset {
    let mut counts = Multiset::new();
    for line in lines {
        *counts.entry(line).or_default() += 1;
    }
    counts
}

/// The lines of the committed files in a folder, and the names of files that are something else.
pub fn committed(folder: &Path) -> io::Result<(Multiset, Vec<String>)> {
    Ok(lines_of(files_in(folder)?.into_iter()))
}

fn files_in(folder: &Path) -> io::Result<Vec<(String, String)>> {
    let read = |entry: io::Result<fs::DirEntry>| {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let text = if is_committed(&name) { fs::read_to_string(entry.path())? } else { String::new() };
        Ok((name, text))
    };
    fs::read_dir(folder)?.map(read).collect()
}

fn is_committed(name: &str) -> bool {
    name.starts_with("part-")
}

fn lines_of(files: impl Iterator<Item = (String, String)>) -> (Multiset, Vec<String>) {
    let mut lines = Vec::new();
    let mut orphans = Vec::new();
    for (name, text) in files {
        if is_committed(&name) {
            lines.extend(text.lines().map(str::to_owned));
        } else {
            orphans.push(name);
        }
    }
    (multiset(lines.into_iter()), orphans)
}

/// Every difference between the committed files in `folder` and what is expected, orphans first.
pub fn compare(expected: &Multiset, folder: &Path, coverage: Coverage) -> io::Result<Vec<Difference>> {
    Ok(compare_files(expected, files_in(folder)?.into_iter(), coverage))
}

/// Every difference between files, given by name and text, and what is expected, orphans first.
pub fn compare_files(
    expected: &Multiset,
    files: impl Iterator<Item = (String, String)>,
    coverage: Coverage,
) -> Vec<Difference> {
    let (found, orphans) = lines_of(files);
    let mut differences = compare_lines(expected, &found, coverage);
    if coverage == Coverage::Whole {
        differences.extend(orphans.into_iter().map(Difference::Orphan));
    }
    differences.sort();
    differences
}

fn compare_lines(expected: &Multiset, found: &Multiset, coverage: Coverage) -> Vec<Difference> {
    let times = |lines: &Multiset, line: &String| lines.get(line).copied().unwrap_or(0);
    let surplus = found.iter().filter_map(|(line, count)| match times(expected, line) {
        0 => Some(Difference::Unexpected(line.clone())),
        wanted if wanted < *count => {
            Some(Difference::Duplicate { line: line.clone(), expected: wanted, found: *count })
        }
        _ => None,
    });
    let lacking = expected.iter().filter_map(|(line, wanted)| {
        let count = times(found, line);
        (coverage == Coverage::Whole && count < *wanted).then(|| Difference::Missing {
            line: line.clone(),
            expected: *wanted,
            found: count,
        })
    });
    surplus.chain(lacking).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Multiset {
        multiset(text.lines().map(str::to_owned))
    }

    #[test]
    fn a_gap_a_duplicate_a_stranger_and_an_orphan_are_each_found() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("part-0-0"), "a\nb\nb\n").unwrap();
        fs::write(folder.path().join("part-1-0"), "x\n").unwrap();
        fs::write(folder.path().join(".part-1-1.inprogress"), "c\n").unwrap();
        let expected = lines("a\nb\nc\nc");
        let found = compare(&expected, folder.path(), Coverage::Whole).unwrap();
        assert_eq!(
            found,
            [
                Difference::Orphan(".part-1-1.inprogress".to_owned()),
                Difference::Duplicate { line: "b".to_owned(), expected: 1, found: 2 },
                Difference::Missing { line: "c".to_owned(), expected: 2, found: 0 },
                Difference::Unexpected("x".to_owned()),
            ]
        );
        let in_part = compare(&expected, folder.path(), Coverage::Part).unwrap();
        assert_eq!(in_part.len(), 2, "a cancelled job may lack lines, no more: {in_part:?}");
    }

    #[test]
    fn windows_hold_every_record_once() {
        let counts: u64 = expected_windows(&[1, 2], 1_000)
            .into_iter()
            .map(|(line, times)| times * line.split(' ').nth(2).unwrap().parse::<u64>().unwrap())
            .sum();
        assert_eq!(counts, 2_000);
    }
}
