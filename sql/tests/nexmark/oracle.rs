//! DataFusion's batch engine over the events.

use std::sync::Arc;

use arrow::{
    array::{ArrayRef, AsArray, Int32Array, Int64Array, RecordBatch, StringArray},
    compute::{concat_batches, filter_record_batch, kernels::cmp},
    datatypes::{Field, Schema},
};
use datafusion::prelude::{SessionConfig, SessionContext};
use headwater_core::options::JobOptions;
use headwater_sql::{
    catalog::CatalogEntry,
    connectors::{Scan, source_of},
    session::Session,
};

use crate::stream::{schema, side_input};

/// Tables `person`, `auction` and `bid`, each with `seq`, the event's number; and `side_input`.
pub struct Oracle {
    context: SessionContext,
}

impl Oracle {
    pub fn new(options: &str) -> Self {
        let mut session = Session::new(JobOptions::default());
        session.execute_script(&schema(options)).unwrap();
        let Some(CatalogEntry::Table(table)) = session.catalog().get("nexmark") else { panic!("no table") };
        let descriptor = &table.descriptor;
        let scan = Scan { projection: (0..descriptor.schema.fields().len()).collect(), ..Scan::default() };
        let events = source_of(descriptor).unwrap().read_all(&scan).unwrap();
        let events = concat_batches(&events[0].schema(), &events).unwrap();

        let mut config = SessionConfig::new().with_target_partitions(1);
        config.options_mut().sql_parser.enable_ident_normalization = false;
        let context = SessionContext::new_with_config(config);
        for (number, name) in (0..).zip(["person", "auction", "bid"]) {
            context.register_batch(name, of_kind(&events, number, name)).unwrap();
        }
        let (keys, values): (Vec<i64>, Vec<String>) = side_input().unzip();
        let columns: [(&str, ArrayRef); 2] =
            [("key", Arc::new(Int64Array::from(keys))), ("value", Arc::new(StringArray::from(values)))];
        context.register_batch("side_input", RecordBatch::try_from_iter(columns).unwrap()).unwrap();
        Self { context }
    }

    /// The results of a query in DataFusion's dialect.
    pub fn rows(&self, query: &str) -> Vec<RecordBatch> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { self.context.sql(query).await.unwrap().collect().await.unwrap() })
    }
}

/// The events of one kind with its fields for columns.
fn of_kind(events: &RecordBatch, number: i32, name: &str) -> RecordBatch {
    let seq = Int64Array::from_iter_values(0..events.num_rows() as i64);
    let is_wanted = cmp::eq(events.column(0), &Int32Array::new_scalar(number)).unwrap();
    let event = events.column_by_name(name).unwrap().as_struct();
    let mut fields = vec![Arc::new(Field::new("seq", arrow::datatypes::DataType::Int64, false))];
    fields.extend(event.fields().iter().cloned());
    let mut columns: Vec<ArrayRef> = vec![Arc::new(seq)];
    columns.extend(event.columns().iter().cloned());
    let rows = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap();
    filter_record_batch(&rows, &is_wanted).unwrap()
}
