//! A session: executes statements one by one. What it makes of INSERTs are jobs, as texts that can be stored and compiled
//! again.

mod compile;
mod create_as;
mod show;
#[cfg(test)]
mod tests;

use datafusion::sql::sqlparser::ast::Query;
use headwater_core::options::JobOptions;

use crate::{
    catalog::{CATALOG, Catalog, CatalogEntry, DATABASE, table_name},
    error::{Location, SqlError},
    explain, functions,
    parser::{
        AlterTable, Drop, Explain, FunctionDefinition, Insert, ObjectKind, Statement, StatementKind,
        TableChange, parse_script,
    },
    planner::{self, LateTable, PhysicalPlanner, PlanOptions, SinkTarget},
    runtime::{SqlJob, StreamPlan},
    settings::Settings,
    types::spelling,
};

pub use compile::{Compiled, compile_job, compile_query};

/// The name of the program that runs SQL.
pub const PROGRAM: &str = "sql";

/// The argument with the script.
pub const SCRIPT: &str = "script";

/// What came of a statement.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It is done; there is nothing to show.
    Done,
    /// Something to show: columns and rows.
    Rows {
        /// The columns' names.
        columns: Vec<String>,
        /// The rows.
        rows: Vec<Vec<String>>,
    },
    /// A text to show.
    Text(String),
    /// A job to be submitted.
    Job(JobRequest),
    /// A query whose results are wanted.
    Query(QueryRequest),
}

/// A job, as it is submitted.
#[derive(Debug, Clone, PartialEq)]
pub struct JobRequest {
    /// `pipeline.name`, or what the job writes to.
    pub name: String,
    /// The statements that it needs, itself last.
    pub script: String,
    /// The options with what was set.
    pub options: JobOptions,
    /// Whether the next statement waits for its end: `table.dml-sync`.
    pub is_synchronous: bool,
}

/// A query, as it is previewed.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryRequest {
    /// The statements that it needs, itself last.
    pub script: String,
    /// The columns of its results: names and Flink's types.
    pub columns: Vec<(String, String)>,
    /// Whether results may be updated.
    pub is_updating: bool,
    /// The options with what was set.
    pub options: JobOptions,
}

/// What statements have made so far.
#[derive(Debug, Clone, Default)]
pub struct Session {
    catalog: Catalog,
    settings: Settings,
    /// The texts of the statements that made it so.
    history: Vec<String>,
    options: JobOptions,
}

impl Session {
    /// A session whose jobs have these options, unless statements set others.
    pub fn new(options: JobOptions) -> Self {
        Self { options, ..Self::default() }
    }

    /// What there is by name.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// What was set.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Executes all statements of a script, until one fails.
    pub fn execute_script(&mut self, text: &str) -> Result<Vec<Outcome>, SqlError> {
        parse_script(text)?.iter().map(|statement| self.execute(statement)).collect()
    }

    /// Executes a statement.
    pub fn execute(&mut self, statement: &Statement) -> Result<Outcome, SqlError> {
        self.run(statement).map_err(|error| error.at(statement.location))
    }

    fn run(&mut self, statement: &Statement) -> Result<Outcome, SqlError> {
        let outcome = match &statement.kind {
            StatementKind::CreateTable(table) => {
                let mut table = (**table).clone();
                let Some(query) = table.query.take() else {
                    self.catalog.create_table(table)?;
                    self.history.push(statement.text.clone());
                    return Ok(Outcome::Done);
                };
                return self.create_table_as(statement, &table, &query);
            }
            StatementKind::CreateView(view) => {
                let name = table_name(&view.name).map_err(|error| error.at(view.location))?;
                let is_there = self.catalog.get(&name).is_some();
                self.catalog.create_view((**view).clone())?;
                if !is_there {
                    // A view that cannot be planned is refused when it is made, and so is one with too many names.
                    let planned = planner::plan_query(&self.catalog, &view.query);
                    if let Err(error) = planned.and_then(|plans| plans.check_names(&name, view)) {
                        self.catalog.drop_entry(&name);
                        return Err(error);
                    }
                }
                Outcome::Done
            }
            StatementKind::CreateFunction(function) => self.create_function(function)?,
            StatementKind::Drop(drop) => self.drop_object(drop)?,
            StatementKind::AlterTable(change) => self.alter_table(change)?,
            StatementKind::Set(None) => {
                let rows =
                    self.settings.iter().map(|(key, value)| vec![key.to_owned(), value.to_owned()]).collect();
                return Ok(Outcome::Rows { columns: vec!["key".to_owned(), "value".to_owned()], rows });
            }
            StatementKind::Set(Some((key, value))) => {
                let before = self.settings.clone();
                self.settings.set(key, value)?;
                if let Err(error) = self.settings.job_options(self.options.clone()) {
                    self.settings = before;
                    return Err(error);
                }
                Outcome::Done
            }
            StatementKind::Reset(key) => {
                self.settings.reset(key.as_deref());
                Outcome::Done
            }
            StatementKind::Use(name) if name.to_string() == DATABASE => Outcome::Done,
            StatementKind::UseCatalog(name) if name.value == CATALOG => Outcome::Done,
            StatementKind::Use(name) => return Err(no_other(&name.to_string())),
            StatementKind::UseCatalog(name) => return Err(no_other(&name.value)),
            StatementKind::Show(show) => return self.show(show),
            StatementKind::Describe(name) => return self.describe(name),
            StatementKind::Explain(explain) => return self.explain(explain).map(Outcome::Text),
            StatementKind::Insert(insert) => {
                return self.job(statement, std::slice::from_ref(insert));
            }
            StatementKind::StatementSet(inserts) => return self.job(statement, inserts),
            StatementKind::Query(query) => return self.query(statement, query).map(Outcome::Query),
        };
        self.history.push(statement.text.clone());
        Ok(outcome)
    }

    fn create_function(&mut self, function: &FunctionDefinition) -> Result<Outcome, SqlError> {
        let name = function.name.to_string();
        let Some(built_in) = functions::lookup_class(&function.class) else {
            return Err(SqlError::new(format!(
                "the class `{}` cannot be run: there is no JVM here",
                function.class
            ))
            .hint(
                "expected a class whose function is built in, such as com.github.nexmark.flink.udf.CountChar",
            )
            .at(function.location));
        };
        if self.catalog.function(&name).is_some() && !function.if_not_exists {
            return Err(SqlError::new(format!("the function `{name}` exists already")).at(function.location));
        }
        self.catalog.create_function(&name, built_in.name());
        Ok(Outcome::Done)
    }

    fn drop_object(&mut self, drop: &Drop) -> Result<Outcome, SqlError> {
        let name = table_name(&drop.name).map_err(|error| error.at(drop.location))?;
        let is_there = match (drop.kind, self.catalog.get(&name)) {
            (ObjectKind::Function, _) => self.catalog.drop_function(&name),
            (ObjectKind::Table, Some(CatalogEntry::Table(_)))
            | (ObjectKind::View, Some(CatalogEntry::View(_))) => self.catalog.drop_entry(&name),
            _ => false,
        };
        if is_there || drop.if_exists {
            return Ok(Outcome::Done);
        }
        let what = drop.kind.to_string().to_lowercase();
        Err(SqlError::new(format!("{what} `{name}` does not exist")).hint("say IF EXISTS").at(drop.location))
    }

    fn alter_table(&mut self, change: &AlterTable) -> Result<Outcome, SqlError> {
        let name = table_name(&change.name).map_err(|error| error.at(change.location))?;
        let entry = match self.catalog.require(&name) {
            Err(_) if change.if_exists => return Ok(Outcome::Done),
            entry => entry.map_err(|error| error.at(change.location))?,
        };
        let CatalogEntry::Table(table) = entry else {
            return Err(SqlError::new(format!("`{name}` is a view: expected a table")).at(change.location));
        };
        let mut definition = table.definition.clone();
        match &change.change {
            TableChange::Rename(new) => definition.name = new.clone(),
            TableChange::Set(options) => {
                for option in options {
                    definition.options.retain(|(key, _, _)| *key != option.0);
                    definition.options.push(option.clone());
                }
            }
            TableChange::Reset(keys) => {
                definition.options.retain(|(key, _, _)| !keys.iter().any(|(reset, _)| reset == key));
            }
        }
        self.catalog.replace_table(&name, definition)?;
        Ok(Outcome::Done)
    }

    fn explain(&self, explain: &Explain) -> Result<String, SqlError> {
        let options = self.settings.job_options(self.options.clone())?;
        let (logical, plan) = match &explain.statement {
            StatementKind::Query(query) => {
                let mut planner = PhysicalPlanner::new(self.settings.plan_options(&options));
                let plans = planner::plan_query(&self.catalog, query)?;
                planner.query(&plans.optimized)?;
                (vec![plans], planner.finish())
            }
            StatementKind::Insert(insert) => self.plan_inserts(std::slice::from_ref(insert), &options)?,
            StatementKind::StatementSet(inserts) => self.plan_inserts(inserts, &options)?,
            _ => return Err(SqlError::new("EXPLAIN takes a query, an INSERT or a statement set")),
        };
        let logical: String = logical.iter().map(explain::logical).collect();
        Ok(format!("{logical}\n{}", explain::physical(&plan)))
    }

    fn plan_insert(
        &self,
        planner: &mut PhysicalPlanner,
        insert: &Insert,
        late_columns: &[String],
    ) -> Result<planner::LogicalPlans, SqlError> {
        let at = insert.location;
        let name = table_name(&insert.table).map_err(|error| error.at(at))?;
        let CatalogEntry::Table(table) = self.catalog.require(&name).map_err(|error| error.at(at))? else {
            return Err(SqlError::new(format!("`{name}` is a view: expected a table to insert into")).at(at));
        };
        if insert.overwrite {
            return Err(SqlError::new("INSERT OVERWRITE is for batch jobs: expected INSERT INTO").at(at));
        }
        if !insert.partition.is_empty() {
            return Err(SqlError::new("PARTITION (…) in INSERT is not supported")
                .hint("give the partition's columns in the query")
                .at(at));
        }
        let mut descriptor = table.descriptor.clone();
        descriptor.options.extend(insert.hints.iter().map(|(key, value, _)| (key.clone(), value.clone())));
        let place = |name: &str| descriptor.schema.index_of(name).ok();
        let writable = table.writable();
        let columns = insert
            .columns
            .iter()
            .map(|column| {
                place(&column.value).filter(|place| writable.contains(place)).ok_or_else(|| {
                    let known = writable.iter().map(|place| descriptor.schema.field(*place).name().as_str());
                    SqlError::new(format!("`{name}` has no column `{}` to insert into", column.value))
                        .did_you_mean(&column.value, known)
                        .at(at)
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        let plans = planner::plan_query_with_late_rows(&self.catalog, &insert.query, late_columns)?;
        let rel =
            planner.query(&plans.optimized).map_err(|error| error.at(planner_location(&insert.query)))?;
        let target =
            SinkTarget { table: &descriptor, writable, columns: (!columns.is_empty()).then_some(columns) };
        planner.sink(rel, &plans.optimized, &target).map_err(|error| error.at(at))?;
        Ok(plans)
    }

    fn plan_inserts(
        &self,
        inserts: &[Insert],
        options: &JobOptions,
    ) -> Result<(Vec<planner::LogicalPlans>, StreamPlan), SqlError> {
        let late_table = self.late_table()?;
        let late_columns = late_table.as_ref().map(LateTable::columns).unwrap_or_default();
        let options = PlanOptions { late_table, ..self.settings.plan_options(options) };
        let mut planner = PhysicalPlanner::new(options);
        let plans = inserts
            .iter()
            .map(|insert| self.plan_insert(&mut planner, insert, &late_columns))
            .collect::<Result<_, _>>()?;
        planner.sink_late_rows()?;
        Ok((plans, planner.finish()))
    }

    /// The table that `table.exec.late-rows.table` names.
    fn late_table(&self) -> Result<Option<LateTable>, SqlError> {
        let Some(name) = self.settings.get("table.exec.late-rows.table") else { return Ok(None) };
        match self.catalog.require(name) {
            Ok(CatalogEntry::Table(table)) => {
                Ok(Some(LateTable { table: table.descriptor.clone(), writable: table.writable() }))
            }
            Ok(CatalogEntry::View(_)) => Err(SqlError::new(format!(
                "`table.exec.late-rows.table`: `{name}` is a view: expected a table that can be written"
            ))),
            Err(error) => {
                let message = format!("`table.exec.late-rows.table`: {}", error.message);
                Err(SqlError { message, ..error })
            }
        }
    }

    fn job(&self, statement: &Statement, inserts: &[Insert]) -> Result<Outcome, SqlError> {
        let Compiled { name, options, .. } = self.compile(inserts)?;
        let is_synchronous =
            self.settings.get("table.dml-sync").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        Ok(Outcome::Job(JobRequest { name, script: self.script(&statement.text), options, is_synchronous }))
    }

    fn compile(&self, inserts: &[Insert]) -> Result<Compiled, SqlError> {
        let options = self.settings.job_options(self.options.clone())?;
        let (_, plan) = self.plan_inserts(inserts, &options)?;
        let job = SqlJob::new(&plan, &options).map_err(|error| SqlError::new(error.to_string()))?;
        let tables: Vec<String> = inserts.iter().map(|insert| insert.table.to_string()).collect();
        let name = match self.settings.get("pipeline.name") {
            Some(name) => name.to_owned(),
            None => format!("insert-into_{}", tables.join(",")),
        };
        Ok(Compiled { name, job, options })
    }

    fn query(&self, statement: &Statement, query: &Query) -> Result<QueryRequest, SqlError> {
        let options = self.settings.job_options(self.options.clone())?;
        let plans = planner::plan_query(&self.catalog, query)?;
        let mut planner = PhysicalPlanner::new(self.settings.plan_options(&options));
        let rel = planner.query(&plans.optimized)?;
        let columns = plans.initial.schema().fields().iter();
        Ok(QueryRequest {
            script: self.script(&statement.text),
            columns: columns.map(|field| (field.name().clone(), spelling(field.data_type()))).collect(),
            is_updating: rel.is_updating,
            options,
        })
    }

    fn script(&self, last: &str) -> String {
        let mut script = self.history.join(";\n");
        if !script.is_empty() {
            script.push_str(";\n");
        }
        script.push_str(last);
        script.push_str(";\n");
        script
    }
}

fn planner_location(query: &Query) -> Location {
    planner::query_location(query)
}

fn no_other(name: &str) -> SqlError {
    SqlError::new(format!("`{name}` does not exist: there is only `{CATALOG}`.`{DATABASE}`"))
}
