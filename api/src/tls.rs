//! TLS: the certificate and the key that REST and the page are served with.

use std::{
    fmt, fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem, pem::PemObject},
    version::{TLS12, TLS13},
};

/// How long a browser asks this host for nothing but TLS after an answer by TLS: a year.
pub(crate) const STRICT_TRANSPORT_SECURITY: &str = "max-age=31536000";

/// A certificate and its key, ready to be served with: TLS 1.3 and 1.2.
#[derive(Clone)]
pub struct Tls(ServerConfig);

/// What is in a file, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsFile {
    /// The certificate, and those that lead from it to an authority.
    Certificate,
    /// The key of the first certificate.
    PrivateKey,
}

/// Why TLS cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read the {file} for TLS `{path}`: {reason}")]
    Io {
        /// What it is.
        file: TlsFile,
        /// Where it is.
        path: PathBuf,
        /// What the system says.
        reason: io::Error,
    },
    /// A file holds something else.
    #[error("`{path}` is no {file} for TLS: expected a PEM file with {}, found {found}", file.expected())]
    Content {
        /// What it should be.
        file: TlsFile,
        /// Where it is.
        path: PathBuf,
        /// What is wrong.
        found: String,
    },
    /// Everyone on the machine may read or change the key.
    #[error(
        "everyone on this machine may use the private key `{path}` (mode {mode:o}): expected 600, or 640 for a group; \
         `chmod 600` it"
    )]
    OpenToOthers {
        /// The key.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// They are no pair, or of a kind that is not known.
    #[error(
        "the certificate `{certificate}` cannot be served with the private key `{key}`: {reason}; expected the first certificate's own key"
    )]
    Pair {
        /// The certificate.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
        /// What is wrong.
        reason: rustls::Error,
    },
}

impl Tls {
    /// Reads PEM files: a chain of certificates, the server's own first, and the key of that one, which must not be encrypted.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let chain = chain(certificate)?;
        let private_key = private_key(key)?;
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = builder
            .with_protocol_versions(&[&TLS13, &TLS12])
            .map(|builder| builder.with_no_client_auth())
            .and_then(|builder| builder.with_single_cert(chain, private_key));
        let pair =
            |reason| TlsError::Pair { certificate: certificate.to_owned(), key: key.to_owned(), reason };
        config.map(Self).map_err(pair)
    }

    pub(crate) fn into_config(self) -> ServerConfig {
        self.0
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

impl TlsFile {
    fn expected(self) -> &'static str {
        match self {
            Self::Certificate => {
                "the server's certificate and then those of the authorities between (`BEGIN CERTIFICATE`)"
            }
            Self::PrivateKey => "one key that is not encrypted (`BEGIN PRIVATE KEY`)",
        }
    }

    fn read(self, path: &Path) -> Result<Vec<u8>, TlsError> {
        fs::read(path).map_err(|reason| TlsError::Io { file: self, path: path.to_owned(), reason })
    }

    fn content(self, path: &Path, error: &pem::Error) -> TlsError {
        let found = match error {
            pem::Error::NoItemsFound => "none".to_owned(),
            error => format!("an error: {error}"),
        };
        TlsError::Content { file: self, path: path.to_owned(), found }
    }
}

impl fmt::Display for TlsFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Certificate => "certificate",
            Self::PrivateKey => "private key",
        })
    }
}

fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let file = TlsFile::Certificate;
    let text = file.read(path)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match chain {
        Ok(chain) if chain.is_empty() => Err(file.content(path, &pem::Error::NoItemsFound)),
        chain => chain.map_err(|error| file.content(path, &error)),
    }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let file = TlsFile::PrivateKey;
    let text = file.read(path)?;
    let metadata =
        fs::metadata(path).map_err(|reason| TlsError::Io { file, path: path.to_owned(), reason })?;
    // A group may read it: that is how a machine's services share one.
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o007 != 0 {
        return Err(TlsError::OpenToOthers { path: path.to_owned(), mode });
    }
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| file.content(path, &error))
}
