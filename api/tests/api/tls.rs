//! A server with TLS, and clients that trust its authority or do not.

use std::{
    fs::{self, Permissions},
    io::{self, Read, Write},
    net::IpAddr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use headwater_api::{
    Limits, Settings, Tls,
    security::{Authentication, TokenFile},
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
    crypto::ring,
    pki_types::CertificateDer,
    version::{TLS12, TLS13},
};
use serde_json::json;
use tempfile::TempDir;

use crate::http::{Answer, TestServer};

/// An authority, and what it certified.
struct Certified {
    authority: CertificateDer<'static>,
    certificate: PathBuf,
    key: PathBuf,
    folder: TempDir,
}

impl Certified {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority_key = KeyPair::generate().unwrap();
        let root = authority.self_signed(&authority_key).unwrap();
        let issuer = Issuer::new(authority, authority_key);
        let server_key = KeyPair::generate().unwrap();
        let names = ["127.0.0.1".to_owned(), "localhost".to_owned()];
        let server = CertificateParams::new(names).unwrap().signed_by(&server_key, &issuer).unwrap();
        let [certificate, key] = ["server.crt", "server.key"].map(|name| folder.path().join(name));
        fs::write(&certificate, server.pem()).unwrap();
        write_key(&key, &server_key.serialize_pem());
        Self { authority: root.der().clone(), certificate, key, folder }
    }

    fn settings(&self) -> Settings {
        Settings { tls: Some(Tls::load(&self.certificate, &self.key).unwrap()), ..Settings::default() }
    }

    /// What the server refuses to be started with says.
    fn refusal(&self, certificate: &Path, key: &Path) -> String {
        Tls::load(certificate, key).unwrap_err().to_string()
    }
}

fn write_key(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

/// A client that trusts one authority and speaks one version of TLS.
fn connect(
    server: &TestServer,
    authority: &CertificateDer<'static>,
    version: &'static SupportedProtocolVersion,
) -> StreamOwned<ClientConnection, std::net::TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = IpAddr::from([127, 0, 0, 1]).into();
    StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), server.connect())
}

fn send(
    server: &TestServer,
    authority: &CertificateDer<'static>,
    version: &'static SupportedProtocolVersion,
    request: &str,
) -> io::Result<Answer> {
    let mut stream = connect(server, authority, version);
    stream.write_all(request.as_bytes())?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(Answer::parse(&text))
}

#[test]
fn who_trusts_the_authority_logs_in_for_a_cookie_that_goes_by_tls_only() {
    let certified = Certified::new();
    let tokens = TokenFile::open_or_create(&certified.folder.path().join("tokens")).unwrap();
    let (tokens, token) = (Arc::new(tokens.0), tokens.1.unwrap());
    let settings = Settings { authentication: Authentication::Tokens(tokens), ..certified.settings() };
    let server = TestServer::start_with(false, settings);
    let login = json!({"token": token}).to_string();
    for version in [&TLS13, &TLS12] {
        let send = |request: String| send(&server, &certified.authority, version, &request).unwrap();
        let origin = format!("https://{}", server.address);
        let headers = [("Content-Type", "application/json"), ("Origin", origin.as_str())];
        let answer = send(server.request("POST", "/api/v1/login", &headers, &login));
        assert_eq!(answer.status, 200, "{}", answer.body);
        let cookie = answer.header("set-cookie");
        for attribute in ["Secure", "HttpOnly", "SameSite=Strict"] {
            assert!(cookie.contains(&format!("; {attribute}")), "{cookie}");
        }
        let cookie = cookie.split(';').next().unwrap();
        let jobs = send(server.request("GET", "/api/v1/jobs", &[("Cookie", cookie)], ""));
        let refused = send(server.request("GET", "/api/v1/jobs", &[], ""));
        assert_eq!((jobs.status, refused.status), (200, 401));
        for answer in [answer, jobs, refused, send(server.request("GET", "/", &[], ""))] {
            assert!(
                answer.header("strict-transport-security").starts_with("max-age="),
                "{:?}",
                answer.headers
            );
        }
    }
}

#[test]
fn without_tls_nothing_is_said_that_only_holds_with_it() {
    let server = TestServer::start(false);
    assert_eq!(server.get("/").header("strict-transport-security"), "");
}

#[test]
fn who_does_not_trust_the_authority_sends_nothing() {
    let (certified, other) = (Certified::new(), Certified::new());
    let server = TestServer::start_with(false, certified.settings());
    let request = server.request("GET", "/api/v1/jobs", &[], "");
    let error = send(&server, &other.authority, &TLS13, &request).err().unwrap();
    assert!(error.to_string().contains("invalid peer certificate"), "{error}");
    assert_eq!(send(&server, &certified.authority, &TLS13, &request).unwrap().status, 200);
}

#[test]
fn plain_http_is_hung_up_on_and_told_nothing() {
    let certified = Certified::new();
    let server = TestServer::start_with(false, certified.settings());
    let mut answer = Vec::new();
    // It may also be reset, since what was sent is not all read.
    let end = server.open("GET", "/api/v1/jobs", &[], "").read_to_end(&mut answer);
    assert!(!matches!(&end, Err(error) if is_timeout(error)), "{end:?}");
    assert!(!answer.starts_with(b"HTTP/"), "{}", String::from_utf8_lossy(&answer));
}

#[test]
fn who_stalls_the_handshake_is_hung_up_on() {
    let certified = Certified::new();
    let limits = Limits { header_timeout: Duration::from_millis(200), ..Limits::default() };
    let server = TestServer::start_with(false, Settings { limits, ..certified.settings() });
    let mut silent = server.connect();
    let mut torn = server.connect();
    // The head of a record whose body never comes.
    torn.write_all(&[22, 3, 1, 2, 0, 1]).unwrap();
    let request = server.request("GET", "/api/v1/jobs", &[], "");
    assert_eq!(send(&server, &certified.authority, &TLS13, &request).unwrap().status, 200);
    for stream in [&mut silent, &mut torn] {
        let end = stream.read_to_end(&mut Vec::new());
        assert!(!matches!(&end, Err(error) if is_timeout(error)), "{end:?}");
    }
}

#[test]
fn one_address_has_so_many_connections_by_tls_too() {
    let certified = Certified::new();
    let limits = Limits { connections_per_peer: 2, ..Limits::default() };
    let server = TestServer::start_with(false, Settings { limits, ..certified.settings() });
    let request = server.request("GET", "/api/v1/jobs", &[], "").replace("close", "keep-alive");
    let mut open = [0, 1].map(|_| {
        let mut stream = connect(&server, &certified.authority, &TLS13);
        stream.write_all(request.as_bytes()).unwrap();
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        stream
    });
    let third = send(&server, &certified.authority, &TLS13, &request);
    assert!(!matches!(&third, Err(error) if is_timeout(error)), "it is ended at once");
    assert!(third.is_err());
    open[0].conn.send_close_notify();
    open[0].flush().unwrap();
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

#[test]
fn files_that_are_wrong_are_told_with_what_was_expected() {
    let (certified, other) = (Certified::new(), Certified::new());
    let (certificate, key) = (&certified.certificate, &certified.key);
    let file = |name: &str| certified.folder.path().join(name);
    let told = certified.refusal(&file("none.crt"), key);
    assert!(told.contains("cannot read the certificate") && told.contains("none.crt"), "{told}");
    let told = certified.refusal(certificate, &file("none.key"));
    assert!(told.contains("cannot read the private key") && told.contains("none.key"), "{told}");
    // The wrong way round; the certificate is closed to others as a key is to be.
    fs::set_permissions(certificate, Permissions::from_mode(0o600)).unwrap();
    let told = certified.refusal(key, key);
    assert!(told.contains("server.key` is no certificate") && told.contains("`BEGIN CERTIFICATE`"), "{told}");
    let told = certified.refusal(certificate, certificate);
    assert!(told.contains("server.crt` is no private key") && told.contains("`BEGIN PRIVATE KEY`"), "{told}");
    write_key(&file("torn.key"), "-----BEGIN PRIVATE KEY-----\nAAAA\n");
    let told = certified.refusal(certificate, &file("torn.key"));
    assert!(told.contains("torn.key` is no private key") && told.contains("found an error"), "{told}");
    let told = certified.refusal(certificate, &other.key);
    assert!(told.contains("cannot be served with") && told.contains("first certificate's own key"), "{told}");
    fs::set_permissions(key, Permissions::from_mode(0o644)).unwrap();
    let told = certified.refusal(certificate, key);
    assert!(told.contains("mode 644") && told.contains("chmod 600"), "{told}");
    fs::set_permissions(key, Permissions::from_mode(0o640)).unwrap();
    Tls::load(certificate, key).unwrap();
}
