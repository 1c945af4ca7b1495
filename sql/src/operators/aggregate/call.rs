//! What is aggregated.

use arrow::datatypes::DataType;

/// Which aggregate.
#[derive(Debug, Clone, PartialEq)]
pub enum AggregateFunction {
    /// Rows, or values that are not null.
    Count,
    /// The sum, of the argument's own type.
    Sum,
    /// The sum divided by the count; of integers an integer, as in Flink.
    Avg,
    /// The least value.
    Min,
    /// The greatest value.
    Max,
    /// The first value that came and is not null.
    FirstValue,
    /// The last value that came and is not null.
    LastValue,
    /// All values as text, joined by a separator.
    ListAgg(String),
    /// All values, as an ARRAY.
    ArrayAgg,
    /// Variance of the population.
    VarPop,
    /// Variance of a sample.
    VarSamp,
    /// Standard deviation of the population.
    StddevPop,
    /// Standard deviation of a sample.
    StddevSamp,
}

/// One aggregate of a query, over columns of the operator's input.
#[derive(Debug, Clone, PartialEq)]
pub struct AggregateCall {
    /// Which.
    pub function: AggregateFunction,
    /// The argument's column; `COUNT(*)` has none.
    pub argument: Option<usize>,
    /// The argument's type; BIGINT if there is none.
    pub argument_type: DataType,
    /// A BOOLEAN column: rows in which it is not true do not count.
    pub filter: Option<usize>,
    /// Whether each value counts once.
    pub is_distinct: bool,
    /// The result's type.
    pub result_type: DataType,
}

/// How an aggregate's state is represented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Representation {
    /// A count.
    Count,
    /// A sum of integers and how many there were.
    Integers,
    /// A sum of floating-point numbers and how many there were.
    Floats,
    /// A sum of decimals and how many there were.
    Decimals,
    /// The least or greatest of values that fit into 64 bits.
    Extreme,
    /// The least or greatest of other values, or the first or last of any: an encoded row.
    Bytes,
    /// All values in order, with how often they are there: least and greatest of values that may go again.
    Sorted,
    /// All values as they came.
    List,
    /// Count, mean and squared deviations.
    Moments,
}

impl AggregateCall {
    pub(super) fn representation(&self, is_retracting: bool) -> Representation {
        use AggregateFunction as F;
        match self.function {
            F::Count => Representation::Count,
            F::Sum | F::Avg => match self.argument_type {
                DataType::Float32 | DataType::Float64 => Representation::Floats,
                DataType::Decimal128(..) => Representation::Decimals,
                _ => Representation::Integers,
            },
            F::Min | F::Max if is_retracting => Representation::Sorted,
            F::Min | F::Max if is_integer_like(&self.argument_type) => Representation::Extreme,
            F::Min | F::Max => Representation::Bytes,
            F::FirstValue | F::LastValue if is_retracting => Representation::List,
            F::FirstValue | F::LastValue => Representation::Bytes,
            F::ListAgg(_) | F::ArrayAgg => Representation::List,
            F::VarPop | F::VarSamp | F::StddevPop | F::StddevSamp => Representation::Moments,
        }
    }

    /// Whether it can be computed in part before the shuffle.
    pub fn is_splittable(&self) -> bool {
        let representation = self.representation(false);
        !self.is_distinct
            && !matches!(representation, Representation::List | Representation::Sorted)
            && !matches!(self.function, AggregateFunction::FirstValue | AggregateFunction::LastValue)
    }
}

/// Whether values of a type are compared as 64-bit integers.
pub(super) fn is_integer_like(data_type: &DataType) -> bool {
    data_type.is_signed_integer()
        || matches!(
            data_type,
            DataType::Timestamp(..)
                | DataType::Date32
                | DataType::Date64
                | DataType::Time32(_)
                | DataType::Time64(_)
                | DataType::Duration(_)
        )
}
