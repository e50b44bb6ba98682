//! Erasure of a person: key, rows and files, and HQ is told.
//!
//! The key goes first, with a line in the vault's ledger: from then on no crash and no restored backup brings the person
//! back, because opening finishes what the ledger says ([`finish`]). What stays are ids in the audit log and the outbox's
//! numbers with `redacted.v1` in them.

use super::{
    Store, audit, customers,
    error::StoreError,
    files,
    outbox::{self, About, Gate},
    pictures::{blocking, file_of},
    sharing,
    writer::Tx,
};
use crate::{
    clock,
    domain::{CaptureId, CustomerId, Timestamp},
    faults,
    sync::{
        image_lane::Role,
        payload::{self, kind},
    },
};

/// Proof of an erasure, without anything personal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// All ids of the person.
    pub customers: Vec<CustomerId>,
    pub visits: u64,
    pub captures: u64,
    pub at: Timestamp,
}

/// Counts of what was erased, and whose files are to go.
#[derive(Default)]
struct Gone {
    visits: u64,
    captures: Vec<CaptureId>,
}

fn erase_rows(tx: &Tx<'_>, customer: CustomerId, staff: &str, reason: &str) -> Result<Gone, StoreError> {
    let captures = tx
        .prepare(
            "SELECT c.id FROM captures c JOIN scans s ON s.id = c.scan JOIN visits v ON v.id = s.visit
             WHERE v.customer = ?1",
        )?
        .query_map([customer], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    sharing::redact(tx, "customer = ?1", [customer], sharing::ERASED)?;
    let visits =
        tx.query_row("SELECT count(*) FROM visits WHERE customer = ?1", [customer], |row| row.get::<_, i64>(0))?;
    tx.execute("DELETE FROM customers WHERE id = ?1", [customer])?;
    faults::point("store.erasure.rows_removed");
    let about = About {
        kind: kind::ERASED,
        gate: Gate::Always,
        // Not the customer's own row any more: it must outlive a second redaction.
        customer: None,
        visit: None,
        object: customer.bits(),
        subject: customer.to_string(),
        stamp: clock::now(),
    };
    let payload =
        payload::Erased { customer: customer.to_string(), staff: staff.to_owned(), reason: reason.to_owned() };
    outbox::enqueue(tx, &about, &payload)?;
    audit::note(tx, staff, "customer.erased", Some(customer), reason)?;
    Ok(Gone { visits: visits.unsigned_abs(), captures })
}

/// Erases again whoever the vault's ledger names and this database still knows. Their files become orphans, which opening
/// removes next.
pub(super) fn finish(tx: &Tx<'_>, erased: &[CustomerId]) -> Result<(), StoreError> {
    for customer in erased {
        match customers::load(tx, *customer) {
            Err(StoreError::NotFound { .. }) => {}
            Err(fault) => return Err(fault),
            Ok(_) => {
                tracing::warn!(%customer, "finishing an erasure that was begun, or undone by a restored backup");
                erase_rows(tx, *customer, "gateway", "finished at start")?;
            }
        }
    }
    Ok(())
}

impl Store {
    /// Destroys the person's key, rows and files; HQ gets an `erased` event for each of their ids. Cannot be undone.
    ///
    /// A cancelled or failed call may have destroyed the key already; call again, or the next start finishes it.
    pub async fn erase_customer(
        &self,
        customer: CustomerId,
        staff: String,
        reason: String,
    ) -> Result<Receipt, StoreError> {
        let customers = self.read(move |conn| customers::person(conn, customer)).await?;
        if customers.is_empty() {
            return Err(StoreError::NotFound { what: "customer", id: customer.to_string() });
        }
        let at = clock::now().wall;
        let (vault, ids) = (self.0.vault.clone(), customers.clone());
        blocking(move || ids.into_iter().try_for_each(|id| vault.destroy(id, at))).await?;
        let ids = customers.clone();
        faults::point("store.erasure.key_destroyed");
        let gone = self.write(move |tx| {
            ids.iter().try_fold(Gone::default(), |mut all, id| {
                let gone = erase_rows(tx, *id, &staff, &reason)?;
                all.visits += gone.visits;
                all.captures.extend(gone.captures);
                Ok(all)
            })
        });
        let Gone { visits, captures } = gone.await?;
        faults::point("store.erasure.committed");
        let (folder, count) = (self.pictures().to_owned(), captures.len() as u64);
        blocking(move || {
            let roles = [Role::Report, Role::Derivative, Role::Original];
            for path in captures.iter().flat_map(|id| roles.map(|role| file_of(&folder, *id, role))) {
                files::remove(&path).map_err(StoreError::io("remove a picture"))?;
                faults::point("store.erasure.file_removed");
            }
            Ok(())
        })
        .await?;
        // Best effort: a reader may hold the log for a moment; the next checkpoint overwrites the rows then.
        if let Err(fault) = self.0.writer.checkpoint().await {
            tracing::info!(%fault, "the log is folded into the database later");
        }
        Ok(Receipt { customers, visits, captures: count, at })
    }
}
