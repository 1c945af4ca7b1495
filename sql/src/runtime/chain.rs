//! The operators of one task, one behind the other, and what leaves it.

use arrow::datatypes::SchemaRef;
use headwater_actors::{
    context::{TaskContext, TaskError},
    operator::{OperatorSnapshot, Step},
    output::Output,
};
use headwater_core::{
    execution::Gauges,
    ids::CheckpointId,
    time::{MIN_WATERMARK, TimestampMs},
};
use headwater_state::{AnyTable, KeyedBackend};
use serde::{Deserialize, Serialize};

use super::{
    graph::{Distribution, Node, NodeKind, VertexPlan},
    partition::Partitioner,
    tap::tap,
};
use crate::{
    batch::ChangeBatch,
    connectors::TableWriter,
    operator::{OpenContext, StreamOperator},
};

/// A task's state without a key.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct TaskState {
    /// A source's position.
    pub position: Vec<u8>,
    /// The operators', in order.
    pub operators: Vec<Vec<u8>>,
    /// The sink's.
    pub sink: Vec<u8>,
}

/// Something that passes the operators one by one, each of which may emit in steps.
#[derive(Clone, Copy)]
enum Passing {
    Watermark(TimestampMs),
    Timer(TimestampMs),
    End,
}

/// The operators and the end of a task.
pub(super) struct Chain {
    operators: Vec<Box<dyn StreamOperator>>,
    tail: Tail,
    backend: Option<KeyedBackend>,
    /// What is under way, and at which operator.
    passing: Option<(usize, Passing)>,
}

enum Tail {
    Edges(Vec<Edge>),
    /// With the names of the columns that it writes.
    Sink(Box<dyn TableWriter>, SchemaRef),
}

/// One outgoing edge.
struct Edge {
    partitioner: Partitioner,
    /// Whether it takes the rows that came too late for the last operator; else it takes that operator's results.
    is_for_late_rows: bool,
}

impl Tail {
    fn push(&mut self, mut batch: ChangeBatch, output: &mut Output) -> Result<(), TaskError> {
        match self {
            Self::Edges(edges) => {
                let is_late = std::mem::take(&mut batch.is_late);
                let takes = |edge: &Edge| edge.is_for_late_rows == is_late;
                let Some(last) = edges.iter().rposition(takes) else { return Ok(()) };
                tap(output, Some(last), &batch, batch.rows.schema_ref());
                for (index, edge) in edges[..last].iter_mut().enumerate().filter(|(_, edge)| takes(edge)) {
                    tap(output, Some(index), &batch, batch.rows.schema_ref());
                    edge.partitioner.send(index, batch.clone(), output)?;
                }
                edges[last].partitioner.send(last, batch, output)
            }
            Self::Sink(writer, names) => {
                assert!(!batch.is_late, "what takes late rows is no link of a chain");
                tap(output, None, &batch, names);
                output.counters().add_out(batch.len() as u64);
                writer.write(&batch)
            }
        }
    }

    fn flush(&mut self, output: &mut Output) -> Result<(), TaskError> {
        match self {
            Self::Edges(edges) => edges
                .iter_mut()
                .enumerate()
                .try_for_each(|(index, edge)| edge.partitioner.flush(index, output)),
            Self::Sink(writer, _) => writer.flush(),
        }
    }
}

/// Hands a batch to the first of `operators`, and what that emits to the next.
fn push(
    operators: &mut [Box<dyn StreamOperator>],
    tail: &mut Tail,
    input: usize,
    batch: ChangeBatch,
    output: &mut Output,
) -> Result<(), TaskError> {
    if batch.is_empty() {
        return Ok(());
    }
    match operators.split_first_mut() {
        Some((first, rest)) if !batch.is_late => {
            first.process(input, batch, &mut |emitted| push(rest, tail, 0, emitted, output))
        }
        _ => tail.push(batch, output),
    }
}

impl Chain {
    /// Opens the operators of a vertex, `nodes`, and its sink or edges.
    pub fn open(
        plan: &VertexPlan,
        context: &TaskContext,
        state: Option<&TaskState>,
    ) -> Result<Self, TaskError> {
        let mut backend = None;
        let mut operators = Vec::new();
        let mut tail = None;
        for Node { kind, schema, .. } in &plan.nodes {
            match kind {
                NodeKind::Source { .. } => {}
                NodeKind::Operator(factory) => {
                    let index = operators.len();
                    let restored = state.and_then(|state| state.operators.get(index)).map(Vec::as_slice);
                    operators.push(factory.open(&mut OpenContext {
                        task: context,
                        restored: restored.filter(|bytes| !bytes.is_empty()),
                        prefix: format!("{index}-"),
                        backend: &mut backend,
                    })?);
                }
                NodeKind::Sink(sink) => {
                    let restored = context.restored.as_ref();
                    let committable = restored.and_then(|restored| restored.snapshot.committable.as_deref());
                    let state = state.map(|state| state.sink.as_slice());
                    tail = Some(Tail::Sink(sink.open(context, state, committable)?, schema.clone()));
                }
            }
        }
        let tail = tail.unwrap_or_else(|| {
            let edges = plan
                .outgoing
                .iter()
                .zip(&context.downstream)
                .map(|((distribution, partitioning), targets)| Edge {
                    partitioner: Partitioner::new(*partitioning, distribution, *targets, context),
                    is_for_late_rows: *distribution == Distribution::Late,
                })
                .collect();
            Tail::Edges(edges)
        });
        Ok(Self { operators, tail, backend, passing: None })
    }

    /// Takes a batch from one of the task's inputs.
    pub fn process(
        &mut self,
        input: usize,
        batch: ChangeBatch,
        output: &mut Output,
    ) -> Result<(), TaskError> {
        push(&mut self.operators, &mut self.tail, input, batch, output)
    }

    /// Event time has progressed.
    pub fn on_watermark(&mut self, watermark: TimestampMs, output: &mut Output) -> Result<Step, TaskError> {
        self.pass(0, Passing::Watermark(watermark), output)
    }

    /// No rows will come.
    pub fn end_of_input(&mut self, output: &mut Output) -> Result<Step, TaskError> {
        self.pass(0, Passing::End, output)
    }

    /// The wall clock has reached a timer.
    pub fn on_processing_time(
        &mut self,
        now_ms: TimestampMs,
        output: &mut Output,
    ) -> Result<Step, TaskError> {
        self.pass(0, Passing::Timer(now_ms), output)
    }

    /// When the first of the timers is due.
    pub fn next_timer_ms(&self) -> Option<TimestampMs> {
        self.operators.iter().filter_map(|operator| operator.next_timer_ms()).min()
    }

    /// What its operators wait for and keep.
    pub fn gauges(&mut self) -> Gauges {
        let firings = self.operators.iter().filter_map(|operator| operator.next_firing());
        let next_timer = firings.min_by_key(|firing| firing.at_ms);
        let tables = self.operators.iter_mut().flat_map(|operator| operator.tables());
        let entries: usize = tables.map(|table| table.entry_count()).sum();
        let state_entries = self.backend.is_some().then_some(entries as u64);
        Gauges { next_timer, state_entries, ..Gauges::default() }
    }

    /// Passes on the watermark that an operator makes by itself, if there is a new one.
    pub fn advance_own_watermark(&mut self, output: &mut Output) -> Result<Step, TaskError> {
        for index in 0..self.operators.len() {
            if let Some(watermark) = self.operators[index].own_watermark() {
                return self.pass(index + 1, Passing::Watermark(watermark), output);
            }
        }
        Ok(Step::Done)
    }

    /// Goes on with what is under way.
    pub fn resume(&mut self, output: &mut Output) -> Result<Step, TaskError> {
        let Some((index, passing)) = self.passing.take() else { return Ok(Step::Done) };
        let (operator, rest) = self.operators[index..].split_first_mut().expect("an operator is under way");
        let tail = &mut self.tail;
        match operator.resume(&mut |batch| push(rest, tail, 0, batch, output))? {
            Step::More => {
                self.passing = Some((index, passing));
                Ok(Step::More)
            }
            Step::Done => {
                let passing = self.behind(index, passing);
                self.pass(index + 1, passing, output)
            }
        }
    }

    /// What the next operator gets to see.
    fn behind(&self, index: usize, passing: Passing) -> Passing {
        match passing {
            Passing::Watermark(watermark) => {
                Passing::Watermark(self.operators[index].output_watermark(watermark))
            }
            other => other,
        }
    }

    fn pass(&mut self, from: usize, mut passing: Passing, output: &mut Output) -> Result<Step, TaskError> {
        for index in from..self.operators.len() {
            let (operator, rest) = self.operators[index..].split_first_mut().expect("the index is in range");
            let tail = &mut self.tail;
            let mut emit = |batch: ChangeBatch| push(rest, tail, 0, batch, output);
            let step = match passing {
                Passing::Watermark(watermark) => {
                    operator.flush(&mut emit)?;
                    operator.on_watermark(watermark, &mut emit)?
                }
                Passing::Timer(now_ms) if operator.next_timer_ms().is_some_and(|due| due <= now_ms) => {
                    operator.on_processing_time(now_ms, &mut emit)?
                }
                Passing::Timer(_) => Step::Done,
                Passing::End => {
                    operator.flush(&mut emit)?;
                    operator.end_of_input(&mut emit)?
                }
            };
            if step == Step::More {
                self.passing = Some((index, passing));
                return Ok(Step::More);
            }
            passing = self.behind(index, passing);
        }
        if let Passing::Watermark(watermark) = passing {
            self.tail.flush(output)?;
            if watermark > MIN_WATERMARK {
                output.watermark(watermark);
            }
        }
        Ok(Step::Done)
    }

    /// Gives out what is held back.
    pub fn flush(&mut self, output: &mut Output) -> Result<(), TaskError> {
        for index in 0..self.operators.len() {
            let (operator, rest) = self.operators[index..].split_first_mut().expect("the index is in range");
            let tail = &mut self.tail;
            operator.flush(&mut |batch| push(rest, tail, 0, batch, output))?;
        }
        self.tail.flush(output)
    }

    /// The synchronous part of a snapshot.
    pub fn snapshot(
        &mut self,
        checkpoint: CheckpointId,
        position: Vec<u8>,
    ) -> Result<OperatorSnapshot, TaskError> {
        let mut state = TaskState { position, ..TaskState::default() };
        for operator in &mut self.operators {
            state.operators.push(operator.snapshot()?);
        }
        let keyed_state = match &mut self.backend {
            None => None,
            Some(backend) => {
                let mut tables: Vec<&mut dyn AnyTable> =
                    self.operators.iter_mut().flat_map(|operator| operator.tables()).collect();
                Some(backend.snapshot(checkpoint, &mut tables)?)
            }
        };
        let mut committable = None;
        if let Tail::Sink(writer, _) = &mut self.tail {
            (state.sink, committable) = writer.prepare(checkpoint)?;
        }
        let operator_state = headwater_core::codec::encode(&state)?;
        Ok(OperatorSnapshot { operator_state, committable, keyed_state })
    }

    /// A checkpoint is durable.
    pub fn checkpoint_completed(&mut self, checkpoint: CheckpointId) -> Result<(), TaskError> {
        match &mut self.tail {
            Tail::Sink(writer, _) => writer.commit(checkpoint),
            Tail::Edges(_) => Ok(()),
        }
    }
}
