//! One row of a batch: read, held to the rules, stored or counted as come again.

use super::database::HqError;
use crate::{
    domain::{Epoch, Timestamp},
    sync::{
        envelope::{Batch, Event, TYPE_PREFIX},
        payload,
        reply::{Reply, SeqRange},
        topic::Address,
    },
};
use rusqlite::{Connection, OptionalExtension, params};

/// Characters of a reason that go back to the gateway.
const MAX_REASON: usize = 400;

/// Reads the frame of a batch, not yet its events.
pub(super) fn read_batch(payload: &[u8]) -> Result<Batch, String> {
    let batch: Batch = serde_json::from_slice(payload).map_err(|fault| format!("unreadable batch: {fault}"))?;
    batch.epoch.parse::<Epoch>().map_err(|fault| format!("batch epoch: {fault}"))?;
    if batch.events.is_empty() || batch.events.len() != batch.count as usize {
        return Err(format!("batch says {} events and holds {}", batch.count, batch.events.len()));
    }
    let last = batch.first_seq.checked_add(batch.events.len() as u64);
    if batch.first_seq == 0 || last.is_none_or(|last| i64::try_from(last).is_err()) {
        return Err(format!("batch starts at seq {}", batch.first_seq));
    }
    Ok(batch)
}

/// One event as it came, with the place it claims.
pub(super) struct Row<'a> {
    pub from: &'a Address,
    pub epoch: &'a str,
    pub seq: u64,
    pub raw: &'a str,
    pub received: Timestamp,
    /// The gateway has no older epoch under whose key the event could stand already.
    pub only_epoch: bool,
}

/// What stands in the table already.
struct Held {
    id: String,
    kind: String,
    refused: Option<String>,
}

impl Row<'_> {
    /// Stores the row unless it is there; what to tell the gateway beyond the acknowledgement, if anything.
    pub fn store(&self, connection: &Connection) -> Result<Option<Reply>, HqError> {
        let read = self.read();
        let (event, refused) = match &read {
            Ok((event, None)) => (Some(event), None),
            Ok((event, Some(reason))) => (Some(event), Some(reason.as_str())),
            Err(reason) => (None, Some(reason.as_str())),
        };
        let text = |pick: fn(&Event) -> &String| event.map_or("", |event| pick(event).as_str());
        let id = text(|event| &event.id);
        let stored = connection
            .prepare_cached(
                "INSERT INTO events(gateway, epoch, seq, id, kind, subject, time, body, refused, received_ms, same_as)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10,
                     CASE WHEN ?11 THEN NULL ELSE
                         (SELECT min(n) FROM events WHERE id = ?4 AND id <> '' AND gateway = ?1 AND epoch <> ?2
                          AND refused IS NULL) END) ON CONFLICT DO NOTHING",
            )?
            .execute(params![
                self.from.gateway,
                self.epoch,
                self.seq,
                id,
                text(|event| &event.kind),
                text(|event| &event.subject),
                text(|event| &event.time),
                self.raw,
                refused,
                self.received.unix_ms(),
                self.only_epoch,
            ])?
            == 1;
        if stored {
            return Ok(refused.map(|reason| self.nack(reason)));
        }
        self.came_again(connection, event, id)
    }

    fn came_again(&self, connection: &Connection, event: Option<&Event>, id: &str) -> Result<Option<Reply>, HqError> {
        let key = params![self.from.gateway, self.epoch, self.seq];
        let held = connection.query_row(
            "UPDATE events SET redeliveries = redeliveries + 1 WHERE gateway = ?1 AND epoch = ?2 AND seq = ?3
             RETURNING id, kind, refused",
            key,
            |row| Ok(Held { id: row.get(0)?, kind: row.get(1)?, refused: row.get(2)? }),
        )?;
        if !held.id.is_empty() && !id.is_empty() && held.id != id {
            let reason = format!("seq {} is event {} here, it now comes as {id}", self.seq, held.id);
            return Ok(Some(Reply::Alarm { epoch: self.epoch.to_owned(), seq: self.seq, reason }));
        }
        let redacted = format!("{TYPE_PREFIX}{}", payload::kind::REDACTED);
        if let Some(event) = event.filter(|event| event.kind == redacted && held.kind != redacted) {
            // Withdrawn between its first sending and our acknowledgement: the withdrawal wins here as well.
            connection.execute(
                "UPDATE events SET kind = ?4, subject = ?5, body = ?6 WHERE gateway = ?1 AND epoch = ?2 AND seq = ?3",
                params![self.from.gateway, self.epoch, self.seq, event.kind, event.subject, self.raw],
            )?;
        }
        // The first nack may be what was lost.
        Ok(held.refused.map(|reason| self.nack(&reason)))
    }

    /// The event with what is wrong with it, or why not even its shape could be read.
    fn read(&self) -> Result<(Event, Option<String>), String> {
        let event: Event = serde_json::from_str(self.raw).map_err(|fault| format!("unreadable event: {fault}"))?;
        let wrong = self.rules(&event).err();
        Ok((event, wrong))
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
        payload::check(event.kind.strip_prefix(TYPE_PREFIX).unwrap_or_default(), &event.data)
    }

    fn nack(&self, reason: &str) -> Reply {
        let reason = reason.chars().take(MAX_REASON).collect();
        Reply::Nack { epoch: self.epoch.to_owned(), seq: self.seq, reason }
    }
}

/// `source` of every event of a gateway.
#[must_use]
pub fn source(address: &Address) -> String {
    format!("skinlink://{}/{}", address.store, address.gateway)
}

/// Moves the prefix over everything that is now contiguous; `first` to `last` have just been stored.
pub(super) fn advance(
    connection: &Connection,
    gateway: &str,
    epoch: &str,
    (first, last): SeqRange,
) -> Result<(), HqError> {
    let mut upto: u64 = connection
        .prepare_cached(
            "UPDATE streams SET last_seq = max(last_seq, ?3) WHERE gateway = ?1 AND epoch = ?2 RETURNING upto",
        )?
        .query_row(params![gateway, epoch, last], |row| row.get(0))?;
    if first <= upto + 1 {
        upto = upto.max(last);
    }
    let mut query = connection
        .prepare_cached("SELECT seq FROM events WHERE gateway = ?1 AND epoch = ?2 AND seq > ?3 ORDER BY seq")?;
    let mut rows = query.query(params![gateway, epoch, upto])?;
    while let Some(row) = rows.next()? {
        let seq: u64 = row.get(0)?;
        if seq != upto + 1 {
            break;
        }
        upto = seq;
    }
    connection
        .prepare_cached("UPDATE streams SET upto = ?3 WHERE gateway = ?1 AND epoch = ?2")?
        .execute(params![gateway, epoch, upto])?;
    Ok(())
}

/// A gateway whose oldest kept event lies beyond our prefix can never fill the hole: it is written down as lost, and the
/// prefix passes it. Happens when HQ was restored from a backup older than what gateways keep.
pub(super) fn note_lost(
    connection: &Connection,
    gateway: &str,
    epoch: &str,
    oldest_kept: u64,
    announced: u64,
    now: Timestamp,
) -> Result<(), HqError> {
    let oldest_kept = oldest_kept.min(announced + 1);
    loop {
        let upto: u64 = connection.query_row(
            "SELECT upto FROM streams WHERE gateway = ?1 AND epoch = ?2",
            params![gateway, epoch],
            |row| row.get(0),
        )?;
        if upto + 1 >= oldest_kept {
            return Ok(());
        }
        let next: Option<u64> = connection
            .query_row(
                "SELECT min(seq) FROM events WHERE gateway = ?1 AND epoch = ?2 AND seq > ?3",
                params![gateway, epoch, upto],
                |row| row.get(0),
            )
            .optional()?
            .flatten();
        let last = next.map_or(oldest_kept, |next| next.min(oldest_kept)) - 1;
        connection.execute(
            "INSERT INTO lost(gateway, epoch, first, last, noted_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![gateway, epoch, upto + 1, last, now.unix_ms()],
        )?;
        connection
            .execute("UPDATE streams SET upto = ?3 WHERE gateway = ?1 AND epoch = ?2", params![gateway, epoch, last])?;
        tracing::error!(gateway, epoch, first = upto + 1, last, "events lost: the gateway no longer keeps them");
        advance(connection, gateway, epoch, (upto + 1, last))?;
    }
}
