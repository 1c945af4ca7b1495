//! A server, and commands, as a shell sees them.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    thread::{self, JoinHandle, sleep},
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

pub const HEADWATER: &str = env!("CARGO_BIN_EXE_headwater");

/// Every wait ends in a failure after this.
pub const DEADLINE: Duration = Duration::from_secs(60);
pub const POLL: Duration = Duration::from_millis(5);

/// A server process with a data folder of its own.
pub struct Server {
    process: Stopped,
    pub url: String,
    pub folder: TempDir,
}

impl Server {
    pub fn start() -> Self {
        Self::start_in(tempfile::tempdir().unwrap())
    }

    pub fn start_in(folder: TempDir) -> Self {
        Self::spawn(&mut start_command(folder.path()), folder)
    }

    /// With further options.
    pub fn start_with(options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::spawn(start_command(folder.path()).args(options), folder)
    }

    pub fn spawn(command: &mut Command, folder: TempDir) -> Self {
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let is_address = |part: &&str| part.starts_with("http://");
        let url = line.split([' ', ',']).find(is_address).expect("the line names the address").to_owned();
        Self { process: Stopped(process), url, folder }
    }

    /// Asks the server to stop, as a service manager does, and keeps its data folder.
    pub fn stop(mut self) -> (ExitStatus, TempDir) {
        let id = self.process.0.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        (wait(&mut self.process.0), self.folder)
    }

    /// Runs a command of the client against this server.
    pub fn client(&self, args: &[&str]) -> Output {
        finish(Command::new(HEADWATER).args(args).args(["--server", &self.url]))
    }

    pub fn json(&self, args: &[&str]) -> Value {
        let output = self.client(&[args, &["--json"]].concat());
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Submits a word count that goes on for hours, always at writing a checkpoint; returns its id.
    pub fn submit_endless_job(&self) -> String {
        let input = self.path("endless.txt");
        fs::write(&input, "lorem ipsum\n".repeat(100_000)).unwrap();
        let output = self.path("endless");
        let output = self.client(&[
            "run",
            "word_count",
            "--detached",
            "--rate",
            "10",
            "--checkpoint-interval-ms",
            "1",
            "--input",
            input.to_str().unwrap(),
            "--output",
            output.to_str().unwrap(),
        ]);
        assert!(output.status.success(), "{output:?}");
        stdout(&output).trim().to_owned()
    }

    pub fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        let deadline = Instant::now() + DEADLINE;
        while !is_so() {
            assert!(Instant::now() < deadline, "waited in vain until {what}");
            sleep(POLL);
        }
    }

    pub fn until_state(&self, id: &str, state: &str) -> Value {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let job = self.json(&["status", id]);
            if job["state"] == state {
                return job;
            }
            assert!(Instant::now() < deadline, "waited in vain for {state}: {job:#}");
            sleep(POLL);
        }
    }
}

/// A process that does not outlive the test.
pub struct Stopped(pub Child);

impl Drop for Stopped {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub fn start_command(data_dir: &Path) -> Command {
    let mut command = Command::new(HEADWATER);
    command
        .args(["start", "--port", "0", "--data-dir"])
        .arg(data_dir)
        .env("RUST_LOG", "info")
        .stderr(Stdio::null());
    command
}

/// Runs a command to its end.
pub fn finish(command: &mut Command) -> Output {
    let mut process =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (stdout, stderr) = (process.stdout.take().unwrap(), process.stderr.take().unwrap());
    // A pipe that nobody reads fills.
    let [stdout, stderr] = [read(stdout), read(stderr)];
    let status = wait(&mut process);
    Output { status, stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap() }
}

fn read(mut from: impl Read + Send + 'static) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).unwrap();
        bytes
    })
}

pub fn wait(process: &mut Child) -> ExitStatus {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(status) = process.try_wait().unwrap() {
            return status;
        }
        if Instant::now() > deadline {
            process.kill().unwrap();
            panic!("the command has not ended");
        }
        sleep(POLL);
    }
}

pub fn headwater(args: &[&str]) -> Output {
    finish(Command::new(HEADWATER).args(args))
}

/// An example as `cargo test` has built it, beside the binary.
pub fn example(name: &str, args: &[&str]) -> Output {
    let path = Path::new(HEADWATER).with_file_name("examples").join(name);
    assert!(
        path.exists(),
        "{} is not there: build it with `cargo build --release --examples`",
        path.display()
    );
    finish(Command::new(path).args(args))
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[track_caller]
pub fn assert_fails(output: &Output, code: i32, says: &[&str]) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    for part in says {
        assert!(stderr.contains(part), "expected `{part}` in:\n{stderr}");
    }
}
