//! What the benchmarks share: a server in this process, what a process costs, and how samples are summed up.

mod process;
mod samples;
mod server;

pub use process::{cpu_time_of, load_average, peak_resident_bytes_of, process_cpu_time, resident_bytes_of};
pub use samples::{Aim, median, print_header, print_row};
pub use server::{Cost, on_server, run, run_spec, spec_of, wait_for};
