//! What gateways are told to use, and what they say of it.
//!
//! There is one book for the whole chain, told whole to each gateway, with what its own store shall use: a step of a rollout is one number more,
//! and all who hold a lower one are told. The numbers grow with the clock: those that a headquarters gives out after it was restored from a
//! backup are none that it gave out before.

use super::{
    register::{COLUMNS, Entry, State},
    seen,
};
use crate::{
    domain::Timestamp,
    hq::{
        HqError,
        database::{
            Addressed,
            engine::{Engine, Row, first, only, values},
        },
        telling::{numbering, pause_ms, understands},
    },
    sync::{
        agenda::Held,
        downlink::Downlink,
        package::{Fetch, Holding, PACKAGES, Slot, Wish, Withdrawn, is_digest},
        reply::Reply,
        topic::Address,
    },
};
use openssl::base64;
use std::collections::{BTreeMap, BTreeSet};

/// Gateways told at one go.
const AT_ONCE: i64 = 100;

/// Withdrawn versions named of each slot, the newest; a gateway remembers those that it was told of before.
const WITHDRAWN: usize = 100;

/// Slices that are said at one hello: a third of a megabyte, which a salon's line takes in a second or two.
const SLICES: u32 = 8;

/// Slots, and holdings of one gateway, that are written down: it has fewer.
const HOLDINGS: usize = 128;

/// Packages of one gateway that are remembered: some years of them.
const REMEMBERED: usize = 500;

/// Photographs of one gateway with one model that are believed: a salon does not take more in years.
const PHOTOGRAPHS: u64 = 10_000_000;

/// Letters of a reason that are kept.
const REASON: usize = 400;

/// Until the end of the transaction nobody else changes what is wanted.
pub(super) fn lock(engine: &mut dyn Engine) -> Result<u64, HqError> {
    only(engine, "UPDATE wanted_book SET version = version RETURNING version", &[])
}

/// Something else is wanted now: all are told.
pub(super) fn changed(engine: &mut dyn Engine, now: Timestamp) -> Result<(), HqError> {
    engine.execute(
        "UPDATE wanted_book SET book = CASE WHEN book = '' THEN ?2 ELSE book END,
             version = CASE WHEN version < ?1 THEN ?1 ELSE version + 1 END",
        values![now.unix_ms(), &numbering()],
    )?;
    Ok(())
}

/// Notes what a gateway says of its packages. One that knows more of the book than this database has seen it before a backup was
/// brought back: the numbers begin anew.
pub(in crate::hq) fn heard(
    engine: &mut dyn Engine,
    gateway: &str,
    said: Option<&Downlink>,
    now: Timestamp,
) -> Result<(), HqError> {
    let (held, holdings) = said.map_or((None, &[][..]), |said| (said.wanted.as_ref(), &said.packages[..]));
    note_holdings(engine, gateway, holdings, now)?;
    let row = first(engine, "SELECT book, version FROM wanted_book", &[])?;
    let (book, version) = row.map_or(Ok((String::new(), 0)), |row| Ok::<_, HqError>((row.get(0)?, row.get(1)?)))?;
    if book.is_empty() && held.is_none() {
        return Ok(());
    }
    let nothing = Held { book: String::new(), version: 0 };
    let held = held.unwrap_or(&nothing);
    engine.execute(
        "INSERT INTO wanted_told(gateway, book, version, said, due_ms, tries) VALUES (?1, ?2, ?3, 0, 0, 0)
         ON CONFLICT (gateway) DO UPDATE SET book = excluded.book, version = excluded.version, due_ms = 0, tries = 0",
        values![gateway, &held.book, held.version],
    )?;
    let ahead = held.book == book && held.version > version;
    // Or all of it was lost: what the gateways hold is told them again, even where that is nothing.
    if ahead || (book.is_empty() && !held.book.is_empty()) {
        let fresh = numbering();
        let anew = engine.execute(
            "UPDATE wanted_book SET book = ?2, version = CASE WHEN version < ?3 THEN ?3 ELSE version + 1 END WHERE book = ?1",
            values![&book, &fresh, now.unix_ms()],
        )?;
        if anew > 0 {
            tracing::warn!(
                gateway,
                "the store knows more of what is wanted than this headquarters, which was restored from a backup"
            );
        }
    }
    Ok(())
}

/// What is written down of a gateway's packages, by slot and version.
type Known = BTreeMap<(String, u64), (String, String, Option<u64>, Option<u64>)>;

fn note_holdings(engine: &mut dyn Engine, gateway: &str, holdings: &[Holding], now: Timestamp) -> Result<(), HqError> {
    let sql = "SELECT slot, version, stand, reason, measured, failed FROM package_told WHERE gateway = ?1";
    let mut known = Known::new();
    for row in &engine.query(sql, values![gateway])? {
        let what = (row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?);
        known.insert((row.get(0)?, row.get(1)?), what);
    }
    forget_old(engine, gateway, known.len())?;
    let mut named: BTreeSet<(String, u64)> = BTreeSet::new();
    for Holding { slot, version, stand, reason, measured, failed } in holdings.iter().take(HOLDINGS) {
        let (slot, reason): (String, String) = (slot.to_string(), reason.chars().take(REASON).collect());
        let reason = reason.replace('\0', "\u{fffd}");
        let whole = |count: &Option<u64>| count.map(|count| count.min(PHOTOGRAPHS));
        let (measured, failed) = (whole(measured), whole(failed));
        let same = |told: Option<u64>, kept: Option<u64>| told.is_none() || told == kept;
        let is_known = known.remove(&(slot.clone(), *version)).is_some_and(|(was, why, of, bad)| {
            was == stand.as_str() && why == reason && same(measured, of) && same(failed, bad)
        });
        // Versions beyond what the database can hold are none of ours. Of one that is named twice (left, and then refused since it
        // was withdrawn) the first word counts.
        if !named.insert((slot.clone(), *version)) || is_known || *version > i64::MAX.unsigned_abs() {
            continue;
        }
        engine.execute(
            "INSERT INTO package_told(gateway, slot, version, stand, reason, measured, failed, since_ms, at_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8)
             ON CONFLICT (gateway, slot, version) DO UPDATE SET
                 since_ms = CASE WHEN package_told.stand = excluded.stand THEN package_told.since_ms ELSE excluded.since_ms END,
                 stand = excluded.stand, reason = excluded.reason, at_ms = excluded.at_ms,
                 measured = coalesce(excluded.measured, package_told.measured),
                 failed = coalesce(excluded.failed, package_told.failed)",
            values![gateway, &slot, *version, stand.as_str(), &reason, measured, failed, now.unix_ms()],
        )?;
    }
    // What is not named any more gave way to something else. What was refused or left stays so: a gateway names the last one alone.
    for ((slot, version), (stand, ..)) in known {
        if stand == "used" || stand == "held" {
            engine.execute(
                "UPDATE package_told SET stand = 'past', since_ms = ?4, at_ms = ?4
                 WHERE gateway = ?1 AND slot = ?2 AND version = ?3",
                values![gateway, &slot, version, now.unix_ms()],
            )?;
        }
    }
    Ok(())
}

/// Whoever names ever new packages does not fill the database.
fn forget_old(engine: &mut dyn Engine, gateway: &str, kept: usize) -> Result<(), HqError> {
    if kept <= REMEMBERED {
        return Ok(());
    }
    let sql = "DELETE FROM package_told WHERE gateway = ?1 AND at_ms <
                   (SELECT at_ms FROM package_told WHERE gateway = ?1 ORDER BY at_ms DESC LIMIT 1 OFFSET ?2)";
    engine.execute(sql, values![gateway, REMEMBERED as u64]).map(drop)
}

/// What all stores are told, before it is looked which of it is for whom.
struct Wanted {
    book: String,
    version: u64,
    /// Those that stand, of each slot the newest first, with the bytes of the package.
    rollouts: Vec<(Entry, u64)>,
    withdrawn: Vec<Withdrawn>,
}

impl Wanted {
    fn read(engine: &mut dyn Engine) -> Result<Option<Self>, HqError> {
        let Some(row) = first(engine, "SELECT book, version FROM wanted_book WHERE book <> ''", &[])? else {
            return Ok(None);
        };
        let (book, version) = (row.get(0)?, row.get(1)?);
        let named = COLUMNS.split(", ").map(|column| format!("r.{column}")).collect::<Vec<_>>().join(", ");
        let rows = engine.query(
            &format!(
                "SELECT {named}, p.bytes FROM rollouts r JOIN packages p ON p.sha256 = r.sha256
                 WHERE NOT EXISTS (SELECT 1 FROM withdrawn_packages w WHERE w.slot = r.slot AND w.version = r.version)
                 ORDER BY r.slot, r.version DESC"
            ),
            &[],
        )?;
        let rollouts =
            rows.iter().map(|row| Ok((Entry::from_row(row)?, row.get(10)?))).collect::<Result<_, HqError>>()?;
        let mut withdrawn: Vec<Withdrawn> = Vec::new();
        let gone = engine.query("SELECT slot, version FROM withdrawn_packages ORDER BY slot, version DESC", &[])?;
        for row in &gone {
            let Ok(slot) = Slot::try_from(row.get::<String>(0)?) else { continue };
            match withdrawn.last_mut() {
                Some(last) if last.slot == slot => {
                    if last.versions.len() < WITHDRAWN {
                        last.versions.push(row.get(1)?);
                    }
                }
                _ => withdrawn.push(Withdrawn { slot, versions: vec![row.get(1)?] }),
            }
        }
        Ok(Some(Self { book, version, rollouts, withdrawn }))
    }

    /// What a store shall use: of each slot the newest whose rollout has reached it. Where it has not, what was rolled out before.
    fn of_store(&self, rings: &BTreeMap<u64, u32>) -> Vec<Wish> {
        let mut wishes: Vec<Wish> = Vec::new();
        for (entry, bytes) in &self.rollouts {
            let Ok(slot) = Slot::try_from(entry.slot.clone()) else { continue };
            let ring = rings.get(&entry.n).copied().unwrap_or(entry.rings.saturating_sub(1));
            let reached = match entry.state {
                State::Finished => true,
                State::Running | State::Paused => ring <= entry.ring,
                State::Halted | State::Back => false,
            };
            if reached && wishes.last().is_none_or(|last| last.slot != slot) {
                let (version, sha256) = (entry.version, entry.sha256.clone());
                wishes.push(Wish { slot, version, sha256, bytes: *bytes });
            }
        }
        wishes
    }

    fn reply(&self, rings: &BTreeMap<u64, u32>) -> Reply {
        Reply::Wanted {
            book: self.book.clone(),
            version: self.version,
            packages: self.of_store(rings),
            withdrawn: self.withdrawn.clone(),
        }
    }
}

/// What is to be told now: at once where something else is wanted than was said last, else after a pause. A halt waits for nobody's
/// pause.
pub(in crate::hq) fn due(engine: &mut dyn Engine, now: Timestamp) -> Result<Vec<Addressed>, HqError> {
    let Some(wanted) = Wanted::read(engine)? else { return Ok(Vec::new()) };
    let rows = engine.query(
        "SELECT g.store, g.gateway, g.about, CASE WHEN t.said = ?2 THEN t.tries ELSE 0 END FROM gateways g LEFT JOIN wanted_told t ON t.gateway = g.gateway
         WHERE g.epoch IS NOT NULL AND g.retired_ms IS NULL
         AND (t.gateway IS NULL OR ((t.book <> ?1 OR t.version < ?2) AND (t.said <> ?2 OR t.due_ms <= ?3)))
         ORDER BY t.due_ms, g.gateway LIMIT ?4",
        values![&wanted.book, wanted.version, now.unix_ms(), AT_ONCE],
    )?;
    let mut all = Vec::new();
    for row in &rows {
        let to = Address { store: row.get(0)?, gateway: row.get(1)? };
        let understands = understands(row.get::<Option<String>>(2)?.as_deref(), PACKAGES);
        let tries = row.get::<Option<i64>>(3)?.unwrap_or(0);
        let pause = pause_ms(understands, tries);
        engine.execute(
            "INSERT INTO wanted_told(gateway, book, version, said, due_ms, tries) VALUES (?1, '', 0, ?3, ?2, ?4)
             ON CONFLICT (gateway) DO UPDATE SET said = excluded.said, due_ms = excluded.due_ms, tries = excluded.tries",
            values![&to.gateway, now.unix_ms() + pause, wanted.version, tries + 1],
        )?;
        if understands {
            let rings = seen::member(engine, &to.store)?;
            all.push((to, wanted.reply(&rings)));
        }
    }
    Ok(all)
}

/// Some slices of a package, if the store that asks shall use it.
pub(in crate::hq) fn slices(engine: &mut dyn Engine, from: &Address, fetch: &Fetch) -> Result<Vec<Addressed>, HqError> {
    let Fetch { sha256, from: first } = fetch;
    if !is_digest(sha256) {
        return Ok(Vec::new());
    }
    let Some(wanted) = Wanted::read(engine)? else { return Ok(Vec::new()) };
    let rings = seen::member(engine, &from.store)?;
    if wanted.of_store(&rings).iter().all(|wish| wish.sha256 != *sha256) {
        return Ok(Vec::new());
    }
    let rows = engine.query(
        "SELECT n, data FROM package_slices WHERE sha256 = ?1 AND n >= ?2 ORDER BY n LIMIT ?3",
        values![sha256, *first, SLICES],
    )?;
    let slice = |row: &Row| {
        let (index, data): (u32, Vec<u8>) = (row.get(0)?, row.get(1)?);
        Ok((from.clone(), Reply::Slice { sha256: sha256.clone(), index, data: base64::encode_block(&data) }))
    };
    rows.iter().map(slice).collect()
}

/// Gateways in use by how they stand to the packages of rollouts that stand: slot, version, stand, how many. For the metrics.
///
/// # Errors
/// The database's.
pub fn counts(engine: &mut dyn Engine) -> Result<Vec<(String, u64, String, u64)>, HqError> {
    let rows = engine.query(
        "SELECT r.slot, r.version, t.stand, count(*) FROM rollouts r
         JOIN package_told t ON t.slot = r.slot AND t.version = r.version
         JOIN gateways g ON g.gateway = t.gateway AND g.retired_ms IS NULL
         WHERE r.n = (SELECT max(q.n) FROM rollouts q WHERE q.slot = r.slot)
         GROUP BY r.slot, r.version, t.stand ORDER BY r.slot, t.stand",
        &[],
    )?;
    rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))).collect()
}
