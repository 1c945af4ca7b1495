//! The file `headwater.toml`, line by line.

use std::path::Path;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{Given, Origin, Setting};

/// What the file sets. What cannot be read goes to `errors`, with its line.
pub(super) fn settings(path: &Path, text: &str, errors: &mut Vec<String>) -> Vec<Setting> {
    let mut reading = Reading { path, text, settings: Vec::new(), errors };
    match DeTable::parse(text) {
        Ok(table) => reading.table("", table.get_ref()),
        Err(error) => {
            let line = reading.line(error.span().map_or(0, |span| span.start));
            let message = error.message().replace('\n', ", ");
            reading.errors.push(format!("{}:{line}: {message}", path.display()));
        }
    }
    reading.settings
}

struct Reading<'a> {
    path: &'a Path,
    text: &'a str,
    settings: Vec<Setting>,
    errors: &'a mut Vec<String>,
}

impl Reading<'_> {
    fn table(&mut self, prefix: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let key = match prefix {
                "" => name.get_ref().to_string(),
                prefix => format!("{prefix}.{}", name.get_ref()),
            };
            if let DeValue::Table(inner) = value.get_ref() {
                self.table(&key, inner);
                continue;
            }
            let line = self.line(name.span().start);
            let items = match value.get_ref() {
                DeValue::Array(items) => items.iter().map(scalar).collect(),
                _ => scalar(value).map(|text| vec![text]),
            };
            let place = Origin::File(self.path.to_owned(), line);
            match items {
                _ if self.settings.iter().any(|setting| setting.key == key) => {
                    self.errors.push(format!("{place}: option `{key}` is set twice"));
                }
                Ok(items) => self.settings.push(Setting { key, given: Given { items, origin: place } }),
                Err(found) => self.errors.push(format!(
                    "{place}: option `{key}`: expected a text, a number, `true`, `false` or a list of these, found {found}"
                )),
            }
        }
    }

    fn line(&self, offset: usize) -> usize {
        self.text.as_bytes()[..offset.min(self.text.len())].iter().filter(|byte| **byte == b'\n').count() + 1
    }
}

fn scalar(value: &Spanned<DeValue<'_>>) -> Result<String, &'static str> {
    match value.get_ref() {
        DeValue::String(text) => Ok(text.to_string()),
        DeValue::Integer(number) => Ok(number.to_string()),
        DeValue::Float(number) => Ok(number.to_string()),
        DeValue::Boolean(flag) => Ok(flag.to_string()),
        DeValue::Datetime(_) => Err("a date"),
        DeValue::Array(_) => Err("a list within a list"),
        DeValue::Table(_) => Err("a table within a list"),
    }
}
