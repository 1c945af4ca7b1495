//! How the encoded entries of a state are told apart, shown, and found.

use std::{any::type_name, fmt::Display, marker::PhantomData, sync::Arc};

use headwater_core::{
    codec::{self, CodecError, decode, decode_prefix},
    shown::{Redaction, Shown, show},
    time::TimestampMs,
};
use serde::{Serialize, de::DeserializeOwned};

use crate::{Key, Value};

/// How the entries of a state look: encoded, and to people.
pub trait EntryForm: Send + Sync {
    /// What its keys are.
    fn key_type(&self) -> String;

    /// What its values are.
    fn value_type(&self) -> String;

    /// Shows an encoded key.
    fn show_key(&self, key: &[u8], redaction: &Redaction, bytes_max: usize) -> Result<Shown, String>;

    /// Shows the encoded value of an encoded key.
    fn show_value(
        &self,
        key: &[u8],
        value: &[u8],
        redaction: &Redaction,
        bytes_max: usize,
    ) -> Result<Shown, String>;

    /// The entries of a key that people have written: as JSON, or plainly if it is a text.
    fn find(&self, key: &str) -> Result<KeyMatch, String>;
}

/// Tells of an encoded key whether it is meant.
pub type KeyTest = Box<dyn Fn(&[u8]) -> bool + Send + Sync>;

/// Which entries are those of a key.
pub struct KeyMatch {
    /// The key's hash, which tells its key group.
    pub hash: u64,
    /// Whether an encoded key is it, or belongs to it.
    pub is_match: KeyTest,
}

impl KeyMatch {
    /// Exactly one key.
    pub fn exact(hash: u64, encoded: Vec<u8>) -> Self {
        Self { hash, is_match: Box::new(move |key| key == encoded) }
    }
}

/// Keys and values of types that say themselves how they look.
pub struct TypedForm<K, V> {
    hash_of: fn(&K) -> u64,
    types: PhantomData<fn() -> (K, V)>,
}

impl<K: Key, V: Value> TypedForm<K, V> {
    pub(crate) fn new(hash_of: fn(&K) -> u64) -> Self {
        Self { hash_of, types: PhantomData }
    }
}

/// A name of a type without the modules that it and its parts are in.
fn short_name<T>() -> String {
    let mut short = String::new();
    for part in type_name::<T>().split_inclusive(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')) {
        short.push_str(part.rsplit("::").next().unwrap_or_default());
    }
    short
}

fn failed(error: impl Display) -> String {
    error.to_string()
}

/// Shows an encoded value of a type.
pub fn form_of<T: Serialize + DeserializeOwned>(
    bytes: &[u8],
    redaction: &Redaction,
    bytes_max: usize,
) -> Result<Shown, String> {
    Ok(show(&decode::<T>(bytes).map_err(failed)?, redaction, bytes_max))
}

/// Reads a key as people write it.
fn parse_key<K: DeserializeOwned>(text: &str) -> Result<K, String> {
    let as_json = serde_json::from_str(text);
    as_json.or_else(|error| {
        let as_text = serde_json::from_value(serde_json::Value::from(text));
        as_text.map_err(|_| format!("expected {} in JSON, found `{text}`: {error}", short_name::<K>()))
    })
}

impl<K: Key, V: Value> EntryForm for TypedForm<K, V> {
    fn key_type(&self) -> String {
        short_name::<K>()
    }

    fn value_type(&self) -> String {
        short_name::<V>()
    }

    fn show_key(&self, key: &[u8], redaction: &Redaction, bytes_max: usize) -> Result<Shown, String> {
        form_of::<K>(key, redaction, bytes_max)
    }

    fn show_value(
        &self,
        _: &[u8],
        value: &[u8],
        redaction: &Redaction,
        bytes_max: usize,
    ) -> Result<Shown, String> {
        form_of::<V>(value, redaction, bytes_max)
    }

    fn find(&self, key: &str) -> Result<KeyMatch, String> {
        let key: K = parse_key(key)?;
        Ok(KeyMatch::exact((self.hash_of)(&key), codec::encode(&key).map_err(failed)?))
    }
}

/// Tells encoded entries apart: where a key ends, and where a value.
pub(crate) trait Split: Send + Sync {
    /// How many bytes the key takes that `bytes` begin with.
    fn key_bytes(&self, bytes: &[u8]) -> Result<usize, CodecError>;

    /// How many bytes the value takes that `bytes` begin with.
    fn value_bytes(&self, bytes: &[u8]) -> Result<usize, CodecError>;
}

impl<K: Key, V: Value> Split for TypedForm<K, V> {
    fn key_bytes(&self, bytes: &[u8]) -> Result<usize, CodecError> {
        Ok(decode_prefix::<K>(bytes)?.1)
    }

    fn value_bytes(&self, bytes: &[u8]) -> Result<usize, CodecError> {
        Ok(decode_prefix::<V>(bytes)?.1)
    }
}

/// The timers of keys of another form. A timer is encoded as its time, then its key.
pub struct TimersOf(pub Arc<dyn EntryForm>);

const TIMESTAMP_BYTES: usize = size_of::<TimestampMs>();

impl EntryForm for TimersOf {
    fn key_type(&self) -> String {
        self.0.key_type()
    }

    fn value_type(&self) -> String {
        "the time at which the timer fires".to_owned()
    }

    fn show_key(&self, key: &[u8], redaction: &Redaction, bytes_max: usize) -> Result<Shown, String> {
        let key = key.get(TIMESTAMP_BYTES..).ok_or("a timer is cut short")?;
        self.0.show_key(key, redaction, bytes_max)
    }

    fn show_value(
        &self,
        key: &[u8],
        _: &[u8],
        redaction: &Redaction,
        bytes_max: usize,
    ) -> Result<Shown, String> {
        #[derive(Serialize)]
        struct Fires {
            fires_at_ms: TimestampMs,
        }
        let time = key.get(..TIMESTAMP_BYTES).ok_or("a timer is cut short")?;
        Ok(show(&Fires { fires_at_ms: decode(time).map_err(failed)? }, redaction, bytes_max))
    }

    fn find(&self, key: &str) -> Result<KeyMatch, String> {
        let KeyMatch { hash, is_match } = self.0.find(key)?;
        let is_match = Box::new(move |key: &[u8]| key.get(TIMESTAMP_BYTES..).is_some_and(&is_match));
        Ok(KeyMatch { hash, is_match })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn names_of_types_are_short() {
        assert_eq!(short_name::<BTreeMap<String, Vec<(u64, Option<Shown>)>>>(), {
            "BTreeMap<String, Vec<(u64, Option<Shown>)>>"
        });
    }

    #[test]
    fn a_key_is_found_by_its_json_or_as_plain_text() {
        let texts = TypedForm::<String, u64>::new(headwater_core::key_group::hash_key);
        let encoded = |key: &str| codec::encode(key).unwrap();
        for (written, key) in [("lorem", "lorem"), ("\"lorem\"", "lorem"), ("42", "42"), ("a b", "a b")] {
            assert!((texts.find(written).unwrap().is_match)(&encoded(key)), "{written}");
        }
        let pairs = TypedForm::<(u8, String), u64>::new(headwater_core::key_group::hash_key);
        assert!((pairs.find("[7, \"x\"]").unwrap().is_match)(&codec::encode(&(7u8, "x")).unwrap()));
        let error = pairs.find("x").err().unwrap();
        assert!(error.starts_with("expected (u8, String) in JSON, found `x`: "), "{error}");
    }
}
