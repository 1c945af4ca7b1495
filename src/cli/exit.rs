//! How a command ends: the same number for the same kind of failure, whatever the command.

use std::fmt;

use serde_json::Value;

/// Wrong usage, or a wrong configuration.
pub(super) const USAGE: u8 = 2;
/// The server does not have what was asked for.
pub(super) const NOT_FOUND: u8 = 3;
/// The server does not let us: no token, a wrong one, or one of another role.
pub(super) const DENIED: u8 = 4;
/// The server does not answer.
pub(super) const NO_ANSWER: u8 = 5;

/// A failure that is told apart by its exit code.
#[derive(Debug)]
pub(super) struct Coded {
    code: u8,
    message: String,
    problem: Option<Value>,
}

impl Coded {
    pub(super) fn new(code: u8, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), problem: None }
    }

    /// As the server told it.
    pub(super) fn of_problem(code: u8, message: String, problem: Value) -> Self {
        Self { code, message, problem: Some(problem) }
    }

    /// What the server told, by RFC 9457.
    pub(super) fn problem(&self) -> Option<&Value> {
        self.problem.as_ref()
    }
}

impl fmt::Display for Coded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Coded {}

/// The exit code of an error; 1 if it is none of those that are told apart.
pub(super) fn code_of(error: &anyhow::Error) -> u8 {
    error.downcast_ref::<Coded>().map_or(1, |coded| coded.code)
}

#[cfg(test)]
mod tests {
    use anyhow::{Context, anyhow};

    use super::*;

    #[test]
    fn a_code_is_found_below_and_above_other_context() {
        let coded = || Coded::new(NO_ANSWER, "no answer");
        let below: anyhow::Result<()> = Err(coded()).context("while listing");
        let above = anyhow!("refused").context(coded());
        assert_eq!(
            (code_of(&below.unwrap_err()), code_of(&above), code_of(&anyhow!("else"))),
            (NO_ANSWER, NO_ANSWER, 1)
        );
    }
}
