//! `CREATE TABLE … AS SELECT`: a table with the columns of a query, and a job that fills it.

use arrow::datatypes::DataType;
use datafusion::sql::sqlparser::ast::{Ident, Query};

use super::{Outcome, Session};
use crate::{
    catalog::table_name,
    error::SqlError,
    parser::{ColumnDefinition, ColumnKind, Insert, Statement, StatementKind, TableDefinition, parse_script},
    planner,
    types::{Length, quoted, spelling},
};

impl Session {
    pub(super) fn create_table_as(
        &mut self,
        statement: &Statement,
        table: &TableDefinition,
        query: &Query,
    ) -> Result<Outcome, SqlError> {
        let (text, insert) =
            match self.plan_table_as(table, query).map_err(|error| error.at(table.location))? {
                Some(planned) => planned,
                None => return Ok(Outcome::Done),
            };
        let job = self.job(statement, std::slice::from_ref(&insert));
        match job {
            Ok(job) => {
                self.history.push(text);
                Ok(job)
            }
            Err(error) => {
                self.catalog.drop_entry(&table_name(&table.name)?);
                Err(error)
            }
        }
    }

    /// Creates the table: what it is in full, as a statement, and what fills it. `None` if it is there and may be.
    pub(super) fn plan_table_as(
        &mut self,
        table: &TableDefinition,
        query: &Query,
    ) -> Result<Option<(String, Insert)>, SqlError> {
        let name = table_name(&table.name)?;
        if table.temporary {
            return Err(SqlError::new("CREATE TEMPORARY TABLE … AS is not part of Flink's SQL")
                .hint("say CREATE TABLE, or create the table first"));
        }
        if table.like.is_some() {
            return Err(SqlError::new("a table is made LIKE another or AS a query: expected one of both"));
        }
        if self.catalog.get(&name).is_some() && table.if_not_exists {
            return Ok(None);
        }
        let plans = planner::plan_query(&self.catalog, query)?;
        let of_query: Vec<(String, String)> = plans
            .optimized
            .schema()
            .fields()
            .iter()
            .map(|field| (field.name().clone(), spelling(field.data_type())))
            .collect();
        let text = text_of(&name, table, columns_of(table, &of_query)?);
        // What is written is what is created, now and when the job is planned again.
        let written = parse_script(&text).map_err(|error| SqlError { location: None, ..error })?;
        let definition = match written.into_iter().next().map(|statement| statement.kind) {
            Some(StatementKind::CreateTable(definition)) => *definition,
            _ => return Err(SqlError::new(format!("the table `{name}` cannot be written as a statement"))),
        };
        self.catalog.create_table(TableDefinition { location: table.location, ..definition })?;
        let insert = Insert {
            table: table.name.clone(),
            location: table.location,
            hints: Vec::new(),
            overwrite: false,
            partition: Vec::new(),
            columns: of_query.iter().map(|(name, _)| Ident::with_quote('`', name)).collect(),
            query: Box::new(query.clone()),
        };
        Ok(Some((text, insert)))
    }
}

/// The columns as they are declared: those of the table that the query doesn't have, then the query's, with the table's types if
/// it names them, too.
fn columns_of(table: &TableDefinition, of_query: &[(String, String)]) -> Result<Vec<String>, SqlError> {
    let declared = |name: &str| table.columns.iter().find(|column| column.name == name);
    let is_key = |name: &str| table.primary_key.iter().any(|key| key.value == name);
    let mut own = Vec::new();
    for column in &table.columns {
        let is_of_query = of_query.iter().any(|(name, _)| *name == column.name);
        if is_of_query && !matches!(column.kind, ColumnKind::Physical { .. }) {
            let message = format!("the column `{}` is calculated, and the query gives it, too", column.name);
            return Err(SqlError::new(message).at(column.location));
        }
        if !is_of_query {
            own.push(column_text(column));
        }
    }
    let place = |name: &Ident| {
        of_query.iter().position(|(known, _)| *known == name.value).ok_or_else(|| {
            SqlError::new(format!("the query has no column `{}`", name.value))
                .did_you_mean(&name.value, of_query.iter().map(|(name, _)| name.as_str()))
        })
    };
    let mut order = table.order.iter().map(place).collect::<Result<Vec<_>, _>>()?;
    if order.is_empty() {
        order = (0..of_query.len()).collect();
    }
    let mut sorted = order.clone();
    sorted.sort_unstable();
    if !sorted.iter().copied().eq(0..of_query.len()) {
        let names: Vec<&str> = of_query.iter().map(|(name, _)| name.as_str()).collect();
        return Err(SqlError::new(format!(
            "expected each of the query's columns once: {}",
            names.join(", ")
        )));
    }
    for (name, data_type) in order.into_iter().map(|place| &of_query[place]) {
        own.push(match declared(name) {
            Some(column) => column_text(column),
            None if data_type == "NULL" => {
                return Err(SqlError::new(format!("the column `{name}` of the query has no type"))
                    .hint("say CAST(NULL AS …)"));
            }
            None => format!("{} {data_type}{}", quoted(name), if is_key(name) { " NOT NULL" } else { "" }),
        });
    }
    Ok(own)
}

/// A column as it is declared.
fn column_text(column: &ColumnDefinition) -> String {
    let typed = |data_type, nullable: bool| {
        format!("{}{}", spelling(data_type), if nullable { "" } else { " NOT NULL" })
    };
    let kind = match &column.kind {
        ColumnKind::Physical { data_type, nullable, length: None } => typed(data_type, *nullable),
        ColumnKind::Physical { data_type, nullable, length: Some(length) } => {
            let names =
                if *data_type == DataType::Utf8 { ["CHAR", "VARCHAR"] } else { ["BINARY", "VARBINARY"] };
            let (name, length) = match length {
                Length::Exactly(length) => (names[0], length),
                Length::AtMost(length) => (names[1], length),
            };
            format!("{name}({length}){}", if *nullable { "" } else { " NOT NULL" })
        }
        ColumnKind::Computed(expr) => format!("AS {expr}"),
        ColumnKind::Metadata { data_type, nullable, key, is_virtual } => format!(
            "{} METADATA FROM {}{}",
            typed(data_type, *nullable),
            literal(key),
            if *is_virtual { " VIRTUAL" } else { "" }
        ),
    };
    let comment = column.comment.as_deref().map(comment).unwrap_or_default();
    format!("{} {kind}{comment}", quoted(&column.name))
}

fn text_of(name: &str, table: &TableDefinition, mut elements: Vec<String>) -> String {
    let list = |names: &[Ident]| names.iter().map(|name| quoted(&name.value)).collect::<Vec<_>>().join(", ");
    if let Some(watermark) = &table.watermark {
        let path: Vec<String> = watermark.column.iter().map(|name| quoted(&name.value)).collect();
        elements.push(format!("WATERMARK FOR {} AS {}", path.join("."), watermark.expr));
    }
    if !table.primary_key.is_empty() {
        elements.push(format!("PRIMARY KEY ({}) NOT ENFORCED", list(&table.primary_key)));
    }
    let mut text = format!("CREATE TABLE {} (\n  {}\n)", quoted(name), elements.join(",\n  "));
    text.push_str(&table.comment.as_deref().map(comment).unwrap_or_default());
    if !table.partitioned_by.is_empty() {
        text.push_str(&format!(" PARTITIONED BY ({})", list(&table.partitioned_by)));
    }
    let options =
        table.options.iter().map(|(key, value, _)| format!("{} = {}", literal(key), literal(value)));
    let options = options.collect::<Vec<_>>().join(",\n  ");
    if options.is_empty() { text } else { format!("{text} WITH (\n  {options}\n)") }
}

fn comment(text: &str) -> String {
    format!(" COMMENT {}", literal(text))
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
