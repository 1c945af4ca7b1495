//! The taps of a worker: who looks at which of its tasks.

use std::{collections::BTreeMap, sync::Arc};

use headwater_core::{
    gateway::{CoordinatorGateway, FromWorker},
    ids::{ExecutionAttemptId, JobId, VertexId},
    tap::{TapId, TapSpec},
    time::{Clock, TimestampMs},
};

use super::{TapPoint, Waiting};

struct Tap {
    job: JobId,
    spec: Arc<TapSpec>,
    waiting: Arc<Waiting>,
}

/// All taps, and all tasks that can be tapped.
#[derive(Default)]
pub(crate) struct WorkerTaps {
    taps: BTreeMap<TapId, Tap>,
    points: BTreeMap<(JobId, ExecutionAttemptId), Arc<TapPoint>>,
}

impl WorkerTaps {
    /// Whether nobody looks.
    pub fn is_empty(&self) -> bool {
        self.taps.is_empty()
    }

    /// Opens a tap on all attempts that are there.
    pub fn open(&mut self, job: JobId, id: TapId, spec: TapSpec) {
        let tap = Tap { job, spec: Arc::new(spec), waiting: Arc::default() };
        let points = self.points.iter().filter(|((of, attempt), _)| tap.is_on(*of, *attempt));
        points.for_each(|(_, point)| point.open(id, tap.spec.clone(), tap.waiting.clone()));
        self.taps.insert(id, tap);
    }

    /// Closes a tap, which may be closed already.
    pub fn close(&mut self, id: TapId) {
        if self.taps.remove(&id).is_some() {
            self.points.values().for_each(|point| point.close(id));
        }
    }

    /// Closes the taps of a job.
    pub fn close_job(&mut self, job: JobId) {
        self.close_all(|tap| tap.job == job);
    }

    fn close_all(&mut self, is_over: impl Fn(&Tap) -> bool) {
        let over: Vec<TapId> = self.taps.iter().filter(|(_, tap)| is_over(tap)).map(|(id, _)| *id).collect();
        over.into_iter().for_each(|id| self.close(id));
    }

    /// A new attempt can be looked at, by those who looked at the one before.
    pub fn add(
        &mut self,
        job: JobId,
        attempt: ExecutionAttemptId,
        downstream: Vec<VertexId>,
        clock: Arc<dyn Clock>,
    ) -> Arc<TapPoint> {
        let point = Arc::new(TapPoint::new(attempt, downstream, clock));
        for (id, tap) in self.taps.iter().filter(|(_, tap)| tap.is_on(job, attempt)) {
            point.open(*id, tap.spec.clone(), tap.waiting.clone());
        }
        self.points.insert((job, attempt), point.clone());
        point
    }

    /// An attempt is over.
    pub fn remove(&mut self, job: JobId, attempt: ExecutionAttemptId) {
        self.points.remove(&(job, attempt));
    }

    /// Tells what was seen, and closes what has been open for long enough.
    pub fn report(&mut self, coordinator: &dyn CoordinatorGateway, now_ms: TimestampMs) {
        for (id, tap) in &self.taps {
            let report = tap.waiting.take();
            if !report.is_empty() {
                coordinator.send(FromWorker::Tapped { job: tap.job, tap: *id, report });
            }
        }
        self.close_all(|tap| tap.spec.ends_at_ms <= now_ms);
    }
}

impl Tap {
    fn is_on(&self, job: JobId, attempt: ExecutionAttemptId) -> bool {
        self.job == job && self.spec.vertex == attempt.subtask.vertex
    }
}
