//! Compares two outputs as multisets of lines, in bounded memory.
//!
//! Each output is read once into sums of its lines' hashes, which do not depend on the lines' order: a sum per *bucket*, a
//! part of the hashes. Outputs whose sums are equal are equal, but for an accident that 128 bits rule out in practice. If
//! they are not, the buckets that differ are gone through again, as many at a time as there is memory for, and the lines
//! in them counted one by one.

use std::{
    collections::{HashMap, HashSet},
    fs::{self, File},
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
};

use anyhow::Context;
use serde::Serialize;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128_with_seed};

const BUCKETS: usize = 4096;
const READ_BUFFER_BYTES: usize = 1 << 20;
/// Lines that are counted one by one at a time: some 200 MiB.
const LINES_PER_PASS: u64 = 4 << 20;
/// Reading the outputs more often than this would take for ever; what has been found by then is enough.
const PASSES_MAX: usize = 16;
const SAMPLES_MAX: usize = 20;
const SAMPLE_CHARS_MAX: usize = 400;

/// What one run has written.
#[derive(Debug, Serialize)]
pub(super) struct Output {
    pub(super) files: u64,
    pub(super) lines: u64,
    pub(super) bytes: u64,
    /// What is no committed file: hidden ones, as those in progress are.
    pub(super) orphans: Vec<String>,
    #[serde(skip)]
    committed: Vec<Committed>,
    #[serde(skip)]
    buckets: Vec<Bucket>,
}

/// A committed file. The folder in which a line is counts, the file does not: how lines are spread over files is chance.
#[derive(Debug)]
struct Committed {
    path: PathBuf,
    folder: String,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Bucket {
    lines: u64,
    sum: u128,
}

/// How an output differs from the expected one.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Differences {
    /// Lines that are there too rarely or not at all.
    pub(super) missing: u64,
    /// Lines that are there too often.
    pub(super) duplicate: u64,
    /// Lines that must not be there at all.
    pub(super) unexpected: u64,
    /// Whether there are so many that not all of them were counted.
    pub(super) is_partial: bool,
    /// Some of them.
    pub(super) samples: Vec<Difference>,
}

/// One line that is not there as often as it must be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Difference {
    /// `missing`, `duplicate` or `unexpected`.
    pub(super) kind: &'static str,
    pub(super) folder: String,
    pub(super) line: String,
    pub(super) expected: u64,
    pub(super) found: u64,
}

impl Differences {
    pub(super) fn is_empty(&self) -> bool {
        self.missing + self.duplicate + self.unexpected == 0
    }

    fn count(&mut self, expected: u64, found: u64) {
        match (expected, found) {
            (0, _) => self.unexpected += found,
            _ if found > expected => self.duplicate += found - expected,
            _ => self.missing += expected - found,
        }
    }
}

fn kind_of(expected: u64, found: u64) -> &'static str {
    match (expected, found) {
        (0, _) => "unexpected",
        _ if found > expected => "duplicate",
        _ => "missing",
    }
}

impl Output {
    /// Reads all committed files in a folder and those below it. A folder that is not there holds nothing.
    pub(super) fn read(folder: &Path) -> anyhow::Result<Self> {
        let mut output = Self {
            files: 0,
            lines: 0,
            bytes: 0,
            orphans: Vec::new(),
            committed: Vec::new(),
            buckets: vec![Bucket::default(); BUCKETS],
        };
        if folder.is_dir() {
            output.list(folder, String::new())?;
        }
        output.orphans.sort_unstable();
        for file in std::mem::take(&mut output.committed) {
            file.for_each_line(|line, hash| {
                output.lines += 1;
                output.bytes += line.len() as u64 + 1;
                let bucket = &mut output.buckets[bucket_of(hash)];
                bucket.lines += 1;
                bucket.sum = bucket.sum.wrapping_add(hash);
                true
            })?;
            output.files += 1;
            output.committed.push(file);
        }
        Ok(output)
    }

    fn list(&mut self, folder: &Path, relative: String) -> anyhow::Result<()> {
        let unreadable = || format!("cannot list {}", folder.display());
        for entry in fs::read_dir(folder).with_context(unreadable)? {
            let entry = entry.with_context(unreadable)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let kind = entry.file_type().with_context(unreadable)?;
            let below = || if relative.is_empty() { name.clone() } else { format!("{relative}/{name}") };
            if name.starts_with('.') || !(kind.is_dir() || kind.is_file()) {
                self.orphans.push(below());
            } else if kind.is_dir() {
                self.list(&entry.path(), below())?;
            } else {
                self.committed.push(Committed { path: entry.path(), folder: relative.clone() });
            }
        }
        Ok(())
    }

    fn for_each_line(&self, mut each: impl FnMut(&Committed, &[u8], u128) -> bool) -> anyhow::Result<()> {
        self.committed.iter().try_for_each(|file| file.for_each_line(|line, hash| each(file, line, hash)))
    }
}

impl Committed {
    /// Gives each line with its hash, until `each` says that it has enough.
    fn for_each_line(&self, mut each: impl FnMut(&[u8], u128) -> bool) -> anyhow::Result<()> {
        let unreadable = || format!("cannot read {}", self.path.display());
        let file = File::open(&self.path).with_context(unreadable)?;
        let mut reader = BufReader::with_capacity(READ_BUFFER_BYTES, file);
        let seed = xxh3_64(self.folder.as_bytes());
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).with_context(unreadable)? > 0 {
            let text = line.strip_suffix(b"\n").unwrap_or(&line);
            if !each(text, xxh3_128_with_seed(text, seed)) {
                break;
            }
            line.clear();
        }
        Ok(())
    }
}

fn bucket_of(hash: u128) -> usize {
    (hash >> (u128::BITS - BUCKETS.ilog2())) as usize
}

/// How `found` differs from `expected`.
pub(super) fn compare(expected: &Output, found: &Output) -> anyhow::Result<Differences> {
    compare_in_passes(expected, found, LINES_PER_PASS)
}

fn compare_in_passes(expected: &Output, found: &Output, lines_per_pass: u64) -> anyhow::Result<Differences> {
    let passes = passes(expected, found, lines_per_pass);
    let mut differences = Differences { is_partial: passes.len() > PASSES_MAX, ..Differences::default() };
    let mut samples: HashMap<u128, (u64, u64)> = HashMap::new();
    for pass in passes.iter().take(PASSES_MAX) {
        for (hash, (expected, found)) in counts(expected, found, pass)? {
            if expected != found {
                differences.count(expected, found);
                if samples.len() < SAMPLES_MAX {
                    samples.insert(hash, (expected, found));
                }
            }
        }
    }
    differences.samples = with_texts(samples, [expected, found])?;
    Ok(differences)
}

/// The buckets that differ, in groups that have no more than so many lines together, or are of one bucket.
fn passes(expected: &Output, found: &Output, lines_per_pass: u64) -> Vec<HashSet<usize>> {
    let mut passes: Vec<HashSet<usize>> = Vec::new();
    let mut room = 0;
    for (index, (expected, found)) in expected.buckets.iter().zip(&found.buckets).enumerate() {
        if expected == found {
            continue;
        }
        let lines = expected.lines + found.lines;
        match passes.last_mut().filter(|_| lines <= room) {
            Some(pass) => {
                pass.insert(index);
                room -= lines;
            }
            None => {
                passes.push(HashSet::from([index]));
                room = lines_per_pass.saturating_sub(lines);
            }
        }
    }
    passes
}

/// How often each line of some buckets is in either output.
fn counts(
    expected: &Output,
    found: &Output,
    buckets: &HashSet<usize>,
) -> anyhow::Result<HashMap<u128, (u64, u64)>> {
    let mut counts: HashMap<u128, (u64, u64)> = HashMap::new();
    for (output, side) in [(expected, 0), (found, 1)] {
        output.for_each_line(|_, _, hash| {
            if buckets.contains(&bucket_of(hash)) {
                let (expected, found) = counts.entry(hash).or_default();
                *(if side == 0 { expected } else { found }) += 1;
            }
            true
        })?;
    }
    Ok(counts)
}

/// Goes over the outputs once more to find the lines with these hashes.
fn with_texts(
    mut wanted: HashMap<u128, (u64, u64)>,
    outputs: [&Output; 2],
) -> anyhow::Result<Vec<Difference>> {
    let mut differences = Vec::new();
    for output in outputs {
        output.for_each_line(|file, line, hash| {
            if let Some((expected, found)) = wanted.remove(&hash) {
                differences.push(Difference {
                    kind: kind_of(expected, found),
                    folder: file.folder.clone(),
                    line: shortened(line),
                    expected,
                    found,
                });
            }
            !wanted.is_empty()
        })?;
    }
    differences.sort_unstable();
    Ok(differences)
}

fn shortened(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    match text.char_indices().nth(SAMPLE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(files: &[(&str, &str)]) -> (tempfile::TempDir, Output) {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let output = Output::read(folder.path()).unwrap();
        (folder, output)
    }

    fn lines(range: std::ops::Range<u32>) -> String {
        range.map(|number| format!("line {number}\n")).collect()
    }

    #[test]
    fn the_order_of_lines_and_their_spread_over_files_do_not_matter() {
        let (_expected_folder, expected) = output(&[("a/part-0", "x\ny\n"), ("a/part-1", "x\n")]);
        let (_found_folder, found) = output(&[("a/part-7", "y\nx\nx")]);
        assert_eq!((expected.files, expected.lines, expected.bytes), (2, 3, 6));
        assert!(compare(&expected, &found).unwrap().is_empty());
        let (_other_folder, elsewhere) = output(&[("b/part-7", "y\nx\nx")]);
        let differences = compare(&expected, &elsewhere).unwrap();
        assert_eq!((differences.missing, differences.unexpected), (3, 3), "the folder does");
    }

    #[test]
    fn a_gap_a_duplicate_and_a_stranger_are_counted_and_shown() {
        let (_expected_folder, expected) = output(&[("part-0", "a\nb\nc\nc\n")]);
        let (_found_folder, found) = output(&[("part-0", "a\nb\nb\nb\nx\n"), (".part-1.inprogress", "c\n")]);
        assert_eq!(found.orphans, [".part-1.inprogress"]);
        let differences = compare(&expected, &found).unwrap();
        assert_eq!((differences.missing, differences.duplicate, differences.unexpected), (2, 2, 1));
        let shown = |kind, line: &str, expected, found| Difference {
            kind,
            folder: String::new(),
            line: line.to_owned(),
            expected,
            found,
        };
        assert_eq!(
            differences.samples,
            [shown("duplicate", "b", 1, 3), shown("missing", "c", 2, 0), shown("unexpected", "x", 0, 1)]
        );
    }

    #[test]
    fn differences_are_counted_the_same_in_however_many_passes() {
        let (_expected_folder, expected) = output(&[("part-0", &lines(0..30_000))]);
        let (_found_folder, found) = output(&[("part-0", &lines(10..30_005))]);
        for lines_per_pass in [u64::MAX, 40] {
            let differences = compare_in_passes(&expected, &found, lines_per_pass).unwrap();
            assert_eq!((differences.missing, differences.unexpected), (10, 5));
            assert_eq!((differences.samples.len(), differences.is_partial), (15, false));
        }
        let (_empty_folder, empty) = output(&[]);
        let all = compare_in_passes(&expected, &empty, 1_000).unwrap();
        assert!(all.is_partial && all.missing > 0 && all.missing < 30_000);
        assert_eq!(all.samples.len(), SAMPLES_MAX);
    }

    #[test]
    fn lines_that_are_no_text_or_very_long_are_lines() {
        let (folder, _) = output(&[("part-0", "")]);
        fs::write(folder.path().join("part-1"), [b"\xff\xfe\n".to_vec(), vec![b'x'; 100_000]].concat())
            .unwrap();
        let (_empty_folder, empty) = output(&[]);
        let differences = compare(&empty, &Output::read(folder.path()).unwrap()).unwrap();
        let longest = differences.samples.iter().map(|sample| sample.line.chars().count()).max();
        assert_eq!((differences.unexpected, longest), (2, Some(SAMPLE_CHARS_MAX + 1)));
    }
}
