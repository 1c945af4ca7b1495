//! The configuration: what is set where, and what holds in the end.
//!
//! A value comes from the file `headwater.toml`, the environment or the command line, in this order; what is later holds. Every
//! key is in one [table], and whatever is not there is refused.

pub mod docs;
mod file;
pub mod table;

use std::{
    collections::BTreeMap,
    env, fmt,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use headwater_api::dto::ConfigEntry;
use headwater_core::{
    options::{JobOptions, nearest},
    secret::{HIDDEN, hide, is_secret},
};
use table::{ConfigOption, Kind, options};

/// The file's name.
const FILE_NAME: &str = "headwater.toml";
/// Names the file, instead of the usual places.
const FILE_VARIABLE: &str = "HEADWATER_CONFIG";
/// Variables that are no options: the client's, and those of tests.
const OTHER_VARIABLES: [&str; 5] =
    [FILE_VARIABLE, "HEADWATER_TOKEN", "HEADWATER_SERVER", "HEADWATER_CA", "HEADWATER_SEED"];

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A line of the file.
    File(PathBuf, usize),
    /// A variable of the environment.
    Environment(String),
    /// The command line.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Environment(variable) => f.write_str(variable),
            Self::Flag(flag) => f.write_str(flag),
        }
    }
}

/// A value that was given.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Given {
    /// More than one only of a list.
    items: Vec<String>,
    origin: Origin,
}

impl Given {
    fn text(&self) -> String {
        self.items.join(",")
    }
}

/// What was given as what, before it is looked at.
struct Setting {
    key: String,
    given: Given,
}

/// The configuration that holds. The default one has all defaults.
#[derive(Debug, Clone, Default)]
pub struct Config {
    given: BTreeMap<&'static str, Given>,
    job_options: JobOptions,
}

impl Config {
    /// Reads the configuration: `file` if it is named, else the one in the usual places if there is one; the environment; and
    /// the flags, each of them a key, its value and how it was given.
    pub fn load(file: Option<&Path>, flags: Vec<(String, String, String)>) -> anyhow::Result<Self> {
        let variables = env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
        let variables = variables.filter(|(name, _)| name.starts_with("HEADWATER_"));
        let variables: Vec<_> =
            variables.map(|(name, value)| (name, value.to_string_lossy().into_owned())).collect();
        let file = file.map(Path::to_owned).or_else(|| env::var_os(FILE_VARIABLE).map(PathBuf::from));
        let file = match file {
            Some(file) => Some(file),
            None => usual_files().into_iter().find(|file| file.is_file()),
        };
        let text = match &file {
            Some(file) => std::fs::read_to_string(file)
                .with_context(|| format!("cannot read the configuration {}", file.display()))?,
            None => String::new(),
        };
        Self::of(file.as_deref().map(|path| (path, text.as_str())), &variables, flags)
    }

    fn of(
        file: Option<(&Path, &str)>,
        variables: &[(String, String)],
        flags: Vec<(String, String, String)>,
    ) -> anyhow::Result<Self> {
        let mut errors = Vec::new();
        let mut settings = Vec::new();
        if let Some((path, text)) = file {
            settings.extend(file::settings(path, text, &mut errors));
        }
        settings.extend(of_environment(variables, &mut errors));
        settings.extend(flags.into_iter().map(|(key, value, flag)| Setting {
            key,
            given: Given { items: vec![value], origin: Origin::Flag(flag) },
        }));
        let mut config = Self::default();
        for setting in settings {
            if let Err(error) = config.take(setting) {
                errors.push(error);
            }
        }
        if let Err(error) = config.check_job_options() {
            errors.push(error);
        }
        if errors.is_empty() {
            return Ok(config);
        }
        bail!("{}", errors.join("\n"))
    }

    fn take(&mut self, Setting { key, mut given }: Setting) -> Result<(), String> {
        let Some(option) = options().find(|option| option.key == key) else {
            let suggestion = nearest(&key, options().map(|option| option.key));
            let suggestion =
                suggestion.map_or_else(String::new, |known| format!(": did you mean `{known}`?"));
            return Err(format!("{}: unknown option `{key}`{suggestion}", given.origin));
        };
        if option.kind == Kind::List && !matches!(given.origin, Origin::File(..)) {
            let text = given.text();
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            given.items = items.map(str::to_owned).collect();
        }
        if option.kind != Kind::List && given.items.len() != 1 {
            return Err(format!("{}: option `{key}`: expected one value, found a list", given.origin));
        }
        if let Some(expected) = option.expected_instead_of(&given.text()) {
            let found = shown(&option, &given);
            return Err(format!("{}: option `{key}`: expected {expected}, found `{found}`", given.origin));
        }
        self.given.insert(option.key, given);
        Ok(())
    }

    /// Those of jobs depend on each other.
    fn check_job_options(&mut self) -> Result<(), String> {
        let of_jobs = options().filter(ConfigOption::is_of_jobs);
        let given: BTreeMap<String, String> = of_jobs
            .filter_map(|option| Some((option.key.to_owned(), self.given.get(option.key)?.text())))
            .collect();
        let mut job_options = JobOptions::default();
        job_options.set_all(&given).map_err(|error| {
            let text = error.to_string();
            let key = given.keys().find(|key| text.contains(&format!("`{key}`")));
            match key.and_then(|key| self.given.get(key.as_str())) {
                Some(given) => format!("{}: {text}", given.origin),
                None => text,
            }
        })?;
        self.job_options = job_options;
        Ok(())
    }

    /// What jobs have that set nothing themselves.
    pub fn job_options(&self) -> &JobOptions {
        &self.job_options
    }

    /// A value, if it is set or has a default.
    pub fn text(&self, key: &str) -> Option<String> {
        let default = || options().find(|option| option.key == key).map(|option| option.default.to_owned());
        self.given.get(key).map(Given::text).or_else(default).filter(|text| !text.is_empty())
    }

    /// A list, if it is set; it may be empty.
    pub fn list(&self, key: &str) -> Option<Vec<String>> {
        self.given.get(key).map(|given| given.items.clone())
    }

    /// A flag's value.
    pub fn flag(&self, key: &str) -> bool {
        self.text(key).as_deref() == Some("true")
    }

    /// A value in its type; `None` if it is not set.
    pub fn parsed<T: std::str::FromStr>(&self, key: &str) -> Option<T> {
        self.text(key)?.parse().ok()
    }

    /// Everything that holds, and where it comes from. Secrets are hidden.
    pub fn entries(&self) -> Vec<ConfigEntry> {
        let entry = |option: ConfigOption| {
            let given = self.given.get(option.key);
            ConfigEntry {
                key: option.key.to_owned(),
                r#type: option.type_name().to_owned(),
                value: given.map_or_else(|| option.default.to_owned(), |given| shown(&option, given)),
                origin: given.map_or_else(|| "default".to_owned(), |given| given.origin.to_string()),
                default: option.default.to_owned(),
                description: option.description.to_owned(),
            }
        };
        options().map(entry).collect()
    }
}

/// A value as it may be shown.
fn shown(option: &ConfigOption, given: &Given) -> String {
    let text = given.text();
    // The file of the tokens is no token.
    if is_secret(option.key) && option.kind != Kind::Path {
        HIDDEN.to_owned()
    } else {
        hide(&text).into_owned()
    }
}

fn usual_files() -> Vec<PathBuf> {
    let home = env::var_os("XDG_CONFIG_HOME").map(PathBuf::from);
    let home = home.or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".config")));
    [PathBuf::from(FILE_NAME)]
        .into_iter()
        .chain(home.map(|home| home.join("headwater").join(FILE_NAME)))
        .collect()
}

/// Variables that only begin alike are others': an orchestrator sets `HEADWATER_PORT` for a service of that name. One that is
/// nearly an option's is a slip.
fn of_environment(variables: &[(String, String)], errors: &mut Vec<String>) -> Vec<Setting> {
    let known: Vec<(String, &'static str)> =
        options().map(|option| (option.variable(), option.key)).collect();
    let mut settings = Vec::new();
    for (name, value) in variables {
        if let Some((_, key)) = known.iter().find(|(variable, _)| variable == name) {
            let given = Given { items: vec![value.clone()], origin: Origin::Environment(name.clone()) };
            settings.push(Setting { key: (*key).to_owned(), given });
        } else if !OTHER_VARIABLES.contains(&name.as_str())
            && let Some(meant) = nearest(name, known.iter().map(|(variable, _)| variable.as_str()))
                .filter(|meant| meant.len() > 20)
        {
            errors.push(format!("{name}: unknown variable: did you mean `{meant}`?"));
        }
    }
    settings
}

#[cfg(test)]
mod tests;
