//! Looks into jobs of the fake.

use futures::{FutureExt, StreamExt, stream};
use headwater_api::{
    EntriesQuery, InspectError, Inspector, Looked, TapStream,
    dto::{JobState, RetainedCheckpoint, StateEntries, StateEntry, StateInfo, VertexState},
};
use headwater_coordinator::tap::{TapError, TapEvent, TapRequest};
use headwater_core::{
    ids::{CheckpointId, JobId},
    shown::{Json, Redaction, show_json},
    tap::{TapReport, TapSample},
    time::{Clock, SystemClock},
};
use tokio::time::{Duration, sleep};

use super::Fake;

const CHECKPOINT: u64 = 40;
const ENTRIES: usize = 120;

impl Inspector for Fake {
    fn tap(&self, request: TapRequest) -> Looked<'_, TapStream> {
        async move {
            let details = headwater_api::ControlPlane::job(self, request.job).await?;
            if details.summary.status.is_terminal() {
                return Err(TapError::Ended(request.job).into());
            }
            let known = details.graph.vertices.iter().map(|vertex| format!("`{}`", vertex.id));
            if details.graph.vertices.iter().all(|vertex| vertex.id != request.vertex) {
                let known = known.collect::<Vec<_>>().join(", ");
                return Err(
                    TapError::UnknownVertex { job: request.job, vertex: request.vertex, known }.into()
                );
            }
            let event = |number: u64| async move {
                if number > 0 {
                    sleep(Duration::from_millis(20)).await;
                }
                Some((TapEvent::Report(report(number, &request)), number + 1))
            };
            Ok(stream::unfold(0, move |number| event.clone()(number)).boxed_local())
        }
        .boxed_local()
    }

    fn states(&self, job: JobId, checkpoint: Option<CheckpointId>) -> Looked<'_, JobState> {
        async move {
            headwater_api::ControlPlane::job(self, job).await?;
            let checkpoint = found(checkpoint)?;
            let state = |name: &str, kind: &str, key: Option<&str>| StateInfo {
                name: name.to_owned(),
                kind: kind.to_owned(),
                key_type: key.map(str::to_owned),
                value_type: key.map(|_| "u64".to_owned()),
                note: None,
            };
            let vertices = vec![VertexState {
                vertex: "v1".to_owned(),
                name: "Counts".to_owned(),
                keyed_bytes: 4_096,
                states: vec![
                    state("counts", "window", Some("String")),
                    state("operator-state", "operator", None),
                ],
            }];
            let checkpoints = [CHECKPOINT, CHECKPOINT - 1]
                .map(|id| RetainedCheckpoint { id, triggered_at_ms: SystemClock.now_ms() });
            Ok(JobState { checkpoint, checkpoints: checkpoints.to_vec(), vertices })
        }
        .boxed_local()
    }

    fn entries(&self, query: EntriesQuery) -> Looked<'_, StateEntries> {
        async move {
            headwater_api::ControlPlane::job(self, query.job).await?;
            let checkpoint = found(query.checkpoint)?;
            if query.state != "counts" {
                return Err(InspectError::UnknownState {
                    vertex: query.vertex,
                    state: query.state,
                    checkpoint: CheckpointId(checkpoint),
                    known: "`counts`".to_owned(),
                });
            }
            let start: usize =
                query.after.as_deref().map_or(Ok(0), str::parse).map_err(|_| InspectError::BadParameter {
                    parameter: "after",
                    reason: "expected the `next` of a page".to_owned(),
                })?;
            let wanted = |word: &String| query.key.as_ref().is_none_or(|key| key == word);
            let words: Vec<String> = (0..ENTRIES).map(|n| format!("word-{n}")).filter(wanted).collect();
            let end = start.saturating_add(query.limit).min(words.len());
            let entries = words[start.min(end)..end].iter().map(|word| entry(word)).collect();
            Ok(StateEntries { checkpoint, entries, next: (end < words.len()).then(|| end.to_string()) })
        }
        .boxed_local()
    }
}

fn found(checkpoint: Option<CheckpointId>) -> Result<u64, InspectError> {
    match checkpoint.map_or(CHECKPOINT, |checkpoint| checkpoint.0) {
        found @ (CHECKPOINT | 39) => Ok(found),
        other => Err(InspectError::UnknownCheckpoint(format!("there is no checkpoint {other}"))),
    }
}

fn entry(word: &str) -> StateEntry {
    StateEntry {
        key: Json::Text(word.to_owned()),
        namespace: Json::Object(vec![("start_ms".to_owned(), Json::Number(0.into()))]),
        value: Json::Number(word.len().into()),
        key_group: Some(7),
        subtask: 0,
        note: None,
    }
}

fn report(number: u64, request: &TapRequest) -> TapReport {
    let json = format!(r#"{{"word":"lorem","count":{number},"token":"t","email":"a@b.example"}}"#);
    let sample = TapSample {
        at_ms: SystemClock.now_ms(),
        subtask: 0,
        attempt: 2,
        to: None,
        timestamp_ms: Some(1_000),
        kind: Some("+I".to_owned()),
        value: show_json(json.as_bytes(), &request.redaction.and(&Redaction::default()), 4_096),
    };
    let lost = if number == 1 { 3 } else { 0 };
    TapReport { samples: vec![sample], passed: 100, lost }
}
