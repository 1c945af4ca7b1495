//! What a stream may consist of.

use serde::{Serialize, de::DeserializeOwned};

/// A record: it can be copied to several consumers, sent to another thread, and written down.
pub trait Data: Clone + Send + Sync + Serialize + DeserializeOwned + 'static {}

impl<T: Clone + Send + Sync + Serialize + DeserializeOwned + 'static> Data for T {}
