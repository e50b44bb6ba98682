//! How long records took from the store's clock to headquarters' database, held against the promise of five minutes. Whole hours
//! are counted once and kept; the present one is counted by minutes, of which the last are looked at again, since a receiver may
//! commit a little later than it took the time.
//!
//! What was recorded while the gateway's clock was not set says nothing of its way, and is counted apart. A gateway whose clock is
//! behind looks slow, one whose clock is ahead looks fast: the fastest record says by how much at least it is ahead, or at most it
//! is behind.

use crate::{
    domain::Timestamp,
    hq::{
        HqError,
        database::engine::{Engine, transaction, values},
    },
};
use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};
use tokio::time::Instant;

/// A record is in time that is here within so long.
pub const PROMISED_MS: i64 = 5 * 60_000;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 86_400_000;

/// Days that are counted.
pub const DAYS: i64 = 7;

/// Whole hours are kept so long.
const KEPT_MS: i64 = 100 * DAY_MS;

/// An hour is whole so long after its end: a transaction takes a minute at most.
const SETTLED_MS: i64 = 3 * MINUTE_MS;

/// The present minutes that are counted again each time.
const AGAIN_MS: i64 = MINUTE_MS;

/// Hours of before are counted for so long at once: somebody waits for the page.
const AT_ONCE: Duration = Duration::from_millis(250);

/// Rows read at once.
const WINDOW_MS: i64 = 5 * MINUTE_MS;

/// Records of a time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Share {
    pub records: u64,
    pub in_time: u64,
    pub untimed: u64,
    pub fastest_ms: Option<i64>,
}

impl Share {
    /// The part that was here in time; `None` without a record whose time is known.
    #[must_use]
    pub fn in_time(self) -> Option<f64> {
        let timed = self.records.saturating_sub(self.untimed);
        (timed > 0).then(|| self.in_time as f64 / timed as f64)
    }

    pub fn add(&mut self, other: Self) {
        let Self { records, in_time, untimed, fastest_ms } = other;
        self.records += records;
        self.in_time += in_time;
        self.untimed += untimed;
        self.fastest_ms = [self.fastest_ms, fastest_ms].into_iter().flatten().min();
    }

    fn count(&mut self, time: Option<Timestamp>, received_ms: i64) {
        let delay = time.map(|time| received_ms - time.unix_ms());
        self.add(Self {
            records: 1,
            in_time: u64::from(delay.is_some_and(|delay| delay <= PROMISED_MS)),
            untimed: u64::from(delay.is_none()),
            fastest_ms: delay,
        });
    }
}

/// Of one gateway.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Delays {
    pub today: Share,
    pub week: Share,
    /// Of the last 24 hours.
    pub fastest_ms: Option<i64>,
}

type OfGateways = HashMap<String, Share>;

/// What was counted.
#[derive(Debug, Default)]
pub struct Tally {
    /// Whole hours of the last days.
    hours: BTreeMap<i64, OfGateways>,
    /// Minutes of hours that are not whole yet.
    minutes: BTreeMap<i64, OfGateways>,
    read: bool,
    /// The last minute that was counted.
    until_ms: Option<i64>,
}

impl Tally {
    /// Counts on. Gives whether all is counted: hours of before this program are done a few at a time, newest first.
    ///
    /// # Errors
    /// The database's.
    pub fn count(&mut self, engine: &mut dyn Engine, now: Timestamp) -> Result<bool, HqError> {
        let now_ms = now.unix_ms();
        let first = floor(now_ms - DAYS * DAY_MS, HOUR_MS);
        let whole = floor(now_ms - SETTLED_MS, HOUR_MS);
        if !self.read {
            self.read_hours(engine, first)?;
            self.read = true;
        }
        let missing: Vec<i64> = (0..(whole - first) / HOUR_MS)
            .map(|at| whole - (at + 1) * HOUR_MS)
            .filter(|hour| !self.hours.contains_key(hour))
            .collect();
        let done = self.hours_of_before(engine, &missing, now)?;
        self.hours.retain(|hour, _| *hour >= first);
        self.minutes.retain(|minute, _| *minute >= whole);
        self.present(engine, whole, now_ms)?;
        Ok(done == missing.len())
    }

    fn read_hours(&mut self, engine: &mut dyn Engine, first: i64) -> Result<(), HqError> {
        for row in engine.query("SELECT hour_ms FROM delay_hours WHERE hour_ms >= ?1", values![first])? {
            self.hours.insert(row.get(0)?, OfGateways::new());
        }
        let rows = engine.query(
            "SELECT hour_ms, gateway, records, in_time, untimed, fastest_ms FROM delays WHERE hour_ms >= ?1",
            values![first],
        )?;
        for row in &rows {
            let share =
                Share { records: row.get(2)?, in_time: row.get(3)?, untimed: row.get(4)?, fastest_ms: row.get(5)? };
            self.hours.entry(row.get(0)?).or_default().insert(row.get(1)?, share);
        }
        Ok(())
    }

    /// Counts whole hours for as long as nobody minds, and keeps them; how many. Another receiver may do the same, and finds the
    /// same.
    fn hours_of_before(&mut self, engine: &mut dyn Engine, hours: &[i64], now: Timestamp) -> Result<usize, HqError> {
        let (begun, mut counted) = (Instant::now(), Vec::new());
        for hour in hours {
            if begun.elapsed() >= AT_ONCE {
                break;
            }
            let mut of_gateways = OfGateways::new();
            for (gateway, share) in counted_between(engine, *hour, hour + HOUR_MS)?.into_values().flatten() {
                of_gateways.entry(gateway).or_default().add(share);
            }
            counted.push((*hour, of_gateways));
        }
        if counted.is_empty() {
            return Ok(0);
        }
        transaction(engine, |engine| {
            for (hour, of_gateways) in &counted {
                keep(engine, *hour, of_gateways)?;
            }
            let old = now.unix_ms() - KEPT_MS;
            engine.execute("DELETE FROM delays WHERE hour_ms < ?1", values![old])?;
            engine.execute("DELETE FROM delay_hours WHERE hour_ms < ?1", values![old])
        })?;
        let done = counted.len();
        self.hours.extend(counted);
        Ok(done)
    }

    fn present(&mut self, engine: &mut dyn Engine, whole: i64, now_ms: i64) -> Result<(), HqError> {
        let from = self.until_ms.map_or(whole, |until| floor(until - AGAIN_MS, MINUTE_MS).max(whole));
        let counted = counted_between(engine, from, now_ms + 1)?;
        self.minutes.retain(|minute, _| *minute < from);
        self.minutes.extend(counted);
        self.until_ms = Some(now_ms);
        Ok(())
    }

    /// Of each gateway, the day beginning at `midnight_ms`.
    #[must_use]
    pub fn of_gateways(&self, now: Timestamp, midnight_ms: i64) -> HashMap<String, Delays> {
        let lately = now.unix_ms() - DAY_MS;
        let mut found: HashMap<String, Delays> = HashMap::new();
        let parts =
            self.hours.iter().map(|part| (HOUR_MS, part)).chain(self.minutes.iter().map(|part| (MINUTE_MS, part)));
        for (long, (at, of_gateways)) in parts {
            for (gateway, share) in of_gateways {
                let delays = match found.get_mut(gateway) {
                    Some(delays) => delays,
                    None => found.entry(gateway.clone()).or_default(),
                };
                delays.week.add(*share);
                if at + long > midnight_ms {
                    delays.today.add(*share);
                }
                if *at >= lately {
                    delays.fastest_ms = [delays.fastest_ms, share.fastest_ms].into_iter().flatten().min();
                }
            }
        }
        found
    }
}

fn keep(engine: &mut dyn Engine, hour: i64, of_gateways: &OfGateways) -> Result<(), HqError> {
    for (gateway, share) in of_gateways {
        let Share { records, in_time, untimed, fastest_ms } = *share;
        engine.execute(
            "INSERT INTO delays(gateway, hour_ms, records, in_time, untimed, fastest_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
            values![gateway, hour, records, in_time, untimed, fastest_ms],
        )?;
    }
    engine.execute("INSERT INTO delay_hours(hour_ms) VALUES (?1) ON CONFLICT DO NOTHING", values![hour]).map(drop)
}

const fn floor(ms: i64, step: i64) -> i64 {
    ms.div_euclid(step) * step
}

/// By the minute in which they came.
fn counted_between(engine: &mut dyn Engine, from: i64, to: i64) -> Result<BTreeMap<i64, OfGateways>, HqError> {
    let mut counted: BTreeMap<i64, OfGateways> = BTreeMap::new();
    let mut begin = from;
    while begin < to {
        let end = (begin + WINDOW_MS).min(to);
        let rows = engine.query(
            "SELECT gateway, time, received_ms, CASE WHEN body LIKE '%\"clock\":\"unset\"%' THEN 1 ELSE 0 END
             FROM events WHERE received_ms >= ?1 AND received_ms < ?2 AND refused IS NULL AND same_as IS NULL",
            values![begin, end],
        )?;
        for row in &rows {
            let (gateway, time, received_ms): (String, String, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let time = if row.get(3)? { None } else { time.parse().ok() };
            let minute = counted.entry(floor(received_ms, MINUTE_MS)).or_default();
            minute.entry(gateway).or_default().count(time, received_ms);
        }
        begin = end;
    }
    Ok(counted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_promise_is_held_against_records_whose_time_is_known() {
        let mut share = Share::default();
        let at = |ms| Some(Timestamp::from_unix_ms(ms));
        share.count(at(0), PROMISED_MS);
        share.count(at(0), PROMISED_MS + 1);
        share.count(at(5_000), 2_000);
        share.count(None, 9_000);
        assert_eq!(share, Share { records: 4, in_time: 2, untimed: 1, fastest_ms: Some(-3_000) });
        assert_eq!(share.in_time().map(|part| (part * 100.0).round()), Some(67.0));
        assert_eq!(Share { records: 2, untimed: 2, ..Share::default() }.in_time(), None);
    }

    #[test]
    fn a_day_begins_at_its_own_midnight() {
        let mut tally = Tally::default();
        let one = |fastest| {
            OfGateways::from([(
                "g".to_owned(),
                Share { records: 1, in_time: 1, untimed: 0, fastest_ms: Some(fastest) },
            )])
        };
        tally.hours.insert(0, one(-9));
        tally.hours.insert(DAY_MS, one(4));
        tally.minutes.insert(DAY_MS + HOUR_MS, one(3));
        let found = tally.of_gateways(Timestamp::from_unix_ms(DAY_MS + 2 * HOUR_MS), DAY_MS)["g"];
        assert_eq!((found.today.records, found.week.records, found.fastest_ms), (2, 3, Some(3)));
    }
}
