//! Registered programs: what a server runs by name. A program's code cannot be shipped, so the binary is the archive.

use std::{collections::BTreeMap, sync::Arc};

use clap::{Arg, ArgAction, Command};
use headwater_actors::operator::{CodeResolver, JobCode};
use headwater_core::{
    graph::GraphError,
    job::{ArgKind, ArgSpec, ArgValue, Args, JobPlan, JobSpec, PlanError, ProgramCatalog, ProgramInfo},
    options::{JobOptions, OptionError, nearest},
};

use crate::{environment::StreamExecutionEnvironment, graph::StreamGraph};

/// Why a program cannot be planned or was not executed to its end.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// Its graph cannot run.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// An option is unknown or wrong.
    #[error(transparent)]
    Option(#[from] OptionError),
    /// An argument is missing or wrong.
    #[error("argument `{name}`: {reason}")]
    Argument {
        /// The argument.
        name: String,
        /// What was expected, what came.
        reason: String,
    },
    /// Something else is wrong with it.
    #[error("{0}")]
    Invalid(String),
    /// It was run and did not finish.
    #[error("{0}")]
    Failed(String),
}

/// A program that can be submitted by name.
#[derive(Clone, Copy)]
pub struct Program {
    /// What users see of it.
    pub info: ProgramInfo,
    /// Builds the program's streams and calls `execute`.
    pub main: fn(&StreamExecutionEnvironment, &ProgramArgs) -> Result<(), ProgramError>,
}

impl Program {
    /// A program with its description.
    pub const fn new(
        name: &'static str,
        description: &'static str,
        args: &'static [ArgSpec],
        main: fn(&StreamExecutionEnvironment, &ProgramArgs) -> Result<(), ProgramError>,
    ) -> Self {
        Self { info: ProgramInfo { name, description, args }, main }
    }

    /// A command line that takes the program's arguments.
    pub fn command(&self) -> Command {
        let command = Command::new(self.info.name).about(self.info.description);
        self.info.args.iter().fold(command, |command, spec| {
            let mut arg = Arg::new(spec.name)
                .long(spec.name)
                .help(spec.help)
                .required(spec.required)
                .action(ArgAction::Set)
                .value_name(value_name(spec.kind));
            if let Some(default) = spec.default {
                arg = arg.default_value(default);
            }
            command.arg(arg)
        })
    }

    /// The arguments that such a command line was given, as texts; paths are absolute.
    pub fn args_of(&self, matches: &clap::ArgMatches) -> Args {
        self.info
            .args
            .iter()
            .filter_map(|spec| {
                let given = matches.get_one::<String>(spec.name)?;
                let value = match spec.kind {
                    // What cannot be made absolute, the empty path, is refused as it is.
                    ArgKind::Path => std::path::absolute(given)
                        .ok()
                        .and_then(|path| path.into_os_string().into_string().ok())
                        .unwrap_or_else(|| given.clone()),
                    _ => given.clone(),
                };
                Some((spec.name.to_owned(), ArgValue::Text(value)))
            })
            .collect()
    }
}

fn value_name(kind: ArgKind) -> &'static str {
    match kind {
        ArgKind::Text => "TEXT",
        ArgKind::Path => "PATH",
        ArgKind::Integer => "INTEGER",
        ArgKind::Float => "NUMBER",
        ArgKind::Flag => "true|false",
    }
}

/// A program's arguments, checked against its description and with its defaults.
#[derive(Debug, Clone)]
pub struct ProgramArgs(BTreeMap<&'static str, ArgValue>);

impl ProgramArgs {
    /// Checks `args`: unknown, missing and misshapen ones are refused by name.
    pub fn new(program: &Program, args: &Args) -> Result<Self, ProgramError> {
        let refuse =
            |name: &str, reason: String| Err(ProgramError::Argument { name: name.to_owned(), reason });
        let specs = program.info.args;
        for name in args.keys() {
            if !specs.iter().any(|spec| spec.name == name) {
                let near = nearest(name, specs.iter().map(|spec| spec.name))
                    .map_or_else(String::new, |near| format!(": did you mean `{near}`?"));
                return refuse(name, format!("`{}` takes no such argument{near}", program.info.name));
            }
        }
        let mut checked = BTreeMap::new();
        for spec in specs {
            let default = spec.default.map(|text| ArgValue::Text(text.to_owned()));
            let Some(value) = args.get(spec.name).cloned().or(default) else {
                if spec.required {
                    return refuse(spec.name, format!("is required: {}", spec.help));
                }
                continue;
            };
            match coerce(spec.kind, &value) {
                Some(value) => checked.insert(spec.name, value),
                None => {
                    let expected = match spec.kind {
                        ArgKind::Text => "a text",
                        ArgKind::Path => "a path",
                        ArgKind::Integer => "a whole number",
                        ArgKind::Float => "a number",
                        ArgKind::Flag => "`true` or `false`",
                    };
                    return refuse(spec.name, format!("expected {expected}, found {}", show(&value)));
                }
            };
        }
        Ok(Self(checked))
    }

    /// A text.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.0.get(name) {
            Some(ArgValue::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// A whole number.
    pub fn integer(&self, name: &str) -> Option<i64> {
        match self.0.get(name) {
            Some(ArgValue::Integer(number)) => Some(*number),
            _ => None,
        }
    }

    /// A number.
    pub fn float(&self, name: &str) -> Option<f64> {
        match self.0.get(name) {
            Some(ArgValue::Float(number)) => Some(*number),
            _ => None,
        }
    }

    /// A truth value; `false` if it is not given.
    pub fn flag(&self, name: &str) -> bool {
        matches!(self.0.get(name), Some(ArgValue::Flag(true)))
    }

    /// A text that the program's description requires.
    pub fn required_text(&self, name: &str) -> Result<&str, ProgramError> {
        self.text(name).ok_or_else(|| missing(name))
    }

    /// A whole number within a range, that the program's description requires.
    pub fn required_in<N: TryFrom<i64>>(
        &self,
        name: &str,
        range: std::ops::RangeInclusive<i64>,
    ) -> Result<N, ProgramError> {
        let number = self.integer(name).ok_or_else(|| missing(name))?;
        N::try_from(number).ok().filter(|_| range.contains(&number)).ok_or_else(|| ProgramError::Argument {
            name: name.to_owned(),
            reason: format!(
                "expected a whole number from {} to {}, found {number}",
                range.start(),
                range.end()
            ),
        })
    }
}

fn missing(name: &str) -> ProgramError {
    ProgramError::Argument { name: name.to_owned(), reason: "is required".to_owned() }
}

fn show(value: &ArgValue) -> String {
    match value {
        ArgValue::Text(text) => format!("`{text}`"),
        ArgValue::Float(number) => number.to_string(),
        ArgValue::Integer(number) => number.to_string(),
        ArgValue::Flag(flag) => flag.to_string(),
    }
}

fn coerce(kind: ArgKind, value: &ArgValue) -> Option<ArgValue> {
    match (kind, value) {
        (ArgKind::Text | ArgKind::Path, ArgValue::Text(_))
        | (ArgKind::Integer, ArgValue::Integer(_))
        | (ArgKind::Float, ArgValue::Float(_))
        | (ArgKind::Flag, ArgValue::Flag(_)) => Some(value.clone()),
        (ArgKind::Float, ArgValue::Integer(number)) => Some(ArgValue::Float(*number as f64)),
        (ArgKind::Integer, ArgValue::Text(text)) => text.trim().parse().ok().map(ArgValue::Integer),
        (ArgKind::Float, ArgValue::Text(text)) => {
            text.trim().parse().ok().filter(|number: &f64| number.is_finite()).map(ArgValue::Float)
        }
        (ArgKind::Flag, ArgValue::Text(text)) => text.trim().parse().ok().map(ArgValue::Flag),
        _ => None,
    }
}

/// The programs that a binary can run.
#[derive(Clone, Default)]
pub struct ProgramRegistry {
    programs: BTreeMap<&'static str, Program>,
}

impl ProgramRegistry {
    /// A registry of these programs.
    pub fn new(programs: impl IntoIterator<Item = Program>) -> Self {
        Self { programs: programs.into_iter().map(|program| (program.info.name, program)).collect() }
    }

    /// The program with this name.
    pub fn get(&self, name: &str) -> Option<&Program> {
        self.programs.get(name)
    }

    /// All programs, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Program> {
        self.programs.values()
    }

    fn build(&self, spec: &JobSpec) -> Result<(String, StreamGraph), PlanError> {
        let Some(program) = self.get(&spec.program) else {
            let known = self.programs.keys().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            return Err(PlanError::UnknownProgram { name: spec.program.clone(), known });
        };
        plan(program, &spec.args, spec.options.clone()).map_err(|error| match error {
            ProgramError::Argument { name, reason } => PlanError::BadArgument { name, reason },
            other => PlanError::Invalid(other.to_string()),
        })
    }
}

/// Runs a program's `main` only to learn its name and graph.
fn plan(program: &Program, args: &Args, options: JobOptions) -> Result<(String, StreamGraph), ProgramError> {
    let environment = StreamExecutionEnvironment::planning(options);
    (program.main)(&environment, &ProgramArgs::new(program, args)?)?;
    environment.take_executed().ok_or_else(|| {
        ProgramError::Invalid(format!("`{}` returned without a call of execute", program.info.name))
    })
}

impl ProgramCatalog for ProgramRegistry {
    fn programs(&self) -> Vec<ProgramInfo> {
        self.programs.values().map(|program| program.info).collect()
    }

    fn plan(&self, spec: &JobSpec) -> Result<JobPlan, PlanError> {
        let (name, graph) = self.build(spec)?;
        Ok(JobPlan { name, graph: graph.graph().clone(), options: spec.options.clone() })
    }
}

impl CodeResolver for ProgramRegistry {
    fn resolve(&self, spec: &JobSpec) -> Result<Arc<dyn JobCode>, PlanError> {
        Ok(Arc::new(self.build(spec)?.1))
    }
}
