//! The numbers in the events: ids, prices and times, as the benchmark defines them.
//!
//! Chance is a hash of the seed, what is drawn, and the event's number. So any part of any event can be computed alone.

use headwater_core::{random, time::TimestampMs};

use super::{
    rows::{Epochs, Kind, Run},
    settings::Settings,
};

/// Ids begin here, so that queries find something in small samples, too.
const FIRST_ID: u64 = 1000;
const FIRST_CATEGORY: u64 = 10;
const CATEGORIES: u64 = 5;
/// The first of so many auctions, sellers and bidders is hot.
const HOT_GROUP: u64 = 100;
/// Ids that are not in use yet may be drawn, too, up to so many.
const ID_LEAD: u64 = 10;
const AUCTIONS_IN_FLIGHT: u64 = 100;
const ACTIVE_PEOPLE: u64 = 1000;

/// What is drawn.
#[derive(Debug, Clone, Copy)]
pub(super) enum Draw {
    BidAuction,
    BidBidder,
    BidPrice,
    BidChannel,
    BidExtra,
    AuctionSeller,
    AuctionCategory,
    AuctionInitialBid,
    AuctionReserve,
    AuctionLength,
    AuctionName,
    AuctionDescription,
    AuctionExtra,
    PersonName,
    PersonEmail,
    PersonCreditCard,
    PersonPlace,
    PersonExtra,
    /// Of the text that is cut into strings.
    Letters,
    Words,
    Channels,
}

/// The numbers in events.
#[derive(Debug, Clone)]
pub(super) struct Model {
    pub settings: Settings,
    pub epochs: Epochs,
}

/// A number below `n`, which is below 2^32, from the lower 32 bits.
#[inline]
pub(super) fn below(bits: u64, n: u64) -> u64 {
    ((bits & 0xffff_ffff) * n) >> 32
}

impl Model {
    pub fn new(settings: Settings) -> Self {
        Self { epochs: Epochs::new(settings.proportions), settings }
    }

    /// The random bits of each event for one purpose.
    #[inline]
    pub fn bits(&self, draw: Draw) -> impl Fn(u64) -> u64 + Copy + use<> {
        let seed = random::at(self.settings.seed, draw as u64);
        move |event| random::at(seed, event)
    }

    /// When an event happened.
    #[inline]
    pub fn time_ms(&self, event: u64) -> TimestampMs {
        self.settings.base_time_ms + (event * 1000 / self.settings.events_per_second) as i64
    }

    /// When the events of a run happened, without a division for each.
    #[inline]
    pub fn times_ms(&self, run: &Run) -> impl FnMut(u64) -> TimestampMs + use<> {
        let rate = self.settings.events_per_second;
        let (step_ms, step_rest) = ((1000 / rate) as i64, 1000 % rate);
        let mut time_ms = self.time_ms(run.events.start);
        let mut rest = run.events.start * 1000 % rate;
        move |_| {
            let this_ms = time_ms;
            rest += step_rest;
            let carry = rest >= rate;
            rest -= if carry { rate } else { 0 };
            time_ms += step_ms + i64::from(carry);
            this_ms
        }
    }

    /// The ids of the persons or auctions in a run of them.
    #[inline]
    pub fn ids(&self, kind: Kind, run: &Run) -> impl Fn(u64) -> i64 + use<> {
        let first = run.epoch * self.epochs.count(kind) + FIRST_ID;
        let first_event = run.epoch * self.epochs.len() + self.epochs.start(kind);
        move |event| (first + (event - first_event)) as i64
    }

    /// The number of the last person or auction that an epoch brings.
    fn last(&self, kind: Kind, epoch: u64) -> u64 {
        ((epoch + 1) * self.epochs.count(kind)).saturating_sub(1)
    }

    /// For which auctions the bids of a run are.
    #[inline]
    pub fn bid_auctions(&self, run: &Run) -> impl Fn(u64) -> i64 + use<> {
        let last = self.last(Kind::Auction, run.epoch);
        let first = last.saturating_sub(AUCTIONS_IN_FLIGHT);
        let hot = last / HOT_GROUP * HOT_GROUP;
        let range = last - first + 1 + ID_LEAD;
        let (bits, ratio) = (self.bits(Draw::BidAuction), self.settings.hot_auctions_ratio);
        move |event| {
            let bits = bits(event);
            let auction = if below(bits, ratio) > 0 { hot } else { first + below(bits >> 32, range) };
            (auction + FIRST_ID) as i64
        }
    }

    /// By whom they are. Hot bidders come second in their group, so as not to be hot sellers.
    #[inline]
    pub fn bid_bidders(&self, run: &Run) -> impl Fn(u64) -> i64 + use<> {
        self.persons(run, Draw::BidBidder, self.settings.hot_bidders_ratio, 1)
    }

    /// Who sells the auctions of a run.
    #[inline]
    pub fn auction_sellers(&self, run: &Run) -> impl Fn(u64) -> i64 + use<> {
        self.persons(run, Draw::AuctionSeller, self.settings.hot_sellers_ratio, 0)
    }

    #[inline]
    fn persons(&self, run: &Run, draw: Draw, ratio: u64, hot_index: u64) -> impl Fn(u64) -> i64 + use<> {
        let last = self.last(Kind::Person, run.epoch);
        let active = (last + 1).min(ACTIVE_PEOPLE);
        let first = last + 1 - active;
        let hot = last / HOT_GROUP * HOT_GROUP + hot_index;
        let bits = self.bits(draw);
        move |event| {
            let bits = bits(event);
            let person =
                if below(bits, ratio) > 0 { hot } else { first + below(bits >> 32, active + ID_LEAD) };
            (person + FIRST_ID) as i64
        }
    }

    /// What auctions are of.
    pub fn auction_category(&self, event: u64) -> i64 {
        (FIRST_CATEGORY + below(self.bits(Draw::AuctionCategory)(event), CATEGORIES)) as i64
    }

    /// The lowest price at which an item is sold: above the first bid.
    pub fn auction_reserve(&self, event: u64) -> i64 {
        let above = price(self.bits(Draw::AuctionReserve)(event));
        price(self.bits(Draw::AuctionInitialBid)(event)) + above
    }

    /// When an auction ends: on average, when as many have begun as are to be in flight.
    pub fn auction_expires_ms(&self, event: u64) -> TimestampMs {
        let events = AUCTIONS_IN_FLIGHT * self.epochs.len() / self.epochs.count(Kind::Auction);
        let time_ms = self.time_ms(event);
        let horizon_ms = (self.time_ms(event + events) - time_ms).max(0) as u64;
        let bits = self.bits(Draw::AuctionLength)(event);
        // The product fits: a horizon has far fewer than 64 bits.
        let length_ms = (u128::from(bits) * u128::from((horizon_ms * 2).max(1))) >> 64;
        time_ms + 1 + length_ms as i64
    }
}

/// A price in cents, spread evenly over six decades: 100 · 10^(6u), u from 0 to 1.
#[inline]
pub(super) fn price(bits: u64) -> i64 {
    // 10^(6u) = 2^(whole + part); the series of 2^part is right to 1 in 60,000, and the same on every machine.
    const BITS_PER_DECADE: f64 = std::f64::consts::LOG2_10;
    const LN: f64 = std::f64::consts::LN_2;
    const TERMS: [f64; 7] = [
        1.0,
        LN,
        LN * LN / 2.0,
        LN * LN * LN / 6.0,
        LN * LN * LN * LN / 24.0,
        LN * LN * LN * LN * LN / 120.0,
        LN * LN * LN * LN * LN * LN / 720.0,
    ];
    let share = (bits >> 11) as f64 * (1.0 / (1u64 << 53) as f64);
    let exponent = share * (6.0 * BITS_PER_DECADE);
    let whole = exponent as i32;
    let part = exponent - f64::from(whole);
    let power = TERMS.iter().rev().fold(0.0, |sum, term| sum * part + term);
    let scale = f64::from_bits(((1023 + whole) as u64) << 52);
    (100.0 * power * scale + 0.5) as i64
}
