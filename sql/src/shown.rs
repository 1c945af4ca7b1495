//! Rows as people see them who look into a job: JSON with the columns by their names.

use arrow::{
    array::RecordBatch,
    datatypes::SchemaRef,
    json::{WriterBuilder, writer::LineDelimited},
};
use headwater_core::shown::{LOOKED_AT_BYTES_MAX, Redaction, Shown, show_json};

/// The JSON of a batch of one row.
pub(crate) fn json_of_row(row: &RecordBatch) -> Result<Vec<u8>, String> {
    let mut json = Vec::new();
    let mut writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, LineDelimited>(&mut json);
    let written = writer.write(row).and_then(|()| writer.finish());
    written.map_err(|error| format!("it cannot be written as JSON: {error}"))?;
    json.truncate(json.trim_ascii_end().len());
    Ok(json)
}

/// Shows one row of a batch, with other names of its columns.
pub(crate) fn show_row(
    rows: &RecordBatch,
    names: &SchemaRef,
    row: usize,
    redaction: &Redaction,
    bytes_max: usize,
) -> Shown {
    let row = rows.slice(row, 1);
    // Names that do not fit are no reason to show nothing.
    let row = RecordBatch::try_new(names.clone(), row.columns().to_vec()).unwrap_or(row);
    // Columns that were cut out of larger ones share their buffers.
    let bytes: usize = row.columns().iter().map(|c| c.to_data().get_slice_memory_size().unwrap_or(0)).sum();
    if bytes > LOOKED_AT_BYTES_MAX {
        return Shown::unknown(format!("it is larger than {LOOKED_AT_BYTES_MAX} bytes"));
    }
    match json_of_row(&row) {
        Ok(json) => show_json(&json, redaction, bytes_max),
        Err(error) => Shown::unknown(error),
    }
}
