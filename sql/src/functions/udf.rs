//! What all our functions share: the types they take, and their arguments as columns.

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

use arrow::{
    array::{Array, ArrayRef},
    compute::cast,
    datatypes::{DataType, Field, FieldRef, TimeUnit},
};
use datafusion::{
    common::{Result, ScalarValue, plan_err},
    logical_expr::{
        ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
    },
};

use super::args::Column;
pub(super) use super::args::{Args, Values};
use crate::types;

/// What an argument has to be; it is cast to that if it can be without loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A string.
    Text,
    /// A string or bytes.
    TextOrBytes,
    /// A whole number; it comes as `Int64`.
    Int,
    /// A number; it comes as `Float64`.
    Double,
    /// A number of any type.
    Number,
    /// A truth value.
    Bool,
    /// A timestamp, date or time.
    Moment,
    /// A timestamp, date or time, or a string with one.
    MomentOrText,
    /// An array.
    List,
    /// Anything.
    Any,
    /// Anything, and all of these arguments of one type.
    Common,
}

type Returns = fn(&[DataType], &[Option<&ScalarValue>]) -> Result<DataType>;
type Invoke = fn(&Args) -> Result<ArrayRef>;

/// A function.
pub(super) struct Builtin {
    name: &'static str,
    aliases: Vec<String>,
    required: &'static [Kind],
    optional: &'static [Kind],
    rest: Option<Kind>,
    returns: Returns,
    invoke: Invoke,
    signature: Signature,
}

impl Builtin {
    /// A function of these arguments.
    pub(super) fn new(
        name: &'static str,
        required: &'static [Kind],
        returns: Returns,
        invoke: Invoke,
    ) -> Self {
        let signature = Signature::user_defined(Volatility::Immutable);
        Self { name, aliases: Vec::new(), required, optional: &[], rest: None, returns, invoke, signature }
    }

    /// More arguments, which may be left out.
    pub(super) fn optional(self, optional: &'static [Kind]) -> Self {
        Self { optional, ..self }
    }

    /// Any number of more arguments.
    pub(super) fn rest(self, kind: Kind) -> Self {
        Self { rest: Some(kind), ..self }
    }

    /// Other names.
    pub(super) fn alias(self, names: &[&str]) -> Self {
        Self { aliases: names.iter().map(|name| (*name).to_owned()).collect(), ..self }
    }

    /// Another result each time.
    pub(super) fn volatile(self) -> Self {
        Self { signature: Signature::user_defined(Volatility::Volatile), ..self }
    }

    pub(super) fn udf(self) -> Arc<ScalarUDF> {
        Arc::new(ScalarUDF::new_from_impl(self))
    }

    fn kind(&self, n: usize) -> Option<Kind> {
        self.required.iter().chain(self.optional).copied().nth(n).or(self.rest)
    }

    fn expected_count(&self) -> String {
        let (min, max) = (self.required.len(), self.required.len() + self.optional.len());
        match self.rest {
            Some(_) => format!("at least {min}"),
            None if min == max => min.to_string(),
            None => format!("{min} to {max}"),
        }
    }
}

impl std::fmt::Debug for Builtin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for Builtin {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Builtin {}

impl Hash for Builtin {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for Builtin {
    fn name(&self) -> &str {
        self.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        (self.returns)(types, &vec![None; types.len()])
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let types: Vec<DataType> = args.arg_fields.iter().map(|field| field.data_type().clone()).collect();
        let data_type = (self.returns)(&types, args.scalar_arguments)?;
        Ok(Arc::new(Field::new(self.name, data_type, true)))
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let common = types
            .iter()
            .enumerate()
            .filter(|(n, _)| self.kind(*n) == Some(Kind::Common))
            .try_fold(None, |common, (_, next)| common_type(self.name, common, next))?;
        if types.len() < self.required.len()
            || self.kind(types.len().saturating_sub(1)).is_none() && !types.is_empty()
        {
            return plan_err!(
                "{} takes {} arguments, found {}",
                self.name,
                self.expected_count(),
                types.len()
            );
        }
        types
            .iter()
            .enumerate()
            .map(|(n, data_type)| match (self.kind(n), &common) {
                (Some(Kind::Common), Some(common)) => Ok(common.clone()),
                (Some(kind), _) => coerce(self.name, n, kind, data_type),
                (None, _) => plan_err!(
                    "{} takes {} arguments, found {}",
                    self.name,
                    self.expected_count(),
                    types.len()
                ),
            })
            .collect()
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let constant = self.signature.volatility == Volatility::Immutable
            && args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { args.number_rows };
        let columns = args.args.iter().map(Column::new).collect::<Result<_>>()?;
        let returned = args.return_field.data_type();
        let array = (self.invoke)(&Args { columns, rows, returned: returned.clone(), function: self.name })?;
        let array = if array.data_type() == returned { array } else { cast(&array, returned)? };
        if constant {
            return ScalarValue::try_from_array(&array, 0).map(ColumnarValue::Scalar);
        }
        Ok(ColumnarValue::Array(array))
    }
}

fn common_type(name: &str, common: Option<DataType>, next: &DataType) -> Result<Option<DataType>> {
    use datafusion::logical_expr::type_coercion::binary::comparison_coercion;
    let next = if next.is_string() { DataType::Utf8 } else { next.clone() };
    let Some(common) = common else { return Ok(Some(next)) };
    if common == next {
        return Ok(Some(next));
    }
    // A number is no string, though DataFusion would compare them as such.
    let alike = common.is_null() || next.is_null() || common.is_string() == next.is_string();
    match comparison_coercion(&common, &next).filter(|_| alike) {
        Some(both) => Ok(Some(both)),
        None => plan_err!(
            "{name} expects arguments of one type, found {} and {}",
            types::spelling(&common),
            types::spelling(&next)
        ),
    }
}

fn coerce(name: &str, n: usize, kind: Kind, data_type: &DataType) -> Result<DataType> {
    let moment = matches!(
        data_type,
        DataType::Timestamp(..) | DataType::Date32 | DataType::Time32(_) | DataType::Time64(_)
    );
    let null = data_type.is_null();
    let coerced = match kind {
        Kind::Text if data_type.is_string() || null => Some(DataType::Utf8),
        Kind::TextOrBytes if data_type.is_string() || null => Some(DataType::Utf8),
        Kind::TextOrBytes
            if matches!(data_type, DataType::Binary | DataType::LargeBinary | DataType::BinaryView) =>
        {
            Some(DataType::Binary)
        }
        Kind::Int if data_type.is_integer() || null => Some(DataType::Int64),
        Kind::Double if data_type.is_numeric() || null => Some(DataType::Float64),
        Kind::Number if null => Some(DataType::Float64),
        Kind::Number if data_type.is_numeric() => Some(data_type.clone()),
        Kind::Bool if *data_type == DataType::Boolean || null => Some(DataType::Boolean),
        Kind::Moment | Kind::MomentOrText if moment => Some(data_type.clone()),
        Kind::Moment | Kind::MomentOrText if null => Some(DataType::Timestamp(TimeUnit::Millisecond, None)),
        Kind::MomentOrText if data_type.is_string() => Some(DataType::Timestamp(TimeUnit::Millisecond, None)),
        Kind::List if matches!(data_type, DataType::List(_)) => Some(data_type.clone()),
        Kind::Any | Kind::Common => {
            Some(if data_type.is_string() { DataType::Utf8 } else { data_type.clone() })
        }
        _ => None,
    };
    match coerced {
        Some(coerced) => Ok(coerced),
        None => {
            let wanted = match kind {
                Kind::Text => "a STRING",
                Kind::TextOrBytes => "a STRING or BYTES",
                Kind::Int => "a whole number",
                Kind::Double | Kind::Number => "a number",
                Kind::Bool => "a BOOLEAN",
                Kind::List => "an ARRAY",
                _ => "a TIMESTAMP, DATE or TIME",
            };
            plan_err!("argument {} of {name} has to be {wanted}, found {}", n + 1, types::spelling(data_type))
        }
    }
}

macro_rules! returning {
    ($($name:ident => $data_type:expr;)*) => {
        $(pub(super) fn $name(_: &[DataType], _: &[Option<&ScalarValue>]) -> Result<DataType> {
            Ok($data_type)
        })*
    };
}

returning! {
    a_string => DataType::Utf8;
    bytes => DataType::Binary;
    an_int => DataType::Int32;
    a_bigint => DataType::Int64;
    a_double => DataType::Float64;
    a_boolean => DataType::Boolean;
    a_date => DataType::Date32;
    a_timestamp => DataType::Timestamp(TimeUnit::Millisecond, None);
    a_timestamp_ltz => types::timestamp(3, true);
}

/// The type of the first argument.
pub(super) fn as_first(arguments: &[DataType], _: &[Option<&ScalarValue>]) -> Result<DataType> {
    Ok(arguments.first().cloned().unwrap_or(DataType::Null))
}
