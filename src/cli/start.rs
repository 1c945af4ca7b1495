//! `headwater start`: the server.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{self, ExitCode},
    sync::Arc,
    thread,
    time::Duration,
};

use anyhow::Context;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use headwater_core::shown::Redaction;
use headwater_stream::ProgramRegistry;
use serde_json::json;

use super::{
    comeback, config,
    exit::{Coded, USAGE},
    output,
};
use crate::{
    config::table::keys,
    logging::{self, LogFiles},
    server::{Server, ServerOptions, default_slots},
    telemetry::{Endpoint, Telemetry},
};

/// How long an end waits for what still blocks, such as a write to a disk that does not answer. Longer than for slots, so that
/// all databases are closed by then that can be.
const EXIT_DEADLINE: Duration = Duration::from_secs(10);

pub(super) fn command(json: &Arg) -> Command {
    Command::new("start")
        .about("Start a server: control plane, worker, REST and the web page")
        .args(config::sources())
        .arg(
            Arg::new("data-dir")
                .long("data-dir")
                .value_name("DIR")
                .value_parser(value_parser!(PathBuf))
                .help("folder for jobs, checkpoints, state and journals [default: headwater-data]"),
        )
        .arg(
            Arg::new("bind")
                .long("bind")
                .value_name("ADDRESS")
                .value_parser(value_parser!(IpAddr))
                .help("address to serve REST and the page on [default: 127.0.0.1]"),
        )
        .arg(
            Arg::new("port")
                .long("port")
                .value_name("PORT")
                .value_parser(value_parser!(u16))
                .help("port to serve REST and the page on; 0 is any free one [default: 8081]"),
        )
        .arg(
            Arg::new("slots")
                .long("slots")
                .value_name("N")
                .value_parser(value_parser!(u16).range(1..=1024))
                .help("number of slots [default: the number of cores]"),
        )
        .arg(
            Arg::new("chaos")
                .long("chaos")
                .action(ArgAction::SetTrue)
                .help("let actors be killed on purpose, by REST and on the page"),
        )
        .arg(Arg::new("insecure").long("insecure").action(ArgAction::SetTrue).help(
            "ask nobody for a token, on whatever address: everyone who reaches the server may do everything",
        ))
        .arg(
            Arg::new("log-format")
                .long("log-format")
                .value_parser(["text", "json"])
                .help("how the log is written to standard error [default: text]"),
        )
        .arg(
            Arg::new("log-dir")
                .long("log-dir")
                .value_name("DIR")
                .value_parser(value_parser!(PathBuf))
                .help("folder for the log's files [default: logs in the data folder]"),
        )
        .arg(
            Arg::new("otel-endpoint")
                .long("otel-endpoint")
                .value_name("URL")
                .value_parser(value_parser!(Endpoint))
                .help("an OpenTelemetry collector to send the log and spans to, e.g. http://127.0.0.1:4318"),
        )
        .arg(json.clone().help("print the first line as JSON, and write the log and what goes wrong as JSON"))
}

pub(super) fn start(args: &ArgMatches, programs: ProgramRegistry) -> anyhow::Result<ExitCode> {
    let config = config::load(args)?;
    let format = match config.text(keys::LOG_FORMAT).as_deref() {
        Some("json") => logging::Format::Json,
        _ if output::is_json() => logging::Format::Json,
        _ => logging::Format::Text,
    };
    let logs = logging::init(&config.text(keys::LOG_LEVEL).unwrap_or_default(), format);
    logs.map_err(|error| Coded::new(USAGE, error))?;
    let ip = config.parsed(keys::BIND).unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let options = ServerOptions {
        data_dir: config.text(keys::DATA_DIR).unwrap_or_default().into(),
        bind: SocketAddr::new(ip, config.parsed(keys::PORT).unwrap_or_default()),
        slots: config.parsed(keys::SLOTS).unwrap_or_else(default_slots),
        chaos: config.flag(keys::CHAOS),
        redact: Redaction::new(config.list(keys::REDACTED_FIELDS).unwrap_or_default()),
        config,
    };
    let log_dir = options.config.text(keys::LOG_DIR).map(PathBuf::from);
    let log_dir = log_dir.unwrap_or_else(|| options.data_dir.join("logs"));
    let collector: Option<Endpoint> = options.config.parsed(keys::OTEL_ENDPOINT);
    actix::System::new().block_on(serve(options, log_dir, collector, programs))?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(
    options: ServerOptions,
    log_dir: PathBuf,
    collector: Option<Endpoint>,
    programs: ProgramRegistry,
) -> anyhow::Result<()> {
    let data_dir = options.data_dir.clone();
    let server = Server::start(options, Arc::new(programs)).await?;
    // Not before the data folder is ours: another process's log is not to be mixed with this one's.
    let log_files = log_files(&log_dir);
    let telemetry =
        collector.map(|endpoint| Telemetry::start(&endpoint, logging::book(), server.dispatcher.clone()));
    let _telemetry = telemetry.transpose().context("cannot start a thread")?;
    if let Err(error) = announce(&server, &data_dir) {
        tracing::warn!(%error, "nobody reads where the server listens");
    }
    actix::spawn(comeback::watch(server.dispatcher.clone()));
    tokio::select! {
        () = super::stop_signal() => {}
        () = server.stop_asked() => tracing::info!("a client asked the server to stop"),
    }
    tracing::info!("stopping; running jobs go on with the next start on the same data folder");
    server.stop().await;
    if let Some(files) = log_files {
        files.flush();
    }
    exit_at_deadline();
    Ok(())
}

/// Scripts wait for this line to learn the port.
fn announce(server: &Server, data_dir: &Path) -> anyhow::Result<()> {
    let (url, data_dir) = (server.url(), data_dir.display());
    if output::is_json() {
        let data_dir = data_dir.to_string();
        return output::json_line(
            &json!({ "url": url, "data_dir": data_dir, "new_token": server.new_token }),
        );
    }
    if let Some(token) = &server.new_token {
        output::note(format_args!("a token to operate this server, shown now and never again: {token}"));
    }
    Ok(output::line(format_args!("headwater is listening on {url}, data in {data_dir}"))?)
}

/// A server without its log in files is better than none.
fn log_files(folder: &Path) -> Option<LogFiles> {
    match LogFiles::open(logging::book(), folder) {
        Ok(files) => Some(files),
        Err(error) => {
            tracing::warn!(folder = %folder.display(), %error, "the log is not written to files");
            None
        }
    }
}

/// The runtime waits for its threads, and a thread that hangs cannot be ended. All jobs have been left to the next process
/// by now, so nothing is lost with it.
fn exit_at_deadline() {
    thread::spawn(|| {
        thread::sleep(EXIT_DEADLINE);
        tracing::warn!("an operation of the storage does not end: the process ends without it");
        process::exit(0);
    });
}
