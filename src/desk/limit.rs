//! How much one address may ask in vain, and how much may be said of one report. A bucket each: what is spent comes back with
//! time. Only dead tokens cost: a salon's customers behind one address do not hinder one another.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// So many at once.
const BURST: f64 = 20.0;

/// One comes back after so long: some 8,600 guesses a day and address, of 2^128.
const ONE_AFTER: Duration = Duration::from_secs(10);

/// Whoever was not heard for so long has all back.
const FULL_AFTER: Duration = Duration::from_secs(200);

/// Buckets kept: a few megabytes. Beyond it those that are full again go, then those that were heard longest ago.
const MOST: usize = 50_000;

/// Whose bucket it is. Of an IPv6 address the network counts: one customer has 2^64 addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Peer(IpAddr),
    Token([u8; 32]),
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: f64,
    at: Instant,
}

#[derive(Debug, Default)]
pub(super) struct Limits(Mutex<HashMap<Key, Bucket>>);

impl Key {
    fn network(self) -> Self {
        match self {
            Self::Peer(IpAddr::V6(address)) => {
                let [a, b, c, d, ..] = address.segments();
                Self::Peer(IpAddr::from([a, b, c, d, 0, 0, 0, 0]))
            }
            other => other,
        }
    }
}

impl Bucket {
    fn left(self, now: Instant) -> f64 {
        let back = now.saturating_duration_since(self.at).as_secs_f64() / ONE_AFTER.as_secs_f64();
        (self.left + back).min(BURST)
    }
}

impl Limits {
    /// Whether nothing is left.
    pub fn is_spent(&self, key: &Key, now: Instant) -> bool {
        let buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        buckets.get(&key.network()).is_some_and(|bucket| bucket.left(now) < 1.0)
    }

    pub fn spend(&self, key: Key, now: Instant) {
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MOST {
            make_room(&mut buckets, now);
        }
        let bucket = buckets.entry(key.network()).or_insert(Bucket { left: BURST, at: now });
        *bucket = Bucket { left: (bucket.left(now) - 1.0).max(0.0), at: now };
    }
}

fn make_room(buckets: &mut HashMap<Key, Bucket>, now: Instant) {
    buckets.retain(|_, bucket| now.saturating_duration_since(bucket.at) < FULL_AFTER);
    if buckets.len() < MOST {
        return;
    }
    let mut times: Vec<Instant> = buckets.values().map(|bucket| bucket.at).collect();
    let (_, middle, _) = times.select_nth_unstable(MOST / 2);
    let middle = *middle;
    buckets.retain(|_, bucket| bucket.at > middle);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(last: u8) -> Key {
        Key::Peer(IpAddr::from([192, 0, 2, last]))
    }

    #[test]
    fn what_was_spent_comes_back_with_time_and_only_to_the_one_who_spent_it() {
        let (limits, now) = (Limits::default(), tokio::time::Instant::now().into_std());
        for _ in 0..20 {
            assert!(!limits.is_spent(&peer(1), now));
            limits.spend(peer(1), now);
        }
        assert!(limits.is_spent(&peer(1), now) && !limits.is_spent(&peer(2), now));
        let later = now + ONE_AFTER;
        assert!(!limits.is_spent(&peer(1), later));
        limits.spend(peer(1), later);
        assert!(limits.is_spent(&peer(1), later));
        assert!(!limits.is_spent(&peer(1), later + FULL_AFTER));
    }

    #[test]
    fn a_million_addresses_do_not_fill_the_memory_and_one_that_guesses_on_stays_held_back() {
        let (limits, begun) = (Limits::default(), tokio::time::Instant::now().into_std());
        for at in 0..1_000_000_u32 {
            let now = begun + Duration::from_micros(u64::from(at));
            limits.spend(Key::Peer(IpAddr::from(at.to_be_bytes())), now);
            if at % 1_000 < 21 {
                limits.spend(peer(9), now);
            }
        }
        assert!(limits.is_spent(&peer(9), begun + Duration::from_secs(1)));
        assert!(limits.0.lock().unwrap().len() <= MOST);
    }

    #[test]
    fn a_network_of_addresses_is_one() {
        let (limits, now) = (Limits::default(), tokio::time::Instant::now().into_std());
        for last in 0..20_u16 {
            limits.spend(Key::Peer(IpAddr::from([0x2001, 0xdb8, 0, 7, 1, 2, 3, last])), now);
        }
        assert!(limits.is_spent(&Key::Peer(IpAddr::from([0x2001, 0xdb8, 0, 7, 9, 9, 9, 9])), now));
        assert!(!limits.is_spent(&Key::Peer(IpAddr::from([0x2001, 0xdb8, 0, 8, 1, 2, 3, 4])), now));
    }
}
