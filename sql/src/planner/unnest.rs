//! `UNNEST`: a row for each element of an array or map, beside the row that it is in.
//!
//! DataFusion plans it as a lateral sub-query of what is to its left. [`attach`] makes one node of both, which needs no join.

use std::{cmp::Ordering, fmt, sync::Arc};

use arrow::datatypes::{DataType, Field};
use datafusion::{
    common::{
        Column, DFSchema, DFSchemaRef, DataFusionError, JoinType, Result, ScalarValue, TableReference,
        plan_err,
        tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion},
    },
    functions::core::get_field,
    logical_expr::{
        Expr, ExprSchemable, Extension, Filter, Join, LogicalPlan, LogicalPlanBuilder,
        UserDefinedLogicalNodeCore, expr::ScalarFunction, planner::RelationPlannerContext,
    },
    sql::sqlparser::ast::{Expr as SqlExpr, TableAlias},
};

use super::{
    nodes::needed,
    relation::{location_of, refused},
};
use crate::{
    error::{Location, SqlError},
    types::spelling,
};

/// Puts each element of a collection behind the row that it is in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UnnestNode {
    /// The rows.
    pub input: LogicalPlan,
    /// An array or map, over the input's columns.
    pub collection: Expr,
    /// Whether there is a last column with the element's place, from 1.
    pub with_ordinality: bool,
    /// Whether a row without elements is kept, with nulls behind it.
    pub keeps_empty: bool,
    /// The input's columns and the element's.
    pub schema: DFSchemaRef,
    relation: Option<TableReference>,
    /// The names of the element's columns.
    columns: Vec<String>,
}

impl PartialOrd for UnnestNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        (self == other).then_some(Ordering::Equal)
    }
}

/// The columns that an element has: the fields of a row, key and value of a map, or the element itself.
fn element_columns(collection: &DataType) -> Option<Vec<(String, DataType)>> {
    let of = |fields: &arrow::datatypes::Fields| {
        fields.iter().map(|field| (field.name().clone(), field.data_type().clone())).collect()
    };
    match collection {
        DataType::List(element) => Some(match element.data_type() {
            DataType::Struct(fields) => of(fields),
            other => vec![("EXPR$0".to_owned(), other.clone())],
        }),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(fields) => {
                let names = ["KEY", "VALUE"].map(str::to_owned).into_iter();
                Some(names.zip(fields).map(|(name, field)| (name, field.data_type().clone())).collect())
            }
            _ => None,
        },
        _ => None,
    }
}

impl UnnestNode {
    fn try_new(
        input: LogicalPlan,
        collection: Expr,
        like: (bool, bool),
        relation: Option<TableReference>,
        columns: Vec<String>,
    ) -> Result<Self> {
        let (with_ordinality, keeps_empty) = like;
        let Some(types) = element_columns(&collection.get_type(input.schema())?) else {
            return plan_err!("UNNEST takes an array or a map: found `{collection}`");
        };
        let types = types.into_iter().map(|(_, data_type)| data_type);
        let types = types.chain(with_ordinality.then_some(DataType::Int32));
        let own = columns
            .iter()
            .zip(types)
            .map(|(name, data_type)| (relation.clone(), Arc::new(Field::new(name, data_type, true))));
        let before = input.schema().iter().map(|(qualifier, field)| (qualifier.cloned(), field.clone()));
        let schema = DFSchema::new_with_metadata(before.chain(own).collect(), Default::default())?;
        Ok(Self {
            input,
            collection,
            with_ordinality,
            keeps_empty,
            schema: Arc::new(schema),
            relation,
            columns,
        })
    }

    fn over(&self, input: LogicalPlan, collection: Expr, keeps_empty: bool) -> Result<Self> {
        let like = (self.with_ordinality, keeps_empty);
        Self::try_new(input, collection, like, self.relation.clone(), self.columns.clone())
    }
}

/// Plans `UNNEST(collection) [WITH ORDINALITY] AS t (columns)` by itself; the columns of what is to its left are outer references.
pub fn plan(
    arguments: Vec<SqlExpr>,
    with_ordinality: bool,
    alias: Option<TableAlias>,
    at: Location,
    context: &mut dyn RelationPlannerContext,
) -> Result<LogicalPlan> {
    let refuse = |message: String| Err(refused(SqlError::new(message).at(at)));
    let Ok([argument]) = <[SqlExpr; 1]>::try_from(arguments) else {
        return refuse("UNNEST takes one array or map".to_owned());
    };
    let shown = argument.to_string();
    let collection = resolve(argument, context)?;
    let input = LogicalPlanBuilder::empty(true).build()?;
    let found = collection.get_type(input.schema())?;
    let Some(elements) = element_columns(&found) else {
        return refuse(format!("UNNEST takes an array or a map: `{shown}` is {}", spelling(&found)));
    };
    let mut columns: Vec<String> = elements.into_iter().map(|(name, _)| name).collect();
    columns.extend(with_ordinality.then(|| "ORDINALITY".to_owned()));
    let relation = alias.as_ref().map(|alias| TableReference::bare(alias.name.value.as_str()));
    if let Some(alias) = alias {
        let given: Vec<String> = alias.columns.into_iter().map(|column| column.name.value).collect();
        if given.is_empty() && columns.len() == 1 {
            // As in Calcite: the only column is called like the table.
            columns = vec![alias.name.value];
        } else if given.len() == columns.len() {
            columns = given;
        } else if !given.is_empty() {
            return refuse(format!(
                "UNNEST gives {} here, and {} {} named: expected as many names",
                counted(columns.len(), "column"),
                given.len(),
                if given.len() == 1 { "is" } else { "are" }
            ));
        }
    }
    let node = UnnestNode::try_new(input, collection, (with_ordinality, false), relation, columns)?;
    Ok(LogicalPlan::Extension(Extension { node: Arc::new(node) }))
}

fn counted(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// Plans the argument. DataFusion does not look for fields of rows in what is to the left, so that is done here.
fn resolve(argument: SqlExpr, context: &mut dyn RelationPlannerContext) -> Result<Expr> {
    let at = location_of(&argument);
    let empty = DFSchema::empty();
    let error = match context.sql_to_expr(argument.clone(), &empty) {
        Ok(expr) => return Ok(expr),
        Err(error) => error,
    };
    if let SqlExpr::CompoundIdentifier(parts) = &argument {
        for known in (1..parts.len()).rev() {
            let row = match &parts[..known] {
                [name] => SqlExpr::Identifier(name.clone()),
                names => SqlExpr::CompoundIdentifier(names.to_vec()),
            };
            let Ok(row) = context.sql_to_expr(row, &empty) else { continue };
            return Ok(parts[known..].iter().fold(row, |row, field| {
                let field = Expr::Literal(ScalarValue::from(field.value.clone()), None);
                Expr::ScalarFunction(ScalarFunction::new_udf(get_field(), vec![row, field]))
            }));
        }
    }
    if matches!(error.find_root(), DataFusionError::SchemaError(..)) {
        let message = format!("UNNEST takes a column of what stands to its left: `{argument}` is none");
        return Err(refused(SqlError::new(message).at(at)));
    }
    Err(error)
}

/// Makes one node of each UNNEST and what it is joined with.
pub fn attach(plan: LogicalPlan) -> Result<LogicalPlan> {
    let attached = plan.transform_up_with_subqueries(|plan| {
        let LogicalPlan::Join(join) = &plan else { return Ok(Transformed::no(plan)) };
        match node_of(&join.right) {
            // What stands to the left of a constant need not be kept for it.
            Some(node)
                if refers_outwards(&node.collection)
                    || (join.on.is_empty() && join.join_type == JoinType::Inner) =>
            {
                attach_to(join, node).map(Transformed::yes)
            }
            _ => Ok(Transformed::no(plan)),
        }
    });
    let attached = attached.data()?;
    attached.apply_with_subqueries(|plan| match node_of(plan) {
        Some(node) if refers_outwards(&node.collection) => {
            let message = format!(
                "UNNEST takes a column of a table to its left, in the same FROM: `{}` is not of one",
                shown(&node.collection)
            );
            Err(refused(SqlError::new(message)))
        }
        _ => Ok(TreeNodeRecursion::Continue),
    })?;
    Ok(attached)
}

fn attach_to(join: &Join, node: &UnnestNode) -> Result<LogicalPlan> {
    let schema = join.left.schema();
    let collection = node.collection.clone().transform(|expr| {
        Ok(match expr {
            Expr::OuterReferenceColumn(_, column) if schema.has_column(&column) => {
                Transformed::yes(Expr::Column(column))
            }
            other => Transformed::no(other),
        })
    });
    let is_always = |filter: &Option<Expr>| match filter {
        None => true,
        Some(Expr::Literal(value, _)) => *value == ScalarValue::Boolean(Some(true)),
        Some(_) => false,
    };
    let refuse = |message: &str| Err(refused(SqlError::new(message)));
    if !join.on.is_empty() {
        return refuse("JOIN UNNEST takes ON: USING and NATURAL are not supported with it");
    }
    let keeps_empty = match join.join_type {
        JoinType::Inner => false,
        JoinType::Left if is_always(&join.filter) => true,
        JoinType::Left => {
            return refuse("LEFT JOIN UNNEST takes ON TRUE only: put conditions into WHERE");
        }
        _ => return refuse("UNNEST is joined by CROSS JOIN, JOIN or LEFT JOIN"),
    };
    let node = node.over(join.left.as_ref().clone(), collection.data()?, keeps_empty)?;
    let unnested = LogicalPlan::Extension(Extension { node: Arc::new(node) });
    match &join.filter {
        Some(filter) if !is_always(&join.filter) => {
            Filter::try_new(filter.clone(), Arc::new(unnested)).map(LogicalPlan::Filter)
        }
        _ => Ok(unnested),
    }
}

/// The UNNEST that a plan is.
pub fn node_of(plan: &LogicalPlan) -> Option<&UnnestNode> {
    match plan {
        LogicalPlan::Extension(extension) => extension.node.as_any().downcast_ref(),
        LogicalPlan::Subquery(subquery) => node_of(&subquery.subquery),
        _ => None,
    }
}

fn refers_outwards(expr: &Expr) -> bool {
    let found = expr.exists(|expr| Ok(matches!(expr, Expr::OuterReferenceColumn(..))));
    found.unwrap_or(false)
}

/// A collection, for people: its first outer column.
fn shown(collection: &Expr) -> String {
    let mut found: Option<Column> = None;
    let _ = collection.apply(|expr| {
        if let Expr::OuterReferenceColumn(_, column) = expr {
            found.get_or_insert(column.clone());
        }
        Ok(TreeNodeRecursion::Continue)
    });
    found.map_or_else(|| collection.to_string(), |column| column.flat_name())
}

impl UserDefinedLogicalNodeCore for UnnestNode {
    fn name(&self) -> &str {
        "Correlate"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        &self.schema
    }

    fn expressions(&self) -> Vec<Expr> {
        vec![self.collection.clone()]
    }

    fn prevent_predicate_push_down_columns(&self) -> std::collections::HashSet<String> {
        self.columns.iter().cloned().collect()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "Correlate: unnest={}", self.collection)?;
        f.write_str(if self.keeps_empty { ", joinType=Left" } else { ", joinType=Inner" })
    }

    fn with_exprs_and_inputs(&self, mut exprs: Vec<Expr>, mut inputs: Vec<LogicalPlan>) -> Result<Self> {
        let (Some(collection), Some(input)) = (exprs.pop(), inputs.pop()) else {
            return plan_err!("an UNNEST has a collection and an input");
        };
        self.over(input, collection, self.keeps_empty)
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        let width = self.input.schema().fields().len();
        let wanted = output_columns.iter().copied().filter(|column| *column < width);
        Some(vec![needed(self.input.schema(), std::slice::from_ref(&self.collection), wanted)])
    }
}
