//! From an optimized logical plan to the nodes of a stream plan.

mod aggregate;
mod calc;
mod expand;
mod join;
mod late;
mod lookup;
mod over;
mod rank;
mod scan;
mod shown;
mod sink;
mod sliced;
mod unnest;
mod windowed;

use std::{collections::BTreeMap, sync::Arc};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::{
    common::{DFSchema, ScalarValue},
    logical_expr::{Expr, LogicalPlan, execution_props::ExecutionProps},
    physical_expr::PhysicalExpr,
};

pub use late::LateTable;
use shown::shown;
pub use sink::SinkTarget;

use super::errors::plain;
use super::{
    errors::sql_error,
    expand::ExpandNode,
    nodes::{LookupNode, WatermarkNode, WindowTvfNode},
    unnest::UnnestNode,
};
use crate::{
    error::SqlError,
    operator::OperatorFactory,
    operators::{constraints::LengthEnforcer, window::WindowTime},
    runtime::{Distribution, Node, NodeId, NodeKind, StreamPlan},
};

/// What options say about plans.
#[derive(Debug, Clone, Default)]
pub struct PlanOptions {
    /// `table.exec.state.ttl`.
    pub ttl_ms: Option<u64>,
    /// `table.exec.source.idle-timeout`.
    pub idle_timeout_ms: Option<u64>,
    /// Whether aggregation begins before the shuffle where it can.
    pub is_two_phase: bool,
    /// `table.exec.emit.early-fire.enabled`, and its delay if that is set.
    pub early_fire: Option<Option<u64>>,
    /// Whether rows with a NULL in a NOT NULL column are dropped at the sink; else they fail the job.
    pub drops_nulls: bool,
    /// What becomes of values that are longer or shorter than the sink's column.
    pub length_enforcer: LengthEnforcer,
    /// `table.exec.late-rows.table`: for INSERTs, not for queries that are only looked at.
    pub late_table: Option<LateTable>,
}

/// What is known of a column beyond its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attribute {
    /// Nothing.
    Plain,
    /// It is the event time: watermarks are about it.
    Rowtime,
    /// It is the processing time.
    Proctime,
    /// The start of the row's window.
    WindowStart(WindowTime),
    /// The end of the row's window.
    WindowEnd(WindowTime),
}

/// A node with what is known of its rows.
#[derive(Debug, Clone)]
pub struct Rel {
    /// The node.
    pub node: NodeId,
    /// Its columns, all of which may be null.
    pub schema: SchemaRef,
    /// One for each column.
    pub attributes: Vec<Attribute>,
    /// Whether there may be other changes than insertions.
    pub is_updating: bool,
    /// Columns by which rows are found again, if the rows are updated.
    pub unique: Option<Vec<usize>>,
    /// Columns each list of which has told which subtask a row is in: an operator that wants rows so divided takes them as they come.
    pub hashed_by: Vec<Vec<usize>>,
    /// Whether the rows come to an end.
    pub is_bounded: bool,
}

impl Rel {
    fn is_hashed_by(&self, columns: &[usize]) -> bool {
        self.hashed_by.iter().any(|hashed_by| hashed_by == columns)
    }

    /// The node as an input that is divided by these columns.
    fn by_columns(&self, columns: &[usize]) -> (NodeId, Distribution) {
        (self.node, if self.is_hashed_by(columns) { Distribution::Any } else { by_columns(columns) })
    }
}

/// Makes the nodes of one job.
pub struct PhysicalPlanner {
    /// What has been made so far; [`finish`](Self::finish) gives what runs.
    pub plan: StreamPlan,
    options: PlanOptions,
    props: ExecutionProps,
    /// Sources that may be read by several queries, by what they read.
    sources: BTreeMap<String, Rel>,
    /// Aggregations of the INSERT that is being planned: one that is written twice is made once.
    aggregations: Vec<(LogicalPlan, Rel)>,
    /// The late rows of the aggregations by windows so far.
    late_rows: Vec<Rel>,
    /// What filters ask of scans, by the scan's place in the plan.
    equal: BTreeMap<usize, Vec<(usize, ScalarValue)>>,
}

/// What a planning step gives.
type Planned<T = Rel> = Result<T, SqlError>;

/// All fields of a logical schema, each of which may be null, whatever DataFusion has found out.
pub(super) fn nullable(schema: &DFSchema) -> SchemaRef {
    nullable_fields(schema.fields().iter().map(|field| (field.name().clone(), field.data_type().clone())))
}

fn nullable_fields(fields: impl IntoIterator<Item = (String, DataType)>) -> SchemaRef {
    let fields: Vec<Field> =
        fields.into_iter().map(|(name, data_type)| Field::new(name, data_type, true)).collect();
    Arc::new(Schema::new(fields))
}

impl PhysicalPlanner {
    /// A planner for one job.
    pub fn new(options: PlanOptions) -> Self {
        Self {
            plan: StreamPlan::default(),
            options,
            props: ExecutionProps::new(),
            sources: BTreeMap::new(),
            aggregations: Vec::new(),
            late_rows: Vec::new(),
            equal: BTreeMap::new(),
        }
    }

    /// The nodes, once all queries and sinks are planned.
    pub fn finish(mut self) -> StreamPlan {
        self.plan.leave_out_update_before();
        self.plan
    }

    /// Makes the nodes of a query.
    pub fn query(&mut self, plan: &LogicalPlan) -> Planned {
        match plan {
            LogicalPlan::TableScan(scan) => self.scan(scan, &[]),
            LogicalPlan::SubqueryAlias(alias) => self.query(&alias.input),
            LogicalPlan::Projection(projection) => self.projection(projection),
            LogicalPlan::Filter(filter) => self.filter(filter),
            LogicalPlan::Aggregate(aggregate) => {
                if let Some((_, known)) = self.aggregations.iter().find(|(known, _)| known == plan) {
                    return Ok(known.clone());
                }
                let made = self.aggregate(aggregate)?;
                self.aggregations.push((plan.clone(), made.clone()));
                Ok(made)
            }
            LogicalPlan::Join(join) => self.join(join),
            LogicalPlan::Union(union) => self.union(union),
            LogicalPlan::Window(window) => self.window(window),
            LogicalPlan::Sort(sort) => self.sort(sort),
            LogicalPlan::Limit(limit) => self.limit(limit),
            LogicalPlan::Values(values) => self.values(values),
            LogicalPlan::EmptyRelation(empty) => self.empty(empty),
            LogicalPlan::Extension(extension) => {
                let node = extension.node.as_any();
                if let Some(watermark) = node.downcast_ref::<WatermarkNode>() {
                    self.watermark(watermark)
                } else if let Some(tvf) = node.downcast_ref::<WindowTvfNode>() {
                    self.window_tvf(tvf)
                } else if let Some(expand) = node.downcast_ref::<ExpandNode>() {
                    self.expand(expand)
                } else if let Some(unnest) = node.downcast_ref::<UnnestNode>() {
                    self.unnest(unnest, vec![true; unnest.schema.fields().len()])
                } else if node.is::<LookupNode>() {
                    Err(SqlError::new("FOR SYSTEM_TIME AS OF is for the right side of a join")
                        .hint("expected: FROM stream JOIN table FOR SYSTEM_TIME AS OF stream.proctime ON …"))
                } else {
                    Err(not_supported(extension.node.name()))
                }
            }
            LogicalPlan::RecursiveQuery(_) => Err(not_supported("WITH RECURSIVE")),
            LogicalPlan::Subquery(_) => Err(not_supported("this kind of correlated sub-query")),
            other => Err(not_supported(other.display().to_string().split(':').next().unwrap_or_default())),
        }
    }

    fn expr(&self, expr: &Expr, schema: &DFSchema) -> Planned<Arc<dyn PhysicalExpr>> {
        let context = datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext::default();
        datafusion::physical_expr::create_physical_expr(expr, schema, &self.props, &context)
            .map_err(sql_error)
    }

    /// Adds an operator with one input.
    fn operator(
        &mut self,
        name: String,
        factory: impl OperatorFactory + 'static,
        input: &Rel,
        distribution: Distribution,
        output: Rel,
    ) -> Rel {
        self.operator_of(name, Arc::new(factory), vec![(input.node, distribution)], String::new(), output)
    }

    /// Adds an operator with any inputs. `output` is all but its node, and divided as the inputs are if these are taken as they come.
    fn operator_of(
        &mut self,
        name: String,
        factory: Arc<dyn OperatorFactory>,
        inputs: Vec<(NodeId, Distribution)>,
        state: String,
        output: Rel,
    ) -> Rel {
        let is_divided_anew = inputs.iter().any(|(_, distribution)| *distribution != Distribution::Any);
        let hashed_by = if is_divided_anew { Vec::new() } else { output.hashed_by };
        let node = self.plan.add(Node {
            name,
            kind: NodeKind::Operator(factory),
            inputs,
            parallelism: None,
            schema: output.schema.clone(),
            is_updating: output.is_updating,
            update_before: output.is_updating,
            state,
            idle_timeout_ms: None,
        });
        Rel { node, hashed_by, ..output }
    }
}

/// How rows with equal values in these columns come together.
fn by_columns(columns: &[usize]) -> Distribution {
    if columns.is_empty() { Distribution::Single } else { Distribution::Hash(columns.to_vec()) }
}

fn not_supported(what: impl std::fmt::Display) -> SqlError {
    SqlError::new(format!("{} is not supported in a streaming query", plain(&what.to_string())))
}

/// The names of some columns, for people.
fn names(schema: &SchemaRef, columns: &[usize]) -> String {
    columns.iter().map(|column| schema.field(*column).name().as_str()).collect::<Vec<_>>().join(", ")
}
