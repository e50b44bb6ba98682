//! Events that were refused: kept as they came, shown to people, and held against the rules again when those may have changed: whenever a
//! receiver begins (it may be a newer one, which knows a field that the stores' programs knew before), and when a person asks for it. What passes then is an event like any other; its place was kept.

use super::{
    HqError,
    database::{
        Place,
        engine::{Engine, Row, transaction, values},
    },
    events::{self, ReadRow},
    records,
};
use crate::{
    clock,
    domain::Timestamp,
    sync::{reply::SeqRange, topic::Address},
};
use std::io::Write;

/// Rows looked at in one transaction.
const PAGE: i64 = 500;

/// Gateway, epoch and sequence.
type Key = (String, String, u64);

struct Letter {
    n: u64,
    from: Address,
    epoch: String,
    seq: u64,
    reason: String,
    body: String,
}

impl Letter {
    fn key(&self) -> Key {
        (self.from.gateway.clone(), self.epoch.clone(), self.seq)
    }

    fn from_row(row: &Row) -> Result<Self, HqError> {
        Ok(Self {
            n: row.get(0)?,
            from: Address { store: row.get(1)?, gateway: row.get(2)? },
            epoch: row.get(3)?,
            seq: row.get(4)?,
            reason: row.get(5)?,
            body: row.get(6)?,
        })
    }
}

/// Prints one line a dead letter.
///
/// # Errors
/// The database's; a closed output ends it in peace.
pub fn print(place: &Place, out: &mut impl Write) -> Result<(), HqError> {
    let mut engine = place.read_only()?;
    let mut after = Key::default();
    loop {
        let page = page(&mut *engine, &after)?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.key();
        for Letter { from, epoch, seq, reason, body, .. } in &page {
            let (reason, body) = (events::shown(reason), events::shown(body));
            if writeln!(out, "{} {epoch} #{seq}  {reason}\n    {body}", from.gateway).is_err() {
                return Ok(());
            }
        }
    }
}

/// Holds all of them against the rules again.
///
/// # Errors
/// The database's; what was taken before stays taken.
pub fn replay(place: &Place, out: &mut impl Write) -> Result<(), HqError> {
    let (taken, left) = again(&mut *place.open()?)?;
    let _ = writeln!(out, "{taken} taken, {left} still refused");
    Ok(())
}

/// The same; how many were taken, and how many were not.
pub(super) fn again(engine: &mut dyn Engine) -> Result<(u64, u64), HqError> {
    let (mut after, mut taken, mut left) = (Key::default(), 0, 0);
    // Most receivers have none, and wait for nobody then.
    while !page(engine, &after)?.is_empty() {
        let page = transaction(engine, |engine| {
            // First of all: a turn under way would write how far it came over what is set back for these.
            engine.keep_records(true)?;
            let page = page(engine, &after)?;
            for letter in &page {
                if take(engine, letter)? {
                    taken += 1;
                } else {
                    left += 1;
                }
            }
            Ok(page.last().map(Letter::key))
        })?;
        match page {
            Some(last) => after = last,
            None => break,
        }
    }
    Ok((taken, left))
}

/// In the order of their keys, which the index of dead letters has: by the order of arrival every event there is would be walked over.
fn page(engine: &mut dyn Engine, (gateway, epoch, seq): &Key) -> Result<Vec<Letter>, HqError> {
    let rows = engine.query(
        "SELECT e.n, g.store, e.gateway, e.epoch, e.seq, e.refused, e.body
         FROM events e JOIN gateways g ON g.gateway = e.gateway
         WHERE e.refused IS NOT NULL AND (e.gateway, e.epoch, e.seq) > (?1, ?2, ?3)
         ORDER BY e.gateway, e.epoch, e.seq LIMIT ?4",
        values![gateway, epoch, *seq, PAGE],
    )?;
    rows.iter().map(Letter::from_row).collect()
}

/// Notes for those who follow a stream by its sequence that an event counts which they have passed.
pub(super) fn counts_now(engine: &mut dyn Engine, n: u64, now: Timestamp) -> Result<(), HqError> {
    engine.execute(
        "INSERT INTO late_events(gateway, epoch, seq, at_ms)
         SELECT gateway, epoch, seq, ?2 FROM events WHERE n = ?1 AND refused IS NULL AND same_as IS NULL",
        values![n, now.unix_ms()],
    )?;
    Ok(())
}

/// The same of all from `first` to `last` of an epoch.
pub(super) fn count_now(
    engine: &mut dyn Engine,
    (gateway, epoch, (first, last)): (&str, &str, SeqRange),
    now: Timestamp,
) -> Result<(), HqError> {
    engine.execute(
        "INSERT INTO late_events(gateway, epoch, seq, at_ms)
         SELECT gateway, epoch, seq, ?5 FROM events WHERE gateway = ?1 AND epoch = ?2 AND seq BETWEEN ?3 AND ?4
         AND refused IS NULL AND same_as IS NULL ORDER BY seq",
        values![gateway, epoch, first, last, now.unix_ms()],
    )?;
    Ok(())
}

/// Whether it passes now. It may be the same event as one told under another key.
fn take(engine: &mut dyn Engine, letter: &Letter) -> Result<bool, HqError> {
    let read = ReadRow::read(&letter.from, &letter.epoch, letter.seq, &letter.body, false);
    let row = read.as_new();
    if row.refused.is_some() {
        return Ok(false);
    }
    engine.execute(
        "UPDATE events SET refused = NULL, id = ?2, kind = ?3, subject = ?4, time = ?5, same_as =
             (SELECT min(o.n) FROM events o WHERE o.id = ?2 AND o.gateway = ?6 AND o.n <> ?1 AND o.refused IS NULL
              AND o.kind <> ?7)
         WHERE n = ?1",
        values![letter.n, row.id, row.kind, row.subject, row.time, &letter.from.gateway, &events::redacted()],
    )?;
    counts_now(engine, letter.n, clock::now().wall)?;
    records::make_up_for(engine, &letter.from.gateway, &letter.epoch, letter.seq)?;
    Ok(true)
}
