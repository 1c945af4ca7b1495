//! One input of a join: its keys, and its rows as bytes.

use std::ops::Range;

use arrow::{
    array::{Array, ArrayRef, RecordBatch, TimestampMicrosecondArray, TimestampMillisecondArray},
    buffer::NullBuffer,
    compute::cast,
    datatypes::{DataType, SchemaRef, TimeUnit},
};
use headwater_actors::context::TaskError;
use headwater_core::time::TimestampMs;
use headwater_state::look::StateDescription;

use super::{
    JoinSpec, LEFT,
    keyed_rows::KeyRef,
    packed::{Chunk, Layout},
};
use crate::{
    batch::{ChangeBatch, RowKind, rows_of},
    compact::{CompactCodec, CompactRows},
    look::{self, KeyPlace, ShowValue},
    operator::failed,
    rows::{KeyExtractor, Keys},
    shown::json_of_row,
};

/// How the rows of an input are read.
pub(super) struct Side {
    schema: SchemaRef,
    extractor: KeyExtractor,
    codec: CompactCodec,
    null_equals_null: bool,
}

impl Side {
    pub(super) fn new(spec: &JoinSpec, input: usize) -> Result<Self, TaskError> {
        let schema = spec.inputs[input].clone();
        let extractor = KeyExtractor::new(&schema, spec.key_columns(input)).map_err(failed)?;
        let types = schema.fields().iter().map(|field| field.data_type().clone());
        let codec = CompactCodec::new(types).map_err(failed)?;
        Ok(Self { schema, extractor, codec, null_equals_null: spec.null_equals_null })
    }

    /// Tells how the rows look that are kept of this input.
    pub(super) fn describe(&self, state: &mut StateDescription, layout: Layout) {
        let schema = self.schema.clone();
        let show = move |bytes: &[u8]| show_chunk(bytes, &schema, layout);
        let value = (format!("rows of {}", look::names_of(&self.schema)), Box::new(show) as ShowValue);
        look::describe(state, &self.schema, self.extractor.columns(), KeyPlace::BeforeNumber, Some(value));
    }

    /// The keys of a batch, whose hashes are taken out of it.
    pub(super) fn keys(&self, batch: &mut ChangeBatch) -> Result<RowKeys, TaskError> {
        let hashes = std::mem::take(&mut batch.hashes);
        let keys = self.extractor.keys(&batch.rows, hashes).map_err(failed)?;
        Ok(RowKeys { keys, nulls: self.nulls(&batch.rows) })
    }

    /// Which keys hold a null and so match nothing: those that are not valid.
    fn nulls(&self, rows: &RecordBatch) -> Option<NullBuffer> {
        if self.null_equals_null {
            return None;
        }
        let columns = self.extractor.columns().iter();
        columns.fold(None, |nulls, column| {
            NullBuffer::union(nulls.as_ref(), rows.column(*column).logical_nulls().as_ref())
        })
    }

    /// The rows as bytes.
    pub(super) fn encode(&self, rows: &RecordBatch) -> Result<CompactRows, TaskError> {
        self.codec.encode(rows.columns(), rows.num_rows()).map_err(failed)
    }

    /// The columns of encoded rows.
    pub(super) fn decode<'a>(
        &self,
        rows: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Vec<ArrayRef>, TaskError> {
        self.codec.decode(rows).map_err(failed)
    }

    /// The columns without a row.
    pub(super) fn no_rows(&self) -> Vec<ArrayRef> {
        self.schema.fields().iter().map(|field| arrow::array::new_empty_array(field.data_type())).collect()
    }
}

/// Shows the rows of an encoded chunk, with what is kept beside each.
fn show_chunk(bytes: &[u8], schema: &SchemaRef, layout: Layout) -> Result<Vec<u8>, String> {
    fn failed(error: impl std::fmt::Display) -> String {
        error.to_string()
    }
    let chunk: Chunk = headwater_core::codec::decode(bytes).map_err(failed)?;
    let codec = CompactCodec::new(schema.fields().iter().map(|field| field.data_type().clone()));
    let codec = codec.map_err(failed)?;
    let mut shown: Vec<u8> = b"[".to_vec();
    for (_, record) in chunk.records(layout) {
        if shown.len() > 1 {
            shown.push(b',');
        }
        let columns = codec.decode([record.row]).map_err(failed)?;
        let row = json_of_row(&rows_of(schema.clone(), columns, 1).map_err(failed)?)?;
        shown.extend_from_slice(br#"{"row":"#);
        shown.extend_from_slice(&row);
        let beside = [
            (layout.count, "times", i64::from(record.count)),
            (layout.matches, "matches", i64::from(record.matches)),
            (layout.time, "time_ms", record.time),
        ];
        for (_, name, value) in beside.into_iter().filter(|(is_kept, ..)| *is_kept) {
            shown.extend_from_slice(format!(r#","{name}":{value}"#).as_bytes());
        }
        shown.push(b'}');
    }
    shown.push(b']');
    Ok(shown)
}

/// The keys of a batch, and which of them can match at all.
pub(super) struct RowKeys {
    keys: Keys,
    nulls: Option<NullBuffer>,
}

impl RowKeys {
    /// The key of a row.
    #[inline]
    pub(super) fn get(&self, row: usize) -> KeyRef<'_> {
        KeyRef { hash: self.keys.hash(row), bytes: self.keys.bytes(row) }
    }

    /// The hashes of the keys of these rows.
    pub(super) fn hashes(&self, rows: Range<usize>) -> &[u64] {
        &self.keys.hashes()[rows]
    }

    /// Whether a row can match at all.
    #[inline]
    pub(super) fn can_match(&self, row: usize) -> bool {
        self.nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row))
    }

    /// The kinds with which what is made of the rows is emitted. Both halves of an update keep theirs only if they lead to the same
    /// number of rows, one for one: `has_same_matches` says whether two rows with one key have the same matches. Otherwise a sink
    /// that only looks at the second half would keep what has gone.
    pub(super) fn output_kinds(&self, batch: &ChangeBatch, has_same_matches: bool) -> Option<Vec<RowKind>> {
        let kinds = batch.kinds.as_ref()?;
        let is_update = |row: usize| {
            has_same_matches
                && row + 1 < kinds.len()
                && kinds[row] == RowKind::UpdateBefore
                && kinds[row + 1] == RowKind::UpdateAfter
                && self.get(row).bytes == self.get(row + 1).bytes
        };
        let kind = |row: usize| match kinds[row] {
            RowKind::UpdateBefore if !is_update(row) => RowKind::Delete,
            RowKind::UpdateAfter if row == 0 || !is_update(row - 1) => RowKind::Insert,
            kind => kind,
        };
        Some((0..kinds.len()).map(kind).collect())
    }
}

/// Event times in milliseconds.
pub(super) fn times_ms(
    rows: &RecordBatch,
    column: usize,
    input: usize,
) -> Result<Vec<TimestampMs>, TaskError> {
    let times = rows.column(column);
    let what = || {
        let side = if input == LEFT { "left" } else { "right" };
        format!("column {:?} of the join's {side} input", rows.schema_ref().field(column).name())
    };
    if times.null_count() > 0 {
        return Err(TaskError::Function(format!("{} is an event time: expected no NULL in it", what())));
    }
    let DataType::Timestamp(_, zone) = times.data_type() else {
        let found = times.data_type();
        return Err(TaskError::Function(format!("{}: expected a timestamp, found {found}", what())));
    };
    if let Some(times) = times.as_any().downcast_ref::<TimestampMillisecondArray>() {
        return Ok(times.values().to_vec());
    }
    if let Some(times) = times.as_any().downcast_ref::<TimestampMicrosecondArray>() {
        return Ok(times.values().iter().map(|time| time.div_euclid(1_000)).collect());
    }
    let millis = cast(times, &DataType::Timestamp(TimeUnit::Millisecond, zone.clone())).map_err(failed)?;
    let millis = millis.as_any().downcast_ref::<TimestampMillisecondArray>();
    Ok(millis.expect("it was cast to this type").values().to_vec())
}
