//! Who may use a server, and what its jobs may reach: from the configuration to what enforces it.

use std::{
    fs::{self, DirBuilder, Permissions},
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, bail};
use headwater_api::{
    Limits, Settings, Tls,
    security::{AuditLog, Authentication, TokenFile},
};
use headwater_core::{
    access::{self, AccessPolicy},
    options::{parse_duration_ms, parse_memory_bytes},
};

use crate::{
    config::{Config, table::keys},
    server::ServerOptions,
};

/// Below the data folder, what jobs may read and write if nothing else is said and others reach the server.
pub(crate) const FILES: &str = "files";
/// Below the data folder, what is the server's own.
const OWN_FOLDERS: [&str; 7] = ["security", JOBS, "checkpoints", "work", "journal", "metrics", "logs"];
const JOBS: &str = "jobs";
const LOCK: &str = "lock";

/// Who may use a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Everyone on this machine, and nobody else reaches it.
    Loopback,
    /// Everyone who reaches it.
    Anyone,
    /// Who has a token.
    Tokens,
}

impl Access {
    pub(crate) fn of(options: &ServerOptions) -> Self {
        let is_loopback = options.bind.ip().is_loopback();
        match options.config.text(keys::AUTHENTICATION).as_deref() {
            Some("token") => Self::Tokens,
            Some("none") if !is_loopback => Self::Anyone,
            _ if is_loopback => Self::Loopback,
            _ => Self::Tokens,
        }
    }
}

/// Sets what jobs may reach. On loopback without tokens they may do what their user may, who is whoever started the server.
pub(crate) fn guard_connectors(options: &ServerOptions, access: Access) -> anyhow::Result<()> {
    let ServerOptions { data_dir, config, .. } = options;
    let is_restricted = access != Access::Loopback;
    let default_paths = || {
        let files = data_dir.join(FILES);
        std::fs::create_dir_all(&files)
            .with_context(|| format!("cannot make the folder {}", files.display()))?;
        anyhow::Ok(vec![files.to_string_lossy().into_owned()])
    };
    let paths = match config.list(keys::ALLOWED_PATHS) {
        None if is_restricted => Some(default_paths()?),
        configured => configured,
    };
    let hosts = config.list(keys::OUTBOUND_HOSTS).or_else(|| is_restricted.then(Vec::new));
    let policy = AccessPolicy::new(paths.as_deref(), hosts.as_deref())
        .context("the folders of `security.allowed-paths` cannot be resolved")?;
    let own = OWN_FOLDERS.into_iter().chain([LOCK]).map(|name| data_dir.join(name));
    let elsewhere = [keys::TOKENS_FILE, keys::TLS_KEY].into_iter().filter_map(|key| config.text(key));
    access::install(policy.reserve(own.chain(elsewhere.map(PathBuf::from))));
    Ok(())
}

/// Makes the server's own folders, closed to everyone else: records and secrets of jobs are in them. Those that are there and open, as
/// older versions left them, are closed now. The data folder itself may be open, for others to fetch what jobs write.
pub(crate) fn close_own_folders(options: &ServerOptions) -> anyhow::Result<()> {
    let has_logs_elsewhere = options.config.text(keys::LOG_DIR).is_some();
    for name in OWN_FOLDERS.into_iter().filter(|name| *name != "logs" || !has_logs_elsewhere) {
        let folder = options.data_dir.join(name);
        if let Some(mode) = close(&folder) {
            let folder = folder.display();
            tracing::warn!(%folder, "others could look into a folder of the server's own: its mode was {mode:o}, and is 700 now");
        }
        // Whether there were jobs is seen by whether their folder is there.
        if name != JOBS {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(&folder);
            made.with_context(|| format!("cannot make the folder {}", folder.display()))?;
        }
    }
    Ok(())
}

/// Closes what has been made, or made anew, since.
pub(crate) fn close_new_folders(data_dir: &Path) {
    for name in [JOBS, "work"] {
        close(&data_dir.join(name));
    }
}

/// Closes a folder to everyone else, and gives the mode that it had if it was open.
fn close(folder: &Path) -> Option<u32> {
    let mode = fs::metadata(folder).ok()?.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        return None;
    }
    match fs::set_permissions(folder, Permissions::from_mode(0o700)) {
        Ok(()) => Some(mode),
        Err(error) => {
            let folder = folder.display();
            tracing::warn!(%folder, %error, "others may look into a folder of the server's own, and it cannot be closed: expected mode 700, found {mode:o}");
            None
        }
    }
}

/// How REST is served, and a token if it has just been made.
pub(crate) fn settings(
    options: &ServerOptions,
    access: Access,
) -> anyhow::Result<(Settings, Option<String>)> {
    let ServerOptions { data_dir, config, .. } = options;
    // Before a token is made: one is shown only once, and only by a server that starts.
    let tls = tls(config)?;
    let (authentication, new_token) = match access {
        Access::Loopback => (Authentication::Anyone, None),
        Access::Anyone => {
            tracing::warn!(address = %options.bind, "insecure: everyone who reaches the server may do everything");
            (Authentication::Anyone, None)
        }
        Access::Tokens => {
            let (tokens, new_token) = TokenFile::open_or_create(&tokens_file(config, data_dir))?;
            (Authentication::Tokens(Arc::new(tokens)), new_token)
        }
    };
    let audit_bytes =
        config.text(keys::AUDIT_BYTES).and_then(|text| parse_memory_bytes(&text)).unwrap_or(16 << 20);
    let audit_path = data_dir.join("security").join("audit.log");
    let audit = AuditLog::open(&audit_path, audit_bytes)
        .with_context(|| format!("cannot open the audit log {}", audit_path.display()))?;
    let settings = Settings {
        authentication,
        tls,
        allowed_hosts: config.list(keys::ALLOWED_HOSTS).unwrap_or_default(),
        limits: limits(config),
        audit: Some(audit),
        config: config.entries(),
        job_options: config.job_options().clone(),
        ..Settings::default()
    };
    Ok((settings, new_token))
}

/// The certificate and the key, if TLS is wanted. Whoever names one of them and forgets the rest does not mean plain HTTP.
fn tls(config: &Config) -> anyhow::Result<Option<Tls>> {
    let files = (config.text(keys::TLS_CERTIFICATE), config.text(keys::TLS_KEY));
    let is_wanted = match config.text(keys::TLS) {
        Some(flag) => flag == "true",
        None => files != (None, None),
    };
    let missing = match files {
        _ if !is_wanted => return Ok(None),
        (Some(certificate), Some(key)) => {
            return Ok(Some(Tls::load(Path::new(&certificate), Path::new(&key))?));
        }
        (None, _) => keys::TLS_CERTIFICATE,
        (Some(_), None) => keys::TLS_KEY,
    };
    bail!("TLS needs a certificate and its private key, two PEM files: expected `{missing}`, found none")
}

/// Where the tokens are.
pub(crate) fn tokens_file(config: &Config, data_dir: &Path) -> PathBuf {
    config.text(keys::TOKENS_FILE).map_or_else(|| data_dir.join("security").join("tokens"), Into::into)
}

fn limits(config: &Config) -> Limits {
    let default = Limits::default();
    let number = |key, default| config.parsed(key).unwrap_or(default);
    let header_ms = config.text(keys::HEADER_TIMEOUT).and_then(|text| parse_duration_ms(&text));
    Limits {
        connections: number(keys::CONNECTIONS, default.connections),
        connections_per_peer: number(keys::CONNECTIONS_PER_PEER, default.connections_per_peer),
        streams: number(keys::STREAMS, default.streams),
        streams_per_peer: number(keys::STREAMS_PER_PEER, default.streams_per_peer),
        header_timeout: header_ms.map_or(default.header_timeout, Duration::from_millis),
    }
}
