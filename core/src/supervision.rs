//! Death watches: how a supervisor learns of an actor's end, whatever ended it.
//!
//! After a panic in a handler an actix actor vanishes silently: its supervisor is not told and nothing is restarted.
//! But its fields are dropped, with [`std::thread::panicking`] true. So every supervised actor holds a
//! [`DeathWatch`], and that is the one path by which panic, error, stall, kill and a regular end are all reported.

use std::sync::{Arc, Mutex};

/// How an actor ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Exit {
    /// As it was meant to.
    Normal,
    /// For the recorded reason.
    Failed(String),
    /// Of damage in the checkpoint that it was to go on from.
    DamagedCheckpoint(String),
    /// Of damage that no restart can mend.
    DataLoss(String),
    /// On purpose, by a fault that a user injected.
    Killed,
    /// By a panic; the message if the panic hook or the catcher recorded one.
    Panicked(Option<String>),
}

/// Tells `on_death` how the actor that owns it ended, once, when it is dropped.
///
/// ```
/// use headwater_core::supervision::{DeathWatch, Exit};
/// let (report, reports) = std::sync::mpsc::channel();
/// let watch = DeathWatch::new(move |exit| report.send(exit).unwrap());
/// let recorder = watch.recorder();
/// recorder.record(Exit::Failed("first cause".into()));
/// recorder.record(Exit::Failed("a consequence".into()));
/// drop(watch);
/// assert_eq!(reports.recv(), Ok(Exit::Failed("first cause".into())));
/// ```
pub struct DeathWatch {
    recorder: ExitRecorder,
    on_death: Option<Box<dyn FnOnce(Exit) + Send>>,
}

/// Records the cause of a death before it happens. The first cause stands; what follows from it is ignored.
#[derive(Clone, Default)]
pub struct ExitRecorder(Arc<Mutex<Option<Exit>>>);

impl ExitRecorder {
    /// Records `exit` unless there is a cause already.
    pub fn record(&self, exit: Exit) {
        let mut cause = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        cause.get_or_insert(exit);
    }

    fn take(&self) -> Option<Exit> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take()
    }
}

impl DeathWatch {
    /// A watch that calls `on_death` when it is dropped.
    pub fn new(on_death: impl FnOnce(Exit) + Send + 'static) -> Self {
        Self { recorder: ExitRecorder::default(), on_death: Some(Box::new(on_death)) }
    }

    /// A handle that records the cause.
    pub fn recorder(&self) -> ExitRecorder {
        self.recorder.clone()
    }
}

impl Drop for DeathWatch {
    fn drop(&mut self) {
        let unrecorded = if std::thread::panicking() { Exit::Panicked(None) } else { Exit::Normal };
        let exit = self.recorder.take().unwrap_or(unrecorded);
        if let Some(on_death) = self.on_death.take() {
            on_death(exit);
        }
    }
}

/// The text of a caught panic's payload.
pub fn panic_message(payload: &(dyn std::any::Any + Send)) -> String {
    payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_panic_is_reported_as_one() {
        let (report, reports) = mpsc::channel();
        let watch = DeathWatch::new(move |exit| report.send(exit).unwrap());
        let unwound = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
            let _held = watch;
            panic!("boom");
        }));
        assert_eq!(panic_message(&*unwound.unwrap_err()), "boom");
        assert_eq!(reports.recv(), Ok(Exit::Panicked(None)));
    }
}
