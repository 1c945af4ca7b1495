//! `headwater token`: who may use a server, on the machine that it runs on.

use std::{path::PathBuf, process::ExitCode};

use clap::{Arg, ArgMatches, Command, value_parser};
use headwater_api::security::{Role, TokenFile};
use serde_json::json;

use super::{
    exit::{Coded, NOT_FOUND},
    jobs::done,
    output,
    table::Table,
};
use crate::{config::table::keys, security::tokens_file};

pub(super) fn command(json: &Arg) -> Command {
    let name = Arg::new("name").value_name("NAME").required(true).help("whose token it is, or what for");
    let verb = |command: Command| {
        let data_dir = Arg::new("data-dir")
            .long("data-dir")
            .value_name("DIR")
            .value_parser(value_parser!(PathBuf))
            .help("the server's data folder");
        command.args(super::config::sources()).arg(data_dir).arg(json.clone())
    };
    Command::new("token")
        .about("Make and remove the tokens that a server asks for; it notices within a second")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            verb(Command::new("create").about("Make a token; it is shown now and never again"))
                .arg(name.clone())
                .arg(
                    Arg::new("role")
                        .long("role")
                        .value_parser(["read", "operate"])
                        .default_value("operate")
                        .help("whether it is good for looking only, or for everything"),
                ),
        )
        .subcommand(verb(Command::new("list").about("List the tokens' names and roles")))
        .subcommand(verb(Command::new("remove").about("Remove a token")).arg(name))
}

pub(super) fn token(args: &ArgMatches) -> anyhow::Result<ExitCode> {
    let (verb, args) = args.subcommand().expect("clap requires one of the subcommands");
    let config = super::config::load(args)?;
    let data_dir = PathBuf::from(config.text(keys::DATA_DIR).unwrap_or_default());
    let path = tokens_file(&config, &data_dir);
    let name = || args.get_one::<String>("name").expect("is required");
    match verb {
        "create" => {
            let role: Role = args
                .get_one::<String>("role")
                .and_then(|role| role.parse().ok())
                .expect("clap knows the roles");
            let file = if path.exists() { TokenFile::open(&path)? } else { TokenFile::empty(&path) };
            let token = file.add(name(), role)?;
            done(&json!({"name": name(), "role": role, "token": token}), token)
        }
        "list" => {
            let tokens = if path.exists() { TokenFile::open(&path)?.list() } else { Vec::new() };
            if output::is_json() {
                let tokens: Vec<_> =
                    tokens.iter().map(|token| json!({"name": token.name, "role": token.role})).collect();
                output::document(&json!({ "tokens": tokens }))?;
            } else if tokens.is_empty() {
                output::line("no tokens")?;
            } else {
                let mut table = Table::new(["NAME", "ROLE"]);
                tokens.iter().for_each(|token| table.row([&token.name, &token.role]));
                table.print()?;
            }
            Ok(ExitCode::SUCCESS)
        }
        _ => {
            if !path.exists() || !TokenFile::open(&path)?.remove(name())? {
                let message = format!("no token `{}` in {}", name(), path.display());
                return Err(Coded::new(NOT_FOUND, message).into());
            }
            done(&json!({ "removed": name() }), format!("removed the token `{}`", name()))
        }
    }
}
