//! Planning needs more stack than threads usually have: a plan is as deep as views stand in views and operators behind operators.

use std::{io, panic::resume_unwind, thread};

/// For what the parser's and the planner's bounds let through.
const STACK_BYTES: usize = 128 << 20;

/// Does work on a thread whose stack is deep enough for every script that is not refused.
pub fn on_deep_stack<T: Send>(work: impl FnOnce() -> T + Send) -> io::Result<T> {
    thread::scope(|scope| {
        let builder = thread::Builder::new().name("sql-plan".to_owned()).stack_size(STACK_BYTES);
        let thread = builder.spawn_scoped(scope, work)?;
        Ok(thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
    })
}
