//! Lookup joins: a stream with a table that is read once.

use std::sync::Arc;

use datafusion::logical_expr::{Expr, Join, LogicalPlan, TableScan};

use super::{
    Attribute, PhysicalPlanner, Planned, Rel, calc::unaliased, join::Side, names, not_supported, nullable,
};
use crate::{
    connectors::{Scan, TableSource, lookup::CalculatedTable, source_of},
    error::SqlError,
    operators::{
        calc::CalcFactory,
        join::{JoinKind, LookupJoinFactory},
    },
    planner::{
        context::RawTable,
        nodes::{LookupNode, WatermarkNode},
        sql_error,
    },
    runtime::Distribution,
};

impl PhysicalPlanner {
    pub(super) fn lookup_join(&mut self, join: &Join, kind: JoinKind, lookup: Lookup<'_>) -> Planned {
        let left = self.side(&join.left, join.on.iter().map(|(left, _)| left))?;
        let table = self.lookup_table(&lookup)?;
        let schema = join.right.schema();
        let mut keys = Vec::new();
        for (_, right) in &join.on {
            let Expr::Column(column) = unaliased(right) else {
                return Err(not_supported(format_args!("the lookup by `{right}`, which is no column,")));
            };
            keys.push(schema.index_of_column(column).map_err(sql_error)?);
        }
        if keys.is_empty() {
            return Err(SqlError::new(
                "a lookup join needs a condition that a column of the table equals one of the stream",
            ));
        }
        if !matches!(kind, JoinKind::Inner | JoinKind::Left) {
            return Err(not_supported(format_args!(
                "a lookup join of type {}",
                join.join_type.to_string().to_uppercase()
            )));
        }
        let columns = nullable(schema);
        let attributes = vec![Attribute::Plain; columns.fields().len()];
        let rel = Rel {
            node: 0,
            schema: columns.clone(),
            attributes,
            is_updating: false,
            unique: None,
            hashed_by: Vec::new(),
            is_bounded: true,
        };
        let right = Side { width: columns.fields().len(), rel, keys };
        let (spec, output) = self.spec(join, kind, &left, &right)?;
        let title = format!(
            "LookupJoin(table=[{}], on=[{}])",
            lookup.scan.table_name,
            names(&left.rel.schema, &left.keys)
        );
        let mut attributes = left.rel.attributes.clone();
        attributes.extend(&right.rel.attributes);
        let result = Rel { schema: spec.output.clone(), attributes, ..left.rel.clone() };
        let scan = Scan { projection: (0..columns.fields().len()).collect(), ..Scan::default() };
        let factory = LookupJoinFactory::new(spec, table, scan);
        let joined = self.operator(title, factory, &left.rel, Distribution::Any, result);
        self.trim(joined, output, &join.schema)
    }

    /// What is looked up: a table, with what is calculated of its rows when they are read.
    fn lookup_table(&self, lookup: &Lookup<'_>) -> Planned<Arc<dyn TableSource>> {
        let Some(raw) = lookup.scan.source.downcast_ref::<RawTable>() else {
            return Err(SqlError::new(format!("`{}` cannot be looked up", lookup.scan.table_name)));
        };
        let source = source_of(&raw.descriptor)?;
        if !source.is_bounded() {
            return Err(SqlError::new(format!(
                "`{}` cannot be looked up: it never ends",
                lookup.scan.table_name
            ))
            .hint("expected a bounded table, such as a file"));
        }
        let all: Vec<usize> = (0..raw.descriptor.schema.fields().len()).collect();
        let projection = lookup.scan.projection.clone().unwrap_or(all);
        let mut table = CalculatedTable::new(source, Scan { projection, ..Scan::default() });
        for step in lookup.steps.iter().rev() {
            match step {
                LogicalPlan::Filter(filter) => {
                    let filter_expr = self.expr(&filter.predicate, filter.input.schema())?;
                    table = table.then(CalcFactory::new(
                        Some(filter_expr),
                        None,
                        nullable(filter.input.schema()),
                    ));
                }
                LogicalPlan::Projection(projection) => {
                    let exprs = projection
                        .expr
                        .iter()
                        .map(|expr| self.expr(unaliased(expr), projection.input.schema()))
                        .collect::<Result<_, _>>()?;
                    table = table.then(CalcFactory::new(None, Some(exprs), nullable(&projection.schema)));
                }
                _ => {}
            }
        }
        Ok(Arc::new(table))
    }
}

/// A table that is looked up, and what is done to its rows first, outermost first.
pub(super) struct Lookup<'a> {
    scan: &'a TableScan,
    steps: Vec<&'a LogicalPlan>,
}

pub(super) fn lookup_of(plan: &LogicalPlan) -> Option<Lookup<'_>> {
    let (mut plan, mut steps, mut is_lookup) = (plan, Vec::new(), false);
    loop {
        match plan {
            LogicalPlan::SubqueryAlias(alias) => plan = &alias.input,
            LogicalPlan::Filter(filter) => {
                steps.push(plan);
                plan = &filter.input;
            }
            LogicalPlan::Projection(projection) => {
                steps.push(plan);
                plan = &projection.input;
            }
            LogicalPlan::Extension(extension) => {
                let node = extension.node.as_any();
                if let Some(lookup) = node.downcast_ref::<LookupNode>() {
                    plan = &lookup.input;
                    is_lookup = true;
                } else {
                    // What is looked up has no time of its own.
                    plan = &node.downcast_ref::<WatermarkNode>()?.input;
                }
            }
            LogicalPlan::TableScan(scan) if is_lookup => return Some(Lookup { scan, steps }),
            _ => return None,
        }
    }
}
