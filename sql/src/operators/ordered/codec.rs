//! Rows as bytes that begin with what the rows are sorted by.

use arrow::{
    array::{ArrayRef, RecordBatch, RecordBatchOptions},
    compute::SortOptions,
    datatypes::SchemaRef,
    error::ArrowError,
    row::Rows,
};
use serde::{Deserialize, Serialize};

use crate::{
    compact::{CompactCodec, CompactRows},
    rows::{RowBytes, RowCodec},
};

/// Encodes rows with their sort columns first, so that the first bytes of rows compare as the rows sort. The other columns are as small
/// as can be.
pub(crate) struct OrderedCodec {
    schema: SchemaRef,
    /// The columns in the order in which they are encoded.
    columns: Vec<usize>,
    /// Where each column of the schema is among those.
    places: Vec<usize>,
    orders: RowCodec,
    others: CompactCodec,
    order_columns: usize,
}

/// The rows of a batch, encoded.
pub(crate) struct EncodedRows {
    /// The sort columns, unless there are none.
    orders: Option<Rows>,
    /// The other columns, unless only the former were asked for.
    others: Option<CompactRows>,
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
            orders: RowCodec::sorted(sorted[..order_columns].iter().map(typed))?,
            others: CompactCodec::new(sorted[order_columns..].iter().map(|column| typed(column).0))?,
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
        let others = pick(rows, &self.columns[self.order_columns..]);
        Ok(EncodedRows { orders, others: Some(self.others.encode(&others, rows.num_rows())?) })
    }

    /// Encodes only what all rows are sorted by.
    pub fn encode_orders(&self, rows: &RecordBatch) -> Result<EncodedRows, ArrowError> {
        let columns = pick(rows, &self.columns[..self.order_columns]);
        let orders = if columns.is_empty() { None } else { Some(self.orders.encode(&columns)?) };
        Ok(EncodedRows { orders, others: None })
    }

    /// Decodes rows.
    pub fn decode<'a>(
        &self,
        rows: impl IntoIterator<Item = &'a StoredRow>,
    ) -> Result<RecordBatch, ArrowError> {
        let rows: Vec<&StoredRow> = rows.into_iter().collect();
        let mut encoded = if self.order_columns == 0 {
            Vec::new()
        } else {
            self.orders.decode(rows.iter().map(|row| row.order()))?
        };
        encoded.extend(self.others.decode(rows.iter().map(|row| row.others()))?);
        let columns = self.places.iter().map(|place| encoded[*place].clone()).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
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
        let others: &[u8] = self.others.as_ref().map_or(&[], |others| others.get(row));
        StoredRow { order_bytes: order.len() as u32, row: RowBytes::concat(&[order, others]) }
    }
}

impl StoredRow {
    /// What the row is sorted by.
    #[inline]
    pub fn order(&self) -> &[u8] {
        &self.row.as_slice()[..self.order_bytes as usize]
    }

    fn others(&self) -> &[u8] {
        &self.row.as_slice()[self.order_bytes as usize..]
    }

    /// All of the row.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        self.row.as_slice()
    }
}
