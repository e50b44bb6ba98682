//! One row of a batch: read, held to the rules, stored or counted as come again.

use super::database::HqError;
use crate::{
    domain::{Epoch, Timestamp},
    sync::{
        envelope::{Batch, Event, TYPE_PREFIX},
        payload,
        reply::Reply,
        topic::Address,
    },
};
use rusqlite::{Connection, params};

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
}

/// In which order events come, to look only where it is needed whether one stands here under another key.
pub(super) struct Order {
    /// The gateway has no older epoch under whose key an event could stand already.
    pub only_epoch: bool,
    /// Time of the newest id of the batch, empty at its beginning.
    pub newest: String,
}

impl Order {
    /// Ids are minted as numbers are drawn. One that is older than another before it was told before, under a number that
    /// its consent was withdrawn from; of the first in a batch nobody knows.
    fn may_be_here(&mut self, id: &str) -> bool {
        const TIME: usize = "01a1f0c2-4b00".len();
        let time = id.get(..TIME).unwrap_or_default();
        let out_of_order = self.newest.is_empty() || time < self.newest.as_str();
        if time > self.newest.as_str() {
            time.clone_into(&mut self.newest);
        }
        !id.is_empty() && (out_of_order || !self.only_epoch)
    }
}

/// What stands in the table already.
struct Held {
    id: String,
    kind: String,
    refused: Option<String>,
}

impl Row<'_> {
    /// Stores the row unless it is there; what to tell the gateway beyond the acknowledgement, if anything.
    pub fn store(&self, connection: &Connection, order: &mut Order) -> Result<Option<Reply>, HqError> {
        let read = self.read();
        let (event, refused) = match &read {
            Ok((event, None)) => (Some(event), None),
            Ok((event, Some(reason))) => (Some(event), Some(reason.as_str())),
            Err(reason) => (None, Some(reason.as_str())),
        };
        let text = |pick: fn(&Event) -> &String| event.map_or("", |event| pick(event).as_str());
        let id = text(|event| &event.id);
        // Told again under another key: in a new epoch, or after a consent was withdrawn and given again. What was taken out
        // is not what is told.
        let redacted = redacted();
        let may_be_here = order.may_be_here(id) && event.is_some_and(|event| event.kind != redacted);
        let stored = connection
            .prepare_cached(
                "INSERT INTO events(gateway, epoch, seq, id, kind, subject, time, body, refused, received_ms, same_as)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10,
                     CASE WHEN ?11 THEN
                         (SELECT min(n) FROM events WHERE id = ?4 AND gateway = ?1 AND NOT (epoch = ?2 AND seq = ?3)
                          AND refused IS NULL AND kind <> ?12)
                     END) ON CONFLICT DO NOTHING",
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
                may_be_here,
                redacted,
            ])?
            == 1;
        if stored {
            return Ok(refused.map(|reason| nack(self.epoch, self.seq, id.to_owned(), reason)));
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
            return Ok(Some(Reply::Alarm { epoch: self.epoch.to_owned(), seq: self.seq, reason, held: held.id }));
        }
        let redacted = redacted();
        if let Some(event) = event.filter(|event| event.kind == redacted && held.kind != redacted) {
            // Withdrawn between its first sending and our acknowledgement: the withdrawal wins here as well.
            connection.execute(
                "UPDATE events SET kind = ?4, subject = ?5, body = ?6 WHERE gateway = ?1 AND epoch = ?2 AND seq = ?3",
                params![self.from.gateway, self.epoch, self.seq, event.kind, event.subject, self.raw],
            )?;
            self.stands_alone(connection)?;
        }
        // The first nack may be what was lost.
        Ok(held.refused.map(|reason| nack(self.epoch, self.seq, held.id, &reason)))
    }

    /// This row was taken out: of those that were known as the same, the first now stands for the event.
    fn stands_alone(&self, connection: &Connection) -> Result<(), HqError> {
        connection.execute(
            "UPDATE events SET same_as = nullif((SELECT min(n) FROM events WHERE same_as = gone.n), events.n)
             FROM (SELECT n FROM events WHERE gateway = ?1 AND epoch = ?2 AND seq = ?3) AS gone
             WHERE events.same_as = gone.n",
            params![self.from.gateway, self.epoch, self.seq],
        )?;
        Ok(())
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
}

/// The word on a refused event; its reason cut to what fits.
pub(super) fn nack(epoch: &str, seq: u64, id: String, reason: &str) -> Reply {
    Reply::Nack { epoch: epoch.to_owned(), seq, reason: reason.chars().take(MAX_REASON).collect(), id }
}

fn redacted() -> String {
    format!("{TYPE_PREFIX}{}", payload::kind::REDACTED)
}

/// `source` of every event of a gateway.
#[must_use]
pub fn source(address: &Address) -> String {
    format!("skinlink://{}/{}", address.store, address.gateway)
}
