//! Faults on purpose, and proof that they leave no trace in the output.
//!
//! A [`Run`](run::Run) is one server process with one job. It injects faults on a schedule that follows from the run's
//! seed: actors are killed over REST, the process by a signal. The job's records are a pure function of the seed
//! ([`records`]), so that the [`oracle`], which knows nothing of the engine, can work out what must be in the committed files
//! and compare.

pub mod cage;
pub mod damage;
pub mod history;
pub mod inject;
pub mod job;
pub mod line_server;
pub mod matrix;
pub mod oracle;
pub mod programs;
pub mod promise;
pub mod real;
pub mod records;
pub mod reliability;
pub mod rest;
pub mod run;
pub mod sabotage;
pub mod server;
pub mod sim;
