//! One line an event, as it arrives: for the person who wants to see that a store is being heard.

use super::{
    HqError,
    database::Place,
    events,
    ledger::{Ledger, Stored},
};
use crate::sync::{
    envelope::TYPE_PREFIX,
    payload::{self, kind},
};
use std::{collections::BTreeSet, io::Write, time::Duration};
use tokio_util::sync::CancellationToken;

/// How often the database is looked at: quick to the eye, nothing to the processor.
const LOOK: Duration = Duration::from_millis(200);

/// Rows read at once.
const PAGE: u32 = 500;

/// Numbers that may still become visible out of order: what a few receivers commit at once.
const LATE: usize = 300;

/// How to print.
#[derive(Debug, Clone, Copy)]
pub struct TailOptions {
    pub json: bool,
    /// Events before the newest to begin with.
    pub last: u64,
    /// Go on with what arrives; else end after what is there.
    pub follow: bool,
}

/// Prints until `stop` or, without `follow`, until the newest event.
///
/// # Errors
/// The database's; a closed output ends it in peace.
pub async fn run(
    place: &Place,
    options: TailOptions,
    out: &mut impl Write,
    stop: CancellationToken,
) -> Result<(), HqError> {
    let ledger = Ledger::at(place)?;
    let mut seen = Seen::after(ledger.newest()?.saturating_sub(options.last));
    loop {
        let page = ledger.events_after(seen.from, PAGE)?;
        let full = page.len() == PAGE as usize;
        let mut printed = false;
        for event in &page {
            if !seen.is_new(event.n) {
                continue;
            }
            let line = if options.json { json(event) } else { describe(event) };
            if writeln!(out, "{line}").is_err() {
                return Ok(());
            }
            printed = true;
        }
        let _ = out.flush();
        seen.forget(full);
        if printed || full {
            continue;
        }
        if !options.follow {
            return Ok(());
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

/// Which numbers were printed. Several receivers commit in another order than they draw numbers, so the last few are looked
/// through again.
struct Seen {
    /// Everything up to here is done with.
    from: u64,
    printed: BTreeSet<u64>,
}

impl Seen {
    fn after(from: u64) -> Self {
        Self { from, printed: BTreeSet::new() }
    }

    fn is_new(&mut self, n: u64) -> bool {
        self.printed.insert(n)
    }

    /// A page full of what is known holds nothing new: then the end is moved on.
    fn forget(&mut self, full: bool) {
        let keep = if full { 0 } else { LATE };
        while self.printed.len() > keep
            && let Some(first) = self.printed.pop_first()
        {
            self.from = first;
        }
    }
}

fn json(event: &Stored) -> String {
    serde_json::to_string(event).expect("a stored event has only text and numbers")
}

/// `2026-03-02T09:14:05.120Z  sh-001-g1 #41  reading  moisture left_cheek 35.3 % …`
#[must_use]
pub fn describe(event: &Stored) -> String {
    let Stored { gateway, seq, time, kind, refused, .. } = event;
    let short = kind.strip_prefix(TYPE_PREFIX).unwrap_or(kind);
    let name = short.split('.').next().unwrap_or(short);
    let what = match refused {
        Some(reason) => format!("REFUSED: {reason}"),
        None => said(event, short).unwrap_or_else(|| event.subject.clone()),
    };
    events::shown(&format!("{time:24}  {gateway} #{seq}  {name:<11} {what}"))
}

/// The payload in a few words; `None` for a kind this program does not know.
fn said(event: &Stored, short: &str) -> Option<String> {
    Some(match short {
        kind::READING => {
            let payload::Reading { metric, region, value, unit, repeats, phase, device, .. } = event.data().ok()?;
            let serial = device.serial;
            format!("{phase}: {metric} {region} {value} {unit} ({} repeats, device {serial})", repeats.len())
        }
        kind::MEASUREMENT => {
            let payload::Measurement { values, station, device, .. } = event.data().ok()?;
            let values: Vec<String> =
                values.iter().map(|one| format!("{} {} {}", one.metric, one.value, one.unit)).collect();
            format!("{station}: {} (device {})", values.join(", "), device.serial)
        }
        kind::VISIT => {
            let payload::Visit { visit, state, station, version, .. } = event.data().ok()?;
            format!("{visit} {state} at {station} (version {version})")
        }
        kind::SCAN => {
            let payload::Scan { visit, phase, state, .. } = event.data().ok()?;
            format!("{phase} {state}, visit {visit}")
        }
        kind::CONSENT => {
            let payload::Consent { purpose, given, channel, .. } = event.data().ok()?;
            format!("{purpose} {} ({channel})", if given { "given" } else { "withdrawn" })
        }
        kind::CAPTURE => {
            let payload::Capture { phase, view, width, height, bytes, .. } = event.data().ok()?;
            format!("{phase}: {view} {width}×{height}, {bytes} bytes")
        }
        kind::SCORE => {
            let payload::Score { phase, metric, region, value, unit, engine, .. } = event.data().ok()?;
            format!("{phase}: {metric} {region} {value} {unit} (model {})", engine.model)
        }
        kind::COMPARISON => {
            let payload::Comparison { baseline, items, .. } = event.data().ok()?;
            let count = |verdict: &str| items.iter().filter(|item| item.verdict == verdict).count();
            let (better, worse) = (count("improved"), count("worsened"));
            format!("{baseline}: {better} improved, {worse} worsened of {}", items.len())
        }
        kind::VOIDED => {
            let payload::Voided { what, id, restored, .. } = event.data().ok()?;
            format!("{what} {id} {}", if restored { "restored" } else { "voided" })
        }
        kind::REASSIGNED => {
            let payload::Reassigned { what, id, .. } = event.data().ok()?;
            format!("{what} {id} moved")
        }
        kind::REDACTED => {
            let payload::Redacted { reason } = event.data().ok()?;
            format!("content {reason}")
        }
        kind::ERASED => {
            let payload::Erased { customer, .. } = event.data().ok()?;
            format!("customer {customer}")
        }
        kind::ANSWER => {
            let payload::Answer { order, outcome, .. } = event.data().ok()?;
            format!("order {order} {}", outcome.as_str())
        }
        _ => return None,
    })
}
