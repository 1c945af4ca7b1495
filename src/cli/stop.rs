//! `headwater stop`: ends a server in good order.

use std::{
    fs::{File, TryLockError},
    path::{Path, PathBuf},
    process::ExitCode,
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use clap::{Arg, ArgMatches, Command, value_parser};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use super::{
    client::Client,
    exit::{Coded, NOT_FOUND},
    jobs::done,
    progress::Progress,
};

/// Longer than a server takes that waits for all that it waits for.
const DEADLINE: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_millis(100);

pub(super) fn command(server: &Arg, json: &Arg) -> Command {
    Command::new("stop")
        .about("Stop a server; running jobs go on when it is started again")
        .arg(server.clone())
        .arg(
            Arg::new("data-dir")
                .long("data-dir")
                .value_name("DIR")
                .value_parser(value_parser!(PathBuf))
                .help("stop the server that uses this folder, by a signal"),
        )
        .arg(json.clone())
}

pub(super) fn stop(args: &ArgMatches) -> anyhow::Result<ExitCode> {
    let stopped = match args.get_one::<PathBuf>("data-dir") {
        Some(data_dir) => stop_by_signal(data_dir)?,
        None => stop_by_rest(args.get_one::<String>("server").expect("has a default"))?,
    };
    done(&json!({ "stopped": stopped }), format!("stopped {stopped}"))
}

fn stop_by_rest(server: &str) -> anyhow::Result<String> {
    let client = Client::new(server);
    client.post("/shutdown", &json!({}))?;
    wait_until(|| Ok(!client.is_answered()))?;
    Ok(server.to_owned())
}

fn stop_by_signal(data_dir: &Path) -> anyhow::Result<String> {
    let path = data_dir.join("lock");
    let not_running =
        || Coded::new(NOT_FOUND, format!("no server uses the data folder {}", data_dir.display()));
    let Ok(file) = File::options().read(true).write(true).open(&path) else {
        return Err(not_running().into());
    };
    // Whoever holds the lock has its id in the file.
    let is_free = || match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", path.display()))
        }
    };
    if is_free()? {
        return Err(not_running().into());
    }
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let pid = text.trim().parse().ok().and_then(Pid::from_raw);
    let pid =
        pid.with_context(|| format!("expected a process id in {}, found `{}`", path.display(), text.trim()))?;
    kill_process(pid, Signal::TERM).with_context(|| format!("cannot signal the process {}", text.trim()))?;
    wait_until(is_free)?;
    Ok(format!("process {}", text.trim()))
}

fn wait_until(is_done: impl Fn() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let deadline = Instant::now() + DEADLINE;
    let mut progress = Progress::new();
    while !is_done()? {
        progress.show(|| "waiting for the server to end".to_owned());
        if Instant::now() >= deadline {
            bail!("the server has not ended within {DEADLINE:?}");
        }
        sleep(POLL_INTERVAL);
    }
    Ok(())
}
