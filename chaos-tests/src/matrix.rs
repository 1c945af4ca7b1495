//! The faults that are tested, what must hold under each, and by which tests. The documentation's table is made from
//! this, and a test looks whether every test that is named here exists.

/// A kind of fault.
pub struct Row {
    /// Its number.
    pub number: u32,
    /// What goes wrong.
    pub fault: &'static str,
    /// What must hold.
    pub holds: &'static str,
    /// In simulation: `file::test` below `tests/simulation`.
    pub simulated: &'static [&'static str],
    /// On real threads, disks and processes: `file::test` below `tests/chaos`, or below another `tests` folder where it says so.
    pub real: &'static [&'static str],
}

/// All of them.
pub const ROWS: &[Row] = &[];
