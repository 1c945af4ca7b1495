//! GROUPING SETS, ROLLUP and CUBE, as Flink runs them: each row goes once into every set, with nulls for what the set is not grouped by
//! and the set's number; then one aggregation has them all.

use std::{cmp::Ordering, collections::HashMap, fmt, sync::Arc};

use arrow::datatypes::{DataType, Field};
use datafusion::{
    common::{Column, DFSchema, DFSchemaRef, Result, plan_err},
    logical_expr::{
        Aggregate, Expr, ExprSchemable, Extension, GroupingSet, LogicalPlan, UserDefinedLogicalNodeCore,
    },
};

use super::nodes::needed;

/// How many sets there may be.
const SETS_MAX: usize = 4096;

/// Gives each row once for every grouping set.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ExpandNode {
    /// The rows.
    pub input: LogicalPlan,
    /// What some sets are grouped by and others are not.
    pub keys: Vec<Expr>,
    /// Which of the keys each set has.
    pub sets: Vec<Vec<bool>>,
    /// The number of each set.
    pub ids: Vec<u64>,
    /// The input's columns, the keys, the set's number.
    pub schema: DFSchemaRef,
}

impl PartialOrd for ExpandNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

impl ExpandNode {
    fn try_new(
        input: LogicalPlan,
        keys: Vec<Expr>,
        sets: Vec<Vec<bool>>,
        ids: Vec<u64>,
        id_type: DataType,
    ) -> Result<Self> {
        let schema = input.schema();
        let mut fields: Vec<_> =
            schema.iter().map(|(qualifier, field)| (qualifier.cloned(), field.clone())).collect();
        for (place, key) in keys.iter().enumerate() {
            fields.push((None, Arc::new(Field::new(key_name(place), key.get_type(schema)?, true))));
        }
        fields.push((None, Arc::new(Field::new(ID, id_type, false))));
        let schema = Arc::new(DFSchema::new_with_metadata(fields, Default::default())?);
        Ok(Self { input, keys, sets, ids, schema })
    }

    /// The same over other rows.
    pub fn over(&self, input: LogicalPlan, keys: Vec<Expr>) -> Result<Self> {
        Self::try_new(input, keys, self.sets.clone(), self.ids.clone(), self.id_type().clone())
    }

    /// The type of the set's number.
    pub fn id_type(&self) -> &DataType {
        self.schema.field(self.schema.fields().len() - 1).data_type()
    }
}

/// The column with the set's number; Flink calls it so.
const ID: &str = "$e";

fn key_name(place: usize) -> String {
    format!("$group{place}")
}

/// The aggregation without grouping sets that gives the same as one with.
pub fn expanded(aggregate: &Aggregate, grouping: &GroupingSet) -> Result<Aggregate> {
    let keys: Vec<&Expr> = grouping.distinct_expr();
    let sets = sets_of(grouping)?;
    let (rows, width) = (sets.len(), keys.len());
    if rows > SETS_MAX || width > 32 {
        return plan_err!("expected at most {SETS_MAX} grouping sets of 32 columns: found {rows} of {width}");
    }
    let is_everywhere = |key: &Expr| sets.iter().all(|set| set.contains(&key));
    let mut seen: HashMap<u64, u64> = HashMap::new();
    let ids = sets.iter().map(|set| {
        // A bit for each key, the first key's the highest, is set where the set does not have the key.
        let mask = keys.iter().fold(0, |mask, key| mask << 1 | u64::from(!set.contains(key)));
        let times = seen.entry(mask).or_default();
        *times += 1;
        mask | (*times - 1) << width
    });
    let ids = ids.collect();
    let some: Vec<Expr> = keys.iter().filter(|key| !is_everywhere(key)).map(|key| (*key).clone()).collect();
    let has = sets.iter().map(|set| some.iter().map(|key| set.contains(&key)).collect()).collect();
    let id_type = aggregate.schema.field(width).data_type().clone();
    let node = ExpandNode::try_new(aggregate.input.as_ref().clone(), some, has, ids, id_type)?;
    let column = |name: String| Expr::Column(Column::new_unqualified(name));
    let mut place = 0;
    let mut group: Vec<Expr> = Vec::new();
    for key in &keys {
        if is_everywhere(key) {
            group.push((*key).clone());
        } else {
            group.push(column(key_name(place)));
            place += 1;
        }
    }
    group.push(column(ID.to_owned()));
    let input = LogicalPlan::Extension(Extension { node: Arc::new(node) });
    let (calls, schema) = (aggregate.aggr_expr.clone(), aggregate.schema.clone());
    Aggregate::try_new_with_schema(Arc::new(input), group, calls, schema)
}

/// The sets, each with what it is grouped by.
fn sets_of(grouping: &GroupingSet) -> Result<Vec<Vec<&Expr>>> {
    Ok(match grouping {
        GroupingSet::GroupingSets(sets) => sets.iter().map(|set| set.iter().collect()).collect(),
        GroupingSet::Rollup(exprs) => {
            (0..=exprs.len()).rev().map(|length| exprs[..length].iter().collect()).collect()
        }
        GroupingSet::Cube(exprs) => {
            let Some(sets) = 1usize.checked_shl(exprs.len() as u32).filter(|sets| *sets <= SETS_MAX) else {
                return plan_err!("CUBE of {} columns has too many grouping sets", exprs.len());
            };
            let set = |mask: usize| {
                let is_in = move |place: usize| mask & 1 << (exprs.len() - 1 - place) == 0;
                exprs
                    .iter()
                    .enumerate()
                    .filter(move |(place, _)| is_in(*place))
                    .map(|(_, expr)| expr)
                    .collect()
            };
            (0..sets).map(set).collect()
        }
    })
}

impl UserDefinedLogicalNodeCore for ExpandNode {
    fn name(&self) -> &str {
        "Expand"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        self.keys.clone()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "Expand: {} sets", self.sets.len())
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> Result<Self> {
        let Some(input) = inputs.pop() else { return plan_err!("an expansion has an input") };
        self.over(input, exprs)
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        let width = self.input.schema().fields().len();
        let wanted = output_columns.iter().copied().filter(|column| *column < width);
        Some(vec![needed(self.input.schema(), &self.keys, wanted)])
    }
}

#[cfg(test)]
mod tests {
    use datafusion::logical_expr::col;

    use super::*;

    fn shown(grouping: &GroupingSet) -> Vec<String> {
        let text = |set: Vec<&Expr>| set.iter().map(|expr| expr.to_string()).collect::<Vec<_>>().join(" ");
        sets_of(grouping).unwrap().into_iter().map(text).collect()
    }

    #[test]
    fn rollup_and_cube_stand_for_their_sets() {
        let exprs = || vec![col("a"), col("b"), col("c")];
        assert_eq!(shown(&GroupingSet::Rollup(exprs())), ["a b c", "a b", "a", ""]);
        let cube = ["a b c", "a b", "a c", "a", "b c", "b", "c", ""];
        assert_eq!(shown(&GroupingSet::Cube(exprs())), cube);
        let many = (0..20).map(|column| col(format!("c{column}"))).collect();
        assert!(sets_of(&GroupingSet::Cube(many)).is_err());
    }
}
