//! Taps as their users see them: opened, read until they end, closed when they are dropped.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use headwater_core::{
    gateway::ToWorker,
    graph::JobGraph,
    ids::{JobId, VertexId},
    shown::Redaction,
    tap::{TapId, TapReport, TapSpec},
};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep_until},
};

use crate::{
    handle::{DispatcherError, DispatcherHandle},
    job::cell::JobCell,
    services::Services,
    supervisor::lock,
};

/// So many taps are open at once.
pub const TAPS_MAX: usize = 16;

/// A tap ends after this, whoever still looks.
pub const OPEN_MAX: Duration = Duration::from_secs(15 * 60);

/// Reports that a reader has not taken yet; a slower one loses some.
const REPORTS_MAX: usize = 4;

/// Why there is no tap.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TapError {
    /// The control plane refused.
    #[error(transparent)]
    Dispatcher(#[from] DispatcherError),
    /// No such vertex.
    #[error("job {job} has no vertex `{vertex}`: expected one of {known}")]
    UnknownVertex {
        /// The job.
        job: JobId,
        /// What was asked for.
        vertex: VertexId,
        /// The job's vertices.
        known: String,
    },
    /// No edge leads there.
    #[error("no edge leads from vertex `{from}` to `{to}`: expected {expected}")]
    UnknownEdge {
        /// The vertex.
        from: VertexId,
        /// What was asked for.
        to: VertexId,
        /// Where edges lead.
        expected: String,
    },
    /// The job has ended.
    #[error("job {0} has ended: nothing passes any more")]
    Ended(JobId),
    /// Too many are looking.
    #[error("{TAPS_MAX} taps are open already: close one")]
    TooMany,
}

/// What to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TapRequest {
    /// The job.
    pub job: JobId,
    /// The vertex whose output it is.
    pub vertex: VertexId,
    /// Only what goes to this vertex.
    pub to: Option<VertexId>,
    /// At most so many records in a second, of each subtask.
    pub per_second: u32,
    /// At most so many bytes of JSON of a record.
    pub bytes_max: u32,
    /// What is not shown.
    pub redaction: Redaction,
}

/// What a tap tells next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TapEvent {
    /// What was seen.
    Report(TapReport),
    /// Nothing more will come, and why.
    End(String),
}

/// A tap that is open, until this is dropped.
pub struct Tap {
    id: TapId,
    services: Arc<Services>,
    cell: Arc<JobCell>,
    reports: mpsc::Receiver<TapReport>,
    lost: Arc<AtomicU64>,
    changes: watch::Receiver<u64>,
    ends_at: Instant,
}

/// The open taps: whose reports go where.
#[derive(Default)]
pub(crate) struct Taps(Mutex<BTreeMap<TapId, Reader>>);

struct Reader {
    reports: mpsc::Sender<TapReport>,
    /// Records in reports that were not taken in time.
    lost: Arc<AtomicU64>,
    ends_at: Instant,
}

impl Taps {
    /// Hands a report to whoever looks, or drops it.
    pub(crate) fn hand_over(&self, tap: TapId, report: TapReport) {
        let taps = lock(&self.0);
        let Some(reader) = taps.get(&tap) else { return };
        let dropped = match reader.reports.try_send(report) {
            Err(mpsc::error::TrySendError::Full(report)) => report,
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => return,
        };
        reader.lost.fetch_add(dropped.samples.len() as u64 + dropped.lost, Relaxed);
    }
}

impl DispatcherHandle {
    /// Opens a tap.
    pub async fn tap(&self, request: TapRequest) -> Result<Tap, TapError> {
        let TapRequest { job, vertex, to, per_second, bytes_max, redaction } = request;
        let cell = self.cell(job).await?;
        check_place(job, &cell.record().graph, vertex, to)?;
        if cell.status().is_terminal() {
            return Err(TapError::Ended(job));
        }
        let services = Arc::clone(self.services());
        let (sender, reports) = mpsc::channel(REPORTS_MAX);
        let (id, lost) = (TapId::random(), Arc::new(AtomicU64::new(0)));
        let ends_at = Instant::now() + OPEN_MAX;
        {
            let mut taps = lock(&services.taps.0);
            // A client that does not read keeps its connection, and what belongs to it, for longer.
            taps.retain(|_, reader| Instant::now() < reader.ends_at);
            if taps.len() >= TAPS_MAX {
                return Err(TapError::TooMany);
            }
            taps.insert(id, Reader { reports: sender, lost: lost.clone(), ends_at });
        }
        let ends_at_ms = services.clock.now_ms().saturating_add(OPEN_MAX.as_millis() as i64);
        let spec = TapSpec { vertex, to, per_second, bytes_max, redaction, ends_at_ms };
        services.worker.send(ToWorker::Tap { job, tap: id, spec });
        let changes = services.changes.subscribe();
        Ok(Tap { id, services, cell, reports, lost, changes, ends_at })
    }
}

fn check_place(job: JobId, graph: &JobGraph, vertex: VertexId, to: Option<VertexId>) -> Result<(), TapError> {
    let names = |ids: &[VertexId]| ids.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ");
    if graph.vertices.iter().all(|known| known.id != vertex) {
        let known: Vec<VertexId> = graph.vertices.iter().map(|vertex| vertex.id).collect();
        return Err(TapError::UnknownVertex { job, vertex, known: names(&known) });
    }
    let downstream = graph.downstream(vertex);
    match to {
        Some(to) if !downstream.contains(&to) => {
            let expected =
                if downstream.is_empty() { "none, it has no edges".to_owned() } else { names(&downstream) };
            Err(TapError::UnknownEdge { from: vertex, to, expected })
        }
        _ => Ok(()),
    }
}

impl Tap {
    /// Waits for what comes next. After the end there is nothing more to ask for.
    pub async fn next(&mut self) -> TapEvent {
        loop {
            // Looked at first: whatever was reported before the end is there by then.
            let has_ended = self.cell.status().is_terminal();
            if let Ok(report) = self.reports.try_recv() {
                return self.told(report);
            }
            if has_ended {
                return TapEvent::End(format!("the job is {}", self.cell.status().as_str()));
            }
            tokio::select! {
                report = self.reports.recv() => match report {
                    Some(report) => return self.told(report),
                    None => return TapEvent::End("the tap was closed".to_owned()),
                },
                changed = self.changes.changed() => if changed.is_err() {
                    return TapEvent::End("the server stops".to_owned());
                },
                () = sleep_until(self.ends_at) => {
                    return TapEvent::End(format!("a tap is open for {} minutes at most", OPEN_MAX.as_secs() / 60));
                }
            }
        }
    }

    fn told(&self, mut report: TapReport) -> TapEvent {
        report.lost += self.lost.swap(0, Relaxed);
        TapEvent::Report(report)
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        lock(&self.services.taps.0).remove(&self.id);
        self.services.worker.send(ToWorker::Untap { tap: self.id });
    }
}
