//! How records are shown to whoever looks at a running job.
//!
//! A stream may consist of anything that can be sent to another thread, so not every type says how it can be shown. Wherever a program
//! uses a type in a way that tells (as a key's record, at a fork, printed), that is remembered by the type, and so holds for all streams
//! of it in the process.

use std::{
    any::{Any, TypeId, type_name},
    collections::HashMap,
    fmt::Display,
    sync::{LazyLock, PoisonError, RwLock},
};

use headwater_actors::{batch::Batch, output::Output, tap::TappedRow};
use headwater_connectors::Str;
use headwater_core::shown::{Redaction, Shown, show};
use serde::Serialize;

/// Shows a record: without what is hidden, in so many bytes of JSON.
pub(crate) type Show<T> = fn(&T, &Redaction, usize) -> Shown;

/// What stands for several records of a window.
pub(crate) const PARTIAL: &str = "partial";

/// How sure it is that a way to show a type is a good one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Form {
    Text,
    Fields,
}

struct Known {
    form: Form,
    /// A `Show` of the type.
    show: Box<dyn Any + Send + Sync>,
}

static KNOWN: LazyLock<RwLock<HashMap<TypeId, Known>>> = LazyLock::new(|| RwLock::new(common_types()));

fn common_types() -> HashMap<TypeId, Known> {
    let mut known = HashMap::new();
    macro_rules! add {
        ($($kind:ty),*) => {$(
            insert::<$kind>(&mut known, Form::Fields, show::<$kind>);
            insert::<Option<$kind>>(&mut known, Form::Fields, show::<Option<$kind>>);
            insert::<Vec<$kind>>(&mut known, Form::Fields, show::<Vec<$kind>>);
            insert::<(Str, $kind)>(&mut known, Form::Fields, show::<(Str, $kind)>);
            insert::<(String, $kind)>(&mut known, Form::Fields, show::<(String, $kind)>);
            insert::<(u64, $kind)>(&mut known, Form::Fields, show::<(u64, $kind)>);
            insert::<(i64, $kind)>(&mut known, Form::Fields, show::<(i64, $kind)>);
        )*};
    }
    add!((), bool, char, u8, u16, u32, u64, usize, i8, i16, i32, i64, f32, f64, String, Str);
    insert::<&'static str>(&mut known, Form::Fields, show::<&'static str>);
    known
}

fn insert<T: 'static>(known: &mut HashMap<TypeId, Known>, form: Form, show: Show<T>) {
    let is_better = known.get(&TypeId::of::<T>()).is_none_or(|before| before.form < form);
    if is_better {
        known.insert(TypeId::of::<T>(), Known { form, show: Box::new(show) });
    }
}

fn learn<T: 'static>(form: Form, show: Show<T>) {
    insert(&mut KNOWN.write().unwrap_or_else(PoisonError::into_inner), form, show);
}

/// Records of this type are shown with their fields.
pub(crate) fn with_fields<T: Serialize + 'static>() {
    learn::<T>(Form::Fields, show::<T>);
}

/// Records of this type are shown as texts, unless their fields are known.
pub(crate) fn as_text<T: Display + 'static>() {
    learn::<T>(Form::Text, |record, redaction, bytes_max| show(&record.to_string(), redaction, bytes_max));
}

/// How records of a type are shown, as far as the program has told until now.
pub(crate) fn of<T: 'static>() -> Show<T> {
    let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
    let found = known.get(&TypeId::of::<T>()).and_then(|known| known.show.downcast_ref::<Show<T>>());
    found.copied().unwrap_or(cannot_show::<T>)
}

fn cannot_show<T>(_: &T, _: &Redaction, _: usize) -> Shown {
    Shown::unknown(format!(
        "nothing says how a {} is shown: if it is Serialize, call `shown()` on a stream of it",
        type_name::<T>()
    ))
}

/// Shows what a key's records of a window slice amount to so far.
pub(crate) fn partial<K: Serialize, A: Serialize>(
    (key, partial): &(K, A),
    redaction: &Redaction,
    bytes_max: usize,
) -> Shown {
    #[derive(Serialize)]
    struct Partial<'a, K, A> {
        key: &'a K,
        partial: &'a A,
    }
    show(&Partial { key, partial }, redaction, bytes_max)
}

/// Lets whoever looks see some of a batch that leaves.
#[inline]
pub(crate) fn tap<T>(
    output: &Output,
    edge: Option<usize>,
    batch: &Batch<T>,
    show: Show<T>,
    kind: Option<&'static str>,
) {
    output.tap(edge, batch.len(), &mut |row, redaction, bytes_max| TappedRow {
        value: show(&batch.values[row], redaction, bytes_max),
        timestamp: batch.timestamps[row],
        kind,
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Opaque;

    #[derive(Serialize)]
    struct Click {
        user: u64,
        token: &'static str,
    }

    impl Display for Click {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "click of {}", self.user)
        }
    }

    fn shown<T: 'static>(record: T) -> Shown {
        of::<T>()(&record, &Redaction::default(), 1_000)
    }

    #[test]
    fn a_record_is_shown_as_well_as_the_program_tells() {
        assert_eq!(shown(("word".to_owned(), 7u64)).json, r#"["word",7]"#);
        let note = shown(Opaque).note.unwrap();
        assert!(note.contains("Opaque") && note.contains("`shown()`"), "{note}");

        as_text::<Click>();
        assert_eq!(shown(Click { user: 7, token: "t" }).json, r#""click of 7""#);
        with_fields::<Click>();
        as_text::<Click>();
        assert_eq!(shown(Click { user: 7, token: "t" }).json, r#"{"user":7,"token":"******"}"#);
    }
}
