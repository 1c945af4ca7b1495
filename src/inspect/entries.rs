//! Pages of entries.

use std::{
    fmt::Write,
    time::{Duration, Instant},
};

use headwater_api::{
    EntriesQuery, InspectError,
    dto::{StateEntries, StateEntry},
};
use headwater_coordinator::view::JobDetails;
use headwater_core::{
    checkpoint::Manifest,
    codec,
    graph::JobVertex,
    ids::CheckpointId,
    key_group::{key_group, key_groups_of, subtask_of},
    secret::HIDDEN,
    shown::{Json, Redaction, Shown},
};
use headwater_state::look::{Entry, KeyMatch, KeyedSnapshot, Position, StateDescription, StateQuery};
use serde::{Deserialize, Serialize};

use super::{
    Lookable,
    checkpoint::{Code, OPERATOR_STATE, manifest_of, snapshots_of},
    operator_state, unreadable,
};

/// At most so many bytes of JSON of a key or a value.
pub(super) const VALUE_BYTES_MAX: usize = 16 << 10;

/// At most about so many bytes of state are read into a page.
const PAGE_BYTES_MAX: usize = 1 << 20;

/// A page takes no longer than this, however many entries were found by then.
const READ_TIME_MAX: Duration = Duration::from_secs(5);

/// How many bytes are shown of what cannot be decoded.
const HEX_BYTES_MAX: usize = 1 << 10;

/// Where the next page begins: in the same checkpoint.
#[derive(Serialize, Deserialize)]
struct Cursor {
    checkpoint: CheckpointId,
    after: After,
}

#[derive(Serialize, Deserialize)]
enum After {
    Entry(Position),
    /// So many parts of state without keys.
    Parts(u64),
}

impl Cursor {
    fn read(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
        let bytes: Option<Vec<u8>> = digits.chunks(2).map(byte).collect();
        codec::decode(&bytes?).ok()
    }

    fn write(&self) -> Result<String, InspectError> {
        let bytes = codec::encode(self).map_err(|error| InspectError::Unreadable(error.to_string()))?;
        Ok(digits(&bytes))
    }
}

fn digits(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut digits, byte| {
        write!(digits, "{byte:02x}").expect("a String takes everything");
        digits
    })
}

/// Bytes that cannot be decoded. What is to be redacted cannot be found in them.
pub(super) fn hex(bytes: &[u8], reason: &str, redaction: &Redaction) -> Shown {
    if redaction.has_names() {
        let note = format!(
            "its {} bytes are not shown, since there are fields to be redacted: {reason}",
            bytes.len()
        );
        return Shown { json: format!("\"{HIDDEN}\""), note: Some(note) };
    }
    let shown = &bytes[..bytes.len().min(HEX_BYTES_MAX)];
    let cut = if shown.len() < bytes.len() { format!(", of {} bytes", bytes.len()) } else { String::new() };
    let json = serde_json::Value::from(format!("0x{}", digits(shown))).to_string();
    Shown { json, note: Some(format!("shown as bytes{cut}: {reason}")) }
}

/// Reads a page.
pub(super) fn page(
    look: &Lookable,
    details: &JobDetails,
    query: &EntriesQuery,
    redaction: &Redaction,
) -> Result<StateEntries, InspectError> {
    let bad = |parameter, reason: &str| InspectError::BadParameter { parameter, reason: reason.to_owned() };
    let cursor = match &query.after {
        Some(text) => Some(Cursor::read(text).ok_or_else(|| bad("after", "expected the `next` of a page"))?),
        None => None,
    };
    let of_cursor = cursor.as_ref().map(|cursor| cursor.checkpoint);
    if let (Some(wanted), Some(of_cursor)) = (query.checkpoint, of_cursor)
        && wanted != of_cursor
    {
        return Err(bad("after", &format!("expected the `next` of a page of checkpoint {wanted}")));
    }
    let vertex = details.graph.vertices.iter().find(|vertex| vertex.id == query.vertex).ok_or_else(|| {
        let known = details.graph.vertices.iter().map(|vertex| format!("`{}`", vertex.id));
        InspectError::UnknownVertex {
            job: query.job,
            vertex: query.vertex,
            known: known.collect::<Vec<_>>().join(", "),
        }
    })?;
    let manifest = manifest_of(look, query.job, query.checkpoint.or(of_cursor))?;
    let request = Request { look, details, query, redaction, manifest: &manifest, vertex };
    let (entries, after) = match cursor.map(|cursor| cursor.after) {
        None if query.state == OPERATOR_STATE => request.operator_state(0),
        Some(After::Parts(after)) if query.state == OPERATOR_STATE => request.operator_state(after),
        None => request.keyed(None)?,
        Some(After::Entry(after)) if query.state != OPERATOR_STATE => request.keyed(Some(after))?,
        Some(_) => return Err(bad("after", "expected the `next` of a page of this state")),
    };
    let checkpoint = manifest.checkpoint;
    let next = after.map(|after| Cursor { checkpoint, after }.write()).transpose()?;
    Ok(StateEntries { checkpoint: checkpoint.0, entries, next })
}

struct Request<'a> {
    look: &'a Lookable,
    details: &'a JobDetails,
    query: &'a EntriesQuery,
    redaction: &'a Redaction,
    manifest: &'a Manifest,
    vertex: &'a JobVertex,
}

type Found = (Vec<StateEntry>, Option<After>);

impl Request<'_> {
    fn operator_state(&self, after: u64) -> Found {
        let code = Code::of(self.look, self.details);
        let snapshots = snapshots_of(self.manifest, self.vertex);
        let parts = snapshots.into_iter().flat_map(|(subtask, snapshot)| {
            code.operator_state(self.vertex, snapshot).into_iter().map(move |part| (subtask, part))
        });
        let wanted = parts.filter(|(_, part)| self.query.key.as_ref().is_none_or(|key| *key == part.name));
        let mut rest = wanted.skip(usize::try_from(after).unwrap_or(usize::MAX)).peekable();
        let entries: Vec<StateEntry> = rest
            .by_ref()
            .take(self.query.limit)
            .map(|(subtask, part)| operator_state::entry(part, subtask, self.redaction))
            .collect();
        let next = rest.peek().map(|_| After::Parts(after + entries.len() as u64));
        (entries, next)
    }

    fn keyed(&self, after: Option<Position>) -> Result<Found, InspectError> {
        let Self { look, details, query, manifest, vertex, .. } = self;
        let deadline = Instant::now() + READ_TIME_MAX;
        let descriptions = Code::of(look, details).descriptions(look, details, vertex);
        let (description, why_not) = match &descriptions {
            Ok(known) => (known.iter().find(|state| state.name == query.state), "no operator registers it"),
            Err(reason) => (None, reason.as_str()),
        };
        let key = self.key(description, why_not)?;
        let snapshots = snapshots_of(manifest, vertex);
        let parallelism = snapshots.len() as u32;
        let owner = |group| subtask_of(group, parallelism, manifest.max_parallelism);
        let of_key = key.as_ref().map(|key| owner(key_group(key.hash, manifest.max_parallelism)));
        let first = of_key.or(after.as_ref().map(|after| owner(after.group))).unwrap_or(0);
        let last = of_key.unwrap_or(u32::MAX);
        let mut entries = Vec::new();
        let mut is_known = description.is_some();
        let mut names = Vec::new();
        for (subtask, snapshot) in snapshots.range(first..=last) {
            let Some(handle) = &snapshot.keyed_state else { continue };
            if Instant::now() >= deadline {
                let group = key_groups_of(*subtask, parallelism, manifest.max_parallelism).start;
                let before_it = Position { group, namespace: i64::MIN, key: Vec::new() };
                return Ok((entries, Some(After::Entry(before_it))));
            }
            let opened = KeyedSnapshot::open(&look.state, query.job, manifest.checkpoint, handle);
            let opened = opened.map_err(|error| self.failed(error))?;
            names = opened.states().map(str::to_owned).collect();
            is_known |= names.contains(&query.state);
            let page = opened.page(&StateQuery {
                state: &query.state,
                description,
                key: key.as_ref(),
                after: after.as_ref(),
                limit: query.limit - entries.len(),
                bytes_max: PAGE_BYTES_MAX,
                deadline,
            });
            let page = page.map_err(|error| self.failed(error))?;
            entries
                .extend(page.entries.iter().map(|entry| self.shown(entry, *subtask, description, why_not)));
            if let Some(read_up_to) = page.read_up_to {
                return Ok((entries, Some(After::Entry(read_up_to))));
            }
        }
        if !is_known {
            return Err(self.unknown_state(names));
        }
        Ok((entries, None))
    }

    fn key(
        &self,
        description: Option<&StateDescription>,
        why_not: &str,
    ) -> Result<Option<KeyMatch>, InspectError> {
        let Some(key) = &self.query.key else { return Ok(None) };
        let found = match description {
            Some(description) => description.form.find(key),
            None => Err(format!("no key can be looked up in `{}`: {why_not}", self.query.state)),
        };
        found.map(Some).map_err(|reason| InspectError::BadParameter { parameter: "key", reason })
    }

    fn unknown_state(&self, mut names: Vec<String>) -> InspectError {
        names.push(OPERATOR_STATE.to_owned());
        InspectError::UnknownState {
            vertex: self.query.vertex,
            state: self.query.state.clone(),
            checkpoint: self.manifest.checkpoint,
            known: names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
        }
    }

    /// Checkpoints are removed when newer ones are completed, also one that is being read.
    fn failed(&self, error: headwater_state::StateError) -> InspectError {
        let (job, checkpoint) = (self.query.job, self.manifest.checkpoint);
        match self.look.checkpoints.manifest(job, checkpoint) {
            Ok(None) => InspectError::UnknownCheckpoint(format!(
                "checkpoint {checkpoint} of job {job} was removed while it was read: look at a newer one"
            )),
            _ => unreadable(error),
        }
    }

    fn shown(
        &self,
        entry: &Entry,
        subtask: u32,
        description: Option<&StateDescription>,
        why_not: &str,
    ) -> StateEntry {
        let Entry { position: Position { group, namespace, key }, value, is_undivided } = entry;
        let redaction = self.redaction;
        let (shown_key, shown_value) = match description {
            Some(StateDescription { form, .. }) => (
                form.show_key(key, redaction, VALUE_BYTES_MAX)
                    .unwrap_or_else(|why| hex(key, &why, redaction)),
                form.show_value(key, value, redaction, VALUE_BYTES_MAX)
                    .unwrap_or_else(|why| hex(value, &why, redaction)),
            ),
            None if *is_undivided => {
                let why = format!("its entries cannot be told apart, {why_not}");
                (Shown { json: "null".to_owned(), note: None }, hex(value, &why, redaction))
            }
            None => (hex(key, why_not, redaction), hex(value, why_not, redaction)),
        };
        let namespace = match description.and_then(|description| description.namespace.as_ref()) {
            Some(show) => serde_json::from_value(show(*namespace)).unwrap_or(Json::Null),
            None if *namespace == 0 || description.is_some() => Json::Null,
            None => Json::Number((*namespace).into()),
        };
        let note = [("key", &shown_key.note), ("value", &shown_value.note)]
            .into_iter()
            .filter_map(|(part, note)| Some(format!("{part}: {}", note.as_ref()?)))
            .collect::<Vec<_>>()
            .join("; ");
        StateEntry {
            key: shown_key.read(),
            namespace,
            value: shown_value.read(),
            key_group: Some(*group),
            subtask,
            note: (!note.is_empty()).then_some(note),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_not_shown_where_fields_are_to_be_redacted() {
        let shown = hex(b"Smith", "no code", &Redaction::default());
        assert_eq!(
            (shown.json.as_str(), shown.note.unwrap().as_str()),
            ("\"0x536d697468\"", "shown as bytes: no code")
        );
        let shown = hex(b"Smith", "no code", &Redaction::new(["name"]));
        assert_eq!(shown.json, "\"******\"");
        assert_eq!(
            shown.note.unwrap(),
            "its 5 bytes are not shown, since there are fields to be redacted: no code"
        );
    }
}
