//! Packages at headquarters: taken in once their signature is one that the configuration names, kept in the slices that go down.

use super::refused;
use crate::{
    domain::Timestamp,
    hq::{
        HqError,
        config::RolloutSettings,
        database::engine::{Engine, Row, first, only, transaction, values},
        office::audit,
    },
    sync::package::{self, Header, LARGEST, SLICE},
};
use openssl::sha::sha256;

/// One package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    pub sha256: String,
    pub slot: String,
    pub version: u64,
    pub bytes: u64,
    pub header: Header,
    /// Fingerprint of the key.
    pub signer: String,
    pub added: Timestamp,
    pub added_by: String,
}

impl Package {
    fn from_row(row: &Row) -> Result<Self, HqError> {
        let header: String = row.get(4)?;
        Ok(Self {
            sha256: row.get(0)?,
            slot: row.get(1)?,
            version: row.get(2)?,
            bytes: row.get(3)?,
            header: serde_json::from_str(&header)
                .map_err(|_| HqError::Shape { at: 4, expected: "the header of a package" })?,
            signer: row.get(5)?,
            added: Timestamp::from_unix_ms(row.get(6)?),
            added_by: row.get(7)?,
        })
    }

    /// As people name it: `model/pores-dog 3`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{} {}", self.slot, self.version)
    }
}

const COLUMNS: &str = "sha256, slot, version, bytes, header, signer, added_ms, added_by";

/// Takes a package in.
///
/// # Errors
/// [`HqError::Rollout`] for one that is not signed by a key of the configuration, of another chain, over, of a version that was there with
/// other bytes, or not newer than what was rolled out before; the database's. Nothing was changed then.
pub fn add(
    engine: &mut dyn Engine,
    bytes: &[u8],
    settings: &RolloutSettings,
    (who, now): (&str, Timestamp),
) -> Result<Package, HqError> {
    let (header, signer) = read(bytes, settings)?;
    if header.chain != settings.chain {
        return Err(refused(format!(
            "the package is for the chain {}, and rollouts.chain is {}; sign it with --chain {}",
            header.chain, settings.chain, settings.chain
        )));
    }
    if let Some(until) = header.until.as_ref().filter(|_| header.is_over(now)) {
        return Err(refused(format!("the package may be taken up to {until} only, and that is over; sign it again")));
    }
    let (digest, slot, version) = (hex::encode(sha256(bytes)), header.slot.to_string(), header.version);
    transaction(engine, |engine| {
        super::told::lock(engine)?;
        if let Some(known) = of_version(engine, &slot, version)? {
            if known.sha256 == digest {
                return Ok(known);
            }
            return Err(refused(format!(
                "version {version} of {slot} is here already with other contents; sign this one under a higher version"
            )));
        }
        let newest: Option<u64> = only(engine, "SELECT max(version) FROM rollouts WHERE slot = ?1", values![&slot])?;
        if newest.is_some_and(|newest| version <= newest) {
            return Err(refused(format!(
                "version {} of {slot} was rolled out already; sign this one under a higher version than that",
                newest.unwrap_or_default()
            )));
        }
        let text = serde_json::to_string(&header).map_err(|fault| refused(fault.to_string()))?;
        engine.execute(
            &format!("INSERT INTO packages({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"),
            values![&digest, &slot, version, bytes.len() as u64, &text, &signer, now.unix_ms(), who],
        )?;
        for (n, data) in (0_u32..).zip(bytes.chunks(SLICE)) {
            let sql = "INSERT INTO package_slices(sha256, n, data) VALUES (?1, ?2, ?3)";
            engine.execute(sql, values![&digest, n, data])?;
        }
        audit::note(engine, who, "package added", &format!("{slot} {version} {signer}"), now)?;
        of_version(engine, &slot, version)?.ok_or(HqError::Shape { at: 0, expected: "the package" })
    })
}

/// Its header, and the fingerprint of whoever signed it.
fn read(bytes: &[u8], settings: &RolloutSettings) -> Result<(Header, String), HqError> {
    if bytes.len() as u64 > LARGEST {
        return Err(refused(format!("it has {} bytes; a package has {LARGEST} at the most", bytes.len())));
    }
    for key in &settings.keys {
        match package::read(bytes, std::slice::from_ref(key)) {
            Ok((header, _)) => return Ok((header, key.fingerprint())),
            Err(package::PackageError::Signature) => {}
            Err(fault) => return Err(refused(fault.to_string())),
        }
    }
    let known: Vec<String> = settings.keys.iter().map(package::PublicKey::fingerprint).collect();
    Err(refused(format!(
        "the package is signed by none of the keys in rollouts.keys ({}); nothing was taken in",
        known.join(", ")
    )))
}

/// All packages, the newest of each slot first.
///
/// # Errors
/// The database's.
pub fn list(engine: &mut dyn Engine) -> Result<Vec<Package>, HqError> {
    let rows = engine.query(&format!("SELECT {COLUMNS} FROM packages ORDER BY slot, version DESC"), &[])?;
    rows.iter().map(Package::from_row).collect()
}

/// # Errors
/// The database's.
pub fn of_version(engine: &mut dyn Engine, slot: &str, version: u64) -> Result<Option<Package>, HqError> {
    let sql = format!("SELECT {COLUMNS} FROM packages WHERE slot = ?1 AND version = ?2");
    first(engine, &sql, values![slot, version])?.map(|row| Package::from_row(&row)).transpose()
}

/// What could be rolled out next: newer than whatever was in its slot.
///
/// # Errors
/// The database's.
pub fn fresh(engine: &mut dyn Engine) -> Result<Vec<Package>, HqError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM packages p
         WHERE NOT EXISTS (SELECT 1 FROM rollouts r WHERE r.slot = p.slot
             AND (r.version >= p.version OR r.state IN ('running', 'paused')))
         ORDER BY slot, version DESC"
    );
    engine.query(&sql, &[])?.iter().map(Package::from_row).collect()
}
