//! A TCP server of lines that knows nothing of acknowledgements: it sends nothing twice.

use std::{
    io::Write,
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

/// The time between two lines.
const PACE: Duration = Duration::from_millis(1);

/// Sends `<connection> <number>`, each connection's lines numbered from 0, to one client at a time.
pub struct LineServer {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// How many lines each connection was sent.
    sent: Mutex<Vec<u64>>,
    is_paused: AtomicBool,
    is_over: AtomicBool,
}

impl Shared {
    fn sent(&self) -> MutexGuard<'_, Vec<u64>> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LineServer {
    /// Listens on a free port.
    pub fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared::default());
        let serving = shared.clone();
        thread::spawn(move || {
            for connection in listener.incoming().map_while(Result::ok) {
                if serving.is_over.load(Ordering::SeqCst) {
                    return;
                }
                serve(connection, &serving);
            }
        });
        Ok(Self { port, shared })
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many lines each connection was sent, the last of which may be alive.
    pub fn sent(&self) -> Vec<u64> {
        self.shared.sent().clone()
    }

    /// Sends no more lines, and keeps the connection open. What [`sent`](Self::sent) says then is final.
    pub fn pause(&self) {
        self.shared.is_paused.store(true, Ordering::SeqCst);
        // A line is sent under the lock: once it was free, the flag has been seen.
        drop(self.shared.sent());
    }
}

/// Sends lines until the client is gone.
fn serve(mut connection: TcpStream, shared: &Shared) {
    let number = {
        let mut sent = shared.sent();
        sent.push(0);
        sent.len() - 1
    };
    while !shared.is_over.load(Ordering::SeqCst) {
        let mut sent = shared.sent();
        if !shared.is_paused.load(Ordering::SeqCst) {
            let line = format!("{number} {}\n", sent[number]);
            if connection.write_all(line.as_bytes()).is_err() {
                return;
            }
            sent[number] += 1;
        }
        drop(sent);
        thread::sleep(PACE);
    }
}

impl Drop for LineServer {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        // Wakes the thread if it waits for a client.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}
