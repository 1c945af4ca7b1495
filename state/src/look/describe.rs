//! What operators tell of their states when they are opened in order to be described.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{
    TypedForm,
    form::{EntryForm, Split},
};
use crate::{Key, Namespace, Value};

/// What kind of state it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateKind {
    /// One value per key.
    Value,
    /// A list per key.
    List,
    /// A map per key.
    Map,
    /// A value per key and window, or slice of windows.
    Window,
    /// Times at which keys want to be called.
    Timers,
}

impl StateKind {
    /// The name that users see.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Value => "value",
            Self::List => "list",
            Self::Map => "map",
            Self::Window => "window",
            Self::Timers => "timers",
        }
    }
}

/// Shows a namespace, as JSON.
pub type ShowNamespace = Arc<dyn Fn(Namespace) -> serde_json::Value + Send + Sync>;

/// A state as its operator tells of it.
#[derive(Clone)]
pub struct StateDescription {
    /// Its name.
    pub name: String,
    /// What kind of state it is.
    pub kind: StateKind,
    /// How its entries look.
    pub form: Arc<dyn EntryForm>,
    /// What its namespaces are; none if it has but one.
    pub namespace: Option<ShowNamespace>,
    pub(crate) split: Arc<dyn Split>,
}

/// What was recorded.
#[derive(Clone, Default)]
pub struct Recorded(Arc<Mutex<Vec<StateDescription>>>);

impl Recorded {
    /// Takes the descriptions out, in the order in which the states were registered.
    pub fn take(&self) -> Vec<StateDescription> {
        std::mem::take(&mut *self.lock())
    }

    pub(crate) fn add<K: Key, V: Value>(&self, name: &str, hash_of: fn(&K) -> u64) {
        let form = Arc::new(TypedForm::<K, V>::new(hash_of));
        self.lock().push(StateDescription {
            name: name.to_owned(),
            kind: StateKind::Value,
            form: form.clone(),
            namespace: None,
            split: form,
        });
    }

    pub(crate) fn update(&self, name: &str, tell: impl FnOnce(&mut StateDescription)) {
        if let Some(description) = self.lock().iter_mut().rfind(|description| description.name == name) {
            tell(description);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<StateDescription>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
