//! Tokens: who has one may use the server, in the token's role.
//!
//! A token is 256 random bits, so its SHA-256 is safe to keep. Only hashes are in the file, one token a line: name, role and hash.
//! The file belongs to its owner alone. It is read again when it has changed, so that a token that is taken away is of no use any
//! more within a second.

use std::{
    fmt,
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use headwater_core::secret::TOKEN_PREFIX;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// How often it is looked whether the file has changed.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
const NAME_BYTES_MAX: usize = 64;

/// What someone may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Look at everything but records, state and the audit log.
    Read,
    /// Everything: submit, cancel, preview, tap, read state.
    Operate,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Operate => "operate",
        })
    }
}

impl std::str::FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "read" => Ok(Self::Read),
            "operate" => Ok(Self::Operate),
            other => Err(format!("expected the role `read` or `operate`, found `{other}`")),
        }
    }
}

/// Why tokens cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file or its folder.
    #[error("cannot use the tokens' file `{path}`: {reason}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: io::Error,
    },
    /// Others can read or write it.
    #[error("others may use the tokens' file `{path}` (mode {mode:o}): expected 600; `chmod 600` it")]
    OpenToOthers {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// A line of the file is wrong.
    #[error("`{path}`, line {line}: {reason}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// A name that cannot be given.
    #[error("token `{name}`: {reason}")]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The system gives no random numbers.
    #[error("no random numbers for a token: {0}")]
    Random(getrandom::Error),
}

/// A token as the server keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Whose it is, or what for.
    pub name: String,
    /// What it is good for.
    pub role: Role,
    pub(crate) hash: [u8; 32],
}

/// The tokens in a file.
#[derive(Debug)]
pub struct TokenFile {
    path: PathBuf,
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    tokens: Vec<Token>,
    stamp: Option<(SystemTime, u64)>,
    checked_at: Instant,
}

impl TokenFile {
    /// Opens the file. If it is not there, makes it with a token to operate, which is returned: it is never seen again.
    pub fn open_or_create(path: &Path) -> Result<(Self, Option<String>), TokenError> {
        if path.exists() {
            return Ok((Self::open(path)?, None));
        }
        let file = Self::empty(path);
        let token = file.add("admin", Role::Operate)?;
        Ok((Self::open(path)?, Some(token)))
    }

    /// A file that is not there yet, and is made with its first token.
    pub fn empty(path: &Path) -> Self {
        Self::with(path, Vec::new(), None)
    }

    /// Opens the file.
    pub fn open(path: &Path) -> Result<Self, TokenError> {
        let (tokens, stamp) = read(path)?;
        Ok(Self::with(path, tokens, stamp))
    }

    fn with(path: &Path, tokens: Vec<Token>, stamp: Option<(SystemTime, u64)>) -> Self {
        let known = Known { tokens, stamp, checked_at: Instant::now() };
        Self { path: path.to_owned(), known: Mutex::new(known) }
    }

    /// All tokens.
    pub fn list(&self) -> Vec<Token> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).tokens.clone()
    }

    /// Makes a token and returns it: it is never seen again.
    pub fn add(&self, name: &str, role: Role) -> Result<String, TokenError> {
        let refuse = |reason| Err(TokenError::Name { name: name.to_owned(), reason });
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.@".contains(&byte);
        if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(is_plain) {
            return refuse("expected 1 to 64 letters, digits, `-`, `_`, `.` or `@`");
        }
        let mut tokens = self.list();
        if tokens.iter().any(|token| token.name == name) {
            return refuse("there is one of this name: remove it first, or choose another name");
        }
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(TokenError::Random)?;
        let token = format!("{TOKEN_PREFIX}{}", hex(&bytes));
        tokens.push(Token { name: name.to_owned(), role, hash: hash_of(&token) });
        self.write(tokens)?;
        Ok(token)
    }

    /// Takes a token away. `false`: there is none of this name.
    pub fn remove(&self, name: &str) -> Result<bool, TokenError> {
        let mut tokens = self.list();
        let before = tokens.len();
        tokens.retain(|token| token.name != name);
        let is_removed = tokens.len() < before;
        if is_removed {
            self.write(tokens)?;
        }
        Ok(is_removed)
    }

    fn write(&self, tokens: Vec<Token>) -> Result<(), TokenError> {
        let failed = |reason| TokenError::Io { path: self.path.clone(), reason };
        let folder = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        if let Some(folder) = folder {
            DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
        }
        let mut text =
            "# The tokens that this server knows: name, role, hash. Made by `headwater token`.\n".to_owned();
        for token in &tokens {
            text += &format!("{} {} sha256:{}\n", token.name, token.role, hex(&token.hash));
        }
        let temporary = self.path.with_extension("new");
        // Left by a process that died.
        let _ = fs::remove_file(&temporary);
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary).map_err(failed)?;
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)?;
        fs::rename(&temporary, &self.path).map_err(failed)?;
        let (tokens, stamp) = read(&self.path)?;
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) =
            Known { tokens, stamp, checked_at: Instant::now() };
        Ok(())
    }

    /// Whose token has this hash. Takes the same time for all.
    pub(crate) fn by_hash(&self, hash: &[u8; 32]) -> Option<Token> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.checked_at.elapsed() >= CHECK_INTERVAL {
            self.refresh(&mut known);
        }
        let mut found = None;
        for token in &known.tokens {
            if bool::from(token.hash.ct_eq(hash)) {
                found = Some(token.clone());
            }
        }
        found
    }

    /// A file that is gone or wrong gives nobody access.
    fn refresh(&self, known: &mut Known) {
        known.checked_at = Instant::now();
        let stamp =
            fs::metadata(&self.path).ok().and_then(|found| Some((found.modified().ok()?, found.len())));
        if stamp.is_some() && stamp == known.stamp {
            return;
        }
        match read(&self.path) {
            Ok((tokens, stamp)) => (known.tokens, known.stamp) = (tokens, stamp),
            Err(error) => {
                tracing::error!("{error}; until that is mended nobody can log in");
                (known.tokens, known.stamp) = (Vec::new(), None);
            }
        }
    }
}

type Stamped = (Vec<Token>, Option<(SystemTime, u64)>);

fn read(path: &Path) -> Result<Stamped, TokenError> {
    let failed = |reason| TokenError::Io { path: path.to_owned(), reason };
    let metadata = fs::metadata(path).map_err(failed)?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(TokenError::OpenToOthers { path: path.to_owned(), mode });
    }
    let text = fs::read_to_string(path).map_err(failed)?;
    let mut tokens = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let token = token_of(line);
        let malformed = |reason| TokenError::Malformed { path: path.to_owned(), line: index + 1, reason };
        tokens.push(token.map_err(malformed)?);
    }
    let stamp = metadata.modified().ok().map(|modified| (modified, metadata.len()));
    Ok((tokens, stamp))
}

fn token_of(line: &str) -> Result<Token, String> {
    let parts: Vec<&str> = line.split_ascii_whitespace().collect();
    let [name, role, hash] = parts[..] else {
        return Err(format!("expected a name, a role and a hash, found {} parts", parts.len()));
    };
    let hash = hash.strip_prefix("sha256:").and_then(unhex).ok_or("expected `sha256:` and 64 hex digits")?;
    Ok(Token { name: name.to_owned(), role: role.parse()?, hash })
}

pub(crate) fn hash_of(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut bytes = [0; 32];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verified(file: &TokenFile, token: &str) -> Option<Token> {
        file.by_hash(&hash_of(token))
    }

    #[test]
    fn a_token_is_shown_once_and_only_its_hash_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("security/tokens");
        let (file, first) = TokenFile::open_or_create(&path).unwrap();
        let first = first.unwrap();
        assert_eq!(verified(&file, &first).unwrap().role, Role::Operate);
        let reader = file.add("grafana", Role::Read).unwrap();
        let (again, none) = TokenFile::open_or_create(&path).unwrap();
        assert_eq!((none, verified(&again, &reader).unwrap().name.as_str()), (None, "grafana"));
        assert_eq!(verified(&again, &first[..first.len() - 1]), None);
        let text = fs::read_to_string(&path).unwrap();
        assert!(!text.contains(&first) && !text.contains(&first[3..]), "{text}");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        assert!(file.add("grafana", Role::Read).unwrap_err().to_string().contains("there is one"));
        assert!(file.add("a b", Role::Read).is_err());
        assert!(file.remove("grafana").unwrap() && !file.remove("grafana").unwrap());
        assert_eq!(verified(&file, &reader), None);
    }

    #[test]
    fn a_file_that_is_wrong_or_open_to_others_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        TokenFile::open_or_create(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(TokenFile::open(&path).unwrap_err().to_string().contains("mode 640"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "# \nme root sha256:00\n").unwrap();
        let told = TokenFile::open(&path).unwrap_err().to_string();
        assert!(told.contains("line 2: expected `sha256:`"), "{told}");
        fs::write(&path, format!("me root sha256:{}\n", "0".repeat(64))).unwrap();
        assert!(
            TokenFile::open(&path).unwrap_err().to_string().contains("`read` or `operate`, found `root`")
        );
    }

    #[test]
    fn a_file_that_changes_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens");
        let (server, _) = TokenFile::open_or_create(&path).unwrap();
        let token = TokenFile::open(&path).unwrap().add("late", Role::Read).unwrap();
        let expire = || server.known.lock().unwrap().checked_at = Instant::now() - CHECK_INTERVAL;
        expire();
        assert_eq!(verified(&server, &token).unwrap().name, "late");
        fs::remove_file(&path).unwrap();
        expire();
        assert_eq!(verified(&server, &token), None);
    }
}
