//! Tablets that may reach the pages from the LAN: let in once by a code, known by a token since. Only digests are kept.

use super::{Store, audit, error::StoreError};
use crate::domain::Timestamp;
use rusqlite::{OptionalExtension, params};

impl Store {
    /// A code that lets one tablet in until `ends`.
    pub async fn offer_enrolment(
        &self,
        name: String,
        code: [u8; 32],
        ends: Timestamp,
        who: String,
    ) -> Result<(), StoreError> {
        self.write(move |tx| {
            tx.execute("DELETE FROM tablets WHERE digest IS NULL", [])?;
            tx.execute(
                "INSERT INTO tablets (name, code, code_ends_ms) VALUES (?1, ?2, ?3)",
                params![name, code, ends],
            )?;
            audit::note(tx, &who, "tablet.code", None, &name)
        })
        .await
    }

    /// Takes the code: the tablet is known by `digest` from now on. `false` for a code that is not (any more) good; that costs a
    /// question, not a write: anybody in the network may send wrong ones.
    pub async fn enrol(&self, code: [u8; 32], digest: [u8; 32], now: Timestamp) -> Result<bool, StoreError> {
        const GOOD: &str = "code = ?1 AND code_ends_ms > ?2 AND digest IS NULL";
        let known = self.read(move |conn| {
            let sql = format!("SELECT EXISTS (SELECT 1 FROM tablets WHERE {GOOD})");
            Ok(conn.prepare_cached(&sql)?.query_row(params![code, now], |row| row.get(0))?)
        });
        if !known.await? {
            return Ok(false);
        }
        self.write(move |tx| {
            let sql = format!("UPDATE tablets SET digest = ?3, code = NULL, enrolled_ms = ?2 WHERE {GOOD}");
            let taken = tx.execute(&sql, params![code, now, digest])?;
            if taken > 0 {
                audit::note(tx, "tablet", "tablet.enrolled", None, "")?;
            }
            Ok(taken > 0)
        })
        .await
    }

    pub async fn is_enrolled(&self, digest: [u8; 32]) -> Result<bool, StoreError> {
        self.read(move |conn| {
            let row = conn
                .prepare_cached("SELECT 1 FROM tablets WHERE digest = ?1")?
                .query_row(params![digest], |row| row.get::<_, i64>(0));
            Ok(row.optional()?.is_some())
        })
        .await
    }

    /// Names and times of the tablets that are let in.
    pub async fn tablets(&self) -> Result<Vec<(i64, String, Timestamp)>, StoreError> {
        self.read(|conn| {
            let mut select =
                conn.prepare_cached("SELECT n, name, enrolled_ms FROM tablets WHERE digest IS NOT NULL ORDER BY n")?;
            let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// The tablet is let in no more.
    pub async fn forget_tablet(&self, n: i64, who: String) -> Result<(), StoreError> {
        self.write(move |tx| {
            if tx.execute("DELETE FROM tablets WHERE n = ?1", [n])? == 0 {
                return Err(StoreError::NotFound { what: "tablet", id: n.to_string() });
            }
            audit::note(tx, &who, "tablet.forgotten", None, &n.to_string())
        })
        .await
    }
}
