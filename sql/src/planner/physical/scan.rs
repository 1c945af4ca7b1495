//! Tables that are read.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::{
    common::{
        Column, ScalarValue,
        tree_node::{TreeNode, TreeNodeRecursion},
    },
    logical_expr::{Expr, Filter, LogicalPlan, Operator, TableScan, utils::split_conjunction},
};

use super::{Attribute, PhysicalPlanner, Planned, Rel, calc::unaliased};
use crate::{
    connectors::{Scan, TableSource, source_of},
    error::SqlError,
    planner::{context::RawTable, nodes::WatermarkNode},
    runtime::{Node, NodeKind},
};

impl PhysicalPlanner {
    /// Reads a table. `exprs` is all that is made of the rows, if that is known: then ROWs are read in part.
    pub(super) fn scan(&mut self, scan: &TableScan, exprs: &[Expr]) -> Planned {
        let Some(table) = scan.source.downcast_ref::<RawTable>() else {
            return Err(SqlError::new(format!("`{}` cannot be read", scan.table_name)));
        };
        let descriptor = &table.descriptor;
        let source = source_of(descriptor)?;
        let equal = self.equal.remove(&place_of(scan)).unwrap_or_default();
        let all: Vec<usize> = (0..descriptor.schema.fields().len()).collect();
        let wanted = if source.is_replicable() {
            let projection = scan.projection.clone().unwrap_or_else(|| all.clone());
            let fields = wanted_fields(&projection, scan, exprs);
            Scan { projection, fields, equal }
        } else {
            // Whoever reads this table in this job reads the same rows.
            Scan { projection: all, ..Scan::default() }
        };
        let schema = super::nullable_fields(wanted.projection.iter().map(|column| {
            let field = descriptor.schema.field(*column);
            (field.name().clone(), field.data_type().clone())
        }));
        let shared = format!("{:?} {:?} {wanted:?}", descriptor.name, descriptor.options);
        let read = match self.sources.get(&shared) {
            Some(rel) => rel.clone(),
            None => {
                let names = super::names(&schema, &(0..schema.fields().len()).collect::<Vec<_>>());
                let name = format!("TableSourceScan(table=[{}], fields=[{names}])", descriptor.name);
                let rel = self.source(name, source, wanted.clone(), schema);
                self.sources.insert(shared, rel.clone());
                rel
            }
        };
        match &scan.projection {
            Some(projection) if *projection != wanted.projection => {
                let columns: Vec<Expr> = projection
                    .iter()
                    .map(|column| {
                        let name = descriptor.schema.field(*column).name();
                        Expr::Column(Column::new(Some(scan.table_name.clone()), name))
                    })
                    .collect();
                let all = datafusion::common::DFSchema::try_from_qualified_schema(
                    scan.table_name.clone(),
                    descriptor.schema.as_ref(),
                )
                .map_err(crate::planner::sql_error)?;
                self.calc(&read, &all, None, Some(&columns), &scan.projected_schema)
            }
            _ => Ok(read),
        }
    }

    pub(super) fn source(
        &mut self,
        name: String,
        source: Arc<dyn TableSource>,
        scan: Scan,
        schema: SchemaRef,
    ) -> Rel {
        let rel = Rel {
            node: 0,
            attributes: vec![Attribute::Plain; schema.fields().len()],
            is_updating: false,
            unique: None,
            hashed_by: Vec::new(),
            is_bounded: source.is_bounded(),
            schema: schema.clone(),
        };
        let node = self.plan.add(Node {
            name,
            parallelism: source.parallelism(),
            kind: NodeKind::Source { source, scan },
            inputs: Vec::new(),
            schema,
            is_updating: false,
            update_before: false,
            state: String::new(),
            idle_timeout_ms: self.options.idle_timeout_ms,
        });
        Rel { node, ..rel }
    }

    /// Takes note of what a filter asks of the columns of a table, for its source.
    pub(super) fn note_equalities(&mut self, filter: &Filter) {
        for conjunct in split_conjunction(&filter.predicate) {
            let Expr::BinaryExpr(binary) = conjunct else { continue };
            let (column, literal) = match (binary.left.as_ref(), binary.op, binary.right.as_ref()) {
                (Expr::Column(column), Operator::Eq, Expr::Literal(value, _))
                | (Expr::Literal(value, _), Operator::Eq, Expr::Column(column)) => (column, value),
                _ => continue,
            };
            if let Some((scan, column)) = trace(&filter.input, column) {
                self.equal.entry(scan).or_default().push((column, literal.clone()));
            }
        }
    }
}

/// A scan's identity within its plan, which does not move while it is translated.
fn place_of(scan: &TableScan) -> usize {
    std::ptr::from_ref(scan).addr()
}

/// The scan and the column that a column is, if nothing is done to it in between.
fn trace(plan: &LogicalPlan, column: &Column) -> Option<(usize, usize)> {
    let index = plan.schema().maybe_index_of_column(column)?;
    let at = |input: &LogicalPlan, index: usize| {
        let column = Column::from(input.schema().qualified_field(index));
        trace(input, &column)
    };
    match plan {
        LogicalPlan::SubqueryAlias(alias) => at(&alias.input, index),
        LogicalPlan::Filter(filter) => at(&filter.input, index),
        LogicalPlan::Projection(projection) => match unaliased(&projection.expr[index]) {
            Expr::Column(column) => trace(&projection.input, column),
            _ => None,
        },
        LogicalPlan::Extension(extension) => {
            let watermark = extension.node.as_any().downcast_ref::<WatermarkNode>()?;
            at(&watermark.input, index)
        }
        LogicalPlan::TableScan(scan) => {
            let column = scan.projection.as_ref().map_or(index, |projection| projection[index]);
            Some((place_of(scan), column))
        }
        _ => None,
    }
}

/// For each ROW of which only fields are used: which.
fn wanted_fields(
    projection: &[usize],
    scan: &TableScan,
    exprs: &[Expr],
) -> BTreeMap<usize, BTreeSet<String>> {
    let mut wanted: BTreeMap<usize, Option<BTreeSet<String>>> = BTreeMap::new();
    let schema = &scan.projected_schema;
    if exprs.is_empty() {
        return BTreeMap::new();
    }
    for (place, column) in projection.iter().enumerate() {
        if matches!(schema.field(place).data_type(), DataType::Struct(_)) {
            wanted.insert(*column, Some(BTreeSet::new()));
        }
    }
    let index = |column: &Column| schema.maybe_index_of_column(column).map(|place| projection[place]);
    for expr in exprs {
        let _ = expr.apply(|expr| {
            if let Expr::ScalarFunction(call) = expr
                && call.func.name() == "get_field"
                && let [Expr::Column(column), Expr::Literal(ScalarValue::Utf8(Some(field)), _), ..] =
                    call.args.as_slice()
                && let Some(column) = index(column)
            {
                if let Some(Some(fields)) = wanted.get_mut(&column) {
                    fields.insert(field.clone());
                }
                return Ok(TreeNodeRecursion::Jump);
            }
            if let Expr::Column(column) = expr
                && let Some(column) = index(column)
                && let Some(whole) = wanted.get_mut(&column)
            {
                *whole = None;
            }
            Ok(TreeNodeRecursion::Continue)
        });
    }
    wanted.into_iter().filter_map(|(column, fields)| Some((column, fields?))).collect()
}
