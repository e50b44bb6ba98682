//! Erasure of a person: key, rows and files, and HQ is told.
//!
//! The key goes first, with a line in the vault's ledger: from then on no crash and no restored backup brings the person
//! back, because opening finishes what the ledger says ([`finish`]). What stays are ids in the audit log and the outbox's
//! numbers with `redacted.v1` in them.

use super::{
    Store, aside, audit, customers,
    error::StoreError,
    orders::{self, Ordered},
    outbox::{self, About, Gate},
    pictures::blocking,
    sharing,
    vault::Vault,
    writer::Tx,
};
use crate::{
    clock,
    domain::{CaptureId, CustomerId, Timestamp},
    faults,
    sync::{
        downlink::Outcome,
        payload::{self, kind},
    },
};
use rusqlite::Connection;

/// Proof of an erasure, without anything personal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// All ids of the person.
    pub customers: Vec<CustomerId>,
    pub visits: u64,
    pub captures: u64,
    /// Copies of the database that the gateway had made by itself and the person was in: they went as a whole. Copies that
    /// somebody made elsewhere are not reached; opened beside the present `keys.db`, the person is erased in them too.
    pub copies: u64,
    /// A copy or a picture file did not go: the person is erased and no picture opens, and housekeeping goes on trying.
    pub left: bool,
    pub at: Timestamp,
}

/// Counts of what was erased, and whose files are to go.
#[derive(Default)]
struct Gone {
    visits: u64,
    captures: Vec<CaptureId>,
}

fn captures_of(conn: &Connection, customer: CustomerId) -> rusqlite::Result<Vec<CaptureId>> {
    conn.prepare(
        "SELECT c.id FROM captures c JOIN scans s ON s.id = c.scan JOIN visits v ON v.id = s.visit
         WHERE v.customer = ?1",
    )?
    .query_map([customer], |row| row.get(0))?
    .collect()
}

fn erase_rows(tx: &Tx<'_>, customer: CustomerId, staff: &str, reason: &str) -> Result<Gone, StoreError> {
    let captures = captures_of(tx, customer)?;
    sharing::redact(tx, "customer = ?1", [customer], sharing::ERASED)?;
    let visits =
        tx.query_row("SELECT count(*) FROM visits WHERE customer = ?1", [customer], |row| row.get::<_, i64>(0))?;
    if tx.execute("DELETE FROM customers WHERE id = ?1", [customer])? == 0 {
        // Housekeeping was quicker, and has told of it.
        return Ok(Gone::default());
    }
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

/// Erases again whoever the vault's ledger names and this database still knows. Whether there was anyone; then every copy of the
/// database may hold them, and is to go.
///
/// Their photographs are not added to those whose files are to go: this database may be an old one, in which a photograph stands under a
/// person that was recorded by mistake and was moved to another since. What is theirs opens for nobody, its key is destroyed, and
/// lies aside for its days.
pub(super) fn finish(tx: &Tx<'_>, vault: &Vault) -> Result<bool, StoreError> {
    let mut any = false;
    for customer in &vault.erased()? {
        match customers::load(tx, *customer) {
            Err(StoreError::NotFound { .. }) => {}
            Err(fault) => return Err(fault),
            Ok(_) => {
                tracing::warn!(%customer, "finishing an erasure that was begun, or undone by a restored backup");
                if !any {
                    vault.owe_removal()?;
                }
                erase_rows(tx, *customer, "gateway", "an erasure that was begun")?;
                any = true;
            }
        }
    }
    Ok(any)
}

impl Store {
    /// Destroys the person's key, rows and files; HQ gets an `erased` event for each of their ids. Cannot be undone.
    ///
    /// A cancelled or failed call may have destroyed the key already; call again, or the next round of housekeeping or the next start
    /// finishes it. Asked again for somebody who is erased it removes what was left then, and its receipt counts nobody.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for an id that neither the records nor the ledger of erasures know.
    pub async fn erase_customer(
        &self,
        customer: CustomerId,
        staff: String,
        reason: String,
    ) -> Result<Receipt, StoreError> {
        self.erase(customer, staff, reason, None).await
    }

    /// The same; where an order asks for it, its answer is told with the erasure.
    pub(super) async fn erase(
        &self,
        customer: CustomerId,
        staff: String,
        reason: String,
        order: Option<Ordered>,
    ) -> Result<Receipt, StoreError> {
        let asked = self.read(move |conn| {
            let person = customers::person(conn, customer)?;
            let captures =
                person.iter().map(|id| Ok((*id, captures_of(conn, *id)?))).collect::<Result<Vec<_>, StoreError>>()?;
            Ok((person, captures))
        });
        let (customers, captures): (Vec<CustomerId>, Vec<(CustomerId, Vec<CaptureId>)>) = asked.await?;
        let (at, vault) = (clock::now().wall, self.0.vault.clone());
        if customers.is_empty() {
            if !blocking(move || Ok(vault.has_erased(customer)?)).await? {
                return Err(StoreError::NotFound { what: "customer", id: customer.to_string() });
            }
            let (copies, left) = Self::erased_but_for(self.finish_erasures().await);
            return Ok(Receipt { customers, visits: 0, captures: 0, copies, left, at });
        }
        blocking(move || vault.destroy(&captures, at)).await?;
        let ids = customers.clone();
        faults::point("store.erasure.key_destroyed");
        let gone = self.write(move |tx| {
            let gone = ids.iter().try_fold(Gone::default(), |mut all, id| {
                let gone = erase_rows(tx, *id, &staff, &reason)?;
                all.visits += gone.visits;
                all.captures.extend(gone.captures);
                Ok::<_, StoreError>(all)
            })?;
            // Said twice at once, it is answered by whoever was quicker.
            if let Some(order) = order
                && !orders::is_answered(tx, order.id)?
            {
                orders::answer(tx, order, Outcome::Done, String::new())?;
            }
            Ok(gone)
        });
        let Gone { visits, captures } = gone.await?;
        faults::point("store.erasure.committed");
        let count = captures.len() as u64;
        let (copies, left) = Self::erased_but_for(self.remove_what_is_left(captures).await);
        // Best effort: a reader may hold the log for a moment; the next checkpoint overwrites the rows then.
        if let Err(fault) = self.0.writer.checkpoint().await {
            tracing::info!(%fault, "the log is folded into the database later");
        }
        Ok(Receipt { customers, visits, captures: count, copies, left, at })
    }

    /// The person is erased whatever a file does: how many copies went, and whether something is left.
    fn erased_but_for(removed: Result<u64, StoreError>) -> (u64, bool) {
        match removed {
            Ok(copies) => (copies, false),
            Err(fault) => {
                tracing::error!(%fault, "somebody was erased; a copy of the database or a picture file is still to go, and is tried again");
                (0, true)
            }
        }
    }

    /// Copies and files of these photographs. Owed until all of it has gone.
    async fn remove_what_is_left(&self, captures: Vec<CaptureId>) -> Result<u64, StoreError> {
        let (folder, vault) = (self.pictures().to_owned(), self.0.vault.clone());
        blocking(move || {
            vault.note_pictures(&captures)?;
            let asked = vault.removal_owed()?;
            let copies = aside::forget(&folder, &captures);
            match asked {
                // Struck out by another round, which came before the rows had gone.
                None if copies.is_err() => vault.owe_removal()?,
                Some(asked) if copies.is_ok() => vault.removed(asked)?,
                _ => {}
            }
            copies
        })
        .await
    }

    /// What erasures left: rows whose removal was not committed, copies and files that could not be removed then. How many copies
    /// went.
    pub(super) async fn finish_erasures(&self) -> Result<u64, StoreError> {
        let vault = self.0.vault.clone();
        if blocking(move || Ok(vault.removal_owed()?.is_none())).await? {
            return Ok(0);
        }
        let vault = self.0.vault.clone();
        self.write(move |tx| finish(tx, &vault)).await?;
        let vault = self.0.vault.clone();
        let erased = blocking(move || Ok(vault.erased_pictures()?)).await?;
        let left = self.read(move |conn| {
            let mut there = conn.prepare("SELECT EXISTS (SELECT 1 FROM captures WHERE id = ?1)")?;
            let mut left = Vec::new();
            for capture in erased {
                if !there.query_row([capture], |row| row.get::<_, bool>(0))? {
                    left.push(capture);
                }
            }
            Ok(left)
        });
        self.remove_what_is_left(left.await?).await
    }
}
