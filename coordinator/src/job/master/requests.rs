//! What users ask of a job that runs. Whether it is done is decided here, where nothing can come in between.

use actix::prelude::*;
use headwater_core::{
    fault::{FaultPoint, reach},
    job::JobStatus,
    store::StoreError,
};

use super::{Cancel, JobMaster, Restart};
use crate::{
    job::failover::{Event, Mode},
    job_store::JobRecord,
    supervisor::guarded,
    view::{JobEventKind, JobEventView},
};

impl JobMaster {
    /// Whether the job is cancelled from now on; `false` if it has ended.
    fn cancel(&mut self, by: Option<String>, ctx: &mut Context<Self>) -> Result<bool, StoreError> {
        let Some(state) = self.state.as_ref() else {
            return Err(StoreError("the job is being read: try again".to_owned()));
        };
        if matches!(state.machine.mode, Mode::Ended) {
            return Ok(false);
        }
        if state.record.status != JobStatus::Cancelling {
            // Before any task is stopped, so that the job cannot come back after a crash.
            let cancelling = JobRecord { status: JobStatus::Cancelling, ..state.record.clone() };
            self.services.store.put(&cancelling)?;
            let event = self.cell.event(JobEventKind::CancelRequested, "the job is cancelled");
            self.cell.log(JobEventView { by, ..event });
            reach(FaultPoint::JobCancelStored);
        }
        self.step(Event::Cancel, ctx);
        Ok(true)
    }

    /// Whether all tasks are restarted; not if the job is about to end, or its process.
    fn restart(&mut self, by: Option<String>, ctx: &mut Context<Self>) -> bool {
        if !self.state.as_ref().is_some_and(|state| matches!(state.machine.mode, Mode::Working)) {
            return false;
        }
        let event = self.cell.event(JobEventKind::RestartRequested, "all tasks are restarted");
        self.cell.log(JobEventView { by, ..event });
        self.step(Event::Restart, ctx);
        true
    }
}

impl Handler<Cancel> for JobMaster {
    type Result = Result<bool, StoreError>;

    fn handle(&mut self, Cancel { by }: Cancel, ctx: &mut Self::Context) -> Self::Result {
        guarded(&self.watch.recorder(), || self.cancel(by, ctx))
    }
}

impl Handler<Restart> for JobMaster {
    type Result = bool;

    fn handle(&mut self, Restart { by }: Restart, ctx: &mut Self::Context) -> bool {
        guarded(&self.watch.recorder(), || self.restart(by, ctx))
    }
}
