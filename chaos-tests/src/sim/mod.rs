//! Runs of the whole engine on one thread, in virtual time, on a disk in memory, with faults that follow from a seed.
//!
//! It is the same code as in a server: dispatcher, job masters, checkpoint coordinators, worker, tasks, file sinks. What is replaced are
//! the seams: the disk ([`disk`]), the job store and the clock ([`stores`]), the way between coordinator and worker ([`gateway`]),
//! randomness, and where work that blocks is done. A run is a function of its seed: the same seed gives the same
//! [trace], event by event.

pub mod campaign;
pub mod disk;
pub mod gateway;
pub mod injector;
pub mod process;
pub mod run;
pub mod scenario;
pub mod stores;
pub mod trace;
