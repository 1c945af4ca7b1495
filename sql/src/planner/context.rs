//! What DataFusion's planner asks: tables, functions and types by name.

use std::{
    borrow::Cow,
    cell::RefCell,
    collections::BTreeMap,
    ops::ControlFlow,
    sync::{Arc, LazyLock},
};

use arrow::datatypes::{DataType, Schema, SchemaRef};
use datafusion::{
    common::{DFSchema, Result, TableReference, config::ConfigOptions, tree_node::TreeNodeRecursion},
    execution::{SessionState, SessionStateBuilder},
    logical_expr::{
        AggregateUDF, Expr, ExprSchemable, Extension, LogicalPlan, LogicalPlanBuilder, ScalarUDF,
        TableSource, WindowUDF,
        planner::{ContextProvider, ExprPlanner, RelationPlanner, TypePlanner},
    },
    sql::{
        planner::{NullOrdering, ParserOptions, PlannerContext, SqlToRel},
        sqlparser::ast::{self, Query, Statement, TableFactor, Visit, Visitor},
    },
};

use super::{
    aggregates,
    fields::RowFields,
    literals, names,
    nodes::WatermarkNode,
    ranks,
    relation::{FlinkRelations, location_of, refused},
    unnest,
};
use crate::{
    catalog::{
        CATALOG, Catalog, CatalogEntry, CatalogTable, DATABASE, is_rowtime_type, no_other, table_name,
    },
    connectors::TableDescriptor,
    error::SqlError,
    functions,
    parser::{ColumnKind, TableArgument, TableRelation, ViewDefinition, hint_options},
    types::{self, FlinkTypes},
};

/// What DataFusion has of functions and of ways to write expressions.
static DEFAULTS: LazyLock<SessionState> =
    LazyLock::new(|| SessionStateBuilder::new().with_default_features().build());

/// How deep views may stand in views.
const VIEWS_DEPTH_MAX: usize = 32;

/// How many nodes the plan of a query may have.
const PLAN_NODES_MAX: usize = 10_000;

/// The rows of a connector, as they come.
pub struct RawTable {
    /// The table.
    pub descriptor: TableDescriptor,
    schema: SchemaRef,
}

impl TableSource for RawTable {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
}

/// A table or view that stands for a plan.
struct Inlined {
    plan: LogicalPlan,
    schema: SchemaRef,
}

impl TableSource for Inlined {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn get_logical_plan(&self) -> Option<Cow<'_, LogicalPlan>> {
        Some(Cow::Borrowed(&self.plan))
    }
}

/// The context of one session.
pub struct Context<'a> {
    catalog: &'a Catalog,
    config: ConfigOptions,
    expr_planners: Vec<Arc<dyn ExprPlanner>>,
    relation_planners: Vec<Arc<dyn RelationPlanner>>,
    /// Options of hints, by table: for the query that is being planned.
    hints: BTreeMap<String, Vec<(String, String)>>,
    /// The views that are being planned, outermost first.
    open_views: RefCell<Vec<String>>,
}

impl<'a> Context<'a> {
    /// A context over a catalog.
    pub fn new(catalog: &'a Catalog) -> Self {
        let mut config = ConfigOptions::default();
        config.sql_parser.enable_ident_normalization = false;
        config.sql_parser.map_string_types_to_utf8view = false;
        config.sql_parser.collect_spans = true;
        config.optimizer.skip_failed_rules = false;
        // Sub-queries that give one value become joins, whose results are updated when the value is.
        config.optimizer.enable_physical_uncorrelated_scalar_subquery = false;
        Self {
            catalog,
            config,
            expr_planners: std::iter::once(Arc::new(RowFields) as Arc<dyn ExprPlanner>)
                .chain(DEFAULTS.expr_planners().iter().cloned())
                .collect(),
            relation_planners: vec![Arc::new(FlinkRelations::default())],
            hints: BTreeMap::new(),
            open_views: RefCell::default(),
        }
    }

    /// Has windows keep these columns of what they are given: late rows are written with them.
    pub fn keep_for_late_rows(&mut self, columns: &[String]) {
        self.relation_planners = vec![Arc::new(FlinkRelations { late_columns: columns.to_vec() })];
    }

    /// The configuration that DataFusion's rules get.
    pub fn config(&self) -> &ConfigOptions {
        &self.config
    }

    fn planner(&self) -> SqlToRel<'_, Self> {
        let options = ParserOptions::new()
            .with_enable_ident_normalization(false)
            .with_map_string_types_to_utf8view(false)
            .with_parse_float_as_decimal(true)
            .with_support_varchar_with_length(true)
            // Calcite's order: NULL is the least value.
            .with_default_null_ordering(NullOrdering::NullsMin)
            .with_collect_spans(true);
        SqlToRel::new_with_options(self, options)
    }

    /// The logical plan of a query, as it is written.
    pub fn plan(&self, query: &Query) -> Result<LogicalPlan> {
        let mut query = Box::new(query.clone());
        names::make_distinct(&mut query);
        let plan = self.planner().sql_statement_to_plan(Statement::Query(query))?;
        check_size(&plan)?;
        unnest::attach(literals::of_plan(plan)?)
    }

    /// The logical plan of everything that a table has: physical, metadata and computed columns, and watermarks.
    fn plan_table(&self, table: &CatalogTable, descriptor: &TableDescriptor) -> Result<LogicalPlan> {
        let name = descriptor.name.clone();
        let raw = RawTable { schema: descriptor.schema.clone(), descriptor: descriptor.clone() };
        let scan =
            LogicalPlanBuilder::scan(TableReference::bare(name.clone()), Arc::new(raw), None)?.build()?;
        let planner = self.planner();
        let definition = &table.definition;
        let mut exprs = Vec::new();
        for column in &definition.columns {
            let expr = match &column.kind {
                ColumnKind::Computed(expr) => planner
                    .sql_to_expr((**expr).clone(), scan.schema(), &mut PlannerContext::new())
                    .map_err(|error| {
                        let error = super::sql_error(error);
                        let message =
                            format!("computed column `{}` of `{name}`: {}", column.name, error.message);
                        refused(SqlError { message, ..error }.at(column.location))
                    })
                    .and_then(literals::of_expr)?
                    .alias(&column.name),
                _ => Expr::Column(datafusion::common::Column::new(Some(name.clone()), &column.name)),
            };
            exprs.push(expr);
        }
        let mut plan = LogicalPlanBuilder::new(scan).project(exprs)?.build()?;
        let Some(watermark) = &definition.watermark else { return Ok(plan) };
        let schema = plan.schema().clone();
        let [column] = watermark.column.as_slice() else {
            let message =
                "WATERMARK FOR takes a top-level column: declare a computed column for a field of a ROW";
            return Err(refused(SqlError::new(message).at(watermark.location)));
        };
        let Some((_, field)) = schema.iter().find(|(_, field)| *field.name() == column.value) else {
            let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
            let error = SqlError::new(format!(
                "WATERMARK FOR names `{}`, which is no column of `{name}`",
                column.value
            ));
            return Err(refused(error.did_you_mean(&column.value, names).at(watermark.location)));
        };
        if !is_rowtime_type(field.data_type()) {
            let message = format!(
                "the time attribute `{}` must be TIMESTAMP(p) or TIMESTAMP_LTZ(p) with p from 0 to 3: found {}",
                column.value,
                types::spelling(field.data_type())
            );
            return Err(refused(SqlError::new(message).at(watermark.location)));
        }
        let rowtime = Expr::Column(
            schema.columns()[schema.index_of_column_by_name(None, &column.value).unwrap_or(0)].clone(),
        );
        let expr = planner.sql_to_expr(watermark.expr.clone(), &schema, &mut PlannerContext::new())?;
        let found = expr.get_type(&schema)?;
        if !matches!(found, DataType::Timestamp(..)) {
            let message = format!(
                "the watermark of `{name}` must be a TIMESTAMP, like the time: found {}",
                types::spelling(&found)
            );
            return Err(refused(SqlError::new(message).at(watermark.location)));
        }
        plan = LogicalPlan::Extension(Extension {
            node: Arc::new(WatermarkNode { input: plan, rowtime, watermark: expr }),
        });
        Ok(plan)
    }

    fn plan_view(&self, name: &str, view: &ViewDefinition) -> Result<LogicalPlan> {
        if self.open_views.borrow().iter().any(|open| open == name) {
            return Err(refused(SqlError::new(format!("the view `{name}` is defined by itself"))));
        }
        if self.open_views.borrow().len() >= VIEWS_DEPTH_MAX {
            let message =
                format!("views stand in views, more than {VIEWS_DEPTH_MAX} deep: `{name}` is one too many");
            return Err(refused(SqlError::new(message)));
        }
        self.open_views.borrow_mut().push(name.to_owned());
        let plan = self.plan(&view.query);
        self.open_views.borrow_mut().pop();
        let plan = plan?;
        if view.columns.is_empty() {
            return Ok(plan);
        }
        let schema = plan.schema().clone();
        let exprs = schema
            .columns()
            .into_iter()
            .zip(&view.columns)
            .map(|(column, name)| Expr::Column(column).alias(&name.value));
        LogicalPlanBuilder::new(plan).project(exprs.collect::<Vec<_>>())?.build()
    }

    /// Takes the options of the hints on tables in this query.
    pub fn take_hints(&mut self, query: &Query) {
        let mut hints = Hints(&mut self.hints);
        let _ = query.visit(&mut hints);
    }
}

/// Refuses a plan that would take for ever: whoever names a view or a WITH query twice has it planned twice, also within others.
fn check_size(plan: &LogicalPlan) -> Result<()> {
    let mut nodes = 0;
    plan.apply_with_subqueries(|_| {
        nodes += 1;
        Ok(if nodes > PLAN_NODES_MAX { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })?;
    if nodes > PLAN_NODES_MAX {
        let message = format!(
            "the query has more than {PLAN_NODES_MAX} steps, with all that its views and WITH queries stand for"
        );
        return Err(refused(SqlError::new(message)));
    }
    Ok(())
}

/// Collects the options of hints.
struct Hints<'a>(&'a mut BTreeMap<String, Vec<(String, String)>>);

impl Visitor for Hints<'_> {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table { name, with_hints, .. } = factor
            && let Ok(name) = table_name(name)
            && !with_hints.is_empty()
        {
            self.0.entry(name).or_default().extend(hint_options(with_hints));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &ast::Expr) -> ControlFlow<()> {
        if let Some(TableArgument { relation: TableRelation::Name(name), hints, .. }) =
            TableArgument::of(expr)
            && let Ok(name) = table_name(&name)
            && !hints.is_empty()
        {
            self.0.entry(name).or_default().extend(hints);
        }
        ControlFlow::Continue(())
    }
}

fn arrow_schema(schema: &DFSchema) -> SchemaRef {
    Arc::new(Schema::new(schema.fields().clone()))
}

impl ContextProvider for Context<'_> {
    fn get_table_source(&self, name: TableReference) -> Result<Arc<dyn TableSource>> {
        let table = name.table().to_owned();
        check_catalog(&name)?;
        let plan = match self.catalog.require(&table).map_err(refused)? {
            CatalogEntry::Table(entry) => {
                let mut descriptor = entry.descriptor.clone();
                if let Some(hints) = self.hints.get(&table) {
                    descriptor.options.extend(hints.iter().cloned());
                }
                self.plan_table(entry, &descriptor)?
            }
            CatalogEntry::View(view) => self.plan_view(&table, view)?,
        };
        let schema = arrow_schema(plan.schema());
        Ok(Arc::new(Inlined { plan, schema }))
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        &self.expr_planners
    }

    fn get_relation_planners(&self) -> &[Arc<dyn RelationPlanner>] {
        &self.relation_planners
    }

    fn get_type_planner(&self) -> Option<Arc<dyn TypePlanner>> {
        Some(Arc::new(FlinkTypes))
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        functions::lookup(self.catalog.function(name).unwrap_or(name))
    }

    fn get_higher_order_meta(&self, _: &str) -> Option<Arc<datafusion::logical_expr::HigherOrderUDF>> {
        None
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        aggregates::lookup(name)
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        let name = name.to_ascii_lowercase();
        ranks::lookup(&name).or_else(|| DEFAULTS.window_functions().get(&name).cloned())
    }

    fn get_variable_type(&self, _: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        &self.config
    }

    fn udf_names(&self) -> Vec<String> {
        functions::names()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn udaf_names(&self) -> Vec<String> {
        aggregates::names()
    }

    fn udwf_names(&self) -> Vec<String> {
        DEFAULTS.window_functions().keys().cloned().collect()
    }
}

/// Where a query begins.
pub fn query_location(query: &Query) -> crate::error::Location {
    location_of(query)
}

/// Refuses tables of other catalogs and databases.
fn check_catalog(name: &TableReference) -> Result<()> {
    let is_ours = name.catalog().is_none_or(|catalog| catalog == CATALOG)
        && name.schema().is_none_or(|database| database == DATABASE);
    if is_ours { Ok(()) } else { Err(refused(no_other(name))) }
}
