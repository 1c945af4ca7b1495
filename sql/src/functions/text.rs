//! Functions of strings.

use std::sync::Arc;

use arrow::{array::ArrayRef, datatypes::DataType};
use datafusion::{
    common::{Result, exec_err},
    logical_expr::ScalarUDF,
};

use super::udf::{Args, Builtin, Kind, a_bigint, a_boolean, a_string, an_int};

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    use Kind::{Any, Int, Text};
    vec![
        Builtin::new("SPLIT_INDEX", &[Text, Any, Int], a_string, split_index).udf(),
        Builtin::new("CHAR_LENGTH", &[Text], an_int, char_length)
            .alias(&["CHARACTER_LENGTH", "LENGTH"])
            .udf(),
        Builtin::new("COUNT_CHAR", &[Text, Text], a_bigint, count_char).udf(),
        Builtin::new("CONCAT", &[], a_string, concat).rest(Text).udf(),
        Builtin::new("CONCAT_WS", &[Text], a_string, concat_ws).rest(Text).udf(),
        Builtin::new("SUBSTRING", &[Text, Int], a_string, substring)
            .optional(&[Int])
            .alias(&["SUBSTR"])
            .udf(),
        Builtin::new("LEFT", &[Text, Int], a_string, |args| side(args, true)).udf(),
        Builtin::new("RIGHT", &[Text, Int], a_string, |args| side(args, false)).udf(),
        Builtin::new("POSITION", &[Text, Text], an_int, |args| position(args, 1, 0)).udf(),
        Builtin::new("INSTR", &[Text, Text], an_int, instr).optional(&[Int, Int]).udf(),
        Builtin::new("LOCATE", &[Text, Text], an_int, |args| position(args, 1, 0)).optional(&[Int]).udf(),
        Builtin::new("ASCII", &[Text], an_int, ascii).udf(),
        Builtin::new("CHR", &[Int], a_string, chr).udf(),
        Builtin::new("IS_ALPHA", &[Text], a_boolean, |args| all(args, char::is_alphabetic)).udf(),
        Builtin::new("IS_DIGIT", &[Text], a_boolean, |args| all(args, |c| c.is_ascii_digit())).udf(),
        Builtin::new("IS_DECIMAL", &[Text], a_boolean, is_decimal).udf(),
        Builtin::new("STARTSWITH", &[Text, Text], a_boolean, |args| {
            edges(args, |text, edge| text.starts_with(edge))
        })
        .udf(),
        Builtin::new("ENDSWITH", &[Text, Text], a_boolean, |args| {
            edges(args, |text, edge| text.ends_with(edge))
        })
        .udf(),
    ]
}

/// `SPLIT_INDEX(text, separator, n)`: the n-th part, counted from 0; the separator may be a character's number.
fn split_index(args: &Args) -> Result<ArrayRef> {
    let (texts, indices) = (args.text(0)?, args.int(2)?);
    let numbers;
    let separator: Box<dyn Fn(usize) -> Option<String>> = match args.raw(1).data_type() {
        DataType::Utf8 => {
            let separators = args.text(1)?;
            if let Some(separator) = separators.constant() {
                let Some(separator) = separator.filter(|separator| !separator.is_empty()) else {
                    return args.parts(|_| Ok(None));
                };
                return split_at(args, separator);
            }
            Box::new(move |row| separators.get(row).map(str::to_owned))
        }
        data_type if data_type.is_integer() => {
            numbers = arrow::compute::cast(&args.array(1)?, &DataType::Int64)?;
            let numbers = arrow::array::AsArray::as_primitive::<arrow::datatypes::Int64Type>(&numbers);
            Box::new(move |row| {
                let valid = arrow::array::Array::is_valid(numbers, row);
                let code = if valid { u8::try_from(numbers.value(row)).ok()? } else { return None };
                Some(char::from(code).to_string())
            })
        }
        other => return exec_err!("argument 2 of SPLIT_INDEX has to be a STRING or INT, found {other}"),
    };
    args.parts(|row| {
        let (Some(text), Some(separator), Some(index)) = (texts.get(row), separator(row), indices.get(row))
        else {
            return Ok(None);
        };
        let index = usize::try_from(index).ok().filter(|_| !separator.is_empty());
        Ok(index.and_then(|index| text.split(separator.as_str()).nth(index)))
    })
}

fn split_at(args: &Args, separator: &str) -> Result<ArrayRef> {
    let (texts, indices) = (args.text(0)?, args.int(2)?);
    let finder = memchr::memmem::Finder::new(separator);
    args.parts(|row| {
        let (Some(text), Some(index)) = (texts.get(row), indices.get(row)) else { return Ok(None) };
        let Ok(index) = usize::try_from(index) else { return Ok(None) };
        Ok(match separator.as_bytes() {
            [byte] => nth_part(text, memchr::memchr_iter(*byte, text.as_bytes()), 1, index),
            _ => nth_part(text, finder.find_iter(text.as_bytes()), separator.len(), index),
        })
    })
}

/// A part of a text whose separators are at these places.
#[inline]
fn nth_part(
    text: &str,
    separators: impl Iterator<Item = usize>,
    separator_bytes: usize,
    mut index: usize,
) -> Option<&str> {
    let mut start = 0;
    for found in separators {
        if index == 0 {
            return Some(&text[start..found]);
        }
        index -= 1;
        start = found + separator_bytes;
    }
    (index == 0).then(|| &text[start..])
}

pub(super) fn characters(text: &str) -> i64 {
    // A text's length fits.
    if text.is_ascii() { text.len() as i64 } else { text.chars().count() as i64 }
}

fn char_length(args: &Args) -> Result<ArrayRef> {
    let texts = args.text(0)?;
    args.ints(|row| Ok(texts.get(row).map(characters)))
}

/// Nexmark's `count_char(text, c)`: how often a character is there.
fn count_char(args: &Args) -> Result<ArrayRef> {
    let (texts, wanted) = (args.text(0)?, args.text(1)?);
    args.ints(|row| {
        let (Some(text), Some(wanted)) = (texts.get(row), wanted.get(row)) else { return Ok(None) };
        Ok(Some(match wanted.as_bytes() {
            [byte] => memchr::memchr_iter(*byte, text.as_bytes()).count() as i64,
            _ => match wanted.chars().next() {
                Some(first) => text.chars().filter(|c| *c == first).count() as i64,
                None => 0,
            },
        }))
    })
}

fn concat(args: &Args) -> Result<ArrayRef> {
    let texts = (0..args.len()).map(|n| args.text(n)).collect::<Result<Vec<_>>>()?;
    args.strings(|row, out| {
        for text in &texts {
            let Some(text) = text.get(row) else { return Ok(None) };
            out.push_str(text);
        }
        Ok(Some(()))
    })
}

/// Nulls are left out.
fn concat_ws(args: &Args) -> Result<ArrayRef> {
    let texts = (0..args.len()).map(|n| args.text(n)).collect::<Result<Vec<_>>>()?;
    args.strings(|row, out| {
        let Some(separator) = texts[0].get(row) else { return Ok(None) };
        for (n, text) in texts[1..].iter().filter_map(|text| text.get(row)).enumerate() {
            if n > 0 {
                out.push_str(separator);
            }
            out.push_str(text);
        }
        Ok(Some(()))
    })
}

/// The part of a text from a character on, counted from 0, at most so many.
pub(super) fn slice(text: &str, start: usize, count: usize) -> &str {
    if text.is_ascii() {
        let start = start.min(text.len());
        return &text[start..text.len().min(start.saturating_add(count))];
    }
    let byte = |text: &str, n: usize| text.char_indices().nth(n).map_or(text.len(), |(at, _)| at);
    let rest = &text[byte(text, start)..];
    &rest[..byte(rest, count)]
}

/// Positions count from 1, or from the end if they are negative.
fn substring(args: &Args) -> Result<ArrayRef> {
    let (texts, positions, lengths) = (args.text(0)?, args.int(1)?, args.optional_int(2)?);
    args.parts(|row| {
        let (Some(text), Some(position)) = (texts.get(row), positions.get(row)) else { return Ok(None) };
        let length = match &lengths {
            None => usize::MAX,
            Some(lengths) => match lengths.get(row).map(usize::try_from) {
                Some(Ok(length)) => length,
                _ => return Ok(None),
            },
        };
        let start = match position {
            1.. => position - 1,
            0 => 0,
            _ => characters(text) + position,
        };
        Ok(Some(usize::try_from(start).map_or("", |start| slice(text, start, length))))
    })
}

fn side(args: &Args, left: bool) -> Result<ArrayRef> {
    let (texts, lengths) = (args.text(0)?, args.int(1)?);
    args.parts(|row| {
        let (Some(text), Some(length)) = (texts.get(row), lengths.get(row)) else { return Ok(None) };
        let length = usize::try_from(length).unwrap_or(0);
        let all = characters(text) as usize;
        let start = if left { 0 } else { all.saturating_sub(length) };
        Ok(Some(slice(text, start, length)))
    })
}

/// Where one text is in another, from a position on, all counted from 1; 0 if nowhere.
fn find(text: &str, wanted: &str, from: i64, mut occurrence: i64) -> i64 {
    if from < 1 || occurrence < 1 {
        return 0;
    }
    let from = from as usize - 1;
    if from as i64 > characters(text) {
        return 0;
    }
    let mut start = text.len() - slice(text, from, usize::MAX).len();
    while let Some(at) = text[start..].find(wanted) {
        let at = start + at;
        occurrence -= 1;
        if occurrence == 0 {
            return characters(&text[..at]) + 1;
        }
        let Some(next) = text[at..].chars().next() else { return 0 };
        start = at + next.len_utf8();
    }
    0
}

fn position(args: &Args, text: usize, wanted: usize) -> Result<ArrayRef> {
    let (texts, wanted, from) = (args.text(text)?, args.text(wanted)?, args.optional_int(2)?);
    args.ints(|row| {
        let from = match &from {
            None => 1,
            Some(from) => match from.get(row) {
                Some(from) => from,
                None => return Ok(None),
            },
        };
        Ok(texts.get(row).zip(wanted.get(row)).map(|(text, wanted)| find(text, wanted, from, 1)))
    })
}

fn instr(args: &Args) -> Result<ArrayRef> {
    let (texts, wanted) = (args.text(0)?, args.text(1)?);
    let (from, occurrence) = (args.optional_int(2)?, args.optional_int(3)?);
    args.ints(|row| {
        let from = from.as_ref().map_or(Some(1), |from| from.get(row));
        let occurrence = occurrence.as_ref().map_or(Some(1), |occurrence| occurrence.get(row));
        let (Some(text), Some(wanted), Some(from), Some(occurrence)) =
            (texts.get(row), wanted.get(row), from, occurrence)
        else {
            return Ok(None);
        };
        Ok(Some(find(text, wanted, from, occurrence)))
    })
}

fn ascii(args: &Args) -> Result<ArrayRef> {
    let texts = args.text(0)?;
    args.ints(|row| {
        Ok(texts.get(row).map(|text| text.bytes().next().map_or(0, |byte| i64::from(byte as i8))))
    })
}

/// The character of a number, modulo 256; none of a negative one.
fn chr(args: &Args) -> Result<ArrayRef> {
    let numbers = args.int(0)?;
    args.strings(|row, out| {
        let Some(number) = numbers.get(row) else { return Ok(None) };
        if number >= 0 {
            out.push(char::from((number % 256) as u8));
        }
        Ok(Some(()))
    })
}

fn all(args: &Args, right: fn(char) -> bool) -> Result<ArrayRef> {
    let texts = args.text(0)?;
    args.bools(|row| Ok(Some(texts.get(row).is_some_and(|text| !text.is_empty() && text.chars().all(right)))))
}

fn is_decimal(args: &Args) -> Result<ArrayRef> {
    let texts = args.text(0)?;
    args.bools(|row| {
        let Some(text) = texts.get(row) else { return Ok(Some(false)) };
        let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
        let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        Ok(Some(digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty())))
    })
}

fn edges(args: &Args, right: fn(&str, &str) -> bool) -> Result<ArrayRef> {
    let (texts, edges) = (args.text(0)?, args.text(1)?);
    args.bools(|row| Ok(texts.get(row).zip(edges.get(row)).map(|(text, edge)| right(text, edge))))
}
