//! The programs that can be submitted.

use headwater_core::job::{ArgKind, ArgSpec, ProgramInfo};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `GET /programs`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Programs {
    /// By name.
    pub programs: Vec<Program>,
}

/// A registered program.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Program {
    /// Its name.
    pub name: String,
    /// What it does.
    pub description: String,
    /// What it takes.
    pub args: Vec<Argument>,
}

/// An argument of a program.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Argument {
    /// Its name.
    pub name: String,
    /// `text`, `integer`, `float` or `flag`.
    pub kind: String,
    /// What it is for.
    pub help: String,
    /// The value if it is not given.
    pub default: Option<String>,
    /// Whether it must be given.
    pub required: bool,
}

impl Program {
    /// What clients see of `program`.
    pub fn of(program: &ProgramInfo) -> Self {
        Self {
            name: program.name.to_owned(),
            description: program.description.to_owned(),
            args: program.args.iter().map(Argument::of).collect(),
        }
    }
}

impl Argument {
    fn of(argument: &ArgSpec) -> Self {
        let kind = match argument.kind {
            ArgKind::Text => "text",
            ArgKind::Path => "path",
            ArgKind::Integer => "integer",
            ArgKind::Float => "float",
            ArgKind::Flag => "flag",
        };
        Self {
            name: argument.name.to_owned(),
            kind: kind.to_owned(),
            help: argument.help.to_owned(),
            default: argument.default.map(str::to_owned),
            required: argument.required,
        }
    }
}
