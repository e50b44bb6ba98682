//! The outbox: what HQ is told, gapless by `seq` within an epoch, kept until HQ says it has committed it.
//!
//! [`enqueue`] takes a [`Tx`], so it cannot be called outside a transaction; the number is drawn in it, so a change that is
//! rolled back leaves no gap. An event without its consent is never enqueued: the gate is looked up here, not by callers.
//! Acknowledged events stay, so that a restored HQ can ask again. What HQ has is a prefix of each epoch with a few ranges
//! beyond, see [`super::acknowledged`]: an acknowledgement costs the same however many events it settles.
//!
//! An event's place in the table is its epoch's number and its `seq` in one integer ([`place`]): the table is written at its
//! end and read in the order of sending.

use super::{
    Store,
    acknowledged::Acknowledged,
    columns::{int, uint},
    consents,
    error::StoreError,
    fresh::Text,
    moving,
    writer::Tx,
};
use crate::{
    clock,
    domain::{CustomerId, Epoch, EventId, Stamp, Timestamp, VisitId, consent::Purpose},
    faults,
    sync::{
        envelope::{self, Event, Mark},
        payload::kind,
        ranges::RangeSet,
    },
};
use rusqlite::{CachedStatement, Connection, OptionalExtension, params};
use serde::Serialize;

/// Which consent lets an event out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gate {
    /// Ids and states only: HQ must know them to make sense of the rest.
    Always,
    Numbers,
    Photographs,
    /// A report with its numbers: delivered, and shared.
    Report,
}

impl Gate {
    const fn purposes(self) -> &'static [Purpose] {
        match self {
            Self::Always => &[],
            Self::Numbers => &[Purpose::ShareNumbers],
            Self::Photographs => &[Purpose::SharePhotographs],
            Self::Report => &[Purpose::DeliverReport, Purpose::ShareNumbers],
        }
    }

    /// What is told once for each thing. A report is told anew whenever it changes.
    const fn is_told_once(self) -> bool {
        matches!(self, Self::Numbers | Self::Photographs)
    }

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Always => "always",
            Self::Numbers => "share_numbers",
            Self::Photographs => "share_photographs",
            Self::Report => "report",
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

/// Bits of a place that hold the sequence: a trillion events an epoch.
const SEQ_BITS: u32 = 40;

/// Where event `seq` of the epoch numbered `epoch` stands.
pub(super) const fn place(epoch: i64, seq: u64) -> i64 {
    let last = (1 << SEQ_BITS) - 1;
    (epoch << SEQ_BITS) + if seq > last { int(last) } else { int(seq) }
}

/// The sequence of a place.
pub(super) const fn seq_of(place: i64) -> u64 {
    (place & ((1 << SEQ_BITS) - 1)).cast_unsigned()
}

/// Number of the epoch of a place.
pub(super) const fn epoch_of(place: i64) -> i64 {
    place >> SEQ_BITS
}

/// One life of this database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Life {
    pub n: i64,
    pub epoch: Epoch,
    /// Highest sequence drawn.
    pub last_seq: u64,
}

impl Life {
    const COLUMNS: &str = "n, epoch, last_seq";

    fn from_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { n: row.get(0)?, epoch: row.get(1)?, last_seq: uint(row, 2)? })
    }

    /// The present one.
    pub(super) fn present(conn: &Connection) -> rusqlite::Result<Self> {
        let sql = format!("SELECT {} FROM epochs ORDER BY n DESC LIMIT 1", Self::COLUMNS);
        conn.prepare_cached(&sql)?.query_row([], Self::from_row)
    }

    /// `None` where this database never had it.
    pub(super) fn of(conn: &Connection, epoch: Epoch) -> rusqlite::Result<Option<Self>> {
        let sql = format!("SELECT {} FROM epochs WHERE epoch = ?1", Self::COLUMNS);
        conn.prepare_cached(&sql)?.query_row([epoch], Self::from_row).optional()
    }

    /// Draws the next `count` numbers; `last_seq` is the last of them.
    fn draw(tx: &Tx<'_>, count: u64) -> rusqlite::Result<Self> {
        let sql = format!(
            "UPDATE epochs SET last_seq = last_seq + ?1 WHERE n = (SELECT max(n) FROM epochs) RETURNING {}",
            Self::COLUMNS
        );
        tx.prepare_cached(&sql)?.query_row([int(count)], Self::from_row)
    }
}

/// Enqueues one event; `false` when its consent is not given.
pub(super) fn enqueue(tx: &Tx<'_>, about: &About, payload: &impl Serialize) -> Result<bool, StoreError> {
    enqueue_at(tx, about, about.stamp.wall, payload)
}

/// [`enqueue`] for what happened before it came here.
pub(super) fn enqueue_at(
    tx: &Tx<'_>,
    about: &About,
    queued: Timestamp,
    payload: &impl Serialize,
) -> Result<bool, StoreError> {
    if let Some(customer) = about.customer {
        for purpose in about.gate.purposes() {
            if !consents::given(tx, customer, *purpose)? {
                return Ok(false);
            }
        }
    }
    let Life { n, epoch, last_seq: seq } = Life::draw(tx, 1)?;
    faults::point("store.event.numbered");
    let id = if about.gate.is_told_once() { told_before(tx, about.object)? } else { None };
    let id = id.unwrap_or_else(|| clock::mint(EventId::from_bits));
    let mark = Mark { id, epoch, seq, stamp: about.stamp };
    let body = event_text(tx.source(), about.kind, &about.subject, mark, payload)?;
    tx.prepare_cached(
        "INSERT INTO outbox (place, kind, gate, customer, visit, object, queued_ms, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?
    .execute(params![
        place(n, seq),
        about.kind,
        about.gate.as_str(),
        about.customer,
        about.visit,
        about.object.to_be_bytes(),
        queued,
        body
    ])?;
    tx.enqueued(Text { epoch, seq, body });
    Ok(true)
}

/// Numbers drawn for events that are nobody's: no consent lets them out or holds them back, and nothing ever redacts them.
pub(super) struct Run<'t> {
    life: Life,
    next: u64,
    insert: CachedStatement<'t>,
}

impl<'t> Run<'t> {
    /// Draws `count` numbers, all of which must be used in this transaction.
    pub(super) fn draw(tx: &'t Tx<'_>, count: usize) -> Result<Self, StoreError> {
        let life = Life::draw(tx, count as u64)?;
        let sql = "INSERT INTO outbox (place, kind, gate, queued_ms, body) VALUES (?1, ?2, ?3, ?4, ?5)";
        Ok(Self { life, next: life.last_seq + 1 - count as u64, insert: tx.prepare_cached(sql)? })
    }

    /// Enqueues under the next number.
    pub(super) fn enqueue(
        &mut self,
        tx: &Tx<'_>,
        kind: &'static str,
        subject: &str,
        stamp: Stamp,
        payload: &impl Serialize,
    ) -> Result<(), StoreError> {
        debug_assert!(self.next <= self.life.last_seq, "more events than numbers were drawn");
        let (epoch, seq) = (self.life.epoch, self.next);
        let mark = Mark { id: clock::mint(EventId::from_bits), epoch, seq, stamp };
        let body = event_text(tx.source(), kind, subject, mark, payload)?;
        self.insert.execute(params![place(self.life.n, seq), kind, Gate::Always.as_str(), stamp.wall, body])?;
        tx.enqueued(Text { epoch, seq, body });
        self.next += 1;
        Ok(())
    }
}

/// The id under which this was told before its consent was withdrawn. It may have reached HQ all the same: told again under
/// the id it had, HQ knows it for the same.
fn told_before(tx: &Tx<'_>, object: u128) -> Result<Option<EventId>, StoreError> {
    let body: Option<String> = tx
        .prepare_cached("SELECT body FROM outbox WHERE object = ?1 AND kind = ?2 ORDER BY place DESC LIMIT 1")?
        .query_row(params![object.to_be_bytes(), kind::REDACTED], |row| row.get(0))
        .optional()?;
    let event = body.and_then(|body| serde_json::from_str::<Event>(&body).ok());
    Ok(event.and_then(|event| event.id.parse().ok()))
}

fn event_text(
    source: &str,
    kind: &str,
    subject: &str,
    mark: Mark,
    payload: &impl Serialize,
) -> Result<String, StoreError> {
    envelope::write(source, kind, subject, mark, payload)
        .map_err(|fault| StoreError::Refused(format!("this {kind} cannot be told to HQ: {fault}")))
}

/// Changes nothing that means anything and is a commit all the same: whatever a failed one left at the end of the log is written
/// over. A value that stays as it is would not do: SQLite writes no page for it, and an empty commit writes nothing.
pub(super) fn commit_something(tx: &Tx<'_>) -> Result<(), StoreError> {
    tx.execute("INSERT INTO commits (one, n) VALUES (1, 1) ON CONFLICT DO UPDATE SET n = n + 1", [])?;
    Ok(())
}

/// Of the present epoch.
pub(super) fn last_seq(conn: &Connection) -> rusqlite::Result<u64> {
    Ok(Life::present(conn)?.last_seq)
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

impl Store {
    /// Which life of the database this is.
    pub async fn epoch(&self) -> Result<Epoch, StoreError> {
        self.read(|conn| Ok(Life::present(conn)?.epoch)).await
    }

    /// Highest sequence ever enqueued in this epoch; 0 when none.
    pub async fn last_seq(&self) -> Result<u64, StoreError> {
        self.read(|conn| Ok(last_seq(conn)?)).await
    }

    /// Events waiting for HQ from `from` on, oldest first, at most `events` and `bytes` of text (but always one). Those
    /// acknowledged meanwhile are missing from the run: a batch may only hold consecutive ones.
    pub async fn unacknowledged(
        &self,
        from: u64,
        events: usize,
        bytes: usize,
    ) -> Result<Vec<(u64, String)>, StoreError> {
        self.move_all().await?;
        self.read(move |conn| {
            let life = Life::present(conn)?;
            let held = Acknowledged::load(conn, life.n)?;
            let from = place(life.n, from.max(held.upto() + 1));
            let mut select = conn.prepare_cached(
                "SELECT place, body FROM outbox WHERE place >= ?1 AND refused IS NULL ORDER BY place",
            )?;
            bounded(select.query([from])?, |seq| !held.has(seq), events, bytes)
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
        if let Some(rows) = self.0.fresh.range(epoch, (from, to), events, bytes) {
            return Ok(rows);
        }
        self.fill_seats(epoch, from, to.min(from.saturating_add(events as u64))).await?;
        let moving = self.is_moving();
        self.read(move |conn| {
            let Some(life) = Life::of(conn, epoch)? else { return Ok(Vec::new()) };
            // What is still to move is told under its new number.
            let moved = if moving { moving::moved(conn, life.n)? } else { RangeSet::default() };
            let stays = |seq: u64| moved.first_from(seq).is_none_or(|(first, _)| first != seq);
            let mut select =
                conn.prepare_cached("SELECT place, body FROM outbox WHERE place BETWEEN ?1 AND ?2 ORDER BY place")?;
            bounded(select.query([place(life.n, from), place(life.n, to)])?, stays, events, bytes)
        })
        .await
    }

    /// What HQ does not have yet, in numbers.
    pub async fn backlog(&self) -> Result<Backlog, StoreError> {
        self.read(|conn| {
            let life = Life::present(conn)?;
            let held = Acknowledged::load(conn, life.n)?;
            let refused = "SELECT place FROM outbox WHERE refused IS NOT NULL";
            let refused: Vec<i64> =
                conn.prepare_cached(refused)?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
            let beyond = refused.iter().filter(|at| epoch_of(**at) == life.n && !held.has(seq_of(**at))).count();
            let events = life.last_seq.saturating_sub(held.count() + beyond as u64);
            let mut oldest = conn.prepare_cached(
                "SELECT place, queued_ms FROM outbox WHERE place > ?1 AND refused IS NULL ORDER BY place",
            )?;
            let oldest = oldest
                .query_map([place(life.n, held.upto())], |row| Ok((row.get(0)?, row.get(1)?)))?
                .find(|row| row.as_ref().map_or(true, |(place, _)| !held.has(seq_of(*place))))
                .transpose()?
                .map(|(_, queued)| queued);
            let oldest = moving::oldest(conn)?.map(Timestamp::from_unix_ms).or(oldest);
            let (images, image_bytes) =
                conn.query_row("SELECT count(*), coalesce(sum(bytes), 0) FROM pictures WHERE owed = 1", [], |row| {
                    Ok((uint(row, 0)?, uint(row, 1)?))
                })?;
            Ok(Backlog { events, oldest, images, image_bytes, dead_letters: refused.len() as u64 })
        })
        .await
    }
}

/// Reads places and bodies while they fit.
fn bounded(
    mut rows: rusqlite::Rows<'_>,
    wanted: impl Fn(u64) -> bool,
    events: usize,
    bytes: usize,
) -> Result<Vec<(u64, String)>, StoreError> {
    let (mut taken, mut size) = (Vec::new(), 0);
    while taken.len() < events
        && let Some(row) = rows.next()?
    {
        let seq = seq_of(row.get(0)?);
        if !wanted(seq) {
            continue;
        }
        let body: String = row.get(1)?;
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
