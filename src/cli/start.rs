//! `headwater start`: the server.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    process::{self, ExitCode},
    sync::Arc,
    thread,
    time::Duration,
};

use anyhow::Context;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use headwater_stream::ProgramRegistry;

use crate::{
    logging::{self, LogFiles, LogFilesOptions},
    server::{Server, ServerOptions, default_slots},
    telemetry::{Endpoint, Telemetry},
};

/// How long an end waits for what still blocks, such as a write to a disk that does not answer. Longer than for slots, so that
/// all databases are closed by then that can be.
const EXIT_DEADLINE: Duration = Duration::from_secs(10);

pub(super) fn command() -> Command {
    Command::new("start")
        .about("Start a server: control plane, worker, REST and the web page")
        .arg(
            Arg::new("data-dir")
                .long("data-dir")
                .value_name("DIR")
                .value_parser(value_parser!(PathBuf))
                .default_value("headwater-data")
                .help("folder for jobs, checkpoints, state and journals"),
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
                .default_value("8081")
                .help("port to serve REST and the page on; 0 is any free one"),
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
        .arg(
            Arg::new("log-format")
                .long("log-format")
                .value_parser(["text", "json"])
                .default_value("text")
                .help("how the log is written to standard error"),
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
}

pub(super) fn start(args: &ArgMatches, programs: ProgramRegistry) -> anyhow::Result<ExitCode> {
    let format = match args.get_one::<String>("log-format").map(String::as_str) {
        Some("json") => logging::Format::Json,
        _ => logging::Format::Text,
    };
    logging::init("info,actix_server=warn", format);
    let ip = args.get_one::<IpAddr>("bind").copied().unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let port = *args.get_one::<u16>("port").expect("has a default");
    let options = ServerOptions {
        data_dir: args.get_one::<PathBuf>("data-dir").expect("has a default").clone(),
        bind: SocketAddr::new(ip, port),
        slots: args.get_one::<u16>("slots").map_or_else(default_slots, |slots| usize::from(*slots)),
        chaos: args.get_flag("chaos"),
        redact: Default::default(),
    };
    let log_dir =
        args.get_one::<PathBuf>("log-dir").cloned().unwrap_or_else(|| options.data_dir.join("logs"));
    let collector = args.get_one::<Endpoint>("otel-endpoint");
    actix::System::new().block_on(serve(options, log_dir, collector, programs))?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(
    options: ServerOptions,
    log_dir: PathBuf,
    collector: Option<&Endpoint>,
    programs: ProgramRegistry,
) -> anyhow::Result<()> {
    let data_dir = options.data_dir.clone();
    let server = Server::start(options, Arc::new(programs)).await?;
    // Not before the data folder is ours: another process's log is not to be mixed with this one's.
    let log_files = log_files(log_dir);
    let telemetry =
        collector.map(|endpoint| Telemetry::start(endpoint, logging::book(), server.dispatcher.clone()));
    let _telemetry = telemetry.transpose().context("cannot start a thread")?;
    // Scripts wait for this line to learn the port.
    println!("headwater is listening on http://{}/, data in {}", server.address, data_dir.display());
    super::stop_signal().await;
    tracing::info!("stopping; running jobs go on with the next start on the same data folder");
    server.stop().await;
    if let Some(files) = log_files {
        files.flush();
    }
    exit_at_deadline();
    Ok(())
}

/// A server without its log in files is better than none.
fn log_files(folder: PathBuf) -> Option<LogFiles> {
    let shown = folder.display().to_string();
    match LogFiles::open(logging::book(), LogFilesOptions::in_folder(folder)) {
        Ok(files) => Some(files),
        Err(error) => {
            tracing::warn!(folder = shown, %error, "the log is not written to files");
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
