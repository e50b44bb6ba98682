//! What leaves by the clock: photographs HQ is not owed.

use super::{
    Store,
    error::StoreError,
    files,
    pictures::{blocking, file_of},
};
use crate::{
    domain::{CaptureId, Timestamp, consent::Purpose},
    faults,
    sync::image_lane::Role,
};
use rusqlite::params;

const DAY_MS: i64 = 86_400_000;

/// How long photographs stay after the visit when the customer did not agree to their keeping: the report and its
/// corrections are done by then.
const WITHOUT_KEEPING_MS: i64 = 2 * DAY_MS;

/// Pictures past their time. What HQ is owed is never among them, nor an original from which the report picture that it will
/// be owed is still to be made.
fn expired() -> String {
    format!(
        "SELECT p.n, p.capture, p.role FROM pictures p
         JOIN captures c ON c.id = p.capture JOIN scans s ON s.id = c.scan JOIN visits v ON v.id = s.visit
         WHERE p.kept = 1 AND p.owed <> 1
           AND ((p.role = 'original' AND p.saved_ms < ?1) OR (v.closed_ms < ?2 AND p.saved_ms < ?2 AND NOT {keep}))
           AND NOT (p.role = 'original' AND c.voided = 0 AND s.state <> 'voided' AND v.state <> 'voided' AND {share}
             AND NOT EXISTS (SELECT 1 FROM pictures r WHERE r.capture = p.capture AND r.role = 'report'))",
        keep = agreed(Purpose::KeepPhotographs),
        share = agreed(Purpose::SharePhotographs),
    )
}

/// Whether the last word of the visit's customer on `purpose`, under all their ids, is a yes.
fn agreed(purpose: Purpose) -> String {
    format!(
        "coalesce((SELECT k.given FROM consents k WHERE k.purpose = '{purpose}'
            AND k.customer IN (SELECT q.id FROM customers q, customers o WHERE o.id = v.customer
              AND coalesce(q.alias_of, q.id) = coalesce(o.alias_of, o.id))
            ORDER BY k.n DESC LIMIT 1), 0)"
    )
}

impl Store {
    /// `now` is [`Store::retention_time`]. Removes originals older than `days`, and all pictures of closed visits whose customer did not agree to keeping
    /// them, two days after. Their rows and digests stay. Gives how many files went.
    pub async fn retire_photographs(&self, now: Timestamp, days: u32) -> Result<u64, StoreError> {
        let (old, unkept) = (now.unix_ms() - i64::from(days) * DAY_MS, now.unix_ms() - WITHOUT_KEEPING_MS);
        let gone = self.write(move |tx| {
            let expired: Vec<(i64, CaptureId, String)> = tx
                .prepare(&expired())?
                .query_map(params![old, unkept], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
                .collect::<Result<_, _>>()?;
            let mut update = tx.prepare("UPDATE pictures SET kept = 0 WHERE n = ?1")?;
            for (n, _, _) in &expired {
                update.execute([n])?;
            }
            Ok(expired)
        });
        // The row first: a file left over by a crash here is an orphan, removed at the next opening.
        let (gone, folder) = (gone.await?, self.pictures().to_owned());
        faults::point("store.retention.released");
        blocking(move || {
            for (_, capture, role) in &gone {
                let role = match role.as_str() {
                    "report" => Role::Report,
                    "derivative" => Role::Derivative,
                    _ => Role::Original,
                };
                files::remove(&file_of(&folder, *capture, role)).map_err(StoreError::io("remove a picture"))?;
                faults::point("store.retention.file_removed");
            }
            Ok(gone.len() as u64)
        })
        .await
    }
}
