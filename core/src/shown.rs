//! Values as people may see them: as JSON, not too long, and without what must not be shown.

use std::{
    collections::BTreeSet,
    fmt,
    io::{self, Write},
};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess, SeqAccess, Visitor},
    ser::{SerializeMap, SerializeSeq},
};
use serde_json::Number;

use crate::secret::{HIDDEN, hide, is_secret};

/// A value with more JSON than this is not looked at any further, and not shown at all.
pub const LOOKED_AT_BYTES_MAX: usize = 64 << 10;

/// The names of fields, columns and keys whose values are not shown, at any depth. Those of secrets ([`is_secret`]) never are.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Redaction(BTreeSet<String>);

impl Redaction {
    /// Hides these, besides secrets. Names are compared without regard to case, and `_` is `-`.
    pub fn new(names: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let names = names.into_iter().map(|name| plain(name.as_ref().trim()));
        Self(names.filter(|name| !name.is_empty()).collect())
    }

    /// These names and those of `other`.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self(self.0.union(&other.0).cloned().collect())
    }

    /// Whether it hides more than secrets.
    pub fn has_names(&self) -> bool {
        !self.0.is_empty()
    }

    /// Whether the value of this name is hidden.
    pub fn hides(&self, name: &str) -> bool {
        is_secret(name) || self.0.contains(&plain(name))
    }
}

fn plain(name: &str) -> String {
    name.to_ascii_lowercase().replace('_', "-")
}

/// A value as it is shown.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Shown {
    /// JSON. If the value was too long, a JSON string with how its JSON begins.
    pub json: String,
    /// What is missing, and why.
    pub note: Option<String>,
}

impl Shown {
    /// The value's JSON, read.
    pub fn read(&self) -> Json {
        serde_json::from_str(&self.json).unwrap_or(Json::Null)
    }

    /// What cannot be shown.
    pub fn unknown(why: impl Into<String>) -> Self {
        Self { json: "null".to_owned(), note: Some(why.into()) }
    }
}

/// Shows a value with at most `bytes_max` bytes of JSON.
pub fn show<T: Serialize + ?Sized>(value: &T, redaction: &Redaction, bytes_max: usize) -> Shown {
    let mut json = Bounded(Vec::new());
    match serde_json::to_writer(&mut json, value) {
        Ok(()) => show_json(&json.0, redaction, bytes_max),
        Err(error) if error.is_io() => too_large(),
        Err(error) => Shown::unknown(format!("it cannot be written as JSON: {error}")),
    }
}

/// Shows what is JSON already.
pub fn show_json(json: &[u8], redaction: &Redaction, bytes_max: usize) -> Shown {
    if json.len() > LOOKED_AT_BYTES_MAX {
        return too_large();
    }
    let redacted = serde_json::from_slice::<Json>(json).map(|mut value| {
        value.redact(redaction);
        serde_json::to_string(&value)
    });
    match redacted {
        Ok(Ok(json)) => cut(json, bytes_max),
        Ok(Err(error)) | Err(error) => Shown::unknown(format!("it cannot be shown as JSON: {error}")),
    }
}

fn too_large() -> Shown {
    Shown::unknown(format!("it is larger than {LOOKED_AT_BYTES_MAX} bytes"))
}

fn cut(json: String, bytes_max: usize) -> Shown {
    if json.len() <= bytes_max {
        return Shown { json, note: None };
    }
    let end = (0..=bytes_max).rev().find(|end| json.is_char_boundary(*end)).unwrap_or(0);
    let note = format!("cut after {end} of {} bytes", json.len());
    Shown { json: serde_json::Value::from(&json[..end]).to_string(), note: Some(note) }
}

/// Takes no more than is looked at.
struct Bounded(Vec<u8>);

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > LOOKED_AT_BYTES_MAX {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// JSON with the fields of its objects in their order. Reads back from JSON only.
#[derive(Clone, PartialEq, Debug)]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A text.
    Text(String),
    /// An array.
    List(Vec<Json>),
    /// An object.
    Object(Vec<(String, Json)>),
}

impl Json {
    fn redact(&mut self, redaction: &Redaction) {
        match self {
            Self::Object(fields) => {
                for (name, value) in fields {
                    if redaction.hides(name) {
                        *value = Self::Text(HIDDEN.to_owned());
                    } else {
                        value.redact(redaction);
                    }
                }
            }
            Self::List(items) => items.iter_mut().for_each(|item| item.redact(redaction)),
            Self::Text(text) => redact_text(text, redaction),
            Self::Null | Self::Bool(_) | Self::Number(_) => {}
        }
    }
}

/// Texts are looked into if they are JSON themselves, and for what they say are secrets. Other names in other texts are not found.
fn redact_text(text: &mut String, redaction: &Redaction) {
    if text.trim_start().starts_with(['{', '[', '"'])
        && let Ok(mut inner) = serde_json::from_str::<Json>(text)
    {
        inner.redact(redaction);
        if let Ok(redacted) = serde_json::to_string(&inner) {
            // What has nothing to hide stays as it was, blanks included.
            if redacted.contains(HIDDEN) && !text.contains(HIDDEN) {
                *text = redacted;
                return;
            }
        }
    }
    if let std::borrow::Cow::Owned(hidden) = hide(text) {
        *text = hidden;
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(value) => value.serialize(serializer),
            Self::Text(value) => serializer.serialize_str(value),
            Self::List(items) => {
                let mut list = serializer.serialize_seq(Some(items.len()))?;
                items.iter().try_for_each(|item| list.serialize_element(item))?;
                list.end()
            }
            Self::Object(fields) => {
                let mut object = serializer.serialize_map(Some(fields.len()))?;
                fields.iter().try_for_each(|(name, value)| object.serialize_entry(name, value))?;
                object.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Json, E> {
        Ok(Number::from_f64(value).map_or(Json::Null, Json::Number))
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Json, A::Error> {
        let mut object = Vec::new();
        while let Some(field) = fields.next_entry()? {
            object.push(field);
        }
        Ok(Json::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(json: &str, redaction: &Redaction) -> String {
        show_json(json.as_bytes(), redaction, 1_000).json
    }

    #[test]
    fn names_are_hidden_at_any_depth_and_in_json_within_texts() {
        let redaction = Redaction::new(["E_mail", " "]);
        for (json, expected) in [
            (r#"{"b":1,"a":{"email":[1,2]}}"#, r#"{"b":1,"a":{"email":[1,2]}}"#),
            (r#"{"b":1,"e-MAIL":{"x":1}}"#, r#"{"b":1,"e-MAIL":"******"}"#),
            (r#"[[{"user":{"e_mail":"a@b"}}]]"#, r#"[[{"user":{"e_mail":"******"}}]]"#),
            (r#"{"db_password":1}"#, r#"{"db_password":"******"}"#),
            (r#""{\"token\": \"t\"}""#, r#""{\"token\":\"******\"}""#),
            (r#""{\"plain\":  1}""#, r#""{\"plain\":  1}""#),
            (r#""'password' = 'x'""#, r#""'password' = '******'""#),
        ] {
            assert_eq!(shown(json, &redaction), expected);
        }
    }

    #[test]
    fn a_long_value_is_cut_and_says_so() {
        let text = "é".repeat(100);
        let shown = show(&text, &Redaction::default(), 10);
        assert_eq!(shown.note.as_deref(), Some("cut after 9 of 202 bytes"));
        assert_eq!(serde_json::from_str::<String>(&shown.json).unwrap(), "\"éééé");
        let huge = "x".repeat(LOOKED_AT_BYTES_MAX);
        let shown = show(&huge, &Redaction::default(), usize::MAX);
        assert_eq!((shown.json.as_str(), shown.note.is_some()), ("null", true));
    }

    #[test]
    fn what_json_has_no_form_for_says_why() {
        let map = std::collections::BTreeMap::from([((1, 2), 3)]);
        let shown = show(&map, &Redaction::default(), 100);
        assert!(shown.note.unwrap().contains("key must be a string"));
    }
}
