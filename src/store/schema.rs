//! The shape of the database, as numbered steps that are never changed once released; only followed by the next.
//!
//! An upgrade runs in one transaction after a backup beside the database; a newer file is refused.

use super::{backup, connection::is_unreadable, error::OpenError};
use crate::{clock, domain::Epoch, faults};
use rusqlite::{Connection, TransactionBehavior};
use std::path::{Path, PathBuf};

/// Step `n` (from 1) leads from version `n - 1` to `n`.
const STEPS: &[&str] = &[
    include_str!("schema/001.sql"),
    include_str!("schema/002.sql"),
    include_str!("schema/003.sql"),
    include_str!("schema/004.sql"),
    include_str!("schema/005.sql"),
    include_str!("schema/006.sql"),
    include_str!("schema/007.sql"),
    include_str!("schema/008.sql"),
    include_str!("schema/009.sql"),
    include_str!("schema/010.sql"),
    include_str!("schema/011.sql"),
    include_str!("schema/012.sql"),
    include_str!("schema/013.sql"),
    include_str!("schema/014.sql"),
    include_str!("schema/015.sql"),
];

/// The version this program writes.
pub const VERSION: i64 = STEPS.len() as i64;

/// Begins the names of databases from before an upgrade.
const BEFORE: &str = "before-schema-";

/// Brings `conn` to [`VERSION`]. A database that is not empty is backed up into `backups` first; that copy.
pub(super) fn upgrade(conn: &mut Connection, database: &Path, backups: &Path) -> Result<Option<PathBuf>, OpenError> {
    let found = version(conn).map_err(|source| unreadable_or(database, source))?;
    if found == VERSION {
        return Ok(None);
    }
    if !(0..=VERSION).contains(&found) {
        return Err(OpenError::Newer { database: database.to_owned(), found, known: VERSION });
    }
    let copy = (found > 0).then(|| backups.join(format!("{BEFORE}{VERSION}.db")));
    if let Some(copy) = &copy {
        backup::beside(conn, copy)?;
        faults::point("store.schema.backed_up");
    }
    run_steps(conn, found).map_err(|source| OpenError::Upgrade {
        database: database.to_owned(),
        to: VERSION,
        source,
    })?;
    faults::point("store.schema.upgraded");
    Ok(copy)
}

/// Whether a file of that name is the database from before an upgrade, see [`upgrade`].
pub(super) fn is_from_before(name: &str) -> bool {
    name.starts_with(BEFORE) && (name.ends_with(".db") || name.ends_with(".db.tmp"))
}

fn version(conn: &Connection) -> rusqlite::Result<i64> {
    conn.query_row("PRAGMA user_version", [], |row| row.get(0))
}

fn run_steps(conn: &mut Connection, found: i64) -> rusqlite::Result<()> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for step in STEPS.iter().skip(usize::try_from(found).unwrap_or(0)) {
        tx.execute_batch(step)?;
    }
    if found == 0 {
        let epoch: Epoch = clock::mint(Epoch::from_bits);
        tx.execute(
            "INSERT INTO epochs (n, epoch, last_seq, acknowledged_upto, pruned_upto) VALUES (1, ?1, 0, 0, 0)",
            [epoch],
        )?;
    }
    tx.pragma_update(None, "user_version", VERSION)?;
    faults::point("store.schema.before_commit");
    tx.commit()
}

/// The quick look after an unclean end: every page authenticates, every row is where its index says.
pub(super) fn quick_check(conn: &Connection, database: &Path) -> Result<(), OpenError> {
    let verdict: String = conn
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(|source| unreadable_or(database, source))?;
    if verdict == "ok" { Ok(()) } else { Err(OpenError::Damaged { database: database.to_owned(), detail: verdict }) }
}

pub(super) fn unreadable_or(database: &Path, source: rusqlite::Error) -> OpenError {
    let database = database.to_owned();
    if is_unreadable(&source) {
        OpenError::Damaged { database, detail: source.to_string() }
    } else {
        OpenError::Sql { database, source }
    }
}
