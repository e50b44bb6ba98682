//! What the gateway knows of the packages that headquarters rolls out: one text, whose shape is its owner's affair. Their files lie
//! in the data folder and are not the store's.

use super::{Store, audit, error::StoreError};
use crate::domain::staff::HQ;
use rusqlite::OptionalExtension;

impl Store {
    /// What was kept last; `None` before anything was.
    pub async fn packages(&self) -> Result<Option<String>, StoreError> {
        self.read(|conn| {
            let mut select = conn.prepare_cached("SELECT state FROM packages")?;
            Ok(select.query_row([], |row| row.get(0)).optional()?)
        })
        .await
    }

    /// Keeps `state`, and notes in the audit log which packages began or ceased to be used by it: what happened, and to which.
    pub async fn keep_packages(&self, state: String, notes: Vec<(&'static str, String)>) -> Result<(), StoreError> {
        self.write(move |tx| {
            tx.execute(
                "INSERT INTO packages (one, state) VALUES (1, ?1) ON CONFLICT (one) DO UPDATE SET state = ?1",
                [&state],
            )?;
            notes.iter().try_for_each(|(what, which)| audit::note(tx, HQ, what, None, which))
        })
        .await
    }

    /// Notes of the audit log that tell of packages, oldest first.
    pub async fn package_notes(&self) -> Result<Vec<(String, String)>, StoreError> {
        self.read(|conn| {
            let mut select = conn
                .prepare_cached("SELECT what, detail FROM audit WHERE who = ?1 AND what LIKE 'package %' ORDER BY n")?;
            let rows = select.query_map([HQ], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Bytes to be kept free for readings.
    #[must_use]
    pub fn min_free(&self) -> u64 {
        self.0.min_free
    }
}
