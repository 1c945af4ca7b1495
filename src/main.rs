//! The `headwater` binary with the programs that it brings along.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    headwater::cli::main(headwater::programs::registry())
}
