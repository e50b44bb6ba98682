//! HQ's tables: one SQLite file in the data folder, one writer. What comes in together is committed together, with an
//! fsync, and only then answered. Any order, any repetition is fine: a row is known by `(gateway, epoch, seq)`.
//!
//! `streams.upto` is the contiguous prefix of an epoch (see `standing`), moved forward in the transaction that stores
//! the rows. A refused row is stored too, with its reason, so that the prefix passes it.

use super::{
    events,
    images::{self, Whole},
    standing,
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
use rusqlite::{Connection, Transaction, TransactionBehavior, config::DbConfig, params};
use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

/// Step `n` (from 1) leads from version `n - 1` to `n`; a file of a newer program is refused.
const STEPS: &[&str] = &[include_str!("schema.sql"), include_str!("schema-2.sql")];

const SCHEMA: i64 = STEPS.len() as i64;

/// Distinct statements of the receiver, with room to grow.
const STATEMENTS: usize = 64;

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
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; PRAGMA busy_timeout=5000; PRAGMA wal_autocheckpoint=4000;",
        )?;
        if found < SCHEMA {
            // Looked at again under the lock: another copy of the receiver may just have done it.
            let upgrade = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let found: i64 = upgrade.query_row("PRAGMA user_version", [], |row| row.get(0))?;
            for step in STEPS.iter().skip(usize::try_from(found).unwrap_or(0)) {
                upgrade.execute_batch(step)?;
            }
            upgrade.pragma_update(None, "user_version", SCHEMA)?;
            upgrade.commit()?;
        }
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        // Otherwise a statement with a range of bound values is parsed and planned again whenever the values change.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
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
            let (upto, ranges) = standing::acknowledged(&transaction, &from.gateway, &epoch)?;
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
                let (_, announced) = standing::reached(&self.connection, &from.gateway, &epoch)?;
                let reply = standing::standing(&self.connection, &from.gateway, epoch, announced)?;
                Ok((from, reply))
            })
            .collect()
    }

    /// Streams with holes that their gateways may still fill, earlier epochs included.
    ///
    /// # Errors
    /// The database's.
    pub fn holes(&self) -> Result<Vec<Hole>, HqError> {
        standing::holes(&self.connection)
    }
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
        let known: String = self
            .transaction
            .prepare_cached(
                "INSERT INTO gateways(gateway, store, first_heard_ms, last_heard_ms) VALUES (?1, ?2, ?3, ?3)
                 ON CONFLICT(gateway) DO UPDATE SET last_heard_ms = excluded.last_heard_ms RETURNING store",
            )?
            .query_row(params![gateway, store, self.received.unix_ms()], |row| row.get(0))?;
        if known == *store {
            return Ok(None);
        }
        let reason = format!("gateway {gateway} belongs to store {known}, it now says {store}");
        self.alarm("", 0, reason, b"").map(Some)
    }

    /// Stores a batch row by row; the epoch when there is something to acknowledge.
    fn batch(&self, payload: &[u8], replies: &mut Vec<Addressed>) -> Result<Option<String>, HqError> {
        let batch = match events::read_batch(payload) {
            Ok(batch) => batch,
            Err(reason) => {
                replies.push((self.from.clone(), self.alarm("", 0, reason, payload)?));
                return Ok(None);
            }
        };
        let Batch { epoch, first_seq, count: _, events } = batch;
        self.stream(&epoch)?;
        let mut order = events::Order { only_epoch: self.only_epoch()?, newest: String::new() };
        for (seq, raw) in (first_seq..).zip(&events) {
            let row = events::Row { from: self.from, epoch: &epoch, seq, raw: raw.get(), received: self.received };
            if let Some(reply) = row.store(self.transaction, &mut order)? {
                if let Reply::Alarm { reason, .. } = &reply {
                    self.alarm(&epoch, seq, reason.clone(), raw.get().as_bytes())?;
                }
                replies.push((self.from.clone(), reply));
            }
        }
        let last = first_seq + events.len() as u64 - 1;
        standing::advance(self.transaction, &self.from.gateway, &epoch, (first_seq, last))?;
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
                replies.push((self.from.clone(), self.alarm("", 0, reason, payload)?));
                return Ok(());
            }
        };
        let gateway = &self.from.gateway;
        let present: Option<String> =
            self.transaction.query_row("SELECT epoch FROM gateways WHERE gateway = ?1", [gateway], |row| row.get(0))?;
        let (_, announced) = standing::reached(self.transaction, gateway, &hello.epoch)?;
        let is_new = self.stream(&hello.epoch)?;
        let mut answers = Vec::new();
        if present.as_ref().is_some_and(|present| *present != hello.epoch) {
            if !is_new {
                // A store that was restored from a copy of an earlier life. It says hello again under a new epoch.
                let mut answer = standing::standing(self.transaction, gateway, hello.epoch, announced)?;
                if let Reply::Hello { over, .. } = &mut answer {
                    *over = true;
                }
                replies.push((self.from.clone(), answer));
                return Ok(());
            }
            let reason = format!(
                "gateway {gateway} begins a new epoch {}: its store was restored from a backup, or set up anew; what it \
                 recorded after the backup and had not sent is lost",
                hello.epoch
            );
            answers.push(self.alarm(&hello.epoch, 0, reason, payload)?);
        }
        self.transaction.execute(
            "UPDATE gateways SET epoch = ?2, version = ?3 WHERE gateway = ?1",
            params![gateway, hello.epoch, hello.version],
        )?;
        self.transaction.execute(
            "UPDATE streams SET announced = max(announced, ?3) WHERE gateway = ?1 AND epoch = ?2",
            params![gateway, hello.epoch, hello.last_seq],
        )?;
        if let Some(reason) = standing::settle_losses(self.transaction, gateway, &hello, self.received)? {
            answers.push(self.alarm(&hello.epoch, 0, reason, payload)?);
        }
        let nacks = standing::unheard_nacks(self.transaction, gateway, &hello.epoch, &hello.refused)?;
        answers.push(standing::standing(self.transaction, gateway, hello.epoch, announced)?);
        replies.extend(answers.into_iter().chain(nacks).map(|answer| (self.from.clone(), answer)));
        Ok(())
    }

    /// Whether the epoch was unknown until now.
    fn stream(&self, epoch: &str) -> Result<bool, HqError> {
        let added = self
            .transaction
            .prepare_cached("INSERT INTO streams(gateway, epoch, begun_ms) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING")?
            .execute(params![self.from.gateway, epoch, self.received.unix_ms()])?;
        Ok(added == 1)
    }

    /// Keeps the last word a gateway said about itself.
    fn note(&self, column: &'static str, payload: &[u8]) -> Result<(), HqError> {
        let sql = format!("UPDATE gateways SET {column} = ?2, {column}_ms = ?3 WHERE gateway = ?1");
        let text = String::from_utf8_lossy(payload);
        self.transaction.execute(&sql, params![self.from.gateway, text, self.received.unix_ms()])?;
        Ok(())
    }

    /// Writes an alarm down; what to tell the gateway.
    fn alarm(&self, epoch: &str, seq: u64, reason: String, body: &[u8]) -> Result<Reply, HqError> {
        tracing::error!(gateway = %self.from.gateway, epoch, seq, reason, "alarm");
        self.transaction.execute(
            "INSERT INTO alarms(gateway, epoch, seq, reason, body, raised_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![self.from.gateway, epoch, seq, reason, body, self.received.unix_ms()],
        )?;
        Ok(Reply::Alarm { epoch: epoch.to_owned(), seq, reason, held: String::new() })
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
