//! What the operators that keep rows in an order have in common.

mod changes;
mod codec;
mod event_time;
mod expiry;
mod look;
mod partition;
mod pending;
#[cfg(test)]
pub(crate) mod test_rows;

pub(crate) use changes::{Change, Changes, diff, with_columns};
pub(crate) use codec::{EncodedRows, OrderedCodec, StoredRow};
pub(crate) use event_time::{due_namespaces, in_namespace_order, second_of, times_ms};
pub(crate) use expiry::Expiry;
pub(crate) use look::describe_rows;
pub(crate) use partition::{Edits, OrderedRows, OrderedRowsMut, PartitionKey, partitions_of};
pub(crate) use pending::Pending;
