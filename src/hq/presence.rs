//! When gateways came and went, and when headquarters was there to see it: what the time online is reckoned from. What happened
//! while no receiver was connected to the broker is not known, and counts neither way.

use super::{
    HqError,
    database::engine::{Engine, only, values},
};
use crate::domain::Timestamp;
use std::collections::HashMap;

/// A watch is written on so often; two that lie further apart than three times that are two.
pub(super) const WATCH_MS: i64 = 20_000;

/// Kept so long.
const KEPT_MS: i64 = 100 * 86_400_000;

/// Notes what the broker says of a gateway, where that is news. To be called before it is written to its row.
pub(super) fn note(engine: &mut dyn Engine, gateway: &str, status: &str, now: Timestamp) -> Result<(), HqError> {
    engine.execute(
        "INSERT INTO presence(gateway, at_ms, online)
         SELECT gateway, ?2, ?3 FROM gateways WHERE gateway = ?1 AND (status IS NULL OR status <> ?4)
         ON CONFLICT (gateway, at_ms) DO UPDATE SET online = excluded.online",
        values![gateway, now.unix_ms(), status == "online", status],
    )?;
    Ok(())
}

/// A receiver is connected to the broker now; any of them carries the watch on.
pub(super) fn watch(engine: &mut dyn Engine, now: Timestamp) -> Result<(), HqError> {
    let now_ms = now.unix_ms();
    let carried = engine.execute(
        "UPDATE watches SET to_ms = ?1
         WHERE from_ms = (SELECT max(from_ms) FROM watches) AND to_ms BETWEEN ?2 AND ?1",
        values![now_ms, now_ms - 3 * WATCH_MS],
    )?;
    if carried == 0 {
        engine
            .execute("INSERT INTO watches(from_ms, to_ms) VALUES (?1, ?1) ON CONFLICT DO NOTHING", values![now_ms])?;
    }
    // Some times a day.
    if carried == 0 || fastrand::u32(..1_000) == 0 {
        forget(engine, now_ms - KEPT_MS)?;
    }
    Ok(())
}

/// When a receiver was last known to be connected to the broker, milliseconds since 1970.
///
/// # Errors
/// The database's.
pub(super) fn last_watched(engine: &mut dyn Engine) -> Result<Option<i64>, HqError> {
    only(engine, "SELECT max(to_ms) FROM watches", &[])
}

/// Of each gateway the last word stays, however old.
fn forget(engine: &mut dyn Engine, before_ms: i64) -> Result<(), HqError> {
    engine.execute("DELETE FROM watches WHERE to_ms < ?1", values![before_ms])?;
    engine.execute(
        "DELETE FROM presence WHERE at_ms < ?1
             AND at_ms < (SELECT max(q.at_ms) FROM presence q WHERE q.gateway = presence.gateway)",
        values![before_ms],
    )?;
    Ok(())
}

/// Milliseconds of a time that was watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Online {
    pub online_ms: i64,
    pub watched_ms: i64,
}

impl Online {
    /// Of the time that was watched; `None` where that is too little to say.
    #[must_use]
    pub fn share(self) -> Option<f64> {
        const LEAST_MS: i64 = 60_000;
        (self.watched_ms >= LEAST_MS).then(|| self.online_ms as f64 / self.watched_ms as f64)
    }
}

/// How long each gateway was online since then, of the time that was watched after it was first heard of.
///
/// # Errors
/// The database's.
pub fn online_since(engine: &mut dyn Engine, since: Timestamp) -> Result<HashMap<String, Online>, HqError> {
    let rows = engine
        .query("SELECT from_ms, to_ms FROM watches WHERE to_ms > ?1 ORDER BY from_ms", values![since.unix_ms()])?;
    let mut watches = Vec::with_capacity(rows.len());
    for row in &rows {
        watches.push((row.get::<i64>(0)?.max(since.unix_ms()), row.get::<i64>(1)?));
    }
    // From the last word before it on.
    let rows = engine.query(
        "SELECT g.gateway, p.at_ms, p.online FROM gateways g JOIN presence p ON p.gateway = g.gateway
             AND p.at_ms >= coalesce((SELECT max(q.at_ms) FROM presence q WHERE q.gateway = g.gateway AND q.at_ms <= ?1), ?1)
         ORDER BY g.gateway, p.at_ms",
        values![since.unix_ms()],
    )?;
    let mut changes: HashMap<String, Vec<(i64, bool)>> = HashMap::new();
    for row in &rows {
        changes.entry(row.get(0)?).or_default().push((row.get(1)?, row.get(2)?));
    }
    Ok(changes.into_iter().map(|(gateway, changes)| (gateway, reckoned(&watches, &changes))).collect())
}

/// `changes` in their order: from each on it was so.
fn reckoned(watches: &[(i64, i64)], changes: &[(i64, bool)]) -> Online {
    let ends = changes.iter().skip(1).map(|(at, _)| *at).chain([i64::MAX]);
    let mut sum = Online { online_ms: 0, watched_ms: 0 };
    for (&(from, online), to) in changes.iter().zip(ends) {
        let watched: i64 = watches.iter().map(|(begun, ended)| (to.min(*ended) - from.max(*begun)).max(0)).sum();
        sum.watched_ms += watched;
        sum.online_ms += if online { watched } else { 0 };
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_watched_counts_and_only_from_the_first_word_on() {
        let watches = [(0, 1_000_000), (2_000_000, 3_000_000)];
        // Heard of at 500 s, gone at 900 s, back while nobody watched.
        let online = reckoned(&watches, &[(500_000, true), (900_000, false), (1_500_000, true)]);
        assert_eq!(online, Online { online_ms: 1_400_000, watched_ms: 1_500_000 });
        assert_eq!(online.share().map(|share| (share * 1_000.0).round()), Some(933.0));
        assert_eq!(reckoned(&watches, &[]).share(), None);
        assert_eq!(reckoned(&[], &[(1, true)]).share(), None);
    }
}
