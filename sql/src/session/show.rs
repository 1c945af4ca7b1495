//! What there is: `SHOW`, `DESCRIBE`.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::sql::sqlparser::ast::ObjectName;
use headwater_core::secret::hide;

use super::{Outcome, Session};
use crate::{
    catalog::{CATALOG, CatalogEntry, DATABASE, table_name},
    error::SqlError,
    functions,
    parser::{ColumnKind, Show, StatementKind, parse_script},
    planner,
    types::spelling,
};

impl Session {
    pub(super) fn show(&self, show: &Show) -> Result<Outcome, SqlError> {
        let list = |title: &str, names: Vec<String>| Outcome::Rows {
            columns: vec![title.to_owned()],
            rows: names.into_iter().map(|name| vec![name]).collect(),
        };
        let entries = |wanted: fn(&CatalogEntry) -> bool| {
            self.catalog
                .entries()
                .filter(|(_, entry)| wanted(entry))
                .map(|(name, _)| name.to_owned())
                .collect()
        };
        Ok(match show {
            Show::Tables => list("table name", entries(|_| true)),
            Show::Views => list("view name", entries(|entry| matches!(entry, CatalogEntry::View(_)))),
            Show::Functions { user: true } => {
                list("function name", self.catalog.functions().map(str::to_owned).collect())
            }
            Show::Functions { user: false } => {
                let mut names: Vec<String> =
                    functions::names().iter().map(|name| name.to_lowercase()).collect();
                names.extend(planner::aggregates::names());
                names.extend(self.catalog.functions().map(str::to_owned));
                names.sort();
                names.dedup();
                list("function name", names)
            }
            Show::Catalogs => list("catalog name", vec![CATALOG.to_owned()]),
            Show::CurrentCatalog => list("current catalog name", vec![CATALOG.to_owned()]),
            Show::Databases => list("database name", vec![DATABASE.to_owned()]),
            Show::CurrentDatabase => list("current database name", vec![DATABASE.to_owned()]),
            Show::Columns(name) => self.describe(name)?,
            Show::CreateTable(name) | Show::CreateView(name) => {
                let wanted = table_name(name)?;
                self.catalog.require(&wanted)?;
                let is_its = |text: &&String| {
                    parse_script(text).is_ok_and(|statements| {
                        statements.iter().any(|statement| match &statement.kind {
                            StatementKind::CreateTable(table) => {
                                table_name(&table.name).is_ok_and(|name| name == wanted)
                            }
                            StatementKind::CreateView(view) => {
                                table_name(&view.name).is_ok_and(|name| name == wanted)
                            }
                            _ => false,
                        })
                    })
                };
                let text = self.history.iter().rev().find(is_its).map(String::as_str);
                Outcome::Text(hide(text.unwrap_or_default()).into_owned())
            }
        })
    }

    pub(super) fn describe(&self, name: &ObjectName) -> Result<Outcome, SqlError> {
        let wanted = table_name(name)?;
        let titles = ["name", "type", "null", "key", "extras", "watermark"].map(str::to_owned).to_vec();
        let (definition, schema) = match self.catalog.require(&wanted)? {
            CatalogEntry::Table(table) => (Some(table.definition.clone()), self.schema_of(name)?),
            CatalogEntry::View(_) => (None, self.schema_of(name)?),
        };
        let rows = schema.fields().iter().map(|field| {
            let column = definition
                .as_ref()
                .and_then(|table| table.columns.iter().find(|column| column.name == *field.name()));
            let is_key = definition
                .as_ref()
                .is_some_and(|table| table.primary_key.iter().any(|key| key.value == *field.name()));
            let watermark =
                definition.as_ref().and_then(|table| table.watermark.as_ref()).filter(|watermark| {
                    watermark.column.last().is_some_and(|column| column.value == *field.name())
                });
            let nullable = match column.map(|column| &column.kind) {
                Some(ColumnKind::Physical { nullable, .. } | ColumnKind::Metadata { nullable, .. }) => {
                    *nullable
                }
                _ => true,
            };
            let extras = match column.map(|column| &column.kind) {
                Some(ColumnKind::Computed(expr)) => format!("AS {expr}"),
                Some(ColumnKind::Metadata { key, is_virtual, .. }) => {
                    format!("METADATA FROM '{key}'{}", if *is_virtual { " VIRTUAL" } else { "" })
                }
                _ => String::new(),
            };
            vec![
                field.name().clone(),
                spelling(field.data_type()),
                nullable.to_string().to_uppercase(),
                if is_key { format!("PRI({})", field.name()) } else { String::new() },
                extras,
                watermark.map_or_else(String::new, |watermark| watermark.expr.to_string()),
            ]
        });
        Ok(Outcome::Rows { columns: titles, rows: rows.collect() })
    }

    /// The columns of a table or view.
    pub fn schema_of(&self, name: &ObjectName) -> Result<SchemaRef, SqlError> {
        let statements = parse_script(&format!("SELECT * FROM {}", quoted(&table_name(name)?)))?;
        let Some(StatementKind::Query(query)) = statements.first().map(|statement| &statement.kind) else {
            return Err(SqlError::new("expected a table"));
        };
        let plans = planner::plan_query(&self.catalog, query)?;
        Ok(Arc::new(plans.initial.schema().as_arrow().clone()))
    }
}

fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}
