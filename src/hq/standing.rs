//! Where each gateway stands: what HQ holds of every epoch, what is missing, and what nobody holds any longer.
//!
//! `streams.upto` is the contiguous prefix of an epoch. It passes what is stored (refused rows too) and what is written down
//! in `lost`: sequences that no one can send any more, or that were told again under a later epoch (`moved`).

use super::database::{Hole, HqError};
use crate::{
    domain::Timestamp,
    sync::{
        ranges::RangeSet,
        reply::{Hello, Known, PastEpoch, Reply, SeqRange},
        topic::Address,
    },
};
use rusqlite::{Connection, OptionalExtension, params};

/// Islands beyond the prefix that one acknowledgement names; the gateway sends the rest again, which does no harm.
const MAX_RANGES: i64 = 64;

/// Rows beyond the prefix that are looked through for islands: more than all windows of one gateway hold.
const ISLAND_ROWS: i64 = 20_000;

/// Nacks repeated with one answer to a hello; the rest follows with the next.
const NACKS_AT_ONCE: usize = 256;

/// What HQ holds of one epoch, as told to its gateway. `announced`: how far the gateway had said before that it goes.
pub(super) fn standing(
    connection: &Connection,
    gateway: &str,
    epoch: String,
    announced: u64,
) -> Result<Reply, HqError> {
    let (upto, ranges) = acknowledged(connection, gateway, &epoch)?;
    let (last_seq, _) = reached(connection, gateway, &epoch)?;
    let known = connection
        .prepare_cached(
            "SELECT seq, id FROM events WHERE gateway = ?1 AND epoch = ?2 AND id <> '' ORDER BY seq DESC LIMIT 1",
        )?
        .query_row([gateway, &epoch], |row| Ok(Known { seq: row.get(0)?, id: row.get(1)? }))
        .optional()?;
    Ok(Reply::Hello { epoch, last_seq: last_seq.max(announced), upto, ranges, known, over: false })
}

/// Highest sequence stored of an epoch, and the highest its gateway has spoken of.
pub(super) fn reached(connection: &Connection, gateway: &str, epoch: &str) -> Result<(u64, u64), HqError> {
    let found = connection
        .prepare_cached("SELECT last_seq, announced FROM streams WHERE gateway = ?1 AND epoch = ?2")?
        .query_row([gateway, epoch], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(found.unwrap_or((0, 0)))
}

/// What may be acknowledged: the contiguous prefix and the islands beyond it, all of it below the first place where another
/// event came than the one held there. From there on the rows may be of another life of the store: to acknowledge them
/// would settle events that never arrived.
pub(super) fn acknowledged(
    connection: &Connection,
    gateway: &str,
    epoch: &str,
) -> Result<(u64, Vec<SeqRange>), HqError> {
    let (upto, mut ranges) = held(connection, gateway, epoch)?;
    let conflict: Option<u64> = connection
        .prepare_cached("SELECT min(seq) FROM alarms WHERE gateway = ?1 AND epoch = ?2 AND seq > 0")?
        .query_row([gateway, epoch], |row| row.get(0))?;
    let Some(conflict) = conflict else { return Ok((upto, ranges)) };
    ranges.retain(|(first, _)| *first < conflict);
    ranges.iter_mut().for_each(|(_, last)| *last = (*last).min(conflict - 1));
    Ok((upto.min(conflict - 1), ranges))
}

fn held(connection: &Connection, gateway: &str, epoch: &str) -> Result<(u64, Vec<SeqRange>), HqError> {
    let upto = prefix(connection, gateway, epoch)?;
    let mut query = connection.prepare_cached(
        "SELECT min(seq), max(seq) FROM (
             SELECT seq, seq - row_number() OVER (ORDER BY seq) AS island FROM (
                 SELECT seq FROM events WHERE gateway = ?1 AND epoch = ?2 AND seq > ?3 ORDER BY seq LIMIT ?4))
         GROUP BY island ORDER BY 1 LIMIT ?5",
    )?;
    let ranges = query
        .query_map(params![gateway, epoch, upto, ISLAND_ROWS, MAX_RANGES], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    Ok((upto, ranges))
}

fn prefix(connection: &Connection, gateway: &str, epoch: &str) -> Result<u64, HqError> {
    let upto = connection
        .prepare_cached("SELECT upto FROM streams WHERE gateway = ?1 AND epoch = ?2")?
        .query_row([gateway, epoch], |row| row.get(0))
        .optional()?;
    Ok(upto.unwrap_or(0))
}

/// Moves the prefix over everything that is now contiguous; `first` to `last` have just been stored.
pub(super) fn advance(
    connection: &Connection,
    gateway: &str,
    epoch: &str,
    (first, last): SeqRange,
) -> Result<(), HqError> {
    let before: u64 = connection
        .prepare_cached(
            "UPDATE streams SET last_seq = max(last_seq, ?3) WHERE gateway = ?1 AND epoch = ?2 RETURNING upto",
        )?
        .query_row(params![gateway, epoch, last], |row| row.get(0))?;
    let mut upto = if first <= before + 1 { before.max(last) } else { before };
    loop {
        upto = contiguous(connection, gateway, epoch, upto)?;
        let passed: Option<u64> = connection
            .prepare_cached(
                "SELECT max(last) FROM lost WHERE gateway = ?1 AND epoch = ?2 AND first <= ?3 + 1 AND last > ?3",
            )?
            .query_row(params![gateway, epoch, upto], |row| row.get(0))?;
        match passed {
            Some(last) => upto = last,
            None => break,
        }
    }
    if upto > before {
        connection
            .prepare_cached("UPDATE streams SET upto = ?3 WHERE gateway = ?1 AND epoch = ?2")?
            .execute(params![gateway, epoch, upto])?;
    }
    Ok(())
}

/// The end of the run of stored rows that begins after `upto`.
fn contiguous(connection: &Connection, gateway: &str, epoch: &str, mut upto: u64) -> Result<u64, HqError> {
    let mut query = connection
        .prepare_cached("SELECT seq FROM events WHERE gateway = ?1 AND epoch = ?2 AND seq > ?3 ORDER BY seq")?;
    let mut rows = query.query(params![gateway, epoch, upto])?;
    while let Some(row) = rows.next()? {
        let seq: u64 = row.get(0)?;
        if seq != upto + 1 {
            break;
        }
        upto = seq;
    }
    Ok(upto)
}

/// What is neither stored nor written down as lost from `first` to `last`, as far as [`ISLAND_ROWS`] rows reach.
fn missing(connection: &Connection, gateway: &str, epoch: &str, (first, last): SeqRange) -> Result<RangeSet, HqError> {
    let mut missing = RangeSet::default();
    if last < first {
        return Ok(missing);
    }
    let mut query = connection.prepare_cached(
        "SELECT seq FROM events WHERE gateway = ?1 AND epoch = ?2 AND seq BETWEEN ?3 AND ?4 ORDER BY seq LIMIT ?5",
    )?;
    let mut rows = query.query(params![gateway, epoch, first, last, ISLAND_ROWS])?;
    let (mut next, mut looked_at) = (first, 0);
    while let Some(row) = rows.next()? {
        let seq: u64 = row.get(0)?;
        missing.insert((next, seq - 1));
        next = seq + 1;
        looked_at += 1;
    }
    if looked_at < ISLAND_ROWS {
        missing.insert((next, last));
    }
    let mut query = connection.prepare_cached(
        "SELECT first, last FROM lost WHERE gateway = ?1 AND epoch = ?2 AND last >= ?3 AND first <= ?4",
    )?;
    for passed in query.query_map(params![gateway, epoch, first, last], |row| Ok((row.get(0)?, row.get(1)?)))? {
        missing.remove(passed?);
    }
    Ok(missing)
}

/// Streams with a hole that their gateway may still fill: of its present epoch below what is already here (the end comes by
/// itself), of earlier ones up to where they went.
pub(super) fn holes(connection: &Connection) -> Result<Vec<Hole>, HqError> {
    let mut query = connection.prepare_cached(
        "SELECT store, gateway, epoch, upto, top FROM (
             SELECT g.store, s.gateway, s.epoch, s.upto,
                 CASE WHEN s.epoch = g.epoch THEN s.last_seq ELSE max(s.last_seq, s.announced) END AS top
             FROM streams s JOIN gateways g USING (gateway))
         WHERE top > upto",
    )?;
    let streams = query.query_map([], |row| {
        let from = Address { store: row.get(0)?, gateway: row.get(1)? };
        Ok((from, row.get::<_, String>(2)?, row.get::<_, u64>(3)?, row.get::<_, u64>(4)?))
    })?;
    let streams = streams.collect::<Result<Vec<_>, _>>()?;
    let mut holes = Vec::new();
    for (from, epoch, upto, top) in streams {
        let missing = missing(connection, &from.gateway, &epoch, (upto + 1, top))?.iter().collect();
        holes.push(Hole { from, epoch, upto, missing });
    }
    Ok(holes)
}

/// Nacks of refused rows of which the gateway does not know: the first word on them was lost, or fell on a store that was
/// restored since.
pub(super) fn unheard_nacks(
    connection: &Connection,
    gateway: &str,
    epoch: &str,
    known: &[SeqRange],
) -> Result<Vec<Reply>, HqError> {
    let mut query = connection.prepare_cached(
        "SELECT seq, id, refused FROM events WHERE gateway = ?1 AND epoch = ?2 AND refused IS NOT NULL ORDER BY seq",
    )?;
    let mut rows = query.query([gateway, epoch])?;
    let mut nacks = Vec::new();
    while nacks.len() < NACKS_AT_ONCE
        && let Some(row) = rows.next()?
    {
        let seq: u64 = row.get(0)?;
        if !known.iter().any(|(first, last)| (*first..=*last).contains(&seq)) {
            nacks.push(super::events::nack(epoch, seq, row.get(1)?, &row.get::<_, String>(2)?));
        }
    }
    Ok(nacks)
}

/// Takes in what a gateway says it still keeps, and passes what it does not. Gives a sentence where something is lost.
///
/// Happens when HQ was restored from a backup older than what gateways keep, and when a store was restored from a backup
/// older than its last word to HQ.
pub(super) fn settle_losses(
    connection: &Connection,
    gateway: &str,
    hello: &Hello,
    now: Timestamp,
) -> Result<Option<String>, HqError> {
    let mut ledger = Losses { connection, gateway, now, lost: Vec::new() };
    let gone = hello.oldest_kept.min(hello.last_seq + 1).saturating_sub(1);
    ledger.pass(&hello.epoch, (1, gone), false)?;
    for past in &hello.past {
        ledger.past(past)?;
    }
    let mut query = connection.prepare_cached("SELECT epoch FROM streams WHERE gateway = ?1 AND epoch <> ?2")?;
    let others: Vec<String> = query.query_map([gateway, &hello.epoch], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for epoch in others.iter().filter(|epoch| hello.past.iter().all(|past| past.epoch != **epoch)) {
        let (last, announced) = reached(connection, gateway, epoch)?;
        ledger.pass(epoch, (1, last.max(announced)), false)?;
    }
    Ok(ledger.sentence())
}

struct Losses<'a> {
    connection: &'a Connection,
    gateway: &'a str,
    now: Timestamp,
    lost: Vec<(String, SeqRange)>,
}

impl Losses<'_> {
    fn past(&mut self, past: &PastEpoch) -> Result<(), HqError> {
        let PastEpoch { epoch, last_seq, oldest_kept, moved } = past;
        self.connection
            .prepare_cached(
                "INSERT INTO streams(gateway, epoch, announced, begun_ms) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT DO UPDATE SET announced = max(announced, excluded.announced)",
            )?
            .execute(params![self.gateway, epoch, last_seq, self.now.unix_ms()])?;
        for range in moved {
            self.pass(epoch, *range, true)?;
        }
        let (last, announced) = reached(self.connection, self.gateway, epoch)?;
        self.pass(epoch, (1, oldest_kept.saturating_sub(1).min(*last_seq)), false)?;
        self.pass(epoch, (last_seq + 1, last.max(announced)), false)
    }

    /// Writes down what is missing of `range`; the prefix passes it.
    fn pass(&mut self, epoch: &str, (first, last): SeqRange, moved: bool) -> Result<(), HqError> {
        loop {
            let first = first.max(prefix(self.connection, self.gateway, epoch)? + 1);
            let missing = missing(self.connection, self.gateway, epoch, (first, last))?;
            if missing.is_empty() {
                return Ok(());
            }
            let mut insert = self.connection.prepare_cached(
                "INSERT INTO lost(gateway, epoch, first, last, noted_ms, moved) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?;
            for (from, to) in missing.iter() {
                insert.execute(params![self.gateway, epoch, from, to, self.now.unix_ms(), moved])?;
                if !moved {
                    tracing::error!(gateway = self.gateway, epoch, first = from, last = to, "events lost");
                    self.lost.push((epoch.to_owned(), (from, to)));
                }
            }
            advance(self.connection, self.gateway, epoch, (0, 0))?;
        }
    }

    fn sentence(&self) -> Option<String> {
        let (epoch, (first, _)) = self.lost.first()?;
        let count: u64 = self.lost.iter().map(|(_, (first, last))| last - first + 1).sum();
        Some(format!(
            "{count} events of gateway {} are lost, from {first} of epoch {epoch} on: they are not here, and the store keeps \
             them no longer",
            self.gateway
        ))
    }
}
