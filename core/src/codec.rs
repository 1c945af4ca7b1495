//! The one place that names `bincode`: how values become bytes, and how bytes that reach the disk are framed.
//!
//! A frame is `magic (4 bytes) | format version (u16 LE) | CRC-32 of the payload (u32 LE) | length (u64 LE) | payload`.

use bincode::config::{Configuration, Fixint, LittleEndian};
use serde::{Serialize, de::DeserializeOwned};

const CONFIG: Configuration<LittleEndian, Fixint> = bincode::config::standard().with_fixed_int_encoding();
const FRAME_VERSION: u16 = 1;
const HEADER_BYTES: usize = 18;

/// Bytes that are not what they should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// The value's own serialization refused.
    #[error("cannot encode: {0}")]
    Encode(String),
    /// The bytes do not hold a value of the expected type.
    #[error("cannot decode: {0}")]
    Decode(String),
    /// The frame is cut short, of another kind or version, or damaged.
    #[error("damaged data: {0}")]
    Damaged(String),
}

/// Appends the encoding of `value` to `buffer`.
pub fn encode_into<T: Serialize + ?Sized>(value: &T, buffer: &mut Vec<u8>) -> Result<(), CodecError> {
    bincode::serde::encode_into_std_write(value, buffer, CONFIG)
        .map(|_| ())
        .map_err(|error| CodecError::Encode(error.to_string()))
}

/// The encoding of `value`.
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, CodecError> {
    let mut buffer = Vec::new();
    encode_into(value, &mut buffer)?;
    Ok(buffer)
}

/// The value that `bytes` hold, which must be used up to the last byte.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    let (value, used) = decode_prefix(bytes)?;
    if used != bytes.len() {
        return Err(CodecError::Decode(format!("{} bytes left over", bytes.len() - used)));
    }
    Ok(value)
}

/// The value at the start of `bytes`, and how many bytes it takes.
pub fn decode_prefix<T: DeserializeOwned>(bytes: &[u8]) -> Result<(T, usize), CodecError> {
    bincode::serde::decode_from_slice(bytes, CONFIG).map_err(|error| CodecError::Decode(error.to_string()))
}

/// Frames an encoded value for the disk; `magic` says what kind of thing it is.
pub fn frame<T: Serialize>(magic: [u8; 4], value: &T) -> Result<Vec<u8>, CodecError> {
    let mut bytes = vec![0; HEADER_BYTES];
    encode_into(value, &mut bytes)?;
    let crc = crc32fast::hash(&bytes[HEADER_BYTES..]);
    let length = (bytes.len() - HEADER_BYTES) as u64;
    bytes[0..4].copy_from_slice(&magic);
    bytes[4..6].copy_from_slice(&FRAME_VERSION.to_le_bytes());
    bytes[6..10].copy_from_slice(&crc.to_le_bytes());
    bytes[10..18].copy_from_slice(&length.to_le_bytes());
    Ok(bytes)
}

/// The frame at the start of `bytes`, whatever it holds, and what follows it; `None` if it is cut short.
pub fn split_frame(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = bytes.get(10..HEADER_BYTES)?;
    let length = length.iter().rev().fold(0u64, |value, byte| value << 8 | u64::from(*byte));
    bytes.split_at_checked(HEADER_BYTES.checked_add(usize::try_from(length).ok()?)?)
}

/// The value in a frame, after its magic, version, length and checksum were found right.
pub fn unframe<T: DeserializeOwned>(magic: [u8; 4], bytes: &[u8]) -> Result<T, CodecError> {
    let damaged = |why: String| Err(CodecError::Damaged(why));
    let Some((header, payload)) = bytes.split_at_checked(HEADER_BYTES) else {
        return damaged(format!("{} bytes are too few for a header of {HEADER_BYTES}", bytes.len()));
    };
    if header[0..4] != magic {
        return damaged(format!("expected the magic {magic:?}, found {:?}", &header[0..4]));
    }
    let version = u16::from_le_bytes([header[4], header[5]]);
    if version != FRAME_VERSION {
        return damaged(format!("expected format version {FRAME_VERSION}, found {version}"));
    }
    let crc = u32::from_le_bytes([header[6], header[7], header[8], header[9]]);
    let length = header[10..18].iter().rev().fold(0u64, |value, byte| value << 8 | u64::from(*byte));
    if length != payload.len() as u64 {
        return damaged(format!("expected {length} bytes, found {}", payload.len()));
    }
    if crc != crc32fast::hash(payload) {
        return damaged("the checksum does not match".to_owned());
    }
    decode(payload)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn frames_behind_one_another_are_told_apart_and_a_torn_one_is_none() {
        let mut bytes = frame(*b"TEST", &1u8).unwrap();
        bytes.extend(frame(*b"TEST", &"two").unwrap());
        let (first, rest) = split_frame(&bytes).unwrap();
        assert_eq!(unframe::<u8>(*b"TEST", first), Ok(1));
        let (second, rest) = split_frame(rest).unwrap();
        assert_eq!(unframe::<String>(*b"TEST", second), Ok("two".to_owned()));
        assert!(rest.is_empty() && split_frame(rest).is_none());
        assert!(split_frame(&second[..second.len() - 1]).is_none());
    }

    proptest! {
        #[test]
        fn a_frame_gives_its_value_back_and_any_flipped_bit_is_found(
            value: (u64, String, Vec<u8>), position: prop::sample::Index, bit in 0u8..8,
        ) {
            let mut bytes = frame(*b"TEST", &value).unwrap();
            prop_assert_eq!(unframe::<(u64, String, Vec<u8>)>(*b"TEST", &bytes).unwrap(), value);
            let at = position.index(bytes.len());
            bytes[at] ^= 1 << bit;
            prop_assert!(unframe::<(u64, String, Vec<u8>)>(*b"TEST", &bytes).is_err());
        }
    }
}
