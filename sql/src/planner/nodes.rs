//! Logical nodes that DataFusion does not have: watermarks, windowing table functions, and tables that are looked up.

use std::{cmp::Ordering, collections::HashSet, fmt, hash::Hash, sync::Arc};

use arrow::datatypes::{DataType, Field, TimeUnit};
use datafusion::{
    common::{DFSchema, DFSchemaRef, Result, plan_err},
    logical_expr::{Expr, LogicalPlan, UserDefinedLogicalNodeCore},
};

use crate::operators::window::WindowKind;

/// The columns that a windowing table function adds.
pub const WINDOW_COLUMNS: [&str; 3] = ["window_start", "window_end", "window_time"];

/// Makes watermarks from the rows that pass.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WatermarkNode {
    /// The rows.
    pub input: LogicalPlan,
    /// The time attribute, a column.
    pub rowtime: Expr,
    /// The watermark after a row.
    pub watermark: Expr,
}

/// Which windowing table function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tvf {
    /// `TUMBLE`, `HOP` or `CUMULATE`.
    Aligned(WindowKind),
    /// `SESSION`.
    Session {
        /// The pause that ends a session, in milliseconds.
        gap: i64,
    },
}

impl Tvf {
    /// Its name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Aligned(WindowKind::Tumble { .. }) => "TUMBLE",
            Self::Aligned(WindowKind::Hop { .. }) => "HOP",
            Self::Aligned(WindowKind::Cumulate { .. }) => "CUMULATE",
            Self::Session { .. } => "SESSION",
        }
    }
}

/// Assigns windows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WindowTvfNode {
    /// The rows.
    pub input: LogicalPlan,
    /// Which windows.
    pub tvf: Tvf,
    /// The time, a column.
    pub time: Expr,
    /// What sessions are divided by.
    pub partition: Vec<Expr>,
    /// Names of columns that late rows are written with.
    pub late_columns: Vec<String>,
    /// The input's columns and the window's.
    pub schema: DFSchemaRef,
}

/// A table that is looked up, `FOR SYSTEM_TIME AS OF`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LookupNode {
    /// The table.
    pub input: LogicalPlan,
    /// The parts of the name of the time as of which.
    pub time: Vec<String>,
}

impl WindowTvfNode {
    /// A node over `input`.
    pub fn try_new(
        input: LogicalPlan,
        tvf: Tvf,
        time: Expr,
        partition: Vec<Expr>,
        late_columns: Vec<String>,
    ) -> Result<Self> {
        let schema = input.schema();
        let time_type = {
            use datafusion::logical_expr::ExprSchemable;
            time.get_type(schema)?
        };
        let plain = DataType::Timestamp(TimeUnit::Millisecond, None);
        let window_time = if let DataType::Timestamp(_, Some(zone)) = time_type {
            DataType::Timestamp(TimeUnit::Millisecond, Some(zone))
        } else {
            plain.clone()
        };
        let mut fields: Vec<_> =
            schema.iter().map(|(qualifier, field)| (qualifier.cloned(), field.clone())).collect();
        if let Some(name) = WINDOW_COLUMNS.iter().find(|name| schema.has_column_with_unqualified_name(name)) {
            return plan_err!(
                "the input of {} has a column `{name}` already: rename it in a sub-query",
                tvf.name()
            );
        }
        for (name, data_type) in WINDOW_COLUMNS.iter().zip([plain.clone(), plain, window_time]) {
            fields.push((None, Arc::new(Field::new(*name, data_type, true))));
        }
        let schema = Arc::new(DFSchema::new_with_metadata(fields, Default::default())?);
        Ok(Self { input, tvf, time, partition, late_columns, schema })
    }

    /// The columns of the input that late rows are written with, if it has them all, and each once.
    pub fn late_places(&self) -> Option<Vec<usize>> {
        let fields = self.input.schema().fields();
        let place = |name: &String| {
            let mut places = (0..fields.len()).filter(|place| fields[*place].name() == name);
            places.next().filter(|_| places.next().is_none())
        };
        self.late_columns.iter().map(place).collect()
    }
}

macro_rules! unordered {
    ($node:ty) => {
        impl PartialOrd for $node {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                (self == other).then_some(Ordering::Equal)
            }
        }
    };
}
unordered!(WatermarkNode);
unordered!(WindowTvfNode);
unordered!(LookupNode);

fn column_index(schema: &DFSchema, expr: &Expr) -> Option<usize> {
    if let Expr::Column(column) = expr { schema.maybe_index_of_column(column) } else { None }
}

/// The columns that expressions need, with those that are wanted anyhow.
pub(super) fn needed(schema: &DFSchema, exprs: &[Expr], wanted: impl Iterator<Item = usize>) -> Vec<usize> {
    let mut columns: Vec<usize> = wanted.collect();
    for column in exprs.iter().flat_map(|expr| expr.column_refs()) {
        columns.extend(schema.maybe_index_of_column(column));
    }
    columns.sort_unstable();
    columns.dedup();
    columns
}

impl UserDefinedLogicalNodeCore for WatermarkNode {
    fn name(&self) -> &str {
        "WatermarkAssigner"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        self.input.schema()
    }

    fn expressions(&self) -> Vec<Expr> {
        vec![self.rowtime.clone(), self.watermark.clone()]
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "WatermarkAssigner: rowtime={}, watermark={}", self.rowtime, self.watermark)
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> Result<Self> {
        let ([rowtime, watermark], Some(input)) = (exprs.as_slice(), inputs.pop()) else {
            return plan_err!("a watermark assigner has two expressions and one input");
        };
        Ok(Self { input, rowtime: rowtime.clone(), watermark: watermark.clone() })
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        let own = [self.rowtime.clone(), self.watermark.clone()];
        Some(vec![needed(self.input.schema(), &own, output_columns.iter().copied())])
    }
}

impl UserDefinedLogicalNodeCore for WindowTvfNode {
    fn name(&self) -> &str {
        "WindowTableFunction"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        std::iter::once(self.time.clone()).chain(self.partition.iter().cloned()).collect()
    }

    fn prevent_predicate_push_down_columns(&self) -> HashSet<String> {
        match self.tvf {
            // A filter would change the sessions.
            Tvf::Session { .. } => self.schema.fields().iter().map(|field| field.name().clone()).collect(),
            _ => WINDOW_COLUMNS.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "WindowTableFunction: {:?}, time={}", self.tvf, self.time)
    }

    fn with_exprs_and_inputs(&self, mut exprs: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> Result<Self> {
        let Some(input) = inputs.pop() else { return plan_err!("a table function has an input") };
        let partition = exprs.split_off(1);
        let Some(time) = exprs.pop() else { return plan_err!("a table function has a time column") };
        Self::try_new(input, self.tvf, time, partition, self.late_columns.clone())
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        let width = self.input.schema().fields().len();
        // If some are not there, the error tells what is.
        let late = self.late_places().unwrap_or_else(|| (0..width).collect());
        let wanted = output_columns.iter().copied().filter(|column| *column < width).chain(late);
        Some(vec![needed(self.input.schema(), &self.expressions(), wanted)])
    }
}

impl UserDefinedLogicalNodeCore for LookupNode {
    fn name(&self) -> &str {
        "Lookup"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        self.input.schema()
    }

    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    fn prevent_predicate_push_down_columns(&self) -> HashSet<String> {
        HashSet::new()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("Lookup")
    }

    fn with_exprs_and_inputs(&self, _: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> Result<Self> {
        match inputs.pop() {
            Some(input) => Ok(Self { input, time: self.time.clone() }),
            None => plan_err!("a lookup has an input"),
        }
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        Some(vec![output_columns.to_vec()])
    }
}

/// The index of a column expression in a schema.
pub fn index_of(schema: &DFSchema, expr: &Expr) -> Result<usize> {
    match column_index(schema, expr) {
        Some(index) => Ok(index),
        None => plan_err!("expected a column, found `{expr}`"),
    }
}
