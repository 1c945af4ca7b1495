//! What this process takes of the machine, as Linux tells it.

use std::{fs, time::Instant};

/// The kernel counts processor time for users in hundredths of a second, whatever its own tick is.
const TICKS_PER_SECOND: f64 = 100.0;

/// What the process takes, and has taken.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(crate) struct ProcessUsage {
    /// Processor time since the process began, in seconds.
    pub(crate) cpu_seconds: f64,
    /// Resident memory.
    pub(crate) resident_bytes: u64,
    /// Threads.
    pub(crate) threads: u64,
    /// Open files, sockets included.
    pub(crate) open_files: u64,
}

impl ProcessUsage {
    /// `None` where there is no `/proc`.
    pub(crate) fn read() -> Option<Self> {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        let status = fs::read_to_string("/proc/self/status").ok()?;
        let open_files = fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count() as u64);
        Some(Self { open_files, ..Self::parse(&stat, &status)? })
    }

    /// `stat`'s second field is the program's name, in parentheses, and may hold anything.
    fn parse(stat: &str, status: &str) -> Option<Self> {
        let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
        let ticks = |field: usize| fields.get(field)?.parse::<f64>().ok();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        let resident_kib: u64 = resident.trim().strip_suffix(" kB")?.parse().ok()?;
        Some(Self {
            cpu_seconds: (ticks(11)? + ticks(12)?) / TICKS_PER_SECOND,
            resident_bytes: resident_kib * 1024,
            threads: fields.get(17)?.parse().ok()?,
            open_files: 0,
        })
    }
}

/// Measures the processor time that passes between two readings.
#[derive(Default)]
pub(crate) struct UsageMeter {
    before: Option<(Instant, f64)>,
}

impl UsageMeter {
    /// The usage now, and how many cores were in use on average since the last reading.
    pub(crate) fn read(&mut self) -> Option<(ProcessUsage, Option<f64>)> {
        let now = Instant::now();
        let usage = ProcessUsage::read()?;
        let cores = self.before.map(|(then, cpu_seconds)| {
            let elapsed = now.duration_since(then).as_secs_f64();
            (usage.cpu_seconds - cpu_seconds).max(0.0) / elapsed.max(f64::MIN_POSITIVE)
        });
        self.before = Some((now, usage.cpu_seconds));
        Some((usage, cores))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_lines_are_read_whatever_the_programs_name() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194304 9 0 0 0 250 50 0 0 20 0 13 0 8 9 9 1";
        let usage = ProcessUsage::parse(stat, "Name:\ta\nVmRSS:\t   2048 kB\nThreads:\t13\n").unwrap();
        let expected = ProcessUsage { cpu_seconds: 3.0, resident_bytes: 2 << 20, threads: 13, open_files: 0 };
        assert_eq!(usage, expected);
    }

    #[test]
    fn this_process_is_measured() {
        let usage = ProcessUsage::read().unwrap();
        assert!(usage.resident_bytes > 0 && usage.threads > 0 && usage.open_files > 0, "{usage:?}");
    }
}
