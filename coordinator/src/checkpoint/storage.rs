//! The checkpoint store, one operation of a job at a time and none without a deadline.
//!
//! A job's writes and reads queue on its lane, which outlives its actors: whoever asks for the newest checkpoint
//! waits for a write that a dead coordinator left behind, and so cannot miss what became durable.

use std::{future::Future, pin::pin};

use headwater_core::{
    checkpoint::Manifest,
    store::{LatestCheckpoint, StoreError},
};
use tokio::time::timeout;

use super::lifecycle::{Stored, WriteOutcome};
use crate::{deadlines, job::cell::JobCell, services::Services};

async fn within_deadline<T>(operation: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    timeout(deadlines::STORAGE, operation).await.unwrap_or_else(|_| Err(StoreError(no_answer())))
}

fn no_answer() -> String {
    format!("no answer from the checkpoint store within {} ms", deadlines::STORAGE.as_millis())
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
    let mut writing = pin!(write_or_remove(services, manifest));
    match timeout(deadlines::STORAGE, &mut writing).await {
        Ok(outcome) => report(outcome),
        Err(_) => {
            report(WriteOutcome::Unknown(no_answer()));
            let outcome = writing.await;
            tracing::warn!(job = %cell.id, ?outcome, "a manifest's write has ended after its deadline");
        }
    }
}

async fn write_or_remove(services: &Services, manifest: Manifest) -> WriteOutcome {
    let (job, checkpoint) = (manifest.job, manifest.checkpoint);
    let Err(error) = services.checkpoints.write_manifest(manifest).await else {
        return WriteOutcome::Written;
    };
    match services.checkpoints.delete(job, checkpoint).await {
        Ok(()) => WriteOutcome::Failed(error.to_string()),
        Err(also) => WriteOutcome::Unknown(format!("{error}; nor could it be removed: {also}")),
    }
}

/// The newest usable checkpoint of a job.
pub(crate) async fn latest(services: &Services, cell: &JobCell) -> Result<LatestCheckpoint, StoreError> {
    let found = within_deadline(async {
        let _lane = cell.storage_lane.lock().await;
        services.checkpoints.latest(cell.id).await
    })
    .await?;
    report_damage(services, cell, &found);
    Ok(found)
}

/// What a new coordinator goes on from.
pub(super) async fn stored(services: &Services, cell: &JobCell) -> Result<Stored, StoreError> {
    let latest = latest(services, cell).await?.manifest;
    let manifests = within_deadline(services.checkpoints.list(cell.id)).await?;
    Ok(Stored {
        next: services.store.next_checkpoint(cell.id)?,
        latest: latest.map(|manifest| (manifest.checkpoint, manifest.is_final)),
        manifests,
    })
}

/// Removes all checkpoints of a job.
pub(crate) async fn delete_job(services: &Services, cell: &JobCell) -> Result<(), StoreError> {
    within_deadline(async {
        let _lane = cell.storage_lane.lock().await;
        services.checkpoints.delete_job(cell.id).await
    })
    .await
}

fn report_damage(services: &Services, cell: &JobCell, found: &LatestCheckpoint) {
    for (checkpoint, damage) in &found.damaged {
        if cell.is_new_damage(*checkpoint) {
            tracing::error!(job = %cell.id, %checkpoint, damage, "a checkpoint is damaged and was passed over");
            let message = format!("checkpoint {checkpoint} is damaged and was passed over: {damage}");
            cell.record_damage(services, message);
        }
    }
}
