//! What waits when an epoch ends moves into the next one: in parts, each a small change of its own, so that nothing that comes
//! meanwhile waits for a month's backlog.
//!
//! The end of an epoch draws numbers for everything that moves and notes what that is ([`super::epochs`]): the k-th of the noted
//! numbers gets number k of the next epoch. So a row's seat follows from where it still lies; nothing else is remembered, and after
//! a kill the rest moves as if nothing had been. A seat that somebody asks for is filled first. An epoch counts as settled once all
//! of it has moved; until then what waits in it is still to be told.

use super::{
    Store,
    acknowledged::Acknowledged,
    columns::{int, uint},
    error::StoreError,
    outbox::{Life, place, seq_of},
    writer::Tx,
};
use crate::{
    domain::Epoch,
    faults,
    sync::{envelope::Event, ranges::RangeSet},
};
use rusqlite::{Connection, OptionalExtension, params};
use std::sync::atomic::Ordering;

/// Rows that one change moves: some hundredths of a second.
const PART: u64 = 500;

/// The oldest epoch from which something is still to move.
fn unfinished(conn: &Connection) -> rusqlite::Result<Option<i64>> {
    let sql = "SELECT n FROM epochs WHERE n < (SELECT max(n) FROM epochs) AND acknowledged_upto < last_seq ORDER BY n LIMIT 1";
    conn.prepare_cached(sql)?.query_row([], |row| row.get(0)).optional()
}

pub(super) fn is_unfinished(conn: &Connection) -> rusqlite::Result<bool> {
    Ok(unfinished(conn)?.is_some())
}

/// What moved from the epoch numbered `n`, or is to move.
pub(super) fn moved(conn: &Connection, n: i64) -> rusqlite::Result<RangeSet> {
    let mut moved = RangeSet::default();
    let mut select = conn.prepare_cached("SELECT first, last FROM moved WHERE epoch = ?1 ORDER BY first")?;
    for range in select.query_map([n], |row| Ok((uint(row, 0)?, uint(row, 1)?)))? {
        moved.insert(range?);
    }
    Ok(moved)
}

/// When the oldest event was recorded that waits to be moved.
pub(super) fn oldest(conn: &Connection) -> rusqlite::Result<Option<i64>> {
    let Some(n) = unfinished(conn)? else { return Ok(None) };
    let sql = "SELECT queued_ms FROM outbox WHERE place BETWEEN ?1 AND ?2 AND refused IS NULL ORDER BY place LIMIT 1";
    for (first, last) in moved(conn, n)?.iter() {
        let found =
            conn.prepare_cached(sql)?.query_row([place(n, first), place(n, last)], |row| row.get(0)).optional()?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// Fills the seats `from..=to` of the epoch numbered `n`, from wherever their rows lie.
fn fill(tx: &Tx<'_>, n: i64, (from, to): (u64, u64)) -> Result<(), StoreError> {
    let seats = moved(tx, n - 1)?;
    let mut seat = 1;
    for (first, last) in seats.iter() {
        let (begin, end) = (seat.max(from), (seat + last - first).min(to));
        if begin <= end {
            let were = (first + begin - seat, first + end - seat);
            fill(tx, n - 1, were)?;
            move_rows(tx, n - 1, were, begin)?;
        }
        seat += last - first + 1;
        if seat > to {
            break;
        }
    }
    Ok(())
}

/// Moves the rows `were` of the epoch numbered `n` into the next, the first of them to `seat`.
fn move_rows(tx: &Tx<'_>, n: i64, were: (u64, u64), seat: u64) -> Result<(), StoreError> {
    let rows: Vec<(i64, String)> = tx
        .prepare_cached("SELECT place, body FROM outbox WHERE place BETWEEN ?1 AND ?2")?
        .query_map([place(n, were.0), place(n, were.1)], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    if rows.is_empty() {
        return Ok(());
    }
    let epoch: Epoch =
        tx.prepare_cached("SELECT epoch FROM epochs WHERE n = ?1")?.query_row([n + 1], |row| row.get(0))?;
    let mut update = tx.prepare_cached("UPDATE outbox SET place = ?2, body = ?3 WHERE place = ?1")?;
    for (was, body) in rows {
        let seq = seat + seq_of(was) - were.0;
        update.execute(params![was, place(n + 1, seq), renumbered(body, epoch, seq)?])?;
    }
    faults::point("store.epoch.renumbered");
    Ok(())
}

/// The event's text under another epoch and number, everything else bit for bit. A text that is no event stays as it is: HQ
/// refuses it, and it goes to the dead letters.
fn renumbered(body: String, epoch: Epoch, seq: u64) -> Result<String, StoreError> {
    let Ok(mut event) = serde_json::from_str::<Event>(&body) else { return Ok(body) };
    event.epoch = epoch.to_string();
    event.seq = seq;
    serde_json::to_string(&event).map_err(|e| StoreError::Corrupt(format!("an outbox event is no event: {e}")))
}

/// Moves the next part of the oldest epoch that is unfinished; whether there may be more.
fn move_some(tx: &Tx<'_>) -> Result<bool, StoreError> {
    let Some(n) = unfinished(tx)? else { return Ok(false) };
    let mut seat = 1;
    for (first, last) in moved(tx, n)?.iter() {
        let sql = "SELECT place FROM outbox WHERE place BETWEEN ?1 AND ?2 ORDER BY place LIMIT 1";
        let next: Option<i64> =
            tx.prepare_cached(sql)?.query_row([place(n, first), place(n, last)], |row| row.get(0)).optional()?;
        if let Some(next) = next.map(seq_of) {
            move_rows(tx, n, (next, last.min(next + PART - 1)), seat + next - first)?;
            return Ok(true);
        }
        seat += last - first + 1;
    }
    // All that is left there is at HQ, or a dead letter.
    let sql = "SELECT epoch, last_seq FROM epochs WHERE n = ?1";
    let life = tx.query_row(sql, [n], |row| Ok(Life { n, epoch: row.get(0)?, last_seq: uint(row, 1)? }))?;
    Acknowledged::all(tx, life)?;
    tracing::info!(epoch = %life.epoch, "all of an epoch that has ended has moved into the next");
    Ok(true)
}

impl Store {
    /// Whether something is still to move.
    pub(super) fn is_moving(&self) -> bool {
        self.0.moving.load(Ordering::SeqCst)
    }

    /// Moves everything, part by part; other changes come in between.
    pub(super) async fn move_all(&self) -> Result<(), StoreError> {
        while self.is_moving() {
            let moving = self.0.moving.clone();
            // Only the writer ends an epoch, so nothing can begin to move behind its back.
            self.write(move |tx| {
                moving.store(move_some(tx)?, Ordering::SeqCst);
                Ok(())
            })
            .await?;
        }
        Ok(())
    }

    /// Sees to it that events `from..=to` of `epoch` lie in their places, if it is the present one.
    pub(super) async fn fill_seats(&self, epoch: Epoch, from: u64, to: u64) -> Result<(), StoreError> {
        if !self.is_moving() {
            return Ok(());
        }
        let from = from.max(1);
        let empty = self.read(move |conn| {
            let present = Life::present(conn)?;
            let seats = moved(conn, present.n - 1)?.count();
            let to = to.min(seats);
            if present.epoch != epoch || from > to {
                return Ok(None);
            }
            let taken: u64 = conn
                .prepare_cached("SELECT count(*) FROM outbox WHERE place BETWEEN ?1 AND ?2")?
                .query_row([place(present.n, from), place(present.n, to)], |row| uint(row, 0))?;
            // A whole part at least: whoever reads on finds the next ones filled.
            Ok((taken <= to - from).then_some((present.n, to.max(from + PART - 1).min(seats))))
        });
        let Some((n, to)) = empty.await? else { return Ok(()) };
        let mut from = from;
        while from <= to {
            let part = (from, to.min(from + PART - 1));
            self.write(move |tx| fill(tx, n, part)).await?;
            from = part.1 + 1;
        }
        Ok(())
    }
}

/// Notes what moves out of the epoch numbered `n`.
pub(super) fn note(tx: &Tx<'_>, n: i64, moved: &RangeSet) -> rusqlite::Result<()> {
    let mut note = tx.prepare("INSERT INTO moved (epoch, first, last) VALUES (?1, ?2, ?3)")?;
    moved.iter().try_for_each(|(first, last)| note.execute(params![n, int(first), int(last)]).map(drop))
}
