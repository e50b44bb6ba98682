//! Where each gateway stands: what HQ holds of every epoch, what is missing, and what nobody holds any longer.
//!
//! `streams.upto` is the contiguous prefix of an epoch. It passes what is stored (refused rows too) and what is written down
//! in `lost`: sequences that no one can send any more, or that were told again under a later epoch (`moved`).

use super::{
    HqError,
    database::{
        Hole,
        engine::{Engine, Reach, first, only, values},
    },
    events, records,
};
use crate::{
    domain::Timestamp,
    sync::{
        ranges::RangeSet,
        reply::{Hello, Known, PastEpoch, Reply, SeqRange},
        topic::Address,
    },
};

/// Islands beyond the prefix that one acknowledgement names; the gateway sends the rest again, which does no harm.
const MAX_RANGES: i64 = 64;

/// Rows beyond the prefix that are looked through for islands: more than all windows of one gateway hold.
const ISLAND_ROWS: i64 = 20_000;

/// Nacks repeated with one answer to a hello; the rest follows with the next.
const NACKS_AT_ONCE: usize = 256;

/// What HQ holds of one epoch, as told to its gateway. `announced`: how far the gateway had said before that it goes.
pub(super) fn standing(
    engine: &mut dyn Engine,
    gateway: &str,
    epoch: String,
    announced: u64,
) -> Result<Reply, HqError> {
    let upto = prefix(engine, gateway, &epoch)?;
    let (last_seq, _) = reached(engine, gateway, &epoch)?;
    let conflict = conflict(engine, gateway, &epoch)?;
    let reach = Reach { upto, before: upto, last_seq, conflict, before_lost: false };
    let (upto, ranges) = acknowledged(engine, (gateway, &epoch), reach)?;
    let known = first(
        engine,
        "SELECT seq, id FROM events WHERE gateway = ?1 AND epoch = ?2 AND id <> '' ORDER BY seq DESC LIMIT 1",
        values![gateway, &epoch],
    )?;
    let known = known.map(|row| Ok::<_, HqError>(Known { seq: row.get(0)?, id: row.get(1)? })).transpose()?;
    // Two lives of the store have used the epoch: nothing beyond the conflict can ever be acknowledged in it.
    let over = conflict.is_some();
    Ok(Reply::Hello { epoch, last_seq: last_seq.max(announced), upto, ranges, known, over })
}

/// The lowest place of an epoch at which another event came than the one held there.
fn conflict(engine: &mut dyn Engine, gateway: &str, epoch: &str) -> Result<Option<u64>, HqError> {
    let sql = "SELECT min(seq) FROM alarms WHERE gateway = ?1 AND epoch = ?2 AND seq > 0";
    only(engine, sql, values![gateway, epoch])
}

/// The alarm about a conflict, said again: the gateway may have missed it, and must know from where on its acknowledgements
/// may have meant the events of another life.
pub(super) fn unheard_alarm(engine: &mut dyn Engine, gateway: &str, epoch: &str) -> Result<Option<Reply>, HqError> {
    let row = first(
        engine,
        "SELECT a.seq, a.reason, e.id FROM alarms a JOIN events e USING (gateway, epoch, seq)
         WHERE a.gateway = ?1 AND a.epoch = ?2 AND a.seq > 0 ORDER BY a.seq LIMIT 1",
        values![gateway, epoch],
    )?;
    row.map(|row| {
        let (seq, reason, held) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(Reply::Alarm { epoch: epoch.to_owned(), seq, reason, held })
    })
    .transpose()
}

/// Highest sequence stored of an epoch, and the highest its gateway has spoken of.
pub(super) fn reached(engine: &mut dyn Engine, gateway: &str, epoch: &str) -> Result<(u64, u64), HqError> {
    let found = first(
        engine,
        "SELECT last_seq, announced FROM streams WHERE gateway = ?1 AND epoch = ?2",
        values![gateway, epoch],
    )?;
    found.map_or(Ok((0, 0)), |row| Ok((row.get(0)?, row.get(1)?)))
}

/// Notes how far a gateway says that an epoch goes.
pub(super) fn announce(
    engine: &mut dyn Engine,
    gateway: &str,
    epoch: &str,
    last_seq: u64,
    now: Timestamp,
) -> Result<(), HqError> {
    engine.execute(
        "INSERT INTO streams(gateway, epoch, announced, begun_ms) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (gateway, epoch) DO UPDATE SET announced = excluded.announced
         WHERE streams.announced < excluded.announced",
        values![gateway, epoch, last_seq, now.unix_ms()],
    )?;
    Ok(())
}

/// What may be acknowledged: the contiguous prefix and the islands beyond it, all of it below the first place where another
/// event came than the one held there. From there on the rows may be of another life of the store: to acknowledge them
/// would settle events that never arrived.
pub(super) fn acknowledged(
    engine: &mut dyn Engine,
    (gateway, epoch): (&str, &str),
    reach: Reach,
) -> Result<(u64, Vec<SeqRange>), HqError> {
    let Reach { upto, before: _, last_seq, conflict, before_lost: _ } = reach;
    let mut ranges = if last_seq > upto { islands(engine, gateway, epoch, upto)? } else { Vec::new() };
    let Some(conflict) = conflict else { return Ok((upto, ranges)) };
    ranges.retain(|(first, _)| *first < conflict);
    ranges.iter_mut().for_each(|(_, last)| *last = (*last).min(conflict - 1));
    Ok((upto.min(conflict - 1), ranges))
}

fn islands(engine: &mut dyn Engine, gateway: &str, epoch: &str, upto: u64) -> Result<Vec<SeqRange>, HqError> {
    let rows = engine.query(
        "SELECT min(seq), max(seq) FROM (
             SELECT seq, seq - row_number() OVER (ORDER BY seq) AS island FROM (
                 SELECT seq FROM events WHERE gateway = ?1 AND epoch = ?2 AND seq > ?3 ORDER BY seq LIMIT ?4) AS beyond)
             AS numbered
         GROUP BY island ORDER BY 1 LIMIT ?5",
        values![gateway, epoch, upto, ISLAND_ROWS, MAX_RANGES],
    )?;
    rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
}

pub(super) fn prefix(engine: &mut dyn Engine, gateway: &str, epoch: &str) -> Result<u64, HqError> {
    first(engine, "SELECT upto FROM streams WHERE gateway = ?1 AND epoch = ?2", values![gateway, epoch])?
        .map_or(Ok(0), |row| row.get(0))
}

/// Moves the prefix over everything that is now contiguous; `first` to `last` have just been stored. How far it came before.
pub(super) fn advance(
    engine: &mut dyn Engine,
    gateway: &str,
    epoch: &str,
    (begin, last): SeqRange,
) -> Result<u64, HqError> {
    let before = prefix(engine, gateway, epoch)?;
    let mut upto = if begin <= before + 1 { before.max(last) } else { before };
    loop {
        upto = contiguous(engine, gateway, epoch, upto)?;
        let passed: Option<u64> = only(
            engine,
            "SELECT max(last) FROM lost WHERE gateway = ?1 AND epoch = ?2 AND first <= ?3 + 1 AND last > ?3",
            values![gateway, epoch, upto],
        )?;
        match passed {
            Some(last) => upto = last,
            None => break,
        }
    }
    engine.execute(
        "UPDATE streams SET upto = ?3, last_seq = CASE WHEN last_seq < ?4 THEN ?4 ELSE last_seq END
         WHERE gateway = ?1 AND epoch = ?2",
        values![gateway, epoch, upto, last],
    )?;
    Ok(before)
}

/// The end of the run of stored rows that begins after `upto`: one look-up each, since mostly none follows.
fn contiguous(engine: &mut dyn Engine, gateway: &str, epoch: &str, upto: u64) -> Result<u64, HqError> {
    only(
        engine,
        "WITH RECURSIVE run(seq) AS (
             SELECT CAST(?3 AS BIGINT)
             UNION ALL
             SELECT e.seq FROM run JOIN events e ON e.gateway = ?1 AND e.epoch = ?2 AND e.seq = run.seq + 1
         ) SELECT max(seq) FROM run",
        values![gateway, epoch, upto],
    )
}

/// What is neither stored nor written down as lost from `first` to `last`, as far as [`ISLAND_ROWS`] rows reach.
fn missing(engine: &mut dyn Engine, gateway: &str, epoch: &str, (first, last): SeqRange) -> Result<RangeSet, HqError> {
    let mut missing = RangeSet::default();
    if last < first {
        return Ok(missing);
    }
    let held = engine.query(
        "SELECT seq FROM events WHERE gateway = ?1 AND epoch = ?2 AND seq BETWEEN ?3 AND ?4 ORDER BY seq LIMIT ?5",
        values![gateway, epoch, first, last, ISLAND_ROWS],
    )?;
    let mut next = first;
    for row in &held {
        let seq: u64 = row.get(0)?;
        missing.insert((next, seq - 1));
        next = seq + 1;
    }
    if (held.len() as i64) < ISLAND_ROWS {
        missing.insert((next, last));
    }
    let passed = engine.query(
        "SELECT first, last FROM lost WHERE gateway = ?1 AND epoch = ?2 AND last >= ?3 AND first <= ?4",
        values![gateway, epoch, first, last],
    )?;
    for row in passed {
        missing.remove((row.get(0)?, row.get(1)?));
    }
    Ok(missing)
}

/// Streams with a hole that their gateway may still fill: of its present epoch below what is already here (the end comes by
/// itself), of earlier ones up to where they went.
pub(super) fn holes(engine: &mut dyn Engine) -> Result<Vec<Hole>, HqError> {
    let streams = engine.query(
        "SELECT store, gateway, epoch, upto, top FROM (
             SELECT g.store, s.gateway, s.epoch, s.upto,
                 CASE WHEN s.epoch = g.epoch OR s.last_seq > s.announced THEN s.last_seq ELSE s.announced END AS top
             FROM streams s JOIN gateways g USING (gateway)) AS reach
         WHERE top > upto",
        &[],
    )?;
    let mut holes = Vec::new();
    for row in streams {
        let from = Address { store: row.get(0)?, gateway: row.get(1)? };
        let (epoch, upto, top): (String, u64, u64) = (row.get(2)?, row.get(3)?, row.get(4)?);
        let missing = missing(engine, &from.gateway, &epoch, (upto + 1, top))?.iter().collect();
        holes.push(Hole { from, epoch, upto, missing });
    }
    Ok(holes)
}

/// Nacks of refused rows of which the gateway does not know: the first word on them was lost, or fell on a store that was
/// restored since.
pub(super) fn unheard_nacks(
    engine: &mut dyn Engine,
    gateway: &str,
    epoch: &str,
    known: &[SeqRange],
) -> Result<Vec<Reply>, HqError> {
    let refused = engine.query(
        "SELECT seq, id, refused FROM events WHERE gateway = ?1 AND epoch = ?2 AND refused IS NOT NULL ORDER BY seq",
        values![gateway, epoch],
    )?;
    let mut nacks = Vec::new();
    for row in refused {
        let seq: u64 = row.get(0)?;
        if !known.iter().any(|(first, last)| (*first..=*last).contains(&seq)) {
            nacks.push(events::nack(epoch, seq, row.get(1)?, &row.get::<String>(2)?));
        }
        if nacks.len() == NACKS_AT_ONCE {
            break;
        }
    }
    Ok(nacks)
}

/// Takes in what a gateway says it still keeps, and passes what it does not. Gives a sentence where something is lost.
///
/// Happens when HQ was restored from a backup older than what gateways keep, and when a store was restored from a backup
/// older than its last word to HQ.
pub(super) fn settle_losses(
    engine: &mut dyn Engine,
    gateway: &str,
    hello: &Hello,
    now: Timestamp,
) -> Result<Option<String>, HqError> {
    let others = engine
        .query("SELECT epoch FROM streams WHERE gateway = ?1 AND epoch <> ?2", values![gateway, &hello.epoch])?
        .iter()
        .map(|row| row.get::<String>(0))
        .collect::<Result<Vec<_>, _>>()?;
    in_order(engine, gateway, hello)?;
    let mut ledger = Losses { engine, gateway, now, lost: Vec::new() };
    let gone = hello.oldest_kept.min(hello.last_seq.saturating_add(1)).saturating_sub(1);
    ledger.pass(&hello.epoch, (1, gone), false)?;
    for past in &hello.past {
        ledger.past(past)?;
    }
    for epoch in others.iter().filter(|epoch| hello.past.iter().all(|past| past.epoch != **epoch)) {
        let (last, announced) = reached(ledger.engine, gateway, epoch)?;
        ledger.pass(epoch, (1, last.max(announced)), false)?;
    }
    Ok(ledger.sentence())
}

/// Puts the lives of a gateway into the order that its hello names (newest first). `begun_ms` is when HQ first heard of an epoch,
/// and decides whose word counts. A headquarters whose database was lost hears of all of them in one moment, in any order.
fn in_order(engine: &mut dyn Engine, gateway: &str, hello: &Hello) -> Result<(), HqError> {
    let begun = |engine: &mut dyn Engine, epoch: &str| -> Result<Option<i64>, HqError> {
        let sql = "SELECT begun_ms FROM streams WHERE gateway = ?1 AND epoch = ?2";
        first(engine, sql, values![gateway, epoch])?.map(|row| row.get(0)).transpose()
    };
    let Some(mut later) = begun(engine, &hello.epoch)? else { return Ok(()) };
    let mut moved = false;
    for PastEpoch { epoch, .. } in &hello.past {
        later = match begun(engine, epoch)? {
            Some(before) if before < later => before,
            Some(found) => {
                let sql = "UPDATE streams SET begun_ms = ?3 WHERE gateway = ?1 AND epoch = ?2";
                engine.execute(sql, values![gateway, epoch, later - 1])?;
                records::move_era(engine, gateway, epoch, (found, later - 1))?;
                moved = true;
                later - 1
            }
            None => {
                let sql = "INSERT INTO streams(gateway, epoch, begun_ms) VALUES (?1, ?2, ?3)";
                engine.execute(sql, values![gateway, epoch, later - 1])?;
                later - 1
            }
        };
    }
    if moved { events::take_out_all(engine, gateway) } else { Ok(()) }
}

struct Losses<'a> {
    engine: &'a mut dyn Engine,
    gateway: &'a str,
    now: Timestamp,
    lost: Vec<(String, SeqRange)>,
}

impl Losses<'_> {
    fn past(&mut self, past: &PastEpoch) -> Result<(), HqError> {
        let PastEpoch { epoch, last_seq, oldest_kept, moved } = past;
        announce(self.engine, self.gateway, epoch, *last_seq, self.now)?;
        for range in moved {
            self.pass(epoch, *range, true)?;
        }
        let (last, announced) = reached(self.engine, self.gateway, epoch)?;
        self.pass(epoch, (1, oldest_kept.saturating_sub(1).min(*last_seq)), false)?;
        self.pass(epoch, (last_seq.saturating_add(1), last.max(announced)), false)
    }

    /// Writes down what is missing of `range`; the prefix passes it.
    fn pass(&mut self, epoch: &str, (first, last): SeqRange, moved: bool) -> Result<(), HqError> {
        loop {
            let first = first.max(prefix(self.engine, self.gateway, epoch)? + 1);
            let missing = missing(self.engine, self.gateway, epoch, (first, last))?;
            if missing.is_empty() {
                return Ok(());
            }
            for (from, to) in missing.iter() {
                self.engine.execute(
                    "INSERT INTO lost(gateway, epoch, first, last, noted_ms, moved) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                    values![self.gateway, epoch, from, to, self.now.unix_ms(), moved],
                )?;
                if !moved {
                    tracing::error!(gateway = self.gateway, epoch, first = from, last = to, "events lost");
                    self.lost.push((epoch.to_owned(), (from, to)));
                }
            }
            advance(self.engine, self.gateway, epoch, (0, 0))?;
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
