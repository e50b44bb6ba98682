//! HQ's tables: one SQLite file in the data folder, one writer. What comes in together is committed together, with an
//! fsync, and only then answered. Any order, any repetition is fine: a row is known by `(gateway, epoch, seq)`.
//!
//! `streams.upto` is the contiguous prefix of an epoch, moved forward in the transaction that stores the rows. A refused
//! row is stored too, with its reason, so that the prefix passes it.

use super::{
    events,
    images::{self, Whole},
};
use crate::{
    domain::Timestamp,
    faults,
    sync::{
        envelope::Batch,
        image_lane::Offer,
        reply::{Hello, Reply, SeqRange},
        topic::{Address, Lane},
    },
};
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

/// Grows with the schema; a file of a newer program is refused.
const SCHEMA: i64 = 1;

/// Islands beyond the prefix that one acknowledgement names; the gateway sends the rest again, which does no harm.
const MAX_RANGES: i64 = 64;

/// Rows beyond the prefix that are looked through for islands: more than all windows of one gateway hold.
const ISLAND_ROWS: i64 = 20_000;

/// Name of the database within the data folder.
pub const FILE: &str = "hq.sqlite";

/// What goes wrong at HQ.
#[derive(Debug, thiserror::Error)]
pub enum HqError {
    #[error("HQ's database: {0}")]
    Database(#[from] rusqlite::Error),
    #[error("{path}: {source}")]
    File { path: PathBuf, source: io::Error },
    #[error(
        "{path} was written by a newer skinlink-hq (schema {found}, this one knows {SCHEMA}); install that version"
    )]
    Newer { path: PathBuf, found: i64 },
    #[error("{path}: {reason}")]
    Config { path: PathBuf, reason: String },
    #[error("the store thread ended without an answer")]
    Stopped,
}

/// One publish from a gateway, its topic already read.
#[derive(Debug, Clone)]
pub struct Arrived {
    pub from: Address,
    pub lane: Lane,
    pub payload: Vec<u8>,
}

/// Sequences missing below what is already here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hole {
    pub from: Address,
    pub epoch: String,
    /// The contiguous prefix before the first hole.
    pub upto: u64,
    pub missing: Vec<SeqRange>,
}

/// A reply and the gateway it goes to.
pub type Addressed = (Address, Reply);

/// The writer.
#[derive(Debug)]
pub struct Database {
    connection: Connection,
    folder: PathBuf,
    max_image_bytes: u64,
}

impl Database {
    /// Opens or makes the database in `folder`, then finishes pictures that were whole but not yet filed.
    ///
    /// # Errors
    /// [`HqError`]; nothing is changed in a file of a newer program.
    pub fn open(folder: &Path, max_image_bytes: u64) -> Result<Self, HqError> {
        fs::create_dir_all(folder).map_err(|source| HqError::File { path: folder.to_owned(), source })?;
        let path = folder.join(FILE);
        let mut connection = Connection::open(&path)?;
        let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        if found > SCHEMA {
            return Err(HqError::Newer { path, found });
        }
        connection.execute_batch(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; PRAGMA busy_timeout=5000;",
        )?;
        if found < SCHEMA {
            let upgrade = connection.transaction()?;
            upgrade.execute_batch(include_str!("schema.sql"))?;
            upgrade.pragma_update(None, "user_version", SCHEMA)?;
            upgrade.commit()?;
        }
        let mut database = Self { connection, folder: folder.to_owned(), max_image_bytes };
        let whole = images::whole(&database.connection)?;
        let _ = database.file(whole, crate::clock::now().wall)?;
        Ok(database)
    }

    /// Commits everything in `arrived` in one transaction and says what to answer. Nothing may be answered before this
    /// returns.
    ///
    /// # Errors
    /// The disk's or the database's; then nothing was committed and nothing is answered: the gateways send again.
    pub fn take(&mut self, arrived: &[Arrived], received: Timestamp) -> Result<Vec<Addressed>, HqError> {
        let transaction = self.connection.transaction()?;
        let mut replies = Vec::new();
        let mut touched = BTreeSet::new();
        let mut whole = Vec::new();
        for message in arrived {
            let intake = Intake { transaction: &transaction, from: &message.from, received };
            if let Some(alarm) = intake.other_store()? {
                replies.push((message.from.clone(), alarm));
                continue;
            }
            match &message.lane {
                Lane::Events => {
                    if let Some(epoch) = intake.batch(&message.payload, &mut replies)? {
                        touched.insert((message.from.clone(), epoch));
                    }
                }
                Lane::Hello => intake.hello(&message.payload, &mut replies)?,
                Lane::Status => intake.note("status", &message.payload)?,
                Lane::About => intake.note("about", &message.payload)?,
                Lane::Offer { capture } => {
                    match images::offer(&transaction, &message.from, capture, &message.payload, self.max_image_bytes)? {
                        images::Answer::Reply(reply) => replies.push((message.from.clone(), reply)),
                        images::Answer::Whole(picture) => whole.push(picture),
                    }
                }
                Lane::Chunk { capture, index } => {
                    whole.extend(images::slice(&transaction, &message.from, capture, *index, &message.payload)?);
                }
                Lane::Ack => {}
            }
        }
        for (from, epoch) in touched {
            let (upto, ranges) = progress(&transaction, &from.gateway, &epoch)?;
            replies.push((from, Reply::Ack { epoch, upto, ranges }));
        }
        faults::point("hq.batch.before_commit");
        transaction.commit()?;
        faults::point("hq.batch.committed");
        replies.extend(self.file(whole, received)?);
        Ok(replies)
    }

    /// Verifies and files pictures of which every slice is here.
    fn file(&mut self, whole: Vec<Whole>, now: Timestamp) -> Result<Vec<Addressed>, HqError> {
        let mut replies = Vec::new();
        for picture in whole {
            let reply = images::file(&mut self.connection, &self.folder, &picture, now)?;
            replies.push((picture.from, reply));
        }
        Ok(replies)
    }

    /// Where each gateway heard since `since` stands; told to all of them when HQ comes back, so that they need not guess.
    ///
    /// # Errors
    /// The database's.
    pub fn standings(&self, since: Timestamp) -> Result<Vec<Addressed>, HqError> {
        let mut query = self
            .connection
            .prepare("SELECT store, gateway, epoch FROM gateways WHERE epoch IS NOT NULL AND last_heard_ms >= ?1")?;
        let known = query
            .query_map([since.unix_ms()], |row| {
                Ok((Address { store: row.get(0)?, gateway: row.get(1)? }, row.get::<_, String>(2)?))
            })?
            .collect::<Result<Vec<_>, _>>()?;
        known
            .into_iter()
            .map(|(from, epoch)| {
                let reply = standing(&self.connection, &from.gateway, epoch)?;
                Ok((from, reply))
            })
            .collect()
    }

    /// Streams with a hole below what is already here; of each gateway its present epoch, since only that can be filled.
    ///
    /// # Errors
    /// The database's.
    pub fn holes(&self) -> Result<Vec<Hole>, HqError> {
        let mut query = self.connection.prepare(
            "SELECT g.store, s.gateway, s.epoch FROM streams s JOIN gateways g USING (gateway, epoch)
             WHERE s.last_seq > s.upto",
        )?;
        let streams = query
            .query_map([], |row| Ok((Address { store: row.get(0)?, gateway: row.get(1)? }, row.get::<_, String>(2)?)))?
            .collect::<Result<Vec<_>, _>>()?;
        let mut holes = Vec::new();
        for (from, epoch) in streams {
            let (upto, islands) = progress(&self.connection, &from.gateway, &epoch)?;
            let mut next = upto + 1;
            let mut missing = Vec::new();
            for (first, last) in islands {
                missing.push((next, first - 1));
                next = last + 1;
            }
            holes.push(Hole { from, epoch, upto, missing });
        }
        Ok(holes)
    }
}

/// What HQ holds of one epoch, as told to its gateway.
fn standing(connection: &Connection, gateway: &str, epoch: String) -> Result<Reply, HqError> {
    let (upto, ranges) = progress(connection, gateway, &epoch)?;
    let last_seq = connection
        .query_row("SELECT last_seq FROM streams WHERE gateway = ?1 AND epoch = ?2", params![gateway, epoch], |r| {
            r.get(0)
        })
        .optional()?
        .unwrap_or(0);
    Ok(Reply::Hello { epoch, last_seq, upto, ranges })
}

/// The contiguous prefix and the islands beyond it.
fn progress(connection: &Connection, gateway: &str, epoch: &str) -> Result<(u64, Vec<SeqRange>), HqError> {
    let upto: u64 = connection
        .query_row("SELECT upto FROM streams WHERE gateway = ?1 AND epoch = ?2", params![gateway, epoch], |r| r.get(0))
        .optional()?
        .unwrap_or(0);
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

/// One message on its way into the tables.
struct Intake<'a> {
    transaction: &'a Transaction<'a>,
    from: &'a Address,
    received: Timestamp,
}

impl Intake<'_> {
    /// Notes that the gateway was heard; an alarm if it was known under another store: then nothing of it is stored or
    /// acknowledged, so that it keeps everything until someone has looked.
    fn other_store(&self) -> Result<Option<Reply>, HqError> {
        let Address { store, gateway } = self.from;
        self.transaction.execute(
            "INSERT INTO gateways(gateway, store, first_heard_ms, last_heard_ms) VALUES (?1, ?2, ?3, ?3)
             ON CONFLICT(gateway) DO UPDATE SET last_heard_ms = excluded.last_heard_ms",
            params![gateway, store, self.received.unix_ms()],
        )?;
        let known: String =
            self.transaction.query_row("SELECT store FROM gateways WHERE gateway = ?1", [gateway], |row| row.get(0))?;
        if known == *store {
            return Ok(None);
        }
        let reason = format!("gateway {gateway} belongs to store {known}, it now says {store}");
        self.alarm("", 0, &reason, b"")?;
        Ok(Some(Reply::Alarm { epoch: String::new(), seq: 0, reason }))
    }

    /// Stores a batch row by row; the epoch when there is something to acknowledge.
    fn batch(&self, payload: &[u8], replies: &mut Vec<Addressed>) -> Result<Option<String>, HqError> {
        let batch = match events::read_batch(payload) {
            Ok(batch) => batch,
            Err(reason) => {
                self.alarm("", 0, &reason, payload)?;
                replies.push((self.from.clone(), Reply::Alarm { epoch: String::new(), seq: 0, reason }));
                return Ok(None);
            }
        };
        let Batch { epoch, first_seq, count: _, events } = batch;
        self.stream(&epoch)?;
        let only_epoch = self.only_epoch()?;
        for (seq, raw) in (first_seq..).zip(&events) {
            let row = events::Row {
                from: self.from,
                epoch: &epoch,
                seq,
                raw: raw.get(),
                received: self.received,
                only_epoch,
            };
            if let Some(reply) = row.store(self.transaction)? {
                if let Reply::Alarm { reason, .. } = &reply {
                    self.alarm(&epoch, seq, reason, raw.get().as_bytes())?;
                }
                replies.push((self.from.clone(), reply));
            }
        }
        let last = first_seq + events.len() as u64 - 1;
        events::advance(self.transaction, &self.from.gateway, &epoch, (first_seq, last))?;
        Ok(Some(epoch))
    }

    /// Whether the gateway has had one epoch only: then no event can stand here under an older key.
    fn only_epoch(&self) -> Result<bool, HqError> {
        let sql = "SELECT count(*) = 1 FROM streams WHERE gateway = ?1";
        Ok(self.transaction.prepare_cached(sql)?.query_row([&self.from.gateway], |row| row.get(0))?)
    }

    fn hello(&self, payload: &[u8], replies: &mut Vec<Addressed>) -> Result<(), HqError> {
        let hello: Hello = match serde_json::from_slice(payload) {
            Ok(hello) => hello,
            Err(fault) => {
                let reason = format!("unreadable hello: {fault}");
                self.alarm("", 0, &reason, payload)?;
                replies.push((self.from.clone(), Reply::Alarm { epoch: String::new(), seq: 0, reason }));
                return Ok(());
            }
        };
        let Hello { epoch, last_seq, oldest_kept, version } = hello;
        self.stream(&epoch)?;
        self.transaction.execute(
            "UPDATE gateways SET epoch = ?2, version = ?3 WHERE gateway = ?1",
            params![self.from.gateway, epoch, version],
        )?;
        events::note_lost(self.transaction, &self.from.gateway, &epoch, oldest_kept, last_seq, self.received)?;
        self.transaction.execute(
            "UPDATE streams SET announced = ?3 WHERE gateway = ?1 AND epoch = ?2",
            params![self.from.gateway, epoch, last_seq],
        )?;
        replies.push((self.from.clone(), standing(self.transaction, &self.from.gateway, epoch)?));
        Ok(())
    }

    fn stream(&self, epoch: &str) -> Result<(), HqError> {
        self.transaction.execute(
            "INSERT INTO streams(gateway, epoch, begun_ms) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
            params![self.from.gateway, epoch, self.received.unix_ms()],
        )?;
        Ok(())
    }

    /// Keeps the last word a gateway said about itself.
    fn note(&self, column: &'static str, payload: &[u8]) -> Result<(), HqError> {
        let sql = format!("UPDATE gateways SET {column} = ?2, {column}_ms = ?3 WHERE gateway = ?1");
        let text = String::from_utf8_lossy(payload);
        self.transaction.execute(&sql, params![self.from.gateway, text, self.received.unix_ms()])?;
        Ok(())
    }

    fn alarm(&self, epoch: &str, seq: u64, reason: &str, body: &[u8]) -> Result<(), HqError> {
        tracing::error!(gateway = %self.from.gateway, epoch, seq, reason, "alarm");
        self.transaction.execute(
            "INSERT INTO alarms(gateway, epoch, seq, reason, body, raised_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![self.from.gateway, epoch, seq, reason, body, self.received.unix_ms()],
        )?;
        Ok(())
    }
}

/// Reads an offer's JSON; here, because both lanes of a gateway are read by the same rules.
pub(super) fn read_offer(payload: &[u8], capture: &str) -> Result<Offer, String> {
    let offer: Offer = serde_json::from_slice(payload).map_err(|fault| format!("unreadable offer: {fault}"))?;
    if offer.capture != capture {
        return Err(format!("offer names capture {:?}, its topic {capture:?}", offer.capture));
    }
    Ok(offer)
}
