//! Logging in, and who did what.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::security::Role;

/// A token, to begin a session.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// The token.
    pub token: String,
}

/// Who is asking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Session {
    /// Whether a token is needed here at all.
    pub login_required: bool,
    /// The name of the token that the request came with; nothing if it came with none.
    pub name: Option<String>,
    /// What that allows; nothing if nothing.
    pub role: Option<Role>,
}

/// What was done, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Audit {
    /// Some of it.
    pub entries: Vec<AuditEntry>,
    /// `before` of the request for what came before these; nothing if that is all.
    pub next: Option<u64>,
}

/// One thing that someone did, or tried to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditEntry {
    /// Its number, which grows by one.
    pub seq: u64,
    /// When.
    pub at_ms: i64,
    /// The name of the token, `anyone` where none is needed, or nothing if it is unknown who it was.
    pub who: Option<String>,
    /// From where.
    pub peer: String,
    /// Method and path; the query is left out but for `mode`.
    pub action: String,
    /// The answer's status; 0 if it was not waited for.
    pub status: u16,
    /// `done`, `refused` by what the request is, `denied` for who sent it, `failed`, or `unanswered`: the client hung up before
    /// the answer, and it may have been done or not.
    pub outcome: String,
    /// What was made by it, if anything was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made: Option<String>,
    /// So many more like it were denied shortly before and are not listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out: Option<u64>,
}
