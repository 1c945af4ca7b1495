//! OpenTelemetry: the log, and spans of checkpoints and recoveries, sent to a collector by OTLP over HTTP, if the server was told
//! where one is. What cannot be sent is tried again, for as long as it is remembered anyway; nobody waits for it.

mod otlp;
mod spans;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeSet,
    io,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use headwater_api::LogBook;
use headwater_coordinator::handle::DispatcherHandle;
use serde_json::Value;
use tokio::{task::JoinHandle, time::sleep};

pub(crate) use self::otlp::{Collector, Endpoint};
use self::{otlp::SendError, spans::Spans};

/// How often it is looked for checkpoints and recoveries that have ended.
const INTERVAL: Duration = Duration::from_secs(2);
/// How often a thread looks whether it is still needed.
const PATIENCE: Duration = Duration::from_secs(1);
/// Between two attempts to reach a collector.
const RETRY: Duration = Duration::from_secs(5);
/// Log lines in one message.
const LINES_MAX: usize = 500;
/// Messages of spans that wait for the collector; further ones are left out.
const WAITING_MAX: usize = 64;

/// Exports for as long as this lives.
pub(crate) struct Telemetry {
    watching: JoinHandle<()>,
    _alive: Arc<()>,
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        self.watching.abort();
    }
}

impl Telemetry {
    /// Begins to export, from the current thread's runtime.
    pub(crate) fn start(
        endpoint: &Endpoint,
        book: Arc<LogBook>,
        dispatcher: DispatcherHandle,
    ) -> io::Result<Self> {
        let alive = Arc::new(());
        let (messages, waiting) = sync_channel(WAITING_MAX);
        let (of_logs, of_spans) = (Collector::new(endpoint), Collector::new(endpoint));
        let life = Arc::downgrade(&alive);
        thread::Builder::new().name("otel-logs".to_owned()).spawn(move || {
            export_logs(&of_logs, &book, || life.strong_count() > 0);
        })?;
        let life = Arc::downgrade(&alive);
        thread::Builder::new().name("otel-spans".to_owned()).spawn(move || {
            export_spans(&of_spans, &waiting, || life.strong_count() > 0);
        })?;
        let watching = actix::spawn(watch(dispatcher, messages));
        Ok(Self { watching, _alive: alive })
    }
}

/// Sends the log, from the process's first line on.
fn export_logs(collector: &Collector, book: &LogBook, is_needed: impl Fn() -> bool) {
    // Lines of earlier processes were theirs to send.
    let mut after = book.last_seq_before_this_process();
    while is_needed() {
        let lines = book.wait_after(after, PATIENCE);
        for lines in lines.chunks(LINES_MAX) {
            if !send(&is_needed, || collector.send_logs(lines)) {
                return;
            }
            after = lines.last().map_or(after, |line| line.seq);
        }
    }
}

fn export_spans(collector: &Collector, waiting: &Receiver<Vec<Value>>, is_needed: impl Fn() -> bool) {
    while is_needed() {
        match waiting.recv_timeout(PATIENCE) {
            Ok(spans) if send(&is_needed, || collector.send_spans(&spans)) => {}
            Err(RecvTimeoutError::Timeout) => {}
            _ => return,
        }
    }
}

/// Tries until the collector has taken it or refused it, which trying again would not change. `false` if that is no longer
/// needed.
fn send(is_needed: &impl Fn() -> bool, attempt: impl Fn() -> Result<(), SendError>) -> bool {
    let mut has_warned = false;
    loop {
        match attempt() {
            Ok(()) => return true,
            Err(SendError::Refused(reason)) => {
                tracing::debug!(reason, "the OpenTelemetry collector refused what it was sent");
                return true;
            }
            Err(SendError::Unreachable(reason)) => {
                if !has_warned {
                    tracing::warn!(reason, "the OpenTelemetry collector cannot be reached: trying on");
                    has_warned = true;
                }
            }
        }
        let mut waited = Duration::ZERO;
        while waited < RETRY {
            if !is_needed() {
                return false;
            }
            thread::sleep(PATIENCE);
            waited += PATIENCE;
        }
    }
}

async fn watch(dispatcher: DispatcherHandle, messages: SyncSender<Vec<Value>>) {
    let mut spans = Spans::default();
    // Those whose end has been looked at: nothing more happens in them.
    let mut settled = BTreeSet::new();
    loop {
        sleep(INTERVAL).await;
        // Without an answer in time it is looked again; nothing is forgotten so soon.
        let Ok(overview) = dispatcher.overview().await else { continue };
        let mut ended = Vec::new();
        settled.retain(|id| overview.jobs.iter().any(|job| job.id == *id && job.status.is_terminal()));
        for job in &overview.jobs {
            if settled.contains(&job.id) {
                continue;
            }
            let (checkpoints, exceptions) =
                (dispatcher.checkpoints(job.id).await, dispatcher.exceptions(job.id).await);
            if let (Ok(checkpoints), Ok(exceptions)) = (checkpoints, exceptions) {
                ended.extend(spans.of(job, &checkpoints, &exceptions));
                if job.status.is_terminal() {
                    settled.insert(job.id);
                }
            }
        }
        spans.retain(|job| overview.jobs.iter().any(|known| known.id == job));
        if !ended.is_empty() && messages.try_send(ended).is_err() {
            tracing::debug!("the OpenTelemetry collector is too slow: spans were left out");
        }
    }
}
