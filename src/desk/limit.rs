//! How much one address may ask in vain, and how much may be said of one report. A bucket each: what is spent comes back with
//! time. Only dead tokens cost: a salon's customers behind one address do not hinder one another.
//!
//! One is taken before anything is looked up and given back where it was no guess: guesses that are sent at once cannot all
//! pass before the first of them is spent. Who finds none left while others of the address are under way waits for those.

use crate::doorway::neighbourhood;
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::{
    sync::Notify,
    time::{self, timeout_at},
};

/// So many at once.
const BURST: f64 = 20.0;

/// One comes back after so long: some 8,600 guesses a day and address, of 2^128.
const ONE_AFTER: Duration = Duration::from_secs(10);

/// Whoever was not heard for so long has all back.
const FULL_AFTER: Duration = Duration::from_secs(200);

/// Buckets kept: a few megabytes. Beyond it those that are full again go, then those that were heard longest ago.
const MOST: usize = 50_000;

/// Whose bucket it is; of addresses their [`neighbourhood`]'s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    Peer(IpAddr),
    Token([u8; 32]),
    /// Papers made of one report: each takes half a second of a core.
    Paper([u8; 32]),
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: f64,
    at: Instant,
    /// Taken, and neither spent nor given back yet.
    held: u32,
}

#[derive(Debug, Default)]
pub(crate) struct Limits {
    buckets: Mutex<HashMap<Key, Bucket>>,
    given_back: Notify,
}

/// One that was taken. Dropped, it is given back: a caller who hangs up has learnt nothing.
#[derive(Debug)]
pub(crate) struct Taken<'a> {
    limits: &'a Limits,
    key: Key,
    spent: bool,
}

/// Why none was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NoneLeft {
    Spent,
    /// Some of them may come back at any moment.
    Held,
}

impl Key {
    fn whole(self) -> Self {
        match self {
            Self::Peer(address) => Self::Peer(neighbourhood(address)),
            of_report @ (Self::Token(_) | Self::Paper(_)) => of_report,
        }
    }
}

impl Bucket {
    fn left(self, now: Instant) -> f64 {
        let back = now.saturating_duration_since(self.at).as_secs_f64() / ONE_AFTER.as_secs_f64();
        (self.left + back).min(BURST)
    }
}

impl Taken<'_> {
    /// It was a guess.
    pub fn spend(mut self) {
        self.spent = true;
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let mut buckets = self.limits.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        // Where there is none any more, it was full again.
        if let Some(bucket) = buckets.get_mut(&self.key) {
            bucket.held = bucket.held.saturating_sub(1);
            bucket.left += if self.spent { 0.0 } else { 1.0 };
        }
        drop(buckets);
        self.limits.given_back.notify_waiters();
    }
}

impl Limits {
    /// Takes one, waiting for those under way until `patience` ends; `None` where nothing is left.
    pub async fn take(&self, key: Key, patience: Duration) -> Option<Taken<'_>> {
        let end = time::Instant::now() + patience;
        loop {
            // Made before the look, so that what is given back right after it is not missed.
            let given_back = self.given_back.notified();
            match self.try_take(key, time::Instant::now().into_std()) {
                Ok(taken) => return Some(taken),
                Err(NoneLeft::Spent) => return None,
                Err(NoneLeft::Held) => timeout_at(end, given_back).await.ok()?,
            }
        }
    }

    fn try_take(&self, key: Key, now: Instant) -> Result<Taken<'_>, NoneLeft> {
        let key = key.whole();
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MOST && !buckets.contains_key(&key) {
            make_room(&mut buckets, now);
        }
        let bucket = buckets.entry(key).or_insert(Bucket { left: BURST, at: now, held: 0 });
        let left = bucket.left(now);
        if left < 1.0 {
            return Err(if bucket.held > 0 { NoneLeft::Held } else { NoneLeft::Spent });
        }
        *bucket = Bucket { left: left - 1.0, at: now, held: bucket.held + 1 };
        Ok(Taken { limits: self, key, spent: false })
    }
}

fn make_room(buckets: &mut HashMap<Key, Bucket>, now: Instant) {
    buckets.retain(|_, bucket| bucket.held > 0 || now.saturating_duration_since(bucket.at) < FULL_AFTER);
    if buckets.len() < MOST {
        return;
    }
    let mut times: Vec<Instant> = buckets.values().map(|bucket| bucket.at).collect();
    let (_, middle, _) = times.select_nth_unstable(MOST / 2);
    let middle = *middle;
    buckets.retain(|_, bucket| bucket.held > 0 || bucket.at > middle);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(last: u8) -> Key {
        Key::Peer(IpAddr::from([192, 0, 2, last]))
    }

    fn guess(limits: &Limits, key: Key, now: Instant) -> bool {
        limits.try_take(key, now).map(Taken::spend).is_ok()
    }

    #[test]
    fn what_was_spent_comes_back_with_time_and_only_to_the_one_who_spent_it() {
        let (limits, now) = (Limits::default(), time::Instant::now().into_std());
        for _ in 0..20 {
            assert!(guess(&limits, peer(1), now));
        }
        assert!(!guess(&limits, peer(1), now) && guess(&limits, peer(2), now));
        let later = now + ONE_AFTER;
        assert!(guess(&limits, peer(1), later));
        assert!(!guess(&limits, peer(1), later));
        assert!(guess(&limits, peer(1), later + FULL_AFTER));
    }

    /// Guesses sent at once all saw a full bucket, since it was looked at before and spent after the answer.
    #[test]
    fn guesses_sent_at_once_are_counted_before_any_is_answered() {
        let (limits, now) = (Limits::default(), time::Instant::now().into_std());
        let under_way: Vec<_> = (0..100).map_while(|_| limits.try_take(peer(1), now).ok()).collect();
        assert_eq!(under_way.len(), 20);
        assert_eq!(limits.try_take(peer(1), now).err(), Some(NoneLeft::Held));
        under_way.into_iter().for_each(Taken::spend);
        assert_eq!(limits.try_take(peer(1), now).err(), Some(NoneLeft::Spent));
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_with_many_pages_under_way_waits_and_loses_nothing() {
        let limits = Limits::default();
        let mut pages = Vec::new();
        for _ in 0..20 {
            pages.push(limits.take(peer(1), ONE_AFTER / 2).await.expect("one is left"));
        }
        let (next, ()) = tokio::join!(limits.take(peer(1), ONE_AFTER / 2), async {
            tokio::task::yield_now().await;
            pages.clear();
        });
        drop(next.expect("it waited for the others"));
        for _ in 0..20 {
            assert!(guess(&limits, peer(1), time::Instant::now().into_std()), "a page that opened cost a guess");
        }
    }

    #[test]
    fn a_million_addresses_do_not_fill_the_memory_and_one_that_guesses_on_stays_held_back() {
        let (limits, begun) = (Limits::default(), time::Instant::now().into_std());
        for at in 0..1_000_000_u32 {
            let now = begun + Duration::from_micros(u64::from(at));
            guess(&limits, Key::Peer(IpAddr::from(at.to_be_bytes())), now);
            if at % 1_000 < 21 {
                guess(&limits, peer(9), now);
            }
        }
        assert!(!guess(&limits, peer(9), begun + Duration::from_secs(1)));
        assert!(limits.buckets.lock().unwrap().len() <= MOST);
    }

    #[test]
    fn a_network_of_addresses_is_one() {
        let (limits, now) = (Limits::default(), time::Instant::now().into_std());
        for last in 0..20_u16 {
            assert!(guess(&limits, Key::Peer(IpAddr::from([0x2001, 0xdb8, 0, 7, 1, 2, 3, last])), now));
        }
        assert!(!guess(&limits, Key::Peer(IpAddr::from([0x2001, 0xdb8, 0, 7, 9, 9, 9, 9])), now));
        assert!(guess(&limits, Key::Peer(IpAddr::from([0x2001, 0xdb8, 0, 8, 1, 2, 3, 4])), now));
    }
}
