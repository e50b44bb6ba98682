//! What went wrong and was written down, for the person at headquarters: messages that could not be read or stored, gateways that
//! say something else than before, events that are nowhere any more. Each stays until someone says that it is seen to.

use super::{
    HqError,
    database::{Place, engine::values},
    events,
};
use crate::domain::Timestamp;
use std::io::Write;

/// Prints them, oldest first.
///
/// # Errors
/// The database's; a closed output ends it in peace.
pub fn print(place: &Place, out: &mut impl Write) -> Result<(), HqError> {
    let rows = place.read_only()?.query(
        "SELECT a.n, coalesce(g.store, '?'), a.gateway, a.reason, a.raised_ms, a.times, a.last_ms, length(a.body)
         FROM alarms a LEFT JOIN gateways g ON g.gateway = a.gateway ORDER BY a.n",
        &[],
    )?;
    if rows.is_empty() {
        let _ = writeln!(out, "no alarm");
    }
    for row in &rows {
        let (n, store, gateway): (i64, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        // An older program wrote down whatever was sent.
        let reason = events::sentence(&row.get::<String>(3)?);
        let (times, bytes): (i64, i64) = (row.get(5)?, row.get(7)?);
        let raised = Timestamp::from_unix_ms(row.get(4)?);
        let again = match row.get::<Option<i64>>(6)? {
            Some(last) => format!(", {times} times, last {}", Timestamp::from_unix_ms(last)),
            None => String::new(),
        };
        let kept = if bytes > 0 { format!("; {bytes} bytes of it are kept in alarms.body") } else { String::new() };
        if writeln!(out, "{n}  {raised}  {store} {gateway}{again}\n    {reason}{kept}").is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// Takes one out that a person has seen to.
///
/// # Errors
/// [`HqError::NoAlarm`] where there is none, also for one that a gateway is still told of; the database's.
pub fn done(place: &Place, n: u64, out: &mut impl Write) -> Result<(), HqError> {
    // With a sequence they say from where on an epoch holds another life's events: the gateway is told until it has begun anew.
    let gone = place.open()?.execute("DELETE FROM alarms WHERE n = ?1 AND seq = 0", values![n])?;
    if gone == 0 {
        return Err(HqError::NoAlarm { n });
    }
    let _ = writeln!(out, "{n}: taken out");
    Ok(())
}
