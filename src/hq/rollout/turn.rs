//! One look at all rollouts under way; any of several receivers may take it.

use super::{
    LOOK_MS,
    cause::Cause,
    plan::{self, Limits, Step},
    register::{self, COLUMNS, Entry, ITSELF, State},
    seen,
};
use crate::{
    domain::Timestamp,
    hq::{
        HqError,
        database::engine::{Engine, first, transaction, values},
        office::audit,
        presence,
    },
};

/// Nobody has been connected to the broker for so long: what is known of the stores is no news, and nothing is decided on it.
const BLIND_MS: i64 = 90_000;

/// Gateways in use that left the package of a rollout `r`.
const LEFT: &str = "(SELECT count(*) FROM package_told t JOIN gateways g ON g.gateway = t.gateway
    WHERE t.slot = r.slot AND t.version = r.version AND t.stand = 'left' AND g.retired_ms IS NULL)";

/// Weighs every rollout under way, and does what is next.
///
/// # Errors
/// The database's; then nothing was done.
pub fn turn(engine: &mut dyn Engine, limits: &Limits, now: Timestamp) -> Result<(), HqError> {
    // Looked at before anything is locked: a chain without a rollout writes nothing to the disk.
    let forgotten = format!("SELECT {COLUMNS} FROM rollouts r WHERE state = 'finished' AND {LEFT} >= ?1 ORDER BY n");
    let is_under_way = "SELECT 1 FROM rollouts WHERE state IN ('running', 'paused') LIMIT 1";
    let nothing = first(engine, is_under_way, &[])?.is_none()
        && engine.query(&forgotten, values![plan::FORGOTTEN as u64])?.is_empty();
    if nothing {
        return Ok(());
    }
    let watched = presence::last_watched(engine)?;
    if watched.is_none_or(|at| now.unix_ms() - at > BLIND_MS) {
        return Ok(());
    }
    transaction(engine, |engine| {
        // Whoever writes this row does it; another receiver waits here, and then finds that it was done just now.
        let mine = engine.execute(
            "UPDATE wanted_book SET looked_ms = ?1 WHERE looked_ms <= ?2 OR looked_ms > ?1",
            values![now.unix_ms(), now.unix_ms() - LOOK_MS / 2],
        )?;
        if mine == 0 {
            return Ok(());
        }
        let sql = format!("SELECT {COLUMNS} FROM rollouts WHERE state IN ('running', 'paused') ORDER BY n");
        for row in &engine.query(&sql, &[])? {
            let entry = Entry::from_row(row)?;
            let seen = seen::read(engine, &entry, now)?;
            match plan::next(&seen, limits) {
                // What is paused goes nowhere, and is watched all the same.
                Step::Next | Step::Finish if entry.state == State::Paused => {}
                step => weigh(engine, &entry, &step, now)?,
            }
        }
        // One that was taken back after it had finished, by a headquarters that was put back to a day before.
        for row in &engine.query(&forgotten, values![plan::FORGOTTEN as u64])? {
            let entry = Entry::from_row(row)?;
            let rows = engine.query(
                "SELECT DISTINCT g.store FROM package_told t JOIN gateways g ON g.gateway = t.gateway
                 WHERE t.slot = ?1 AND t.version = ?2 AND t.stand = 'left' AND g.retired_ms IS NULL ORDER BY g.store",
                values![&entry.slot, entry.version],
            )?;
            let stores = rows.iter().map(|row| row.get(0)).collect::<Result<_, HqError>>()?;
            weigh(engine, &entry, &Step::Halt(Cause::Left { stores }), now)?;
        }
        Ok(())
    })
}

fn weigh(engine: &mut dyn Engine, entry: &Entry, step: &Step, now: Timestamp) -> Result<(), HqError> {
    let by = (ITSELF, now);
    match step {
        Step::Wait => return Ok(()),
        Step::Next | Step::Finish => {
            tracing::info!(rollout = entry.n, package = entry.name(), ?step, "a ring is proven");
            register::advance(engine, entry, by)?;
        }
        Step::Halt(cause) => {
            let why = cause.sentence(crate::report::Lang::En);
            tracing::error!(rollout = entry.n, package = entry.name(), why, "a rollout is halted and taken back");
            register::withdraw(engine, entry, State::Halted, cause, by)?;
            audit::note(engine, ITSELF, "rollout halted", &entry.name(), now)?;
        }
    }
    Ok(())
}
