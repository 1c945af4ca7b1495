//! What is said of scripts in SQL.

use headwater_core::secret::Secrets;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whether a script could run: its statements, or what is wrong.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Validation {
    /// Whether nothing is wrong.
    pub valid: bool,
    /// All statements of a valid script.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub statements: Vec<SqlStatement>,
    /// What is wrong.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<SqlFault>,
}

/// What is wrong with a script.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SqlFault {
    /// What was expected, and what was found.
    pub message: String,
    /// The line, from 1, if the place is known.
    pub line: Option<u64>,
    /// The column, from 1; characters are counted.
    pub column: Option<u64>,
    /// What would be right, if that is known.
    pub hint: Option<String>,
}

impl SqlFault {
    /// The same without these secrets.
    pub(crate) fn without(self, secrets: &Secrets) -> Self {
        let hidden = |text: String| secrets.hide(&text).into_owned();
        Self { message: hidden(self.message), hint: self.hint.map(hidden), ..self }
    }
}

/// A place in a script, from 1; columns count characters.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SqlLocation {
    /// The line.
    pub line: u64,
    /// The column.
    pub column: u64,
}

/// A statement.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SqlStatement {
    /// Its first words: `CREATE TABLE`, `INSERT`, `SELECT`, …
    pub kind: String,
    /// Where it begins.
    pub location: SqlLocation,
    /// The columns of a query's results.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<Vec<SqlColumn>>,
    /// Whether a query's results are updated later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updating: Option<bool>,
    /// How a query or an INSERT would run, as EXPLAIN tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
}

/// A column.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct SqlColumn {
    /// Its name.
    pub name: String,
    /// Its type, as in SQL.
    pub r#type: String,
}

/// A preview's event `schema`, its first.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PreviewSchema {
    /// The columns.
    pub columns: Vec<SqlColumn>,
    /// Whether rows may be updated by later ones.
    pub updating: bool,
}

/// A preview's event `rows`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PreviewRows {
    /// The rows, in the order in which they came.
    pub rows: Vec<PreviewRow>,
}

/// A row of a preview.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PreviewRow {
    /// What it does to the table: `+I`, `-U`, `+U` or `-D`.
    pub op: String,
    /// A text for each column; null for NULL.
    pub row: Vec<Option<String>>,
}

/// A preview's event `end`, its last unless it is `error`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PreviewEnd {
    /// How many rows were sent.
    pub rows: usize,
    /// Why there are no more.
    pub reason: PreviewEndReason,
}

/// Why a preview has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PreviewEndReason {
    /// The input has ended.
    Finished,
    /// There are as many rows as were wanted.
    Rows,
    /// The time is over.
    Timeout,
}
