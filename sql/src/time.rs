//! Event time: columns of any unit, as milliseconds since the epoch.

use arrow::{
    array::{Array, ArrayRef, TimestampMillisecondArray},
    compute,
    datatypes::{DataType, TimeUnit},
};
use headwater_actors::context::TaskError;

use crate::operator::failed;

/// A column of timestamps in milliseconds, whatever its unit and zone.
pub fn to_millis(column: &ArrayRef) -> Result<ArrayRef, TaskError> {
    let target = DataType::Timestamp(TimeUnit::Millisecond, None);
    match column.data_type() {
        data_type if *data_type == target => Ok(column.clone()),
        // The zone is only how it is shown; a cast would shift the time.
        DataType::Timestamp(unit, Some(_)) => {
            let bare = column.to_data().into_builder().data_type(DataType::Timestamp(*unit, None));
            let bare = arrow::array::make_array(bare.build().map_err(failed)?);
            compute::cast(&bare, &target).map_err(failed)
        }
        _ => compute::cast(column, &target).map_err(failed),
    }
}

/// Milliseconds since the epoch as a column of a timestamp type.
pub fn from_millis(values: Vec<i64>, data_type: &DataType) -> Result<ArrayRef, TaskError> {
    let zone = if let DataType::Timestamp(_, zone) = data_type { zone.clone() } else { None };
    let column = TimestampMillisecondArray::from(values).with_timezone_opt(zone);
    compute::cast(&column, data_type).map_err(failed)
}
