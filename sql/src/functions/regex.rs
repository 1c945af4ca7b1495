//! Functions of regular expressions.

use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use datafusion::{
    common::{Result, exec_datafusion_err},
    logical_expr::ScalarUDF,
};
use regex::Regex;

use super::udf::{Args, Builtin, Kind, Values, a_boolean, a_string, an_int};

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    use Kind::{Int, Text};
    vec![
        Builtin::new("REGEXP", &[Text, Text], a_boolean, matches).alias(&["REGEXP_LIKE"]).udf(),
        Builtin::new("REGEXP_EXTRACT", &[Text, Text], a_string, extract).optional(&[Int]).udf(),
        Builtin::new("REGEXP_REPLACE", &[Text, Text, Text], a_string, replace).udf(),
        Builtin::new("REGEXP_COUNT", &[Text, Text], an_int, count).udf(),
        Builtin::new("REGEXP_SUBSTR", &[Text, Text], a_string, |args| captured(args, |_| Some(0))).udf(),
        Builtin::new("REGEXP_INSTR", &[Text, Text], an_int, instr).udf(),
    ]
}

/// The expression of each row; mostly it is one for all.
struct Expressions<'a> {
    texts: Values<'a, StringArray>,
    last: Option<(&'a str, Regex)>,
}

impl<'a> Expressions<'a> {
    fn of(args: &'a Args, n: usize) -> Result<Self> {
        Ok(Self { texts: args.text(n)?, last: None })
    }

    fn get(&mut self, row: usize) -> Result<Option<&Regex>> {
        let Some(text) = self.texts.get(row) else { return Ok(None) };
        if self.last.as_ref().is_none_or(|(last, _)| *last != text) {
            let regex = Regex::new(text)
                .map_err(|error| exec_datafusion_err!("wrong regular expression `{text}`: {error}"))?;
            self.last = Some((text, regex));
        }
        Ok(self.last.as_ref().map(|(_, regex)| regex))
    }
}

fn matches(args: &Args) -> Result<ArrayRef> {
    let texts = args.text(0)?;
    let mut expressions = Expressions::of(args, 1)?;
    args.bools(|row| Ok(texts.get(row).zip(expressions.get(row)?).map(|(text, regex)| regex.is_match(text))))
}

fn extract(args: &Args) -> Result<ArrayRef> {
    let groups = args.optional_int(2)?;
    captured(args, |row| groups.as_ref().map_or(Some(0), |groups| groups.get(row)))
}

/// A group of the first match.
fn captured(args: &Args, group: impl Fn(usize) -> Option<i64>) -> Result<ArrayRef> {
    let texts = args.text(0)?;
    let mut expressions = Expressions::of(args, 1)?;
    let mut locations = None;
    args.parts(|row| {
        let (Some(text), Some(group), Some(regex)) = (texts.get(row), group(row), expressions.get(row)?)
        else {
            return Ok(None);
        };
        let Some(group) = usize::try_from(group).ok().filter(|group| *group < regex.captures_len()) else {
            return Ok(None);
        };
        if group == 0 {
            return Ok(regex.find(text).map(|found| found.as_str()));
        }
        let constant = args.is_constant(1);
        let mut fresh = None;
        let locations = if constant {
            locations.get_or_insert_with(|| regex.capture_locations())
        } else {
            fresh.insert(regex.capture_locations())
        };
        if regex.captures_read(locations, text).is_none() {
            return Ok(None);
        }
        Ok(locations.get(group).map(|(start, end)| &text[start..end]))
    })
}

fn replace(args: &Args) -> Result<ArrayRef> {
    let (texts, replacements) = (args.text(0)?, args.text(2)?);
    let mut expressions = Expressions::of(args, 1)?;
    args.strings(|row, out| {
        let (Some(text), Some(regex), Some(replacement)) =
            (texts.get(row), expressions.get(row)?, replacements.get(row))
        else {
            return Ok(None);
        };
        let replacement = rust_replacement(replacement);
        out.push_str(&regex.replace_all(text, replacement.as_str()));
        Ok(Some(()))
    })
}

/// Java's `$1` and `\$` in a replacement, as the regex crate has them.
fn rust_replacement(java: &str) -> String {
    let mut rust = String::with_capacity(java.len());
    let mut chars = java.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('$') => rust.push_str("$$"),
                Some(escaped) => rust.push(escaped),
                None => rust.push('\\'),
            },
            '$' if chars.peek().is_some_and(char::is_ascii_digit) => {
                rust.push_str("${");
                rust.extend(chars.next());
                rust.push('}');
            }
            '$' if chars.peek() == Some(&'{') => rust.push('$'),
            '$' => rust.push_str("$$"),
            c => rust.push(c),
        }
    }
    rust
}

fn count(args: &Args) -> Result<ArrayRef> {
    let texts = args.text(0)?;
    let mut expressions = Expressions::of(args, 1)?;
    args.ints(|row| {
        Ok(texts
            .get(row)
            .zip(expressions.get(row)?)
            .map(|(text, regex)| regex.find_iter(text).count() as i64))
    })
}

fn instr(args: &Args) -> Result<ArrayRef> {
    let texts = args.text(0)?;
    let mut expressions = Expressions::of(args, 1)?;
    args.ints(|row| {
        let Some((text, regex)) = texts.get(row).zip(expressions.get(row)?) else { return Ok(None) };
        Ok(Some(regex.find(text).map_or(0, |found| text[..found.start()].chars().count() as i64 + 1)))
    })
}
