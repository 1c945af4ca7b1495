//! What is told of all jobs, in order: a bounded feed for those who follow, and the wish to have a job's history saved.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use headwater_core::{
    ids::JobId,
    time::{Clock, TimestampMs},
};
use tokio::sync::Notify;

use crate::{
    supervisor::lock,
    view::{FeedEvent, FeedPage, JobEventView},
};

/// How many events those who were away for a while can catch up with.
const FEED_MAX: usize = 1_000;

pub(crate) struct Recorder {
    clock: Arc<dyn Clock>,
    /// When the process began, which tells its feed from that of another.
    started_at_ms: TimestampMs,
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
        let started_at_ms = clock.now_ms();
        Self { clock, started_at_ms, feed: Mutex::default(), unsaved: Notify::new() }
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
        FeedPage { process: self.started_at_ms, newest: feed.recorded, missed, events }
    }

    /// Some job's history differs from what is stored.
    pub(crate) fn is_unsaved(&self) {
        self.unsaved.notify_one();
    }

    pub(crate) async fn until_unsaved(&self) {
        self.unsaved.notified().await;
    }
}
