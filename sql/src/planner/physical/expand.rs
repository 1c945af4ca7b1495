//! GROUPING SETS.

use std::sync::Arc;

use super::{Attribute, PhysicalPlanner, Planned, Rel, nullable, shown};
use crate::{operators::expand::ExpandFactory, planner::expand::ExpandNode, runtime::Distribution};

impl PhysicalPlanner {
    pub(super) fn expand(&mut self, node: &ExpandNode) -> Planned {
        let input = self.query(&node.input)?;
        let keys = node.keys.iter().map(|key| self.expr(key, node.input.schema())).collect::<Planned<_>>()?;
        let schema = nullable(&node.schema);
        let mut attributes = input.attributes.clone();
        attributes.resize(schema.fields().len(), Attribute::Plain);
        let name = format!("Expand(groupBy=[{}], sets=[{}])", shown(&node.keys), node.sets.len());
        let factory =
            ExpandFactory { keys, sets: node.sets.clone(), ids: node.ids.clone(), output: schema.clone() };
        let output = Rel { schema, attributes, unique: None, ..input.clone() };
        let inputs = vec![(input.node, Distribution::Any)];
        Ok(self.operator_of(name, Arc::new(factory), inputs, String::new(), output))
    }
}
