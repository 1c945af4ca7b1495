//! Tables, views and functions by name.

use std::{collections::BTreeMap, sync::Arc};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::sql::sqlparser::ast::ObjectName;

use crate::{
    connectors::TableDescriptor,
    error::{Location, SqlError},
    parser::{ColumnKind, LikeFeature, LikeStrategy, TableDefinition, ViewDefinition},
};

/// A table with what its connector sees of it.
#[derive(Debug, Clone)]
pub struct CatalogTable {
    /// As it was declared, with what `LIKE` brought.
    pub definition: TableDefinition,
    /// What the connector sees.
    pub descriptor: TableDescriptor,
}

impl CatalogTable {
    /// The columns that can be written, as indices into what the connector sees, in the order of their declaration.
    pub fn writable(&self) -> Vec<usize> {
        let is_virtual = |kind: &ColumnKind| matches!(kind, ColumnKind::Metadata { is_virtual: true, .. });
        let columns = self.definition.columns.iter().filter(|column| !is_virtual(&column.kind));
        columns.filter_map(|column| self.descriptor.schema.index_of(&column.name).ok()).collect()
    }
}

/// What a name stands for.
#[derive(Debug, Clone)]
pub enum CatalogEntry {
    /// A table.
    Table(Arc<CatalogTable>),
    /// A view.
    View(Arc<ViewDefinition>),
}

/// All that a session knows.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    entries: BTreeMap<String, CatalogEntry>,
    /// Functions by their names in lower case, and the built-in ones that they stand for.
    functions: BTreeMap<String, String>,
}

/// The table that a name means: catalogs and databases are Flink's defaults.
pub fn table_name(name: &ObjectName) -> Result<String, SqlError> {
    let parts: Vec<String> = name
        .0
        .iter()
        .map(|part| part.as_ident().map_or_else(|| part.to_string(), |ident| ident.value.clone()))
        .collect();
    match parts.as_slice() {
        [table] => Ok(table.clone()),
        [database, table] if database == DATABASE => Ok(table.clone()),
        [catalog, database, table] if catalog == CATALOG && database == DATABASE => Ok(table.clone()),
        _ => Err(no_other(name)),
    }
}

/// The error that something is in another catalog or database.
pub fn no_other(name: impl std::fmt::Display) -> SqlError {
    SqlError::new(format!(
        "there is only the catalog `{CATALOG}` with the database `{DATABASE}`: found `{name}`"
    ))
}

/// Flink's name for the only catalog.
pub const CATALOG: &str = "default_catalog";

/// Flink's name for the only database.
pub const DATABASE: &str = "default_database";

impl Catalog {
    /// What a name stands for.
    pub fn get(&self, name: &str) -> Option<&CatalogEntry> {
        self.entries.get(name)
    }

    /// What a name stands for, or an error that suggests another.
    pub fn require(&self, name: &str) -> Result<&CatalogEntry, SqlError> {
        self.get(name).ok_or_else(|| {
            SqlError::new(format!("table `{name}` does not exist"))
                .did_you_mean(name, self.entries.keys().map(String::as_str))
        })
    }

    /// All names with what they stand for.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &CatalogEntry)> {
        self.entries.iter().map(|(name, entry)| (name.as_str(), entry))
    }

    /// Adds a table.
    pub fn create_table(&mut self, mut definition: TableDefinition) -> Result<(), SqlError> {
        let location = definition.location;
        let name = table_name(&definition.name).map_err(|error| error.at(location))?;
        if self.entries.contains_key(&name) {
            if definition.if_not_exists {
                return Ok(());
            }
            return Err(exists(&name, location));
        }
        self.take_over_like(&mut definition)?;
        let descriptor = descriptor_of(&name, &definition)?;
        self.entries.insert(name, CatalogEntry::Table(Arc::new(CatalogTable { definition, descriptor })));
        Ok(())
    }

    /// Adds a view.
    pub fn create_view(&mut self, view: ViewDefinition) -> Result<(), SqlError> {
        let name = table_name(&view.name).map_err(|error| error.at(view.location))?;
        if self.entries.contains_key(&name) {
            return if view.if_not_exists { Ok(()) } else { Err(exists(&name, view.location)) };
        }
        self.entries.insert(name, CatalogEntry::View(Arc::new(view)));
        Ok(())
    }

    /// Replaces a table, or gives it another name.
    pub fn replace_table(&mut self, old: &str, definition: TableDefinition) -> Result<(), SqlError> {
        let removed = self.entries.remove(old);
        let result = self.create_table(definition);
        if let (Err(_), Some(entry)) = (&result, removed) {
            self.entries.insert(old.to_owned(), entry);
        }
        result
    }

    /// Removes what a name stands for; whether there was something.
    pub fn drop_entry(&mut self, name: &str) -> bool {
        self.entries.remove(name).is_some()
    }

    /// Lets a function be called by another name.
    pub fn create_function(&mut self, name: &str, built_in: &str) {
        self.functions.insert(name.to_ascii_lowercase(), built_in.to_owned());
    }

    /// Removes a function; whether it was there.
    pub fn drop_function(&mut self, name: &str) -> bool {
        self.functions.remove(&name.to_ascii_lowercase()).is_some()
    }

    /// The built-in function that a created one stands for.
    pub fn function(&self, name: &str) -> Option<&str> {
        self.functions.get(&name.to_ascii_lowercase()).map(String::as_str)
    }

    /// The names of functions that were created.
    pub fn functions(&self) -> impl Iterator<Item = &str> {
        self.functions.keys().map(String::as_str)
    }

    fn take_over_like(&self, definition: &mut TableDefinition) -> Result<(), SqlError> {
        let Some(like) = definition.like.take() else { return Ok(()) };
        let other_name = table_name(&like.table).map_err(|error| error.at(like.location))?;
        let other = match self.require(&other_name).map_err(|error| error.at(like.location))? {
            CatalogEntry::Table(table) => table.definition.clone(),
            CatalogEntry::View(_) => {
                return Err(
                    SqlError::new(format!("LIKE takes a table: `{other_name}` is a view")).at(like.location)
                );
            }
        };
        let clash = |what: &str, hint: &str| {
            SqlError::new(format!("both `{other_name}` and the new table have {what}"))
                .hint(hint)
                .at(like.location)
        };
        // What must not be overwritten can only be left out.
        const EITHER: &str = "say OVERWRITING or EXCLUDING in LIKE";
        const EXCLUDE: &str = "say EXCLUDING in LIKE";
        let mut columns = Vec::new();
        for column in other.columns {
            let feature = match column.kind {
                ColumnKind::Physical { .. } => None,
                ColumnKind::Computed(_) => Some(LikeFeature::Generated),
                ColumnKind::Metadata { .. } => Some(LikeFeature::Metadata),
            };
            let strategy = feature.map_or(LikeStrategy::Including, |feature| like.strategy(feature));
            let is_own = definition.columns.iter().any(|own| own.name == column.name);
            match strategy {
                LikeStrategy::Excluding => {}
                LikeStrategy::Overwriting if is_own => {}
                LikeStrategy::Including if is_own => {
                    let hint = if feature.is_some() { EITHER } else { "give one of them another name" };
                    return Err(clash(&format!("a column `{}`", column.name), hint));
                }
                _ => columns.push(column),
            }
        }
        columns.append(&mut definition.columns);
        definition.columns = columns;
        if let Some(watermark) = other.watermark {
            match (like.strategy(LikeFeature::Watermarks), &definition.watermark) {
                (LikeStrategy::Excluding, _) | (LikeStrategy::Overwriting, Some(_)) => {}
                (LikeStrategy::Including, Some(_)) => return Err(clash("a watermark", EITHER)),
                (_, None) => definition.watermark = Some(watermark),
            }
        }
        if !other.primary_key.is_empty() && like.strategy(LikeFeature::Constraints) != LikeStrategy::Excluding
        {
            if !definition.primary_key.is_empty() {
                return Err(clash("a primary key", EXCLUDE));
            }
            definition.primary_key = other.primary_key;
        }
        if !other.partitioned_by.is_empty()
            && like.strategy(LikeFeature::Partitions) != LikeStrategy::Excluding
        {
            if !definition.partitioned_by.is_empty() {
                return Err(clash("partitions", EXCLUDE));
            }
            definition.partitioned_by = other.partitioned_by;
        }
        let options = like.strategy(LikeFeature::Options);
        if options != LikeStrategy::Excluding {
            for option in other.options {
                let is_own = definition.options.iter().any(|(key, _, _)| *key == option.0);
                if is_own && options == LikeStrategy::Including {
                    return Err(clash(&format!("the option `{}`", option.0), EITHER));
                }
                if !is_own {
                    definition.options.push(option);
                }
            }
        }
        Ok(())
    }
}

fn exists(name: &str, location: Location) -> SqlError {
    SqlError::new(format!("`{name}` exists already")).hint("say IF NOT EXISTS, or drop it first").at(location)
}

/// What a table's connector sees.
pub fn descriptor_of(name: &str, definition: &TableDefinition) -> Result<TableDescriptor, SqlError> {
    let mut fields: Vec<Field> = Vec::new();
    let mut metadata = BTreeMap::new();
    let mut lengths = BTreeMap::new();
    for column in &definition.columns {
        if fields.iter().any(|field| *field.name() == column.name) {
            return Err(
                SqlError::new(format!("two columns are called `{}`", column.name)).at(column.location)
            );
        }
        if let ColumnKind::Physical { data_type, nullable, length } = &column.kind {
            lengths.extend(length.map(|length| (fields.len(), length)));
            fields.push(Field::new(&column.name, data_type.clone(), *nullable));
        }
    }
    for column in &definition.columns {
        if let ColumnKind::Metadata { data_type, nullable, key, .. } = &column.kind {
            metadata.insert(fields.len(), key.clone());
            fields.push(Field::new(&column.name, data_type.clone(), *nullable));
        }
    }
    let schema: SchemaRef = Arc::new(Schema::new(fields));
    let indices = |columns: &[datafusion::sql::sqlparser::ast::Ident],
                   what: &str|
     -> Result<Vec<usize>, SqlError> {
        columns
            .iter()
            .map(|column| {
                schema.index_of(&column.value).map_err(|_| {
                    SqlError::new(format!(
                        "{what} of `{name}` names `{}`, which is no physical column",
                        column.value
                    ))
                    .did_you_mean(&column.value, schema.fields().iter().map(|field| field.name().as_str()))
                    .at(definition.location)
                })
            })
            .collect()
    };
    Ok(TableDescriptor {
        name: name.to_owned(),
        metadata,
        lengths,
        primary_key: indices(&definition.primary_key, "the primary key")?,
        partition_keys: indices(&definition.partitioned_by, "PARTITIONED BY")?,
        options: definition.options.iter().map(|(key, value, _)| (key.clone(), value.clone())).collect(),
        schema: schema.clone(),
    })
}

/// Whether a type is a timestamp that can be event time.
pub fn is_rowtime_type(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Timestamp(arrow::datatypes::TimeUnit::Millisecond | arrow::datatypes::TimeUnit::Second, _)
    )
}
