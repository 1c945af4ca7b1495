//! What commands write, the same way for all of them: to standard output tables and lines for people, or with `--json`
//! documents for programs and nothing else; to standard error what there is to say beside that.

use std::{
    fmt::Display,
    io::{self, Write, stderr, stdout},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use headwater_core::secret::hide;
use serde::Serialize;
use serde_json::{Value, json};

use super::exit::Coded;
use crate::logging::render::printable;

/// Whether this process writes for programs.
static IS_JSON: AtomicBool = AtomicBool::new(false);

/// Whether the command was given `--json`.
pub(super) fn is_json() -> bool {
    IS_JSON.load(Relaxed)
}

/// From now on everything is written as JSON.
pub(super) fn use_json() {
    IS_JSON.store(true, Relaxed);
}

/// A document on standard output.
pub(super) fn document(value: &impl Serialize) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(value)?;
    Ok(writeln!(stdout(), "{text}")?)
}

/// One of several documents on standard output: each is a line.
pub(super) fn json_line(value: &impl Serialize) -> anyhow::Result<()> {
    let text = serde_json::to_string(value)?;
    Ok(line(text)?)
}

/// A line of text on standard output, at once: whoever reads it may wait for it.
pub(super) fn line(text: impl Display) -> io::Result<()> {
    let mut out = stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

/// A remark beside the results.
pub(super) fn note(text: impl Display) {
    if is_json() {
        complain(json!({ "note": text.to_string() }));
    } else {
        complain(text);
    }
}

/// Why the command fails.
pub(super) fn failure(error: &anyhow::Error) {
    let message = hide(&format!("{error:#}")).into_owned();
    if !is_json() {
        complain(format_args!("error: {}", printable(&message)));
        return;
    }
    // What the server refuses comes with its own words for programs.
    let problem = error.downcast_ref::<Coded>().and_then(Coded::problem);
    let of_problem = |field: &str| problem.map_or(Value::Null, |problem| problem[field].clone());
    let detail = match of_problem("detail") {
        Value::Null => Value::from(message),
        detail => detail,
    };
    complain(
        json!({ "error": { "message": detail, "hint": of_problem("hint"), "type": of_problem("type") } }),
    );
}

/// Nobody may read standard error; that is no reason to end.
pub(super) fn complain(text: impl Display) {
    let _ = writeln!(stderr(), "{text}");
}

/// Whether nobody reads standard output any more, as with `| head`.
pub(super) fn is_closed(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// A text that may be someone else's, for a place within a line: whatever would move the cursor, or drive the terminal, is
/// shown as an escape.
pub(super) fn on_one_line(text: &str) -> String {
    let shown = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(shown).collect()
}
