//! From events to lines.

use std::{collections::BTreeMap, fmt, sync::Arc};

use headwater_api::{LogBook, NewLine, dto::LogLine};
use headwater_core::{
    secret::{HIDDEN, hide, is_secret},
    time::{Clock, SystemClock},
};
use serde_json::Value;
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{Layer, layer::Context, registry::LookupSpan};

/// The field that says whose line it is, of the event or of a span around it.
const JOB: &str = "job";
const MESSAGE: &str = "message";

/// Makes a line of each event, adds it to the book and shows it.
pub(super) struct Capture<F> {
    book: Arc<LogBook>,
    show: F,
}

impl<F: Fn(&LogLine)> Capture<F> {
    pub(super) fn new(book: Arc<LogBook>, show: F) -> Self {
        Self { book, show }
    }
}

/// What a span or an event says, without secrets.
#[derive(Default)]
struct Fields(BTreeMap<String, Value>);

impl Fields {
    fn set(&mut self, field: &Field, value: Value) {
        let shown = match value {
            _ if is_secret(field.name()) => Value::from(HIDDEN),
            Value::String(text) => Value::from(hide(&text)),
            other => other,
        };
        self.0.insert(field.name().to_owned(), shown);
    }

    fn take_text(&mut self, name: &str) -> Option<String> {
        match self.0.remove(name)? {
            Value::String(text) => Some(text),
            other => Some(other.to_string()),
        }
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field, Value::from(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, Value::from(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, Value::from(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, Value::from(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, Value::from(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set(field, Value::from(format!("{value:?}")));
    }
}

impl<S, F> Layer<S> for Capture<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    F: Fn(&LogLine) + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        // From the outermost span inwards: what is nearer to the event holds.
        for span in context.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(of_span) = span.extensions().get::<Fields>() {
                fields.0.extend(of_span.0.clone());
            }
        }
        event.record(&mut fields);
        let line = NewLine {
            at_ms: SystemClock.now_ms(),
            level: name_of(*event.metadata().level()),
            target: event.metadata().target().to_owned(),
            message: fields.take_text(MESSAGE).unwrap_or_default(),
            job: fields.take_text(JOB),
            fields: fields.0,
        };
        (self.show)(&self.book.append(line));
    }
}

fn name_of(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

#[cfg(test)]
mod tests {
    use headwater_api::LogFilter;
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    fn lines_of(log: impl FnOnce()) -> Vec<LogLine> {
        let book = Arc::<LogBook>::default();
        let subscriber = tracing_subscriber::registry().with(Capture::new(book.clone(), |_| ()));
        tracing::subscriber::with_default(subscriber, log);
        book.read(&LogFilter::default(), None, 100).0
    }

    #[test]
    fn a_line_belongs_to_the_job_that_the_span_around_it_names() {
        let lines = lines_of(|| {
            let span = tracing::info_span!("task", job = %"j1", subtask = %"v0-1", attempt = 2u32);
            span.in_scope(|| tracing::warn!(retry_in_ms = 50, "no connection to {}", "db"));
            tracing::error!(job = %"j2", "the job fails");
            tracing::info!("of nobody");
        });
        assert_eq!((lines[0].level.as_str(), lines[0].message.as_str()), ("warn", "no connection to db"));
        assert_eq!(lines[0].job.as_deref(), Some("j1"));
        let expected =
            [("attempt", Value::from(2)), ("retry_in_ms", Value::from(50)), ("subtask", Value::from("v0-1"))];
        assert_eq!(lines[0].fields, expected.map(|(name, value)| (name.to_owned(), value)).into());
        assert_eq!((lines[1].job.as_deref(), lines[2].job.as_deref()), (Some("j2"), None));
        assert!(lines[0].target.contains("capture"));
    }

    #[test]
    fn secrets_are_not_in_lines() {
        let lines = lines_of(|| {
            tracing::info_span!("login", api_key = "s3cr3t").in_scope(|| {
                tracing::info!(access_token = "s3cr3t", "WITH ('password' = 's3cr3t')");
                tracing::info!(script = "WITH ('password' = 's3cr3t')");
            });
        });
        assert!(!format!("{lines:?}").contains("s3cr3t"), "{lines:?}");
        assert_eq!(lines[0].message, "WITH ('password' = '******')");
    }
}
