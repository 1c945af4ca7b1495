//! What is told of all jobs, in order: a bounded feed for those who follow, and the wish to have a job's history saved.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, OnceLock},
};

use headwater_core::{
    ids::JobId,
    time::{Clock, TimestampMs},
};
use tokio::sync::Notify;

use crate::{
    job_store::{Incarnation, JobStore},
    supervisor::lock,
    view::{FeedEvent, FeedPage, JobEventView},
};

/// How many events those who were away for a while can catch up with.
const FEED_MAX: usize = 1_000;

pub(crate) struct Recorder {
    clock: Arc<dyn Clock>,
    /// Tells this process's events from those of others; known as soon as there can be any.
    incarnation: OnceLock<Incarnation>,
    feed: Mutex<Feed>,
    unsaved: Notify,
}

#[derive(Default)]
struct Feed {
    recorded: u64,
    newest: VecDeque<FeedEvent>,
}

impl Recorder {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, incarnation: OnceLock::new(), feed: Mutex::default(), unsaved: Notify::new() }
    }

    /// Counts this process among those that used the job store, once.
    pub(crate) fn begin(&self, store: &JobStore) {
        self.incarnation.get_or_init(|| store.begin_process(self.now_ms()));
    }

    pub(crate) fn incarnation(&self) -> Incarnation {
        self.incarnation.get().copied().unwrap_or_default()
    }

    pub(crate) fn now_ms(&self) -> TimestampMs {
        self.clock.now_ms()
    }

    pub(crate) fn tell(&self, job: JobId, event: JobEventView) {
        let mut feed = lock(&self.feed);
        feed.recorded += 1;
        let number = feed.recorded;
        feed.newest.push_back(FeedEvent { number, job, event });
        if feed.newest.len() > FEED_MAX {
            feed.newest.pop_front();
        }
    }

    /// What was told after the event of this number.
    pub(crate) fn told_since(&self, number: u64) -> FeedPage {
        let feed = lock(&self.feed);
        let events: Vec<FeedEvent> =
            feed.newest.iter().filter(|event| event.number > number).cloned().collect();
        let missed = feed.recorded.saturating_sub(number).saturating_sub(events.len() as u64);
        FeedPage { process: self.incarnation().began_ms, newest: feed.recorded, missed, events }
    }

    /// Some job's history differs from what is stored.
    pub(crate) fn is_unsaved(&self) {
        self.unsaved.notify_one();
    }

    pub(crate) async fn until_unsaved(&self) {
        self.unsaved.notified().await;
    }
}
