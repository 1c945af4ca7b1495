//! A whole headwater server whose programs are made to be judged, and in which faults can be injected.

mod clock;
mod faulty;
mod lines;

use std::{env, process::ExitCode, sync::Arc};

use headwater::stream::ProgramRegistry;
use headwater_chaos_tests::{
    inject::{PlannedInjector, VARIABLE, list_of_points},
    programs, sabotage,
};
use headwater_core::fault::install_for_process;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    if env::args().nth(1).as_deref() == Some("fault-points") {
        print!("{}", list_of_points());
        return ExitCode::SUCCESS;
    }
    match env::var(VARIABLE).unwrap_or_default().parse() {
        Ok(plan) => install_for_process(Arc::new(PlannedInjector::new(plan))),
        Err(error) => {
            eprintln!("error: {VARIABLE}: {error:#}");
            return ExitCode::from(2);
        }
    }
    headwater::cli::main(ProgramRegistry::new([
        programs::KEYED,
        programs::UNION,
        programs::PANICKING,
        sabotage::PROGRAM,
        faulty::HANGING,
        faulty::SLOW,
        faulty::GREEDY,
        faulty::TIMED,
        lines::PROGRAM,
        clock::PROGRAM,
    ]))
}
