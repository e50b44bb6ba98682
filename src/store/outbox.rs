//! The outbox: what HQ is told, gapless by `seq` within an epoch, kept until HQ says it has committed it.
//!
//! [`enqueue`] takes a [`Tx`], so it cannot be called outside a transaction; the number is drawn in it, so a change that is
//! rolled back leaves no gap. An event without its consent is never enqueued: the gate is looked up here, not by callers.
//! Acknowledged events stay, so that a restored HQ can ask again; only [`Store::prune`] removes them, oldest first.

use super::{Store, columns::int, columns::uint, consents, error::StoreError, writer::Tx};
use crate::{
    clock,
    domain::{CustomerId, Epoch, EventId, Stamp, Timestamp, VisitId, consent::Purpose},
    sync::{
        envelope::{Event, Mark},
        reply::SeqRange,
    },
};
use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;

/// Which consent lets an event out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gate {
    /// Ids and states only: HQ must know them to make sense of the rest.
    Always,
    Numbers,
    Photographs,
}

impl Gate {
    pub(super) const fn purpose(self) -> Option<Purpose> {
        match self {
            Self::Always => None,
            Self::Numbers => Some(Purpose::ShareNumbers),
            Self::Photographs => Some(Purpose::SharePhotographs),
        }
    }

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Numbers => "share_numbers",
            Self::Photographs => "share_photographs",
        }
    }
}

/// What an event is about.
#[derive(Debug, Clone)]
pub(super) struct About {
    pub kind: &'static str,
    pub gate: Gate,
    /// Whose consent counts; `None` only for events about no customer (a clock).
    pub customer: Option<CustomerId>,
    pub visit: Option<VisitId>,
    /// Bits of the id of the reading, capture, score or comparison, for corrections and redaction.
    pub object: u128,
    pub subject: String,
    pub stamp: Stamp,
}

/// Enqueues one event; `false` when its consent is not given.
pub(super) fn enqueue(tx: &Tx<'_>, about: &About, payload: &impl Serialize) -> Result<bool, StoreError> {
    if let (Some(purpose), Some(customer)) = (about.gate.purpose(), about.customer)
        && !consents::given(tx, customer, purpose)?
    {
        return Ok(false);
    }
    let (epoch, seq): (Epoch, u64) = tx
        .prepare_cached("UPDATE outbox_state SET last_seq = last_seq + 1 RETURNING epoch, last_seq")?
        .query_row([], |row| Ok((row.get(0)?, uint(row, 1)?)))?;
    let mark = Mark { id: clock::mint(EventId::from_bits), epoch, seq, stamp: about.stamp };
    let body = event_text(tx.source(), about.kind, &about.subject, mark, payload)?;
    tx.prepare_cached(
        "INSERT INTO outbox (epoch, seq, event, kind, gate, customer, visit, object, queued_ms, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?
    .execute(params![
        epoch,
        int(seq),
        mark.id,
        about.kind,
        about.gate.as_str(),
        about.customer,
        about.visit,
        about.object.to_be_bytes(),
        about.stamp.wall,
        body
    ])?;
    tx.wake_sync();
    Ok(true)
}

fn event_text(
    source: &str,
    kind: &str,
    subject: &str,
    mark: Mark,
    payload: &impl Serialize,
) -> Result<String, StoreError> {
    let refused = |e: serde_json::Error| StoreError::Refused(format!("this {kind} cannot be told to HQ: {e}"));
    let data = serde_json::value::to_raw_value(payload).map_err(refused)?;
    serde_json::to_string(&Event::new(source, kind, subject, mark, data)).map_err(refused)
}

pub(super) fn last_seq(conn: &Connection) -> rusqlite::Result<u64> {
    conn.prepare_cached("SELECT last_seq FROM outbox_state")?.query_row([], |row| uint(row, 0))
}

pub(super) fn epoch(conn: &Connection) -> rusqlite::Result<Epoch> {
    conn.prepare_cached("SELECT epoch FROM outbox_state")?.query_row([], |row| row.get(0))
}

/// How much HQ does not have yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backlog {
    pub events: u64,
    /// When the oldest of them was recorded.
    pub oldest: Option<Timestamp>,
    pub images: u64,
    pub image_bytes: u64,
    pub dead_letters: u64,
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
    /// Which life of the database this is.
    pub async fn epoch(&self) -> Result<Epoch, StoreError> {
        self.read(|conn| Ok(epoch(conn)?)).await
    }

    /// Highest sequence ever enqueued in this epoch; 0 when none.
    pub async fn last_seq(&self) -> Result<u64, StoreError> {
        self.read(|conn| Ok(last_seq(conn)?)).await
    }

    /// From here on every sequence is still kept.
    pub async fn oldest_kept(&self) -> Result<u64, StoreError> {
        self.read(|conn| Ok(conn.query_row("SELECT pruned_upto + 1 FROM outbox_state", [], |row| uint(row, 0))?)).await
    }

    /// Events waiting for HQ from `from` on, oldest first, at most `events` and `bytes` of text (but always one). Those
    /// acknowledged meanwhile are missing from the run: a batch may only hold consecutive ones.
    pub async fn unacknowledged(
        &self,
        from: u64,
        events: usize,
        bytes: usize,
    ) -> Result<Vec<(u64, String)>, StoreError> {
        self.read(move |conn| {
            let sql = "SELECT seq, body FROM outbox WHERE epoch = (SELECT epoch FROM outbox_state) AND state = 0
                       AND seq >= ?1 ORDER BY seq LIMIT ?2";
            bounded(conn, sql, params![int(from), count(events)], bytes)
        })
        .await
    }

    /// The newest events waiting, newest first, for sending live before the backlog.
    pub async fn newest_unacknowledged(&self, events: usize, bytes: usize) -> Result<Vec<(u64, String)>, StoreError> {
        self.read(move |conn| {
            let sql = "SELECT seq, body FROM outbox WHERE epoch = (SELECT epoch FROM outbox_state) AND state = 0
                       ORDER BY seq DESC LIMIT ?1";
            bounded(conn, sql, params![count(events)], bytes)
        })
        .await
    }

    /// Kept events of `epoch` from `from` to `to`, acknowledged or not, oldest first: HQ asked for them again.
    pub async fn range(
        &self,
        epoch: Epoch,
        from: u64,
        to: u64,
        events: usize,
        bytes: usize,
    ) -> Result<Vec<(u64, String)>, StoreError> {
        self.read(move |conn| {
            let sql = "SELECT seq, body FROM outbox WHERE epoch = ?1 AND seq BETWEEN ?2 AND ?3 ORDER BY seq LIMIT ?4";
            bounded(conn, sql, params![epoch, int(from), int(to), count(events)], bytes)
        })
        .await
    }

    /// HQ has committed everything up to and with `upto`, and `ranges` beyond. Says how many that settled now; a repeated
    /// or foreign acknowledgement settles none.
    pub async fn acknowledge(&self, epoch: Epoch, upto: u64, ranges: Vec<SeqRange>) -> Result<u64, StoreError> {
        self.write(move |tx| {
            let now = clock::now().wall;
            let mut update = tx.prepare_cached(
                "UPDATE outbox SET state = 1, settled_ms = ?4
                 WHERE epoch = ?1 AND state = 0 AND seq BETWEEN ?2 AND ?3",
            )?;
            let mut settled = 0;
            for (from, to) in std::iter::once((0, upto)).chain(ranges) {
                settled += update.execute(params![epoch, int(from), int(to), now])?;
            }
            Ok(settled as u64)
        })
        .await
    }

    /// HQ refuses this event for good; it goes to the dead letters and blocks nothing. `false` for an unknown one.
    pub async fn dead_letter(&self, epoch: Epoch, seq: u64, reason: String) -> Result<bool, StoreError> {
        self.write(move |tx| {
            let now = clock::now().wall;
            let changed = tx.execute(
                "UPDATE outbox SET state = 2, settled_ms = ?3, reason = ?4 WHERE epoch = ?1 AND seq = ?2",
                params![epoch, int(seq), now, reason],
            )?;
            Ok(changed > 0)
        })
        .await
    }

    /// What HQ refused, newest first.
    pub async fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetter>, StoreError> {
        self.read(move |conn| {
            let mut select = conn.prepare_cached(
                "SELECT epoch, seq, kind, coalesce(reason, ''), coalesce(settled_ms, queued_ms), body
                 FROM outbox WHERE state = 2 ORDER BY settled_ms DESC, seq DESC LIMIT ?1",
            )?;
            let letters = select.query_map([count(limit)], |row| {
                Ok(DeadLetter {
                    epoch: row.get(0)?,
                    seq: uint(row, 1)?,
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

    /// Starts a new epoch because this database came back from a backup (HQ knows more of the old epoch than we do).
    ///
    /// What waits moves to the new epoch under new numbers but keeps its event id: HQ may hold it from before, under the
    /// old key, and recognises it by that id; the same *key* under another id, which would be an alarm, cannot arise.
    /// Acknowledged events stay under the old epoch, for people; HQ asks for the present epoch only.
    pub async fn new_epoch(&self) -> Result<Epoch, StoreError> {
        self.write(|tx| {
            let (old, new): (Epoch, Epoch) = (epoch(tx)?, clock::mint(Epoch::from_bits));
            let waiting: Vec<(i64, String)> = {
                let mut select =
                    tx.prepare("SELECT seq, body FROM outbox WHERE epoch = ?1 AND state = 0 ORDER BY seq")?;
                select.query_map([old], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?
            };
            let mut renumber =
                tx.prepare("UPDATE outbox SET epoch = ?3, seq = ?4, body = ?5 WHERE epoch = ?1 AND seq = ?2")?;
            let mut last = 0;
            for (seq, body) in waiting {
                last += 1;
                renumber.execute(params![old, seq, new, int(last), moved(&body, new, last)?])?;
            }
            tx.execute("UPDATE outbox_state SET epoch = ?1, last_seq = ?2, pruned_upto = 0", params![new, int(last)])?;
            tx.wake_sync();
            tracing::warn!(%old, %new, waiting = last, "a new epoch begins");
            Ok(new)
        })
        .await
    }

    /// Removes acknowledged events older than `keep_days`, oldest first and without leaving holes; of older epochs all of
    /// that age. Dead letters stay. Gives how many went.
    pub async fn prune(&self, now: Timestamp, keep_days: u32) -> Result<u64, StoreError> {
        let before = now.unix_ms() - i64::from(keep_days) * 86_400_000;
        self.write(move |tx| {
            let epoch = epoch(tx)?;
            let first_needed: Option<i64> = tx
                .query_row(
                    "SELECT seq FROM outbox WHERE epoch = ?1 AND state <> 2 AND (state = 0 OR settled_ms >= ?2)
                     ORDER BY seq LIMIT 1",
                    params![epoch, before],
                    |row| row.get(0),
                )
                .optional()?;
            let upto = match first_needed {
                Some(seq) => seq - 1,
                None => int(last_seq(tx)?),
            };
            tx.execute("UPDATE outbox_state SET pruned_upto = max(pruned_upto, ?1)", [upto])?;
            let gone = tx
                .execute("DELETE FROM outbox WHERE epoch = ?1 AND state = 1 AND seq <= ?2", params![epoch, upto])?
                + tx.execute(
                    "DELETE FROM outbox WHERE epoch <> ?1 AND state = 1 AND settled_ms < ?2",
                    params![epoch, before],
                )?;
            Ok(gone as u64)
        })
        .await
    }

    /// What HQ does not have yet, in numbers.
    pub async fn backlog(&self) -> Result<Backlog, StoreError> {
        self.read(|conn| {
            let (events, oldest) =
                conn.query_row("SELECT count(*), min(queued_ms) FROM outbox WHERE state = 0", [], |row| {
                    Ok((uint(row, 0)?, row.get(1)?))
                })?;
            let (images, image_bytes) =
                conn.query_row("SELECT count(*), coalesce(sum(bytes), 0) FROM pictures WHERE owed = 1", [], |row| {
                    Ok((uint(row, 0)?, uint(row, 1)?))
                })?;
            let dead_letters = conn.query_row("SELECT count(*) FROM outbox WHERE state = 2", [], |row| uint(row, 0))?;
            Ok(Backlog { events, oldest, images, image_bytes, dead_letters })
        })
        .await
    }
}

/// The event's text under another epoch and number, everything else bit for bit.
fn moved(body: &str, epoch: Epoch, seq: u64) -> Result<String, StoreError> {
    let broken = |e: serde_json::Error| StoreError::Corrupt(format!("an outbox event is no event: {e}"));
    let mut event: Event = serde_json::from_str(body).map_err(broken)?;
    event.epoch = epoch.to_string();
    event.seq = seq;
    serde_json::to_string(&event).map_err(broken)
}

fn bounded(
    conn: &Connection,
    sql: &str,
    params: impl rusqlite::Params,
    bytes: usize,
) -> Result<Vec<(u64, String)>, StoreError> {
    let mut select = conn.prepare_cached(sql)?;
    let mut rows = select.query(params)?;
    let (mut taken, mut size) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let (seq, body) = (uint(row, 0)?, row.get::<_, String>(1)?);
        size += body.len();
        if size > bytes && !taken.is_empty() {
            break;
        }
        taken.push((seq, body));
    }
    Ok(taken)
}

/// A limit as SQLite takes it.
pub(super) fn count(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
