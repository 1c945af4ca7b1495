//! Which checkpoints a job has, and what its vertices keep in them.

use std::collections::BTreeMap;

use headwater_actors::{context::TaskContext, operator::JobCode};
use headwater_api::{
    InspectError,
    dto::{JobState, RetainedCheckpoint, StateInfo, VertexState},
};
use headwater_coordinator::view::JobDetails;
use headwater_core::{
    checkpoint::{Manifest, SubtaskSnapshot},
    graph::JobVertex,
    ids::{CheckpointId, JobId},
};
use headwater_state::look::{KeyedSnapshot, StateDescription};

use super::{Lookable, operator_state, unreadable};

/// Where a vertex's state without keys is found.
pub(super) const OPERATOR_STATE: &str = "operator-state";

/// The manifest of a checkpoint, by default the last one, which must be there.
pub(super) fn manifest_of(
    look: &Lookable,
    job: JobId,
    wanted: Option<CheckpointId>,
) -> Result<Manifest, InspectError> {
    let retained = look.checkpoints.retained(job).map_err(unreadable)?;
    let Some(checkpoint) = wanted.or(retained.last().copied()) else {
        let reason =
            format!("job {job} has no completed checkpoint that is kept: there is no state to look at");
        return Err(InspectError::UnknownCheckpoint(reason));
    };
    look.checkpoints.manifest(job, checkpoint).map_err(unreadable)?.ok_or_else(|| {
        let kept = retained.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let kept = if kept.is_empty() { "none".to_owned() } else { kept };
        InspectError::UnknownCheckpoint(format!(
            "job {job} has no checkpoint {checkpoint}, or not any more: kept are {kept}"
        ))
    })
}

/// What the subtasks of a vertex acknowledged, by index.
pub(super) fn snapshots_of<'a>(
    manifest: &'a Manifest,
    vertex: &JobVertex,
) -> BTreeMap<u32, &'a SubtaskSnapshot> {
    let of_vertex = manifest.subtasks.iter().filter(|((uid, _), _)| *uid == vertex.uid);
    of_vertex.map(|((_, index), snapshot)| (*index, snapshot)).collect()
}

/// The job's code, and what its operators say of their states. Without the code, or if an operator does not open here, why.
pub(super) struct Code {
    code: Result<std::sync::Arc<dyn JobCode>, String>,
}

impl Code {
    pub(super) fn of(look: &Lookable, details: &JobDetails) -> Self {
        let code = look.code.resolve(&details.spec).map_err(|error| error.to_string());
        let code = code.and_then(|code| match code.graph() == &details.graph {
            true => Ok(code),
            false => Err("the program is another one than that which the job runs".to_owned()),
        });
        Self { code }
    }

    pub(super) fn descriptions(
        &self,
        look: &Lookable,
        details: &JobDetails,
        vertex: &JobVertex,
    ) -> Result<Vec<StateDescription>, String> {
        let code = self.code.as_ref().map_err(String::clone)?;
        let (state, recorded) = look.state.recording();
        let (job, options) = (details.summary.id, details.spec.options.clone());
        let context = TaskContext::to_describe(job, vertex.clone(), options, look.data_dir.clone(), state);
        code.describe(vertex.id, &context).map_err(|error| error.to_string())?;
        Ok(recorded.take())
    }

    pub(super) fn operator_state(
        &self,
        vertex: &JobVertex,
        snapshot: &SubtaskSnapshot,
    ) -> Vec<headwater_actors::look::StatePart> {
        match &self.code {
            Ok(code) => code.show_operator_state(vertex.id, snapshot),
            Err(_) => operator_state::undivided(snapshot),
        }
    }
}

/// What a job keeps.
pub(super) fn states(
    look: &Lookable,
    details: &JobDetails,
    wanted: Option<CheckpointId>,
) -> Result<JobState, InspectError> {
    let job = details.summary.id;
    let manifest = manifest_of(look, job, wanted)?;
    let code = Code::of(look, details);
    let mut vertices = Vec::new();
    for vertex in &details.graph.vertices {
        let snapshots = snapshots_of(&manifest, vertex);
        let handles = || snapshots.values().filter_map(|snapshot| snapshot.keyed_state.as_ref());
        let mut states = Vec::new();
        if let Some(first) = handles().next() {
            match code.descriptions(look, details, vertex) {
                Ok(descriptions) => states.extend(descriptions.iter().map(info_of)),
                Err(reason) => {
                    let opened = KeyedSnapshot::open(&look.state, job, manifest.checkpoint, first);
                    let opened = opened.map_err(unreadable)?;
                    states.extend(opened.states().map(|name| unknown_info(name, &reason)));
                }
            }
        }
        let has_parts = |snapshot: &&SubtaskSnapshot| !code.operator_state(vertex, snapshot).is_empty();
        if snapshots.values().any(has_parts) {
            states.push(operator_info());
        }
        if !states.is_empty() {
            let keyed_bytes = handles().map(|handle| handle.bytes()).sum();
            vertices.push(VertexState {
                vertex: vertex.id.to_string(),
                name: vertex.name.clone(),
                keyed_bytes,
                states,
            });
        }
    }
    Ok(JobState { checkpoint: manifest.checkpoint.0, checkpoints: retained(look, job)?, vertices })
}

fn retained(look: &Lookable, job: JobId) -> Result<Vec<RetainedCheckpoint>, InspectError> {
    let mut checkpoints = Vec::new();
    for checkpoint in look.checkpoints.retained(job).map_err(unreadable)?.into_iter().rev() {
        // One that is damaged, or gone since it was listed, cannot be looked at.
        if let Ok(Some(manifest)) = look.checkpoints.manifest(job, checkpoint) {
            let triggered_at_ms = manifest.triggered_at_ms;
            checkpoints.push(RetainedCheckpoint { id: checkpoint.0, triggered_at_ms });
        }
    }
    Ok(checkpoints)
}

fn info_of(state: &StateDescription) -> StateInfo {
    StateInfo {
        name: state.name.clone(),
        kind: state.kind.as_str().to_owned(),
        key_type: Some(state.form.key_type()),
        value_type: Some(state.form.value_type()),
        note: None,
    }
}

fn unknown_info(name: &str, reason: &str) -> StateInfo {
    StateInfo {
        name: name.to_owned(),
        kind: "value".to_owned(),
        key_type: None,
        value_type: None,
        note: Some(format!("shown as bytes, since the types are not known: {reason}")),
    }
}

fn operator_info() -> StateInfo {
    StateInfo {
        name: OPERATOR_STATE.to_owned(),
        kind: "operator".to_owned(),
        key_type: None,
        value_type: None,
        note: None,
    }
}
