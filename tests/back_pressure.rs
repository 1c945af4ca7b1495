//! A fast source before a slow sink.

mod common;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    thread::sleep,
};

use common::with_server;
use headwater::{core::time::NO_TIMESTAMP, prelude::*};
use headwater_actors::{
    batch::Batch,
    context::{TaskContext, TaskError},
    exchange::CHANNEL_ROWS_MAX,
    sink::{Sink, SinkWriter},
    source::SOURCE_BATCH_ROWS,
};
use headwater_coordinator::view::JobDetails;

/// What went into a slow sink.
#[derive(Clone, Default)]
struct SlowSink {
    rows: Arc<AtomicU64>,
    sum: Arc<AtomicU64>,
}

impl Sink<u64> for SlowSink {
    type Writer = Self;

    fn open(&self, _: &TaskContext, _: Option<&[u8]>, _: &[&[u8]]) -> Result<Self, TaskError> {
        Ok(self.clone())
    }
}

impl SinkWriter<u64> for SlowSink {
    fn write(&mut self, batch: &mut Batch<u64>) -> Result<(), TaskError> {
        sleep(Duration::from_millis(5));
        for (row, _) in batch.drain() {
            self.sum.fetch_add(row, SeqCst);
            self.rows.fetch_add(1, SeqCst);
        }
        Ok(())
    }
}

#[test]
fn a_slow_sink_holds_its_source_back_and_checkpoints_go_on() {
    const RECORDS: u64 = 200_000;
    // Two queues, what each source has just read beyond its queue's bound, and what the sink has taken out but not
    // yet written.
    const IN_FLIGHT_MAX: u64 = 2 * (CHANNEL_ROWS_MAX + 2 * SOURCE_BATCH_ROWS) as u64 + 8 * 1024;
    let sink = SlowSink::default();
    let (made, in_flight_max) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    with_server(async |test| {
        let job = test
            .submit(|env| {
                env.enable_checkpointing(20);
                let (made, written, in_flight_max) = (made.clone(), sink.rows.clone(), in_flight_max.clone());
                env.generate(Some(RECORDS), |index| (index, NO_TIMESTAMP))
                    .set_parallelism(2)
                    .map(move |number| {
                        let made = made.fetch_add(1, SeqCst) + 1;
                        in_flight_max.fetch_max(made.saturating_sub(written.load(SeqCst)), SeqCst);
                        number
                    })
                    .sink_to("Slow", sink.clone())
                    .set_parallelism(1);
            })
            .await;
        let is_in_the_middle = |job: &JobDetails| {
            let written = sink.rows.load(SeqCst);
            let checkpoints = job.last_completed_checkpoint.map_or(0, |checkpoint| checkpoint.0);
            assert!(written < RECORDS, "the job was over after {checkpoints} checkpoints");
            written > RECORDS / 4 && checkpoints >= 3
        };
        test.until_job(job, "checkpoints complete under back-pressure", is_in_the_middle).await;
        let job = test.finished(job).await;
        let backpressured: Vec<u64> =
            job.vertices[0].iter().map(|source| source.metrics.backpressured_us).collect();
        assert!(backpressured.iter().any(|us| *us > 0), "{backpressured:?}");
    });
    assert_eq!(sink.rows.load(SeqCst), RECORDS);
    assert_eq!(sink.sum.load(SeqCst), (0..RECORDS).sum::<u64>());
    let in_flight_max = in_flight_max.load(SeqCst);
    assert!(in_flight_max <= IN_FLIGHT_MAX, "{in_flight_max} records were in flight at once");
}
