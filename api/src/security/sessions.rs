//! Who has logged in with a browser, and who has tried too often.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::tokens::{hash_of, hex};

/// So long after it began a session ends.
pub(super) const LIFETIME: Duration = Duration::from_secs(12 * 3600);
const SESSIONS_MAX: usize = 1_024;

const FAILURES_MAX: u32 = 10;
const FAILURES_WINDOW: Duration = Duration::from_secs(60);
const PEERS_MAX: usize = 4_096;

/// The sessions of browsers. They are in memory, so a restart ends them.
#[derive(Debug, Default)]
pub(super) struct Sessions(Mutex<HashMap<[u8; 32], Session>>);

#[derive(Debug, Clone, Copy)]
struct Session {
    /// That of the token: it is asked for again with each request.
    token: [u8; 32],
    ends_at: Instant,
}

impl Sessions {
    /// Begins a session and returns its cookie's value.
    pub(super) fn begin(&self, token: [u8; 32]) -> Result<String, getrandom::Error> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)?;
        let id = hex(&bytes);
        let now = Instant::now();
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|_, session| session.ends_at > now);
        if sessions.len() >= SESSIONS_MAX {
            let oldest = sessions.iter().min_by_key(|(_, session)| session.ends_at).map(|(id, _)| *id);
            oldest.and_then(|id| sessions.remove(&id));
        }
        sessions.insert(hash_of(&id), Session { token, ends_at: now + LIFETIME });
        Ok(id)
    }

    /// The hash of the token that a session was begun with, if it has not ended.
    pub(super) fn token(&self, id: &str) -> Option<[u8; 32]> {
        let sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let session = sessions.get(&hash_of(id)).filter(|session| session.ends_at > Instant::now())?;
        Some(session.token)
    }

    pub(super) fn end(&self, id: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&hash_of(id));
    }
}

/// Counts wrong tokens, address by address.
#[derive(Debug, Default)]
pub(super) struct Failures(Mutex<HashMap<IpAddr, (u32, Instant)>>);

impl Failures {
    /// How long an address must wait before it may try a token again.
    pub(super) fn wait(&self, peer: IpAddr) -> Option<Duration> {
        let failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, began) = failures.get(&peer)?;
        let left = FAILURES_WINDOW.checked_sub(began.elapsed())?;
        (*count >= FAILURES_MAX).then_some(left)
    }

    pub(super) fn add(&self, peer: IpAddr) {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() >= PEERS_MAX {
            failures.retain(|_, (_, began)| began.elapsed() < FAILURES_WINDOW);
        }
        if failures.len() >= PEERS_MAX && !failures.contains_key(&peer) {
            let oldest = failures.iter().min_by_key(|(_, (_, began))| *began).map(|(peer, _)| *peer);
            oldest.and_then(|peer| failures.remove(&peer));
        }
        let entry = failures.entry(peer).or_insert((0, Instant::now()));
        if entry.1.elapsed() >= FAILURES_WINDOW {
            *entry = (0, Instant::now());
        }
        entry.0 += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_known_by_its_cookie_until_it_ends() {
        let sessions = Sessions::default();
        let (one, other) = (sessions.begin([1; 32]).unwrap(), sessions.begin([2; 32]).unwrap());
        assert_eq!((sessions.token(&one), sessions.token(&other)), (Some([1; 32]), Some([2; 32])));
        sessions.end(&one);
        assert_eq!((sessions.token(&one), sessions.token("")), (None, None));
        for _ in 0..2 * SESSIONS_MAX {
            sessions.begin([3; 32]).unwrap();
        }
        assert_eq!(sessions.0.lock().unwrap().len(), SESSIONS_MAX);
    }

    #[test]
    fn who_guesses_has_to_wait_and_others_need_not() {
        let failures = Failures::default();
        let (guesser, other) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        for _ in 0..FAILURES_MAX {
            assert_eq!(failures.wait(guesser), None);
            failures.add(guesser);
        }
        assert!(failures.wait(guesser).is_some() && failures.wait(other).is_none());
        failures.0.lock().unwrap().get_mut(&guesser).unwrap().1 = Instant::now() - FAILURES_WINDOW;
        assert_eq!(failures.wait(guesser), None);
    }
}
