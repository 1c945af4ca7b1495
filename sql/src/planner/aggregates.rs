//! Aggregate functions whose types or names differ in Flink.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use datafusion::{
    common::{Result, plan_err},
    functions_aggregate,
    logical_expr::{
        Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility, function::AccumulatorArgs,
    },
};

use crate::operators::aggregate::{AggregateCall, AggregateFunction, accumulator};

/// An aggregate that DataFusion plans and our operators compute.
#[derive(Debug, PartialEq, Eq, Hash)]
struct FlinkAggregate {
    name: &'static str,
    signature: Signature,
}

/// The aggregate function with this name, in any case.
pub fn lookup(name: &str) -> Option<Arc<AggregateUDF>> {
    let name = name.to_ascii_lowercase();
    let own = |name, signature| Some(Arc::new(AggregateUDF::from(FlinkAggregate { name, signature })));
    match name.as_str() {
        "sum" => own("sum", Signature::any(1, Volatility::Immutable)),
        "avg" => own("avg", Signature::any(1, Volatility::Immutable)),
        "listagg" | "string_agg" => own(
            "listagg",
            Signature::one_of(
                vec![
                    datafusion::logical_expr::TypeSignature::String(1),
                    datafusion::logical_expr::TypeSignature::String(2),
                ],
                Volatility::Immutable,
            ),
        ),
        "collect" => own("array_agg", Signature::any(1, Volatility::Immutable)),
        "grouping_id" => Some(functions_aggregate::grouping::grouping_udaf()),
        "approx_count_distinct" => None,
        _ => functions_aggregate::all_default_aggregate_functions()
            .into_iter()
            .find(|function| function.name() == name || function.aliases().contains(&name)),
    }
}

/// The names of all aggregate functions that there are.
pub fn names() -> Vec<String> {
    [
        "count",
        "sum",
        "avg",
        "min",
        "max",
        "first_value",
        "last_value",
        "listagg",
        "array_agg",
        "collect",
        "var_pop",
        "var_samp",
        "variance",
        "stddev",
        "stddev_pop",
        "stddev_samp",
    ]
    .map(str::to_owned)
    .to_vec()
}

/// The aggregate of ours that a function of DataFusion's stands for.
pub fn function_of(name: &str, separator: Option<String>) -> Option<AggregateFunction> {
    use AggregateFunction as F;
    Some(match name {
        "count" => F::Count,
        "sum" => F::Sum,
        "avg" => F::Avg,
        "min" => F::Min,
        "max" => F::Max,
        "first_value" => F::FirstValue,
        "last_value" => F::LastValue,
        "listagg" => F::ListAgg(separator.unwrap_or_else(|| ",".to_owned())),
        "array_agg" => F::ArrayAgg,
        "var_pop" => F::VarPop,
        "var_samp" | "var" => F::VarSamp,
        "stddev_pop" => F::StddevPop,
        "stddev_samp" | "stddev" => F::StddevSamp,
        _ => return None,
    })
}

impl AggregateUDFImpl for FlinkAggregate {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        let Some(argument) = arguments.first() else {
            return plan_err!("{} needs an argument", self.name.to_uppercase());
        };
        match (self.name, argument) {
            ("listagg", _) => Ok(DataType::Utf8),
            ("array_agg", _) => Ok(DataType::List(Arc::new(Field::new_list_field(argument.clone(), true)))),
            ("sum", DataType::Decimal128(_, scale)) => Ok(DataType::Decimal128(38, *scale)),
            ("avg", DataType::Decimal128(_, scale)) => Ok(DataType::Decimal128(38, (*scale).max(6))),
            (_, DataType::Null) => Ok(DataType::Int64),
            (_, numeric) if numeric.is_signed_integer() || numeric.is_floating() => Ok(numeric.clone()),
            (_, numeric) if numeric.is_unsigned_integer() => Ok(DataType::Int64),
            (name, other) => plan_err!(
                "{} takes numbers: expected a numeric argument, found {}",
                name.to_uppercase(),
                crate::types::spelling(other)
            ),
        }
    }

    fn accumulator(&self, arguments: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let argument_type = arguments.exprs[0].data_type(arguments.schema)?;
        let function = function_of(self.name, None);
        let Some(function) = function else { return plan_err!("{} is not an aggregate", self.name) };
        Ok(accumulator(AggregateCall {
            function,
            argument: Some(0),
            argument_type,
            filter: None,
            is_distinct: false,
            result_type: arguments.return_field.data_type().clone(),
        }))
    }

    fn state_fields(
        &self,
        _: datafusion::logical_expr::function::StateFieldsArgs,
    ) -> Result<Vec<Arc<Field>>> {
        Ok(vec![Arc::new(Field::new("state", DataType::Binary, false))])
    }
}
