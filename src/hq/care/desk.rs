//! Messages for the person at headquarters: what waits, what is dead and why, and sending it again. Ids alone.

use crate::{
    clock,
    domain::Timestamp,
    hq::{
        HqError,
        database::{
            Place,
            engine::{Row, values},
        },
    },
};
use std::io::Write;

/// Prints messages that are dead, then those under way, the longest waiting first; with `all` every one.
///
/// # Errors
/// The database's; a closed output ends it in peace.
pub fn print(place: &Place, all: bool, out: &mut impl Write) -> Result<(), HqError> {
    let which = if all { "" } else { "WHERE state IN ('dead', 'waiting', 'taken')" };
    let rows = place.read_only()?.query(
        &format!(
            "SELECT due_ms, store, kind, message, state, tries, reason, visit, customer FROM care_messages {which}
             ORDER BY CASE state WHEN 'dead' THEN 0 ELSE 1 END, due_ms, message"
        ),
        &[],
    )?;
    if rows.is_empty() {
        let _ = writeln!(out, "no message waits, and none is dead");
    }
    for row in &rows {
        if writeln!(out, "{}", line(row)?).is_err() {
            return Ok(());
        }
    }
    Ok(())
}

fn line(row: &Row) -> Result<String, HqError> {
    let due = Timestamp::from_unix_ms(row.get(0)?);
    let [store, kind, message, state] = [row.get::<String>(1)?, row.get(2)?, row.get(3)?, row.get(4)?];
    let (tries, reason, visit, customer): (u32, String, String, String) =
        (row.get(5)?, row.get(6)?, row.get(7)?, row.get(8)?);
    // A birthday is of no visit.
    let of = if visit.is_empty() { format!("customer {customer}") } else { format!("visit {visit}") };
    let why = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    let now = if state == "dead" {
        format!("\n    see to what it says, then run skinlink-hq care again {message}")
    } else {
        String::new()
    };
    Ok(format!("{due}  {store}  {kind:8} {message}  {of}  {state} after {tries} tries{why}{now}"))
}

/// Lets a dead message be handed out again, if its customer still agrees then and it still makes sense; `all`: every dead one.
///
/// # Errors
/// [`HqError::NoMessage`] where there is none; the database's.
pub fn again(place: &Place, message: &str, out: &mut impl Write) -> Result<(), HqError> {
    let count = place.open()?.execute(
        "UPDATE care_messages SET state = 'waiting', tries = 0, until_ms = ?2, changed_ms = ?2
         WHERE state = 'dead' AND (message = ?1 OR ?1 = 'all')",
        values![message, clock::now().wall.unix_ms()],
    )?;
    if count == 0 && message != "all" {
        return Err(HqError::NoMessage { message: message.to_owned() });
    }
    let _ = writeln!(out, "{count} on their way again");
    Ok(())
}
