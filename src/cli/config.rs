//! `headwater config`: what is configured, and where it comes from.

use std::{
    io::{Write, stdout},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Arg, ArgAction, ArgMatches, Command, parser::ValueSource, value_parser};
use headwater_api::dto;

use super::{
    exit::{Coded, USAGE},
    output,
    table::Table,
};
use crate::config::{Config, docs, table::keys};

/// Flags that are options by another name.
const FLAGS: [(&str, &str); 7] = [
    ("data-dir", keys::DATA_DIR),
    ("bind", keys::BIND),
    ("port", keys::PORT),
    ("slots", keys::SLOTS),
    ("log-format", keys::LOG_FORMAT),
    ("log-dir", keys::LOG_DIR),
    ("otel-endpoint", keys::OTEL_ENDPOINT),
];

/// Where the configuration comes from.
pub(super) fn sources() -> [Arg; 2] {
    [
        Arg::new("config")
            .long("config")
            .value_name("FILE")
            .value_parser(value_parser!(PathBuf))
            .help("configuration file [default: headwater.toml here, or in ~/.config/headwater]"),
        Arg::new("option")
            .long("option")
            .short('D')
            .value_name("KEY=VALUE")
            .action(ArgAction::Append)
            .help("any option of the configuration, e.g. -D rest.port=9000"),
    ]
}

/// Reads the configuration with the flags that were given; those that a command does not have are left out.
pub(super) fn load(args: &ArgMatches) -> anyhow::Result<Config> {
    let mut flags = Vec::new();
    for option in args.get_many::<String>("option").into_iter().flatten() {
        let (key, value) = option
            .split_once('=')
            .ok_or_else(|| Coded::new(USAGE, format!("expected KEY=VALUE, found `{option}`")))?;
        flags.push((key.trim().to_owned(), value.trim().to_owned(), format!("-D {}", key.trim())));
    }
    let is_given = |name| {
        matches!(args.try_contains_id(name), Ok(true))
            && args.value_source(name) == Some(ValueSource::CommandLine)
    };
    for (name, key) in FLAGS.into_iter().filter(|(name, _)| is_given(name)) {
        let value = args.get_raw(name).and_then(|mut values| values.next());
        let value = value.map(|value| value.to_string_lossy().into_owned()).unwrap_or_default();
        flags.push((key.to_owned(), value, format!("--{name}")));
    }
    for (name, key, value) in [("chaos", keys::CHAOS, "true"), ("insecure", keys::AUTHENTICATION, "none")] {
        if is_given(name) {
            flags.push((key.to_owned(), value.to_owned(), format!("--{name}")));
        }
    }
    let file = args.get_one::<PathBuf>("config").map(PathBuf::as_path);
    load_with(file, flags)
}

fn load_with(file: Option<&Path>, flags: Vec<(String, String, String)>) -> anyhow::Result<Config> {
    Config::load(file, flags).map_err(|error| Coded::new(USAGE, format!("{error:#}")).into())
}

pub(super) fn command(json: &Arg) -> Command {
    Command::new("config")
        .about("Show what `start` would be configured with here, and where each value comes from")
        .args(sources())
        .arg(json.clone())
        .arg(
            Arg::new("markdown")
                .long("markdown")
                .action(ArgAction::SetTrue)
                .conflicts_with("json")
                .help("print what every option is, as in docs/CONFIGURATION.md"),
        )
}

pub(super) fn config(args: &ArgMatches) -> anyhow::Result<ExitCode> {
    if args.get_flag("markdown") {
        write!(stdout(), "{}", docs::markdown())?;
        return Ok(ExitCode::SUCCESS);
    }
    let entries = load(args)?.entries();
    if output::is_json() {
        output::document(&dto::Config { entries })?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(["KEY", "VALUE", "FROM"]);
    for entry in &entries {
        table.row([&entry.key, &entry.value, &entry.origin]);
    }
    table.print()?;
    Ok(ExitCode::SUCCESS)
}
