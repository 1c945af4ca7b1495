//! What the connectors' tests share.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema};

use super::TableDescriptor;

/// A table of these columns with these options.
pub(crate) fn table<'a>(
    name: &str,
    columns: impl IntoIterator<Item = Field>,
    options: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> TableDescriptor {
    TableDescriptor {
        name: name.to_owned(),
        schema: Arc::new(Schema::new(columns.into_iter().collect::<Vec<_>>())),
        metadata: Default::default(),
        primary_key: Vec::new(),
        partition_keys: Vec::new(),
        options: options.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
    }
}
