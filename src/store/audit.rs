//! Who did what with whose data, as a chain: each row's hash covers the row and the hash before it, so that a row changed
//! or taken out of the middle shows. Rows hold ids, never names.

use super::{Store, error::StoreError, writer::Tx};
use crate::{
    clock,
    domain::{CustomerId, Timestamp},
};
use openssl::sha::Sha256;
use rusqlite::{Connection, OptionalExtension, params};

/// One look stands for those of the same person at the same thing that follow within so long: a page reads itself again with
/// every value that is measured.
const LOOK_MS: i64 = 10 * 60_000;

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

/// Whether `who` is known to have looked at `what` of the customer just now.
fn looked_lately(conn: &Connection, who: &str, what: &str, customer: CustomerId) -> Result<bool, StoreError> {
    let sql = "SELECT ms FROM audit WHERE customer = ?1 AND who = ?2 AND what = ?3 ORDER BY n DESC LIMIT 1";
    let last: Option<i64> =
        conn.prepare_cached(sql)?.query_row(params![customer, who, what], |row| row.get(0)).optional()?;
    let now = clock::now().wall.unix_ms();
    // A clock that was set back must not hide what is looked at.
    Ok(last.is_some_and(|at| (0..LOOK_MS).contains(&(now - at))))
}

impl Store {
    /// Notes that `who` of the staff looked at customers' data (`what`: a page, a list, an export), each once in ten minutes.
    pub async fn note_looks(
        &self,
        who: String,
        what: &'static str,
        customers: Vec<CustomerId>,
    ) -> Result<(), StoreError> {
        let asked = who.clone();
        let new = self.read(move |conn| {
            let mut new = Vec::new();
            for customer in customers {
                if !looked_lately(conn, &asked, what, customer)? {
                    new.push(customer);
                }
            }
            Ok(new)
        });
        let new = new.await?;
        if new.is_empty() {
            return Ok(());
        }
        self.write(move |tx| new.iter().try_for_each(|customer| note(tx, &who, what, Some(*customer), ""))).await
    }

    /// Who looked at or changed a customer's data, newest first: moment, who, what. `limit` rows.
    pub async fn audit_of(
        &self,
        customer: CustomerId,
        limit: usize,
    ) -> Result<Vec<(Timestamp, String, String)>, StoreError> {
        self.read(move |conn| {
            let sql = format!(
                "SELECT ms, who, what FROM audit WHERE customer IN {} ORDER BY n DESC LIMIT ?2",
                super::customers::PERSON
            );
            let mut select = conn.prepare_cached(&sql)?;
            let rows = select.query_map(params![customer, super::outbox::count(limit)], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Follows the whole chain; gives the number of rows, or where it breaks.
    pub async fn verify_audit(&self) -> Result<Result<u64, AuditBroken>, StoreError> {
        self.read(verify).await
    }
}
