//! Keeps what HQ is told in step with what the customer agreed to, visit by visit.
//!
//! Consent given: what this visit measured and HQ was not told is enqueued, once. Not given: payloads in the outbox are
//! replaced by `redacted.v1` under the same number and id, and pictures are no longer owed. Acknowledged events are redacted
//! too: they are kept for an HQ restored from a backup, and asking again must not bring back what was withdrawn.

use super::{
    acknowledged, captures, comparisons, consents, error::StoreError, feedback, outbox::Gate, readings, scores,
    writer::Tx,
};
use crate::{
    domain::{CustomerId, VisitId, consent::Purpose},
    faults,
    sync::{
        envelope::{Event, TYPE_PREFIX},
        payload::{Redacted, kind},
    },
};
use rusqlite::params;

/// Why a payload was taken out, as HQ reads it.
pub(super) const WITHDRAWN: &str = "withdrawn";
pub(super) const ERASED: &str = "erased";

/// Brings one visit in step with its customer's consents. Called after anything that may change them: a consent, a visit
/// moved to another customer, a scan moved to another visit.
pub(super) fn settle(tx: &Tx<'_>, visit: VisitId, customer: CustomerId) -> Result<(), StoreError> {
    if consents::given(tx, customer, Purpose::ShareNumbers)? {
        readings::tell_untold(tx, visit)?;
        scores::tell_untold(tx, visit)?;
        comparisons::tell_untold(tx, visit)?;
    } else {
        withhold_numbers(tx, visit)?;
    }
    if consents::given(tx, customer, Purpose::SharePhotographs)? {
        captures::tell_untold(tx, visit)
    } else {
        withhold_photographs(tx, visit)
    }
}

pub(super) fn withhold_numbers(tx: &Tx<'_>, visit: VisitId) -> Result<(), StoreError> {
    redact(tx, "visit = ?1 AND gate = ?2", params![visit, Gate::Numbers.as_str()], WITHDRAWN)?;
    feedback::withhold_words(tx, visit)
}

pub(super) fn withhold_photographs(tx: &Tx<'_>, visit: VisitId) -> Result<(), StoreError> {
    redact(tx, "visit = ?1 AND gate = ?2", params![visit, Gate::Photographs.as_str()], WITHDRAWN)?;
    tx.execute(
        "UPDATE pictures SET owed = 0 WHERE owed = 1 AND capture IN
         (SELECT c.id FROM captures c JOIN scans s ON s.id = c.scan WHERE s.visit = ?1)",
        [visit],
    )?;
    tx.redacted();
    Ok(())
}

/// An outbox row to be redacted.
struct Queued {
    place: i64,
    refused: bool,
    object: Option<[u8; 16]>,
    body: String,
}

/// Replaces the payloads of the outbox rows that `which` names. What was still waiting counts as never told, so that it
/// can be told if the customer agrees again.
pub(super) fn redact(
    tx: &Tx<'_>,
    which: &str,
    params: impl rusqlite::Params,
    reason: &'static str,
) -> Result<(), StoreError> {
    let rows: Vec<Queued> = {
        let mut select = tx.prepare(&format!(
            "SELECT place, refused IS NOT NULL, object, body FROM outbox WHERE ({which}) AND kind <> '{}'",
            kind::REDACTED
        ))?;
        let rows = select.query_map(params, |row| {
            Ok(Queued { place: row.get(0)?, refused: row.get(1)?, object: row.get(2)?, body: row.get(3)? })
        })?;
        rows.collect::<Result<_, _>>()?
    };
    if !rows.is_empty() {
        tx.redacted();
    }
    let mut replace = tx.prepare("UPDATE outbox SET kind = ?2, body = ?3, gate = 'always' WHERE place = ?1")?;
    for Queued { place, refused, object, body } in rows {
        replace.execute(params![place, kind::REDACTED, redacted(&body, reason)?])?;
        if let Some(object) = object
            && !refused
            && acknowledged::waits(tx, place)?
        {
            forget_told(tx, object)?;
        }
        faults::point("store.sharing.redacted");
    }
    Ok(())
}

/// Ids are unique over all tables, so the one that knows this id is the one meant.
fn forget_told(tx: &Tx<'_>, object: [u8; 16]) -> rusqlite::Result<()> {
    for table in ["readings", "scores", "comparisons", "captures"] {
        if tx.prepare_cached(&format!("UPDATE {table} SET told = 0 WHERE id = ?1"))?.execute([object])? > 0 {
            break;
        }
    }
    Ok(())
}

/// A text that is no event cannot keep its id; it goes all the same, and HQ refuses what takes its place.
fn redacted(body: &str, reason: &str) -> Result<String, StoreError> {
    let broken = |e: serde_json::Error| StoreError::Corrupt(format!("an outbox event is no event: {e}"));
    let Ok(mut event) = serde_json::from_str::<Event>(body) else {
        return Ok(format!("\"an unreadable event, {reason}\""));
    };
    event.kind = format!("{TYPE_PREFIX}{}", kind::REDACTED);
    event.data = serde_json::value::to_raw_value(&Redacted { reason: reason.to_owned() }).map_err(broken)?;
    serde_json::to_string(&event).map_err(broken)
}
