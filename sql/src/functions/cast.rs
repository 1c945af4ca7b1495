//! Values as text: what `CAST(x AS STRING)` gives, which for truth values and timestamps is not what Arrow gives.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, StringArray},
    compute::cast,
    datatypes::{DataType, Float32Type, Float64Type},
};
use datafusion::{common::Result, logical_expr::ScalarUDF};

use super::{
    time::text::timestamps_to_text,
    udf::{Builtin, Kind, a_string},
};
use crate::types;

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    vec![
        Builtin::new(crate::parser::CAST_AS_STRING, &[Kind::Any], a_string, |args| to_text(&args.array(0)?))
            .udf(),
        Builtin::new("TYPEOF", &[Kind::Any], a_string, |args| {
            args.strings(|_, out| {
                out.push_str(&types::spelling(args.raw(0).data_type()));
                Ok(Some(()))
            })
        })
        .optional(&[Kind::Bool])
        .udf(),
    ]
}

/// Each value as Flink writes it.
pub(super) fn to_text(array: &ArrayRef) -> Result<ArrayRef> {
    match array.data_type() {
        DataType::Utf8 => Ok(Arc::clone(array)),
        DataType::Boolean => {
            let texts: StringArray = array
                .as_boolean()
                .iter()
                .map(|value| value.map(|value| if value { "TRUE" } else { "FALSE" }))
                .collect();
            Ok(Arc::new(texts))
        }
        DataType::Timestamp(..) => timestamps_to_text(array),
        DataType::Float64 => Ok(Arc::new(
            array.as_primitive::<Float64Type>().iter().map(|v| v.map(double)).collect::<StringArray>(),
        )),
        DataType::Float32 => Ok(Arc::new(
            array.as_primitive::<Float32Type>().iter().map(|v| v.map(float)).collect::<StringArray>(),
        )),
        _ => Ok(cast(array, &DataType::Utf8)?),
    }
}

fn double(value: f64) -> String {
    java(value.is_finite(), value.abs(), format!("{value:?}"), format!("{value:e}"))
}

fn float(value: f32) -> String {
    java(value.is_finite(), f64::from(value.abs()), format!("{value:?}"), format!("{value:e}"))
}

/// As Java writes it: with an exponent if it is far from 1.
fn java(finite: bool, size: f64, plain: String, exponent: String) -> String {
    if !finite {
        return plain.replace("inf", "Infinity");
    }
    if size == 0.0 || (1e-3..1e7).contains(&size) {
        return plain;
    }
    match exponent.split_once('e') {
        Some((mantissa, exponent)) if mantissa.contains('.') => format!("{mantissa}E{exponent}"),
        Some((mantissa, exponent)) => format!("{mantissa}.0E{exponent}"),
        None => plain,
    }
}
