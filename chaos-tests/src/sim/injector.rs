//! Lets the planned faults happen where and when they are planned.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use headwater::core::{
    fault::{Fault, FaultPoint, Injector},
    ids::CheckpointId,
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::{
    disk::ProcessDisk,
    scenario::{Act, Planned, Victim, When},
    trace::Trace,
};

/// A fault that happened.
#[derive(Clone, Debug)]
pub struct Fired {
    /// What was planned.
    pub planned: Planned,
    /// The newest checkpoint that was triggered before.
    pub under_way: Option<CheckpointId>,
    /// The newest checkpoint that the tasks were told is durable.
    pub completed: Option<CheckpointId>,
    /// Whether there was anybody, or anything, for it to strike.
    pub has_struck: bool,
}

/// How a process ends before its job does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Death {
    /// `kill -9`.
    Process,
    /// Its machine lost power.
    Machine,
    /// `kill -9`, and the newest checkpoint is damaged.
    Damage,
}

/// What is to be done by those who can.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Command {
    /// The process is dead.
    Die(Death),
    /// Anything else, by its number among the faults that happened.
    Do(Act, usize),
}

/// The faults of a run.
#[derive(Clone)]
pub struct Faults {
    inner: Arc<Mutex<Inner>>,
    trace: Trace,
}

struct Inner {
    planned: Vec<Planned>,
    reached: BTreeMap<FaultPoint, u32>,
    fired: Vec<Fired>,
    under_way: Option<CheckpointId>,
    completed: Option<CheckpointId>,
    process: Option<(ProcessDisk, UnboundedSender<Command>)>,
}

impl Faults {
    /// Faults that are still to happen.
    pub fn new(planned: Vec<Planned>, trace: &Trace) -> Self {
        let inner = Inner {
            planned,
            reached: BTreeMap::new(),
            fired: Vec::new(),
            under_way: None,
            completed: None,
            process: None,
        };
        Self { inner: Arc::new(Mutex::new(inner)), trace: trace.clone() }
    }

    /// A process begins; returns what it is to do to itself.
    pub fn begin_life(&self, disk: &ProcessDisk) -> UnboundedReceiver<Command> {
        let (send, receive) = unbounded_channel();
        self.lock().process = Some((disk.clone(), send));
        receive
    }

    /// The process is gone.
    pub fn end_life(&self) {
        self.lock().process = None;
    }

    /// The times at which something is still to happen, whatever is reached.
    pub fn times(&self) -> Vec<u64> {
        let inner = self.lock();
        let time = |planned: &Planned| match planned.when {
            When::AfterMs(ms) => Some(ms),
            When::At(..) => None,
        };
        inner.planned.iter().filter_map(time).collect()
    }

    /// Lets what is due by now happen.
    pub fn pass_time(&self, now_ms: u64) {
        let due = |planned: &Planned| matches!(planned.when, When::AfterMs(ms) if ms <= now_ms);
        let all_due: Vec<Planned> = self.lock().planned.extract_if(.., |planned| due(planned)).collect();
        for planned in all_due {
            // Where nobody stands, nobody can panic or fail.
            let _ = self.fire(planned);
        }
    }

    /// A checkpoint was triggered.
    pub fn set_under_way(&self, checkpoint: CheckpointId) {
        self.lock().under_way = Some(checkpoint);
    }

    /// The tasks are told that a checkpoint is durable.
    pub fn set_completed(&self, checkpoint: CheckpointId) {
        self.lock().completed = Some(checkpoint);
    }

    /// There was nobody to strike.
    pub fn set_missed(&self, number: usize) {
        self.lock().fired[number].has_struck = false;
    }

    /// What has happened so far.
    pub fn fired(&self) -> Vec<Fired> {
        self.lock().fired.clone()
    }

    /// The points that were reached.
    pub fn reached(&self) -> BTreeSet<FaultPoint> {
        self.lock().reached.keys().copied().collect()
    }

    fn fire(&self, planned: Planned) -> Option<Fault> {
        self.trace.note(format_args!("FAULT {} {}", planned.act, planned.when));
        let mut inner = self.lock();
        let (under_way, completed) = (inner.under_way, inner.completed);
        let number = inner.fired.len();
        inner.fired.push(Fired { planned, under_way, completed, has_struck: true });
        let (disk, commands) = inner.process.clone()?;
        drop(inner);
        let tell = |command| {
            // Nobody listens once the process is about to end.
            let _ = commands.send(command);
        };
        let die = |death| {
            disk.cut_off();
            self.trace.end_life();
            tell(Command::Die(death));
            Some(Fault::Panic("the process is dead".to_owned()))
        };
        match planned.act {
            Act::Kill(Victim::Process) => die(Death::Process),
            Act::Kill(Victim::Machine) => die(Death::Machine),
            Act::Damage => die(Death::Damage),
            Act::Panic => Some(Fault::Panic("a planned panic".to_owned())),
            Act::Error => Some(Fault::Error("a planned error".to_owned())),
            act => {
                tell(Command::Do(act, number));
                None
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Injector for Faults {
    fn reached(&self, point: FaultPoint) -> Option<Fault> {
        let mut inner = self.lock();
        if !inner.process.as_ref().is_some_and(|(disk, _)| disk.is_alive()) {
            return None;
        }
        let reached = inner.reached.entry(point).or_default();
        *reached += 1;
        let now = When::At(point, *reached);
        let index = inner.planned.iter().position(|planned| planned.when == now)?;
        let planned = inner.planned.remove(index);
        drop(inner);
        self.fire(planned)
    }
}
