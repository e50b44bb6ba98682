//! Who did what with whose data, as a chain: each row's hash covers the row and the hash before it, so that a row changed
//! or taken out of the middle shows. Rows hold ids, never names.

use super::{Store, error::StoreError, writer::Tx};
use crate::{
    clock,
    domain::{CustomerId, Timestamp},
};
use openssl::sha::Sha256;
use rusqlite::{Connection, OptionalExtension, params};

/// The first row that does not fit the chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the audit log was changed at row {row}: its hash does not follow from the rows before it")]
pub struct AuditBroken {
    pub row: i64,
}

/// Adds a row in the transaction of what it tells of.
pub(super) fn note(
    tx: &Tx<'_>,
    who: &str,
    what: &str,
    customer: Option<CustomerId>,
    detail: &str,
) -> Result<(), StoreError> {
    let last: Option<(i64, [u8; 32])> = tx
        .prepare_cached("SELECT n, hash FROM audit ORDER BY n DESC LIMIT 1")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let (n, before) = last.map_or((1, [0; 32]), |(n, hash)| (n + 1, hash));
    let at = clock::now().wall;
    let hash = link(&before, n, at, who, what, customer, detail);
    tx.prepare_cached(
        "INSERT INTO audit (n, ms, who, what, customer, detail, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![n, at, who, what, customer, detail, hash])?;
    Ok(())
}

fn link(
    before: &[u8; 32],
    n: i64,
    at: Timestamp,
    who: &str,
    what: &str,
    customer: Option<CustomerId>,
    detail: &str,
) -> [u8; 32] {
    let mut digest = Sha256::new();
    digest.update(before);
    digest.update(&n.to_be_bytes());
    digest.update(&at.unix_ms().to_be_bytes());
    digest.update(&customer.map_or(0, CustomerId::bits).to_be_bytes());
    for text in [who, what, detail] {
        // With its length, so that no two rows spell the same bytes.
        digest.update(&(text.len() as u64).to_be_bytes());
        digest.update(text.as_bytes());
    }
    digest.finish()
}

fn verify(conn: &Connection) -> Result<Result<u64, AuditBroken>, StoreError> {
    let mut select = conn.prepare("SELECT n, ms, who, what, customer, detail, hash FROM audit ORDER BY n")?;
    let mut rows = select.query([])?;
    let (mut before, mut expected) = ([0; 32], 1);
    while let Some(row) = rows.next()? {
        let (n, hash): (i64, [u8; 32]) = (row.get(0)?, row.get(6)?);
        let (who, what, detail): (String, String, String) = (row.get(2)?, row.get(3)?, row.get(5)?);
        if n != expected || hash != link(&before, n, row.get(1)?, &who, &what, row.get(4)?, &detail) {
            return Ok(Err(AuditBroken { row: n }));
        }
        (before, expected) = (hash, n + 1);
    }
    Ok(Ok(expected.unsigned_abs() - 1))
}

impl Store {
    /// Notes that `who` of the staff looked at a customer's data (`what`: a page or an export).
    pub async fn note_access(&self, who: String, what: String, customer: CustomerId) -> Result<(), StoreError> {
        self.write(move |tx| note(tx, &who, &what, Some(customer), "")).await
    }

    /// Follows the whole chain; gives the number of rows, or where it breaks.
    pub async fn verify_audit(&self) -> Result<Result<u64, AuditBroken>, StoreError> {
        self.read(verify).await
    }
}
