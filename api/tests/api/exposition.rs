//! A parser of Prometheus' text format, written from its description, not from what writes it here.

use std::collections::{BTreeMap, BTreeSet};

/// One line.
#[derive(Debug, Clone)]
pub struct Sample {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    pub value: f64,
}

/// Reads an exposition, and checks what the format demands: a type before the first sample of each family, families in one
/// piece, valid names, escapes that are known.
pub fn parse(text: &str) -> Vec<Sample> {
    assert!(text.ends_with('\n'), "the last line has no end");
    let mut samples = Vec::new();
    let mut families = BTreeSet::new();
    let mut family = (String::new(), String::new());
    let mut has_help = false;
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix('#') {
            let mut words = comment.trim_start().splitn(3, ' ');
            match (words.next(), words.next(), words.next()) {
                (Some("HELP"), Some(name), Some(help)) => {
                    assert!(families.insert(name.to_owned()), "{name} is there in two pieces");
                    assert!(!help.trim().is_empty(), "{name} has no help");
                    family.0 = name.to_owned();
                    has_help = true;
                }
                (Some("TYPE"), Some(name), Some(kind)) => {
                    assert!(has_help && family.0 == name, "the type of {name} is not behind its help");
                    assert!(["counter", "gauge"].contains(&kind), "{name} is a {kind}");
                    family.1 = kind.to_owned();
                }
                (Some("EOF"), None, None) => {}
                _ => panic!("an unknown comment: {line}"),
            }
            continue;
        }
        let sample = sample(line);
        assert_eq!(sample.name, family.0, "{line}");
        assert_eq!(family.1 == "counter", sample.name.ends_with("_total"), "{line}");
        samples.push(sample);
    }
    samples
}

fn sample(line: &str) -> Sample {
    let end = line.find(['{', ' ']).unwrap();
    let (name, rest) = line.split_at(end);
    assert!(is_name(name), "{name}");
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest),
        None => (BTreeMap::new(), rest),
    };
    let value = rest.strip_prefix(' ').unwrap_or_else(|| panic!("no blank before the value: {line}"));
    let value = value.parse().unwrap_or_else(|_| panic!("`{value}` is no number: {line}"));
    Sample { name: name.to_owned(), labels, value }
}

fn labels(mut rest: &str) -> (BTreeMap<String, String>, &str) {
    let mut labels = BTreeMap::new();
    while !rest.starts_with('}') {
        let (name, value) = rest.split_once("=\"").unwrap();
        assert!(is_name(name) && !name.contains(':'), "{name}");
        let mut text = String::new();
        let mut chars = value.char_indices();
        let end = loop {
            match chars.next().unwrap() {
                (at, '"') => break at + 1,
                (_, '\\') => text.push(match chars.next().unwrap().1 {
                    'n' => '\n',
                    escaped @ ('"' | '\\') => escaped,
                    other => panic!("an unknown escape \\{other}"),
                }),
                (_, plain) => text.push(plain),
            }
        };
        assert!(labels.insert(name.to_owned(), text).is_none(), "label {name} is there twice");
        rest = value[end..].trim_start_matches(',');
    }
    (labels, &rest[1..])
}

fn is_name(name: &str) -> bool {
    let is_in = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    !name.is_empty() && name.chars().all(is_in) && !name.starts_with(|c: char| c.is_ascii_digit())
}
