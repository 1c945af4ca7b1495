//! Files, folding and queries, with samples of the tests' own.

use std::path::{Path, PathBuf};

use headwater_core::{fs::LocalFileSystem, ids::VertexId};
use tempfile::TempDir;

use super::{
    recorder::{Kind, files_of},
    series::Row,
    *,
};

/// The begin of a chunk.
const START_MS: TimestampMs = 2_000_000 * CHUNK_MS;

struct History24 {
    _folder: TempDir,
    config: HistoryConfig,
    recorder: Recorder,
    job: JobId,
}

impl History24 {
    fn new(bytes_max: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config =
            HistoryConfig { folder: folder.path().join("metrics"), fs: Arc::new(LocalFileSystem), bytes_max };
        config.fs.create_folder(&config.folder).unwrap();
        Self { recorder: Recorder::new(config.clone()), _folder: folder, config, job: JobId::random() }
    }

    /// Another process on the same folder.
    fn restart(&mut self) {
        self.recorder = Recorder::new(self.config.clone());
    }

    /// A second with these values of the job's first series, and 0.5 for all others.
    fn record(&mut self, at_ms: TimestampMs, first: f32) {
        let mut row = Row { vertices: vec![VertexId(0), VertexId(1)], values: Vec::new() };
        let width = row.keys(Source::Job(self.job)).len();
        row.values = vec![0.5; width];
        row.values[0] = first;
        let known_jobs = [self.job].into();
        let rows = vec![(Source::Job(self.job), row)];
        self.recorder.record(&Sample { at_ms, rows, known_jobs, unreadable_jobs: Vec::new() });
    }

    fn folder(&self) -> PathBuf {
        self.config.folder.join(self.job.to_string())
    }

    fn files(&self, kind: Kind) -> Vec<PathBuf> {
        let files = files_of(&LocalFileSystem, &self.folder()).unwrap();
        files.into_iter().filter(|file| file.kind == kind).map(|file| file.path).collect()
    }

    fn query(&self, from_ms: TimestampMs, to_ms: TimestampMs, points: usize) -> Answer {
        let query = Query { from_ms, to_ms, points, vertex: None, names: Vec::new() };
        query::answer(&self.config, Source::Job(self.job), &query).unwrap()
    }

    /// The job's first series: records per second, of which means are made.
    fn first(&self, from_ms: TimestampMs, to_ms: TimestampMs, points: usize) -> Vec<(i64, Option<f32>)> {
        let answer = self.query(from_ms, to_ms, points);
        let series = answer.series.into_iter();
        let mut found = series.filter(|series| {
            (series.key.vertex, series.key.name.as_str()) == (None, "records_in_per_second")
        });
        found.next().map(|series| series.values).unwrap_or_default()
    }
}

fn second(number: i64) -> TimestampMs {
    START_MS + number * 1_000
}

#[test]
fn what_was_recorded_is_read_back_by_the_second_and_gaps_are_gaps() {
    let mut history = History24::new(1 << 30);
    for number in [0, 1, 4] {
        history.record(second(number), number as f32);
    }
    history.record(second(5), f32::NAN);
    let expected: Vec<_> = [Some(0.0), Some(1.0), None, None, Some(4.0), None]
        .into_iter()
        .enumerate()
        .map(|(number, value)| (second(number as i64), value))
        .collect();
    assert_eq!(history.first(second(-100), second(100), 1_000), expected);
    assert_eq!(history.first(second(1), second(2), 1_000), vec![(second(1), Some(1.0))]);
    assert!(history.query(second(50), second(100), 10).series.is_empty());
}

#[test]
fn fewer_points_are_means_of_rates_and_maxima_of_the_rest() {
    let mut history = History24::new(1 << 30);
    for number in 0..60 {
        history.record(second(number), number as f32);
    }
    let answer = history.query(second(0), second(60), 6);
    assert_eq!(answer.step_ms, 10_000);
    assert_eq!(
        history.first(second(0), second(60), 6)[..2],
        [(second(0), Some(4.5)), (second(10), Some(14.5))]
    );
    let busy = answer.series.iter().find(|series| series.key.name == "busy_max").unwrap();
    assert_eq!((busy.fold, busy.unit, busy.values[0].1), (Fold::Max, Unit::Share, Some(0.5)));
}

#[test]
fn a_query_may_name_a_vertex_and_series() {
    let mut history = History24::new(1 << 30);
    history.record(second(0), 1.0);
    let names = vec!["busy_max".to_owned(), "idle_mean".to_owned()];
    let query = Query { from_ms: second(0), to_ms: second(1), points: 1, vertex: Some(VertexId(1)), names };
    let answer = query::answer(&history.config, Source::Job(history.job), &query).unwrap();
    let found: Vec<_> = answer.series.iter().map(|series| (series.key.vertex, &*series.key.name)).collect();
    assert_eq!(found, [(Some(VertexId(1)), "busy_max"), (Some(VertexId(1)), "idle_mean")]);
}

#[test]
fn a_day_stays_in_coarse_files_and_what_is_older_goes() {
    let mut history = History24::new(1 << 30);
    let chunk_s = CHUNK_MS / 1_000;
    let chunks = KEPT_MS / CHUNK_MS + 8;
    for chunk in 0..chunks {
        for number in 0..25 {
            history.record(second(chunk * chunk_s + number), chunk as f32);
        }
    }
    let now_ms = second(chunks * chunk_s);
    assert_eq!(history.files(Kind::Fine).len(), 2, "this chunk's and the one before");
    let coarse = history.files(Kind::Coarse).len() as i64;
    assert!((KEPT_MS / CHUNK_MS..=KEPT_MS / CHUNK_MS + 1).contains(&coarse), "{coarse}");
    let values = history.first(now_ms - KEPT_MS, now_ms, 100_000);
    assert_eq!(values[1].0 - values[0].0, 10_000, "nothing finer is kept that long");
    let known = values.iter().filter(|(_, value)| value.is_some()).count() as i64;
    assert_eq!(known, (KEPT_MS / CHUNK_MS) * 3, "25 seconds are three rows");
    for (at_ms, value) in values {
        let chunk = (at_ms - START_MS) / CHUNK_MS;
        assert!(value.is_none_or(|value| value == chunk as f32), "{at_ms} {value:?}");
    }
}

#[test]
fn a_restart_within_a_chunk_loses_nothing_and_both_parts_are_folded() {
    let mut history = History24::new(1 << 30);
    history.record(second(0), 1.0);
    history.record(second(1), 3.0);
    history.restart();
    history.record(second(2), 5.0);
    assert_eq!(history.files(Kind::Fine).len(), 2);
    let read: Vec<_> = history.first(second(0), second(3), 10).into_iter().map(|(_, value)| value).collect();
    assert_eq!(read, [Some(1.0), Some(3.0), Some(5.0)]);
    history.restart();
    // Longer than fine files are kept.
    history.record(second(0) + 4 * CHUNK_MS, 0.0);
    assert_eq!(history.files(Kind::Fine).len(), 1);
    assert_eq!(history.first(second(0), second(10), 10), vec![(second(0), Some(3.0))]);
}

#[test]
fn a_torn_end_is_left_out_and_damage_takes_one_file_with_it() {
    let mut history = History24::new(1 << 30);
    history.record(second(0), 1.0);
    history.record(second(1), 2.0);
    let path = history.files(Kind::Fine).remove(0);
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() - 5]).unwrap();
    assert_eq!(
        history.first(second(0), second(10), 10),
        vec![(second(0), Some(1.0))],
        "killed while it wrote"
    );

    let mut flipped = whole.clone();
    flipped[whole.len() - 20] ^= 1;
    std::fs::write(&path, &flipped).unwrap();
    assert_eq!(history.first(second(0), second(10), 10), vec![]);
    assert!(
        !path.exists() && path.with_extension("damaged").exists(),
        "put aside, so that it is told of once"
    );
    history.restart();
    history.record(second(2), 3.0);
    assert_eq!(history.first(second(0), second(10), 10), vec![(second(2), Some(3.0))], "begun anew");

    history.record(second(0) + CHUNK_MS, 4.0);
    let coarse = history.files(Kind::Coarse).remove(0);
    std::fs::write(&coarse, b"not ours at all").unwrap();
    history.restart();
    history.record(second(0) + 3 * CHUNK_MS, 5.0);
    assert!(history.query(second(0), second(0) + 4 * CHUNK_MS, 10).series.len() > 1, "and goes on");
}

#[test]
fn the_oldest_files_go_when_there_is_too_much_and_those_of_forgotten_jobs_at_once() {
    let mut history = History24::new(20_000);
    let chunk_s = CHUNK_MS / 1_000;
    for chunk in 0..40 {
        for number in 0..60 {
            history.record(second(chunk * chunk_s + number), number as f32);
        }
        let bytes: u64 = size(&history.config.folder);
        assert!(bytes < 40_000, "{bytes} bytes in chunk {chunk}");
    }
    let newest = second(39 * chunk_s);
    assert!(!history.first(newest, newest + CHUNK_MS, 100).is_empty(), "the newest stays");
    let sample = Sample {
        at_ms: second(41 * chunk_s),
        rows: Vec::new(),
        known_jobs: [].into(),
        unreadable_jobs: Vec::new(),
    };
    history.recorder.record(&sample);
    assert!(!history.folder().exists());
}

fn size(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries
        .map(
            |entry| if entry.path().is_dir() { size(&entry.path()) } else { entry.metadata().unwrap().len() },
        )
        .sum()
}
