//! Logging, set up once per process. Everything is logged through `tracing`; one layer ([`capture`]) makes a line of each event,
//! with what the spans around it say, and without secrets. Lines go to standard error, for people or as JSON
//! ([`render`]); to a book in memory that REST reads; and, for a server, to files in its data folder ([`files`]).

mod capture;
mod files;
pub(crate) mod render;

use std::{
    io::{self, IsTerminal, Write},
    sync::{Arc, OnceLock},
};

use headwater_api::{LogBook, dto::LogLine};
use tracing_subscriber::{EnvFilter, layer::SubscriberExt, util::SubscriberInitExt};

use self::capture::Capture;
pub(crate) use self::files::{LogFiles, LogFilesOptions};

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

/// Begins to log. `RUST_LOG` sets what is logged, or else `default_level`. A second call in one process keeps the first one's
/// logging.
pub(crate) fn init(default_level: &str, format: Format) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default_level));
    let is_colored = format == Format::Text && io::stderr().is_terminal();
    let show = move |line: &LogLine| {
        let text = match format {
            Format::Text => render::text(line, is_colored),
            Format::Json => render::json(line),
        };
        // There is nobody to tell.
        let _ = io::stderr().lock().write_all(text.as_bytes());
    };
    let _ = tracing_subscriber::registry().with(filter).with(Capture::new(book(), show)).try_init();
}

/// The newest lines of this process's log.
pub(crate) fn book() -> Arc<LogBook> {
    BOOK.get_or_init(Arc::default).clone()
}
