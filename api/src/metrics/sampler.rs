//! Samples the control plane once a second, for rates and for the history.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use actix_web::rt;
use headwater_core::time::{Clock, TimestampMs};
use tokio::{task::JoinHandle, time::sleep};

use super::{Snapshot, UsageMeter, Window};
use crate::{
    control_plane::ControlPlane,
    history::{History, Sample},
};

const INTERVAL_MS: TimestampMs = 1_000;

/// What has been measured; sampling goes on for as long as this lives.
pub(crate) struct Metrics {
    measured: Arc<Mutex<Measured>>,
    history: Option<Arc<History>>,
    sampling: JoinHandle<()>,
}

#[derive(Default)]
pub(super) struct Measured {
    pub(super) window: Window,
    /// The cores that were in use during the last second.
    pub(super) cores: Option<f64>,
}

impl Metrics {
    /// Begins to sample, on the current thread's runtime.
    pub(crate) fn start(
        control: Arc<dyn ControlPlane>,
        clock: Arc<dyn Clock>,
        history: Option<Arc<History>>,
    ) -> Self {
        let measured = Arc::<Mutex<Measured>>::default();
        let sampling = rt::spawn(sample_for_ever(control, clock, measured.clone(), history.clone()));
        Self { measured, history, sampling }
    }

    /// The history, if one is kept.
    pub(super) fn history(&self) -> Option<&Arc<History>> {
        self.history.as_ref()
    }

    pub(super) fn measured(&self) -> MutexGuard<'_, Measured> {
        lock(&self.measured)
    }
}

impl Drop for Metrics {
    fn drop(&mut self) {
        self.sampling.abort();
    }
}

async fn sample_for_ever(
    control: Arc<dyn ControlPlane>,
    clock: Arc<dyn Clock>,
    measured: Arc<Mutex<Measured>>,
    history: Option<Arc<History>>,
) {
    let mut meter = UsageMeter::default();
    loop {
        // A sample belongs to the second that it is taken in; timers fire late, never early, so that each second has one.
        let into_second_ms = clock.now_ms().rem_euclid(INTERVAL_MS);
        sleep(Duration::from_millis((INTERVAL_MS - into_second_ms) as u64)).await;
        let now_ms = clock.now_ms();
        // Without an answer in time the second has no sample, and the history a gap.
        let Ok(snapshot) = Snapshot::collect(control.as_ref(), now_ms).await else { continue };
        let usage = meter.read();
        let mut measured = lock(&measured);
        measured.window.push(&snapshot);
        measured.cores = usage.and_then(|(_, cores)| cores);
        if let Some(history) = &history {
            let at_ms = now_ms - now_ms.rem_euclid(INTERVAL_MS);
            history.record(Sample::of(at_ms, &snapshot, &measured.window, usage));
        }
    }
}

fn lock(measured: &Mutex<Measured>) -> MutexGuard<'_, Measured> {
    measured.lock().unwrap_or_else(PoisonError::into_inner)
}
