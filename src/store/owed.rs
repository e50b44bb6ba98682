//! Pictures HQ is owed: consent given, not yet verified there. Report pictures first, then derivatives and pictures of pairs,
//! then originals that were asked for; of these the oldest first.

use super::{
    Store,
    columns::{self, uint},
    consents,
    error::StoreError,
    outbox::count,
    pictures::role_word,
    scans,
};
use crate::{
    domain::{CaptureId, CustomerId, VisitId, capture::Format, consent::Purpose},
    sync::image_lane::Role,
};
use rusqlite::{OptionalExtension, params};

/// One picture to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwedImage {
    pub capture: CaptureId,
    pub visit: VisitId,
    pub role: Role,
    pub format: Format,
    pub bytes: u64,
    pub sha256: [u8; 32],
}

const SETTLE: &str = "UPDATE pictures SET owed = ?3, reason = ?4 WHERE capture = ?1 AND role = ?2 AND owed = 1";

/// Nothing that was struck out.
const OWE_AGAIN: &str = "UPDATE pictures SET owed = 1 WHERE owed = 2 AND kept = 1 AND capture IN
    (SELECT c.id FROM captures c JOIN scans s ON s.id = c.scan JOIN visits v ON v.id = s.visit
     WHERE v.customer = ?1 AND c.voided = 0 AND s.state <> 'voided' AND v.state <> 'voided')";

impl Store {
    /// The next pictures to send, at most one of each capture: HQ's answers name the capture only.
    pub async fn owed_images(&self, limit: usize) -> Result<Vec<OwedImage>, StoreError> {
        self.read(move |conn| {
            let mut select = conn.prepare_cached(
                "SELECT p.capture, s.visit, p.role, p.format, p.bytes, p.sha256,
                 CASE p.role WHEN 'report' THEN 0 WHEN 'original' THEN 2 ELSE 1 END AS rank
                 FROM pictures p JOIN captures c ON c.id = p.capture JOIN scans s ON s.id = c.scan
                 WHERE p.owed = 1 AND NOT EXISTS (SELECT 1 FROM pictures q WHERE q.capture = p.capture AND q.owed = 1
                   AND (CASE q.role WHEN 'report' THEN 0 WHEN 'original' THEN 2 ELSE 1 END, q.n)
                     < (CASE p.role WHEN 'report' THEN 0 WHEN 'original' THEN 2 ELSE 1 END, p.n))
                 ORDER BY rank, p.n LIMIT ?1",
            )?;
            let owed = select.query_map([count(limit)], |row| {
                Ok(OwedImage {
                    capture: row.get(0)?,
                    visit: row.get(1)?,
                    role: columns::picture_role(row, 2)?,
                    format: row.get(3)?,
                    bytes: uint(row, 4)?,
                    sha256: row.get(5)?,
                })
            })?;
            Ok(owed.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// HQ holds the picture and has checked its digest; it is owed no longer. `false` when it was not owed.
    pub async fn image_verified(&self, capture: CaptureId, role: Role) -> Result<bool, StoreError> {
        self.write(move |tx| Ok(tx.execute(SETTLE, params![capture, role_word(role), 2, None::<String>])? > 0)).await
    }

    /// HQ does not take the picture, for good. `false` when it was not owed.
    pub async fn image_refused(&self, capture: CaptureId, role: Role, reason: String) -> Result<bool, StoreError> {
        self.write(move |tx| Ok(tx.execute(SETTLE, params![capture, role_word(role), 3, reason])? > 0)).await
    }

    /// HQ was restored from a backup and may have lost what it had verified since: all of it that is still kept is owed again,
    /// where the customer still shares photographs. Gives how many pictures that are.
    pub async fn owe_again(&self) -> Result<usize, StoreError> {
        self.write(|tx| {
            let customers: Vec<CustomerId> = tx
                .prepare(
                    "SELECT DISTINCT v.customer FROM pictures p JOIN captures c ON c.id = p.capture
                     JOIN scans s ON s.id = c.scan JOIN visits v ON v.id = s.visit WHERE p.owed = 2 AND p.kept = 1",
                )?
                .query_map([], |row| row.get(0))?
                .collect::<Result<_, _>>()?;
            let mut again = 0;
            for customer in customers {
                if consents::given(tx, customer, Purpose::SharePhotographs)? {
                    again += tx.prepare_cached(OWE_AGAIN)?.execute([customer])?;
                }
            }
            tx.pictures_owed();
            Ok(again)
        })
        .await
    }

    /// HQ has no picture of this photograph, whatever it said before: what it had verified of it is owed again, if it is kept and
    /// still shared. Gives how many pictures that are.
    pub async fn owe_again_of(&self, capture: CaptureId) -> Result<usize, StoreError> {
        self.write(move |tx| {
            let customer =
                "SELECT v.customer FROM pictures p JOIN captures c ON c.id = p.capture JOIN scans s ON s.id = c.scan
                JOIN visits v ON v.id = s.visit WHERE p.capture = ?1 AND p.owed = 2 AND p.kept = 1";
            let customer: Option<CustomerId> =
                tx.prepare_cached(customer)?.query_row([capture], |row| row.get(0)).optional()?;
            let Some(customer) = customer else { return Ok(0) };
            if !consents::given(tx, customer, Purpose::SharePhotographs)? {
                return Ok(0);
            }
            let again =
                tx.prepare_cached(&format!("{OWE_AGAIN} AND capture = ?2"))?.execute(params![customer, capture])?;
            if again > 0 {
                tx.pictures_owed();
            }
            Ok(again)
        })
        .await
    }

    /// HQ asked for the original of a capture; also for one that it had verified, which it has lost then.
    ///
    /// # Errors
    /// [`StoreError::NoConsent`] when photographs are not shared.
    pub async fn owe_original(&self, capture: CaptureId) -> Result<(), StoreError> {
        self.write(move |tx| {
            let place = scans::place(tx, super::captures::load(tx, capture)?.scan)?;
            if !consents::given(tx, place.customer, Purpose::SharePhotographs)? {
                return Err(StoreError::NoConsent { purpose: Purpose::SharePhotographs.as_str() });
            }
            tx.execute(
                "UPDATE pictures SET owed = 1 WHERE capture = ?1 AND role = 'original' AND kept = 1",
                [capture],
            )?;
            tx.pictures_owed();
            Ok(())
        })
        .await
    }
}
