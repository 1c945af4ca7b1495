use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use headwater_connectors::journal::{Error, Journal};
use headwater_core::fs::{FileSystem, LocalFileSystem};
use proptest::prelude::*;
use tempfile::tempdir;

fn local() -> Arc<dyn FileSystem> {
    Arc::new(LocalFileSystem)
}

fn segments(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn append(journal: &mut Journal, records: &[Vec<u8>]) {
    records.iter().for_each(|record| journal.stage(record));
    journal.commit().unwrap();
}

fn replay(journal: &Journal, from: u64) -> Result<Vec<Vec<u8>>, Error> {
    let mut replayed = Vec::new();
    journal.replay(from, |first, records| {
        assert_eq!(first, from + replayed.len() as u64, "groups come in order");
        replayed.extend(records.map(<[u8]>::to_vec));
        true
    })?;
    Ok(replayed)
}

#[derive(Debug, Clone)]
enum Step {
    Append(Vec<Vec<u8>>),
    /// All records so far were emitted, and a checkpoint that covers this share of them is completed.
    Checkpoint(prop::sample::Index),
    /// The process dies, and the last segment ends at this byte.
    Crash(prop::sample::Index),
}

fn step() -> impl Strategy<Value = Step> {
    let record = prop::collection::vec(any::<u8>(), 0..40);
    prop_oneof![
        4 => prop::collection::vec(record, 0..8).prop_map(Step::Append),
        1 => any::<prop::sample::Index>().prop_map(Step::Checkpoint),
        2 => any::<prop::sample::Index>().prop_map(Step::Crash),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn what_was_emitted_and_what_is_replayed_are_together_what_was_journaled(
        steps in prop::collection::vec(step(), 1..30), bytes_max in 100u64..2000,
    ) {
        let folder = tempdir().unwrap();
        let mut journal = Journal::open(&local(), folder.path(), None, bytes_max).unwrap();
        let mut journaled: Vec<Vec<u8>> = Vec::new();
        // Up to which record the last checkpoint reaches, and where each group of the last segment ends, in bytes and records.
        let (mut position, mut groups, mut last) = (None, Vec::new(), segments(folder.path()));
        for step in steps {
            match step {
                Step::Append(records) => {
                    append(&mut journal, &records);
                    journaled.extend(records);
                    let now = segments(folder.path());
                    if now.last() != last.last() {
                        groups.clear();
                        last = now;
                    }
                    groups.push((fs::metadata(last.last().unwrap()).unwrap().len(), journaled.len()));
                }
                Step::Checkpoint(share) => {
                    let floor = position.unwrap_or(0);
                    let reached = floor + share.index(journaled.len() - floor as usize + 1) as u64;
                    position = Some(reached);
                    journal.segments().release(reached).unwrap();
                    prop_assert!(journal.records().start <= reached);
                }
                Step::Crash(at) => {
                    let path = last.last().unwrap().clone();
                    let length = fs::metadata(&path).unwrap().len();
                    let cut = at.index(length as usize + 1) as u64;
                    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(cut).unwrap();
                    let first: usize = path.file_stem().unwrap().to_str().unwrap().parse().unwrap();
                    let whole = groups.iter().rev().find(|(end, _)| *end <= cut).map_or(first, |(_, records)| *records);
                    if whole < position.unwrap_or(0) as usize {
                        // What a checkpoint covers was synced, so this is no crash but damage.
                        let opened = Journal::open(&local(), folder.path(), position, bytes_max);
                        prop_assert!(matches!(opened, Err(Error::CutShort { .. })), "{opened:?}");
                        prop_assert_eq!(fs::metadata(&path).unwrap().len(), cut, "nothing more is lost");
                        return Ok(());
                    }
                    let kept = whole;
                    journaled.truncate(kept);
                    journal = Journal::open(&local(), folder.path(), position, bytes_max).unwrap();
                    prop_assert_eq!(journal.records().end, kept as u64);
                    let from = position.unwrap_or(0);
                    prop_assert_eq!(&replay(&journal, from).unwrap(), &journaled[from as usize..]);
                    groups.retain(|(end, _)| *end <= cut);
                    let now = segments(folder.path());
                    if now.last() != last.last() {
                        groups.clear();
                    }
                    last = now;
                }
            }
        }
    }
}

#[test]
fn release_deletes_all_segments_but_the_one_that_is_written() {
    let folder = tempdir().unwrap();
    let mut journal = Journal::open(&local(), folder.path(), None, 400).unwrap();
    (0..10).for_each(|_| append(&mut journal, &[vec![7; 100]]));
    assert_eq!(segments(folder.path()).len(), 11);
    journal.segments().release(4).unwrap();
    assert_eq!(journal.records(), 4..10);
    journal.segments().release(10).unwrap();
    assert_eq!(segments(folder.path()).len(), 1);
    assert_eq!(journal.segments().bytes(), 0);
    assert!(matches!(replay(&journal, 4), Err(Error::Missing { expected: 4, found: 10, .. })));
}

#[test]
fn damage_is_an_error_wherever_it_is_not_a_torn_end() {
    for (bytes_max, damaged_on_open) in [(1 << 20, true), (40, false)] {
        let folder = tempdir().unwrap();
        let mut journal = Journal::open(&local(), folder.path(), None, bytes_max).unwrap();
        (0..3).for_each(|_| append(&mut journal, &[b"a line".to_vec()]));
        drop(journal);
        let path = segments(folder.path())[0].clone();
        let mut bytes = fs::read(&path).unwrap();
        bytes[20] ^= 1;
        fs::write(&path, bytes).unwrap();
        let replayed = Journal::open(&local(), folder.path(), None, bytes_max).and_then(|journal| {
            assert!(!damaged_on_open, "a damaged frame before a whole one is found at once");
            replay(&journal, 0)
        });
        assert!(matches!(replayed, Err(Error::Damaged { offset: 0, .. })), "{replayed:?}");
    }
}

#[test]
fn a_journal_that_ends_before_a_checkpoint_is_refused_and_says_what_to_do() {
    let folder = tempdir().unwrap();
    let error = Journal::open(&local(), folder.path(), Some(1000), 1 << 20).unwrap_err().to_string();
    assert!(error.contains("ends before record 0") && error.contains("from a copy"), "{error}");
}

#[test]
fn a_last_frame_of_full_length_is_not_taken_for_a_torn_one() {
    let folder = tempdir().unwrap();
    let mut journal = Journal::open(&local(), folder.path(), None, 1 << 20).unwrap();
    (0..2).for_each(|_| append(&mut journal, &[b"a line".to_vec()]));
    drop(journal);
    let path = segments(folder.path())[0].clone();
    let mut bytes = fs::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&path, &bytes).unwrap();
    let opened = Journal::open(&local(), folder.path(), None, 1 << 20);
    assert!(matches!(opened, Err(Error::Damaged { offset: 26, .. })), "{opened:?}");
    bytes.pop();
    fs::write(&path, &bytes).unwrap();
    assert_eq!(Journal::open(&local(), folder.path(), None, 1 << 20).unwrap().records(), 0..1);
}

#[test]
fn opening_releases_nothing_since_an_older_checkpoint_may_be_gone_back_to() {
    let folder = tempdir().unwrap();
    let mut journal = Journal::open(&local(), folder.path(), None, 40).unwrap();
    let lines: Vec<Vec<u8>> = (0..5u8).map(|line| vec![line; 20]).collect();
    lines.iter().for_each(|line| append(&mut journal, std::slice::from_ref(line)));
    drop(journal);
    drop(Journal::open(&local(), folder.path(), Some(4), 40).unwrap());
    let journal = Journal::open(&local(), folder.path(), Some(2), 40).unwrap();
    assert_eq!(replay(&journal, 2).unwrap(), lines[2..]);
}
