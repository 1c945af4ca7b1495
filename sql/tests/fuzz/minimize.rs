//! Makes a script that fails smaller, as long as it fails.

use std::time::{Duration, Instant};

use super::mutate::tokens;

/// How long is tried to make it smaller.
const EFFORT: Duration = Duration::from_secs(60);

/// The script without all tokens that it fails without, as far as there is time: parts of it are left out, smaller and smaller ones.
pub fn minimize(script: &str, mut fails: impl FnMut(&str) -> bool) -> String {
    let begin = Instant::now();
    let mut kept = tokens(script);
    let mut part = kept.len() / 2;
    while part > 0 {
        let mut at = 0;
        while at < kept.len() {
            let mut fewer = kept.clone();
            fewer.drain(at..(at + part).min(kept.len()));
            if fails(&fewer.concat()) {
                kept = fewer;
            } else {
                at += part;
            }
            if begin.elapsed() > EFFORT {
                return kept.concat();
            }
        }
        part /= 2;
    }
    kept.concat()
}
