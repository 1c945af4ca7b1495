//! The web page over a whole server whose jobs run, in a browser: the scenarios of `web/tests/browser/whole.mjs`.
#![allow(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

use std::{
    fs::{self, Permissions},
    io::{BufRead, BufReader, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Stdio},
};

use rcgen::{CertificateParams, KeyPair};
use tempfile::TempDir;

const HEADWATER: &str = env!("CARGO_BIN_EXE_headwater");

/// A server that ends with the test.
struct Server {
    process: Child,
    url: String,
    folder: TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Server {
    fn start(options: &[&str]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), options)
    }

    fn start_in(folder: TempDir, options: &[&str]) -> Self {
        let (process, url) = start(folder.path(), "0", options);
        Self { process, url, folder }
    }

    /// Without warning.
    fn kill(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Another process on the same port and data folder.
    fn start_again(&mut self, options: &[&str]) {
        let port = self.url.rsplit(':').next().unwrap().trim_end_matches('/').to_owned();
        (self.process, self.url) = start(self.folder.path(), &port, options);
    }

    /// Plays a scenario; what it asks for while it waits is done by `act`.
    fn play(&mut self, scenario: &str, tokens: &[&str], mut act: impl FnMut(&mut Self, &str)) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("web/tests/browser/whole.mjs");
        let mut player = Command::new("node")
            .arg(script)
            .args([scenario, self.url.trim_end_matches('/')])
            .arg(self.folder.path())
            .args(tokens)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node is needed, which scripts/setup --tests installs");
        let mut answers = player.stdin.take().unwrap();
        for asked in BufReader::new(player.stdout.take().unwrap()).lines() {
            act(self, &asked.unwrap());
            writeln!(answers, "done").unwrap();
        }
        let status = player.wait().unwrap();
        assert!(status.success(), "`{scenario}` ended with {status}; why stands above");
    }
}

fn start(folder: &Path, port: &str, options: &[&str]) -> (Child, String) {
    fs::write(folder.join("h.toml"), "").unwrap();
    let mut process = Command::new(HEADWATER)
        .args([
            "start",
            "--config",
            "h.toml",
            "--chaos",
            "--slots",
            "2",
            "--data-dir",
            "data",
            "--port",
            port,
        ])
        .args(options)
        .current_dir(folder)
        .env_remove("HEADWATER_TOKEN")
        .env_remove("RUST_LOG")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut told = BufReader::new(process.stdout.take().unwrap());
    while !line.contains("is listening on") {
        line.clear();
        assert!(told.read_line(&mut line).unwrap() > 0, "the server did not start");
    }
    // What jobs print is taken from it, or they would wait for room.
    std::thread::spawn(move || std::io::copy(&mut told, &mut std::io::sink()));
    let url = line.split([' ', ',']).find(|part| part.starts_with("http")).unwrap().to_owned();
    (process, url)
}

fn nothing(_: &mut Server, asked: &str) {
    panic!("nothing is to be done for `{asked}`");
}

#[test]
fn a_job_is_written_watched_looked_into_killed_and_cancelled_on_the_page() {
    Server::start(&[]).play("job", &[], nothing);
}

#[test]
fn the_page_outlives_a_server_that_is_killed() {
    Server::start(&[]).play("lost", &[], |server, asked| match asked {
        "kill" => server.kill(),
        "start" => server.start_again(&[]),
        other => panic!("nothing is to be done for `{other}`"),
    });
}

#[test]
fn the_unwell_job_is_the_first_that_is_seen() {
    let mut server = Server::start(&[]);
    fs::write(server.folder.path().join("broken.txt"), b"good\n\xff\xfe bad\n").unwrap();
    server.play("unwell", &[], nothing);
}

#[test]
fn by_tls_and_with_a_token_to_read_all_is_seen_and_nothing_can_be_done() {
    let folder = tempfile::tempdir().unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap().self_signed(&key).unwrap();
    fs::write(folder.path().join("server.crt"), certificate.pem()).unwrap();
    fs::write(folder.path().join("server.key"), key.serialize_pem()).unwrap();
    fs::set_permissions(folder.path().join("server.key"), Permissions::from_mode(0o600)).unwrap();
    let [operator, reader] = ["operate", "read"].map(|role| {
        let made = Command::new(HEADWATER)
            .args(["token", "create", &format!("for-{role}"), "--role", role, "--data-dir", "data"])
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(made.status.success(), "{made:?}");
        String::from_utf8(made.stdout).unwrap().split_whitespace().last().unwrap().to_owned()
    });
    let options = [
        ["-D", "security.authentication=token"],
        ["-D", "security.ssl.rest.certificate=server.crt"],
        ["-D", "security.ssl.rest.private-key=server.key"],
    ];
    Server::start_in(folder, options.as_flattened()).play("reader", &[&operator, &reader], nothing);
}
