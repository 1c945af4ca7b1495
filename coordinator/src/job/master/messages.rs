//! What a job master is told.

use actix::prelude::*;
use headwater_core::{gateway::FromWorker, ids::CheckpointId, store::StoreError};

use crate::{checkpoint::coordinator::CheckpointCoordinator, supervisor::Death};

/// A worker's message about this job.
pub(crate) struct WorkerEvent(pub(crate) FromWorker);

impl Message for WorkerEvent {
    type Result = ();
}

/// The user wants the job to end; `false` if it has ended.
pub(crate) struct Cancel {
    pub(crate) by: Option<String>,
}

impl Message for Cancel {
    type Result = Result<bool, StoreError>;
}

/// The user wants all tasks restarted from the newest completed checkpoint; `false` if the job is about to end.
pub(crate) struct Restart {
    pub(crate) by: Option<String>,
}

impl Message for Restart {
    type Result = bool;
}

/// Who triggers the job's checkpoints.
pub(crate) struct WhoTriggers;

impl Message for WhoTriggers {
    type Result = Option<Addr<CheckpointCoordinator>>;
}

/// The process stops; the job goes on with the next one.
pub(crate) struct Suspend;

impl Message for Suspend {
    type Result = ();
}

/// Kill the child with this id; whether there is one.
pub(crate) struct KillChild(pub(crate) String);

impl Message for KillChild {
    type Result = bool;
}

/// From the checkpoint coordinator, or about it.
pub(crate) enum FromCoordinator {
    /// It is new and asks for the tasks.
    MembersWanted,
    /// This one is durable and holds the end of all input; the tasks are about to be told.
    FinalCheckpoint(CheckpointId),
    /// The job must fail over.
    JobFailure(String),
    /// It died once too often.
    GaveUp(Death),
}

impl Message for FromCoordinator {
    type Result = ();
}
