//! Event time: read out of columns, and as namespaces of state.

use arrow::{
    array::{Array, ArrayRef, AsArray, PrimitiveArray},
    datatypes::{
        ArrowPrimitiveType, DataType, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
        TimestampNanosecondType, TimestampSecondType,
    },
};
use headwater_actors::context::TaskError;
use headwater_core::time::TimestampMs;
use headwater_state::Namespace;

/// Rows of one second share a namespace.
const NAMESPACE_MS: i64 = 1_000;

/// The milliseconds of a column of timestamps, none of which may be null.
pub(crate) fn times_ms(column: &ArrayRef, name: &str) -> Result<Vec<TimestampMs>, TaskError> {
    if column.null_count() > 0 {
        return Err(TaskError::Function(format!(
            "the time attribute `{name}` is null in a row: it must not be, filter such rows out"
        )));
    }
    Ok(match column.data_type() {
        DataType::Timestamp(TimeUnit::Second, _) => {
            converted(column.as_primitive::<TimestampSecondType>(), |s| s.saturating_mul(1_000))
        }
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            converted(column.as_primitive::<TimestampMillisecondType>(), |ms| ms)
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            converted(column.as_primitive::<TimestampMicrosecondType>(), |us| us.div_euclid(1_000))
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            converted(column.as_primitive::<TimestampNanosecondType>(), |ns| ns.div_euclid(1_000_000))
        }
        other => {
            return Err(TaskError::Function(format!(
                "the time attribute `{name}` must be a timestamp, but is {other}"
            )));
        }
    })
}

fn converted<T: ArrowPrimitiveType<Native = i64>>(
    column: &PrimitiveArray<T>,
    to_ms: impl Fn(i64) -> i64,
) -> Vec<TimestampMs> {
    column.values().iter().map(|value| to_ms(*value)).collect()
}

/// The namespace of a time: the second's first millisecond. Saturates at the ends of time.
pub(crate) fn second_of(time_ms: TimestampMs) -> Namespace {
    time_ms.div_euclid(NAMESPACE_MS).saturating_mul(NAMESPACE_MS)
}

/// The namespaces that may hold what is due at a watermark, ascending, each with whether all of it is.
pub(crate) fn due_namespaces(namespaces: Vec<Namespace>, watermark: TimestampMs) -> Vec<(Namespace, bool)> {
    let is_whole = |namespace: Namespace| namespace.saturating_add(NAMESPACE_MS - 1) <= watermark;
    let due = namespaces.into_iter().take_while(|namespace| *namespace <= watermark);
    due.map(|namespace| (namespace, is_whole(namespace))).collect()
}

/// The rows by their namespaces, else in their order.
pub(crate) fn in_namespace_order(namespaces: &[Namespace]) -> Vec<(Namespace, Vec<u32>)> {
    let mut rows: Vec<u32> = (0..namespaces.len() as u32).collect();
    let namespace_of = |row: &u32| namespaces[*row as usize];
    if !namespaces.is_sorted() {
        rows.sort_by_key(namespace_of);
    }
    let runs = rows.chunk_by(|a, b| namespace_of(a) == namespace_of(b));
    runs.map(|run| (namespace_of(&run[0]), run.to_vec())).collect()
}
