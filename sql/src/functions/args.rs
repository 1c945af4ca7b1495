//! The arguments of a call as columns, and columns of results.

use std::sync::Arc;

use arrow::{
    array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, StringArray, StringBuilder},
    datatypes::{DataType, Float64Type, Int64Type},
};
use datafusion::{
    common::{Result, ScalarValue, exec_datafusion_err},
    logical_expr::ColumnarValue,
};

use crate::types;

/// An argument: a column, or one value for all rows.
pub(super) struct Column {
    array: ArrayRef,
    constant: bool,
}

impl Column {
    pub(super) fn new(value: &ColumnarValue) -> Result<Self> {
        Ok(match value {
            ColumnarValue::Array(array) => Self { array: Arc::clone(array), constant: false },
            ColumnarValue::Scalar(scalar) => Self { array: scalar.to_array()?, constant: true },
        })
    }
}

/// The arguments of one call.
pub(super) struct Args {
    pub(super) columns: Vec<Column>,
    /// How many rows there are to compute.
    pub(super) rows: usize,
    /// The type to be returned.
    pub(super) returned: DataType,
    pub(super) function: &'static str,
}

/// A typed argument, whose rows are all the same one if it is constant.
pub(super) struct Values<'a, A> {
    pub(super) array: &'a A,
    constant: bool,
}

impl<A> Values<'_, A> {
    #[inline]
    pub(super) fn index(&self, row: usize) -> usize {
        if self.constant { 0 } else { row }
    }
}

impl<'a> Values<'a, StringArray> {
    #[inline]
    pub(super) fn get(&self, row: usize) -> Option<&'a str> {
        let row = self.index(row);
        self.array.is_valid(row).then(|| self.array.value(row))
    }

    /// The value, if it is the same for all rows.
    pub(super) fn constant(&self) -> Option<Option<&'a str>> {
        self.constant.then(|| self.get(0))
    }
}

macro_rules! get {
    ($array:ty, $value:ty) => {
        impl Values<'_, $array> {
            #[inline]
            pub(super) fn get(&self, row: usize) -> Option<$value> {
                let row = self.index(row);
                self.array.is_valid(row).then(|| self.array.value(row))
            }
        }
    };
}

get!(Int64Array, i64);
get!(Float64Array, f64);

impl Args {
    /// One column, to be worked on as if it were an argument.
    pub(super) fn of_one(array: ArrayRef) -> Self {
        let (rows, returned) = (array.len(), DataType::Utf8);
        Self { columns: vec![Column { array, constant: false }], rows, returned, function: "CAST" }
    }

    /// The number of arguments.
    pub(super) fn len(&self) -> usize {
        self.columns.len()
    }

    /// Whether an argument is the same for all rows.
    pub(super) fn is_constant(&self, n: usize) -> bool {
        self.columns[n].constant
    }

    /// An argument as it is: of one row, if it is constant.
    pub(super) fn raw(&self, n: usize) -> &ArrayRef {
        &self.columns[n].array
    }

    /// An argument as a column of all rows.
    pub(super) fn array(&self, n: usize) -> Result<ArrayRef> {
        let column = &self.columns[n];
        if !column.constant || self.rows == 1 {
            return Ok(Arc::clone(&column.array));
        }
        ScalarValue::try_from_array(&column.array, 0)?.to_array_of_size(self.rows)
    }

    fn values<'a, A>(&'a self, n: usize, typed: Option<&'a A>) -> Result<Values<'a, A>> {
        let array = typed.ok_or_else(|| {
            let found = types::spelling(self.columns[n].array.data_type());
            exec_datafusion_err!("argument {} of {} came as {found}", n + 1, self.function)
        })?;
        Ok(Values { array, constant: self.columns[n].constant })
    }

    pub(super) fn text(&self, n: usize) -> Result<Values<'_, StringArray>> {
        self.values(n, self.columns[n].array.as_string_opt::<i32>())
    }

    pub(super) fn int(&self, n: usize) -> Result<Values<'_, Int64Array>> {
        self.values(n, self.columns[n].array.as_primitive_opt::<Int64Type>())
    }

    pub(super) fn double(&self, n: usize) -> Result<Values<'_, Float64Array>> {
        self.values(n, self.columns[n].array.as_primitive_opt::<Float64Type>())
    }

    /// An argument that may have been left out.
    pub(super) fn optional_text(&self, n: usize) -> Result<Option<Values<'_, StringArray>>> {
        if n < self.len() { self.text(n).map(Some) } else { Ok(None) }
    }

    pub(super) fn optional_int(&self, n: usize) -> Result<Option<Values<'_, Int64Array>>> {
        if n < self.len() { self.int(n).map(Some) } else { Ok(None) }
    }

    /// Makes a string of each row: `row` writes it into the buffer, which is empty, or returns `None` for null.
    pub(super) fn strings(
        &self,
        mut row: impl FnMut(usize, &mut String) -> Result<Option<()>>,
    ) -> Result<ArrayRef> {
        let mut built = StringBuilder::with_capacity(self.rows, self.rows * 16);
        let mut buffer = String::new();
        for n in 0..self.rows {
            buffer.clear();
            match row(n, &mut buffer)? {
                Some(()) => built.append_value(&buffer),
                None => built.append_null(),
            }
        }
        Ok(Arc::new(built.finish()))
    }

    /// Makes a string of each row that is part of an argument.
    pub(super) fn parts<'a>(
        &self,
        mut row: impl FnMut(usize) -> Result<Option<&'a str>>,
    ) -> Result<ArrayRef> {
        let mut built = StringBuilder::with_capacity(self.rows, self.rows * 16);
        for n in 0..self.rows {
            built.append_option(row(n)?);
        }
        Ok(Arc::new(built.finish()))
    }

    pub(super) fn ints(&self, mut row: impl FnMut(usize) -> Result<Option<i64>>) -> Result<ArrayRef> {
        let built: Int64Array = (0..self.rows).map(&mut row).collect::<Result<_>>()?;
        Ok(Arc::new(built))
    }

    pub(super) fn bools(&self, mut row: impl FnMut(usize) -> Result<Option<bool>>) -> Result<ArrayRef> {
        let built: BooleanArray = (0..self.rows).map(&mut row).collect::<Result<_>>()?;
        Ok(Arc::new(built))
    }
}
