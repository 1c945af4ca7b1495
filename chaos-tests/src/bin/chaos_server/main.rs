//! A whole headwater server whose programs are made to be judged.

mod clock;
mod lines;

use std::process::ExitCode;

use headwater::stream::ProgramRegistry;
use headwater_chaos_tests::{programs, sabotage};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    headwater::cli::main(ProgramRegistry::new([
        programs::KEYED,
        programs::UNION,
        programs::TICKING,
        programs::PANICKING,
        sabotage::PROGRAM,
        lines::PROGRAM,
        clock::PROGRAM,
    ]))
}
