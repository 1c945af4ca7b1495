//! A whole headwater server whose programs are made to be judged.

mod clock;
mod lines;
mod sabotage;

use std::process::ExitCode;

use headwater::stream::ProgramRegistry;
use headwater_chaos_tests::programs as sequences;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    headwater::cli::main(ProgramRegistry::new([
        sequences::KEYED,
        sequences::UNION,
        sequences::PANICKING,
        sabotage::PROGRAM,
        lines::PROGRAM,
        clock::PROGRAM,
    ]))
}
