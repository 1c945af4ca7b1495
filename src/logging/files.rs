//! The log in files: `headwater.log`, a JSON object per line, and older ones behind it, `headwater.log.1` and so on. A thread of
//! its own writes them from the book, so that a disk that hangs holds nobody up; what the book forgets meanwhile is not
//! written.

use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    path::Path,
    sync::{Arc, Condvar, Mutex, PoisonError, Weak},
    thread,
    time::Duration,
};

use headwater_api::{LogBook, Rolling, RollingFile, dto::LogLine};

use super::render;

const NAME: &str = "headwater.log";
/// At most 80 MB. Who may read them is up to the folder.
const ROLLING: Rolling = Rolling { file_bytes_max: 16 << 20, files_max: 5, mode: 0o666 };
/// How much of an earlier process's log is read at the start.
const EARLIER_BYTES: u64 = 1 << 20;
/// How often the writer looks whether it is still needed.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a stop waits for the last lines.
const FLUSH_DEADLINE: Duration = Duration::from_secs(2);

/// The files, which are written for as long as this lives.
pub(crate) struct LogFiles {
    book: Arc<LogBook>,
    progress: Arc<Progress>,
}

#[derive(Default)]
struct Progress {
    written_seq: Mutex<u64>,
    has_written: Condvar,
}

impl LogFiles {
    /// Begins to write into a folder, with what the book has already. Lines of an earlier process become part of the book.
    pub(crate) fn open(book: Arc<LogBook>, folder: &Path) -> io::Result<Self> {
        Self::open_with(book, folder, ROLLING)
    }

    fn open_with(book: Arc<LogBook>, folder: &Path, rolling: Rolling) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let path = folder.join(NAME);
        let earlier = read_end(&path)?;
        let last_seq = earlier.last().map_or(0, |line| line.seq);
        book.prepend(earlier);
        let mut file = RollingFile::open(&path, rolling)?;
        let progress = Arc::<Progress>::default();
        let (lines, reports) = (book.clone(), Arc::downgrade(&progress));
        thread::Builder::new()
            .name("log-files".to_owned())
            .spawn(move || write_for_ever(&mut file, &lines, last_seq, &reports))?;
        Ok(Self { book, progress })
    }

    /// Waits until what has been logged is written, but not for long.
    pub(crate) fn flush(&self) {
        let last_seq = self.book.last_seq();
        let written = self.progress.written_seq.lock().unwrap_or_else(PoisonError::into_inner);
        let is_behind = |written: &mut u64| *written < last_seq;
        drop(self.progress.has_written.wait_timeout_while(written, FLUSH_DEADLINE, is_behind));
    }
}

fn write_for_ever(file: &mut RollingFile, book: &LogBook, mut after: u64, progress: &Weak<Progress>) {
    let mut is_failing = false;
    while let Some(progress) = progress.upgrade() {
        let lines = book.wait_after(after, PATIENCE);
        let Some(last) = lines.last() else { continue };
        after = last.seq;
        let text: String = lines.iter().map(render::json).collect();
        let written = file.write(text.as_bytes());
        *progress.written_seq.lock().unwrap_or_else(PoisonError::into_inner) = after;
        progress.has_written.notify_all();
        // Once, or each warning would be the next line that cannot be written.
        if let Err(error) = &written
            && !is_failing
        {
            tracing::warn!(path = %file.path().display(), %error, "the log cannot be written to its file");
        }
        is_failing = written.is_err();
    }
}

/// The last lines of a file; none if it is not there. What is no line of ours is left out.
fn read_end(path: &Path) -> io::Result<Vec<LogLine>> {
    let mut file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        file => file?,
    };
    let bytes = file.metadata()?.len();
    file.seek(SeekFrom::Start(bytes.saturating_sub(EARLIER_BYTES)))?;
    let mut end = Vec::new();
    file.take(EARLIER_BYTES).read_to_end(&mut end)?;
    Ok(end.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect())
}

#[cfg(test)]
mod tests {
    use headwater_api::{LogFilter, NewLine};

    use super::*;

    fn log(book: &LogBook, message: String) {
        book.append(NewLine { at_ms: 1, level: "info", message, ..NewLine::default() });
    }

    fn messages(book: &LogBook) -> Vec<String> {
        let (lines, _) = book.read(&LogFilter::default(), None, 10_000);
        lines.into_iter().map(|line| line.message).collect()
    }

    #[test]
    fn the_next_process_knows_what_was_logged_before_it_even_if_that_was_killed() {
        let folder = tempfile::tempdir().unwrap();
        let logs = folder.path().join("logs");
        let book = Arc::<LogBook>::default();
        log(&book, "before the files".to_owned());
        let files = LogFiles::open(book.clone(), &logs).unwrap();
        log(&book, "first".to_owned());
        files.flush();
        drop(files);
        let path = logs.join(NAME);
        let whole = fs::read(&path).unwrap();
        fs::write(&path, [&whole[..], b"{\"seq\":99,\"mess"].concat()).unwrap();

        let book = Arc::<LogBook>::default();
        let files = LogFiles::open(book.clone(), &logs).unwrap();
        log(&book, "second".to_owned());
        files.flush();
        drop(files);
        assert_eq!(messages(&book), ["before the files", "first", "second"]);

        let book = Arc::<LogBook>::default();
        let _files = LogFiles::open(book.clone(), &logs).unwrap();
        assert_eq!(messages(&book), ["before the files", "first", "second"], "none is doubled or lost");
    }

    #[test]
    fn files_are_bounded_in_size_and_number() {
        let folder = tempfile::tempdir().unwrap();
        let rolling = Rolling { file_bytes_max: 1_000, files_max: 3, mode: 0o600 };
        let book = Arc::<LogBook>::default();
        let files = LogFiles::open_with(book.clone(), folder.path(), rolling).unwrap();
        for number in 0..100 {
            log(&book, format!("line {number}"));
            files.flush();
        }
        let mut names: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort_unstable();
        assert_eq!(names, [NAME, "headwater.log.1", "headwater.log.2"]);
        for name in names {
            assert!(fs::metadata(folder.path().join(name)).unwrap().len() <= 1_000);
        }
    }
}
