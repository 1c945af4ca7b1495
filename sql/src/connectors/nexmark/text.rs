//! The texts in the events. Long ones are cut out of a text that is generated once, at random places.

use headwater_core::random;

use super::{
    model::{Draw, Model, below},
    rows::Kind,
};

const STATES: [&str; 6] = ["AZ", "CA", "ID", "OR", "WA", "WY"];
const CITIES: [&str; 10] = [
    "Phoenix",
    "Los Angeles",
    "San Francisco",
    "Boise",
    "Portland",
    "Bend",
    "Redmond",
    "Seattle",
    "Kent",
    "Cheyenne",
];
const FIRST_NAMES: [&str; 11] =
    ["Peter", "Paul", "Luke", "John", "Saul", "Vicky", "Kate", "Julie", "Sarah", "Deiter", "Walter"];
const LAST_NAMES: [&str; 9] =
    ["Shultz", "Abrams", "Spencer", "White", "Bartels", "Walton", "Smith", "Jones", "Noris"];
const HOT_CHANNELS: [&str; 4] = ["Google", "Facebook", "Baidu", "Apple"];
const CHANNELS: u64 = 10_000;

/// Strings begin at one of so many places of a text.
const PLACES: u64 = 1 << 16;
/// The longest string of words.
const WORDS_MAX: u64 = 100;
const NAME_MAX: u64 = 20;
const STRING_MIN: u64 = 3;

/// Many strings in one buffer.
#[derive(Debug)]
struct Strings {
    bytes: Vec<u8>,
    /// Where each begins, and the last one ends.
    offsets: Vec<usize>,
}

impl Strings {
    fn new() -> Self {
        Self { bytes: Vec::new(), offsets: vec![0] }
    }

    fn push(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
        self.offsets.push(self.bytes.len());
    }

    #[inline]
    fn get(&self, index: usize) -> &[u8] {
        &self.bytes[self.offsets[index]..self.offsets[index + 1]]
    }
}

/// What texts are made of.
#[derive(Debug)]
pub(super) struct Texts {
    /// Letters only.
    letters: Vec<u8>,
    /// Letters and spaces.
    words: Vec<u8>,
    /// The hot ones first, then all others.
    channels: Strings,
    /// Of the channel with the same index.
    urls: Strings,
}

impl Texts {
    pub fn new(model: &Model) -> Self {
        // `extra` is at most a fifth above the average.
        let longest = model.settings.avg_sizes.into_iter().max().unwrap_or(0) * 2;
        let letter = |bits: u64| b'a' + below(bits, 26) as u8;
        let (letters, words) = (model.bits(Draw::Letters), model.bits(Draw::Words));
        let mut texts = Self {
            letters: (0..PLACES + longest).map(|place| letter(letters(place))).collect(),
            words: (0..PLACES + WORDS_MAX)
                .map(words)
                .map(|bits| if below(bits >> 32, 13) == 0 { b' ' } else { letter(bits) })
                .collect(),
            channels: Strings::new(),
            urls: Strings::new(),
        };
        let bits = model.bits(Draw::Channels);
        for index in 0..HOT_CHANNELS.len() as u64 + CHANNELS {
            let mut url = texts.base_url(bits(index));
            match HOT_CHANNELS.get(index as usize) {
                Some(channel) => texts.channels.push(channel),
                None => {
                    let number = (index - HOT_CHANNELS.len() as u64) as i32;
                    texts.channels.push(&format!("channel-{number}"));
                    if below(bits(index) >> 32, 10) > 0 {
                        url.push_str(&format!("&channel_id={}", number.reverse_bits().unsigned_abs()));
                    }
                }
            }
            texts.urls.push(&url);
        }
        texts
    }

    fn base_url(&self, bits: u64) -> String {
        let part = |index| {
            let letters = self.words(random::at(bits, index), 5);
            String::from_utf8_lossy(letters).replace(' ', "_")
        };
        format!("https://www.nexmark.com/{}/{}/{}/item.htm?query=1", part(0), part(1), part(2))
    }

    /// From 3 letters on, at most below `length_max`, with spaces inside.
    fn words(&self, bits: u64, length_max: u64) -> &[u8] {
        let start = (bits >> 48) as usize;
        let length = STRING_MIN + below(bits, length_max - STRING_MIN);
        self.words[start..start + length as usize].trim_ascii()
    }

    /// Letters that bring an event, whose other parts have so many bytes, to the average size.
    #[inline]
    fn extra(&self, bits: u64, bytes: u64, avg_size: u64) -> &[u8] {
        let missing = avg_size.saturating_sub(bytes);
        let spread = (missing * 2 + 5) / 10;
        let length = missing - spread + below(bits, spread * 2);
        let start = (bits >> 48) as usize;
        &self.letters[start..start + length as usize]
    }

    /// The index of a bid's channel: every other bid is through a hot one.
    #[inline]
    fn channel(model: &Model) -> impl Fn(u64) -> usize + use<> {
        let bits = model.bits(Draw::BidChannel);
        let hot = HOT_CHANNELS.len() as u64;
        move |event| {
            let bits = bits(event);
            let index = if bits & 1 == 0 { (bits >> 1) % hot } else { hot + below(bits >> 32, CHANNELS) };
            index as usize
        }
    }

    #[inline]
    pub fn bid_channel(&self, model: &Model) -> impl Fn(u64, &mut Vec<u8>) {
        let channel = Self::channel(model);
        move |event, out| out.extend_from_slice(self.channels.get(channel(event)))
    }

    #[inline]
    pub fn bid_url(&self, model: &Model) -> impl Fn(u64, &mut Vec<u8>) {
        let channel = Self::channel(model);
        move |event, out| out.extend_from_slice(self.urls.get(channel(event)))
    }

    #[inline]
    pub fn bid_extra(&self, model: &Model) -> impl Fn(u64, &mut Vec<u8>) {
        let (bits, avg_size) = (model.bits(Draw::BidExtra), model.settings.avg_sizes[Kind::Bid as usize]);
        // Auction, bidder, price and time.
        let bytes = 4 * 8;
        move |event, out| out.extend_from_slice(self.extra(bits(event), bytes, avg_size))
    }

    pub fn auction_name<'a>(&'a self, model: &Model) -> impl Fn(u64) -> &'a [u8] + use<'a> {
        let bits = model.bits(Draw::AuctionName);
        move |event| self.words(bits(event), NAME_MAX)
    }

    pub fn auction_description<'a>(&'a self, model: &Model) -> impl Fn(u64) -> &'a [u8] + use<'a> {
        let bits = model.bits(Draw::AuctionDescription);
        move |event| self.words(bits(event), WORDS_MAX)
    }

    pub fn auction_extra(&self, model: &Model) -> impl Fn(u64, &mut Vec<u8>) {
        let (bits, avg_size) =
            (model.bits(Draw::AuctionExtra), model.settings.avg_sizes[Kind::Auction as usize]);
        let (name, description) = (self.auction_name(model), self.auction_description(model));
        move |event, out| {
            // Six numbers beside the two texts.
            let bytes = name(event).len() + description(event).len() + 6 * 8;
            out.extend_from_slice(self.extra(bits(event), bytes as u64, avg_size));
        }
    }

    pub fn person_email(&self, model: &Model) -> impl Fn(u64, &mut Vec<u8>) {
        let bits = model.bits(Draw::PersonEmail);
        move |event, out| {
            let bits = bits(event);
            out.extend_from_slice(self.words(random::at(bits, 0), 7));
            out.push(b'@');
            out.extend_from_slice(self.words(random::at(bits, 1), 5));
            out.extend_from_slice(b".com");
        }
    }

    pub fn person_extra(&self, model: &Model) -> impl Fn(u64, &mut Vec<u8>) {
        let (bits, avg_size) =
            (model.bits(Draw::PersonExtra), model.settings.avg_sizes[Kind::Person as usize]);
        let (name, email, card) = (person_name(model), self.person_email(model), person_credit_card(model));
        let (city, state) = (person_city(model), person_state(model));
        move |event, out| {
            let start = out.len();
            name(event, out);
            email(event, out);
            card(event, out);
            let bytes = 8 + out.len() - start + city(event).len() + state(event).len();
            out.truncate(start);
            out.extend_from_slice(self.extra(bits(event), bytes as u64, avg_size));
        }
    }
}

pub(super) fn person_name(model: &Model) -> impl Fn(u64, &mut Vec<u8>) + use<> {
    let bits = model.bits(Draw::PersonName);
    move |event, out| {
        let bits = bits(event);
        out.extend_from_slice(pick(&FIRST_NAMES, bits).as_bytes());
        out.push(b' ');
        out.extend_from_slice(pick(&LAST_NAMES, bits >> 32).as_bytes());
    }
}

pub(super) fn person_credit_card(model: &Model) -> impl Fn(u64, &mut Vec<u8>) + use<> {
    let bits = model.bits(Draw::PersonCreditCard);
    move |event, out| {
        // 16 digits are 4 groups of a number below 10,000, each from 16 bits of its own hash.
        for group in 0..4 {
            if group > 0 {
                out.push(b' ');
            }
            let number = below(random::at(bits(event), group), 10_000);
            out.extend([1000, 100, 10, 1].map(|unit| b'0' + (number / unit % 10) as u8));
        }
    }
}

pub(super) fn person_city(model: &Model) -> impl Fn(u64) -> &'static str + use<> {
    let bits = model.bits(Draw::PersonPlace);
    move |event| pick(&CITIES, bits(event))
}

pub(super) fn person_state(model: &Model) -> impl Fn(u64) -> &'static str + use<> {
    let bits = model.bits(Draw::PersonPlace);
    move |event| pick(&STATES, bits(event) >> 32)
}

fn pick(of: &[&'static str], bits: u64) -> &'static str {
    of[below(bits, of.len() as u64) as usize]
}
