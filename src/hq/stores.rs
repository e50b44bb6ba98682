//! Every store at a glance, for the person at headquarters: when it was heard, what is here, what is missing.

use super::{HqError, database::Place, ledger::Ledger, waits::Waiting};
use crate::domain::Timestamp;
use std::io::Write;

/// One gateway of a store.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Standing {
    pub store: String,
    pub gateway: String,
    /// `online` or `offline`, as the broker last said.
    pub status: Option<String>,
    pub version: Option<String>,
    /// Milliseconds since 1970, by HQ's clock.
    pub last_heard_ms: i64,
    /// Events of the present epoch that the gateway says it has, and how many of them are here without a hole.
    pub announced: u64,
    pub upto: u64,
    pub refused: u64,
    pub alarms: u64,
    /// Since when it is out of use, by HQ's clock; `None`: it is in use.
    pub retired_ms: Option<i64>,
}

/// Prints one line a gateway, then one for each thing that waits for a shelf.
///
/// # Errors
/// The database's; a closed output ends it in peace.
pub fn print(place: &Place, json: bool, out: &mut impl Write) -> Result<(), HqError> {
    let ledger = Ledger::at(place)?;
    for standing in ledger.standings()? {
        let line = if json {
            serde_json::to_string(&standing).expect("a standing has only text and numbers")
        } else {
            describe(&standing)
        };
        if writeln!(out, "{line}").is_err() {
            return Ok(());
        }
    }
    for waiting in ledger.waiting()? {
        let line = if json {
            serde_json::to_string(&waiting).expect("what waits has only text and numbers")
        } else {
            let Waiting { what, reason, since_ms } = waiting;
            format!("waits since {}: {what}: {reason}", Timestamp::from_unix_ms(since_ms))
        };
        if writeln!(out, "{line}").is_err() {
            return Ok(());
        }
    }
    Ok(())
}

fn describe(standing: &Standing) -> String {
    let Standing { store, gateway, status, version, last_heard_ms, announced, upto, refused, alarms, retired_ms } =
        standing;
    let status = status.as_deref().unwrap_or("not heard");
    let version = version.as_deref().unwrap_or("?");
    // Of some only a retained word is known.
    let heard = match *last_heard_ms {
        0 => "never heard".to_owned(),
        at => format!("heard {}", Timestamp::from_unix_ms(at)),
    };
    let behind = announced.saturating_sub(*upto);
    let retired = retired_ms.map_or_else(String::new, |at| format!(", retired {}", Timestamp::from_unix_ms(at)));
    format!(
        "{store:12} {gateway:16} {status:9} {version:8} {heard}  here {upto}, behind {behind}, refused {refused}, \
         alarms {alarms}{retired}"
    )
}
