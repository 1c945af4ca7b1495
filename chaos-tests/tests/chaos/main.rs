//! Kills whatever can be killed, and has the oracle judge what came out.

mod damage;
mod ends;
mod many_faults;
mod one_fault;
mod process_death;
mod sabotage;
mod socket;

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
