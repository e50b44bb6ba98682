//! What of the chain's packages one store has, as its gateways told: for the page of the store.

use crate::{
    domain::Timestamp,
    hq::{
        HqError,
        database::engine::{Engine, Row, only, values},
    },
    sync::package::Stand,
};

/// One package in one gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Here {
    pub gateway: String,
    pub slot: String,
    pub version: u64,
    pub stand: Stand,
    /// Why it was refused, in the gateway's words.
    pub reason: String,
    /// Photographs; absent where the gateway counted none, as for what is no model.
    pub measured: Option<u64>,
    pub failed: Option<u64>,
    /// It has stood so since then.
    pub since: Timestamp,
    /// No store may use it any more.
    pub withdrawn: bool,
}

impl Here {
    /// `None` for what gave way to another one, and for a word of a newer program.
    fn from_row(row: &Row) -> Result<Option<Self>, HqError> {
        let stand = match row.get::<String>(3)?.as_str() {
            "held" => Stand::Held,
            "used" => Stand::Used,
            "refused" => Stand::Refused,
            "left" => Stand::Left,
            _ => return Ok(None),
        };
        Ok(Some(Self {
            gateway: row.get(0)?,
            slot: row.get(1)?,
            version: row.get(2)?,
            stand,
            reason: row.get(4)?,
            measured: row.get(5)?,
            failed: row.get(6)?,
            since: Timestamp::from_unix_ms(row.get(7)?),
            withdrawn: row.get(8)?,
        }))
    }
}

/// What the gateways in use of a store use and hold, and what it last refused or left, until something newer is in use. Of each slot the newest first.
///
/// # Errors
/// The database's.
pub fn here(engine: &mut dyn Engine, store: &str) -> Result<Vec<Here>, HqError> {
    let rows = engine.query(
        "SELECT t.gateway, t.slot, t.version, t.stand, t.reason, t.measured, t.failed, t.since_ms,
             CASE WHEN w.version IS NULL THEN 0 ELSE 1 END
         FROM gateways g JOIN package_told t ON t.gateway = g.gateway
         LEFT JOIN withdrawn_packages w ON w.slot = t.slot AND w.version = t.version
         WHERE g.store = ?1 AND g.retired_ms IS NULL ORDER BY t.slot, t.gateway, t.version DESC",
        values![store],
    )?;
    let mut told = Vec::new();
    for row in &rows {
        told.extend(Here::from_row(row)?);
    }
    Ok(present(told))
}

/// Without what is history: a gateway tells for years what it once refused. `told`: of each slot and gateway the newest first.
fn present(told: Vec<Here>) -> Vec<Here> {
    let mut kept: Vec<Here> = Vec::new();
    for one in told {
        let newer = || kept.iter().filter(|other| other.slot == one.slot && other.gateway == one.gateway);
        let is_past = match one.stand {
            Stand::Used | Stand::Held => false,
            Stand::Refused | Stand::Left => newer().any(|other| other.stand == Stand::Used || other.stand == one.stand),
        };
        if !is_past {
            kept.push(one);
        }
    }
    kept
}

/// How many versions no store may use any more: a page shows which of its own are among them.
///
/// # Errors
/// The database's.
pub fn withdrawn(engine: &mut dyn Engine) -> Result<u64, HqError> {
    only(engine, "SELECT count(*) FROM withdrawn_packages", &[])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_refused_is_told_until_something_newer_is_used() {
        let one = |slot: &str, version, stand| Here {
            gateway: "g".into(),
            slot: slot.into(),
            version,
            stand,
            reason: String::new(),
            measured: None,
            failed: None,
            since: Timestamp::from_unix_ms(0),
            withdrawn: false,
        };
        let told = vec![
            one("model/a", 9, Stand::Held),
            one("model/a", 8, Stand::Refused),
            one("model/a", 7, Stand::Left),
            one("model/a", 6, Stand::Used),
            one("model/a", 5, Stand::Refused),
            one("model/a", 4, Stand::Left),
            one("treatments", 3, Stand::Refused),
            one("treatments", 2, Stand::Refused),
        ];
        let kept: Vec<_> = present(told).into_iter().map(|one| (one.slot, one.version)).collect();
        let model = |version| ("model/a".to_owned(), version);
        assert_eq!(kept, [model(9), model(8), model(7), model(6), ("treatments".to_owned(), 3)]);
    }
}
