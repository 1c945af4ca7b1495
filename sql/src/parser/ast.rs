//! What a script consists of. Queries and expressions stay sqlparser's; the statements around them are Flink's.

use std::{fmt, ops::Range};

use arrow::datatypes::DataType;
use datafusion::sql::sqlparser::ast::{Expr, Ident, ObjectName, Query};

use crate::{error::Location, types::Length};

/// One statement of a script.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// What it says.
    pub kind: StatementKind,
    /// Its text, without comments around it and without the final semicolon.
    pub text: String,
    /// Where that is in the script, in bytes.
    pub span: Range<usize>,
    /// Where it begins.
    pub location: Location,
}

/// The statements.
#[derive(Debug, Clone, PartialEq)]
pub enum StatementKind {
    /// `CREATE [TEMPORARY] TABLE`.
    CreateTable(Box<TableDefinition>),
    /// `CREATE [TEMPORARY] VIEW`.
    CreateView(Box<ViewDefinition>),
    /// `CREATE [TEMPORARY [SYSTEM]] FUNCTION`.
    CreateFunction(FunctionDefinition),
    /// `DROP [TEMPORARY] TABLE | VIEW | FUNCTION`.
    Drop(Drop),
    /// `ALTER TABLE`.
    AlterTable(AlterTable),
    /// `[EXECUTE] INSERT INTO | OVERWRITE`.
    Insert(Box<Insert>),
    /// `EXECUTE STATEMENT SET BEGIN … END`, `BEGIN STATEMENT SET; … END`: one job of several inserts.
    StatementSet(Vec<Insert>),
    /// `SET 'key' = 'value'`, or `SET`, which shows all.
    Set(Option<(String, String)>),
    /// `RESET 'key'`, or `RESET`, which resets all.
    Reset(Option<String>),
    /// `SHOW …`.
    Show(Show),
    /// `DESCRIBE t`.
    Describe(ObjectName),
    /// `EXPLAIN …`.
    Explain(Box<Explain>),
    /// `USE CATALOG c`.
    UseCatalog(Ident),
    /// `USE [c.]d`.
    Use(ObjectName),
    /// A query: `[EXECUTE] SELECT`, `WITH`, `VALUES`.
    Query(Box<Query>),
}

/// `CREATE TABLE`.
#[derive(Debug, Clone, PartialEq)]
pub struct TableDefinition {
    /// Its name.
    pub name: ObjectName,
    /// Where the name is.
    pub location: Location,
    /// `TEMPORARY`.
    pub temporary: bool,
    /// `IF NOT EXISTS`.
    pub if_not_exists: bool,
    /// The columns, in order.
    pub columns: Vec<ColumnDefinition>,
    /// `WATERMARK FOR … AS …`.
    pub watermark: Option<WatermarkDefinition>,
    /// `PRIMARY KEY (…) NOT ENFORCED`, or the inline form of it.
    pub primary_key: Vec<Ident>,
    /// `COMMENT '…'`.
    pub comment: Option<String>,
    /// `PARTITIONED BY (…)`.
    pub partitioned_by: Vec<Ident>,
    /// `WITH ('key' = 'value', …)`, with the place of each key; no key is there twice.
    pub options: Vec<(String, String, Location)>,
    /// `LIKE t (…)`.
    pub like: Option<Like>,
    /// `AS SELECT …`: the columns of the query are the table's, behind those that are declared.
    pub query: Option<Box<Query>>,
    /// With a query: `(a, b)`, the query's columns in another order.
    pub order: Vec<Ident>,
}

/// A column.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnDefinition {
    /// Its name, as written.
    pub name: String,
    /// What it is.
    pub kind: ColumnKind,
    /// `COMMENT '…'`.
    pub comment: Option<String>,
    /// Where its name is.
    pub location: Location,
}

/// The kinds of columns.
#[derive(Debug, Clone, PartialEq)]
pub enum ColumnKind {
    /// Part of the table's records.
    Physical {
        /// Its type.
        data_type: DataType,
        /// Whether it takes nulls.
        nullable: bool,
        /// Of a string or of bytes.
        length: Option<Length>,
    },
    /// `name AS expression`.
    Computed(Box<Expr>),
    /// `name type METADATA [FROM 'key'] [VIRTUAL]`.
    Metadata {
        /// Its type.
        data_type: DataType,
        /// Whether it may be null.
        nullable: bool,
        /// The connector's key for it: the column's name, if none is given.
        key: String,
        /// Whether it is only read.
        is_virtual: bool,
    },
}

/// `WATERMARK FOR column AS expression`.
#[derive(Debug, Clone, PartialEq)]
pub struct WatermarkDefinition {
    /// The event time column: a name, or a path into a row.
    pub column: Vec<Ident>,
    /// What the watermark is after a row.
    pub expr: Expr,
    /// Where the column is named.
    pub location: Location,
}

/// `LIKE t (…)`.
#[derive(Debug, Clone, PartialEq)]
pub struct Like {
    /// The table whose definition is taken over.
    pub table: ObjectName,
    /// Where it is named.
    pub location: Location,
    /// What of it, in the order written; what isn't mentioned is as in Flink.
    pub options: Vec<(LikeStrategy, LikeFeature)>,
}

impl Like {
    /// What is done with a feature: the last that is said of it, or of all, or what is usual.
    pub fn strategy(&self, feature: LikeFeature) -> LikeStrategy {
        let said = |wanted| {
            self.options.iter().rev().find(|(_, named)| *named == wanted).map(|(strategy, _)| *strategy)
        };
        said(feature).or_else(|| said(LikeFeature::All)).unwrap_or(match feature {
            LikeFeature::Generated
            | LikeFeature::Metadata
            | LikeFeature::Options
            | LikeFeature::Watermarks => LikeStrategy::Overwriting,
            _ => LikeStrategy::Including,
        })
    }
}

/// How a feature of the other table is merged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LikeStrategy {
    /// Taken; it is an error if the new table has the same.
    Including,
    /// Left out.
    Excluding,
    /// Taken, unless the new table has the same.
    Overwriting,
}

/// A feature of a table that `LIKE` takes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LikeFeature {
    /// All of them.
    All,
    /// Primary keys.
    Constraints,
    /// `DISTRIBUTED`.
    Distribution,
    /// Computed columns.
    Generated,
    /// Metadata columns.
    Metadata,
    /// The `WITH` clause.
    Options,
    /// `PARTITIONED BY`.
    Partitions,
    /// Watermarks.
    Watermarks,
}

/// `CREATE VIEW`.
#[derive(Debug, Clone, PartialEq)]
pub struct ViewDefinition {
    /// Its name.
    pub name: ObjectName,
    /// Where the name is.
    pub location: Location,
    /// `TEMPORARY`.
    pub temporary: bool,
    /// `IF NOT EXISTS`.
    pub if_not_exists: bool,
    /// The columns' names, if they are given.
    pub columns: Vec<Ident>,
    /// `COMMENT '…'`.
    pub comment: Option<String>,
    /// Its query.
    pub query: Box<Query>,
    /// The query's text.
    pub query_text: String,
    /// Where that begins.
    pub query_location: Location,
}

/// `CREATE FUNCTION`.
#[derive(Debug, Clone, PartialEq)]
pub struct FunctionDefinition {
    /// Its name.
    pub name: ObjectName,
    /// Where the name is.
    pub location: Location,
    /// `TEMPORARY`.
    pub temporary: bool,
    /// `SYSTEM`.
    pub system: bool,
    /// `IF NOT EXISTS`.
    pub if_not_exists: bool,
    /// The class that implements it.
    pub class: String,
    /// `LANGUAGE …`, in upper case.
    pub language: Option<String>,
}

/// `DROP`.
#[derive(Debug, Clone, PartialEq)]
pub struct Drop {
    /// What is dropped.
    pub kind: ObjectKind,
    /// Its name.
    pub name: ObjectName,
    /// Where the name is.
    pub location: Location,
    /// `TEMPORARY`.
    pub temporary: bool,
    /// `IF EXISTS`.
    pub if_exists: bool,
}

/// What a catalog holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectKind {
    /// A table.
    Table,
    /// A view.
    View,
    /// A function.
    Function,
}

impl fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Table => "TABLE",
            Self::View => "VIEW",
            Self::Function => "FUNCTION",
        })
    }
}

/// `ALTER TABLE`.
#[derive(Debug, Clone, PartialEq)]
pub struct AlterTable {
    /// The table.
    pub name: ObjectName,
    /// Where it is named.
    pub location: Location,
    /// `IF EXISTS`.
    pub if_exists: bool,
    /// What is changed.
    pub change: TableChange,
}

/// What `ALTER TABLE` changes.
#[derive(Debug, Clone, PartialEq)]
pub enum TableChange {
    /// `RENAME TO`.
    Rename(ObjectName),
    /// `SET ('key' = 'value', …)`.
    Set(Vec<(String, String, Location)>),
    /// `RESET ('key', …)`.
    Reset(Vec<(String, Location)>),
}

/// `INSERT`.
#[derive(Debug, Clone, PartialEq)]
pub struct Insert {
    /// The table.
    pub table: ObjectName,
    /// Where it is named.
    pub location: Location,
    /// `OPTIONS` hints on the table: they override its `WITH` clause.
    pub hints: Vec<(String, String, Location)>,
    /// `OVERWRITE`.
    pub overwrite: bool,
    /// `PARTITION (column = literal, …)`.
    pub partition: Vec<(Ident, Expr)>,
    /// The columns that the query's columns go to, if they are given: each a name.
    pub columns: Vec<Ident>,
    /// What is inserted.
    pub query: Box<Query>,
}

/// `SHOW`.
#[derive(Debug, Clone, PartialEq)]
pub enum Show {
    /// `SHOW TABLES`.
    Tables,
    /// `SHOW VIEWS`.
    Views,
    /// `SHOW [USER] FUNCTIONS`.
    Functions {
        /// Only those that statements created.
        user: bool,
    },
    /// `SHOW CATALOGS`.
    Catalogs,
    /// `SHOW DATABASES`.
    Databases,
    /// `SHOW CURRENT CATALOG`.
    CurrentCatalog,
    /// `SHOW CURRENT DATABASE`.
    CurrentDatabase,
    /// `SHOW CREATE TABLE t`.
    CreateTable(ObjectName),
    /// `SHOW CREATE VIEW v`.
    CreateView(ObjectName),
    /// `SHOW COLUMNS FROM t`.
    Columns(ObjectName),
}

/// `EXPLAIN`.
#[derive(Debug, Clone, PartialEq)]
pub struct Explain {
    /// What is wanted beyond the plans.
    pub details: Vec<ExplainDetail>,
    /// What is explained: a query, an insert, or a statement set.
    pub statement: StatementKind,
}

/// `ESTIMATED_COST`, `CHANGELOG_MODE`, …
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExplainDetail {
    /// `ESTIMATED_COST`.
    EstimatedCost,
    /// `CHANGELOG_MODE`.
    ChangelogMode,
    /// `JSON_EXECUTION_PLAN`.
    JsonExecutionPlan,
    /// `PLAN_ADVICE`.
    PlanAdvice,
}
