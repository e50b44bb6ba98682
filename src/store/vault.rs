//! Customers' keys, in a database of their own.
//!
//! Why apart: erasure must hold. An ordinary backup of the main database carries every picture's wrapped key; if it carried
//! the customers' keys too, restoring it would undo an erasure. So this file is backed up separately (or not at all), and it
//! also holds the ledger of erasures, from which a restored main database is erased again at opening. And it remembers whether an
//! erasure is still to remove copies and files: noted before the main database is changed, struck out once they are gone, however
//! often the process ends in between. No times are compared: clocks jump.
//!
//! A customer's key is 32 random bytes, wrapped by a key derived from the store key. It wraps the random key of each of
//! their pictures. Rollback journal and `secure_delete`, so that a destroyed key is overwritten in place.

use super::{
    connection,
    error::{OpenError, StoreError},
    keys::StoreKey,
    schema::unreadable_or,
};
use crate::{
    domain::{CaptureId, CustomerId, Timestamp},
    faults,
    seal::{self, Key},
};
use rusqlite::{Connection, OptionalExtension, params};
use std::{
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};

const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS customer_keys (customer BLOB PRIMARY KEY, wrapped BLOB NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS erased (customer BLOB PRIMARY KEY, ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS erased_pictures (capture BLOB PRIMARY KEY) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS removals (one INTEGER PRIMARY KEY CHECK (one = 1), asked INTEGER NOT NULL, done INTEGER NOT NULL) STRICT;";

/// Below this it was not written down whether an erasure had removed everything: it counts as not.
const VERSION: i64 = 2;

/// Blocking; its calls are short and run on blocking threads, one at a time.
pub(super) struct Vault {
    wrapping: StoreKey,
    conn: Mutex<Connection>,
}

impl Vault {
    pub(super) fn open(path: &Path, key: &StoreKey) -> Result<Self, OpenError> {
        let conn = connection::open(path, &key.derive("skinlink keys database 1")).map_err(|source| {
            let database = path.to_owned();
            if connection::is_unreadable(&source) {
                OpenError::NotReadable { database }
            } else {
                OpenError::Sql { database, source }
            }
        })?;
        conn.execute_batch("PRAGMA journal_mode = DELETE; PRAGMA synchronous = EXTRA;")
            .and_then(|()| make_tables(&conn))
            .map_err(|source| unreadable_or(path, source))?;
        Ok(Self { wrapping: key.derive("skinlink customer keys 1"), conn: Mutex::new(conn) })
    }

    /// The customer's key, made on first use.
    ///
    /// # Errors
    /// [`StoreError::Erased`] for a customer who was erased: no new key is ever made for them.
    pub(super) fn key_for(&self, customer: CustomerId) -> Result<Key, StoreError> {
        let conn = self.conn();
        if let Some(key) = self.find(&conn, customer)? {
            return Ok(key);
        }
        if erased(&conn, customer)? {
            return Err(StoreError::Erased);
        }
        let key = seal::random_key();
        let wrapped = seal::seal(self.wrapping.key(), &customer.bits().to_be_bytes(), key.as_ref());
        conn.execute("INSERT INTO customer_keys (customer, wrapped) VALUES (?1, ?2)", params![customer, wrapped])?;
        faults::point("store.customer_key.made");
        Ok(key)
    }

    /// The customer's key if it exists.
    pub(super) fn key_of(&self, customer: CustomerId) -> Result<Option<Key>, StoreError> {
        self.find(&self.conn(), customer)
    }

    /// Whether the customer's key was destroyed; where there is none, it may be in another file.
    pub(super) fn has_erased(&self, customer: CustomerId) -> rusqlite::Result<bool> {
        erased(&self.conn(), customer)
    }

    fn find(&self, conn: &Connection, customer: CustomerId) -> Result<Option<Key>, StoreError> {
        let wrapped: Option<Vec<u8>> = conn
            .query_row("SELECT wrapped FROM customer_keys WHERE customer = ?1", [customer], |row| row.get(0))
            .optional()?;
        let Some(wrapped) = wrapped else { return Ok(None) };
        let key = seal::open_key(self.wrapping.key(), &customer.bits().to_be_bytes(), &wrapped);
        key.map(Some).ok_or_else(|| StoreError::Corrupt(format!("the key of customer {customer} does not open")))
    }

    /// Destroys the keys of all ids of a person and writes it down in the ledger of erasures, with the photographs whose files are
    /// to go wherever they turn up: in one change, so that nobody is half erased. Cannot be undone.
    pub(super) fn destroy(&self, person: &[(CustomerId, Vec<CaptureId>)], at: Timestamp) -> Result<(), StoreError> {
        let mut conn = self.conn();
        let tx = conn.transaction()?;
        for (customer, captures) in person {
            note_pictures(&tx, captures)?;
            tx.execute("INSERT OR IGNORE INTO erased (customer, ms) VALUES (?1, ?2)", params![customer, at])?;
            tx.execute("DELETE FROM customer_keys WHERE customer = ?1", [customer])?;
            faults::point("store.erasure.one_noted");
        }
        owe_removal(&tx)?;
        Ok(tx.commit()?)
    }

    /// Photographs taken while their person was being erased: their files are to go as well.
    pub(super) fn note_pictures(&self, captures: &[CaptureId]) -> rusqlite::Result<()> {
        let mut conn = self.conn();
        let tx = conn.transaction()?;
        note_pictures(&tx, captures)?;
        tx.commit()
    }

    /// An erasure is about to leave copies and files that are to go.
    pub(super) fn owe_removal(&self) -> rusqlite::Result<()> {
        owe_removal(&self.conn())
    }

    /// What to hand to [`Self::removed`] when everything has gone that was to go by now; `None` when nothing is.
    pub(super) fn removal_owed(&self) -> rusqlite::Result<Option<i64>> {
        let sql = "SELECT asked FROM removals WHERE asked > done";
        self.conn().query_row(sql, [], |row| row.get(0)).optional()
    }

    /// Everything is gone that was to go by `asked`. What came since stays owed.
    pub(super) fn removed(&self, asked: i64) -> rusqlite::Result<()> {
        self.conn().execute("UPDATE removals SET done = max(done, ?1)", [asked]).map(drop)
    }

    pub(super) fn erased(&self) -> rusqlite::Result<Vec<CustomerId>> {
        let conn = self.conn();
        let mut select = conn.prepare("SELECT customer FROM erased")?;
        select.query_map([], |row| row.get(0))?.collect()
    }

    /// Photographs of people who were erased. Ids of nobody any more.
    pub(super) fn erased_pictures(&self) -> rusqlite::Result<Vec<CaptureId>> {
        let conn = self.conn();
        let mut select = conn.prepare("SELECT capture FROM erased_pictures")?;
        select.query_map([], |row| row.get(0))?.collect()
    }

    fn conn(&self) -> MutexGuard<'_, Connection> {
        self.conn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn make_tables(conn: &Connection) -> rusqlite::Result<()> {
    let version: i64 = conn.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if version >= VERSION {
        return Ok(());
    }
    let tx = conn.unchecked_transaction()?;
    tx.execute_batch(TABLES)?;
    if tx.query_row("SELECT EXISTS (SELECT 1 FROM erased)", [], |row| row.get(0))? {
        owe_removal(&tx)?;
    }
    tx.pragma_update(None, "user_version", VERSION)?;
    tx.commit()
}

fn owe_removal(conn: &Connection) -> rusqlite::Result<()> {
    let sql = "INSERT INTO removals (one, asked, done) VALUES (1, 1, 0) ON CONFLICT DO UPDATE SET asked = asked + 1";
    conn.execute(sql, []).map(drop)
}

fn erased(conn: &Connection, customer: CustomerId) -> rusqlite::Result<bool> {
    conn.query_row("SELECT EXISTS (SELECT 1 FROM erased WHERE customer = ?1)", [customer], |row| row.get(0))
}

fn note_pictures(conn: &Connection, captures: &[CaptureId]) -> rusqlite::Result<()> {
    let mut note = conn.prepare("INSERT OR IGNORE INTO erased_pictures (capture) VALUES (?1)")?;
    captures.iter().try_for_each(|capture| note.execute([capture]).map(drop))
}
