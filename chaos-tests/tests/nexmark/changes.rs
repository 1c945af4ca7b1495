//! What the changes in a folder's files come to.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{bail, ensure};

/// So many differences are told.
const TOLD_MAX: usize = 10;

/// Rows, and how often each is there once all changes were made.
#[derive(Debug, Default)]
pub struct Changes(BTreeMap<String, i64>);

impl Changes {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The rows that are not there as often as expected.
    pub fn difference(&self, expected: &Self) -> Vec<String> {
        let times = |changes: &Self, row: &String| changes.0.get(row).copied().unwrap_or(0);
        let tell =
            |row: &String| format!("{} times, expected {}: {row}", times(self, row), times(expected, row));
        let mut rows: Vec<&String> = self.0.keys().chain(expected.0.keys()).collect();
        rows.sort_unstable();
        rows.dedup();
        let differ = rows.into_iter().filter(|row| times(self, row) != times(expected, row));
        differ.map(tell).take(TOLD_MAX).collect()
    }

    fn add(&mut self, row: &str, times: i64) {
        let count = self.0.entry(row.to_owned()).or_insert(0);
        *count += times;
        if *count == 0 {
            self.0.remove(row);
        }
    }
}

/// Reads the files below a folder, in which there must be no others than committed ones. Rows of partitions have the folder's name in
/// front.
pub fn read(output: &Path) -> anyhow::Result<Changes> {
    let mut changes = Changes::default();
    for file in files_below(output)? {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        ensure!(name.starts_with("part-"), "`{}` is not committed output", file.display());
        let partition = file.parent().and_then(|folder| folder.strip_prefix(output).ok());
        let partition = partition.map(|partition| partition.display().to_string()).unwrap_or_default();
        for line in fs::read_to_string(&file)?.lines() {
            if !partition.is_empty() {
                changes.add(&format!("{partition} {line}"), 1);
            } else if let Some(row) = within(line, r#"{"before":null,"after":"#, r#","op":"c"}"#) {
                changes.add(row, 1);
            } else if let Some(row) = within(line, r#"{"before":"#, r#","after":null,"op":"d"}"#) {
                changes.add(row, -1);
            } else {
                bail!("expected a change, found `{line}` in `{}`", file.display());
            }
        }
    }
    Ok(changes)
}

fn within<'a>(line: &'a str, before: &str, after: &str) -> Option<&'a str> {
    line.strip_prefix(before)?.strip_suffix(after)
}

fn files_below(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { files.extend(files_below(&path)?) } else { files.push(path) }
    }
    Ok(files)
}
