//! What those who look into a checkpoint are told of the states of operators: keys and rows as columns by their names.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use arrow::{
    array::RecordBatch,
    datatypes::{Schema, SchemaRef},
    json::ReaderBuilder,
};
use headwater_core::{
    codec,
    shown::{Redaction, Shown, show_json},
};
use headwater_state::look::{EntryForm, KeyMatch, StateDescription, StateKind, TimersOf};
use serde_json::{Map, Value, json};

use crate::{
    batch::rows_of,
    rows::{RowBytes, RowCodec, hash_bytes},
    shown::json_of_row,
};

/// Shows an encoded value, as JSON.
pub(crate) type ShowValue = Box<dyn Fn(&[u8]) -> Result<Vec<u8>, String> + Send + Sync>;

/// How keys are found in the keys of a state.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyPlace {
    /// They are those.
    Whole,
    /// Behind each is the number of a chunk, which takes four bytes.
    BeforeNumber,
}

const NUMBER_BYTES: usize = 4;

/// The columns of a key.
struct KeyColumns {
    schema: SchemaRef,
    codec: RowCodec,
}

/// Keys with their columns, and values as the operator shows them.
struct RowForm {
    keys: KeyColumns,
    place: KeyPlace,
    value_type: Option<String>,
    value: Option<ShowValue>,
    /// Shows what the operator does not.
    typed: Arc<dyn EntryForm>,
}

/// Describes a state by the columns of its keys, and by how its values are shown: what they are, and a function.
pub(crate) fn describe(
    state: &mut StateDescription,
    input: &SchemaRef,
    keys: &[usize],
    place: KeyPlace,
    value: Option<(String, ShowValue)>,
) {
    // Without it, bytes are shown.
    let Ok(keys) = KeyColumns::new(input, keys) else { return };
    let (value_type, value) = value.unzip();
    let form = RowForm { keys, place, value_type, value, typed: state.form.clone() };
    state.form = match state.kind {
        StateKind::Timers => Arc::new(TimersOf(Arc::new(form))),
        _ => Arc::new(form),
    };
}

/// Describes a state whose namespaces are the ends of slices so long, of which windows are made; or, without a length, of windows.
pub(crate) fn describe_windows(state: &mut StateDescription, slice_ms: Option<i64>) {
    state.kind = StateKind::Window;
    state.namespace = Some(Arc::new(move |end: i64| match slice_ms {
        Some(length) => json!({ "slice_start_ms": end.saturating_sub(length), "slice_end_ms": end }),
        None => json!({ "end_ms": end }),
    }));
}

/// The names of columns with their types.
pub(crate) fn names_of(schema: &Schema) -> String {
    let columns = schema.fields().iter().map(|field| format!("{} {}", field.name(), field.data_type()));
    format!("({})", columns.collect::<Vec<_>>().join(", "))
}

/// Decodes what may not be what it is taken for: `None` if Arrow panics, as it does at rows that it has not made.
pub(crate) fn guarded<T>(decode: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(decode)).ok()
}

fn failed(error: impl std::fmt::Display) -> String {
    error.to_string()
}

impl KeyColumns {
    fn new(input: &SchemaRef, keys: &[usize]) -> Result<Self, String> {
        let schema = Arc::new(input.project(keys).map_err(failed)?);
        let types = schema.fields().iter().map(|field| field.data_type().clone());
        let codec = RowCodec::new(types).map_err(failed)?;
        Ok(Self { schema, codec })
    }

    fn json(&self, key: &[u8]) -> Result<Vec<u8>, String> {
        if self.schema.fields().is_empty() {
            return Ok(b"{}".to_vec());
        }
        let columns = guarded(|| self.codec.decode([key]).map_err(failed))
            .unwrap_or_else(|| Err("it is no key of these columns".to_owned()))?;
        json_of_row(&rows_of(self.schema.clone(), columns, 1).map_err(failed)?)
    }

    /// Reads a key as people write it: an object with the columns, an array of them, or if it is one column, its value.
    fn parse(&self, text: &str) -> Result<Vec<u8>, String> {
        let fields = self.schema.fields();
        let names = || names_of(&self.schema);
        let written: Value = serde_json::from_str(text).unwrap_or_else(|_| Value::from(text));
        let object: Map<String, Value> = match written {
            Value::Object(object) => object,
            Value::Array(values) if values.len() == fields.len() => {
                fields.iter().map(|field| field.name().clone()).zip(values).collect()
            }
            value if fields.len() == 1 => Map::from_iter([(fields[0].name().clone(), value)]),
            _ => return Err(format!("expected a JSON object with the columns {}, found `{text}`", names())),
        };
        let known = |name: &String| fields.iter().any(|field| field.name() == name);
        let missing = fields.iter().any(|field| !object.contains_key(field.name()));
        if missing || !object.keys().all(known) {
            return Err(format!("expected the columns {}, found `{text}`", names()));
        }
        if fields.is_empty() {
            return Ok(Vec::new());
        }
        let json = Value::Object(object).to_string();
        let wrong = |error: &dyn std::fmt::Display| format!("expected {}, found `{text}`: {error}", names());
        let mut reader = ReaderBuilder::new(self.schema.clone())
            .with_coerce_primitive(true)
            .build(json.as_bytes())
            .map_err(|error| wrong(&error))?;
        let rows: RecordBatch = reader.next().ok_or_else(names)?.map_err(|error| wrong(&error))?;
        let encoded = self.codec.encode(rows.columns()).map_err(failed)?;
        Ok(encoded.row(0).data().to_vec())
    }
}

impl RowForm {
    fn shown(
        json: Result<Vec<u8>, String>,
        redaction: &Redaction,
        bytes_max: usize,
    ) -> Result<Shown, String> {
        json.map(|json| show_json(&json, redaction, bytes_max))
    }
}

impl EntryForm for RowForm {
    fn key_type(&self) -> String {
        names_of(&self.keys.schema)
    }

    fn value_type(&self) -> String {
        self.value_type.clone().unwrap_or_else(|| self.typed.value_type())
    }

    fn show_key(&self, key: &[u8], redaction: &Redaction, bytes_max: usize) -> Result<Shown, String> {
        let bytes: RowBytes = codec::decode(key).map_err(failed)?;
        let bytes = bytes.as_slice();
        let json = match self.place {
            KeyPlace::Whole => self.keys.json(bytes),
            KeyPlace::BeforeNumber => {
                let (key, number) = bytes.split_last_chunk::<NUMBER_BYTES>().ok_or("a key is cut short")?;
                self.keys.json(key).map(|key| {
                    let key = String::from_utf8_lossy(&key);
                    format!(r#"{{"key":{key},"chunk":{}}}"#, u32::from_le_bytes(*number)).into_bytes()
                })
            }
        };
        Self::shown(json, redaction, bytes_max)
    }

    fn show_value(
        &self,
        key: &[u8],
        value: &[u8],
        redaction: &Redaction,
        bytes_max: usize,
    ) -> Result<Shown, String> {
        match &self.value {
            Some(show) => Self::shown(show(value), redaction, bytes_max),
            None => self.typed.show_value(key, value, redaction, bytes_max),
        }
    }

    fn find(&self, key: &str) -> Result<KeyMatch, String> {
        let bytes = self.keys.parse(key)?;
        let hash = hash_bytes(&bytes);
        if self.place == KeyPlace::Whole {
            let encoded = codec::encode(&RowBytes::from(bytes.as_slice())).map_err(failed)?;
            return Ok(KeyMatch::exact(hash, encoded));
        }
        let is_match = move |encoded: &[u8]| {
            let found: Result<RowBytes, _> = codec::decode(encoded);
            found.is_ok_and(|found| {
                found.as_slice().split_last_chunk::<NUMBER_BYTES>().is_some_and(|(key, _)| key == bytes)
            })
        };
        Ok(KeyMatch { hash, is_match: Box::new(is_match) })
    }
}
