//! Logging, set up once per process. Everything is logged through `tracing`; one layer ([`capture`]) makes a line of each event,
//! with what the spans around it say, and without secrets. Lines go to standard error, for people or as JSON
//! ([`render`]); to a book in memory that REST reads; and, for a server, to files in its data folder ([`files`]).

mod capture;
mod files;
pub(crate) mod filter;
pub(crate) mod render;

use std::{
    backtrace::{Backtrace, BacktraceStatus},
    io::{self, IsTerminal, Write},
    panic::{self, PanicHookInfo},
    sync::{Arc, OnceLock},
    thread,
};

use headwater_api::{LogBook, dto::LogLine};
use headwater_core::{secret::hide, supervision::panic_message};
use tracing_subscriber::{layer::SubscriberExt, util::SubscriberInitExt};

use self::capture::Capture;
pub(crate) use self::files::LogFiles;

/// How lines look on standard error.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Format {
    /// For people.
    #[default]
    Text,
    /// A JSON object each, as REST shows it.
    Json,
}

/// The one book of this process.
static BOOK: OnceLock<Arc<LogBook>> = OnceLock::new();

/// Begins to log. `RUST_LOG` sets what is logged, or else `default_level`; what is wrong with it is an error. A second call in one
/// process keeps the first one's logging.
pub(crate) fn init(default_level: &str, format: Format) -> Result<(), String> {
    let filter = filter::of_environment(default_level)?;
    let is_colored = format == Format::Text && io::stderr().is_terminal();
    let show = move |line: &LogLine| {
        let text = match format {
            Format::Text => render::text(line, is_colored),
            Format::Json => render::json(line),
        };
        // There is nobody to tell.
        let _ = io::stderr().lock().write_all(text.as_bytes());
    };
    let is_first =
        tracing_subscriber::registry().with(filter).with(Capture::new(book(), show)).try_init().is_ok();
    if is_first {
        panic::set_hook(Box::new(log_panic));
    }
    Ok(())
}

/// What a panic says is logged as everything else, where it has no secrets; if nothing is logged, it is on standard error.
fn log_panic(info: &PanicHookInfo<'_>) {
    if !tracing::enabled!(tracing::Level::ERROR) {
        eprintln!("{}", hide(&info.to_string()));
        return;
    }
    let message = panic_message(info.payload());
    let location = info.location().map(ToString::to_string);
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
    tracing::error!(location, backtrace, thread = thread::current().name(), "panicked: {message}");
}

/// The newest lines of this process's log.
pub(crate) fn book() -> Arc<LogBook> {
    BOOK.get_or_init(Arc::default).clone()
}
