//! The options of the connector `datagen`, which say of each column what it holds.

use arrow::datatypes::{DataType, Field, FieldRef};
use headwater_core::key_group::hash_key;

use super::{
    super::{TableDescriptor, options::OptionReader, refuse_metadata},
    values::{Values, ValuesOf},
};
use crate::{error::SqlError, types::spelling};

const STRING_LENGTH: u64 = 100;
const COLLECTION_LENGTH: u64 = 3;
/// Of strings and collections; those of a batch must fit Arrow's 32-bit offsets.
const LENGTH_MAX: u64 = 1 << 20;
/// Of all strings and collections of a row together.
const ROW_BYTES_MAX: u64 = 1 << 28;

/// What is to be generated.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    /// Of all subtasks together.
    pub rows_per_second: u64,
    /// How many there are, if they are limited: by the option, and by the shortest sequence.
    pub rows: Option<u64>,
    pub seed: Option<u64>,
    pub parallelism: Option<u32>,
    pub columns: Vec<Values>,
    /// What a row may take at most.
    pub row_bytes_max: u64,
}

impl Settings {
    /// Reads all options of the table.
    pub fn read(table: &TableDescriptor) -> Result<Self, SqlError> {
        refuse_metadata(table)?;
        let mut options = OptionReader::new(table);
        let rows_per_second = options.integer("rows-per-second", 1..)?.unwrap_or(10_000);
        let number_of_rows = options.integer("number-of-rows", 0..)?;
        let seed = options.integer("seed", ..)?;
        let parallelism = options.integer("scan.parallelism", 1..)?;
        let fields = table.schema.fields();
        let columns =
            fields.iter().map(|field| column(&mut options, field)).collect::<Result<Vec<_>, _>>()?;
        options.finish()?;
        let sequences = columns.iter().filter_map(|column| match column.of {
            ValuesOf::Sequence { start, end } => Some((end - start) as u64 + 1),
            _ => None,
        });
        let rows = sequences.chain(number_of_rows).min();
        let row_bytes_max = columns.iter().map(Values::bytes_max).sum();
        if row_bytes_max > ROW_BYTES_MAX {
            return Err(SqlError::new(format!(
                "table `{}`: a row may take {row_bytes_max} bytes: expected at most {ROW_BYTES_MAX}: make lengths smaller",
                table.name
            )));
        }
        Ok(Self { rows_per_second, rows, seed, parallelism, columns, row_bytes_max })
    }
}

fn column(options: &mut OptionReader<'_>, field: &FieldRef) -> Result<Values, SqlError> {
    let path = format!("fields.{}", field.name());
    let is_sequence = options.choice(&format!("{path}.kind"), &[("random", false), ("sequence", true)])?;
    if is_sequence == Some(true) { sequence(options, &path, field) } else { random(options, &path, field) }
}

fn sequence(options: &mut OptionReader<'_>, path: &str, field: &FieldRef) -> Result<Values, SqlError> {
    let (low, high) = match field.data_type() {
        DataType::Int8 => (i8::MIN.into(), i8::MAX.into()),
        DataType::Int16 => (i16::MIN.into(), i16::MAX.into()),
        DataType::Int64 | DataType::Utf8 | DataType::Binary => (i64::MIN, i64::MAX),
        DataType::Int32 | DataType::Float32 | DataType::Float64 => (i32::MIN.into(), i32::MAX.into()),
        DataType::Decimal128(precision, scale) => {
            let digits = (i32::from(*precision) - i32::from(*scale)).clamp(0, 18) as u32;
            let most = (10i64.pow(digits) - 1).min(i32::MAX.into());
            (-most, most)
        }
        other => {
            let key = format!("{path}.kind");
            return Err(options.invalid(&key, format!("`random` for the type {}", spelling(other))));
        }
    };
    let mut bound = |key: &str| {
        let key = format!("{path}.{key}");
        options.required(&key)?;
        let bound: i64 = options.integer(&key, low..=high)?.unwrap_or(low);
        Ok::<_, SqlError>((key, bound))
    };
    let (_, start) = bound("start")?;
    let (key, end) = bound("end")?;
    if end < start {
        return Err(options.invalid(&key, format!("at least the start, {start}")));
    }
    if end.checked_sub(start).is_none() {
        return Err(options.invalid(&key, "an end not as far from the start"));
    }
    Ok(values(path, field, 0.0, ValuesOf::Sequence { start, end }))
}

fn values(path: &str, field: &FieldRef, null_rate: f64, of: ValuesOf) -> Values {
    Values { field: field.clone(), salt: hash_key(path), null_rate, of }
}

fn random(options: &mut OptionReader<'_>, path: &str, field: &FieldRef) -> Result<Values, SqlError> {
    let null_key = format!("{path}.null-rate");
    let null_rate = options.decimal(&null_key, 0.0..=1.0)?.unwrap_or(0.0);
    if null_rate > 0.0 && !field.is_nullable() {
        return Err(options.invalid(&null_key, "0, since the column is NOT NULL"));
    }
    Ok(values(path, field, null_rate, random_of(options, path, field)?))
}

fn random_of(options: &mut OptionReader<'_>, path: &str, field: &Field) -> Result<ValuesOf, SqlError> {
    Ok(match field.data_type() {
        DataType::Boolean => ValuesOf::Booleans,
        DataType::Int8 => integers(options, path, i8::MIN.into(), i8::MAX.into())?,
        DataType::Int16 => integers(options, path, i16::MIN.into(), i16::MAX.into())?,
        DataType::Int32 => integers(options, path, i32::MIN.into(), i32::MAX.into())?,
        DataType::Int64 => integers(options, path, i64::MIN, i64::MAX)?,
        DataType::Float32 => {
            let (min, max) = floats(options, path, f32::MAX.into())?;
            ValuesOf::Floats { min, max }
        }
        DataType::Float64 => {
            let (min, max) = floats(options, path, f64::MAX)?;
            ValuesOf::Floats { min, max }
        }
        DataType::Decimal128(precision, scale) => {
            let (min, max) = floats(options, path, f64::MAX)?;
            let most = 10i128.pow(u32::from(*precision)) - 1;
            let unscaled = |bound: f64| ((bound * 10f64.powi((*scale).into())) as i128).clamp(-most, most);
            ValuesOf::Decimals { min: unscaled(min), max: unscaled(max) }
        }
        DataType::Utf8 => {
            let (length, is_varied) = (length(options, path, STRING_LENGTH)?, is_varied(options, path)?);
            ValuesOf::Strings { length, is_varied }
        }
        DataType::Binary => {
            let (length, is_varied) = (length(options, path, STRING_LENGTH)?, is_varied(options, path)?);
            ValuesOf::Bytes { length, is_varied }
        }
        DataType::Date32 | DataType::Time32(_) | DataType::Time64(_) => ValuesOf::Now,
        DataType::Timestamp(..) => {
            let max_past_ms = options.duration_ms(&format!("{path}.max-past"))?.unwrap_or(0);
            ValuesOf::Times { max_past_ms }
        }
        DataType::Struct(fields) => {
            let nested = |field: &FieldRef| random(options, &format!("{path}.{}", field.name()), field);
            ValuesOf::Rows { fields: fields.iter().map(nested).collect::<Result<_, _>>()? }
        }
        DataType::List(element) => {
            let length = length(options, path, COLLECTION_LENGTH)?;
            let element = random(options, &format!("{path}.element"), element)?;
            ValuesOf::Arrays { length, element: Box::new(element) }
        }
        DataType::Map(entries, _) => {
            let DataType::Struct(parts) = entries.data_type() else {
                return Err(unsupported(options, path, entries.data_type()));
            };
            let [key, value] = &parts[..] else {
                return Err(unsupported(options, path, entries.data_type()));
            };
            let length = length(options, path, COLLECTION_LENGTH)?;
            let key = random(options, &format!("{path}.key"), key)?;
            let value = random(options, &format!("{path}.value"), value)?;
            ValuesOf::Maps { length, key: Box::new(key), value: Box::new(value) }
        }
        other => return Err(unsupported(options, path, other)),
    })
}

fn unsupported(options: &OptionReader<'_>, path: &str, data_type: &DataType) -> SqlError {
    options.error(path, format!("connector `datagen` makes no values of the type {}", spelling(data_type)))
}

fn integers(options: &mut OptionReader<'_>, path: &str, low: i64, high: i64) -> Result<ValuesOf, SqlError> {
    let min = options.integer(&format!("{path}.min"), low..=high)?.unwrap_or(low);
    let max_key = format!("{path}.max");
    let max = options.integer(&max_key, low..=high)?.unwrap_or(high);
    if max < min {
        return Err(options.invalid(&max_key, format!("at least the minimum, {min}")));
    }
    Ok(ValuesOf::Integers { min, max })
}

/// Without options from 0 on, as in Flink, whose smallest float is the smallest one above it.
fn floats(options: &mut OptionReader<'_>, path: &str, most: f64) -> Result<(f64, f64), SqlError> {
    let min = options.decimal(&format!("{path}.min"), -most..=most)?.unwrap_or(0.0);
    let max_key = format!("{path}.max");
    let max = options.decimal(&max_key, -most..=most)?.unwrap_or(most);
    if max < min {
        return Err(options.invalid(&max_key, format!("at least the minimum, {min}")));
    }
    Ok((min, max))
}

fn length(options: &mut OptionReader<'_>, path: &str, default: u64) -> Result<u64, SqlError> {
    Ok(options.integer(&format!("{path}.length"), 1..=LENGTH_MAX)?.unwrap_or(default))
}

fn is_varied(options: &mut OptionReader<'_>, path: &str) -> Result<bool, SqlError> {
    Ok(options.flag(&format!("{path}.var-len"))?.unwrap_or(false))
}
