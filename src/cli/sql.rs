//! `headwater sql`: a shell for SQL, and scripts.

mod completion;
mod editor;
mod line;
mod output;
mod scan;
mod shell;
mod signals;

use std::{
    env, fs,
    io::{BufRead, IsTerminal, stdin, stdout},
    ops::Range,
    path::PathBuf,
    process::ExitCode,
};

use anyhow::Context;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use headwater_sql::{error::SqlError, parser::parse_script};

use self::{
    editor::{Editor, Typed},
    scan::{Scan, scan},
    shell::{Failure, Flow, Format, Shell},
};
use super::{
    client::Client,
    exit::{Coded, USAGE, code_of},
    output::{complain, failure as tell_failure, is_closed, is_json, line},
};
use crate::logging;

pub(super) fn command(server: &Arg) -> Command {
    Command::new("sql")
        .about("Execute SQL: in a shell, from a file, or from standard input")
        .arg(
            Arg::new("file")
                .long("file")
                .short('f')
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .conflicts_with("execute")
                .help("execute the statements of a file, up to the first error"),
        )
        .arg(
            Arg::new("execute")
                .long("execute")
                .short('e')
                .value_name("STATEMENTS")
                .help("execute these statements"),
        )
        .arg(
            Arg::new("set")
                .long("set")
                .short('D')
                .value_name("KEY=VALUE")
                .action(ArgAction::Append)
                .help("like SET 'KEY' = 'VALUE' before everything else"),
        )
        .arg(
            Arg::new("wait")
                .long("wait")
                .action(ArgAction::SetTrue)
                .help("wait for the end of every job, as if table.dml-sync were true"),
        )
        .arg(
            Arg::new("history").long("history").value_name("FILE").value_parser(value_parser!(PathBuf)).help(
                "where the shell remembers statements [default: sql_history in $XDG_STATE_HOME/headwater]",
            ),
        )
        .arg(
            Arg::new("json")
                .long("json")
                .action(ArgAction::SetTrue)
                .help("print a JSON object a line: results on standard output, errors on standard error"),
        )
        .arg(server.clone())
}

pub(super) fn sql(args: &ArgMatches) -> anyhow::Result<ExitCode> {
    let log_format = if is_json() { logging::Format::Json } else { logging::Format::Text };
    logging::init("warn", log_format).map_err(|error| Coded::new(USAGE, error))?;
    let client = Client::new(args.get_one::<String>("server").expect("has a default"));
    let format = match (is_json(), stdout().is_terminal()) {
        (true, _) => Format::Json,
        (false, true) => Format::Cut,
        (false, false) => Format::Whole,
    };
    let mut shell = Shell::new(client, format)?;
    shell.waits = args.get_flag("wait");
    for setting in args.get_many::<String>("set").into_iter().flatten() {
        let wrong = |what: String| Coded::new(USAGE, format!("-D: {what}"));
        let (key, value) =
            setting.split_once('=').ok_or_else(|| wrong(format!("expected KEY=VALUE, found `{setting}`")))?;
        let quoted = |text: &str| text.trim().replace('\'', "''");
        let set = format!("SET '{}' = '{}'", quoted(key), quoted(value));
        shell.session.execute_script(&set).map_err(|error| wrong(error.message))?;
    }
    if let Some(text) = args.get_one::<String>("execute") {
        return Ok(run_script(&mut shell, None, text));
    }
    if let Some(path) = args.get_one::<PathBuf>("file") {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        return Ok(run_script(&mut shell, Some(&path.display().to_string()), &text));
    }
    if stdin().is_terminal() {
        let history = args.get_one::<PathBuf>("history").cloned().or_else(default_history);
        return interact(&mut shell, history);
    }
    run_stdin(&mut shell)
}

/// `$XDG_STATE_HOME/headwater/sql_history`; `None` if the user has no home.
fn default_history() -> Option<PathBuf> {
    let of = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let folder = of("XDG_STATE_HOME").or_else(|| Some(of("HOME")?.join(".local/state")))?.join("headwater");
    fs::create_dir_all(&folder).ok()?;
    Some(folder.join("sql_history"))
}

fn interact(shell: &mut Shell, history: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    shell.is_interactive = true;
    shell.signals.be_interactive();
    let mut editor = Editor::new(history);
    line(concat!("Headwater ", env!("CARGO_PKG_VERSION"), ". HELP tells what can be typed, QUIT ends."))?;
    let is_complete = |text: &str| {
        shell::command_of(text).is_some()
            || match scan(text) {
                Scan::Blank => true,
                Scan::Open => false,
                Scan::Statement(end) => scan(&text[end..]) == Scan::Blank,
            }
    };
    loop {
        let session = &shell.session;
        let complete = |text: &str, cursor: usize| completion::complete(session, text, cursor);
        let begin = || shell.signals.begin_line();
        let text = match editor.read(begin, is_complete, complete).context("the terminal cannot be read")? {
            Typed::Text(text) => text,
            Typed::Dropped => continue,
            Typed::End => return Ok(ExitCode::SUCCESS),
        };
        for piece in pieces(&text) {
            match shell.execute(&in_place(&text, &piece)) {
                Ok(Flow::Next) => {}
                Ok(Flow::Interrupted) if !shell.signals.is_terminated() => break,
                Ok(Flow::Quit) => return Ok(ExitCode::SUCCESS),
                Ok(Flow::Interrupted) => return Ok(ExitCode::from(shell.signals.exit_code())),
                Err(failure) => {
                    report(shell, &failure, None, &text);
                    break;
                }
            }
        }
    }
}

/// Executes a script, unless there is a mistake in how one of its statements is written.
fn run_script(shell: &mut Shell, name: Option<&str>, text: &str) -> ExitCode {
    let pieces = pieces(text);
    for piece in &pieces {
        if shell::command_of(&text[piece.clone()]).is_none()
            && let Err(error) = parse_script(&in_place(text, piece))
        {
            return report(shell, &error.into(), name, text);
        }
    }
    for piece in &pieces {
        if let Some(end) = run_piece(shell, name, text, piece) {
            return end;
        }
    }
    ExitCode::SUCCESS
}

/// Executes statements as they come.
fn run_stdin(shell: &mut Shell) -> anyhow::Result<ExitCode> {
    const NAME: Option<&str> = Some("<stdin>");
    let mut input = stdin().lock();
    let mut text = String::new();
    let mut done = 0;
    loop {
        let is_at_end = input.read_line(&mut text).context("cannot read standard input")? == 0;
        while let Scan::Statement(end) = scan(&text[done..]) {
            let piece = done..done + end;
            done = piece.end;
            if let Some(end) = run_piece(shell, NAME, &text, &piece) {
                return Ok(end);
            }
        }
        if is_at_end {
            let rest = done..text.len();
            let is_blank = scan(&text[done..]) == Scan::Blank;
            let end = if is_blank { None } else { run_piece(shell, NAME, &text, &rest) };
            return Ok(end.unwrap_or(ExitCode::SUCCESS));
        }
    }
}

/// Executes one statement of a script; `Some` if that is the end.
fn run_piece(shell: &mut Shell, name: Option<&str>, text: &str, piece: &Range<usize>) -> Option<ExitCode> {
    match shell.execute(&in_place(text, piece)) {
        Ok(Flow::Next) => None,
        Ok(Flow::Quit) => Some(ExitCode::SUCCESS),
        Ok(Flow::Interrupted) => Some(ExitCode::from(shell.signals.exit_code())),
        Err(failure) => Some(report(shell, &failure, name, text)),
    }
}

/// The statements of a script, each with its semicolon; the last may lack it.
fn pieces(text: &str) -> Vec<Range<usize>> {
    let mut pieces = Vec::new();
    let mut at = 0;
    loop {
        match scan(&text[at..]) {
            Scan::Blank => return pieces,
            Scan::Open => {
                pieces.push(at..text.len());
                return pieces;
            }
            Scan::Statement(length) => {
                pieces.push(at..at + length);
                at += length;
            }
        }
    }
}

/// A part of a text behind as much blank as is before it, so that places in it are places in the text.
fn in_place(text: &str, piece: &Range<usize>) -> String {
    let before = &text[..piece.start];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let lines = before.matches('\n').count();
    let column = before[line_start..].chars().count();
    format!("{}{}{}", "\n".repeat(lines), " ".repeat(column), &text[piece.clone()])
}

fn report(shell: &Shell, failure: &Failure, name: Option<&str>, text: &str) -> ExitCode {
    match failure {
        Failure::Other(error) if is_closed(error) => ExitCode::SUCCESS,
        Failure::Other(error) => {
            tell_failure(error);
            ExitCode::from(code_of(error))
        }
        Failure::Sql(error) => {
            // It may quote what was said before.
            let mut secrets = shell.secrets.clone();
            secrets.add_text(text);
            let hidden = |text: &str| secrets.hide(text).into_owned();
            let (message, hint) = (hidden(&error.message), error.hint.as_deref().map(hidden));
            let error = SqlError { message, hint, ..error.clone() };
            match shell.format {
                Format::Json => complain(output::json_of_error(&error)),
                _ => complain(output::told(&error, name, text)),
            }
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_keeps_its_place() {
        let text = "SELECT 1;\n  SELEKT 2; -- ü\nSELECT 3";
        let pieces = pieces(text);
        assert_eq!(
            pieces.iter().map(|piece| text[piece.clone()].trim()).collect::<Vec<_>>(),
            ["SELECT 1;", "SELEKT 2;", "-- ü\nSELECT 3"]
        );
        let error = parse_script(&in_place(text, &pieces[1])).unwrap_err();
        let location = error.location.unwrap();
        assert_eq!((location.line, location.column), (2, 3));
        assert_eq!(in_place(text, &pieces[2]), format!("\n{} -- ü\nSELECT 3", " ".repeat(11)));
    }
}
