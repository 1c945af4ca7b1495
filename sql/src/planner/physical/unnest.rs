//! UNNEST.

use std::sync::Arc;

use datafusion::logical_expr::{Expr, LogicalPlan};

use super::{Attribute, PhysicalPlanner, Planned, Rel, nullable, shown};
use crate::{
    operators::unnest::UnnestFactory,
    planner::unnest::{UnnestNode, node_of},
    runtime::Distribution,
};

impl PhysicalPlanner {
    /// The nodes of a plan of which these expressions are all that is asked for.
    pub(super) fn query_for<'a>(
        &mut self,
        plan: &LogicalPlan,
        exprs: impl Iterator<Item = &'a Expr>,
    ) -> Planned {
        let Some(node) = node_of(plan) else { return self.query(plan) };
        let mut wanted = vec![false; plan.schema().fields().len()];
        for column in exprs.flat_map(|expr| expr.column_refs()) {
            if let Some(index) = plan.schema().maybe_index_of_column(column) {
                wanted[index] = true;
            }
        }
        self.unnest(node, wanted)
    }

    /// `wanted` has for each column of the result whether it is needed.
    pub(super) fn unnest(&mut self, node: &UnnestNode, mut wanted: Vec<bool>) -> Planned {
        let input = self.query(&node.input)?;
        let collection = self.expr(&node.collection, node.input.schema())?;
        let schema = nullable(&node.schema);
        let mut attributes = input.attributes.clone();
        attributes.resize(schema.fields().len(), Attribute::Plain);
        let name = format!(
            "Correlate(unnest=[{}], joinType=[{}])",
            shown([&node.collection]),
            if node.keeps_empty { "Left" } else { "Inner" }
        );
        wanted.truncate(input.schema.fields().len());
        let factory = UnnestFactory {
            collection,
            with_ordinality: node.with_ordinality,
            keeps_empty: node.keeps_empty,
            wanted,
            output: schema.clone(),
        };
        let output = Rel { schema, attributes, unique: None, ..input.clone() };
        let inputs = vec![(input.node, Distribution::Any)];
        Ok(self.operator_of(name, Arc::new(factory), inputs, String::new(), output))
    }
}
