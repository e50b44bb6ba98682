//! Maps times taken while the wall clock was not set, once it is.

use super::{
    Store,
    error::StoreError,
    outbox::{self, About, Gate},
};
use crate::{
    domain::{ClockState, Stamp},
    sync::payload::{self, kind},
};
use rusqlite::params;

impl Store {
    /// Tells HQ, once per boot, what the wall clock reads now that it is set. `false` when it was told before, or when the
    /// stamp's own clock is not set.
    pub async fn tell_clock(&self, now: Stamp) -> Result<bool, StoreError> {
        if now.clock == ClockState::Unset {
            return Ok(false);
        }
        self.write(move |tx| {
            let boot = now.boot.bits();
            let told = tx.query_row(
                "SELECT EXISTS (SELECT 1 FROM outbox WHERE object = ?1 AND kind = ?2)",
                params![boot.to_be_bytes(), kind::CLOCK],
                |row| row.get::<_, bool>(0),
            )?;
            if told {
                return Ok(false);
            }
            let subject = now.boot.to_string();
            let payload = payload::Clock {
                boot: subject.clone(),
                monotonicns: now.monotonic_ns.to_string(),
                wall_ms: now.wall.unix_ms(),
            };
            let (gate, kind) = (Gate::Always, kind::CLOCK);
            let about = About { kind, gate, customer: None, visit: None, object: boot, subject, stamp: now };
            outbox::enqueue(tx, &about, &payload)
        })
        .await
    }
}
