//! What leaves by the clock: photographs HQ is not owed.

use super::{
    Store, columns,
    error::StoreError,
    files, pairs,
    pictures::{blocking, file_of, named_files},
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

/// Pictures past their time; those of pairs go with the photographs they were made of. What HQ is owed is never among them, nor an original from which the report picture that it will
/// be owed is still to be made.
fn expired() -> String {
    format!(
        "SELECT p.n, p.capture, p.role FROM pictures p
         JOIN captures c ON c.id = p.capture JOIN scans s ON s.id = c.scan JOIN visits v ON v.id = s.visit
         WHERE p.kept = 1 AND p.owed <> 1 AND p.role IN ('original', 'report', 'derivative')
           AND ((p.role = 'original' AND p.saved_ms < ?1) OR (v.ended_ms < ?2 AND p.saved_ms < ?2 AND NOT {keep}))
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
            let expired: Vec<(i64, CaptureId, Role)> = tx
                .prepare(&expired())?
                .query_map(params![old, unkept], |row| Ok((row.get(0)?, row.get(1)?, columns::picture_role(row, 2)?)))?
                .collect::<Result<_, _>>()?;
            let mut update = tx.prepare("UPDATE pictures SET kept = 0 WHERE n = ?1")?;
            for (n, _, _) in &expired {
                update.execute([n])?;
            }
            let with_them = pairs::drop_bereft(tx)?;
            Ok((expired, with_them))
        });
        // The row first: a file left over by a crash here is removed at the next opening, which sees it released; one of a pair
        // has no row any more and is put aside.
        let ((gone, with_them), folder) = (gone.await?, self.pictures().to_owned());
        faults::point("store.retention.released");
        blocking(move || {
            let mut fault = None;
            for (_, capture, role) in &gone {
                let removed = files::remove(&file_of(&folder, *capture, *role));
                fault = fault.or(removed.map_err(StoreError::io("remove a picture")).err());
                faults::point("store.retention.file_removed");
            }
            fault.map_or(Ok(gone.len() as u64 + with_them), Err)
        })
        .await
    }

    /// Removes files of photographs that were released in an earlier round and did not go then. How many went.
    ///
    /// # Errors
    /// When one still does not go; the others have gone.
    pub async fn retire_what_stayed(&self) -> Result<u64, StoreError> {
        let released = self.read(|conn| Ok(named_files(conn, false)?)).await?;
        let folder = self.pictures().to_owned();
        blocking(move || {
            let (mut gone, mut fault) = (0, None);
            for name in released.iter().filter(|name| folder.join(name).exists()) {
                match files::remove(&folder.join(name)).map_err(StoreError::io("remove a picture")) {
                    Ok(()) => gone += 1,
                    Err(new) => fault = fault.or(Some(new)),
                }
            }
            fault.map_or(Ok(gone), Err)
        })
        .await
    }
}
