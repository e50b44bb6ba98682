//! The lives of this database: when one ends, what moves into the next, and what of the earlier ones can still be sent.
//!
//! A database that came back from a backup draws numbers again that HQ may hold with other content. So it begins a new
//! epoch: by itself when it was opened from a copy that [`Store::back_up`] made (such a copy is marked), else when HQ's
//! answer shows it. What moves keeps its event id, by which HQ knows it again.

use super::{
    Store,
    acknowledged::Acknowledged,
    columns::{int, uint},
    error::StoreError,
    moving,
    outbox::{Life, place, seq_of},
    writer::Tx,
};
use crate::{
    clock,
    domain::Epoch,
    faults,
    sync::{
        envelope::Event,
        ranges::RangeSet,
        reply::{MAX_PAST, MAX_REFUSED, PastEpoch, SeqRange},
    },
};
use rusqlite::{Connection, OptionalExtension, params};
use std::sync::atomic::Ordering;

/// `PRAGMA application_id` of a copy; "skCo" in ASCII. Every schema has room for it.
const COPY: i32 = 0x736b_436f;

/// Ranges of one past epoch that a hello names.
const MAX_MOVED: usize = 64;

/// Marks the attached database `copy` as one.
pub(super) fn mark_copy(conn: &Connection) -> rusqlite::Result<()> {
    conn.execute_batch(&format!("PRAGMA copy.application_id = {COPY};"))
}

/// The mark of a database: [`COPY`], that of its present life ([`super::foreign_log`]), or 0.
pub(super) fn mark(conn: &Connection) -> rusqlite::Result<i32> {
    conn.query_row("PRAGMA application_id", [], |row| row.get(0))
}

/// One that no life of this database had, as far as chance goes.
pub(super) fn draw_mark() -> i32 {
    loop {
        let mark = fastrand::i32(..);
        if mark != 0 && mark != COPY {
            return mark;
        }
    }
}

/// Writes the mark into the file itself. `false` when it stands in the log only: another connection reads just now.
pub(super) fn write_mark(conn: &Connection, mark: i32) -> rusqlite::Result<bool> {
    conn.execute_batch(&format!("PRAGMA application_id = {mark};"))?;
    conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| Ok(row.get::<_, i64>(0)? == 0))
}

/// A database opened from a copy begins a new epoch, whatever it is told later; so does a `restored` one.
pub(super) fn begin_after_restore(tx: &Tx<'_>, restored: bool) -> Result<(), StoreError> {
    let is_copy = mark(tx)? == COPY;
    if is_copy || restored {
        begin(tx, None)?;
    }
    if is_copy {
        tx.execute_batch("PRAGMA application_id = 0;")?;
    }
    Ok(())
}

/// Ends the present epoch. What HQ has not acknowledged is to move on ([`super::moving`]), and everything from `again_from`.
fn begin(tx: &Tx<'_>, again_from: Option<u64>) -> Result<Epoch, StoreError> {
    let (old, epoch): (Life, Epoch) = (Life::present(tx)?, clock::mint(Epoch::from_bits));
    let mut held = Acknowledged::load(tx, old.n)?;
    let pruned: u64 = tx.query_row("SELECT pruned_upto FROM epochs WHERE n = ?1", [old.n], |row| uint(row, 0))?;
    let mut moves = held.missing(old.last_seq);
    if let Some(from) = again_from {
        moves.insert((from, old.last_seq));
    }
    moves.remove((0, pruned));
    let mut refused = tx.prepare("SELECT place FROM outbox WHERE refused IS NOT NULL AND place BETWEEN ?1 AND ?2")?;
    for at in refused.query_map([place(old.n, 0), place(old.n, old.last_seq)], |row| row.get(0).map(seq_of))? {
        let seq = at?;
        moves.remove((seq, seq));
    }
    let (n, last) = (old.n + 1, moves.count());
    tx.execute(
        "INSERT INTO epochs (n, epoch, last_seq, acknowledged_upto, pruned_upto) VALUES (?1, ?2, ?3, 0, 0)",
        params![n, epoch, int(last)],
    )?;
    moving::note(tx, old.n, &moves)?;
    faults::point("store.epoch.begun");
    if moves.is_empty() {
        // What is left of the old epoch is settled: acknowledged, or a dead letter.
        Acknowledged::all(tx, old)?;
    } else {
        held.give_up(&moves);
        held.save(tx, old.n)?;
    }
    tx.outbox_rewritten();
    tx.wake_sync();
    tracing::warn!(old = %old.epoch, new = %epoch, waiting = last, "a new epoch begins");
    Ok(epoch)
}

impl Store {
    /// Starts a new epoch because HQ knows of another life of the present one: this database came back from a backup.
    ///
    /// What waits moves to the new epoch under new numbers but keeps its event id, and so does everything from `again_from`
    /// on, acknowledged or not: HQ holds other events there, so that its acknowledgements may have meant those. Other
    /// acknowledged events stay under the old epoch, where HQ can ask for them. What moves has its numbers when this returns and
    /// is moved in parts as it is asked for: a month's backlog holds nobody up.
    pub async fn new_epoch(&self, again_from: Option<u64>) -> Result<Epoch, StoreError> {
        let moving = self.0.moving.clone();
        self.write(move |tx| {
            let epoch = begin(tx, again_from)?;
            moving.store(true, Ordering::SeqCst);
            Ok(epoch)
        })
        .await
    }

    /// Whether this store has another event than `id` at `seq` of `epoch`, or should have one and has none. `false` where it
    /// cannot be told: kept no longer, unreadable, or an epoch this database never had.
    pub async fn has_another(&self, epoch: Epoch, seq: u64, id: String) -> Result<bool, StoreError> {
        self.read(move |conn| {
            let Some(life) = Life::of(conn, epoch)? else { return Ok(false) };
            let pruned: u64 = conn
                .prepare_cached("SELECT pruned_upto FROM epochs WHERE n = ?1")?
                .query_row([life.n], |row| uint(row, 0))?;
            if seq <= pruned {
                return Ok(false);
            }
            let body: Option<String> = conn
                .prepare_cached("SELECT body FROM outbox WHERE place = ?1")?
                .query_row([place(life.n, seq)], |row| row.get(0))
                .optional()?;
            Ok(body.is_none_or(|body| serde_json::from_str::<Event>(&body).is_ok_and(|event| event.id != id)))
        })
        .await
    }

    /// Earlier epochs, newest first; also those of which nothing is kept any more, so that HQ knows what is lost. Where more
    /// moved than a hello has room for, each `round` names other ranges of it.
    pub async fn past_epochs(&self, round: usize) -> Result<Vec<PastEpoch>, StoreError> {
        self.read(move |conn| {
            let lives: Vec<(Life, u64)> = conn
                .prepare_cached(
                    "SELECT n, epoch, last_seq, pruned_upto FROM epochs
                     WHERE n < (SELECT max(n) FROM epochs) ORDER BY n DESC LIMIT ?1",
                )?
                .query_map([int(MAX_PAST as u64)], |row| {
                    Ok((Life { n: row.get(0)?, epoch: row.get(1)?, last_seq: uint(row, 2)? }, uint(row, 3)?))
                })?
                .collect::<Result<_, _>>()?;
            lives
                .into_iter()
                .map(|(life, pruned)| {
                    Ok(PastEpoch {
                        epoch: life.epoch.to_string(),
                        last_seq: life.last_seq,
                        oldest_kept: pruned + 1,
                        moved: moved_from(conn, life.n, round)?,
                    })
                })
                .collect()
        })
        .await
    }

    /// The dead letters of the present epoch, lowest first, as far as a hello has room for them.
    pub async fn refused_ranges(&self) -> Result<Vec<SeqRange>, StoreError> {
        self.read(|conn| {
            let mut refused = RangeSet::default();
            let mut select = conn
                .prepare_cached("SELECT place FROM outbox WHERE place > ?1 AND refused IS NOT NULL ORDER BY place")?;
            for at in select.query_map([place(Life::present(conn)?.n, 0)], |row| row.get(0).map(seq_of))? {
                let seq = at?;
                refused.insert((seq, seq));
            }
            Ok(refused.iter().take(MAX_REFUSED).collect())
        })
        .await
    }
}

/// Never more than what moved: an HQ that was restored writes down as told elsewhere all that this names.
fn moved_from(conn: &Connection, n: i64, round: usize) -> rusqlite::Result<Vec<SeqRange>> {
    let mut moved: Vec<SeqRange> = conn
        .prepare_cached("SELECT first, last FROM moved WHERE epoch = ?1 ORDER BY first")?
        .query_map([n], |row| Ok((uint(row, 0)?, uint(row, 1)?)))?
        .collect::<Result<_, _>>()?;
    let parts = moved.len().div_ceil(MAX_MOVED).max(1);
    Ok(moved.split_off(round % parts * MAX_MOVED).into_iter().take(MAX_MOVED).collect())
}
