//! The clock of retention: how much time has really passed for what is kept. A wall clock jumps (an empty battery, a wrong
//! time server, a hand), and nothing may be released because of that.
//!
//! It follows the wall clock, but never goes back, and never goes faster than twice as fast as the machine ran since it was
//! last read, plus a day for each start of the machine. A store that was closed for three weeks catches up in as many days
//! of work; a clock that is wrong by two months for a day brings it a day too far.

use super::{Store, columns::int, columns::uint, error::StoreError};
use crate::{
    clock,
    domain::{BootId, ClockState, Stamp, Timestamp},
};
use rusqlite::{Connection, OptionalExtension, params};

const HOUR_MS: i64 = 3_600_000;

/// How far a start of the machine may take it: a night, or a day of rest.
const FOR_A_START_MS: i64 = 24 * HOUR_MS;

/// Where the clock stood when it was last read.
#[derive(Debug, Clone, Copy)]
struct Reached {
    ms: i64,
    boot: BootId,
    ns: u64,
}

impl Reached {
    fn load(conn: &Connection) -> rusqlite::Result<Option<Self>> {
        conn.prepare_cached("SELECT reached_ms, boot, ns FROM retention_clock")?
            .query_row([], |row| Ok(Self { ms: row.get(0)?, boot: row.get(1)?, ns: uint(row, 2)? }))
            .optional()
    }

    fn at(&self, now: &Stamp) -> i64 {
        let allowed = if self.boot == now.boot {
            let ran = now.monotonic_ns.saturating_sub(self.ns) / 1_000_000;
            i64::try_from(ran).unwrap_or(i64::MAX).saturating_mul(2)
        } else {
            FOR_A_START_MS
        };
        self.ms.max(now.wall.unix_ms().min(self.ms.saturating_add(allowed)))
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
                "INSERT INTO retention_clock (one, reached_ms, boot, ns) VALUES (1, ?1, ?2, ?3)
                 ON CONFLICT DO UPDATE SET reached_ms = excluded.reached_ms, boot = excluded.boot, ns = excluded.ns",
                params![reached, now.boot, int(now.monotonic_ns)],
            )?;
            Ok(Some(Timestamp::from_unix_ms(reached)))
        })
        .await
    }
}

/// The first reading: not far beyond the newest thing that is known, in case the clock is wrong just now. What was marked
/// before the clock was ever set counts from here.
fn begin(conn: &Connection, wall: i64) -> rusqlite::Result<i64> {
    let newest: Option<i64> = conn
        .query_row("SELECT queued_ms FROM outbox ORDER BY place DESC LIMIT 1", [], |row| row.get(0))
        .optional()?
        .filter(|ms| *ms >= clock::PLAUSIBLE_MS);
    let reached = newest.map_or(wall, |newest| wall.min(newest.saturating_add(FOR_A_START_MS)));
    conn.execute("UPDATE pictures SET saved_ms = ?1 WHERE saved_ms < ?2", [reached, clock::PLAUSIBLE_MS])?;
    conn.execute(
        "INSERT INTO acknowledged_by_hour (epoch, hour, upto)
         SELECT epoch, ?1, max(upto) FROM acknowledged_by_hour WHERE hour < ?2 GROUP BY epoch
         ON CONFLICT DO UPDATE SET upto = max(upto, excluded.upto)",
        [reached / HOUR_MS, clock::PLAUSIBLE_MS / HOUR_MS],
    )?;
    conn.execute("DELETE FROM acknowledged_by_hour WHERE hour < ?1", [clock::PLAUSIBLE_MS / HOUR_MS])?;
    Ok(reached)
}
