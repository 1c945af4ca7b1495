use std::{fs, mem, path::Path};

use headwater_actors::{
    batch::Batch,
    sink::{Committer, Sink, SinkWriter},
};
use headwater_connectors::file_sink::{FileSink, FileWriter};
use headwater_core::{checkpoint::SubtaskSnapshot, ids::CheckpointId};
use proptest::prelude::*;
use tempfile::tempdir;

use crate::harness::Harness;

fn names(folder: &Path) -> Vec<String> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn hidden(folder: &Path) -> usize {
    names(folder).iter().filter(|name| name.starts_with('.') && !name.ends_with(".withdrawn")).count()
}

/// The rows that a reader of the folder sees, in order.
fn visible(folder: &Path) -> Vec<u64> {
    let parts = names(folder).into_iter().filter(|name| !name.starts_with('.'));
    let mut rows: Vec<u64> = parts
        .flat_map(|name| {
            assert!(name.starts_with("part-"), "{name}");
            let text = fs::read_to_string(folder.join(name)).unwrap();
            assert!(text.ends_with('\n'), "files are whole and not empty");
            text.lines().map(|line| line.parse().unwrap()).collect::<Vec<_>>()
        })
        .collect();
    rows.sort_unstable();
    rows
}

fn rows(range: std::ops::Range<u64>) -> Batch<u64> {
    let mut batch = Batch::default();
    range.for_each(|row| batch.push(row, 0));
    batch
}

#[derive(Debug, Clone)]
enum Step {
    Write(u64),
    /// A checkpoint is taken.
    Take,
    /// The last checkpoint that was taken is completed, and committed unless the process dies first.
    Complete {
        is_committed: bool,
    },
    /// The attempt ends, with or without its destructors.
    Die {
        at_once: bool,
    },
    /// The last completed checkpoint is damaged: what follows goes on from the one before.
    FallBack,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0u64..20).prop_map(Step::Write),
        3 => Just(Step::Take),
        2 => any::<bool>().prop_map(|is_committed| Step::Complete { is_committed }),
        2 => any::<bool>().prop_map(|at_once| Step::Die { at_once }),
        1 => Just(Step::FallBack),
    ]
}

/// A sink's subtask, and a source that counts rows and rewinds with it.
struct Run {
    harness: Harness,
    sink: FileSink,
    committer: Option<Committer<FileWriter>>,
    next_row: u64,
    next_checkpoint: CheckpointId,
    taken: Option<(CheckpointId, SubtaskSnapshot, u64)>,
    completed: Option<(CheckpointId, SubtaskSnapshot, u64)>,
    /// The completed checkpoint before that one.
    before: Option<(CheckpointId, SubtaskSnapshot, u64)>,
}

impl Run {
    fn writer(&mut self) -> &mut Committer<FileWriter> {
        self.committer.as_mut().unwrap()
    }

    fn take(&mut self) {
        let checkpoint = self.next_checkpoint;
        self.next_checkpoint = checkpoint.next();
        let (operator_state, committable) = self.writer().prepare::<u64>(checkpoint).unwrap();
        let snapshot = SubtaskSnapshot { operator_state, committable, keyed_state: None };
        self.taken = Some((checkpoint, snapshot, self.next_row));
    }

    /// Returns how many rows are committed if any commit was due.
    fn complete(&mut self, is_committed: bool) -> Option<u64> {
        let taken = self.taken.take()?;
        let (checkpoint, rows) = (taken.0, taken.2);
        self.before = self.completed.replace(taken);
        if is_committed {
            self.writer().commit::<u64>(checkpoint).unwrap();
        } else {
            self.die(true);
        }
        Some(rows)
    }

    /// Returns how many rows are committed then, if there is a checkpoint to fall back to.
    fn fall_back(&mut self) -> Option<u64> {
        let before = self.before.take()?;
        let rows = before.2;
        self.completed = Some(before);
        self.die(true);
        Some(rows)
    }

    fn die(&mut self, at_once: bool) {
        let committer = self.committer.take();
        if at_once {
            mem::forget(committer)
        } else {
            drop(committer)
        }
        self.taken = None;
        let context = match &self.completed {
            Some((checkpoint, snapshot, _)) => self.harness.restored(0, *checkpoint, snapshot.clone()),
            None => self.harness.context(0),
        };
        self.next_row = self.completed.as_ref().map_or(0, |(_, _, rows)| *rows);
        let state = context.restored.as_ref().map(|restored| restored.snapshot.operator_state.as_slice());
        self.committer = Some(Committer::open::<u64, _>(&self.sink, &context, state).unwrap());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_reader_sees_what_completed_checkpoints_cover_and_nothing_else(
        steps in prop::collection::vec(step(), 1..40), roll_bytes in 1u64..60,
    ) {
        let out = tempdir().unwrap();
        let mut run = Run {
            harness: Harness::new(1),
            sink: FileSink::new(out.path()).roll_bytes(roll_bytes),
            committer: None, next_row: 0, next_checkpoint: CheckpointId::FIRST,
            taken: None, completed: None, before: None,
        };
        run.die(false);
        let mut committed = 0;
        let end = [Step::Take, Step::Complete { is_committed: true }, Step::Die { at_once: true }];
        for step in steps.into_iter().chain(end) {
            match step {
                Step::Write(count) => {
                    let mut batch = rows(run.next_row..run.next_row + count);
                    run.writer().writer().write(&mut batch).unwrap();
                    run.next_row += count;
                }
                Step::Take => run.take(),
                Step::FallBack => committed = run.fall_back().unwrap_or(committed),
                Step::Complete { is_committed } => committed = run.complete(is_committed).unwrap_or(committed),
                Step::Die { at_once } => {
                    run.die(at_once);
                    prop_assert_eq!(hidden(out.path()), 0, "no orphan outlives its attempt");
                }
            }
            prop_assert_eq!(visible(out.path()), (0..committed).collect::<Vec<_>>());
        }
    }
}

#[test]
fn jobs_and_subtasks_share_a_folder_without_touching_each_other() {
    let out = tempdir().unwrap();
    let sink = FileSink::new(out.path());
    let (one, other) = (Harness::new(2), Harness::new(2));
    let contexts = [one.context(0), one.context(1), other.context(0)];
    let mut writers: Vec<FileWriter> = Vec::new();
    for (context, row) in contexts.iter().zip(0..) {
        let mut writer = Sink::<u64>::open(&sink, context, None, &[]).unwrap();
        writer.write(&mut rows(row..row + 1)).unwrap();
        writers.push(writer);
    }
    for writer in &mut writers {
        let prepared = SinkWriter::<u64>::prepare(writer, CheckpointId::FIRST).unwrap().unwrap();
        SinkWriter::<u64>::commit(writer, &prepared).unwrap();
    }
    assert_eq!(visible(out.path()), [0, 1, 2]);
}

#[test]
fn without_rows_there_is_nothing_to_commit() {
    let out = tempdir().unwrap();
    let mut writer =
        Sink::<u64>::open(&FileSink::new(out.path()), &Harness::new(1).context(0), None, &[]).unwrap();
    assert_eq!(SinkWriter::<u64>::prepare(&mut writer, CheckpointId::FIRST).unwrap(), None);
    assert_eq!(names(out.path()), Vec::<String>::new());
}

#[test]
fn a_commit_whose_outcome_is_unknown_is_an_error() {
    let out = tempdir().unwrap();
    let mut writer =
        Sink::<u64>::open(&FileSink::new(out.path()), &Harness::new(1).context(0), None, &[]).unwrap();
    writer.write(&mut rows(0..3)).unwrap();
    let prepared = SinkWriter::<u64>::prepare(&mut writer, CheckpointId::FIRST).unwrap().unwrap();
    SinkWriter::<u64>::commit(&mut writer, &prepared).unwrap();
    SinkWriter::<u64>::commit(&mut writer, &prepared).unwrap();
    names(out.path()).iter().for_each(|name| fs::remove_file(out.path().join(name)).unwrap());
    let error = SinkWriter::<u64>::commit(&mut writer, &prepared).unwrap_err();
    assert!(error.to_string().contains("neither it nor"), "{error}");
}

#[test]
fn a_folder_that_cannot_be_written_to_is_refused_when_the_sink_is_opened() {
    let out = tempdir().unwrap();
    let path = out.path().join("a file");
    fs::write(&path, "").unwrap();
    let result = Sink::<u64>::open(&FileSink::new(&path), &Harness::new(1).context(0), None, &[]);
    let error = result.expect_err("a file is no folder").to_string();
    assert!(error.starts_with("cannot write files to `"), "{error}");
}

#[test]
fn an_attempt_that_was_given_up_leaves_its_successors_files_alone() {
    let out = tempdir().unwrap();
    let (harness, sink) = (Harness::new(1), FileSink::new(out.path()));
    let given_up = harness.context(0);
    given_up.fence.raise();
    let mut successor = Sink::<u64>::open(&sink, &harness.context(0), None, &[]).unwrap();
    successor.write(&mut rows(0..3)).unwrap();
    let prepared = SinkWriter::<u64>::prepare(&mut successor, CheckpointId::FIRST).unwrap().unwrap();
    let late = Sink::<u64>::open(&sink, &given_up, None, &[]);
    assert!(late.expect_err("it was given up").to_string().contains("given up while it hung"));
    SinkWriter::<u64>::commit(&mut successor, &prepared).unwrap();
    assert_eq!(visible(out.path()), [0, 1, 2]);
}
