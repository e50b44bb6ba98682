//! What customers said on their reports here and their store has not taken yet, for the person at headquarters: who was told how
//! often, and what to do. Ids, topics and times only: what a customer wrote is for the store.

use super::{
    HqError,
    database::{
        Place,
        engine::{Row, values},
    },
    inbox::DOUBT,
};
use crate::domain::Timestamp;
use std::io::Write;

/// One of them.
struct Untold {
    store: String,
    gateway: String,
    feedback: String,
    visit: String,
    topic: String,
    given: Timestamp,
    tries: u32,
    heard: Timestamp,
}

impl Untold {
    fn from_row(row: &Row) -> Result<Self, HqError> {
        Ok(Self {
            store: row.get(0)?,
            gateway: row.get(1)?,
            feedback: row.get(2)?,
            visit: row.get(3)?,
            topic: row.get(4)?,
            given: Timestamp::from_unix_ms(row.get(5)?),
            tries: row.get(6)?,
            heard: Timestamp::from_unix_ms(row.get(7)?),
        })
    }

    fn sentence(&self) -> String {
        let Self { store, feedback, topic, tries, heard, given, .. } = self;
        if heard <= given {
            return format!("the store was last heard {heard}, before this was said; it is told when it comes back");
        }
        if *tries < DOUBT {
            return "on its way to the store".to_owned();
        }
        let open = if topic == "withdraw" { " (all reports of this customer are closed here meanwhile)" } else { "" };
        format!(
            "said {tries} times and not taken: the store has no such visit, since it was erased there or the store was restored \
             from an older copy; call {store}, see to what the customer asked for{open}, then run skinlink-hq words --done {feedback}"
        )
    }
}

/// Prints what waits, the longest waiting first.
///
/// # Errors
/// The database's; a closed output ends it in peace.
pub fn print(place: &Place, out: &mut impl Write) -> Result<(), HqError> {
    let rows = place.read_only()?.query(
        "SELECT i.store, i.gateway, i.feedback, i.visit, i.topic, i.given_ms, i.tries, coalesce(g.last_heard_ms, 0)
         FROM feedback_inbox i LEFT JOIN gateways g ON g.gateway = i.gateway ORDER BY i.given_ms, i.feedback",
        &[],
    )?;
    if rows.is_empty() {
        let _ = writeln!(out, "nothing waits: the stores have taken all that customers said here");
    }
    for row in &rows {
        let untold = Untold::from_row(row)?;
        let Untold { store, gateway, feedback, visit, topic, given, .. } = &untold;
        let line = format!("{given}  {store} {gateway}  {topic:11} {feedback}  visit {visit}");
        if writeln!(out, "{line}\n    {}", untold.sentence()).is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// Takes one out that a person has seen to.
///
/// # Errors
/// [`HqError::NoWord`] where none waits; the database's.
pub fn done(place: &Place, feedback: &str, out: &mut impl Write) -> Result<(), HqError> {
    let gone = place.open()?.execute("DELETE FROM feedback_inbox WHERE feedback = ?1", values![feedback])?;
    if gone == 0 {
        return Err(HqError::NoWord { feedback: feedback.to_owned() });
    }
    let _ = writeln!(out, "{feedback}: taken out");
    Ok(())
}
