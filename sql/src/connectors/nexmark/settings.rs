//! The options of the connector `nexmark`, under the names of the benchmark's own connector for Flink.

use chrono::NaiveDateTime;
use headwater_core::time::TimestampMs;

use super::super::{TableDescriptor, options::OptionReader};
use crate::error::SqlError;

/// 2015-07-15T00:00:00Z, the base time of the benchmark's deterministic runs.
const BASE_TIME_MS: TimestampMs = 1_436_918_400_000;

/// So that event numbers, multiplied by 1000, fit 64 bits; at 100 million events a second they last for three years.
const EVENTS_MAX: u64 = 10_000_000_000_000_000;

/// So that the texts of a batch fit Arrow's 32-bit offsets.
const AVG_SIZE_MAX: u64 = 16 << 10;

/// What is to be generated. An event follows from these and its number.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    /// The number of events, if it is limited.
    pub events: Option<u64>,
    /// Whether the source goes on, with nothing, after the last event.
    pub is_kept_alive: bool,
    /// Events per second of event time.
    pub events_per_second: u64,
    /// No more events per second of processing time than these.
    pub emitted_per_second: Option<u64>,
    /// The event time of event 0.
    pub base_time_ms: TimestampMs,
    pub seed: u64,
    /// Persons, auctions and bids per epoch.
    pub proportions: [u64; 3],
    /// 1 of so many bids is not for a hot auction, …
    pub hot_auctions_ratio: u64,
    /// … not by a hot bidder, …
    pub hot_bidders_ratio: u64,
    /// … and 1 of so many auctions not by a hot seller.
    pub hot_sellers_ratio: u64,
    /// Average sizes of persons, auctions and bids, in bytes.
    pub avg_sizes: [u64; 3],
}

impl Settings {
    /// Reads all options of the table.
    pub fn read(table: &TableDescriptor) -> Result<Self, SqlError> {
        let mut options = OptionReader::new(table);
        let events = options.integer("events.num", 0..=EVENTS_MAX)?.filter(|events| *events > 0);
        let events_per_second = options.integer("first-event.rate", 1..=1_000_000_000)?.unwrap_or(10_000);
        Self::check_steady_rate(&mut options, events_per_second)?;
        let is_rate_limited = options.flag("rate.limited")?.unwrap_or(false);
        let is_at_full_speed = options.flag("max-emit-speed")?.unwrap_or(!is_rate_limited);
        if is_rate_limited && is_at_full_speed {
            let expected = "`false` or nothing, since `rate.limited` is `true`";
            return Err(options.invalid("max-emit-speed", expected));
        }
        let emit_rate = options.integer("emit-rate", 1..=1_000_000_000)?;
        let time_expected = "milliseconds since 1970 or a time such as `2015-07-15 00:00:00`";
        let settings = Self {
            events,
            is_kept_alive: options.flag("keep-alive")?.unwrap_or(false),
            events_per_second,
            emitted_per_second: emit_rate.or((!is_at_full_speed).then_some(events_per_second)),
            base_time_ms: options.parsed("base-time", time_expected, parse_time)?.unwrap_or(BASE_TIME_MS),
            seed: options.integer("seed", ..)?.unwrap_or(0),
            proportions: [
                proportion(&mut options, "person.proportion", 1)?,
                proportion(&mut options, "auction.proportion", 3)?,
                proportion(&mut options, "bid.proportion", 46)?,
            ],
            hot_auctions_ratio: ratio(&mut options, "bid.hot-ratio.auctions", 2)?,
            hot_bidders_ratio: ratio(&mut options, "bid.hot-ratio.bidders", 4)?,
            hot_sellers_ratio: ratio(&mut options, "auction.hot-ratio.sellers", 4)?,
            avg_sizes: [
                avg_size(&mut options, "person.avg-size", 200)?,
                avg_size(&mut options, "auction.avg-size", 500)?,
                avg_size(&mut options, "bid.avg-size", 100)?,
            ],
        };
        if settings.proportions.iter().sum::<u64>() == 0 {
            return Err(options.error("bid.proportion", "expected one of the three proportions above 0"));
        }
        options.finish()?;
        Ok(settings)
    }

    /// The rate can be told to swing between two, as the benchmark's first generator did; its connector for Flink does not.
    fn check_steady_rate(options: &mut OptionReader<'_>, events_per_second: u64) -> Result<(), SqlError> {
        options.choice("rate.shape", &[("SQUARE", ()), ("SINE", ())])?;
        options.duration_ms("rate.period")?;
        match options.integer("next-event.rate", 1..=1_000_000_000)? {
            Some(next) if next != events_per_second => {
                let expected = format!(
                    "the `first-event.rate`, {events_per_second}: a rate that changes is not supported"
                );
                Err(options.invalid("next-event.rate", expected))
            }
            _ => Ok(()),
        }
    }
}

fn proportion(options: &mut OptionReader<'_>, key: &str, default: u64) -> Result<u64, SqlError> {
    Ok(options.integer(key, 0..=1_000_000)?.unwrap_or(default))
}

fn ratio(options: &mut OptionReader<'_>, key: &str, default: u64) -> Result<u64, SqlError> {
    Ok(options.integer(key, 1..=1_000_000)?.unwrap_or(default))
}

fn avg_size(options: &mut OptionReader<'_>, key: &str, default: u64) -> Result<u64, SqlError> {
    match options.memory_bytes(key)? {
        Some(bytes) if bytes > AVG_SIZE_MAX => Err(options.invalid(key, "at most `16 kb`")),
        size => Ok(size.unwrap_or(default)),
    }
}

fn parse_time(text: &str) -> Option<TimestampMs> {
    let text = text.trim();
    text.parse().ok().or_else(|| {
        let formats = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f"];
        let time = formats.iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())?;
        Some(time.and_utc().timestamp_millis())
    })
}
