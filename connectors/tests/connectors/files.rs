use std::{fs, path::Path};

use headwater_actors::{
    operator::SourceStatus,
    source::{Source, SourceReader},
};
use headwater_connectors::{Str, files::FileSource};
use headwater_core::ids::CheckpointId;
use proptest::prelude::*;
use tempfile::tempdir;

use crate::harness::{Harness, read_now};

/// Reads all that a subtask has to read, and restores the source from its position after each batch.
fn read_all(harness: &Harness, source: &FileSource, index: u32, rows_max: usize) -> Vec<Str> {
    let mut lines = Vec::new();
    let mut reader = source.open(&harness.context(index), None).unwrap();
    loop {
        let (batch, status) = read_now(&mut reader, rows_max).unwrap();
        lines.extend(batch.values);
        if status == SourceStatus::End {
            return lines;
        }
        let position = reader.snapshot(CheckpointId::FIRST).unwrap();
        reader = source.open(&harness.context(index), Some(&position)).unwrap();
    }
}

fn file_contents() -> impl Strategy<Value = (String, Vec<String>)> {
    let lines = prop::collection::vec(("[a-zä]{0,12}", any::<bool>()), 0..30);
    (lines, any::<bool>()).prop_map(|(lines, is_terminated)| {
        let mut text: String =
            lines.iter().map(|(line, crlf)| format!("{line}{}", if *crlf { "\r\n" } else { "\n" })).collect();
        let mut expected: Vec<String> = lines.into_iter().map(|(line, _)| line).collect();
        if !is_terminated {
            text.push_str("the last");
            expected.push("the last".to_owned());
        }
        (text, expected)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_line_of_a_folder_is_read_once(
        files in prop::collection::vec(file_contents(), 0..6), parallelism in 1u32..5, rows_max in 1usize..40,
    ) {
        let (harness, folder) = (Harness::new(parallelism), tempdir().unwrap());
        for (number, (text, _)) in files.iter().enumerate() {
            fs::write(folder.path().join(format!("{number}.txt")), text).unwrap();
        }
        fs::write(folder.path().join(".in-the-making"), "hidden\n").unwrap();
        fs::create_dir(folder.path().join("below")).unwrap();
        let source = FileSource::new(folder.path());
        let mut lines: Vec<Str> =
            (0..parallelism).flat_map(|index| read_all(&harness, &source, index, rows_max)).collect();
        let mut expected: Vec<&String> = files.iter().flat_map(|(_, lines)| lines).collect();
        lines.sort_unstable();
        expected.sort_unstable();
        prop_assert_eq!(lines, expected);
    }

    #[test]
    fn one_file_is_shared_by_all_subtasks_in_order(
        (text, expected) in file_contents(), parallelism in 1u32..5, rows_max in 1usize..40,
    ) {
        let (harness, folder) = (Harness::new(parallelism), tempdir().unwrap());
        let path = folder.path().join("only.txt");
        fs::write(&path, text).unwrap();
        let source = FileSource::new(&path);
        let lines: Vec<Str> =
            (0..parallelism).flat_map(|index| read_all(&harness, &source, index, rows_max)).collect();
        prop_assert_eq!(lines, expected);
    }
}

#[test]
fn lines_longer_than_what_is_read_at_once_are_whole() {
    let (harness, folder) = (Harness::new(3), tempdir().unwrap());
    let path = folder.path().join("long.txt");
    let expected: Vec<String> = (0..5).map(|line| line.to_string().repeat(300_000)).collect();
    fs::write(&path, expected.join("\n")).unwrap();
    let source = FileSource::new(&path);
    let lines: Vec<Str> = (0..3).flat_map(|index| read_all(&harness, &source, index, 2)).collect();
    assert!(lines == expected);
}

#[test]
fn what_cannot_be_read_is_named_when_the_source_is_opened() {
    let missing = FileSource::new("/no/such/folder");
    let error = missing.open(&Harness::new(1).context(0), None).unwrap_err();
    assert!(error.to_string().starts_with("cannot read `/no/such/folder`: "), "{error}");
}

#[test]
fn bytes_that_are_not_utf8_are_named() {
    let (harness, folder) = (Harness::new(1), tempdir().unwrap());
    let path = folder.path().join("latin1.txt");
    fs::write(&path, b"good\nM\xFCnchen\n").unwrap();
    let mut reader = FileSource::new(&path).open(&harness.context(0), None).unwrap();
    let error = read_now(&mut reader, 10).unwrap_err();
    let part =
        "latin1.txt`, byte 5: expected text in UTF-8, found something else after 1 bytes of the record";
    assert!(error.to_string().contains(part), "{error}");
}

fn two_files(folder: &Path) -> (FileSource, Vec<u8>, Harness) {
    fs::write(folder.join("a"), "1\n2\n").unwrap();
    fs::write(folder.join("b"), "3\n4\n").unwrap();
    let (source, harness) = (FileSource::new(folder), Harness::new(1));
    let mut reader = source.open(&harness.context(0), None).unwrap();
    read_now(&mut reader, 1).unwrap();
    let position = reader.snapshot(CheckpointId::FIRST).unwrap();
    (source, position, harness)
}

#[test]
fn a_file_that_was_changed_or_removed_is_an_error_and_never_wrong_data() {
    let folder = tempdir().unwrap();
    let (source, position, harness) = two_files(folder.path());
    fs::write(folder.path().join("b"), "3\n4\n5\n").unwrap();
    let error = source.open(&harness.context(0), Some(&position)).unwrap_err();
    assert!(error.to_string().contains("expected 4 bytes, found 6"), "{error}");
    fs::remove_file(folder.path().join("b")).unwrap();
    assert!(source.open(&harness.context(0), Some(&position)).is_err());
}

#[test]
fn a_file_that_grows_while_it_is_read_is_an_error() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("log");
    fs::write(&path, "1\n2").unwrap();
    let (source, harness) = (FileSource::new(&path), Harness::new(1));
    let mut reader = source.open(&harness.context(0), None).unwrap();
    read_now(&mut reader, 1).unwrap();
    fs::write(&path, "1\n22\n").unwrap();
    assert!(read_now(&mut reader, 10).is_err());
}

#[test]
fn files_that_come_later_are_dealt_out_to_nobody() {
    let (harness, folder) = (Harness::new(2), tempdir().unwrap());
    fs::write(folder.path().join("b"), "b\n").unwrap();
    fs::write(folder.path().join("c"), "c\n").unwrap();
    let source = FileSource::new(folder.path());
    let first = read_all(&harness, &source, 0, 10);
    fs::write(folder.path().join("a"), "a\n").unwrap();
    let second = read_all(&harness, &source, 1, 10);
    assert_eq!((first, second), (vec![Str::from("b")], vec![Str::from("c")]));
}
