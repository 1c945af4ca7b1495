//! Events as columns.

use std::{collections::HashMap, sync::Arc};

use arrow::{
    array::{
        Array, ArrayRef, Int32Array, Int64Array, RecordBatch, RecordBatchOptions, StringArray, StructArray,
        TimestampMillisecondArray, new_null_array,
    },
    buffer::{NullBuffer, OffsetBuffer},
    datatypes::{DataType, Fields, SchemaRef},
    error::ArrowError,
};

use super::{
    model::{Draw, Model, price},
    rows::{Kind, Rows, Run},
    schema::{Column, EventField},
    text::{self, Texts},
};

/// Makes batches of events.
#[derive(Debug)]
pub(super) struct Builder {
    pub model: Arc<Model>,
    pub texts: Arc<Texts>,
    pub columns: Arc<[Column]>,
    /// Of the batches.
    pub schema: SchemaRef,
    /// Nulls of each type that fields which are not wanted have, as many as were ever needed at once.
    pub blanks: HashMap<DataType, ArrayRef>,
}

impl Builder {
    /// The batch of these rows.
    pub fn batch(&mut self, rows: &Rows) -> Result<RecordBatch, ArrowError> {
        let columns = self.columns.clone();
        let arrays = columns.iter().map(|column| match column {
            Column::EventType => Ok(event_types(rows)),
            Column::Event { kind, fields, wanted } => self.events(rows, *kind, fields, wanted),
        });
        let arrays = arrays.collect::<Result<_, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
        RecordBatch::try_new_with_options(self.schema.clone(), arrays, &options)
    }

    fn events(
        &mut self,
        rows: &Rows,
        kind: Kind,
        fields: &Fields,
        wanted: &[Option<EventField>],
    ) -> Result<ArrayRef, ArrowError> {
        // A field of a row that is null is null itself: some kernels look at the field alone.
        let nulls = rows.nulls(kind);
        let arrays = fields.iter().zip(wanted).map(|(field, wanted)| match wanted {
            Some(wanted) => self.field(*wanted, rows, kind, nulls.clone()),
            None => self.blank(field.data_type(), rows.len()),
        });
        let arrays = arrays.collect();
        Ok(Arc::new(StructArray::try_new_with_length(fields.clone(), arrays, nulls, rows.len())?))
    }

    fn blank(&mut self, data_type: &DataType, len: usize) -> ArrayRef {
        let make = || new_null_array(data_type, len);
        let blank = self.blanks.entry(data_type.clone()).or_insert_with(make);
        if blank.len() < len {
            *blank = make();
        }
        blank.slice(0, len)
    }

    fn field(&self, field: EventField, rows: &Rows, kind: Kind, nulls: Option<NullBuffer>) -> ArrayRef {
        use EventField as F;
        let (model, texts) = (&*self.model, &*self.texts);
        let longs = |values| Arc::new(Int64Array::new(values, nulls.clone())) as ArrayRef;
        let times = |values| Arc::new(TimestampMillisecondArray::new(values, nulls.clone())) as ArrayRef;
        let strings = |(offsets, bytes): (OffsetBuffer<i32>, Vec<u8>)| {
            Arc::new(StringArray::new(offsets, bytes.into(), nulls.clone())) as ArrayRef
        };
        match field {
            F::DateTime => times(numbers(rows, kind, |run| model.times_ms(run))),
            F::PersonId | F::AuctionId => longs(numbers(rows, kind, |run| model.ids(kind, run))),
            F::PersonName => strings(write(rows, kind, text::person_name(model))),
            F::PersonEmailAddress => strings(write(rows, kind, texts.person_email(model))),
            F::PersonCreditCard => strings(write(rows, kind, text::person_credit_card(model))),
            F::PersonCity => strings(write(rows, kind, copied(text::person_city(model)))),
            F::PersonState => strings(write(rows, kind, copied(text::person_state(model)))),
            F::PersonExtra => strings(write(rows, kind, texts.person_extra(model))),
            F::AuctionItemName => strings(write(rows, kind, copied(texts.auction_name(model)))),
            F::AuctionDescription => strings(write(rows, kind, copied(texts.auction_description(model)))),
            F::AuctionInitialBid => longs(numbers(rows, kind, |_| prices(model, Draw::AuctionInitialBid))),
            F::AuctionReserve => longs(numbers(rows, kind, |_| |event| model.auction_reserve(event))),
            F::AuctionExpires => times(numbers(rows, kind, |_| |event| model.auction_expires_ms(event))),
            F::AuctionSeller => longs(numbers(rows, kind, |run| model.auction_sellers(run))),
            F::AuctionCategory => longs(numbers(rows, kind, |_| |event| model.auction_category(event))),
            F::AuctionExtra => strings(write(rows, kind, texts.auction_extra(model))),
            F::BidAuction => longs(numbers(rows, kind, |run| model.bid_auctions(run))),
            F::BidBidder => longs(numbers(rows, kind, |run| model.bid_bidders(run))),
            F::BidPrice => longs(numbers(rows, kind, |_| prices(model, Draw::BidPrice))),
            F::BidChannel => strings(write(rows, kind, texts.bid_channel(model))),
            F::BidUrl => strings(write(rows, kind, texts.bid_url(model))),
            F::BidExtra => strings(write(rows, kind, texts.bid_extra(model))),
        }
    }
}

fn event_types(rows: &Rows) -> ArrayRef {
    let mut types = vec![0; rows.len()];
    for kind in Kind::ALL {
        for run in rows.runs(kind) {
            types[run.rows()].fill(kind as i32);
        }
    }
    Arc::new(Int32Array::from(types))
}

fn prices(model: &Model, draw: Draw) -> impl Fn(u64) -> i64 + use<> {
    let bits = model.bits(draw);
    move |event| price(bits(event))
}

/// A number for each event of a kind, 0 in the other rows. `of_run` gives what computes them for one run after the other.
#[inline]
fn numbers<F: FnMut(u64) -> i64>(
    rows: &Rows,
    kind: Kind,
    of_run: impl Fn(&Run) -> F,
) -> arrow::buffer::ScalarBuffer<i64> {
    let mut numbers = vec![0; rows.len()];
    for run in rows.runs(kind) {
        let mut number_of = of_run(run);
        for (number, event) in numbers[run.rows()].iter_mut().zip(run.events.clone()) {
            *number = number_of(event);
        }
    }
    numbers.into()
}

/// A string for each event of a kind, none in the other rows.
#[inline]
fn write(rows: &Rows, kind: Kind, string_of: impl Fn(u64, &mut Vec<u8>)) -> (OffsetBuffer<i32>, Vec<u8>) {
    // The rows of a batch and the lengths of the strings are limited so that offsets fit.
    let mut offsets = Vec::with_capacity(rows.len() + 1);
    let mut bytes = Vec::new();
    offsets.push(0);
    for run in rows.runs(kind) {
        offsets.resize(run.row + 1, bytes.len() as i32);
        for event in run.events.clone() {
            string_of(event, &mut bytes);
            offsets.push(bytes.len() as i32);
        }
    }
    offsets.resize(rows.len() + 1, bytes.len() as i32);
    (OffsetBuffer::new(offsets.into()), bytes)
}

fn copied<B: AsRef<[u8]>>(text_of: impl Fn(u64) -> B) -> impl Fn(u64, &mut Vec<u8>) {
    move |event, out| out.extend_from_slice(text_of(event).as_ref())
}
