//! What is wrong with a statement, and where.

use std::{fmt, panic};

/// A place in a script, both counted from 1; columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// The line.
    pub line: u64,
    /// The column.
    pub column: u64,
}

/// Why a statement is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlError {
    /// What was expected, what came: lower case, without a final period.
    pub message: String,
    /// Where, if that is known.
    pub location: Option<Location>,
    /// What would be right, if that is known.
    pub hint: Option<String>,
    /// Where in this crate it was made.
    pub origin: Origin,
}

/// A place in the code, for developers: two errors that say the same are equal, wherever they were made.
#[derive(Debug, Clone, Copy)]
pub struct Origin(pub &'static panic::Location<'static>);

impl PartialEq for Origin {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Origin {}

impl SqlError {
    /// An error without a place.
    #[track_caller]
    pub fn new(message: impl Into<String>) -> Self {
        let origin = Origin(panic::Location::caller());
        Self { message: one_line(message.into()), location: None, hint: None, origin }
    }

    /// The same at a place, unless it has one already.
    pub fn at(mut self, location: Location) -> Self {
        self.location.get_or_insert(location);
        self
    }

    /// The same with a hint.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(one_line(hint.into()));
        self
    }

    /// The same with the hint "did you mean", if one of `known` is near `name`.
    pub fn did_you_mean<'a>(self, name: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        match headwater_core::options::nearest(name, known) {
            Some(near) => self.hint(format!("did you mean `{near}`?")),
            None => self,
        }
    }
}

/// What is quoted in a message, such as the value of an option, may have line ends.
fn one_line(text: String) -> String {
    if text.contains('\n') { text.split('\n').map(str::trim).collect::<Vec<_>>().join(" ") } else { text }
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Location { line, column }) = self.location {
            write!(f, "line {line}, column {column}: ")?;
        }
        f.write_str(&self.message)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, "; {hint}"))
    }
}

impl std::error::Error for SqlError {}
