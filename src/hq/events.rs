//! One row of a batch: read, held to the rules; what to say when it stands there already.

use super::{
    HqError,
    database::engine::{Engine, Held, NewRow, first, only, values},
    dead_letters, erasure, records,
};
use crate::{
    clock,
    domain::{Epoch, EventId},
    sync::{
        downlink::Downlink,
        envelope::{Batch, Event, TYPE_PREFIX},
        package::{Holding, is_digest},
        payload,
        reply::{Hello, MAX_PAST, MAX_REFUSED, PastEpoch, Reply, SeqRange},
        topic::Address,
    },
};

/// Characters of a reason that are written down of an alarm, and that go back to the gateway.
const MAX_REASON: usize = 400;

/// Highest sequence that is believed: what every reader of JSON holds exactly. Sums of a few thousand fit 64 bits.
const MAX_SEQ: u64 = (1 << 53) - 1;

/// Ranges of one earlier epoch that a hello names as told elsewhere: what a gateway's own hello has room for. Each is looked up.
const MAX_MOVED: usize = 64;

/// Reads the frame of a batch, not yet its events.
pub(super) fn read_batch(payload: &[u8]) -> Result<Batch, String> {
    let batch: Batch = serde_json::from_slice(payload).map_err(|fault| format!("unreadable batch: {fault}"))?;
    batch.epoch.parse::<Epoch>().map_err(|fault| format!("batch epoch: {fault}"))?;
    if batch.events.is_empty() || batch.events.len() != batch.count as usize {
        return Err(format!("batch says {} events and holds {}", batch.count, batch.events.len()));
    }
    let last = batch.first_seq.saturating_add(batch.events.len() as u64 - 1);
    if batch.first_seq == 0 || last > MAX_SEQ {
        return Err(format!("batch starts at seq {}", batch.first_seq));
    }
    Ok(batch)
}

/// Reads a hello, and holds its numbers to what a batch may say.
pub(super) fn read_hello(payload: &[u8]) -> Result<Hello, String> {
    let hello: Hello = serde_json::from_slice(payload).map_err(|fault| format!("unreadable hello: {fault}"))?;
    let Hello { epoch, last_seq, oldest_kept, version: _, refused, past, agenda, downlink } = &hello;
    let many = past.len() > MAX_PAST || refused.len() > MAX_REFUSED;
    if many || past.iter().any(|past| past.moved.len() > MAX_MOVED) {
        return Err(format!(
            "hello names more than {MAX_PAST} earlier epochs, {MAX_REFUSED} refused ranges, or {MAX_MOVED} moved ones of an epoch"
        ));
    }
    believable(epoch, *last_seq, *oldest_kept, refused)?;
    for PastEpoch { epoch, last_seq, oldest_kept, moved } in past {
        believable(epoch, *last_seq, *oldest_kept, moved)?;
    }
    if let Some(held) = agenda.as_ref().filter(|held| held.version > MAX_SEQ || held.book.len() > 64) {
        return Err(format!("hello speaks of change {} of an agenda; they end at {MAX_SEQ}", held.version));
    }
    downlink.as_ref().map_or(Ok(()), believable_downlink)?;
    Ok(hello)
}

/// Slots of a gateway, each with what is used, held, left and refused.
const MAX_HOLDINGS: usize = 128;

fn believable_downlink(said: &Downlink) -> Result<(), String> {
    let Downlink { staff, wanted, packages, fetch } = said;
    if let Some(held) =
        [staff, wanted].into_iter().flatten().find(|held| held.version > MAX_SEQ || held.book.len() > 64)
    {
        return Err(format!("hello speaks of change {} of the downlink; they end at {MAX_SEQ}", held.version));
    }
    if packages.len() > MAX_HOLDINGS {
        return Err(format!("hello names more than {MAX_HOLDINGS} packages"));
    }
    let beyond = |count: Option<u64>| count.is_some_and(|count| count > MAX_SEQ);
    let strange = |holding: &&Holding| {
        holding.version > MAX_SEQ || beyond(holding.measured) || beyond(holding.failed) || holding.reason.len() > 2_000
    };
    if let Some(holding) = packages.iter().find(strange) {
        return Err(format!("hello says of {} more than can be", holding.slot));
    }
    match fetch {
        Some(fetch) if !is_digest(&fetch.sha256) => Err("hello asks for a package under no digest".to_owned()),
        _ => Ok(()),
    }
}

fn believable(epoch: &str, last_seq: u64, oldest_kept: u64, ranges: &[SeqRange]) -> Result<(), String> {
    epoch.parse::<Epoch>().map_err(|fault| format!("hello epoch: {fault}"))?;
    let numbers = ranges.iter().flat_map(|(first, last)| [*first, *last]).chain([last_seq, oldest_kept]);
    match numbers.max() {
        Some(highest) if highest > MAX_SEQ => Err(format!("hello speaks of seq {highest}; they end at {MAX_SEQ}")),
        _ => Ok(()),
    }
}

/// One event with the place it claims, read.
#[derive(Debug)]
pub(super) struct ReadRow<'a> {
    pub from: &'a Address,
    pub epoch: &'a str,
    pub seq: u64,
    raw: &'a str,
    event: Option<Event>,
    refused: Option<String>,
    may_be_here: bool,
    /// What was told under another key bears on it: the gateway has had another life.
    has_past: bool,
}

impl<'a> ReadRow<'a> {
    /// `only_epoch`: the gateway has no older epoch under whose key an event could stand already.
    pub fn read(from: &'a Address, epoch: &'a str, seq: u64, raw: &'a str, only_epoch: bool) -> Self {
        let mut row = Self { from, epoch, seq, raw, event: None, refused: None, may_be_here: false, has_past: false };
        match row.shape() {
            Ok(event) => {
                row.refused = row.rules(&event).err();
                // Told again under another key: in a new epoch, or after a consent was withdrawn and given again. What was
                // taken out is not what is told; what no consent touches is spared the look: it comes by the thousands.
                let told_again = !only_epoch || event.kind != measurement();
                row.may_be_here = told_again && event.kind != redacted() && !event.id.is_empty();
                row.has_past = !only_epoch && row.refused.is_none();
                row.event = Some(event);
            }
            Err(reason) => row.refused = Some(reason),
        }
        row
    }

    /// Empty where it could not be read, or is none: an index does not hold just anything.
    pub fn id(&self) -> &str {
        let id = self.event.as_ref().map_or("", |event| event.id.as_str());
        if self.refused.is_some() && id.parse::<EventId>().is_err() { "" } else { id }
    }

    /// Whether what is held under another key may have been taken out by this row, or this one by what is held there.
    pub fn has_past(&self) -> bool {
        self.has_past
    }

    pub fn as_new(&self) -> NewRow<'_> {
        let text = |pick: fn(&Event) -> &String| self.event.as_ref().map_or("", |event| pick(event).as_str());
        NewRow {
            from: self.from,
            epoch: self.epoch,
            seq: self.seq,
            id: self.id(),
            kind: text(|event| &event.kind),
            subject: text(|event| &event.subject),
            time: text(|event| &event.time),
            body: self.raw,
            refused: self.refused.as_deref(),
            may_be_here: self.may_be_here,
        }
    }

    /// What to tell the gateway, beyond the acknowledgement, about a row that stands there already.
    pub fn came_again(&self, engine: &mut dyn Engine, held: Held) -> Result<Option<Reply>, HqError> {
        let id = self.id();
        if !held.id.is_empty() && !id.is_empty() && held.id != id {
            let reason = format!("seq {} is event {} here, it now comes as {id}", self.seq, held.id);
            return Ok(Some(Reply::Alarm { epoch: self.epoch.to_owned(), seq: self.seq, reason, held: held.id }));
        }
        let redacted = redacted();
        if let Some(event) = self.event.as_ref().filter(|event| event.kind == redacted && held.kind != redacted) {
            // Withdrawn between its first sending and our acknowledgement: the withdrawal wins here as well. The lock first:
            // who holds it may be waiting for this row.
            engine.keep_records(true)?;
            engine.execute(
                "UPDATE events SET kind = ?4, subject = ?5, body = ?6 WHERE gateway = ?1 AND epoch = ?2 AND seq = ?3",
                values![&self.from.gateway, self.epoch, self.seq, &event.kind, &event.subject, self.raw],
            )?;
            engine.execute(
                "INSERT INTO stale_segments(n) SELECT segment FROM events
                 WHERE gateway = ?1 AND epoch = ?2 AND seq = ?3 AND segment IS NOT NULL ON CONFLICT DO NOTHING",
                values![&self.from.gateway, self.epoch, self.seq],
            )?;
            let key = values![&self.from.gateway, self.epoch, self.seq];
            let n = only(engine, "SELECT n FROM events WHERE gateway = ?1 AND epoch = ?2 AND seq = ?3", key)?;
            forget(engine, n)?;
        }
        // The first nack may be what was lost.
        Ok(held.refused.map(|reason| nack(self.epoch, self.seq, held.id, &reason)))
    }

    /// The event, or why not even its shape could be read.
    fn shape(&self) -> Result<Event, String> {
        if holds_nul(self.raw) {
            return Err("unreadable event: it holds the character U+0000".to_owned());
        }
        serde_json::from_str(self.raw).map_err(|fault| format!("unreadable event: {fault}"))
    }

    fn rules(&self, event: &Event) -> Result<(), String> {
        event.check()?;
        let source = source(self.from);
        if event.source != source {
            return Err(format!("source is {:?}, its topic says {source:?}", event.source));
        }
        if (event.epoch.as_str(), event.seq) != (self.epoch, self.seq) {
            let Event { epoch, seq, .. } = event;
            return Err(format!(
                "event says epoch {epoch} seq {seq}, its place in the batch {} {}",
                self.epoch, self.seq
            ));
        }
        payload::check(event.kind.strip_prefix(TYPE_PREFIX).unwrap_or_default(), &event.data)?;
        let long = (self.raw.len() > records::LONGEST_KEY).then(|| records::too_long(event)).flatten();
        long.map_or(Ok(()), |column| Err(format!("data: {column} is longer than {} bytes", records::LONGEST_KEY)))
    }
}

/// Takes the content out of what was told before a withdrawal, under another key.
pub(super) fn take_out(engine: &mut dyn Engine, n: u64) -> Result<(), HqError> {
    engine.keep_records(true)?;
    let row = first(engine, "SELECT body, segment FROM events WHERE n = ?1 AND kind <> ?2", values![n, &redacted()])?;
    let Some(row) = row else { return Ok(()) };
    erasure::empty(engine, n, &row.get::<String>(0)?, row.get(1)?)?;
    forget(engine, n)
}

/// The same for all that a gateway told, now that the order of its lives is known.
pub(super) fn take_out_all(engine: &mut dyn Engine, gateway: &str) -> Result<(), HqError> {
    let rows = engine.query(
        "SELECT DISTINCT e.n FROM events r
         JOIN streams t ON t.gateway = r.gateway AND t.epoch = r.epoch
         JOIN events e ON e.id = r.id AND e.gateway = r.gateway
         JOIN streams s ON s.gateway = e.gateway AND s.epoch = e.epoch
         WHERE r.gateway = ?1 AND r.kind = ?2 AND r.refused IS NULL AND e.kind <> ?2 AND e.refused IS NULL
         AND (s.begun_ms, e.seq) < (t.begun_ms, r.seq) ORDER BY e.n",
        values![gateway, &redacted()],
    )?;
    for row in rows {
        take_out(engine, row.get(0)?)?;
    }
    Ok(())
}

/// A row was taken out, with its facts. Of those that were known as the same, the first that has content now stands for the
/// event.
fn forget(engine: &mut dyn Engine, n: u64) -> Result<(), HqError> {
    records::forget(engine, n)?;
    let same = "SELECT gateway, epoch, seq, n FROM events WHERE same_as = ?1 AND kind <> ?2 ORDER BY n LIMIT 1";
    let next = first(engine, same, values![n, &redacted()])?;
    if let Some(next) = &next {
        records::make_up_for(engine, &next.get::<String>(0)?, &next.get::<String>(1)?, next.get(2)?)?;
    }
    engine.execute(
        "UPDATE events SET same_as = nullif(
             (SELECT min(same.n) FROM events same WHERE same.same_as = gone.n AND same.kind <> ?2), events.n)
         FROM (SELECT n FROM events WHERE n = ?1) AS gone WHERE events.same_as = gone.n",
        values![n, &redacted()],
    )?;
    next.map_or(Ok(()), |next| dead_letters::counts_now(engine, next.get(3)?, clock::now().wall))
}

/// The word on a refused event; its reason cut to what fits.
pub(super) fn nack(epoch: &str, seq: u64, id: String, reason: &str) -> Reply {
    Reply::Nack { epoch: epoch.to_owned(), seq, reason: sentence(reason), id }
}

/// A reason as it may be said: it may quote what was sent, endlessly, or with what moves a terminal's cursor.
pub(super) fn sentence(reason: &str) -> String {
    shown(reason).chars().take(MAX_REASON).collect()
}

/// What came from elsewhere, on its way to somebody's terminal.
pub(super) fn shown(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
}

/// Whether a text of this JSON holds U+0000, which no text of a salon does and which databases cannot hold.
fn holds_nul(json: &str) -> bool {
    const NUL: &str = "\\u0000";
    // A backslash that is itself escaped escapes nothing.
    let escaped = |at: usize| json.as_bytes()[..at].iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1;
    json.match_indices(NUL).any(|(at, _)| !escaped(at))
}

/// `type` of an event that was taken out.
pub(super) fn redacted() -> String {
    format!("{TYPE_PREFIX}{}", payload::kind::REDACTED)
}

/// `type` of what a device of the store itself measured.
fn measurement() -> String {
    format!("{TYPE_PREFIX}{}", payload::kind::MEASUREMENT)
}

/// `source` of every event of a gateway.
#[must_use]
pub fn source(address: &Address) -> String {
    format!("skinlink://{}/{}", address.store, address.gateway)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_escaped_backslash_before_u0000_is_no_nul() {
        assert!(holds_nul(r#"{"a":"\u0000"}"#) && holds_nul(r#"{"a":"\\\u0000"}"#));
        assert!(!holds_nul(r#"{"a":"\\u0000"}"#) && !holds_nul(r#"{"a":"u0000 \u0001"}"#));
    }
}
