//! The clock of retention: how much time has really passed for what is kept. A wall clock jumps (an empty battery, a wrong
//! time server, a hand), and nothing may be released because of that.
//!
//! It follows the wall clock, but never goes back, and never goes faster than twice as fast as the machine ran since it was
//! last read, plus a day for each start of the machine. A store that was closed for three weeks catches up in as many days
//! of work; a clock that is wrong by two months for a day brings it a day too far.
//!
//! Where it is a little ahead of the wall clock it waits for it. Where it is far ahead, since the wall clock was years ahead when
//! this one was first read, waiting would keep everything for years: it goes on by as much as passes. What it has marked counts
//! from its own marks, so that its date does not matter.

use super::{Store, columns::int, columns::uint, error::StoreError};
use crate::{
    clock,
    domain::{BootId, ClockState, Stamp, Timestamp},
};
use rusqlite::{Connection, OptionalExtension, params};

const HOUR_MS: i64 = 3_600_000;

/// How far a start of the machine may take it: a night, or a day of rest.
const FOR_A_START_MS: i64 = 24 * HOUR_MS;

/// A clock that runs ahead of the wall clock by more than this is not waited for: no few starts bring it there.
const WAITED_FOR_MS: i64 = 7 * 24 * HOUR_MS;

/// Where the clock stood when it was last read.
#[derive(Debug, Clone, Copy)]
struct Reached {
    ms: i64,
    boot: BootId,
    ns: u64,
    /// What the wall clock said then.
    wall: Option<i64>,
}

impl Reached {
    fn load(conn: &Connection) -> rusqlite::Result<Option<Self>> {
        conn.prepare_cached("SELECT reached_ms, boot, ns, wall_ms FROM retention_clock")?
            .query_row([], |row| Ok(Self { ms: row.get(0)?, boot: row.get(1)?, ns: uint(row, 2)?, wall: row.get(3)? }))
            .optional()
    }

    fn at(&self, now: &Stamp) -> i64 {
        let ms = |ns: u64| i64::try_from(ns / 1_000_000).unwrap_or(i64::MAX);
        let (ran, most) = if self.boot == now.boot {
            let ran = ms(now.monotonic_ns.saturating_sub(self.ns));
            (ran, ran.saturating_mul(2))
        } else {
            (ms(now.monotonic_ns).min(FOR_A_START_MS), FOR_A_START_MS)
        };
        let wall = now.wall.unix_ms();
        if self.ms.saturating_sub(wall) > WAITED_FOR_MS {
            // Across a start the machine cannot say how long it was off; the wall clock can, within a day.
            let passed = self.wall.map_or(ran, |before| wall.saturating_sub(before).clamp(ran, most));
            return self.ms.saturating_add(passed);
        }
        self.ms.max(wall.min(self.ms.saturating_add(most)))
    }
}

/// The time with which to mark what retention counts from: the retention clock's, as last read, or the wall clock's where it
/// never ran.
pub(super) fn mark(conn: &Connection) -> rusqlite::Result<Timestamp> {
    let reached = Reached::load(conn)?.map(|reached| Timestamp::from_unix_ms(reached.ms));
    Ok(reached.unwrap_or_else(|| clock::now().wall))
}

impl Store {
    /// Reads the retention clock, moving it on to `now`; `None` while the wall clock was never set: nothing is released then.
    pub async fn retention_time(&self, now: Stamp) -> Result<Option<Timestamp>, StoreError> {
        if now.clock == ClockState::Unset {
            return Ok(None);
        }
        self.write(move |tx| {
            let reached = match Reached::load(tx)? {
                Some(reached) => reached.at(&now),
                None => begin(tx, now.wall.unix_ms())?,
            };
            tx.execute(
                "INSERT INTO retention_clock (one, reached_ms, boot, ns, wall_ms) VALUES (1, ?1, ?2, ?3, ?4)
                 ON CONFLICT DO UPDATE SET reached_ms = excluded.reached_ms, boot = excluded.boot, ns = excluded.ns,
                     wall_ms = excluded.wall_ms",
                params![reached, now.boot, int(now.monotonic_ns), now.wall],
            )?;
            Ok(Some(Timestamp::from_unix_ms(reached)))
        })
        .await
    }
}

/// The first reading: not far beyond the newest thing that is known, in case the clock is wrong just now. What was marked
/// before the clock was ever set, or under one that was ahead, counts from here.
fn begin(conn: &Connection, wall: i64) -> rusqlite::Result<i64> {
    let newest: Option<i64> = conn
        .query_row("SELECT queued_ms FROM outbox ORDER BY place DESC LIMIT 1", [], |row| row.get(0))
        .optional()?
        .filter(|ms| *ms >= clock::PLAUSIBLE_MS);
    let reached = newest.map_or(wall, |newest| wall.min(newest.saturating_add(FOR_A_START_MS)));
    let first = clock::PLAUSIBLE_MS;
    conn.execute("UPDATE pictures SET saved_ms = ?1 WHERE saved_ms NOT BETWEEN ?2 AND ?1", [reached, first])?;
    conn.execute("UPDATE visits SET ended_ms = ?1 WHERE ended_ms NOT BETWEEN ?2 AND ?1", [reached, first])?;
    let (hour, first) = (reached / HOUR_MS, first / HOUR_MS);
    conn.execute(
        "INSERT INTO acknowledged_by_hour (epoch, hour, upto)
         SELECT epoch, ?1, max(upto) FROM acknowledged_by_hour WHERE hour NOT BETWEEN ?2 AND ?1 GROUP BY epoch
         ON CONFLICT DO UPDATE SET upto = max(upto, excluded.upto)",
        [hour, first],
    )?;
    conn.execute("DELETE FROM acknowledged_by_hour WHERE hour NOT BETWEEN ?2 AND ?1", [hour, first])?;
    Ok(reached)
}
