//! What appointments, staff, orders and packages share on their way down: what is not confirmed is said again after growing pauses, only
//! to gateways that understand it; and books, whose numbers begin anew where a gateway knows more of one than this database.

use super::{
    HqError,
    database::engine::{Engine, values},
};
use crate::{
    clock,
    domain::Epoch,
    sync::{
        agenda::{About, Held},
        topic::Address,
    },
};

/// The first pause between two tries, doubled each time: a store may be away for weeks, and one that comes back says hello.
pub(super) const FIRST_PAUSE_MS: i64 = 5_000;
pub(super) const DOUBLINGS: i64 = 9;

/// A gateway that has not said that it understands something is looked at again after this.
const LOOK_AGAIN_MS: i64 = 60_000;

/// Until something is said again that was said so often, or it is looked again whether it may be said.
pub(super) fn pause_ms(understands: bool, tries: i64) -> i64 {
    if understands { FIRST_PAUSE_MS << tries.clamp(0, DOUBLINGS) } else { LOOK_AGAIN_MS }
}

/// Whether a self-description names a downlink.
pub(super) fn understands(about: Option<&str>, word: &str) -> bool {
    let about = about.and_then(|about| serde_json::from_str::<About>(about).ok()).unwrap_or_default();
    about.downlinks.iter().any(|one| one == word)
}

/// A name for a numbering: never the same again.
pub(super) fn numbering() -> String {
    clock::mint(Epoch::from_bits).to_string()
}

/// The tables of a book that each store has of its own, and of how far gateways hold it.
pub(super) struct Book {
    pub books: &'static str,
    pub told: &'static str,
    /// Said in the log where a gateway knows more of it than this database, since a backup was brought back.
    pub knows_more: &'static str,
}

impl Book {
    /// Notes how far a gateway says that it holds the book of its store, which begins anew where the gateway knows more of it than this
    /// database: it has seen it before a backup was brought back.
    /// One that `is_back` is told at once what it does not hold; the pauses of any other go on, unless it holds something else by now.
    pub(super) fn heard(
        &self,
        engine: &mut dyn Engine,
        from: &Address,
        held: Option<&Held>,
        is_back: bool,
    ) -> Result<(), HqError> {
        let Self { books, told, knows_more } = self;
        let Address { store, gateway } = from;
        let nothing = Held { book: String::new(), version: 0 };
        let held = held.unwrap_or(&nothing);
        let otherwise = format!(" WHERE {told}.book <> excluded.book OR {told}.version <> excluded.version");
        let kept = if is_back { "" } else { &otherwise };
        engine.execute(
            &format!(
                "INSERT INTO {told}(gateway, book, version, due_ms, tries) VALUES (?1, ?2, ?3, 0, 0)
                 ON CONFLICT (gateway) DO UPDATE SET book = excluded.book, version = excluded.version, due_ms = 0, tries = 0{kept}"
            ),
            values![gateway, &held.book, held.version],
        )?;
        let anew = engine.execute(
            &format!("UPDATE {books} SET book = ?4 WHERE store = ?1 AND book = ?2 AND version < ?3"),
            values![store, &held.book, held.version, &numbering()],
        )?;
        if anew > 0 {
            tracing::warn!(gateway, "{knows_more}");
        }
        Ok(())
    }
}
