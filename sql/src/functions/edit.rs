//! Functions that make strings of strings: longer, shorter, or with other characters.

use std::sync::Arc;

use arrow::array::ArrayRef;
use datafusion::{
    common::{Result, exec_err},
    logical_expr::ScalarUDF,
};

use super::{
    text::{characters, slice},
    udf::{Args, Builtin, Kind, a_string},
};

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    use Kind::{Int, Text};
    vec![
        Builtin::new("LPAD", &[Text, Int, Text], a_string, |args| pad(args, true)).udf(),
        Builtin::new("RPAD", &[Text, Int, Text], a_string, |args| pad(args, false)).udf(),
        Builtin::new("REPEAT", &[Text, Int], a_string, repeat).udf(),
        Builtin::new("REVERSE", &[Text], a_string, reverse).udf(),
        Builtin::new("INITCAP", &[Text], a_string, initcap).udf(),
        Builtin::new("OVERLAY", &[Text, Text, Int], a_string, overlay).optional(&[Int]).udf(),
        Builtin::new("REPLACE", &[Text, Text, Text], a_string, replace).udf(),
        Builtin::new("TRANSLATE", &[Text, Text, Text], a_string, translate).alias(&["TRANSLATE3"]).udf(),
        Builtin::new("BTRIM", &[Text], a_string, |args| trim(args, true, true)).optional(&[Text]).udf(),
        Builtin::new("LTRIM", &[Text], a_string, |args| trim(args, true, false)).optional(&[Text]).udf(),
        Builtin::new("RTRIM", &[Text], a_string, |args| trim(args, false, true)).optional(&[Text]).udf(),
    ]
}

/// How long a text may be made.
const LENGTH_MAX: usize = 64 << 20;

fn pad(args: &Args, left: bool) -> Result<ArrayRef> {
    let (texts, lengths, pads) = (args.text(0)?, args.int(1)?, args.text(2)?);
    args.strings(|row, out| {
        let (Some(text), Some(length), Some(pad)) = (texts.get(row), lengths.get(row), pads.get(row)) else {
            return Ok(None);
        };
        let Ok(length) = usize::try_from(length) else { return Ok(None) };
        if length > LENGTH_MAX {
            return exec_err!("expected a length of at most {LENGTH_MAX} characters, found {length}");
        }
        let missing = length.saturating_sub(characters(text) as usize);
        if missing > 0 && pad.is_empty() {
            return Ok(None);
        }
        let filling = pad.chars().cycle().take(missing);
        if left {
            out.extend(filling);
            out.push_str(slice(text, 0, length));
        } else {
            out.push_str(slice(text, 0, length));
            out.extend(filling);
        }
        Ok(Some(()))
    })
}

fn repeat(args: &Args) -> Result<ArrayRef> {
    let (texts, times) = (args.text(0)?, args.int(1)?);
    args.strings(|row, out| {
        let (Some(text), Some(times)) = (texts.get(row), times.get(row)) else { return Ok(None) };
        let times = usize::try_from(times).unwrap_or(0);
        if text.len().saturating_mul(times) > LENGTH_MAX {
            return exec_err!("expected REPEAT to give at most {LENGTH_MAX} bytes");
        }
        (0..times).for_each(|_| out.push_str(text));
        Ok(Some(()))
    })
}

fn reverse(args: &Args) -> Result<ArrayRef> {
    let texts = args.text(0)?;
    args.strings(|row, out| Ok(texts.get(row).map(|text| out.extend(text.chars().rev()))))
}

fn initcap(args: &Args) -> Result<ArrayRef> {
    let texts = args.text(0)?;
    args.strings(|row, out| {
        let Some(text) = texts.get(row) else { return Ok(None) };
        let mut within = false;
        for c in text.chars() {
            if within {
                out.extend(c.to_lowercase());
            } else {
                out.extend(c.to_uppercase());
            }
            within = c.is_alphanumeric();
        }
        Ok(Some(()))
    })
}

fn overlay(args: &Args) -> Result<ArrayRef> {
    let (texts, others, starts, lengths) =
        (args.text(0)?, args.text(1)?, args.int(2)?, args.optional_int(3)?);
    args.strings(|row, out| {
        let (Some(text), Some(other), Some(start)) = (texts.get(row), others.get(row), starts.get(row))
        else {
            return Ok(None);
        };
        let length = match &lengths {
            None => characters(other),
            Some(lengths) => match lengths.get(row) {
                Some(length) => length,
                None => return Ok(None),
            },
        };
        let all = characters(text);
        // Outside of the text nothing is replaced.
        if start < 1 || start > all {
            out.push_str(text);
            return Ok(Some(()));
        }
        out.push_str(slice(text, 0, start as usize - 1));
        out.push_str(other);
        let end = usize::try_from(start - 1 + length.max(0)).unwrap_or(usize::MAX);
        out.push_str(slice(text, end, usize::MAX));
        Ok(Some(()))
    })
}

fn replace(args: &Args) -> Result<ArrayRef> {
    let (texts, from, to) = (args.text(0)?, args.text(1)?, args.text(2)?);
    args.strings(|row, out| {
        let (Some(text), Some(from), Some(to)) = (texts.get(row), from.get(row), to.get(row)) else {
            return Ok(None);
        };
        if from.is_empty() {
            out.push_str(text);
        } else {
            text.split(from).enumerate().for_each(|(n, part)| {
                if n > 0 {
                    out.push_str(to);
                }
                out.push_str(part);
            });
        }
        Ok(Some(()))
    })
}

fn translate(args: &Args) -> Result<ArrayRef> {
    let (texts, from, to) = (args.text(0)?, args.text(1)?, args.text(2)?);
    args.strings(|row, out| {
        let (Some(text), Some(from), Some(to)) = (texts.get(row), from.get(row), to.get(row)) else {
            return Ok(None);
        };
        out.extend(text.chars().filter_map(|c| match from.chars().position(|wanted| wanted == c) {
            Some(n) => to.chars().nth(n),
            None => Some(c),
        }));
        Ok(Some(()))
    })
}

fn trim(args: &Args, left: bool, right: bool) -> Result<ArrayRef> {
    let (texts, sets) = (args.text(0)?, args.optional_text(1)?);
    args.parts(|row| {
        let set = match &sets {
            None => " ",
            Some(sets) => match sets.get(row) {
                Some(set) => set,
                None => return Ok(None),
            },
        };
        let in_set = |c: char| set.contains(c);
        Ok(texts.get(row).map(|text| {
            let text = if left { text.trim_start_matches(in_set) } else { text };
            if right { text.trim_end_matches(in_set) } else { text }
        }))
    })
}
