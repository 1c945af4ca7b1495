//! Hashes, encodings of bytes as text, and URLs.

use std::{fmt::Write, sync::Arc};

use arrow::{
    array::{Array, ArrayRef, AsArray, BinaryBuilder},
    datatypes::DataType,
};
use datafusion::{
    common::{Result, ScalarValue, exec_datafusion_err, exec_err, plan_err},
    logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF},
};

use super::udf::{Args, Builtin, Kind, a_string, bytes};

pub(super) fn functions() -> Vec<Arc<ScalarUDF>> {
    use Kind::{Any, Int, Text, TextOrBytes};
    vec![
        Builtin::new("MD5", &[TextOrBytes], a_string, |args| digest(args, "md5")).udf(),
        Builtin::new("SHA1", &[TextOrBytes], a_string, |args| hex_of(args, |input| sha1(input).to_vec()))
            .udf(),
        Builtin::new("SHA224", &[TextOrBytes], a_string, |args| digest(args, "sha224")).udf(),
        Builtin::new("SHA256", &[TextOrBytes], a_string, |args| digest(args, "sha256")).udf(),
        Builtin::new("SHA384", &[TextOrBytes], a_string, |args| digest(args, "sha384")).udf(),
        Builtin::new("SHA512", &[TextOrBytes], a_string, |args| digest(args, "sha512")).udf(),
        Builtin::new("SHA2", &[TextOrBytes, Int], a_string, sha2).udf(),
        Builtin::new("TO_BASE64", &[TextOrBytes], a_string, to_base64).udf(),
        Builtin::new("FROM_BASE64", &[Text], a_string, from_base64).udf(),
        Builtin::new("ENCODE", &[Text, Text], bytes, encode).udf(),
        Builtin::new("DECODE", &[Kind::TextOrBytes, Text], a_string, decode).udf(),
        Builtin::new("HEX", &[Any], hex_type, hex).udf(),
        Builtin::new("UNHEX", &[Text], bytes, unhex).udf(),
        Builtin::new("PARSE_URL", &[Text, Text], a_string, parse_url).optional(&[Text]).udf(),
    ]
}

/// The bytes of each row of a column of strings or bytes.
fn input(args: &Args, n: usize) -> Result<Vec<Option<Vec<u8>>>> {
    let array = args.array(n)?;
    Ok(match array.data_type() {
        DataType::Utf8 => {
            array.as_string::<i32>().iter().map(|text| text.map(|text| text.as_bytes().to_vec())).collect()
        }
        _ => array.as_binary::<i32>().iter().map(|bytes| bytes.map(<[u8]>::to_vec)).collect(),
    })
}

fn write_hex(bytes: &[u8], out: &mut String) {
    for byte in bytes {
        let _ = write!(out, "{byte:02x}");
    }
}

fn hex_of(args: &Args, digest: fn(&[u8]) -> Vec<u8>) -> Result<ArrayRef> {
    let inputs = input(args, 0)?;
    args.strings(|row, out| Ok(inputs[row].as_ref().map(|input| write_hex(&digest(input), out))))
}

/// DataFusion's digest of a name, as text.
fn digest(args: &Args, algorithm: &str) -> Result<ArrayRef> {
    let function = datafusion::functions::crypto::digest();
    let array = args.array(0)?;
    let field = |data_type: &DataType| Arc::new(arrow::datatypes::Field::new("", data_type.clone(), true));
    let result = function.invoke_with_args(ScalarFunctionArgs {
        arg_fields: vec![field(array.data_type()), field(&DataType::Utf8)],
        args: vec![ColumnarValue::Array(array), ColumnarValue::Scalar(ScalarValue::from(algorithm))],
        number_rows: args.rows,
        return_field: field(&DataType::Binary),
        config_options: Arc::default(),
    })?;
    let digests = arrow::compute::cast(&result.into_array(args.rows)?, &DataType::Binary)?;
    let digests = digests.as_binary::<i32>();
    args.strings(|row, out| Ok(digests.is_valid(row).then(|| write_hex(digests.value(row), out))))
}

fn sha2(args: &Args) -> Result<ArrayRef> {
    match args.is_constant(1).then(|| args.int(1).map(|bits| bits.get(0))).transpose()?.flatten() {
        Some(bits @ (224 | 256 | 384 | 512)) => digest(args, &format!("sha{bits}")),
        _ => exec_err!("SHA2 expects 224, 256, 384 or 512 bits, for all rows the same"),
    }
}

/// FIPS 180-4, section 6.1; DataFusion has all of the family but this.
fn sha1(input: &[u8]) -> [u8; 20] {
    let mut state: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
    let mut message = input.to_vec();
    message.push(0x80);
    message.resize((message.len() + 8).next_multiple_of(64) - 8, 0);
    message.extend((input.len() as u64 * 8).to_be_bytes());
    for block in message.chunks_exact(64) {
        let mut words = [0_u32; 80];
        for (word, bytes) in words.iter_mut().zip(block.chunks_exact(4)) {
            *word = bytes.iter().fold(0, |word, byte| word << 8 | u32::from(*byte));
        }
        for n in 16..80 {
            words[n] = (words[n - 3] ^ words[n - 8] ^ words[n - 14] ^ words[n - 16]).rotate_left(1);
        }
        let [mut a, mut b, mut c, mut d, mut e] = state;
        for (n, word) in words.into_iter().enumerate() {
            let (mixed, constant) = match n {
                0..20 => (b & c | !b & d, 0x5a82_7999),
                20..40 => (b ^ c ^ d, 0x6ed9_eba1),
                40..60 => (b & c | b & d | c & d, 0x8f1b_bcdc),
                _ => (b ^ c ^ d, 0xca62_c1d6_u32),
            };
            let next = a
                .rotate_left(5)
                .wrapping_add(mixed)
                .wrapping_add(e)
                .wrapping_add(constant)
                .wrapping_add(word);
            (e, d, c, b, a) = (d, c, b.rotate_left(30), a, next);
        }
        for (part, added) in state.iter_mut().zip([a, b, c, d, e]) {
            *part = part.wrapping_add(added);
        }
    }
    let mut digest = [0; 20];
    for (bytes, part) in digest.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&part.to_be_bytes());
    }
    digest
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn to_base64(args: &Args) -> Result<ArrayRef> {
    let inputs = input(args, 0)?;
    args.strings(|row, out| {
        Ok(inputs[row].as_ref().map(|input| {
            for chunk in input.chunks(3) {
                let bits = chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte))
                    << (8 * (3 - chunk.len()));
                for n in 0..4 {
                    let digit = BASE64[(bits >> (18 - 6 * n) & 63) as usize];
                    out.push(if n > chunk.len() { '=' } else { char::from(digit) });
                }
            }
        }))
    })
}

/// Text that is no base64, or whose bytes are no text, is refused.
fn from_base64(args: &Args) -> Result<ArrayRef> {
    let texts = args.text(0)?;
    args.strings(|row, out| {
        let Some(text) = texts.get(row) else { return Ok(None) };
        let wrong = || {
            exec_datafusion_err!(
                "FROM_BASE64 found no base64 in `{}`",
                text.chars().take(100).collect::<String>()
            )
        };
        let digits = text.trim_end_matches('=');
        let mut bytes = Vec::with_capacity(digits.len() * 3 / 4);
        for chunk in digits.as_bytes().chunks(4) {
            let mut bits = 0_u32;
            for digit in chunk {
                let value = BASE64.iter().position(|known| known == digit).ok_or_else(wrong)?;
                bits = bits << 6 | u32::try_from(value).unwrap_or(0);
            }
            if chunk.len() == 1 {
                return Err(wrong());
            }
            bits <<= 6 * (4 - chunk.len());
            bytes.extend(&bits.to_be_bytes()[1..chunk.len()]);
        }
        out.push_str(
            std::str::from_utf8(&bytes)
                .map_err(|_| exec_datafusion_err!("FROM_BASE64 found bytes that are no UTF-8"))?,
        );
        Ok(Some(()))
    })
}

fn unknown_charset<T>(name: &str) -> Result<T> {
    exec_err!(
        "unknown character set `{name}`: expected UTF-8, US-ASCII, ISO-8859-1, UTF-16, UTF-16BE or UTF-16LE"
    )
}

fn encode(args: &Args) -> Result<ArrayRef> {
    let (texts, charsets) = (args.text(0)?, args.text(1)?);
    let mut built = BinaryBuilder::new();
    for row in 0..args.rows {
        let (Some(text), Some(charset)) = (texts.get(row), charsets.get(row)) else {
            built.append_null();
            continue;
        };
        // Characters that the set hasn't are question marks, as in Java.
        let narrow = |limit: u32| {
            text.chars().map(|c| if u32::from(c) < limit { u32::from(c) as u8 } else { b'?' }).collect()
        };
        let wide = |to: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(to).collect();
        let bytes: Vec<u8> = match charset.to_uppercase().as_str() {
            "UTF-8" => text.as_bytes().to_vec(),
            "US-ASCII" => narrow(128),
            "ISO-8859-1" => narrow(256),
            "UTF-16BE" => wide(u16::to_be_bytes),
            "UTF-16LE" => wide(u16::to_le_bytes),
            "UTF-16" => [vec![0xfe, 0xff], wide(u16::to_be_bytes)].concat(),
            _ => return unknown_charset(charset),
        };
        built.append_value(bytes);
    }
    Ok(Arc::new(built.finish()))
}

fn decode(args: &Args) -> Result<ArrayRef> {
    let inputs = input(args, 0)?;
    let charsets = args.text(1)?;
    args.strings(|row, out| {
        let (Some(bytes), Some(charset)) = (&inputs[row], charsets.get(row)) else { return Ok(None) };
        let wide = |bytes: &[u8], from: fn([u8; 2]) -> u16| {
            let units: Vec<u16> =
                bytes.chunks(2).map(|pair| from([pair[0], pair.get(1).copied().unwrap_or(0)])).collect();
            String::from_utf16_lossy(&units)
        };
        match charset.to_uppercase().as_str() {
            "UTF-8" => out.push_str(&String::from_utf8_lossy(bytes)),
            "US-ASCII" => out.extend(
                bytes.iter().map(|byte| if byte.is_ascii() { char::from(*byte) } else { '\u{fffd}' }),
            ),
            "ISO-8859-1" => out.extend(bytes.iter().map(|byte| char::from(*byte))),
            "UTF-16BE" => out.push_str(&wide(bytes, u16::from_be_bytes)),
            "UTF-16LE" => out.push_str(&wide(bytes, u16::from_le_bytes)),
            "UTF-16" => match bytes.strip_prefix(&[0xff, 0xfe]) {
                Some(little) => out.push_str(&wide(little, u16::from_le_bytes)),
                None => out
                    .push_str(&wide(bytes.strip_prefix(&[0xfe, 0xff]).unwrap_or(bytes), u16::from_be_bytes)),
            },
            _ => return unknown_charset(charset),
        }
        Ok(Some(()))
    })
}

fn hex_type(types: &[DataType], _: &[Option<&ScalarValue>]) -> Result<DataType> {
    match &types[0] {
        data_type if data_type.is_integer() || data_type.is_null() => Ok(DataType::Utf8),
        DataType::Utf8 | DataType::Binary => Ok(DataType::Utf8),
        other => {
            plan_err!("HEX expects a whole number, STRING or BYTES, found {}", crate::types::spelling(other))
        }
    }
}

fn hex(args: &Args) -> Result<ArrayRef> {
    if matches!(args.raw(0).data_type(), DataType::Utf8 | DataType::Binary) {
        let inputs = input(args, 0)?;
        return args.strings(|row, out| {
            Ok(inputs[row]
                .as_ref()
                .map(|input| input.iter().for_each(|byte| out.push_str(&format!("{byte:02X}")))))
        });
    }
    let numbers = arrow::compute::cast(&args.array(0)?, &DataType::Int64)?;
    let numbers = numbers.as_primitive::<arrow::datatypes::Int64Type>();
    args.strings(|row, out| {
        Ok(numbers.is_valid(row).then(|| out.push_str(&format!("{:X}", numbers.value(row)))))
    })
}

/// Text that is no hexadecimal number is null.
fn unhex(args: &Args) -> Result<ArrayRef> {
    let texts = args.text(0)?;
    let mut built = BinaryBuilder::new();
    for row in 0..args.rows {
        let bytes = texts.get(row).and_then(|text| {
            let padded = if text.len() % 2 == 0 { text.to_owned() } else { format!("0{text}") };
            let digits: Option<Vec<u32>> = padded.chars().map(|c| c.to_digit(16)).collect();
            digits.map(|digits| {
                digits.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect::<Vec<u8>>()
            })
        });
        built.append_option(bytes);
    }
    Ok(Arc::new(built.finish()))
}

/// `PARSE_URL(url, part [, key])`.
fn parse_url(args: &Args) -> Result<ArrayRef> {
    let (urls, parts, keys) = (args.text(0)?, args.text(1)?, args.optional_text(2)?);
    args.parts(|row| {
        let key = match &keys {
            None => None,
            Some(keys) => match keys.get(row) {
                Some(key) => Some(key),
                None => return Ok(None),
            },
        };
        let (Some(url), Some(part)) = (urls.get(row), parts.get(row)) else { return Ok(None) };
        Ok(Url::parse(url).and_then(|url| url.part(part, key)))
    })
}

struct Url<'a> {
    protocol: &'a str,
    authority: &'a str,
    path: &'a str,
    query: Option<&'a str>,
    reference: Option<&'a str>,
    file: &'a str,
}

impl<'a> Url<'a> {
    fn parse(url: &'a str) -> Option<Self> {
        let (protocol, rest) = url.split_once("://")?;
        if protocol.is_empty()
            || !protocol
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
        {
            return None;
        }
        let (rest, reference) =
            rest.split_once('#').map_or((rest, None), |(rest, reference)| (rest, Some(reference)));
        let (authority, file) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (path, query) = file.split_once('?').map_or((file, None), |(path, query)| (path, Some(query)));
        Some(Self { protocol, authority, path, query, reference, file })
    }

    fn part(&self, part: &str, key: Option<&str>) -> Option<&'a str> {
        let user = self.authority.rsplit_once('@');
        match (part, key) {
            ("QUERY", Some(key)) => self
                .query?
                .split('&')
                .find_map(|pair| pair.split_once('=').filter(|(k, _)| *k == key))
                .map(|(_, v)| v),
            (_, Some(_)) => None,
            ("PROTOCOL", None) => Some(self.protocol),
            ("AUTHORITY", None) => Some(self.authority),
            ("USERINFO", None) => user.map(|(user, _)| user),
            ("HOST", None) => {
                let host = user.map_or(self.authority, |(_, host)| host);
                Some(
                    host.rsplit_once(':')
                        .filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()))
                        .map_or(host, |(host, _)| host),
                )
            }
            ("PATH", None) => Some(self.path),
            ("FILE", None) => Some(self.file),
            ("QUERY", None) => self.query,
            ("REF", None) => self.reference,
            _ => None,
        }
    }
}
