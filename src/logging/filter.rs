//! What is logged: a level for everything, or for parts of the program.

use std::env;

use tracing_subscriber::{EnvFilter, filter::LevelFilter};

/// What a filter may be, for people.
pub(crate) const EXPECTED: &str =
    "a level (`off`, `error`, `warn`, `info`, `debug` or `trace`) or some `TARGET=LEVEL` with commas between";

const VARIABLE: &str = "RUST_LOG";

/// Reads a filter. Stricter than [`EnvFilter`], to which a level that is misspelled is the name of a target.
pub(crate) fn parse(text: &str) -> Option<EnvFilter> {
    let is_level = |level: &str| !level.is_empty() && level.parse::<LevelFilter>().is_ok();
    let is_right = |part: &str| match part.rsplit_once('=') {
        Some((target, level)) => !target.is_empty() && is_level(level),
        None => is_level(part),
    };
    // The fields of a span have commas between, too.
    let has_spans = text.contains('[');
    if text.is_empty() || !(has_spans || text.split(',').all(is_right)) {
        return None;
    }
    EnvFilter::try_new(text).ok()
}

/// The filter that holds: that of the environment, or else the default one.
pub(super) fn of_environment(default: &str) -> Result<EnvFilter, String> {
    let given = env::var_os(VARIABLE).map(|text| text.to_string_lossy().into_owned());
    let (name, text) = match given.as_deref() {
        Some(text) if !text.is_empty() => (VARIABLE, text),
        _ => ("log.level", default),
    };
    parse(text).ok_or_else(|| format!("{name}: expected {EXPECTED}, found `{text}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_levels_and_nothing_else() {
        for right in
            ["info", "WARN", "off", "info,actix_server=warn", "a::b=trace,c=off", "info,a[b{c=1}]=debug"]
        {
            assert!(parse(right).is_some(), "{right}");
        }
        for wrong in [
            "",
            "inf",
            "headwater_api",
            "info,actix_server",
            "info,a=wran",
            "=info",
            "a=",
            "info;debug",
            "a=info, b=off",
            "[",
        ] {
            assert!(parse(wrong).is_none(), "{wrong}");
        }
    }
}
