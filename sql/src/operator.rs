//! What a SQL operator implements. A task is a chain of them; [`crate::runtime`] drives it.

use std::sync::Arc;

use headwater_actors::{
    context::{TaskContext, TaskError},
    operator::Step,
};
use headwater_core::{
    execution::{NextTimer, TimeDomain},
    time::TimestampMs,
};
use headwater_state::{AnyTable, Key, KeyedBackend, Table, TimerService, Value, look::StateDescription};

use crate::{
    batch::ChangeBatch,
    rows::{RowBytes, sub_key_hash},
};

/// Where an operator puts what it emits; empty batches are dropped.
pub type Emit<'a> = dyn FnMut(ChangeBatch) -> Result<(), TaskError> + 'a;

/// About how many rows an operator emits before it returns [`Step::More`], when time makes it emit much.
pub const STEP_ROWS: usize = 8 * 1024;

/// One operator of one subtask. Made on the task's thread, which it never leaves.
///
/// Order of calls: between two watermarks any number of batches; a watermark only once everything that an earlier one made due is
/// emitted; after the last watermark (`MAX_WATERMARK`) `end_of_input`.
pub trait StreamOperator {
    /// Takes a batch from one of the inputs, counted from 0, and emits all that it leads to.
    fn process(&mut self, input: usize, batch: ChangeBatch, emit: &mut Emit<'_>) -> Result<(), TaskError>;

    /// Event time has progressed: emits what is due, all of it or, if that is much, the first part. What is called later
    /// passes the watermark on.
    fn on_watermark(&mut self, _watermark: TimestampMs, _emit: &mut Emit<'_>) -> Result<Step, TaskError> {
        Ok(Step::Done)
    }

    /// The watermark that those downstream are told when this operator's inputs have reached `watermark`. One that delays
    /// rows behind the watermark holds it back.
    fn output_watermark(&self, watermark: TimestampMs) -> TimestampMs {
        watermark
    }

    /// For the operator that makes watermarks: the one that the rows so far make, if it is later than the last.
    fn own_watermark(&mut self) -> Option<TimestampMs> {
        None
    }

    /// Goes on with what was left at [`Step::More`]: of a watermark, a timer, or the end of the input.
    fn resume(&mut self, _emit: &mut Emit<'_>) -> Result<Step, TaskError> {
        Ok(Step::Done)
    }

    /// No rows will come. Event time has ended before this.
    fn end_of_input(&mut self, _emit: &mut Emit<'_>) -> Result<Step, TaskError> {
        Ok(Step::Done)
    }

    /// Gives out what is held back to make batches full: before every watermark and barrier, and when there is no input
    /// for now.
    fn flush(&mut self, _emit: &mut Emit<'_>) -> Result<(), TaskError> {
        Ok(())
    }

    /// When [`on_processing_time`](Self::on_processing_time) is to be called next, in wall-clock milliseconds.
    fn next_timer_ms(&self) -> Option<TimestampMs> {
        None
    }

    /// The wall clock has reached a timer.
    fn on_processing_time(&mut self, _now_ms: TimestampMs, _emit: &mut Emit<'_>) -> Result<Step, TaskError> {
        Ok(Step::Done)
    }

    /// When time next makes it emit something: the end of the first window that has anything in it, say. What only tidies up is not
    /// meant. Asked a few times a second: it must not take long.
    fn next_firing(&self) -> Option<NextTimer> {
        None
    }

    /// State that has no key: of this subtask, as bytes. Restored through [`OpenContext::restored`].
    fn snapshot(&mut self) -> Result<Vec<u8>, TaskError> {
        Ok(Vec::new())
    }

    /// All tables that were opened, for a snapshot.
    fn tables(&mut self) -> Vec<&mut dyn AnyTable> {
        Vec::new()
    }
}

/// A [firing](StreamOperator::next_firing) that is due once the watermark has reached `at_ms`.
pub fn in_event_time(at_ms: TimestampMs) -> NextTimer {
    NextTimer { domain: TimeDomain::Event, at_ms }
}

/// One that is due once the wall clock has.
pub fn in_processing_time(at_ms: TimestampMs) -> NextTimer {
    NextTimer { domain: TimeDomain::Processing, at_ms }
}

/// What an operator is opened with.
pub struct OpenContext<'a> {
    /// The task.
    pub task: &'a TaskContext,
    /// What the predecessor's [`StreamOperator::snapshot`] returned, if the attempt goes on from a checkpoint.
    pub restored: Option<&'a [u8]>,
    /// Distinguishes the operators of a chain in the names of their states.
    pub(crate) prefix: String,
    pub(crate) backend: &'a mut Option<KeyedBackend>,
}

impl OpenContext<'_> {
    /// Opens a state by its name, with what the restored checkpoint has of it.
    pub fn table<K: Key, V: Value>(&mut self, name: &str) -> Result<Table<K, V>, TaskError> {
        let name = format!("{}{name}", self.prefix);
        Ok(self.backend()?.table(&name)?)
    }

    /// Opens a state for things that belong to a key and are found one by one: see [`rows::sub_key`](crate::rows::sub_key).
    pub fn table_of_sub_keys<V: Value>(&mut self, name: &str) -> Result<Table<RowBytes, V>, TaskError> {
        self.table_hashed_by(name, |key: &RowBytes| sub_key_hash(key.as_slice()))
    }

    /// Opens a state whose keys are hashed in a way of their own: see [`KeyedBackend::table_hashed_by`].
    pub fn table_hashed_by<K: Key, V: Value>(
        &mut self,
        name: &str,
        hash_of: fn(&K) -> u64,
    ) -> Result<Table<K, V>, TaskError> {
        let name = format!("{}{name}", self.prefix);
        Ok(self.backend()?.table_hashed_by(&name, hash_of)?)
    }

    /// Opens the timers of keys by their name.
    pub fn timers(&mut self, name: &str) -> Result<TimerService<RowBytes>, TaskError> {
        let name = format!("{}{name}", self.prefix);
        Ok(TimerService::open(self.backend()?, &name)?)
    }

    /// Tells those who look into checkpoints how a state is to be read. Only done if somebody asks.
    pub(crate) fn describe(&self, name: &str, tell: impl FnOnce(&mut StateDescription)) {
        if let Some(backend) = &*self.backend {
            backend.describe(&format!("{}{name}", self.prefix), tell);
        }
    }

    fn backend(&mut self) -> Result<&mut KeyedBackend, TaskError> {
        if self.backend.is_none() {
            *self.backend = Some(self.task.keyed_backend()?);
        }
        Ok(self.backend.as_mut().expect("it was opened if it was not there"))
    }
}

/// Makes an operator for each subtask.
pub trait OperatorFactory: Send + Sync {
    /// Opens the operator of one subtask.
    fn open(&self, context: &mut OpenContext<'_>) -> Result<Box<dyn StreamOperator>, TaskError>;

    /// Whether each change that comes in goes out as one of the same kind, so that the operator itself need not be told what updated
    /// rows were before.
    fn passes_changes_on(&self) -> bool {
        false
    }

    /// Whether opening it reads a table. Such an operator keeps no state.
    fn reads_table(&self) -> bool {
        false
    }

    /// The same for consumers that need not be told what updated rows were before, if that makes a difference.
    fn without_update_before(&self) -> Option<Arc<dyn OperatorFactory>> {
        None
    }
}

/// An error of Arrow or DataFusion while records are processed.
pub fn failed(error: impl std::fmt::Display) -> TaskError {
    TaskError::Function(error.to_string())
}
