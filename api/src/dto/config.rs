//! The configuration as clients see it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Everything that can be configured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Config {
    /// The server's options, then the defaults for jobs.
    pub entries: Vec<ConfigEntry>,
}

/// One option.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigEntry {
    /// Its key.
    pub key: String,
    /// What its value may be: `text`, `integer`, `duration`, …
    pub r#type: String,
    /// The value that holds; empty if none does. Secrets are hidden.
    pub value: String,
    /// Where that comes from: `default`, a file and its line, a variable, a flag.
    pub origin: String,
    /// The value if nothing else is said.
    pub default: String,
    /// What it is.
    pub description: String,
}
