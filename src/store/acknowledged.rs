//! What HQ has of the outbox: a prefix of each epoch, and a few ranges beyond it.
//!
//! Settling never touches the events themselves. How long an event has been settled is known to the hour, from how far the
//! prefix had come by then; only what lies in the prefix is ever pruned, so pruning leaves no holes.

use super::{
    Store,
    columns::{int, uint},
    error::StoreError,
    outbox::{Life, count, epoch_of, place, seq_of},
    passing,
    writer::Tx,
};
use crate::{
    clock,
    domain::{Epoch, Timestamp},
    faults,
    sync::{ranges::RangeSet, reply::SeqRange},
};
use rusqlite::{Connection, OptionalExtension, params};

const HOUR_MS: i64 = 3_600_000;

/// Events removed in one transaction: the writer is free for readings between.
const PRUNED_AT_ONCE: i64 = 5_000;

/// What HQ has of one epoch.
#[derive(Debug, Clone)]
pub(super) struct Acknowledged {
    upto: u64,
    beyond: RangeSet,
}

impl Acknowledged {
    /// Of the epoch numbered `n`.
    pub(super) fn load(conn: &Connection, n: i64) -> rusqlite::Result<Self> {
        let upto = conn
            .prepare_cached("SELECT acknowledged_upto FROM epochs WHERE n = ?1")?
            .query_row([n], |row| uint(row, 0))?;
        let mut select = conn.prepare_cached("SELECT first, last FROM acknowledged_ranges WHERE epoch = ?1")?;
        let mut beyond = RangeSet::default();
        for range in select.query_map([n], |row| Ok((uint(row, 0)?, uint(row, 1)?)))? {
            beyond.insert(range?);
        }
        Ok(Self { upto, beyond })
    }

    /// 1 to here are all at HQ.
    pub(super) const fn upto(&self) -> u64 {
        self.upto
    }

    pub(super) fn has(&self, seq: u64) -> bool {
        seq <= self.upto || self.beyond.first_from(seq).is_some_and(|(first, _)| first == seq)
    }

    /// What is not at HQ up to `last`.
    pub(super) fn missing(&self, last: u64) -> RangeSet {
        let mut missing = RangeSet::default();
        missing.insert((self.upto + 1, last));
        self.beyond.iter().for_each(|range| missing.remove(range));
        missing
    }

    /// `again` is to be told once more: HQ may never have had it.
    pub(super) fn give_up(&mut self, again: &RangeSet) {
        self.beyond.insert((1, self.upto));
        again.iter().for_each(|range| self.beyond.remove(range));
        self.upto = 0;
        self.settle(0, &[], 0);
    }

    /// How many are at HQ.
    pub(super) fn count(&self) -> u64 {
        self.upto + self.beyond.count()
    }

    /// Takes in what HQ says it has, up to `last`.
    fn settle(&mut self, upto: u64, ranges: &[SeqRange], last: u64) {
        self.beyond.insert((1, self.upto.max(upto.min(last))));
        for (from, to) in ranges {
            self.beyond.insert(((*from).max(1), (*to).min(last)));
        }
        self.upto = self.beyond.first_from(1).filter(|(first, _)| *first == 1).map_or(0, |(_, to)| to);
        self.beyond.remove((1, self.upto));
    }

    pub(super) fn save(&self, tx: &Tx<'_>, n: i64) -> rusqlite::Result<()> {
        tx.prepare_cached("UPDATE epochs SET acknowledged_upto = ?2 WHERE n = ?1")?.execute([n, int(self.upto)])?;
        faults::point("store.ack.prefix_moved");
        tx.prepare_cached("DELETE FROM acknowledged_ranges WHERE epoch = ?1")?.execute([n])?;
        let mut insert =
            tx.prepare_cached("INSERT INTO acknowledged_ranges (epoch, first, last) VALUES (?1, ?2, ?3)")?;
        for (first, last) in self.beyond.iter() {
            insert.execute([n, int(first), int(last)])?;
        }
        tx.prepare_cached(
            "INSERT INTO acknowledged_by_hour (epoch, hour, upto) VALUES (?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET upto = max(upto, excluded.upto)",
        )?
        .execute([n, passing::mark(tx)?.unix_ms() / HOUR_MS, int(self.upto)])?;
        Ok(())
    }

    /// Everything of a past life is settled.
    pub(super) fn all(tx: &Tx<'_>, life: Life) -> rusqlite::Result<()> {
        let mut held = Self::load(tx, life.n)?;
        held.settle(life.last_seq, &[], life.last_seq);
        held.save(tx, life.n)
    }
}

/// An event HQ refused for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    pub epoch: Epoch,
    pub seq: u64,
    pub kind: String,
    pub reason: String,
    pub refused: Timestamp,
    pub body: String,
}

impl Store {
    /// From here on every sequence of the present epoch is still kept.
    pub async fn oldest_kept(&self) -> Result<u64, StoreError> {
        let sql = "SELECT pruned_upto + 1 FROM epochs ORDER BY n DESC LIMIT 1";
        self.read(move |conn| Ok(conn.prepare_cached(sql)?.query_row([], |row| uint(row, 0))?)).await
    }

    /// HQ has committed everything up to and with `upto`, and `ranges` beyond. Says how many that settled now; a repeated
    /// or foreign acknowledgement settles none.
    pub async fn acknowledge(&self, epoch: Epoch, upto: u64, ranges: Vec<SeqRange>) -> Result<u64, StoreError> {
        self.write(move |tx| {
            let Some(life) = Life::of(tx, epoch)? else { return Ok(0) };
            if life != Life::present(tx)? {
                // What waited in it has other numbers now, and HQ's word on those counts.
                return Ok(0);
            }
            let mut held = Acknowledged::load(tx, life.n)?;
            let before = held.count();
            held.settle(upto, &ranges, life.last_seq);
            let settled = held.count() - before;
            if settled > 0 {
                held.save(tx, life.n)?;
            }
            Ok(settled)
        })
        .await
    }

    /// How far HQ has ever said that it holds `epoch` without a hole; 0 of an epoch this database never had.
    pub async fn acknowledged_upto(&self, epoch: Epoch) -> Result<u64, StoreError> {
        self.read(move |conn| Life::of(conn, epoch)?.map_or(Ok(0), |life| Ok(Acknowledged::load(conn, life.n)?.upto())))
            .await
    }

    /// HQ refuses this event for good; it goes to the dead letters and blocks nothing. `false` for an unknown one.
    pub async fn dead_letter(&self, epoch: Epoch, seq: u64, reason: String) -> Result<bool, StoreError> {
        self.write(move |tx| {
            let Some(life) = Life::of(tx, epoch)? else { return Ok(false) };
            let changed = tx.execute(
                "UPDATE outbox SET refused = ?2, refused_ms = ?3 WHERE place = ?1",
                params![place(life.n, seq), reason, clock::now().wall],
            )?;
            faults::point("store.dead_letter.written");
            Ok(changed > 0)
        })
        .await
    }

    /// What HQ refused, newest first.
    pub async fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetter>, StoreError> {
        self.read(move |conn| {
            let mut select = conn.prepare_cached(
                "SELECT o.place, e.epoch, o.kind, o.refused, coalesce(o.refused_ms, o.queued_ms), o.body
                 FROM outbox o JOIN epochs e ON e.n = o.place >> 40
                 WHERE o.refused IS NOT NULL ORDER BY o.refused_ms DESC, o.place DESC LIMIT ?1",
            )?;
            let letters = select.query_map([count(limit)], |row| {
                Ok(DeadLetter {
                    seq: seq_of(row.get(0)?),
                    epoch: row.get(1)?,
                    kind: row.get(2)?,
                    reason: row.get(3)?,
                    refused: row.get(4)?,
                    body: row.get(5)?,
                })
            })?;
            Ok(letters.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// `now` is [`Store::retention_time`]. Removes events that HQ acknowledged more than `keep_days` ago, oldest first and without leaving holes. Dead letters
    /// stay. Gives how many went. Done in small transactions: readings go on between them.
    pub async fn prune(&self, now: Timestamp, keep_days: u32) -> Result<u64, StoreError> {
        let before = now.unix_ms() - i64::from(keep_days) * 24 * HOUR_MS;
        // Of an epoch from which something is still to move nobody can say how long it has been settled. One may end behind this:
        // it is left out below.
        self.move_all().await?;
        let mut all = 0;
        loop {
            let (gone, more) = self.write(move |tx| prune_some(tx, before)).await?;
            all += gone;
            if !more {
                return Ok(all);
            }
        }
    }
}

/// Some of what was acknowledged before `before`; whether there is more.
fn prune_some(tx: &Tx<'_>, before: i64) -> Result<(u64, bool), StoreError> {
    let due = tx
        .prepare_cached(
            "SELECT e.n, e.pruned_upto, max(h.upto) FROM acknowledged_by_hour h JOIN epochs e ON e.n = h.epoch
             WHERE (h.hour + 1) * ?2 <= ?1
               AND (e.n = (SELECT max(n) FROM epochs) OR e.acknowledged_upto = e.last_seq)
             GROUP BY e.n HAVING max(h.upto) > e.pruned_upto LIMIT 1",
        )?
        .query_row([before, HOUR_MS], |row| Ok((row.get::<_, i64>(0)?, uint(row, 1)?, uint(row, 2)?)))
        .optional()?;
    let Some((n, from, upto)) = due else { return Ok((0, false)) };
    let upto = upto.min(from + PRUNED_AT_ONCE.cast_unsigned());
    tx.execute("UPDATE epochs SET pruned_upto = ?2 WHERE n = ?1", [n, int(upto)])?;
    faults::point("store.prune.prefix_moved");
    tx.outbox_rewritten();
    let gone = tx.execute(
        "DELETE FROM outbox WHERE place BETWEEN ?1 AND ?2 AND refused IS NULL",
        [place(n, from + 1), place(n, upto)],
    )?;
    Ok((gone as u64, true))
}

/// Whether the event at `place` still waits for HQ: nobody has told HQ of it yet, as far as we know.
pub(super) fn waits(conn: &Connection, place: i64) -> rusqlite::Result<bool> {
    Ok(!Acknowledged::load(conn, epoch_of(place))?.has(seq_of(place)))
}
