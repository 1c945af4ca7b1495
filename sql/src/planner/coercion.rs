//! Which types may be inserted into which, without a CAST.

use arrow::datatypes::DataType;

/// Flink's implicit casts.
pub fn is_insertable(from: &DataType, to: &DataType) -> bool {
    let rank = |data_type: &DataType| match data_type {
        DataType::Int8 => Some(1),
        DataType::Int16 | DataType::UInt8 => Some(2),
        DataType::Int32 | DataType::UInt16 => Some(3),
        DataType::Int64 | DataType::UInt32 | DataType::UInt64 => Some(4),
        DataType::Decimal128(..) => Some(5),
        DataType::Float32 => Some(6),
        DataType::Float64 => Some(7),
        _ => None,
    };
    let is_text =
        |data_type: &DataType| matches!(data_type, DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8);
    let is_bytes = |data_type: &DataType| {
        matches!(data_type, DataType::Binary | DataType::BinaryView | DataType::LargeBinary)
    };
    if from == to || *from == DataType::Null {
        return true;
    }
    if let (Some(from), Some(to)) = (rank(from), rank(to)) {
        return from <= to;
    }
    match (from, to) {
        (DataType::Timestamp(..), DataType::Timestamp(..)) => true,
        (DataType::Date32, DataType::Timestamp(..)) => true,
        (DataType::Time32(_) | DataType::Time64(_), DataType::Time32(_) | DataType::Time64(_)) => true,
        (DataType::List(from), DataType::List(to)) => is_insertable(from.data_type(), to.data_type()),
        (DataType::Map(from, _), DataType::Map(to, _)) => is_insertable(from.data_type(), to.data_type()),
        (DataType::Struct(from), DataType::Struct(to)) => {
            from.len() == to.len()
                && from.iter().zip(to).all(|(from, to)| is_insertable(from.data_type(), to.data_type()))
        }
        (DataType::Interval(_), DataType::Interval(_)) => true,
        _ => (is_text(from) && is_text(to)) || (is_bytes(from) && is_bytes(to)),
    }
}
