//! The faults that are tested, what must hold under each, and by which tests. The documentation's table is made from
//! this, and a test looks whether every test that is named here exists.

/// A kind of fault.
pub struct Row {
    /// What goes wrong.
    pub fault: &'static str,
    /// What must hold.
    pub holds: &'static str,
    /// The tests: a file below the package's `tests`, or `../` and one of another package, and after a blank the beginning of
    /// tests' names in it; all of the file's if there is none.
    pub tests: &'static [&'static str],
}

const fn row(fault: &'static str, holds: &'static str, tests: &'static [&'static str]) -> Row {
    Row { fault, holds, tests }
}

/// All of them.
pub const ROWS: &[Row] = &[
    row(
        "panic in a source, operator, sink, timer, at the start of an actor, in the asynchronous part of a snapshot, in a control actor",
        "rebuilt from the last durable checkpoint; other jobs and regions untouched",
        &["chaos/panics.rs", "simulation/random.rs no_faults"],
    ),
    row(
        "user function that hangs",
        "found from another thread within `task.stall-timeout` and fenced; what it does later does not show; its slot is replaced",
        &["chaos/hang.rs", "../tests/failures.rs"],
    ),
    row(
        "slow sink at full speed",
        "memory bounded; nothing dropped; checkpoints complete or fail visibly",
        &[
            "chaos/memory.rs a_sink_that_is_too_slow",
            "chaos/memory.rs a_checkpoint_that_a_slow_sink",
            "../tests/back_pressure.rs",
        ],
    ),
    row(
        "source, operator, sink, checkpoint coordinator, job master or dispatcher killed in each phase",
        "output as without; no stuck job",
        &["simulation/deaths.rs", "chaos/one_fault.rs", "chaos/many_faults.rs"],
    ),
    row(
        "death before the first checkpoint, during a recovery, twice, during a cancel",
        "no silent skip, no stuck restore; a cancel ends as CANCELED",
        &[
            "chaos/one_fault.rs a_kill_before_the_first_checkpoint",
            "chaos/many_faults.rs kills_during_a_recovery",
            "chaos/process_at_points.rs processes_killed_in_a_recovery",
            "chaos/ends.rs a_cancel_during_a_recovery",
            "chaos/process_at_points.rs a_cancel_that_was_stored",
        ],
    ),
    row(
        "source killed between reading and barrier; journal torn at its tail",
        "positions come from durable checkpoints only; whole records are replayed only",
        &[
            "simulation/journal.rs",
            "chaos/socket.rs",
            "chaos/process_at_points.rs every_line_is_written_once",
            "../connectors/tests/connectors/journal.rs",
        ],
    ),
    row(
        "sink killed between prepare and durability, between that and commit, in mid-commit",
        "visible exactly once; no orphan",
        &["simulation/deaths.rs dies_at_p6", "chaos/process_at_points.rs a_process_killed_in_p6"],
    ),
    row(
        "`kill -9` of the process at random and in each phase; power loss",
        "all running jobs come back; the checkpoint gone back to is the one that the phase says",
        &["chaos/process_at_points.rs a_process_killed", "chaos/process_death.rs", "simulation/deaths.rs"],
    ),
    row(
        "disk full for state, journal, checkpoints or sink, then room again",
        "the checkpoint fails with the reason; the job goes on or restarts; no half checkpoint is listed",
        &["chaos/disk_full.rs", "simulation/random.rs no_faults"],
    ),
    row(
        "fsync, rename or write fails",
        "never taken for success; the checkpoint fails",
        &["chaos/storage_errors.rs", "simulation/random.rs no_faults"],
    ),
    row(
        "truncated, bit-flipped or missing manifest, state file, job store or journal",
        "found by checksum; the job falls back to the checkpoint before, and says so; never wrong data",
        &[
            "simulation/damage.rs",
            "chaos/damage.rs",
            "chaos/socket.rs every_line_that_was_journaled",
            "../state/tests/checkpoint_store.rs",
        ],
    ),
    row(
        "wall clock set by an hour either way",
        "timeouts unaffected; watermarks never regress; windows by the clock keep every record",
        &["simulation/random.rs no_faults"],
    ),
    row(
        "malformed record",
        "by the job's choice: fails with its position, is skipped and counted, or goes to a dead-letter file, exactly once",
        &["../tests/malformed_records.rs", "../connectors/tests/connectors/malformed.rs"],
    ),
    row(
        "record that always kills its task",
        "the restart budget, then FAILED with the record's position and the cause",
        &["chaos/ends.rs a_function_that_always_panics", "../tests/root_causes.rs"],
    ),
    row(
        "memory limit of the process reached",
        "as `kill -9`",
        &["chaos/memory.rs a_process_that_runs_out_of_memory"],
    ),
    row(
        "several jobs, one crashing all the time",
        "the others' output is right and they are not restarted",
        &["chaos/panics.rs a_job_that_crashes_all_the_time"],
    ),
    row(
        "SIGTERM in each phase, during a recovery, while cancelling, with a hung disk or function",
        "a clean stop with exit code 0; everything resumes",
        &["chaos/stop.rs", "chaos/process_death.rs a_process_that_is_told_to_stop"],
    ),
];

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use super::*;

    #[test]
    fn every_test_that_is_named_exists() {
        for named in ROWS.iter().flat_map(|row| row.tests) {
            let (file, name) = named.split_once(' ').unwrap_or((named, ""));
            let package = Path::new(env!("CARGO_MANIFEST_DIR"));
            let path = match file.strip_prefix("../") {
                Some(other) => package.join("..").join(other),
                None => package.join("tests").join(file),
            };
            let text =
                fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            // Some tests are made by macros, from their names alone.
            assert!(text.contains(&format!(" {name}")), "{named}");
        }
    }
}
