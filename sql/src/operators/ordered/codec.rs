//! Rows as bytes that begin with what the rows are sorted by.

use arrow::{
    array::{ArrayRef, RecordBatch, RecordBatchOptions},
    compute::SortOptions,
    datatypes::SchemaRef,
    error::ArrowError,
    row::Rows,
};
use serde::{Deserialize, Serialize};

use crate::rows::{RowBytes, RowCodec};

/// Encodes rows with their sort columns first, so that the first bytes of rows compare as the rows sort.
pub(crate) struct OrderedCodec {
    schema: SchemaRef,
    /// The columns in the order in which they are encoded.
    columns: Vec<usize>,
    /// Where each column of the schema is among those.
    places: Vec<usize>,
    rows: RowCodec,
    orders: RowCodec,
    order_columns: usize,
}

/// The rows of a batch, encoded.
pub(crate) struct EncodedRows {
    /// The sort columns, unless there are none.
    orders: Option<Rows>,
    /// All columns, unless only the former were asked for.
    rows: Option<Rows>,
}

/// A row in state.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub(crate) struct StoredRow {
    order_bytes: u32,
    row: RowBytes,
}

impl OrderedCodec {
    /// A codec of rows of `schema`, sorted by some of its columns.
    pub fn new(schema: &SchemaRef, order: &[(usize, SortOptions)]) -> Result<Self, ArrowError> {
        let mut sorted: Vec<(usize, SortOptions)> = Vec::new();
        for (column, options) in order {
            // By a column that it is sorted by already, nothing more is sorted.
            if sorted.iter().all(|(known, _)| known != column) {
                sorted.push((*column, *options));
            }
        }
        let order_columns = sorted.len();
        for column in 0..schema.fields().len() {
            if sorted.iter().all(|(known, _)| *known != column) {
                sorted.push((column, SortOptions::default()));
            }
        }
        let typed =
            |(column, options): &(usize, SortOptions)| (schema.field(*column).data_type().clone(), *options);
        let columns: Vec<usize> = sorted.iter().map(|(column, _)| *column).collect();
        let mut places = vec![0; columns.len()];
        columns.iter().enumerate().for_each(|(place, column)| places[*column] = place);
        Ok(Self {
            schema: schema.clone(),
            rows: RowCodec::sorted(sorted.iter().map(typed))?,
            orders: RowCodec::sorted(sorted[..order_columns].iter().map(typed))?,
            columns,
            places,
            order_columns,
        })
    }

    /// The schema of the rows.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Encodes all rows.
    pub fn encode(&self, rows: &RecordBatch) -> Result<EncodedRows, ArrowError> {
        let EncodedRows { orders, .. } = self.encode_orders(rows)?;
        Ok(EncodedRows { orders, rows: Some(self.rows.encode(&pick(rows, &self.columns))?) })
    }

    /// Encodes only what all rows are sorted by.
    pub fn encode_orders(&self, rows: &RecordBatch) -> Result<EncodedRows, ArrowError> {
        let columns = pick(rows, &self.columns[..self.order_columns]);
        let orders = if columns.is_empty() { None } else { Some(self.orders.encode(&columns)?) };
        Ok(EncodedRows { orders, rows: None })
    }

    /// Decodes rows.
    pub fn decode<'a>(
        &self,
        rows: impl IntoIterator<Item = &'a StoredRow>,
    ) -> Result<RecordBatch, ArrowError> {
        let mut count = 0;
        let bytes = rows.into_iter().map(|row| row.row.as_slice()).inspect(|_| count += 1);
        let encoded = self.rows.decode(bytes)?;
        let columns = self.places.iter().map(|place| encoded[*place].clone()).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)
    }
}

fn pick(rows: &RecordBatch, columns: &[usize]) -> Vec<ArrayRef> {
    columns.iter().map(|column| rows.column(*column).clone()).collect()
}

impl EncodedRows {
    /// What a row is sorted by.
    #[inline]
    pub fn order(&self, row: usize) -> &[u8] {
        self.orders.as_ref().map_or(&[], |orders| orders.row(row).data())
    }

    /// A row, or what it is sorted by if only that was encoded.
    #[inline]
    pub fn stored(&self, row: usize) -> StoredRow {
        let order = self.order(row);
        let bytes = self.rows.as_ref().map_or(order, |rows| rows.row(row).data());
        debug_assert!(bytes.starts_with(order), "the sort columns are encoded first");
        StoredRow { order_bytes: order.len() as u32, row: RowBytes::from(bytes) }
    }
}

impl StoredRow {
    /// What the row is sorted by.
    #[inline]
    pub fn order(&self) -> &[u8] {
        &self.row.as_slice()[..self.order_bytes as usize]
    }

    /// All of the row.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        self.row.as_slice()
    }
}
