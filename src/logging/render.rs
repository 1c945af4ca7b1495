//! What a line looks like.

use std::fmt::Write as _;

use chrono::{DateTime, SecondsFormat};
use headwater_api::dto::LogLine;
use serde_json::Value;

/// For people, with a line break at its end.
pub(crate) fn text(line: &LogLine, is_colored: bool) -> String {
    let at = DateTime::from_timestamp_millis(line.at_ms).unwrap_or_default();
    let at = at.to_rfc3339_opts(SecondsFormat::Millis, true);
    let level = line.level.to_uppercase();
    let level = if is_colored {
        format!("\x1b[{}m{level:>5}\x1b[0m", color(&line.level))
    } else {
        format!("{level:>5}")
    };
    let mut text = format!("{at} {level} {}: {}", line.target, printable(&line.message));
    let fields = line.fields.iter().map(|(name, value)| (name.as_str(), shown(value)));
    for (name, value) in fields.chain(line.job.iter().map(|job| ("job", job.clone()))) {
        write!(text, " {name}={value}").expect("a string takes all that is written to it");
    }
    text.push('\n');
    text
}

/// For programs, with a line break at its end.
pub(crate) fn json(line: &LogLine) -> String {
    let mut json = serde_json::to_string(line).expect("a line has string keys and finite numbers only");
    json.push('\n');
    json
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) if !text.is_empty() && !text.contains([' ', '"', '=']) => printable(text),
        other => other.to_string(),
    }
}

/// Line breaks stay; what else would move the cursor or colour the terminal, such as in a record that could not be decoded, is
/// shown as an escape.
pub(crate) fn printable(text: &str) -> String {
    let escaped = |c: char| match c {
        '\n' | '\t' => c.to_string(),
        c if c.is_control() => c.escape_default().to_string(),
        c => c.to_string(),
    };
    text.chars().map(escaped).collect()
}

fn color(level: &str) -> u8 {
    match level {
        "error" => 31,
        "warn" => 33,
        "info" => 32,
        "debug" => 34,
        _ => 35,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> LogLine {
        LogLine {
            seq: 7,
            at_ms: 1_700_000_000_123,
            level: "warn".to_owned(),
            target: "headwater::test".to_owned(),
            message: "bad \x1b[2J line".to_owned(),
            fields: [("cause".to_owned(), "no room".into()), ("n".to_owned(), 3.into())].into(),
            job: Some("abc".to_owned()),
        }
    }

    #[test]
    fn people_see_the_time_the_level_and_all_particulars_and_no_control_characters() {
        let expected = "2023-11-14T22:13:20.123Z  WARN headwater::test: bad \\u{1b}[2J line cause=\"no room\" n=3 job=abc\n";
        assert_eq!(text(&line(), false), expected);
    }

    #[test]
    fn programs_read_back_what_was_logged() {
        let json = json(&line());
        assert_eq!(json.lines().count(), 1);
        assert_eq!(serde_json::from_str::<LogLine>(&json).unwrap(), line());
    }
}
