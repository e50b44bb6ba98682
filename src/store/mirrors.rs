//! Mirrors: the customer's screens beside stations, one a station, known by a token of which only the digest is kept.

use super::{Store, audit, error::StoreError};
use crate::domain::Timestamp;
use rusqlite::{OptionalExtension, params};

/// The screen that belongs to a station.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairedMirror {
    /// Of the token that its browser keeps.
    pub digest: [u8; 32],
    /// The language it speaks, as pages call it.
    pub lang: String,
    pub paired: Timestamp,
}

impl Store {
    /// Gives the screen known by `digest` to a station; a screen that was its own before is one no more.
    pub async fn pair_mirror(
        &self,
        station: String,
        digest: [u8; 32],
        lang: String,
        now: Timestamp,
        who: String,
    ) -> Result<(), StoreError> {
        self.write(move |tx| {
            tx.execute(
                "INSERT INTO mirrors (station, digest, lang, paired_ms) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (station) DO UPDATE SET digest = ?2, lang = ?3, paired_ms = ?4",
                params![station, digest, lang, now],
            )?;
            audit::note(tx, &who, "mirror.paired", None, &station)
        })
        .await
    }

    /// Which language the station's screen speaks from now on.
    pub async fn set_mirror_lang(&self, station: String, lang: String) -> Result<(), StoreError> {
        self.write(move |tx| {
            match tx.execute("UPDATE mirrors SET lang = ?2 WHERE station = ?1", params![station, lang])? {
                0 => Err(StoreError::NotFound { what: "mirror", id: station }),
                _ => Ok(()),
            }
        })
        .await
    }

    /// The station has no screen any more; `false` where it had none.
    pub async fn unpair_mirror(&self, station: String, who: String) -> Result<bool, StoreError> {
        self.write(move |tx| {
            let gone = tx.execute("DELETE FROM mirrors WHERE station = ?1", [&station])?;
            if gone > 0 {
                audit::note(tx, &who, "mirror.unpaired", None, &station)?;
            }
            Ok(gone > 0)
        })
        .await
    }

    /// The screen of a station.
    pub async fn mirror(&self, station: String) -> Result<Option<PairedMirror>, StoreError> {
        self.read(move |conn| {
            let mut select = conn.prepare_cached("SELECT digest, lang, paired_ms FROM mirrors WHERE station = ?1")?;
            let found = select.query_row([station], |row| {
                Ok(PairedMirror { digest: row.get(0)?, lang: row.get(1)?, paired: row.get(2)? })
            });
            Ok(found.optional()?)
        })
        .await
    }

    /// The station that a screen belongs to; of several the first by name.
    pub async fn station_of_mirror(&self, digest: [u8; 32]) -> Result<Option<String>, StoreError> {
        self.read(move |conn| {
            let mut select =
                conn.prepare_cached("SELECT station FROM mirrors WHERE digest = ?1 ORDER BY station LIMIT 1")?;
            Ok(select.query_row(params![digest], |row| row.get(0)).optional()?)
        })
        .await
    }
}
