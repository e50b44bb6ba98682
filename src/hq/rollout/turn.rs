//! One look at all rollouts under way; any of several receivers may take it.

use super::{
    LOOK_MS,
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

/// Weighs every rollout under way, and does what is next.
///
/// # Errors
/// The database's; then nothing was done.
pub fn turn(engine: &mut dyn Engine, limits: &Limits, now: Timestamp) -> Result<(), HqError> {
    // Looked at before anything is locked: a chain without a rollout writes nothing to the disk.
    if first(engine, "SELECT 1 FROM rollouts WHERE state = 'running' LIMIT 1", &[])?.is_none() {
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
        let sql = format!("SELECT {COLUMNS} FROM rollouts WHERE state = 'running' ORDER BY n");
        for row in &engine.query(&sql, &[])? {
            let entry = Entry::from_row(row)?;
            let seen = seen::read(engine, &entry, now)?;
            weigh(engine, &entry, &plan::next(&seen, limits), now)?;
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
