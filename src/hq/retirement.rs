//! Gateways that are not in use any more: the machine was replaced, or went to another store under another name.
//!
//! One that is retired stays with all that it ever told. Whatever speaks of the stores as they are now leaves it out: it is told nothing, nobody
//! waits for its answers, no figure, alert or rollout looks at it, and no message of care waits for it. What it still sends is taken in as
//! ever. A hello brings it back: somebody uses it.

use super::{
    HqError,
    database::engine::{Engine, first, only, transaction, values},
    inbox,
    office::audit,
    orders, rollout,
};
use crate::domain::Timestamp;

/// A gateway that is there says something of itself each minute.
const THERE_MS: i64 = 10 * 60_000;

/// What a person should know of a gateway that was retired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retired {
    pub store: String,
    /// Events that it has spoken of and never brought: they are on its disk alone.
    pub behind: u64,
    /// Gateways of the store that are in use still.
    pub others: u64,
    /// What customers said at headquarters of visits that it has, and that it was not told: it waits until the gateway is back.
    pub words: u64,
    /// Erasures ordered of the store that nobody there can do any more; 0 where another gateway is in use.
    pub erasures: u64,
}

/// Takes a gateway out of use. `who` stands in the audit.
///
/// # Errors
/// [`HqError::Gateway`] with what to do where it is unknown, retired already or there now; the database's. Nothing was changed then.
pub fn retire(engine: &mut dyn Engine, gateway: &str, (who, now): (&str, Timestamp)) -> Result<Retired, HqError> {
    transaction(engine, |engine| {
        let Known { store, retired, told_ms } = Known::locked(engine, gateway)?;
        if retired {
            return Err(refused(format!("{gateway} is retired already; skinlink-hq stores says since when")));
        }
        if told_ms.is_some_and(|at| now.unix_ms() - at < THERE_MS) {
            return Err(refused(format!(
                "{gateway} is online, and its next hello would bring it back; switch its machine off first: it can be retired once the broker \
                 says that it is offline, or ten minutes after its last word"
            )));
        }
        set(engine, (&store, gateway), Some(now))?;
        orders::settle_waiting(engine, &store, now)?;
        audit::note(engine, who, "gateway retired", &format!("{store} {gateway}"), now)?;
        let behind = "SELECT CASE WHEN s.announced > s.last_seq THEN s.announced ELSE s.last_seq END - s.upto
             FROM gateways g JOIN streams s ON s.gateway = g.gateway AND s.epoch = g.epoch WHERE g.gateway = ?1";
        let behind = first(engine, behind, values![gateway])?.map_or(Ok(0), |row| row.get::<i64>(0))?;
        let others = "SELECT count(*) FROM gateways WHERE store = ?1 AND retired_ms IS NULL";
        let others: u64 = only(engine, others, values![&store])?;
        let words = inbox::waiting(engine, gateway)?;
        let erasures = "SELECT count(*) FROM orders WHERE store = ?1 AND what = 'erase' AND state = 'waiting'";
        let erasures = if others == 0 { only(engine, erasures, values![&store])? } else { 0 };
        Ok(Retired { store, behind: behind.max(0).unsigned_abs(), others, words, erasures })
    })
}

/// Takes a gateway into use again; gives its store. `who` stands in the audit.
///
/// # Errors
/// [`HqError::Gateway`] with what to do where it is unknown or not retired; the database's. Nothing was changed then.
pub fn back(engine: &mut dyn Engine, gateway: &str, (who, now): (&str, Timestamp)) -> Result<String, HqError> {
    transaction(engine, |engine| {
        let Known { store, retired, .. } = Known::locked(engine, gateway)?;
        if !retired {
            return Err(refused(format!("{gateway} is in use; there is nothing to take back")));
        }
        set(engine, (&store, gateway), None)?;
        audit::note(engine, who, "gateway back in use", &format!("{store} {gateway}"), now)?;
        Ok(store)
    })
}

/// A retired gateway has said hello. Not in the audit, whose end everybody else waits for: a receiver goes on with the hellos of others.
pub(super) fn heard(engine: &mut dyn Engine, store: &str, gateway: &str) -> Result<(), HqError> {
    tracing::warn!(
        store,
        gateway,
        "a retired gateway says hello: it is in use again; where it is not to be, switch it off"
    );
    set(engine, (store, gateway), None)
}

fn set(engine: &mut dyn Engine, (store, gateway): (&str, &str), at: Option<Timestamp>) -> Result<(), HqError> {
    rollout::blameless(engine, store, |engine| {
        let sql = "UPDATE gateways SET retired_ms = ?2 WHERE gateway = ?1";
        engine.execute(sql, values![gateway, at.map(Timestamp::unix_ms)]).map(drop)
    })
}

struct Known {
    store: String,
    retired: bool,
    /// When it last spoke of itself, or of anything if never of that, while the broker says that it is online.
    told_ms: Option<i64>,
}

impl Known {
    /// Its row is written, so that a receiver that hears it waits until the end.
    fn locked(engine: &mut dyn Engine, gateway: &str) -> Result<Self, HqError> {
        let sql = "UPDATE gateways SET store = store WHERE gateway = ?1
             RETURNING store, CASE WHEN retired_ms IS NULL THEN 0 ELSE 1 END, 
                 CASE WHEN status = 'online' THEN coalesce(about_ms, last_heard_ms) END";
        let row = first(engine, sql, values![gateway])?;
        let row = row.ok_or_else(|| {
            refused(format!("no gateway {gateway} was ever heard; skinlink-hq stores lists them, in the second column"))
        })?;
        Ok(Self { store: row.get(0)?, retired: row.get(1)?, told_ms: row.get(2)? })
    }
}

fn refused(sentence: String) -> HqError {
    HqError::Gateway(sentence)
}
