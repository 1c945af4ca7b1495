//! The task loop: plain code around one [`Invokable`], which an actor drives and a test can drive without one.

use std::{
    any::Any,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use headwater_core::{
    checkpoint::{Ledger, SubtaskSnapshot},
    execution::{ExecutionState, FailureKind},
    fault::{FaultPoint, reach},
    gateway::{CoordinatorGateway, FromWorker},
    ids::{CheckpointId, ExecutionAttemptId, JobId},
    supervision::panic_message,
    time::{Clock, MAX_WATERMARK, TimestampMs},
};
use headwater_state::Blocking;
use tokio::{
    sync::mpsc::UnboundedReceiver,
    task::{JoinSet, yield_now},
    time::{Sleep, sleep},
};

use crate::{
    context::TaskError,
    failure::{Doing, describe},
    gate::{GateEvent, InputGate},
    metrics::TaskCounters,
    operator::{Invokable, Operator, OperatorSnapshot, SourceStatus, Step},
    output::Output,
};

/// What a task is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskCommand {
    /// To a source: snapshot the position and emit a barrier.
    Trigger(CheckpointId),
    /// The checkpoint is durable. `is_final` ends the task.
    Completed {
        /// The checkpoint.
        checkpoint: CheckpointId,
        /// Whether it commits the end of the input.
        is_final: bool,
    },
    /// The checkpoint was given up.
    Aborted(CheckpointId),
    /// Say what the code knows of itself.
    Measure,
    /// Stop.
    Cancel,
}

/// How a task ended of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskEnd {
    /// Its output is committed.
    Finished,
    /// As told.
    Canceled,
}

/// Who a task is and whom it reports to.
#[derive(Clone)]
pub struct TaskIdentity {
    /// The job.
    pub job: JobId,
    /// The attempt.
    pub attempt: ExecutionAttemptId,
    /// Where reports go.
    pub coordinator: Arc<dyn CoordinatorGateway>,
}

impl TaskIdentity {
    /// Reports a new state.
    pub fn report_state(&self, state: ExecutionState) {
        self.coordinator.send(FromWorker::TaskState {
            job: self.job,
            attempt: self.attempt,
            state,
            failure: None,
        });
    }
}

/// What a task's loop works with besides its code.
pub struct Surroundings {
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// Where snapshots are written.
    pub blocking: Blocking,
    /// What the task is told.
    pub commands: UnboundedReceiver<TaskCommand>,
}

/// What the loop does next.
enum Event {
    Command(TaskCommand),
    Resume,
    Timer(TimestampMs),
    Gate(GateEvent),
    Source(SourceStatus),
}

/// What is left to do once an operator has emitted everything.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unfinished {
    Nothing,
    Emission,
    EndOfInput,
}

/// One running task.
pub struct Task {
    identity: TaskIdentity,
    code: Invokable,
    gate: Option<InputGate>,
    output: Output,
    counters: Arc<TaskCounters>,
    clock: Arc<dyn Clock>,
    blocking: Blocking,
    commands: UnboundedReceiver<TaskCommand>,
    /// Asynchronous parts of snapshots; given up when the task is dropped.
    writes: JoinSet<()>,
    unfinished: Unfinished,
    is_draining: bool,
    is_flushed: bool,
    had_first_record: bool,
    is_full: bool,
    timer: Option<(TimestampMs, Pin<Box<Sleep>>)>,
}

impl Task {
    /// A task that is ready to run. `gate` is given if and only if the code is an operator's.
    pub fn new(
        identity: TaskIdentity,
        code: Invokable,
        gate: Option<InputGate>,
        output: Output,
        counters: Arc<TaskCounters>,
        surroundings: Surroundings,
    ) -> Self {
        let Surroundings { clock, blocking, commands } = surroundings;
        Self {
            identity,
            code,
            gate,
            output,
            counters,
            clock,
            blocking,
            commands,
            writes: JoinSet::new(),
            unfinished: Unfinished::Nothing,
            is_draining: false,
            is_flushed: true,
            had_first_record: false,
            is_full: false,
            timer: None,
        }
    }

    /// Runs to its end. Lets its neighbours on the thread have their turn after every batch.
    pub async fn run(mut self) -> Result<TaskEnd, TaskError> {
        loop {
            let event = poll_fn(|context| self.poll_event(context)).await?;
            if let Some(end) = self.on_event(event)? {
                return Ok(end);
            }
            yield_now().await;
        }
    }

    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Result<Event, TaskError>> {
        if let Poll::Ready(command) = self.commands.poll_recv(context) {
            return Poll::Ready(Ok(Event::Command(command.unwrap_or(TaskCommand::Cancel))));
        }
        // What a write leads to, it has reported itself.
        while let Poll::Ready(Some(_)) = self.writes.poll_join_next(context) {}
        if self.output.poll_room(context).is_pending() {
            self.is_full = true;
            self.counters.wait_for_room();
            return Poll::Pending;
        }
        if std::mem::take(&mut self.is_full) {
            self.counters.end_waiting_for_room();
            if let Invokable::Source(source) = &mut self.code {
                source.resumed();
            }
        }
        if self.unfinished != Unfinished::Nothing {
            return Poll::Ready(Ok(Event::Resume));
        }
        if let Some(now) = self.due_timer() {
            return Poll::Ready(Ok(Event::Timer(now)));
        }
        if let Poll::Ready(event) = self.poll_input(context)? {
            return Poll::Ready(Ok(event));
        }
        if !self.is_flushed {
            self.flush()?;
        }
        self.poll_timer(context).map(|now| Ok(Event::Timer(now)))
    }

    fn poll_input(&mut self, context: &mut Context<'_>) -> Result<Poll<Event>, TaskError> {
        if let Some(gate) = &mut self.gate {
            return Ok(gate.poll_next(context).map(Event::Gate));
        }
        if self.is_draining {
            return Ok(Poll::Pending);
        }
        let is_idle = |result: &Result<Poll<Event>, TaskError>| matches!(result, Ok(Poll::Pending));
        self.work_unless(Doing::Records, is_idle, |code, output| match code {
            Invokable::Source(source) => match source.poll_next(context, output) {
                Poll::Ready(status) => {
                    reach(FaultPoint::SourceRead);
                    Ok(Poll::Ready(Event::Source(status?)))
                }
                Poll::Pending => Ok(Poll::Pending),
            },
            Invokable::Operator(_) => unreachable!("an operator has a gate"),
        })
    }

    /// The time, if an operator's timer is due. A source's timer watches its idleness, so it is not looked at before the
    /// source has said that there is nothing to read.
    fn due_timer(&mut self) -> Option<TimestampMs> {
        if matches!(self.code, Invokable::Source(_)) {
            return None;
        }
        let due = self.code.logic().next_timer_ms()?;
        let now = self.clock.now_ms();
        (now >= due).then_some(now)
    }

    fn poll_timer(&mut self, context: &mut Context<'_>) -> Poll<TimestampMs> {
        let Some(due) = self.code.logic().next_timer_ms() else {
            self.timer = None;
            return Poll::Pending;
        };
        if self.timer.as_ref().is_none_or(|(armed_for, _)| *armed_for != due) {
            let wait_ms = due.saturating_sub(self.clock.now_ms()).max(0) as u64;
            self.timer = Some((due, Box::pin(sleep(Duration::from_millis(wait_ms)))));
        }
        let Some((_, sleeping)) = &mut self.timer else { return Poll::Pending };
        sleeping.as_mut().poll(context).map(|()| {
            self.timer = None;
            // The wall clock may lag behind the timer's by a little; the timer has been waited for.
            self.clock.now_ms().max(due)
        })
    }

    fn on_event(&mut self, event: Event) -> Result<Option<TaskEnd>, TaskError> {
        if let Event::Command(command) = event {
            return self.on_command(command);
        }
        self.is_flushed = false;
        match event {
            Event::Command(_) => {}
            Event::Resume => {
                let step = self.work(Doing::Emission, |code, output| code.logic().resume(output))?;
                self.after(step, self.unfinished)?;
            }
            Event::Timer(now) => {
                let step = self.work(Doing::Timer(now), |code, output| {
                    reach(FaultPoint::TaskTimer);
                    code.logic().on_processing_time(now, output)
                })?;
                self.after(step, Unfinished::Emission)?;
            }
            Event::Source(status) => {
                self.note_first_record();
                if status == SourceStatus::End {
                    self.flush()?;
                    self.output.watermark(MAX_WATERMARK);
                    self.begin_draining();
                }
            }
            Event::Gate(event) => self.on_gate_event(event)?,
        }
        Ok(None)
    }

    fn on_gate_event(&mut self, event: GateEvent) -> Result<(), TaskError> {
        match event {
            GateEvent::Batch(input, batch) => {
                self.counters.add_in(batch.rows() as u64);
                let step = self.work_operator(Doing::Records, |operator, output| {
                    operator.process(input, batch, output)
                })?;
                self.note_first_record();
                self.after(step, Unfinished::Emission)
            }
            GateEvent::Watermark(watermark) => {
                let step = self.work_operator(Doing::Watermark(watermark), |operator, output| {
                    operator.on_watermark(watermark, output)
                })?;
                self.after(step, Unfinished::Emission)
            }
            GateEvent::Active(active) => {
                self.flush()?;
                self.work_operator(Doing::Records, |operator, output| operator.on_active(active, output))
            }
            GateEvent::Barrier(checkpoint, waited) => self.take_snapshot(checkpoint, waited),
            GateEvent::EndOfInput => {
                let step =
                    self.work_operator(Doing::EndOfInput, |operator, output| operator.end_of_input(output))?;
                self.after(step, Unfinished::EndOfInput)
            }
        }
    }

    fn on_command(&mut self, command: TaskCommand) -> Result<Option<TaskEnd>, TaskError> {
        match command {
            TaskCommand::Trigger(checkpoint) => self.take_snapshot(checkpoint, Duration::ZERO)?,
            TaskCommand::Completed { checkpoint, is_final } => {
                self.work(Doing::Commit(checkpoint), |code, _| {
                    code.logic().checkpoint_completed(checkpoint)
                })?;
                if is_final && self.is_draining {
                    return Ok(Some(TaskEnd::Finished));
                }
            }
            TaskCommand::Aborted(checkpoint) => {
                if let Some(gate) = &mut self.gate {
                    gate.abort(checkpoint);
                }
            }
            TaskCommand::Measure => {
                // It may be the user's code, which may hang; it is no progress.
                let gauges =
                    self.work_unless(Doing::Records, |_| true, |code, _| Ok(code.logic().gauges()))?;
                self.counters.set_gauges(gauges);
            }
            TaskCommand::Cancel => return Ok(Some(TaskEnd::Canceled)),
        }
        Ok(None)
    }

    fn after(&mut self, step: Step, then: Unfinished) -> Result<(), TaskError> {
        self.unfinished = match step {
            Step::More => then,
            Step::Done => {
                if then == Unfinished::EndOfInput {
                    self.flush()?;
                    self.begin_draining();
                }
                Unfinished::Nothing
            }
        };
        Ok(())
    }

    /// All input is processed; what is left is the checkpoint that commits it.
    fn begin_draining(&mut self) {
        self.output.end_of_input();
        self.is_draining = true;
        self.identity.report_state(ExecutionState::Draining);
    }

    fn flush(&mut self) -> Result<(), TaskError> {
        self.is_flushed = true;
        self.work(Doing::Records, |code, output| code.logic().flush(output))
    }

    fn take_snapshot(&mut self, checkpoint: CheckpointId, alignment: Duration) -> Result<(), TaskError> {
        let started = Instant::now();
        self.flush()?;
        let snapshot = self.work(Doing::Snapshot(checkpoint), |code, _| {
            reach(FaultPoint::TaskSnapshot);
            code.logic().snapshot(checkpoint)
        })?;
        let ledger = Ledger {
            sent: self.output.sent(),
            received: self.gate.as_ref().map_or_else(Vec::new, InputGate::received),
        };
        self.output.barrier(checkpoint);
        reach(FaultPoint::TaskBarrier);
        let ack = PendingAck {
            identity: self.identity.clone(),
            checkpoint,
            ledger,
            drained: self.is_draining,
            records_in: self.counters.records_in(),
            sync: started.elapsed(),
            alignment,
        };
        match snapshot.keyed_state {
            None => ack.acknowledge(snapshot, None, Duration::ZERO),
            Some(_) => {
                let (counters, writing) = (self.counters.clone(), ack.write(snapshot, self.blocking.clone()));
                counters.begin_writing(checkpoint);
                self.writes.spawn_local(async move {
                    writing.await;
                    counters.end_writing(checkpoint);
                });
            }
        }
        Ok(())
    }

    /// A source that feeds others has nothing to restore and is always ahead of them: the job is at work again once a
    /// record has come through the channels.
    fn note_first_record(&mut self) {
        if self.had_first_record || self.counters.records_in() == 0 {
            return;
        }
        self.had_first_record = true;
        let at_ms = self.clock.now_ms();
        self.counters.set_first_record_at(at_ms);
        if self.gate.is_none() && self.output.edges() > 0 {
            return;
        }
        let TaskIdentity { job, attempt, ref coordinator } = self.identity;
        coordinator.send(FromWorker::FirstRecord { job, attempt, at_ms });
    }

    /// Runs a piece of the task's work. An error, and a panic, of which the task dies, is told with the record that it was at.
    fn work<T>(
        &mut self,
        doing: Doing,
        piece: impl FnOnce(&mut Invokable, &mut Output) -> Result<T, TaskError>,
    ) -> Result<T, TaskError> {
        self.work_unless(doing, |_| false, piece)
    }

    /// The same for a piece that may find nothing to do, as `is_idle` tells of its result.
    fn work_unless<T>(
        &mut self,
        doing: Doing,
        is_idle: impl FnOnce(&Result<T, TaskError>) -> bool,
        piece: impl FnOnce(&mut Invokable, &mut Output) -> Result<T, TaskError>,
    ) -> Result<T, TaskError> {
        let (code, output, counters) = (&mut self.code, &mut self.output, &self.counters);
        let (activity, checkpoint) = doing.activity();
        // Nothing is used after a panic but to find the record, and that is prepared for anything.
        let work = || counters.work_unless(activity, checkpoint, is_idle, || piece(code, output));
        match catch_unwind(AssertUnwindSafe(work)) {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(error)) => Err(self.placed(doing, error)),
            Err(panic) => self.panic_on(doing, &*panic),
        }
    }

    #[cold]
    fn placed(&mut self, doing: Doing, error: TaskError) -> TaskError {
        match self.place_of_failure(doing, FailureKind::Error) {
            Some(place) => TaskError::At { error: Box::new(error), place },
            None => error,
        }
    }

    #[cold]
    fn panic_on(&mut self, doing: Doing, panic: &(dyn Any + Send)) -> ! {
        let place = self
            .place_of_failure(doing, FailureKind::Panic)
            .unwrap_or_else(|| format!("at no record, but {doing}"));
        resume_unwind(Box::new(format!("{}, {place}", panic_message(panic))))
    }

    fn place_of_failure(&mut self, doing: Doing, kind: FailureKind) -> Option<String> {
        if doing != Doing::Records {
            return None;
        }
        let code = &mut self.code;
        let record = catch_unwind(AssertUnwindSafe(|| code.logic().failed_record(kind))).ok()??;
        let behind = self.counters.records_in().saturating_sub(record.number);
        let origin = self.gate.as_ref().and_then(InputGate::last_origin);
        let origin = origin.map(|(from, rows)| (from, rows.saturating_sub(behind)));
        Some(describe(&record, self.identity.attempt, origin))
    }

    fn work_operator<T>(
        &mut self,
        doing: Doing,
        piece: impl FnOnce(&mut dyn Operator, &mut Output) -> Result<T, TaskError>,
    ) -> Result<T, TaskError> {
        self.work(doing, |code, output| match code {
            Invokable::Operator(operator) => piece(&mut **operator, output),
            Invokable::Source(_) => unreachable!("only operators have a gate"),
        })
    }
}

/// An acknowledgement whose state is still to be written.
struct PendingAck {
    identity: TaskIdentity,
    checkpoint: CheckpointId,
    ledger: Ledger,
    drained: bool,
    records_in: u64,
    sync: Duration,
    alignment: Duration,
}

impl PendingAck {
    async fn write(self, mut snapshot: OperatorSnapshot, blocking: Blocking) {
        let Some(pending) = snapshot.keyed_state.take() else { return };
        let started = Instant::now();
        match blocking.run(move || pending.write()).await {
            Ok(Ok(handle)) => self.acknowledge(snapshot, Some(handle), started.elapsed()),
            Ok(Err(error)) => self.decline(error.to_string()),
            Err(panicked) => self.decline(format!("writing the state {panicked}")),
        }
    }

    fn acknowledge(
        self,
        snapshot: OperatorSnapshot,
        keyed_state: Option<headwater_core::checkpoint::KeyedStateHandle>,
        writing: Duration,
    ) {
        let TaskIdentity { job, attempt, coordinator } = self.identity;
        coordinator.send(FromWorker::Ack {
            job,
            attempt,
            checkpoint: self.checkpoint,
            snapshot: SubtaskSnapshot {
                operator_state: snapshot.operator_state,
                committable: snapshot.committable,
                keyed_state,
            },
            ledger: self.ledger,
            drained: self.drained,
            records_in: self.records_in,
            sync_us: self.sync.as_micros() as u64,
            async_us: writing.as_micros() as u64,
            alignment_us: self.alignment.as_micros() as u64,
        });
    }

    fn decline(self, reason: String) {
        let TaskIdentity { job, attempt, coordinator } = self.identity;
        coordinator.send(FromWorker::Decline { job, attempt, checkpoint: self.checkpoint, reason });
    }
}
