//! The checkpoint store, one operation of a job at a time and none without a deadline.
//!
//! A job's writes and reads queue on its lane, which outlives its actors: whoever asks for the newest checkpoint
//! waits for a write that a dead coordinator left behind, and so cannot miss what became durable.

use std::{future::Future, panic::AssertUnwindSafe, pin::pin, time::Duration};

use futures::FutureExt;
use headwater_core::{
    checkpoint::Manifest,
    ids::CheckpointId,
    store::{LatestCheckpoint, StoreError},
    supervision::panic_message,
};
use tokio::time::timeout;

use super::lifecycle::{Stored, WriteOutcome};
use crate::{
    deadlines,
    job::{cell::JobCell, history::ExceptionId},
    services::Services,
};

async fn within<T>(
    deadline: Duration,
    operation: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    timeout(deadline, operation).await.unwrap_or_else(|_| Err(StoreError(no_answer(deadline))))
}

fn no_answer(deadline: Duration) -> String {
    format!("no answer from the checkpoint store within {} ms", deadline.as_millis())
}

/// Makes a checkpoint durable and reports how that ended. One that the store refused is removed, so that its outcome
/// is known. A write that does not end in time is reported as unknown, and keeps the lane until it does end: nobody
/// can take it for failed and see it appear later.
pub(super) async fn write(
    services: &Services,
    cell: &JobCell,
    manifest: Manifest,
    report: impl Fn(WriteOutcome),
) {
    let _lane = cell.storage_lane.lock().await;
    let writing = AssertUnwindSafe(write_or_remove(services, manifest)).catch_unwind();
    // Whoever waits for the report must not wait for ever, whatever goes wrong here.
    let mut writing = pin!(writing.map(|outcome| outcome.unwrap_or_else(|panic| {
        WriteOutcome::Unknown(format!("the write panicked: {}", panic_message(&*panic)))
    })));
    match timeout(deadlines::STORAGE, &mut writing).await {
        Ok(outcome) => report(outcome),
        Err(_) => {
            report(WriteOutcome::Unknown(no_answer(deadlines::STORAGE)));
            let outcome = writing.await;
            tracing::warn!(job = %cell.id, ?outcome, "a manifest's write has ended after its deadline");
        }
    }
}

async fn write_or_remove(services: &Services, manifest: Manifest) -> WriteOutcome {
    let (job, checkpoint) = (manifest.job, manifest.checkpoint);
    let Err(error) = services.checkpoints.write_manifest(manifest).await else {
        if let Err(error) = services.store.put_last_checkpoint(job, checkpoint) {
            tracing::warn!(%job, %checkpoint, %error, "if this checkpoint gets lost, that may go unnoticed");
        }
        return WriteOutcome::Written;
    };
    match services.checkpoints.delete(job, checkpoint).await {
        Ok(()) => WriteOutcome::Failed(error.to_string()),
        Err(also) => WriteOutcome::Unknown(format!("{error}; nor could it be removed: {also}")),
    }
}

/// What a restart goes on from.
#[derive(Clone, Debug)]
pub(crate) struct RestorePoint {
    /// The newest usable checkpoint.
    pub(crate) manifest: Option<Box<Manifest>>,
    /// The newest one that was completed, usable or not.
    pub(crate) newest_completed: Option<CheckpointId>,
    /// The number of the job's next checkpoint.
    pub(crate) next: CheckpointId,
}

/// Looks up what to go on from, and gives up for good what is damaged: `found_damaged` by tasks, and what this finds
/// out itself. Also returns the failures that were recorded for that.
pub(crate) async fn restore_point(
    services: &Services,
    cell: &JobCell,
    found_damaged: Vec<(CheckpointId, String)>,
) -> Result<(RestorePoint, Vec<ExceptionId>), StoreError> {
    within(deadlines::STORAGE, async {
        let _lane = cell.storage_lane.lock().await;
        let mut recorded = pass_over(services, cell, found_damaged).await?;
        let LatestCheckpoint { manifest, mut damaged } = services.checkpoints.latest(cell.id).await?;
        let (usable, last) =
            (manifest.as_ref().map(|manifest| manifest.checkpoint), services.store.last_checkpoint(cell.id)?);
        let is_known = |last: &CheckpointId| {
            cell.is_damaged(*last) || damaged.iter().any(|(checkpoint, _)| checkpoint == last)
        };
        if let Some(missing) = last.filter(|last| Some(*last) > usable && !is_known(last)) {
            damaged.push((missing, "its manifest is missing".to_owned()));
        }
        // Before anything is marked: if nothing usable is left, that must still be known after a crash.
        let newest_damaged = damaged.iter().map(|(checkpoint, _)| *checkpoint).max();
        let newest_completed = usable.or(newest_damaged.max(last));
        if let Some(newest) = newest_completed.filter(|newest| Some(*newest) != last) {
            services.store.put_last_checkpoint(cell.id, newest)?;
        }
        recorded.extend(pass_over(services, cell, damaged).await?);
        let next = services.store.next_checkpoint(cell.id)?;
        Ok((RestorePoint { manifest: manifest.map(Box::new), newest_completed, next }, recorded))
    })
    .await
}

/// Takes damaged checkpoints out and says so, once for each.
async fn pass_over(
    services: &Services,
    cell: &JobCell,
    damaged: Vec<(CheckpointId, String)>,
) -> Result<Vec<ExceptionId>, StoreError> {
    let mut recorded = Vec::new();
    for (checkpoint, damage) in damaged {
        services.checkpoints.mark_damaged(cell.id, checkpoint).await?;
        if cell.note_damage(checkpoint) {
            tracing::error!(job = %cell.id, %checkpoint, damage, "a checkpoint is damaged and was passed over");
            let message = format!("checkpoint {checkpoint} is damaged and was passed over: {damage}");
            recorded.push(cell.record_damage(services, message));
        }
    }
    Ok(recorded)
}

/// What a new coordinator goes on from. Damage is left to the next restart to deal with, which finds it, too.
pub(super) async fn stored(services: &Services, cell: &JobCell) -> Result<Stored, StoreError> {
    let (LatestCheckpoint { manifest, damaged }, mut manifests) = within(deadlines::STORAGE, async {
        let _lane = cell.storage_lane.lock().await;
        let latest = services.checkpoints.latest(cell.id).await?;
        Ok((latest, services.checkpoints.list(cell.id).await?))
    })
    .await?;
    manifests.retain(|manifest| damaged.iter().all(|(checkpoint, _)| checkpoint != manifest));
    Ok(Stored {
        next: services.store.next_checkpoint(cell.id)?,
        latest: manifest.map(|manifest| (manifest.checkpoint, manifest.is_final)),
        manifests,
    })
}

/// Removes all checkpoints of a job.
pub(crate) async fn delete_job(services: &Services, cell: &JobCell) -> Result<(), StoreError> {
    within(deadlines::DELETION, async {
        let _lane = cell.storage_lane.lock().await;
        services.checkpoints.delete_job(cell.id).await
    })
    .await
}
