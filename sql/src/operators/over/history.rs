//! The rows that later rows look back at: their arguments, encoded.

use arrow::{array::ArrayRef, compute::interleave, datatypes::SchemaRef};
use headwater_actors::context::TaskError;
use headwater_core::time::TimestampMs;

use super::{
    call::{Call, Start},
    part::{Part, PastRow},
};
use crate::{
    operator::failed,
    rows::{RowBytes, RowCodec},
};

/// What is kept of a partition's rows.
pub(super) struct History {
    codec: RowCodec,
    keep_rows: usize,
    keep_ms: Option<i64>,
    is_of_time_only: bool,
}

/// The rows that are looked at: for each partition its history, then its new rows.
pub(super) struct AllRows {
    pub times: Vec<TimestampMs>,
    /// The arguments of the calls that look back, one after the other.
    pub columns: Vec<ArrayRef>,
}

impl History {
    pub fn new(calls: &[Call], input: &SchemaRef) -> Result<Self, TaskError> {
        let mut types = Vec::new();
        let (mut keep_rows, mut keep_ms) = (0, None);
        for call in calls {
            let Some(start) = call.looks_back() else { continue };
            for arg in call.args.iter().chain(&call.filter) {
                types.push(arg.data_type(input).map_err(failed)?);
            }
            match start {
                Start::Rows(rows) => keep_rows = keep_rows.max(rows),
                Start::Range { ms } => keep_ms = keep_ms.max(Some(ms)),
                Start::Unbounded => {}
            }
        }
        let is_of_time_only = calls.iter().all(|call| matches!(call.looks_back(), Some(Start::Range { .. })));
        Ok(Self { codec: RowCodec::new(types).map_err(failed)?, keep_rows, keep_ms, is_of_time_only })
    }

    /// If nothing is needed of a partition whose rows are all older than some time: how old.
    pub fn needless_after_ms(&self) -> Option<i64> {
        self.keep_ms.filter(|_| self.is_of_time_only)
    }

    /// Puts each partition's history in front of its new rows. `columns` are the arguments of the calls that look back.
    pub fn join(
        &self,
        parts: &mut [Part],
        columns: &[ArrayRef],
        times: &[TimestampMs],
    ) -> Result<AllRows, TaskError> {
        if parts.iter().all(|part| part.state.history.is_empty()) {
            return Ok(AllRows { times: times.to_vec(), columns: columns.to_vec() });
        }
        let past = parts.iter().flat_map(|part| &part.state.history);
        let past = self.codec.decode(past.map(|row| row.args.as_slice())).map_err(failed)?;
        let (mut places, mut all_times) = (Vec::new(), Vec::new());
        let mut past_rows = 0..;
        for part in parts {
            let begin = places.len();
            places.extend(past_rows.by_ref().take(part.state.history.len()).map(|row| (0, row)));
            places.extend(part.rows.clone().map(|row| (1, row)));
            all_times.extend(part.state.history.iter().map(|row| row.time_ms));
            all_times.extend_from_slice(&times[part.rows.clone()]);
            part.all = begin..places.len();
        }
        let joined = past.iter().zip(columns);
        let columns = joined.map(|(past, new)| interleave(&[past.as_ref(), new.as_ref()], &places));
        Ok(AllRows { times: all_times, columns: columns.collect::<Result<_, _>>().map_err(failed)? })
    }

    /// Adds the new rows to the history, and drops what no later row looks back at.
    pub fn remember(
        &self,
        parts: &mut [Part],
        columns: &[ArrayRef],
        all_times: &[TimestampMs],
    ) -> Result<(), TaskError> {
        if columns.is_empty() {
            return Ok(());
        }
        let encoded = self.codec.encode(columns).map_err(failed)?;
        for part in parts {
            let times = &all_times[part.all.clone()];
            let mut dropped = times.len().saturating_sub(self.keep_rows);
            if let Some(keep_ms) = self.keep_ms {
                let oldest = part.state.last_ms.saturating_sub(keep_ms);
                dropped = dropped.min(times.partition_point(|time_ms| *time_ms < oldest));
            }
            let history = &mut part.state.history;
            let known = history.len();
            history.drain(..dropped.min(known));
            let new = part.rows.clone().zip(&times[known..]).skip(dropped.saturating_sub(known));
            history.extend(new.map(|(row, time_ms)| PastRow {
                time_ms: *time_ms,
                args: RowBytes::from(encoded.row(row).data()),
            }));
        }
        Ok(())
    }
}
