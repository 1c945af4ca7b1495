//! Paths into JSON, `$.a[0].b`, with `lax` or `strict` before them.

use super::scan::{Kind, Value};

#[derive(Debug, Clone, PartialEq)]
enum Step {
    Member(String),
    Element(usize),
    Members,
    Elements,
}

/// A path that has been read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Path {
    pub(super) strict: bool,
    steps: Vec<Step>,
}

/// What a path leads to.
pub(super) enum Found<'a> {
    /// Nothing; it is wrong if the path is strict.
    Nothing,
    One(Value<'a>),
    /// What a path with `*` leads to: an array of these.
    Many(Vec<Value<'a>>),
}

impl Path {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let wrong = |what: &str| format!("wrong JSON path `{text}`: {what}");
        let trimmed = text.trim();
        let mode = |name: &str| {
            let start = trimmed.get(..name.len()).filter(|start| start.eq_ignore_ascii_case(name))?;
            trimmed.get(start.len()..).filter(|rest| rest.starts_with([' ', '\t', '$']))
        };
        let (strict, rest) = match (mode("strict"), mode("lax")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => (false, trimmed),
        };
        let mut rest =
            rest.trim_start().strip_prefix('$').ok_or_else(|| wrong("expected `$` at its begin"))?;
        let mut steps = Vec::new();
        while !rest.is_empty() {
            if let Some(name) = rest.strip_prefix('.') {
                if name.starts_with('.') {
                    return Err(wrong("`..` is not supported"));
                }
                if name.starts_with('[') {
                    rest = name;
                    continue;
                }
                let end = name.find(['.', '[']).unwrap_or(name.len());
                steps.push(match name[..end].trim() {
                    "" => return Err(wrong("expected a name behind `.`")),
                    "*" => Step::Members,
                    function if function.contains('(') => return Err(wrong("functions are not supported")),
                    member => Step::Member(member.to_owned()),
                });
                rest = &name[end..];
                continue;
            }
            let inner = rest.strip_prefix('[').ok_or_else(|| wrong("expected `.` or `[`"))?.trim_start();
            let quote = inner.chars().next().filter(|c| matches!(c, '\'' | '"'));
            let (step, behind) = match quote {
                Some(quote) => {
                    let end = inner[1..].find(quote).ok_or_else(|| wrong("a quote has no end"))?;
                    (Step::Member(inner[1..=end].to_owned()), &inner[end + 2..])
                }
                None => {
                    let end = inner.find(']').ok_or_else(|| wrong("a `[` has no `]`"))?;
                    let step = match inner[..end].trim() {
                        "*" => Step::Elements,
                        index => Step::Element(
                            index.parse().map_err(|_| wrong("expected an index or `*` in `[…]`"))?,
                        ),
                    };
                    (step, &inner[end..])
                }
            };
            steps.push(step);
            rest = behind.trim_start().strip_prefix(']').ok_or_else(|| wrong("a `[` has no `]`"))?;
        }
        Ok(Self { strict, steps })
    }

    pub(super) fn find<'a>(&self, root: Value<'a>) -> Found<'a> {
        let mut many = false;
        let mut found = vec![root];
        for step in &self.steps {
            let mut next = Vec::new();
            for value in found {
                match step {
                    Step::Member(name) => next.extend(value.member(name)),
                    Step::Element(index) if value.kind == Kind::Array => {
                        next.extend(value.children().get(*index).map(|(_, element)| *element));
                    }
                    Step::Members if value.kind == Kind::Object => {
                        next.extend(value.children().iter().map(|(_, v)| *v))
                    }
                    Step::Elements if value.kind == Kind::Array => {
                        next.extend(value.children().iter().map(|(_, v)| *v))
                    }
                    _ => {}
                }
            }
            many |= matches!(step, Step::Members | Step::Elements);
            found = next;
        }
        match (many, found.as_slice()) {
            (true, _) => Found::Many(found),
            (false, [value]) => Found::One(*value),
            (false, _) => Found::Nothing,
        }
    }
}
