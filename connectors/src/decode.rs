//! From a record's bytes to a value, as Apache Flink's `DeserializationSchema`.

use std::{fmt::Display, marker::PhantomData};

use compact_str::CompactString;

use crate::Str;

/// Makes values of records. What it refuses is a [malformed record](crate::MalformedRecords).
pub trait Decode: Clone + Send + Sync + 'static {
    /// What it makes.
    type Item: Send + 'static;

    /// The value of one record, or what is wrong with it.
    fn decode(&self, record: &[u8]) -> Result<Self::Item, String>;
}

/// Text in UTF-8, as it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Text;

impl Decode for Text {
    type Item = Str;

    #[inline]
    fn decode(&self, record: &[u8]) -> Result<Str, String> {
        CompactString::from_utf8(record).map_err(|error| not_utf8(error.valid_up_to()))
    }
}

/// What a function makes of a text in UTF-8.
#[derive(Debug)]
pub struct FromText<F, T> {
    function: F,
    values: PhantomData<fn() -> T>,
}

/// What a function makes of bytes.
#[derive(Debug)]
pub struct FromBytes<F, T> {
    function: F,
    values: PhantomData<fn() -> T>,
}

impl<F, T> FromText<F, T> {
    pub(crate) fn new(function: F) -> Self {
        Self { function, values: PhantomData }
    }
}

impl<F, T> FromBytes<F, T> {
    pub(crate) fn new(function: F) -> Self {
        Self { function, values: PhantomData }
    }
}

impl<F: Clone, T> Clone for FromText<F, T> {
    fn clone(&self) -> Self {
        Self::new(self.function.clone())
    }
}

impl<F: Clone, T> Clone for FromBytes<F, T> {
    fn clone(&self) -> Self {
        Self::new(self.function.clone())
    }
}

impl<F, T, E> Decode for FromText<F, T>
where
    F: Fn(&str) -> Result<T, E> + Clone + Send + Sync + 'static,
    T: Send + 'static,
    E: Display,
{
    type Item = T;

    #[inline]
    fn decode(&self, record: &[u8]) -> Result<T, String> {
        let text = str::from_utf8(record).map_err(|error| not_utf8(error.valid_up_to()))?;
        (self.function)(text).map_err(|error| error.to_string())
    }
}

impl<F, T, E> Decode for FromBytes<F, T>
where
    F: Fn(&[u8]) -> Result<T, E> + Clone + Send + Sync + 'static,
    T: Send + 'static,
    E: Display,
{
    type Item = T;

    #[inline]
    fn decode(&self, record: &[u8]) -> Result<T, String> {
        (self.function)(record).map_err(|error| error.to_string())
    }
}

#[cold]
fn not_utf8(valid_bytes: usize) -> String {
    format!("expected text in UTF-8, found something else after {valid_bytes} bytes of the record")
}
