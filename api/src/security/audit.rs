//! Who did what, when, and what came of it: JSON lines in a file that is only ever appended to.
//!
//! The file is for its owner alone. When it is large it gets the next number in its name, and the oldest goes. What is denied
//! is written down, too, but only so much of it a minute: nobody can push out what matters by being denied often.

use std::{
    fs::{DirBuilder, File},
    io::{self, BufRead, BufReader},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::{
    dto::{Audit, AuditEntry},
    rolling::{Rolling, RollingFile},
};

const FILES_MAX: u32 = 5;
const DENIED_PER_MINUTE: u32 = 60;
const MINUTE: Duration = Duration::from_secs(60);

/// The audit log.
#[derive(Debug)]
pub struct AuditLog(Mutex<State>);

#[derive(Debug)]
struct State {
    file: RollingFile,
    next_seq: u64,
    /// When the present minute began, how many denials of it were written, and how many were not.
    minute: (Instant, u32, u64),
}

impl AuditLog {
    /// Opens the log at `path`; a file gets so many bytes.
    pub fn open(path: &Path, file_bytes_max: u64) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        let file = RollingFile::open(path, Rolling { file_bytes_max, files_max: FILES_MAX, mode: 0o600 })?;
        let last_seq = |path: PathBuf| Some(entries(&path).ok()?.last()?.seq);
        let next_seq = file.paths().find_map(last_seq).map_or(1, |seq| seq + 1);
        let state = State { file, next_seq, minute: (Instant::now(), 0, 0) };
        Ok(Self(Mutex::new(state)))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes an entry down; its number is given to it here. A disk that is full stops nobody from cancelling a job: then it is
    /// in the log of the server only.
    pub fn record(&self, mut entry: AuditEntry) {
        let mut state = self.lock();
        // Whoever needs no name for what he asks must not be able to push others' entries out.
        if entry.outcome == "denied" || entry.who.is_none() {
            let (began, written, left_out) = &mut state.minute;
            if began.elapsed() >= MINUTE {
                (*began, *written) = (Instant::now(), 0);
            }
            if *written >= DENIED_PER_MINUTE {
                *left_out += 1;
                return;
            }
            *written += 1;
            entry.left_out = Some(std::mem::take(left_out)).filter(|count| *count > 0);
        }
        entry.seq = state.next_seq;
        state.next_seq += 1;
        let mut line = serde_json::to_string(&entry).expect("an entry has string keys");
        line.push('\n');
        if let Err(error) = state.file.write(line.as_bytes()) {
            tracing::error!(path = %state.file.path().display(), entry = line.trim_end(), "the audit log cannot be written: {error}");
        }
    }

    /// The newest entries before number `before`, newest first.
    pub fn read(&self, limit: usize, before: Option<u64>) -> io::Result<Audit> {
        let before = before.unwrap_or(u64::MAX);
        let mut found: Vec<AuditEntry> = Vec::new();
        let files: Vec<PathBuf> = self.lock().file.paths().collect();
        for file in files {
            match entries(&file) {
                Ok(entries) => found.extend(entries.into_iter().rev().filter(|entry| entry.seq < before)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                Err(error) => return Err(error),
            }
            if found.len() > limit {
                break;
            }
        }
        let is_more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().filter(|_| is_more).map(|entry| entry.seq);
        Ok(Audit { entries: found, next })
    }
}

/// The entries of a file, oldest first. A line that is torn or foreign is passed over.
fn entries(path: &Path) -> io::Result<Vec<AuditEntry>> {
    let lines = BufReader::new(File::open(path)?).split(b'\n');
    lines.filter_map(|line| line.map(|line| serde_json::from_slice(&line).ok()).transpose()).collect()
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write};

    use super::*;

    fn entry(action: &str, outcome: &str) -> AuditEntry {
        AuditEntry {
            seq: 0,
            at_ms: 7,
            who: Some("me".to_owned()),
            peer: "192.0.2.1".to_owned(),
            action: action.to_owned(),
            status: 200,
            outcome: outcome.to_owned(),
            made: None,
            left_out: None,
        }
    }

    #[test]
    fn entries_are_numbered_on_over_restarts_and_files_and_the_oldest_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("security/audit.log");
        let line_bytes = serde_json::to_string(&entry("GET /1234", "done")).unwrap().len() as u64 + 10;
        for number in 1..=40 {
            // As after a restart, with a line that was torn.
            let log = AuditLog::open(&path, 4 * line_bytes).unwrap();
            log.record(entry(&format!("GET /{number:04}"), "done"));
            File::options().append(true).open(&path).unwrap().write_all(b"{\"seq\":").unwrap();
        }
        let log = AuditLog::open(&path, 4 * line_bytes).unwrap();
        let audit = log.read(3, None).unwrap();
        let numbers = |audit: &Audit| audit.entries.iter().map(|entry| entry.seq).collect::<Vec<_>>();
        assert_eq!((numbers(&audit), audit.next), (vec![40, 39, 38], Some(38)));
        assert_eq!(audit.entries[0].action, "GET /0040");
        let rest = log.read(1_000, audit.next).unwrap();
        assert_eq!((rest.entries[0].seq, rest.next), (37, None));
        assert!((8..37).contains(&rest.entries.len()), "{}", rest.entries.len());
        let files = fs::read_dir(path.parent().unwrap()).unwrap().count();
        assert_eq!(files, FILES_MAX as usize);
    }

    #[test]
    fn who_is_denied_often_is_counted_and_does_not_fill_the_log() {
        let folder = tempfile::tempdir().unwrap();
        let log = AuditLog::open(&folder.path().join("audit.log"), 1 << 20).unwrap();
        for _ in 0..500 {
            log.record(entry("GET /", "denied"));
        }
        log.record(entry("POST /", "done"));
        assert_eq!(log.read(1_000, None).unwrap().entries.len(), DENIED_PER_MINUTE as usize + 1);
        log.lock().minute.0 = Instant::now() - MINUTE;
        log.record(entry("GET /", "denied"));
        let newest = log.read(1, None).unwrap().entries.remove(0);
        assert_eq!((newest.left_out, newest.seq), (Some(440), 62));
    }
}
