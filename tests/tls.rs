//! A server with TLS, and the command line as its client.
#![allow(clippy::unwrap_used, reason = "what fails in a helper fails the test")]

use std::{
    fs::{self, Permissions},
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn headwater(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_headwater"));
    command.args(args).current_dir(folder).env("RUST_LOG", "off").stdin(Stdio::null());
    for variable in ["HEADWATER_TOKEN", "HEADWATER_CA", "HEADWATER_SERVER"] {
        command.env_remove(variable);
    }
    command
}

/// Writes `ca.crt`, and `server.crt` and `server.key`, which it certifies.
fn certify(folder: &Path) {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().unwrap();
    fs::write(folder.join("ca.crt"), authority.self_signed(&authority_key).unwrap().pem()).unwrap();
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().unwrap();
    let server = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    fs::write(folder.join("server.crt"), server.pem()).unwrap();
    fs::write(folder.join("server.key"), key.serialize_pem()).unwrap();
    fs::set_permissions(folder.join("server.key"), Permissions::from_mode(0o600)).unwrap();
}

const START: [&str; 5] = ["start", "--port", "0", "--config", "h.toml"];

fn told(output: &Output) -> (Option<i32>, String) {
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn the_command_line_speaks_tls_with_a_server_whose_authority_it_is_given() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    certify(folder);
    let files = "[security.ssl.rest]\ncertificate = \"server.crt\"\nprivate-key = \"server.key\"\n";
    fs::write(folder.join("h.toml"), files).unwrap();
    let mut server = Running(headwater(folder, &START).stdout(Stdio::piped()).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(server.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let url = line.split([' ', ',']).find(|part| part.starts_with("https://127.0.0.1:")).unwrap();

    let list = |args: &[&str]| headwater(folder, &["list", "--server", url]).args(args).output().unwrap();
    let (code, errors) = told(&list(&["--ca", "ca.crt"]));
    assert_eq!(code, Some(0), "{errors}");
    let by_variable =
        headwater(folder, &["list", "--server", url]).env("HEADWATER_CA", "ca.crt").output().unwrap();
    assert!(by_variable.status.success(), "{by_variable:?}");
    let (code, errors) = told(&list(&[]));
    assert!(code == Some(5) && errors.contains("--ca FILE") && errors.contains("UnknownIssuer"), "{errors}");
    let (code, errors) = told(&list(&["--ca", "server.key"]));
    assert!(
        code == Some(2) && errors.contains("server.key") && errors.contains("BEGIN CERTIFICATE"),
        "{errors}"
    );
    let plain = url.replace("https:", "http:");
    let (code, errors) = told(&headwater(folder, &["list", "--server", &plain]).output().unwrap());
    assert_eq!(code, Some(5), "{errors}");
}

#[test]
fn what_is_missing_for_tls_is_told_and_nothing_is_served_without_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    certify(folder);
    fs::write(folder.join("h.toml"), "").unwrap();
    for (options, expected) in [
        ("security.ssl.rest.enabled=true", "expected `security.ssl.rest.certificate`"),
        ("security.ssl.rest.certificate=server.crt", "expected `security.ssl.rest.private-key`"),
        ("security.ssl.rest.private-key=server.key", "expected `security.ssl.rest.certificate`"),
    ] {
        let (code, errors) = told(&headwater(folder, &START).args(["-D", options]).output().unwrap());
        assert!(code == Some(1) && errors.contains(expected), "{options}: {errors}");
    }
}
