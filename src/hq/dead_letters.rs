//! Events that were refused: kept as they came, shown to people, and held against the rules again when those have changed
//! (a newer receiver, a mistake of ours mended). What passes then is an event like any other; its place was kept.

use super::{
    HqError,
    database::{
        Place,
        engine::{Engine, Row, transaction, values},
    },
    events::ReadRow,
    records,
};
use crate::sync::topic::Address;
use std::io::Write;

/// Rows looked at in one transaction.
const PAGE: i64 = 500;

struct Letter {
    n: u64,
    from: Address,
    epoch: String,
    seq: u64,
    reason: String,
    body: String,
}

impl Letter {
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
    let mut after = 0;
    loop {
        let page = page(&mut *engine, after)?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.n;
        for Letter { from, epoch, seq, reason, body, .. } in &page {
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
    let mut engine = place.open()?;
    let (mut after, mut taken, mut left) = (0, 0, 0);
    loop {
        let page = transaction(&mut *engine, |engine| {
            let page = page(engine, after)?;
            for letter in &page {
                if take(engine, letter)? {
                    taken += 1;
                } else {
                    left += 1;
                }
            }
            Ok(page.last().map(|last| last.n))
        })?;
        match page {
            Some(last) => after = last,
            None => break,
        }
    }
    let _ = writeln!(out, "{taken} taken, {left} still refused");
    Ok(())
}

fn page(engine: &mut dyn Engine, after: u64) -> Result<Vec<Letter>, HqError> {
    let rows = engine.query(
        "SELECT e.n, g.store, e.gateway, e.epoch, e.seq, e.refused, e.body
         FROM events e JOIN gateways g ON g.gateway = e.gateway
         WHERE e.refused IS NOT NULL AND e.n > ?1 ORDER BY e.n LIMIT ?2",
        values![after, PAGE],
    )?;
    rows.iter().map(Letter::from_row).collect()
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
        values![letter.n, row.id, row.kind, row.subject, row.time, &letter.from.gateway, &super::events::redacted()],
    )?;
    records::make_up_for(engine, &letter.from.gateway, &letter.epoch, letter.seq)?;
    Ok(true)
}
