//! What a process costs, as Linux tells it.

use std::{fs, time::Duration};

use anyhow::Context;

/// The CPU time that this process has used, user and system, to a hundredth of a second.
pub fn process_cpu_time() -> anyhow::Result<Duration> {
    cpu_time_of("self")
}

/// The same of the process with this id.
pub fn cpu_time_of(process: &str) -> anyhow::Result<Duration> {
    const TICKS_PER_SECOND: f64 = 100.0; // Linux shows user space this unit on every architecture.
    let path = format!("/proc/{process}/stat");
    let stat = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    // The second field is the command in parentheses and may hold spaces; utime and stime are the 14th and 15th.
    let (_, fields) = stat.rsplit_once(')').with_context(|| format!("unexpected form of {path}"))?;
    let ticks: u64 =
        fields.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Ok(Duration::from_secs_f64(ticks as f64 / TICKS_PER_SECOND))
}

/// The memory that the process with this id has resident, in bytes.
pub fn resident_bytes_of(process: &str) -> anyhow::Result<u64> {
    status_bytes(process, "VmRSS:")
}

/// The most that the process with this id has ever had resident, in bytes.
pub fn peak_resident_bytes_of(process: &str) -> anyhow::Result<u64> {
    status_bytes(process, "VmHWM:")
}

fn status_bytes(process: &str, key: &str) -> anyhow::Result<u64> {
    let path = format!("/proc/{process}/status");
    let status = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    Ok(kilobytes.with_context(|| format!("no `{key}` in {path}"))? * 1024)
}

/// The load average of the last minute: what else the machine was doing.
pub fn load_average() -> anyhow::Result<f64> {
    let text = fs::read_to_string("/proc/loadavg").context("cannot read /proc/loadavg")?;
    let first = text.split_whitespace().next().context("unexpected form of /proc/loadavg")?;
    first.parse().with_context(|| format!("expected a load average, found `{first}`"))
}
