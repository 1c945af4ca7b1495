use std::{
    fs,
    io::{self, Write},
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use headwater_actors::source::{Source, SourceReader};
use headwater_connectors::{
    MalformedRecords, Str,
    decode::Text,
    socket::{SocketReader, SocketSource},
};
use headwater_core::ids::CheckpointId;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{Instant, timeout},
};

use crate::{
    harness::{DEADLINE, Harness, read, read_rows},
    malformed::letters,
};

struct Server {
    listener: TcpListener,
    harness: Harness,
}

impl Server {
    async fn start() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.unwrap(), harness: Harness::new(1) }
    }

    fn source(&self) -> SocketSource {
        SocketSource::new("127.0.0.1", self.listener.local_addr().unwrap().port())
    }

    fn open(&self, position: Option<&[u8]>) -> SocketReader<Text> {
        self.source().open(&self.harness.context(0), position).unwrap()
    }

    async fn accept(&self) -> TcpStream {
        timeout(DEADLINE, self.listener.accept()).await.expect("nobody connects").unwrap().0
    }
}

#[tokio::test]
async fn a_dropped_connection_is_made_anew_and_its_last_line_is_a_line() {
    let server = Server::start().await;
    let context = server.harness.context(0);
    let mut reader = server.source().open(&context, None).unwrap();
    let mut connection = server.accept().await;
    connection.write_all(b"a\r\nb\n\nunfinished").await.unwrap();
    drop(connection);
    let mut connection = server.accept().await;
    connection.write_all(b"c\n").await.unwrap();
    assert_eq!(read_rows(&mut reader, 5).await, ["a", "b", "", "unfinished", "c"]);
    assert!(context.counters.read().restarts_of_connection >= 1);
}

#[tokio::test]
async fn lines_after_the_restored_position_are_replayed_in_order_and_new_ones_follow() {
    let server = Server::start().await;
    let mut reader = server.open(None);
    let mut connection = server.accept().await;
    connection.write_all(b"1\n2\n").await.unwrap();
    assert_eq!(read_rows(&mut reader, 2).await, ["1", "2"]);
    let position = reader.snapshot(CheckpointId::FIRST).unwrap();
    connection.write_all(b"3\n").await.unwrap();
    assert_eq!(read_rows(&mut reader, 1).await, ["3"]);
    // In the kernel's hands when the reader dies, apart from what may have been journaled by then.
    connection.write_all(b"4\nhalf a li").await.unwrap();
    drop(reader);

    let mut reader = server.open(Some(&position));
    let mut connection = server.accept().await;
    connection.write_all(b"5\n").await.unwrap();
    assert_eq!(read_rows(&mut reader, 3).await, ["3", "4", "5"]);
    drop(reader);

    let mut reader = server.open(None);
    assert_eq!(read_rows(&mut reader, 5).await, ["1", "2", "3", "4", "5"], "nothing was checkpointed");
}

#[tokio::test]
async fn the_next_attempt_connects_only_once_the_one_before_has_let_go() {
    let server = Server::start().await;
    let earlier = server.open(None);
    let mut connection = server.accept().await;
    let mut later = server.open(None);
    drop(earlier);
    let mut next_connection = server.accept().await;
    let closed = timeout(DEADLINE, connection.read(&mut [0])).await.expect("still open");
    assert!(matches!(closed, Ok(0) | Err(_)), "the first connection ended before the second was made");
    next_connection.write_all(b"x\n").await.unwrap();
    assert_eq!(read_rows(&mut later, 1).await, ["x"]);
}

#[tokio::test]
async fn an_endless_line_is_an_error_and_the_lines_before_it_are_kept() {
    let server = Server::start().await;
    let mut reader = server.open(None);
    let mut connection = server.accept().await;
    tokio::spawn(async move {
        connection.write_all(b"good\n").await.unwrap();
        // Fails once the source has had enough of it.
        while connection.write_all(&[b'x'; 1 << 16]).await.is_ok() {}
    });
    assert_eq!(read_rows(&mut reader, 1).await, ["good"]);
    let error = read(&mut reader).await.unwrap_err();
    let expected = "malformed record at journal record 1: expected a line of at most 1048576 bytes";
    assert!(error.to_string().starts_with(expected), "{error}");
}

#[tokio::test]
async fn malformed_lines_become_dead_letters_once_also_when_they_are_replayed() {
    let (server, folder) = (Server::start().await, tempfile::tempdir().unwrap());
    let source = server
        .source()
        .decode(|line| line.parse::<u32>())
        .on_malformed(MalformedRecords::DeadLetter(folder.path().to_owned()));
    let mut context = server.harness.context(0);
    let mut reader = source.open(&context, None).unwrap();
    let mut connection = server.accept().await;
    connection.write_all(b"1\nzwei\n3\n\xFF4\n").await.unwrap();
    connection.write_all(&[b"5".repeat(2 << 20), b"\n6\n".to_vec()].concat()).await.unwrap();
    assert_eq!(read_rows(&mut reader, 3).await, [1, 3, 6]);
    assert_eq!(context.counters.read().malformed_records, 3);
    assert_eq!(letters(folder.path()), [""; 0], "no checkpoint covers them yet");
    drop(reader);

    context = server.harness.context(0);
    let mut reader = source.open(&context, None).unwrap();
    let _connection = server.accept().await;
    assert_eq!(read_rows(&mut reader, 3).await, [1, 3, 6], "nothing was checkpointed");
    let position = reader.snapshot(CheckpointId::FIRST).unwrap();
    // It dies before it is told that the checkpoint is completed.
    drop(reader);
    assert_eq!(letters(folder.path()), [""; 0]);

    let mut reader = source.open(&server.harness.context(0), Some(&position)).unwrap();
    let mut connection = server.accept().await;
    connection.write_all(b"7\n").await.unwrap();
    assert_eq!(read_rows(&mut reader, 1).await, [7]);
    let found = letters(folder.path());
    assert_eq!(found.len(), 3, "{found:?}");
    for (letter, parts) in found.iter().zip([
        ["journal record 1\"", "invalid digit", "\"text\":\"zwei\""],
        ["journal record 3\"", "expected text in UTF-8", "\"hex\":\"ff34\""],
        ["journal record 4\"", "at most 1048576 bytes", "\"is_cut\":true"],
    ]) {
        assert!(parts.iter().all(|part| letter.contains(part)), "{parts:?} in {letter:.300}");
    }
}

#[tokio::test]
async fn a_row_is_located_by_its_record_in_the_journal() {
    let server = Server::start().await;
    let source = server.source().decode(|line| line.parse::<u32>()).on_malformed(MalformedRecords::Skip);
    let mut reader = source.open(&server.harness.context(0), None).unwrap();
    server.accept().await.write_all(b"0\nx\ny\n3\nz\n5\n").await.unwrap();
    let mut rows = Vec::new();
    while rows.len() < 3 {
        let read = read(&mut reader).await.unwrap();
        for (row, value) in read.iter().enumerate() {
            assert_eq!(reader.locate(row), Some(format!("journal record {value}")));
        }
        rows.extend(read);
    }
    assert_eq!(rows, [0, 3, 5]);
}

#[tokio::test]
async fn without_a_journal_nothing_is_written_and_nothing_is_replayed() {
    let server = Server::start().await;
    let open = || server.source().journal(false).open(&server.harness.context(0), None).unwrap();
    let mut reader = open();
    server.accept().await.write_all(b"a\n").await.unwrap();
    assert_eq!(read_rows(&mut reader, 1).await, ["a"]);
    drop(reader);
    let mut reader = open();
    server.accept().await.write_all(b"b\n").await.unwrap();
    assert_eq!(read_rows(&mut reader, 1).await, ["b"]);
    assert_eq!(journal_bytes(server.harness.data_dir()), 0);
}

#[test]
fn a_second_subtask_is_refused() {
    let error = SocketSource::new("localhost", 1).open(&Harness::new(2).context(0), None).unwrap_err();
    assert!(error.to_string().contains("expected parallelism 1, found 2"), "{error}");
}

#[tokio::test]
async fn a_full_journal_stops_the_reading_until_a_checkpoint_is_completed() {
    const BYTES_MAX: u64 = 300_007;
    const LINES: usize = 300_000;
    let log = Log::install();
    let server = Server::start().await;
    let source = server.source().journal_bytes_max(BYTES_MAX);
    let mut reader = source.open(&server.harness.context(0), None).unwrap();
    let mut connection = server.accept().await;
    let sent: Vec<String> = (0..LINES).map(|line| format!("line {line:060}")).collect();
    let text = sent.join("\n") + "\n";
    let sender = tokio::spawn(async move { connection.write_all(text.as_bytes()).await });

    let mut received: Vec<Str> = Vec::new();
    let mut next_checkpoint = CheckpointId::FIRST;
    let stops = || log.count(&format!("bytes_max={BYTES_MAX}"));
    let deadline = Instant::now() + DEADLINE;
    while received.len() < LINES {
        assert!(Instant::now() < deadline, "only {} lines came", received.len());
        let batch = timeout(Duration::from_millis(5), read(&mut reader)).await;
        let journaled = journal_bytes(server.harness.data_dir());
        assert!(journaled < BYTES_MAX + (2 << 20), "{journaled} bytes in the journal");
        match batch {
            Ok(lines) => received.extend(lines.unwrap()),
            // Only once the source has stopped: before that the journal has to bear all that comes.
            Err(_) if journaled >= BYTES_MAX && stops() > 0 => {
                reader.snapshot(next_checkpoint).unwrap();
                reader.checkpoint_completed(next_checkpoint).unwrap();
                next_checkpoint = next_checkpoint.next();
            }
            Err(_) => {}
        }
    }
    assert!(received == sent, "all lines, in order");
    assert!(stops() >= 3, "{LINES} lines fill several journals: found {} stops", stops());
    sender.await.unwrap().unwrap();
}

/// The length of all segments.
fn journal_bytes(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    entries
        .map(|entry| entry.unwrap().path())
        .map(|path| match path.is_dir() {
            true => journal_bytes(&path),
            false if path.extension().is_some_and(|extension| extension == "segment") => {
                path.metadata().map_or(0, |metadata| metadata.len())
            }
            false => 0,
        })
        .sum()
}

/// What all tests have logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn install() -> Self {
        let log = Self::default();
        let writer = log.clone();
        tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).init();
        log
    }

    fn count(&self, text: &str) -> usize {
        String::from_utf8_lossy(&self.lock()).matches(text).count()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
