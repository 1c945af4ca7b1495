//! Kills whatever can be killed, and has the oracle judge what came out.

mod damage;
mod disk_full;
mod ends;
mod hang;
mod many_faults;
mod memory;
mod one_fault;
mod panics;
mod process_at_points;
mod process_death;
mod sabotage;
mod socket;
mod stop;
mod storage_errors;

use headwater_chaos_tests::{
    job::Backend,
    run::{Binaries, Run},
};

fn binaries() -> Binaries {
    Binaries {
        server: env!("CARGO_BIN_EXE_chaos_server").into(),
        oracle: env!("CARGO_BIN_EXE_oracle").into(),
    }
}

fn promise(backends: &[Backend], body: impl Fn(&mut Run) -> anyhow::Result<()>) {
    headwater_chaos_tests::promise::promise(&binaries(), backends, body);
}

/// For what has a test per fault point.
fn promise_once(backends: &[Backend], body: impl Fn(&mut Run) -> anyhow::Result<()>) {
    headwater_chaos_tests::promise::promise_once(&binaries(), backends, body);
}
