//! The log in files: `headwater.log`, a JSON object per line, and older ones behind it, `headwater.log.1` and so on. A thread of
//! its own writes them from the book, so that a disk that hangs holds nobody up; what the book forgets meanwhile is not
//! written.

use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, PoisonError, Weak},
    thread,
    time::Duration,
};

use headwater_api::{LogBook, dto::LogLine};

use super::render;

const NAME: &str = "headwater.log";
/// How much of an earlier process's log is read at the start.
const EARLIER_BYTES: u64 = 1 << 20;
/// How often the writer looks whether it is still needed.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a stop waits for the last lines.
const FLUSH_DEADLINE: Duration = Duration::from_secs(2);

/// Where the files are, and how many.
#[derive(Clone, Debug)]
pub(crate) struct LogFilesOptions {
    pub(crate) folder: PathBuf,
    /// Beyond so many bytes a new file is begun.
    pub(crate) file_bytes_max: u64,
    /// Files that are kept, the one that is written included.
    pub(crate) files_max: u32,
}

impl LogFilesOptions {
    /// In a folder, at most 80 MB.
    pub(crate) fn in_folder(folder: PathBuf) -> Self {
        Self { folder, file_bytes_max: 16 << 20, files_max: 5 }
    }
}

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
    /// Begins to write, with what the book has already. Lines of an earlier process become part of the book.
    pub(crate) fn open(book: Arc<LogBook>, options: LogFilesOptions) -> io::Result<Self> {
        fs::create_dir_all(&options.folder)?;
        let path = options.folder.join(NAME);
        let earlier = read_end(&path)?;
        let last_seq = earlier.last().map_or(0, |line| line.seq);
        book.prepend(earlier);
        let mut file = RollingFile::open(options, &path)?;
        let progress = Arc::<Progress>::default();
        let (lines, reports) = (book.clone(), Arc::downgrade(&progress));
        thread::Builder::new()
            .name("log-files".to_owned())
            .spawn(move || file.write_for_ever(&lines, last_seq, &reports))?;
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

struct RollingFile {
    options: LogFilesOptions,
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl RollingFile {
    fn open(options: LogFilesOptions, path: &Path) -> io::Result<Self> {
        let mut file = File::options().create(true).read(true).append(true).open(path)?;
        let mut bytes = file.seek(SeekFrom::End(0))?;
        if bytes > 0 {
            let mut last = [0];
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
            // What a killed process wrote last may be half a line.
            if last != *b"\n" {
                file.write_all(b"\n")?;
                bytes += 1;
            }
        }
        Ok(Self { options, path: path.to_owned(), file, bytes })
    }

    fn write_for_ever(&mut self, book: &LogBook, mut after: u64, progress: &Weak<Progress>) {
        let mut is_failing = false;
        while let Some(progress) = progress.upgrade() {
            let lines = book.wait_after(after, PATIENCE);
            let Some(last) = lines.last() else { continue };
            after = last.seq;
            let text: String = lines.iter().map(render::json).collect();
            let written = self.write(text.as_bytes());
            *progress.written_seq.lock().unwrap_or_else(PoisonError::into_inner) = after;
            progress.has_written.notify_all();
            // Once, or each warning would be the next line that cannot be written.
            if let Err(error) = &written
                && !is_failing
            {
                tracing::warn!(path = %self.path.display(), %error, "the log cannot be written to its file");
            }
            is_failing = written.is_err();
        }
    }

    fn write(&mut self, text: &[u8]) -> io::Result<()> {
        if self.bytes > 0 && self.bytes + text.len() as u64 > self.options.file_bytes_max {
            self.roll()?;
        }
        self.file.write_all(text)?;
        self.bytes += text.len() as u64;
        Ok(())
    }

    fn roll(&mut self) -> io::Result<()> {
        let numbered = |number: u32| self.options.folder.join(format!("{NAME}.{number}"));
        for number in (1..self.options.files_max.saturating_sub(1)).rev() {
            rename_if_there(&numbered(number), &numbered(number + 1))?;
        }
        if self.options.files_max > 1 {
            rename_if_there(&self.path, &numbered(1))?;
        } else {
            fs::remove_file(&self.path)?;
        }
        self.file = File::options().create(true).append(true).open(&self.path)?;
        self.bytes = 0;
        Ok(())
    }
}

fn rename_if_there(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
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
        let options = LogFilesOptions::in_folder(folder.path().join("logs"));
        let book = Arc::<LogBook>::default();
        log(&book, "before the files".to_owned());
        let files = LogFiles::open(book.clone(), options.clone()).unwrap();
        log(&book, "first".to_owned());
        files.flush();
        drop(files);
        let path = options.folder.join(NAME);
        let whole = fs::read(&path).unwrap();
        fs::write(&path, [&whole[..], b"{\"seq\":99,\"mess"].concat()).unwrap();

        let book = Arc::<LogBook>::default();
        let files = LogFiles::open(book.clone(), options.clone()).unwrap();
        log(&book, "second".to_owned());
        files.flush();
        drop(files);
        assert_eq!(messages(&book), ["before the files", "first", "second"]);

        let book = Arc::<LogBook>::default();
        let _files = LogFiles::open(book.clone(), options).unwrap();
        assert_eq!(messages(&book), ["before the files", "first", "second"], "none is doubled or lost");
    }

    #[test]
    fn files_are_bounded_in_size_and_number() {
        let folder = tempfile::tempdir().unwrap();
        let options =
            LogFilesOptions { folder: folder.path().to_owned(), file_bytes_max: 1_000, files_max: 3 };
        let book = Arc::<LogBook>::default();
        let files = LogFiles::open(book.clone(), options).unwrap();
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
