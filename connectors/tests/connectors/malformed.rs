use std::{fs, mem, path::Path};

use headwater_actors::{
    context::TaskContext,
    operator::SourceStatus,
    source::{Source, SourceReader},
};
use headwater_connectors::{MalformedRecords, files::FileSource};
use headwater_core::ids::CheckpointId;
use proptest::prelude::*;
use tempfile::{TempDir, tempdir};

use crate::harness::{Harness, read_now};

const LINE_BYTES_MAX: usize = 16 << 20;

/// The lines of the visible files in a folder, in the order of their names.
pub fn letters(folder: &Path) -> Vec<String> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| !file.file_name().unwrap().to_str().unwrap().starts_with('.'));
    files.sort();
    for file in &files {
        assert!(file.file_name().unwrap().to_str().unwrap().starts_with("dead-letter-"), "{file:?}");
    }
    let text: String = files.iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    text.lines().map(str::to_owned).collect()
}

/// A folder with a file of these bytes.
fn file_of(bytes: &[u8]) -> (TempDir, std::path::PathBuf) {
    let folder = tempdir().unwrap();
    let path = folder.path().join("input");
    fs::write(&path, bytes).unwrap();
    (folder, path)
}

/// Reads to the end; the job's policy is `policy`.
fn read_all<S: Source<Item = u32>>(source: &S, context: &TaskContext) -> Result<Vec<u32>, String> {
    let mut reader = source.open(context, None).map_err(|error| error.to_string())?;
    let mut rows = Vec::new();
    loop {
        let (batch, status) = read_now(&mut reader, 2).map_err(|error| error.to_string())?;
        rows.extend(batch.values);
        if status == SourceStatus::End {
            return Ok(rows);
        }
    }
}

#[test]
fn by_default_the_error_names_the_record_and_what_is_wrong_with_it() {
    let (_folder, path) = file_of(b"1\n22\nthree\n4\n");
    let source = FileSource::new(&path).decode(|line| line.parse::<u32>());
    let error = read_all(&source, &Harness::new(1).context(0)).unwrap_err();
    let expected = format!(
        "malformed record at `{}`, byte 5: invalid digit found in string; to go on without such records, set \
         `source.malformed-records` to `skip` or `dead-letter`",
        path.display()
    );
    assert_eq!(error, expected);
}

#[test]
fn what_the_source_says_holds_rather_than_what_the_job_says() {
    let (_folder, path) = file_of(b"1\nx\n\xFF\n4\n");
    let source = |policy: Option<MalformedRecords>| {
        let source = FileSource::new(&path).decode(|line| line.parse::<u32>());
        policy.into_iter().fold(source, FileSource::on_malformed)
    };
    let context = |of_job| {
        let mut context = Harness::new(1).context(0);
        context.options.malformed_records = of_job;
        context
    };
    let skipping = context(MalformedRecords::Skip);
    assert_eq!(read_all(&source(None), &skipping), Ok(vec![1, 4]));
    assert_eq!(skipping.counters.read().malformed_records, 2);
    assert!(read_all(&source(Some(MalformedRecords::Fail)), &context(MalformedRecords::Skip)).is_err());
    assert!(read_all(&source(Some(MalformedRecords::Skip)), &context(MalformedRecords::Fail)).is_ok());
}

#[test]
fn bytes_of_any_encoding_can_be_decoded() {
    let (_folder, path) = file_of(b"\x01\n\xFF\n\n\xFE");
    let first = |line: &[u8]| line.first().copied().map(u32::from).ok_or("an empty line");
    let source = FileSource::new(&path).decode_bytes(first).on_malformed(MalformedRecords::Skip);
    assert_eq!(read_all(&source, &Harness::new(1).context(0)), Ok(vec![1, 255, 254]));
}

#[test]
fn lines_that_are_too_long_are_malformed_once_wherever_the_file_is_cut_and_resumed() {
    let long = "9".repeat(LINE_BYTES_MAX + (5 << 20));
    let (_folder, path) = file_of(format!("1\n{long}\n2\n{long}").as_bytes());
    for parallelism in [1, 3] {
        let harness = Harness::new(parallelism);
        let source =
            FileSource::new(&path).decode(|line| line.parse::<u32>()).on_malformed(MalformedRecords::Skip);
        let (mut rows, mut malformed) = (Vec::new(), 0);
        for index in 0..parallelism {
            let mut position = None;
            loop {
                let context = harness.context(index);
                let mut reader = source.open(&context, position.as_deref()).unwrap();
                let (batch, status) = read_now(&mut reader, 1).unwrap();
                rows.extend(batch.values);
                malformed += context.counters.read().malformed_records;
                if status == SourceStatus::End {
                    break;
                }
                position = Some(reader.snapshot(CheckpointId::FIRST).unwrap());
            }
        }
        assert_eq!((rows, malformed), (vec![1, 2], 2), "parallelism {parallelism}");
    }
}

#[test]
fn a_row_is_located_by_its_file_and_byte_also_behind_malformed_ones_and_in_a_file_that_is_read() {
    let (folder, first) = file_of(b"10\nx\n30\n\n50");
    let second = folder.path().join("second");
    fs::write(&second, "60\n").unwrap();
    let source = FileSource::new(folder.path())
        .decode(|line| line.parse::<u32>())
        .on_malformed(MalformedRecords::Skip);
    let context = Harness::new(1).context(0);
    let at = |path: &Path, offset: u64| Some(format!("`{}`, byte {offset}", path.display()));
    let mut reader = source.open(&context, None).unwrap();
    assert_eq!(read_now(&mut reader, 3).unwrap().0.values, [10, 30]);
    assert_eq!([reader.locate(0), reader.locate(1)], [at(&first, 0), at(&first, 5)]);
    assert_eq!(reader.locate(2), at(&first, 8), "what comes next, if that is where a call has panicked");
    assert_eq!(read_now(&mut reader, 10).unwrap().0.values, [50]);
    assert_eq!(reader.locate(0), at(&first, 9));
    assert_eq!(read_now(&mut reader, 10).unwrap().0.values, [60]);
    assert_eq!(reader.locate(0), at(&second, 0));
}

#[test]
fn a_folder_for_dead_letters_that_cannot_be_written_to_is_an_error_before_anything_is_read() {
    let (_folder, path) = file_of(b"1\n");
    let source = FileSource::new(&path).on_malformed(MalformedRecords::DeadLetter(path.join("below-a-file")));
    let error = source.open(&Harness::new(1).context(0), None).unwrap_err();
    assert!(error.to_string().starts_with("cannot write files to"), "{error}");
}

#[test]
fn prepared_dead_letters_are_not_forgotten_when_the_policy_changes() {
    let ((_folder, path), out, harness) = (file_of(b"x\n"), tempdir().unwrap(), Harness::new(1));
    let source = |policy| FileSource::new(&path).decode(|line| line.parse::<u32>()).on_malformed(policy);
    let letters = source(MalformedRecords::DeadLetter(out.path().to_owned()));
    let mut reader = letters.open(&harness.context(0), None).unwrap();
    read_now(&mut reader, 10).unwrap();
    let position = reader.snapshot(CheckpointId::FIRST).unwrap();
    let error = source(MalformedRecords::Skip).open(&harness.context(0), Some(&position)).err().unwrap();
    assert!(
        error.to_string().contains("expected its policy for malformed records to be `dead-letter`"),
        "{error}"
    );
}

#[derive(Debug, Clone)]
enum Step {
    Read(usize),
    Take,
    Complete { is_told: bool },
    Die { at_once: bool },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1usize..8).prop_map(Step::Read),
        2 => Just(Step::Take),
        2 => any::<bool>().prop_map(|is_told| Step::Complete { is_told }),
        1 => any::<bool>().prop_map(|at_once| Step::Die { at_once }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn every_malformed_line_is_a_dead_letter_once_whatever_dies_in_between(
        is_good in prop::collection::vec(any::<bool>(), 1..60), steps in prop::collection::vec(step(), 1..40),
    ) {
        let text: String = (0..).zip(&is_good).map(|(line, is_good)| match is_good {
            true => format!("{line}\n"),
            false => format!("no {line}\n"),
        }).collect();
        let ((_folder, path), out, harness) = (file_of(text.as_bytes()), tempdir().unwrap(), Harness::new(1));
        let source = FileSource::new(&path)
            .decode(|line| line.parse::<u32>())
            .on_malformed(MalformedRecords::DeadLetter(out.path().to_owned()));
        let open = |position: Option<&[u8]>| source.open(&harness.context(0), position).unwrap();
        let mut reader = Some(open(None));
        let mut checkpoint = CheckpointId::FIRST;
        let (mut rows, mut taken, mut completed) = (Vec::new(), None, None);
        let end = [Step::Read(100), Step::Take, Step::Complete { is_told: true }, Step::Die { at_once: true }];
        for step in steps.into_iter().chain(end) {
            let current = reader.as_mut().unwrap();
            match step {
                Step::Read(lines) => rows.extend(read_now(current, lines).unwrap().0.values),
                Step::Take => {
                    checkpoint = checkpoint.next();
                    taken = Some((checkpoint, current.snapshot(checkpoint).unwrap(), rows.clone()));
                }
                Step::Complete { is_told } => {
                    let Some(done) = taken.take() else { continue };
                    if is_told {
                        current.checkpoint_completed(done.0).unwrap();
                    }
                    completed = Some((done.1, done.2));
                }
                Step::Die { at_once } => {
                    match at_once {
                        true => mem::forget(reader.take()),
                        false => drop(reader.take()),
                    }
                    taken = None;
                    let position = completed.as_ref().map(|(position, _)| position.as_slice());
                    reader = Some(open(position));
                    rows = completed.as_ref().map_or_else(Vec::new, |(_, rows): &(_, Vec<u32>)| rows.clone());
                }
            }
        }
        let lines = |wanted: bool| (0..).zip(&is_good).filter(move |(_, is_good)| **is_good == wanted);
        prop_assert_eq!(rows, lines(true).map(|(line, _)| line).collect::<Vec<u32>>());
        let mut found: Vec<String> = letters(out.path());
        let mut expected: Vec<String> = lines(false).map(|(line, _)| format!("\"text\":\"no {line}\"}}")).collect();
        for letter in &mut found {
            letter.drain(..letter.find("\"text\"").unwrap());
        }
        found.sort();
        expected.sort();
        prop_assert_eq!(found, expected);
        drop(reader);
        prop_assert!(fs::read_dir(out.path()).unwrap().all(|entry| {
            !entry.unwrap().file_name().to_str().unwrap().starts_with('.')
        }), "no file in progress is left");
    }
}
