//! Jobs: what is submitted, and the states that it goes through.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{graph::JobGraph, options::JobOptions};

/// A program's argument as it was submitted.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum ArgValue {
    /// A text; numbers and truth values from a command line come as texts, too.
    Text(String),
    /// A number with a fraction.
    Float(f64),
    /// A whole number.
    Integer(i64),
    /// A truth value.
    Flag(bool),
}

/// A program's arguments by name.
pub type Args = BTreeMap<String, ArgValue>;

/// What a user submits: a registered program with its arguments. Closures cannot be shipped, so the program's name
/// stands for its code, and a worker builds the code anew from this.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct JobSpec {
    /// The job's name, for people; if empty, the one that the program gives it.
    pub name: String,
    /// The registered program.
    pub program: String,
    /// Its arguments.
    pub args: Args,
    /// The options that hold for the job.
    pub options: JobOptions,
}

/// The state of a job, as in Apache Flink.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum JobStatus {
    /// Accepted; its job master is being started.
    Initializing,
    /// Its tasks are being started for the first time.
    Created,
    /// Running.
    Running,
    /// A failure is being contained: tasks are being stopped.
    Failing,
    /// Failed for good.
    Failed,
    /// Tasks are being stopped at a user's wish.
    Cancelling,
    /// Stopped at a user's wish.
    Canceled,
    /// All its input was processed and its output committed.
    Finished,
    /// Tasks are being restarted from the last completed checkpoint.
    Restarting,
    /// Not running, since its process is stopping; resumes with the next one.
    Suspended,
    /// Taken over from an earlier job master; what its tasks do is being found out.
    Reconciling,
}

impl JobStatus {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Initializing,
        Self::Created,
        Self::Running,
        Self::Failing,
        Self::Failed,
        Self::Cancelling,
        Self::Canceled,
        Self::Finished,
        Self::Restarting,
        Self::Suspended,
        Self::Reconciling,
    ];

    /// Whether the job has ended and will never run again.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Failed | Self::Canceled | Self::Finished)
    }

    /// The name that users see, as Flink writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Initializing => "INITIALIZING",
            Self::Created => "CREATED",
            Self::Running => "RUNNING",
            Self::Failing => "FAILING",
            Self::Failed => "FAILED",
            Self::Cancelling => "CANCELLING",
            Self::Canceled => "CANCELED",
            Self::Finished => "FINISHED",
            Self::Restarting => "RESTARTING",
            Self::Suspended => "SUSPENDED",
            Self::Reconciling => "RECONCILING",
        }
    }
}

/// The kind of value that an argument takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ArgKind {
    /// Any text.
    Text,
    /// A file or folder. A command line makes it absolute, since a server has another working folder.
    Path,
    /// A whole number.
    Integer,
    /// A number.
    Float,
    /// `true` or `false`.
    Flag,
}

/// An argument that a program takes.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct ArgSpec {
    /// Its name, in lower case with `-` or `_` between words.
    pub name: &'static str,
    /// The kind of its value.
    pub kind: ArgKind,
    /// What it is for, for people.
    pub help: &'static str,
    /// The value if it is not given, as on a command line.
    pub default: Option<&'static str>,
    /// Whether it must be given.
    pub required: bool,
}

/// A registered program.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct ProgramInfo {
    /// Its name.
    pub name: &'static str,
    /// What it does, for people.
    pub description: &'static str,
    /// What it takes.
    pub args: &'static [ArgSpec],
}

/// Why a submission cannot be planned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// No such program.
    #[error("unknown program `{name}`: expected one of {known}")]
    UnknownProgram {
        /// The name as given.
        name: String,
        /// The registered names.
        known: String,
    },
    /// An argument is missing, unknown or of another kind.
    #[error("argument `{name}`: {reason}")]
    BadArgument {
        /// The argument's name.
        name: String,
        /// What was expected, what came.
        reason: String,
    },
    /// The program's graph cannot run.
    #[error("the program cannot be run: {0}")]
    Invalid(String),
}

/// What a submission amounts to.
#[derive(Clone, PartialEq, Debug)]
pub struct JobPlan {
    /// The name that the program gives the job.
    pub name: String,
    /// What it runs as.
    pub graph: JobGraph,
    /// The options that hold: the submission's, with what the program itself sets.
    pub options: JobOptions,
}

/// The programs that can be submitted, as the coordinator sees them.
pub trait ProgramCatalog: Send + Sync {
    /// All of them, by name.
    fn programs(&self) -> Vec<ProgramInfo>;

    /// What a submission runs as; refuses what is not right about it.
    fn plan(&self, spec: &JobSpec) -> Result<JobPlan, PlanError>;
}
