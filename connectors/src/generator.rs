//! A source that makes up its records.

use std::task::{Context, Poll, ready};

use headwater_actors::{
    batch::Batch,
    context::{TaskContext, TaskError},
    look::json_of,
    operator::SourceStatus,
    source::{Pending, Source, SourceReader},
};
use headwater_core::{codec, ids::CheckpointId, random, time::TimestampMs};
use serde::{Deserialize, Serialize};

use crate::rate::{self, RateLimit};

/// Makes records by a pure function of their index, from 0 on. Subtask s of n makes the records s, s + n, s + 2n, …, so
/// that all subtasks together make each one once. Since the function is pure, a replay makes the same records again.
///
/// ```
/// use headwater_connectors::generator::{GeneratorSource, random_at};
/// let seed = 42;
/// // A thousand throws of a die, one per second of event time, fifty a second in all subtasks each.
/// let dice = GeneratorSource::new(move |index| (random_at(seed, index) % 6 + 1, index as i64 * 1000))
///     .count(1000)
///     .rate(50.0);
/// ```
#[derive(Debug, Clone)]
pub struct GeneratorSource<F> {
    make: F,
    count: u64,
    rows_per_second: Option<f64>,
}

impl<T, F: Fn(u64) -> (T, TimestampMs)> GeneratorSource<F> {
    /// An endless source of the records that `make` returns, at full speed.
    pub fn new(make: F) -> Self {
        Self { make, count: u64::MAX, rows_per_second: None }
    }

    /// Ends after so many records, over all subtasks.
    pub fn count(mut self, records: u64) -> Self {
        self.count = records;
        self
    }

    /// Makes at most so many records per second and subtask. After a standstill it goes on at this rate: it doesn't
    /// catch up.
    pub fn rate(mut self, records_per_second: f64) -> Self {
        self.rows_per_second = Some(records_per_second);
        self
    }
}

/// A random number that depends on nothing but the seed and the index: what a pure `make` uses for chance.
#[inline]
pub fn random_at(seed: u64, index: u64) -> u64 {
    random::at(seed, index)
}

#[derive(Debug, Serialize, Deserialize)]
struct Position {
    next: u64,
    parallelism: u32,
}

/// Makes the records of one subtask.
#[derive(Debug)]
pub struct GeneratorReader<F> {
    make: F,
    next: u64,
    /// The first record of the last batch.
    first: u64,
    parallelism: u32,
    count: u64,
    rate: Option<RateLimit>,
}

impl<T, F> Source for GeneratorSource<F>
where
    T: Send + 'static,
    F: Fn(u64) -> (T, TimestampMs) + Clone + Send + Sync + 'static,
{
    type Item = T;
    type Reader = GeneratorReader<F>;

    fn show_position(&self, position: &[u8]) -> Option<String> {
        json_of::<Position>(position)
    }

    fn open(&self, context: &TaskContext, position: Option<&[u8]>) -> Result<Self::Reader, TaskError> {
        let parallelism = context.vertex.parallelism;
        let next = match position {
            None => u64::from(context.index()),
            Some(bytes) => {
                let position: Position = codec::decode(bytes)?;
                if position.parallelism != parallelism {
                    return Err(TaskError::Connector(format!(
                        "the generator was restored with parallelism {parallelism}: expected {}, by which its records \
                         were dealt out",
                        position.parallelism
                    )));
                }
                position.next
            }
        };
        Ok(GeneratorReader {
            make: self.make.clone(),
            next,
            first: next,
            parallelism,
            count: self.count,
            rate: self.rows_per_second.map(RateLimit::new).transpose()?,
        })
    }
}

impl<T, F> SourceReader<T> for GeneratorReader<F>
where
    F: Fn(u64) -> (T, TimestampMs) + 'static,
{
    fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        rows_max: usize,
        batch: &mut Batch<T>,
    ) -> Poll<Result<SourceStatus, TaskError>> {
        if self.next >= self.count {
            return Poll::Ready(Ok(SourceStatus::End));
        }
        let granted = ready!(rate::poll_rows(&mut self.rate, context, rows_max));
        let stride = u64::from(self.parallelism);
        let left = (self.count - self.next).div_ceil(stride);
        let rows = left.min(granted as u64);
        self.first = self.next;
        batch.values.reserve(rows as usize);
        batch.timestamps.reserve(rows as usize);
        for row in 0..rows {
            let (value, timestamp) = (self.make)(self.next + row * stride);
            batch.push(value, timestamp);
        }
        self.next += rows * stride;
        if let Some(rate) = &mut self.rate {
            rate.spend(rows as usize);
        }
        Poll::Ready(Ok(SourceStatus::Ready))
    }

    fn locate(&mut self, row: usize) -> Option<String> {
        Some(format!("generator index {}", self.first + row as u64 * u64::from(self.parallelism)))
    }

    fn pending(&self) -> Pending {
        let left = self.count.saturating_sub(self.next).div_ceil(u64::from(self.parallelism));
        Pending { records: (self.count != u64::MAX).then_some(left), bytes: None }
    }

    fn snapshot(&mut self, _: CheckpointId) -> Result<Vec<u8>, TaskError> {
        Ok(codec::encode(&Position { next: self.next, parallelism: self.parallelism })?)
    }
}
