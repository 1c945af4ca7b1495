//! Records that are others each time.

use headwater::core::time::{Clock, SystemClock};
use headwater::prelude::*;

use headwater_chaos_tests::programs::{ARGS, Shape};

/// The program.
pub const PROGRAM: Program =
    Program::new("clocked_sequences", "Writes a seed's records, each with the clock's time", ARGS, clocked);

fn clocked(env: &StreamExecutionEnvironment, args: &ProgramArgs) -> Result<(), ProgramError> {
    let shape = Shape::of(args)?;
    env.from_source("Sequences", shape.source(shape.seed))
        .map(|record| format!("{record} at {}", SystemClock.now_ms()))
        .write_as_text(shape.records_folder());
    env.execute("Clocked sequences")
}
