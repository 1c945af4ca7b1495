//! Functions of rows, arrays and maps, and the greatest and least of several values.

use std::sync::Arc;

use arrow::{
    array::{
        Array, ArrayRef, AsArray, Int32Array, ListArray, MapArray, MapBuilder, MapFieldNames, StringBuilder,
        StructArray,
    },
    buffer::{NullBuffer, OffsetBuffer},
    compute::{
        concat, interleave,
        kernels::{cmp, zip::zip},
        take,
    },
    datatypes::{DataType, Field, Fields},
};
use datafusion::{
    common::{Result, ScalarValue, exec_err, plan_err},
    logical_expr::ScalarUDF,
};

use super::udf::{Args, Builtin, Kind, an_int, as_first};
use crate::types;

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    use Kind::{Any, Common, List, Text};
    vec![
        Builtin::new("GREATEST", &[Common], as_first, |args| extreme(args, true)).rest(Common).udf(),
        Builtin::new("LEAST", &[Common], as_first, |args| extreme(args, false)).rest(Common).udf(),
        Builtin::new("ROW", &[], row_type, row).rest(Any).udf(),
        Builtin::new("MAP", &[], map_type, map).rest(Any).udf(),
        Builtin::new("MAP_FROM_ARRAYS", &[List, List], map_of_lists_type, map_from_arrays).udf(),
        Builtin::new("STR_TO_MAP", &[Text], text_map_type, str_to_map).optional(&[Text, Text]).udf(),
        Builtin::new("CARDINALITY", &[Any], an_int, cardinality).udf(),
        Builtin::new("ELEMENT", &[List], element_type, element).udf(),
    ]
}

/// Null, if one of them is.
fn extreme(args: &Args, greatest: bool) -> Result<ArrayRef> {
    let mut best = args.array(0)?;
    for n in 1..args.len() {
        let next = args.array(n)?;
        let better = if greatest { cmp::gt(&next, &best)? } else { cmp::lt(&next, &best)? };
        let chosen = zip(&better, &next, &best)?;
        // The comparison is null where one of them is; then the result is that null.
        let nulls = NullBuffer::union(best.logical_nulls().as_ref(), next.logical_nulls().as_ref());
        let data = chosen.to_data().into_builder().nulls(nulls).build()?;
        best = arrow::array::make_array(data);
    }
    Ok(best)
}

fn row_type(types: &[DataType], _: &[Option<&ScalarValue>]) -> Result<DataType> {
    let fields = types
        .iter()
        .enumerate()
        .map(|(n, data_type)| Field::new(format!("EXPR${n}"), data_type.clone(), true));
    Ok(DataType::Struct(fields.collect()))
}

fn row(args: &Args) -> Result<ArrayRef> {
    let DataType::Struct(fields) = &args.returned else { return exec_err!("expected to return a ROW") };
    let columns = (0..args.len()).map(|n| args.array(n)).collect::<Result<Vec<_>>>()?;
    if columns.is_empty() {
        return Ok(Arc::new(StructArray::new_empty_fields(args.rows, None)));
    }
    Ok(Arc::new(StructArray::try_new(fields.clone(), columns, None)?))
}

/// The common type of some arguments of MAP.
fn common<'a>(types: impl Iterator<Item = &'a DataType>, what: &str) -> Result<DataType> {
    let mut common: Option<DataType> = None;
    for next in types {
        common = match common {
            None | Some(DataType::Null) => Some(next.clone()),
            Some(known) if known == *next || next.is_null() => Some(known),
            Some(known) => {
                match datafusion::logical_expr::type_coercion::binary::type_union_coercion(&known, next) {
                    Some(both) if both.is_string() == (known.is_string() && next.is_string()) => Some(both),
                    _ => {
                        let (known, next) = (types::spelling(&known), types::spelling(next));
                        return plan_err!("MAP expects {what} of one type, found {known} and {next}");
                    }
                }
            }
        };
    }
    Ok(common.unwrap_or(DataType::Null))
}

fn map_type(types: &[DataType], _: &[Option<&ScalarValue>]) -> Result<DataType> {
    if types.is_empty() || !types.len().is_multiple_of(2) {
        return plan_err!("MAP expects pairs of key and value, found {} arguments", types.len());
    }
    let key = common(types.iter().step_by(2), "keys")?;
    Ok(types::map(key, common(types.iter().skip(1).step_by(2), "values")?, true))
}

fn entries_of(map: &DataType) -> Result<(&Arc<Field>, &Fields)> {
    match map {
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) => Ok((entries, fields)),
            other => exec_err!("expected a map of entries, found {other}"),
        },
        other => exec_err!("expected a MAP, found {other}"),
    }
}

fn map(args: &Args) -> Result<ArrayRef> {
    let (entries, fields) = entries_of(&args.returned)?;
    let pairs = args.len() / 2;
    // The pairs of a row, then those of the next.
    let order: Vec<(usize, usize)> =
        (0..args.rows).flat_map(|row| (0..pairs).map(move |pair| (pair, row))).collect();
    let interleaved = |first: usize, field: &Field| -> Result<ArrayRef> {
        let columns = (0..pairs)
            .map(|pair| Ok(arrow::compute::cast(&args.array(first + 2 * pair)?, field.data_type())?))
            .collect::<Result<Vec<ArrayRef>>>()?;
        let columns: Vec<&dyn Array> = columns.iter().map(AsRef::as_ref).collect();
        Ok(interleave(&columns, &order)?)
    };
    let keys = interleaved(0, &fields[0])?;
    if keys.logical_null_count() > 0 {
        return exec_err!("a key of a MAP is null");
    }
    let values = interleaved(1, &fields[1])?;
    let entries_array = StructArray::try_new(fields.clone(), vec![keys, values], None)?;
    let offsets = OffsetBuffer::from_lengths(std::iter::repeat_n(pairs, args.rows));
    Ok(Arc::new(MapArray::try_new(Arc::clone(entries), offsets, entries_array, None, false)?))
}

fn item(list: &DataType) -> Result<&Arc<Field>> {
    match list {
        DataType::List(item) => Ok(item),
        other => plan_err!("expected an ARRAY, found {}", types::spelling(other)),
    }
}

fn map_of_lists_type(types: &[DataType], _: &[Option<&ScalarValue>]) -> Result<DataType> {
    Ok(types::map(item(&types[0])?.data_type().clone(), item(&types[1])?.data_type().clone(), true))
}

fn map_from_arrays(args: &Args) -> Result<ArrayRef> {
    let (entries, fields) = entries_of(&args.returned)?;
    let (keys, values) = (args.array(0)?, args.array(1)?);
    let (keys, values): (&ListArray, &ListArray) = (keys.as_list(), values.as_list());
    let nulls = NullBuffer::union(keys.nulls(), values.nulls());
    let (mut all_keys, mut all_values, mut lengths) = (Vec::new(), Vec::new(), Vec::new());
    for row in 0..args.rows {
        if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
            lengths.push(0);
            continue;
        }
        let (keys, values) = (keys.value(row), values.value(row));
        if keys.len() != values.len() {
            return exec_err!(
                "MAP_FROM_ARRAYS expects as many keys as values, found {} and {}",
                keys.len(),
                values.len()
            );
        }
        if keys.logical_null_count() > 0 {
            return exec_err!("a key of a MAP is null");
        }
        lengths.push(keys.len());
        all_keys.push(keys);
        all_values.push(values);
    }
    let joined = |arrays: &[ArrayRef], field: &Field| -> Result<ArrayRef> {
        if arrays.is_empty() {
            return Ok(arrow::array::new_empty_array(field.data_type()));
        }
        let arrays: Vec<&dyn Array> = arrays.iter().map(AsRef::as_ref).collect();
        Ok(concat(&arrays)?)
    };
    let columns = vec![joined(&all_keys, &fields[0])?, joined(&all_values, &fields[1])?];
    let entries_array = StructArray::try_new(fields.clone(), columns, None)?;
    let offsets = OffsetBuffer::from_lengths(lengths);
    Ok(Arc::new(MapArray::try_new(Arc::clone(entries), offsets, entries_array, nulls, false)?))
}

fn text_map_type(_: &[DataType], _: &[Option<&ScalarValue>]) -> Result<DataType> {
    Ok(types::map(DataType::Utf8, DataType::Utf8, true))
}

/// `STR_TO_MAP('k1=v1,k2=v2' [, ',', '='])`.
fn str_to_map(args: &Args) -> Result<ArrayRef> {
    let (texts, pairs, values) = (args.text(0)?, args.optional_text(1)?, args.optional_text(2)?);
    let names = MapFieldNames { entry: "entries".into(), key: "key".into(), value: "value".into() };
    let mut built = MapBuilder::new(Some(names), StringBuilder::new(), StringBuilder::new());
    for row in 0..args.rows {
        let between = pairs.as_ref().map_or(Some(","), |pairs| pairs.get(row));
        let within = values.as_ref().map_or(Some("="), |values| values.get(row));
        let (Some(text), Some(between), Some(within)) = (texts.get(row), between, within) else {
            built.append(false)?;
            continue;
        };
        let mut entries: Vec<(&str, Option<&str>)> = Vec::new();
        for pair in split(text, between) {
            let (key, value) = match (!within.is_empty()).then(|| pair.split_once(within)).flatten() {
                Some((key, value)) => (key, Some(value)),
                None => (pair, None),
            };
            // The last one of a key counts.
            entries.retain(|(known, _)| *known != key);
            entries.push((key, value));
        }
        for (key, value) in entries {
            built.keys().append_value(key);
            built.values().append_option(value);
        }
        built.append(true)?;
    }
    Ok(Arc::new(built.finish()))
}

fn split<'a>(text: &'a str, separator: &'a str) -> Box<dyn Iterator<Item = &'a str> + 'a> {
    if separator.is_empty() { Box::new(std::iter::once(text)) } else { Box::new(text.split(separator)) }
}

fn cardinality(args: &Args) -> Result<ArrayRef> {
    let array = args.array(0)?;
    let lengths: Int32Array = match array.data_type() {
        DataType::List(_) => {
            let list: &ListArray = array.as_list();
            (0..args.rows).map(|row| list.is_valid(row).then(|| list.value_length(row))).collect()
        }
        DataType::Map(..) => {
            let map = array.as_map();
            (0..args.rows).map(|row| map.is_valid(row).then(|| map.value_length(row))).collect()
        }
        DataType::Null => Int32Array::new_null(args.rows),
        other => return exec_err!("CARDINALITY expects an ARRAY or MAP, found {}", types::spelling(other)),
    };
    Ok(Arc::new(lengths))
}

fn element_type(types: &[DataType], _: &[Option<&ScalarValue>]) -> Result<DataType> {
    Ok(item(&types[0])?.data_type().clone())
}

/// The only element; null of an empty array.
fn element(args: &Args) -> Result<ArrayRef> {
    let array = args.array(0)?;
    let list: &ListArray = array.as_list();
    let indices = (0..args.rows).map(|row| match (list.is_valid(row), list.value_length(row)) {
        (false, _) | (true, 0) => Ok(None),
        (true, 1) => Ok(Some(list.value_offsets()[row])),
        (true, count) => exec_err!("ELEMENT expects an array of one element, found {count}"),
    });
    let indices = indices.collect::<Result<Int32Array>>()?;
    Ok(take(list.values(), &indices, None)?)
}
