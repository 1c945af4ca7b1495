//! What jobs may reach: the files and hosts that connectors ask for, whoever wrote the job.
//!
//! A process has one [policy](AccessPolicy), which its server [installs](install) before any job runs; without a server
//! everything may be reached, as by any program of the same user. Connectors open files and connections only after they have
//! asked here, when they do it and not before, since links and names may change meanwhile.

use std::{
    fs::{self, File, Metadata},
    io,
    net::IpAddr,
    path::{Component, Path, PathBuf},
    sync::{Arc, RwLock},
};

/// Which files and hosts may be reached.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccessPolicy {
    /// The folders, resolved, that paths must be below; `None`: anywhere.
    folders: Option<Vec<PathBuf>>,
    /// Folders, resolved, that nothing is allowed in whatever else is said.
    reserved: Vec<PathBuf>,
    /// `None`: any host.
    hosts: Option<Vec<String>>,
    blocks_metadata: bool,
}

/// Stands for everything in a list of what is allowed.
const ANYTHING: &str = "*";

/// Where clouds tell a machine its secrets, besides the link-local addresses.
const METADATA_ADDRESSES: [&str; 3] = ["fd00:ec2::254", "100.100.100.200", "192.0.0.192"];

static INSTALLED: RwLock<Option<Arc<AccessPolicy>>> = RwLock::new(None);

/// Sets what connectors of this process may reach from now on.
pub fn install(policy: AccessPolicy) {
    *INSTALLED.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(Arc::new(policy));
}

/// What connectors of this process may reach.
pub fn policy() -> Arc<AccessPolicy> {
    INSTALLED.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone().unwrap_or_default()
}

/// Refuses a path that the process's policy does not allow.
pub fn check_path(path: impl AsRef<Path>) -> io::Result<()> {
    policy().check_path(path.as_ref())
}

/// A file's or folder's metadata, if the process's policy allows it.
pub fn metadata(path: impl AsRef<Path>) -> io::Result<Metadata> {
    check_path(&path)?;
    fs::metadata(path)
}

/// Opens a file to read it, if the process's policy allows it.
pub fn open_file(path: impl AsRef<Path>) -> io::Result<File> {
    policy().open_file(path.as_ref())
}

impl AccessPolicy {
    /// What a server's jobs may reach. `folders` may contain `*` for any path, `hosts` `HOST`, `HOST:PORT`, `*.DOMAIN`, and `*`
    /// for any; `None` is everything. The folders that are there now are resolved now.
    pub fn new(folders: Option<&[String]>, hosts: Option<&[String]>) -> io::Result<Self> {
        let folders = folders.filter(|folders| !folders.iter().any(|folder| folder == ANYTHING));
        let resolved = |folder: &String| {
            std::path::absolute(folder).map(|folder| fs::canonicalize(&folder).unwrap_or(folder))
        };
        Ok(Self {
            folders: folders.map(|folders| folders.iter().map(resolved).collect()).transpose()?,
            reserved: Vec::new(),
            hosts: hosts.map(|hosts| hosts.iter().map(|host| host.to_ascii_lowercase()).collect()),
            blocks_metadata: true,
        })
    }

    /// Allows nothing in these folders and files: the server keeps there what no job is to see or change. Of a link, what it
    /// leads to now is meant, too.
    pub fn reserve(mut self, paths: impl IntoIterator<Item = PathBuf>) -> Self {
        for path in paths {
            let path = std::path::absolute(&path).unwrap_or(path);
            self.reserved.extend(fs::canonicalize(&path));
            // The parent is there, whether this is or not.
            self.reserved.push(match (path.parent().map(fs::canonicalize), path.file_name()) {
                (Some(Ok(parent)), Some(name)) => parent.join(name),
                _ => path,
            });
        }
        self
    }

    fn allows_all_paths(&self) -> bool {
        self.folders.is_none() && self.reserved.is_empty()
    }

    fn check_path(&self, path: &Path) -> io::Result<()> {
        if self.allows_all_paths() { Ok(()) } else { self.resolve(path).map(drop) }
    }

    /// Where a path leads if it is allowed, its last parts need not be there.
    fn resolve(&self, path: &Path) -> io::Result<PathBuf> {
        let Some(resolved) = resolved(path) else { return Err(self.refused(path)) };
        if self.allows(&resolved) { Ok(resolved) } else { Err(self.refused(path)) }
    }

    fn allows(&self, resolved: &Path) -> bool {
        let is_below = |folder: &PathBuf| resolved.starts_with(folder);
        !self.reserved.iter().any(is_below)
            && self.folders.as_ref().is_none_or(|folders| folders.iter().any(is_below))
    }

    fn open_file(&self, path: &Path) -> io::Result<File> {
        if self.allows_all_paths() {
            return File::open(path);
        }
        let file = File::open(self.resolve(path)?)?;
        // A link may have been put in the way meanwhile: what counts is what is open.
        match opened_path(&file) {
            Some(opened) if !self.allows(&opened) => Err(self.refused(path)),
            _ => Ok(file),
        }
    }

    /// Says the same whether the path is there or not.
    fn refused(&self, path: &Path) -> io::Error {
        let expected = match self.folders.as_deref() {
            None => "a path outside of the server's own folders".to_owned(),
            Some([]) => "none, since `security.allowed-paths` is empty".to_owned(),
            Some(folders) => {
                let folders: Vec<_> =
                    folders.iter().map(|folder| format!("`{}`", folder.display())).collect();
                format!("one below {}, as `security.allowed-paths` says", folders.join(" or "))
            }
        };
        let message = format!("jobs may not use the path `{}`: expected {expected}", path.display());
        io::Error::new(io::ErrorKind::PermissionDenied, message)
    }

    /// Refuses a host that connectors may not connect to, before its name is looked up.
    pub fn check_host(&self, host: &str, port: u16) -> io::Result<()> {
        let Some(allowed) = &self.hosts else { return Ok(()) };
        let name = bare(host);
        let is_allowed = allowed.iter().any(|pattern| {
            let (wanted, wanted_port) = match pattern.rsplit_once(':') {
                Some((wanted, digits)) if !wanted.contains(':') || wanted.ends_with(']') => {
                    // What is no port allows none, rather than all.
                    let Ok(port) = digits.parse::<u16>() else { return false };
                    (wanted, Some(port))
                }
                _ => (pattern.as_str(), None),
            };
            let is_host = match wanted.strip_prefix("*.") {
                Some(domain) => name.strip_suffix(domain).is_some_and(|front| front.ends_with('.')),
                None => wanted == ANYTHING || bare(wanted) == name,
            };
            is_host && wanted_port.is_none_or(|wanted| wanted == port)
        });
        if is_allowed {
            return Ok(());
        }
        let message = format!(
            "jobs may not connect to `{host}:{port}`: expected a host that `security.allowed-outbound-hosts` names"
        );
        Err(io::Error::new(io::ErrorKind::PermissionDenied, message))
    }

    /// Refuses an address that a host's name has led to: link-local ones and those of cloud metadata must be named themselves.
    pub fn check_address(&self, host: &str, address: IpAddr) -> io::Result<()> {
        let address = address.to_canonical();
        if !self.blocks_metadata || !is_link_local_or_metadata(address) {
            return Ok(());
        }
        let is_named = |pattern: &String| {
            let wanted = pattern.parse().or_else(|_| bare(pattern).parse::<IpAddr>());
            wanted.is_ok_and(|wanted| wanted.to_canonical() == address)
        };
        if self.hosts.iter().flatten().any(is_named) {
            return Ok(());
        }
        let message = format!(
            "jobs may not connect to `{host}`: {address} is a link-local or metadata address, which \
             `security.allowed-outbound-hosts` must name itself"
        );
        Err(io::Error::new(io::ErrorKind::PermissionDenied, message))
    }
}

/// A host's name without brackets, the final dot, and differences of case.
fn bare(host: &str) -> String {
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

fn is_link_local_or_metadata(address: IpAddr) -> bool {
    let is_link_local = match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    is_link_local || METADATA_ADDRESSES.iter().any(|known| known.parse() == Ok(address))
}

/// Where a path leads, all links followed. What is not there yet may only be plain names.
fn resolved(path: &Path) -> Option<PathBuf> {
    let path = std::path::absolute(path).ok()?;
    for existing in path.ancestors() {
        let Ok(resolved) = fs::canonicalize(existing) else { continue };
        let missing = path.strip_prefix(existing).ok()?;
        let is_plain = missing.components().all(|part| matches!(part, Component::Normal(_)));
        // A link that leads nowhere yet may lead anywhere later.
        let is_link = missing.components().next().is_some_and(|first| {
            fs::symlink_metadata(resolved.join(first)).is_ok_and(|metadata| metadata.is_symlink())
        });
        return (is_plain && !is_link)
            .then(|| if missing.as_os_str().is_empty() { resolved } else { resolved.join(missing) });
    }
    None
}

/// What is open, where the system tells.
fn opened_path(file: &File) -> Option<PathBuf> {
    use std::os::fd::AsRawFd;
    fs::read_link(format!("/proc/self/fd/{}", file.as_raw_fd())).ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn hosts(allowed: &[&str]) -> AccessPolicy {
        let allowed: Vec<String> = allowed.iter().map(|host| (*host).to_owned()).collect();
        AccessPolicy::new(None, Some(&allowed)).unwrap()
    }

    #[test]
    fn paths_stay_below_what_is_allowed_however_they_are_written() {
        let folder = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(folder.path()).unwrap();
        let (inside, outside) = (root.join("in"), root.join("out"));
        fs::create_dir_all(inside.join("deep")).unwrap();
        fs::create_dir_all(&outside).unwrap();
        fs::write(inside.join("file"), "in").unwrap();
        fs::write(outside.join("secret"), "out").unwrap();
        symlink(outside.join("secret"), inside.join("link")).unwrap();
        symlink(&outside, inside.join("folder-link")).unwrap();
        symlink(outside.join("later"), inside.join("dangling")).unwrap();
        symlink(inside.join("file"), inside.join("good-link")).unwrap();
        let policy = AccessPolicy::new(Some(&[inside.display().to_string()]), None).unwrap();
        for allowed in ["", "file", "deep/../file", "new", "deep/new/er", "good-link"] {
            policy.check_path(&inside.join(allowed)).unwrap_or_else(|error| panic!("{allowed}: {error}"));
        }
        policy.open_file(&inside.join("good-link")).unwrap();
        for refused in [
            "../out/secret",
            "deep/../../out/secret",
            "link",
            "folder-link",
            "folder-link/secret",
            "folder-link/new",
            "dangling",
            "dangling/new",
            "missing/../../out/secret",
            "../in2",
            "../../../../../../../../../../etc/passwd",
        ] {
            let error = policy.check_path(&inside.join(refused)).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::PermissionDenied, "{refused}");
            assert!(policy.open_file(&inside.join(refused)).is_err(), "{refused}");
        }
        let told = |path: &str| policy.check_path(&outside.join(path)).unwrap_err().to_string();
        assert_eq!(told("secret").replace("secret", "x"), told("nothing").replace("nothing", "x"));
    }

    #[test]
    fn the_servers_own_folders_are_nobodys_business() {
        let folder = tempfile::tempdir().unwrap();
        let elsewhere = folder.path().join("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        symlink(&elsewhere, folder.path().join("checkpoints")).unwrap();
        let reserved = ["security", "checkpoints"].map(|name| folder.path().join(name));
        let policy = AccessPolicy::new(None, None).unwrap().reserve(reserved);
        policy.check_path(&folder.path().join("files/in")).unwrap();
        policy.check_path(Path::new("/etc/hosts")).unwrap();
        for reserved in [
            "security",
            "security/tokens",
            "files/../security/tokens",
            "checkpoints/1",
            "elsewhere/1",
            "elsewhere",
        ] {
            fs::create_dir_all(folder.path().join("files")).unwrap();
            policy.check_path(&folder.path().join(reserved)).unwrap_err();
        }
    }

    #[test]
    fn hosts_are_known_by_name_port_and_domain() {
        let policy = hosts(&["db.example", "Feed.Example:9000", "*.inner.example", "[::1]:80", "10.0.0.7"]);
        for (host, port) in [
            ("DB.example", 1),
            ("db.example.", 1),
            ("feed.example", 9000),
            ("a.b.inner.example", 5),
            ("::1", 80),
            ("10.0.0.7", 1),
        ] {
            policy.check_host(host, port).unwrap_or_else(|error| panic!("{host}:{port}: {error}"));
        }
        for (host, port) in [
            ("feed.example", 9001),
            ("inner.example", 5),
            ("evil-inner.example", 5),
            ("db.example.evil", 1),
            ("::1", 81),
            ("10.0.0.70", 1),
            ("", 1),
        ] {
            policy.check_host(host, port).unwrap_err();
        }
        hosts(&["*"]).check_host("anything", 1).unwrap();
        hosts(&[]).check_host("anything", 1).unwrap_err();
    }

    #[test]
    fn metadata_is_not_reached_by_any_name_or_notation_unless_named_itself() {
        for policy in [AccessPolicy::new(None, None).unwrap(), hosts(&["*"]), hosts(&["metadata.internal"])] {
            for address in
                ["169.254.169.254", "::ffff:169.254.169.254", "fe80::1", "fd00:ec2::254", "100.100.100.200"]
            {
                let error = policy.check_address("metadata.internal", address.parse().unwrap()).unwrap_err();
                assert!(error.to_string().contains("metadata address"), "{error}");
            }
            policy.check_address("ok", "10.0.0.1".parse().unwrap()).unwrap();
        }
        let named = hosts(&["*", "169.254.169.254", "[fe80::1]"]);
        named.check_address("x", "169.254.169.254".parse().unwrap()).unwrap();
        named.check_address("x", "fe80::1".parse().unwrap()).unwrap();
        named.check_address("x", "169.254.169.253".parse().unwrap()).unwrap_err();
    }
}
