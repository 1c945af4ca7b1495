//! `GET /jobs/{id}/vertices/{vertex}/tap`: some of the records that pass, as server-sent events.

use std::{collections::VecDeque, convert::Infallible, time::Duration};

use actix_web::{HttpResponse, http::header, web};
use bytes::Bytes;
use futures::{StreamExt, stream};
use headwater_coordinator::tap::{TapEvent, TapRequest};
use headwater_core::{
    shown::Redaction,
    tap::{TapReport, TapSample},
};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::time::timeout;

use super::{Looker, vertex_id};
use crate::{
    dto::{TapEnd, TapLost, TapRecord},
    events::event,
    inspect::TapStream,
    routes::{Answer, job_id, within},
};

const LIMIT_DEFAULT: u64 = 100;
const LIMIT_MAX: u64 = 100_000;
const PER_SECOND_DEFAULT: u32 = 20;
const PER_SECOND_MAX: u32 = 1_000;
const BYTES_DEFAULT: u32 = 4 << 10;
const BYTES_MAX: u32 = 64 << 10;

/// Without records for this long, the client is written to, which tells whether it is still there.
const HEARTBEAT: Duration = Duration::from_secs(2);

/// What to look at.
#[derive(Deserialize, JsonSchema)]
pub(super) struct TapQuery {
    /// It ends after so many records.
    #[schemars(range(min = 1, max = 100_000))]
    limit: Option<u64>,
    /// At most so many records in a second, of each subtask.
    #[schemars(range(min = 1, max = 1000))]
    per_second: Option<u32>,
    /// A longer record is cut.
    #[schemars(range(min = 16, max = 65_536))]
    bytes: Option<u32>,
    /// Names of fields that are not shown, at any depth, with commas between them.
    redact: Option<String>,
    /// Only what goes to this vertex.
    to: Option<String>,
}

/// A stream of events that is being written.
struct Written {
    tap: TapStream,
    waiting: VecDeque<TapSample>,
    /// Lost records that the client was not told of.
    newly_lost: u64,
    limit: u64,
    records: u64,
    passed: u64,
    lost: u64,
    end: Option<String>,
    has_begun: bool,
    has_ended: bool,
}

pub(super) async fn tap(
    looker: Looker,
    path: web::Path<(String, String)>,
    query: web::Query<TapQuery>,
) -> Answer {
    let ((id, vertex), query) = (path.into_inner(), query.into_inner());
    let limit = within("limit", query.limit.unwrap_or(LIMIT_DEFAULT), 1, LIMIT_MAX)?;
    let request = TapRequest {
        job: job_id(&id)?,
        vertex: vertex_id(&vertex)?,
        to: query.to.as_deref().map(vertex_id).transpose()?,
        per_second: within("per_second", query.per_second.unwrap_or(PER_SECOND_DEFAULT), 1, PER_SECOND_MAX)?,
        bytes_max: within("bytes", query.bytes.unwrap_or(BYTES_DEFAULT), 16, BYTES_MAX)?,
        redaction: Redaction::new(query.redact.unwrap_or_default().split(',')),
    };
    let written = Written::new(looker.tap(request).await?, limit);
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/event-stream"))
        .streaming(stream::unfold(written, Written::next)))
}

impl Written {
    fn new(tap: TapStream, limit: u64) -> Self {
        Self {
            tap,
            waiting: VecDeque::new(),
            newly_lost: 0,
            limit,
            records: 0,
            passed: 0,
            lost: 0,
            end: None,
            has_begun: false,
            has_ended: false,
        }
    }

    /// The next piece of the body.
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        if self.has_ended {
            return None;
        }
        if !self.has_begun {
            // The client sees at once that the tap is open.
            self.has_begun = true;
            return Some((Ok(Bytes::from_static(b": open\n\n")), self));
        }
        loop {
            if self.newly_lost > 0 {
                let lost = std::mem::take(&mut self.newly_lost);
                return Some((Ok(event("lost", &TapLost { lost })), self));
            }
            if let Some(sample) = self.waiting.pop_front() {
                self.records += 1;
                if self.records >= self.limit {
                    self.waiting.clear();
                    self.end.get_or_insert_with(|| format!("{} records were asked for", self.limit));
                }
                return Some((Ok(event("record", &TapRecord::of(sample))), self));
            }
            if let Some(reason) = self.end.take() {
                self.has_ended = true;
                let Self { records, passed, lost, .. } = self;
                return Some((Ok(event("end", &TapEnd { reason, records, passed, lost })), self));
            }
            match timeout(HEARTBEAT, self.tap.next()).await {
                Err(_) => return Some((Ok(Bytes::from_static(b": heartbeat\n\n")), self)),
                Ok(Some(TapEvent::Report(report))) => self.take(report),
                Ok(Some(TapEvent::End(reason))) => self.end = Some(reason),
                Ok(None) => self.end = Some("the tap was closed".to_owned()),
            }
        }
    }

    fn take(&mut self, report: TapReport) {
        self.waiting.extend(report.samples);
        self.passed += report.passed;
        self.lost += report.lost;
        self.newly_lost += report.lost;
    }
}
