//! One transaction's worth of messages on its way into the tables. Events are gathered and stored as sets; a hello, which
//! changes what events mean, is answered in its turn.

use super::{
    HqError, agenda,
    database::{
        Addressed, Arrived,
        engine::{Engine, NewRow, Reach, Stored, first, values},
    },
    dead_letters,
    events::{self, ReadRow},
    images::{self, Rules, Whole},
    inbox, orders, presence, records, retirement, rollout, staff, standing,
};
use crate::{
    domain::Timestamp,
    sync::{
        envelope::Batch,
        package::Fetch,
        ranges::RangeSet,
        reply::{Hello, Reply, SeqRange},
        topic::{Address, Lane},
    },
};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Alarms of one gateway that are kept, each with a count: whoever has not looked by then will not miss the oldest.
const MOST_ALARMS: u32 = 1_000;

/// Rows that were stored just now: runs of gateway, epoch, first and last. Few, since rows come in the order of their keys.
type Fresh<'r> = Vec<(&'r str, &'r str, SeqRange)>;

/// What has arrived together.
pub(super) struct Intake<'a> {
    engine: &'a mut dyn Engine,
    received: Timestamp,
    rules: &'a Rules,
    /// The store that each gateway is known under.
    known: HashMap<String, String>,
    /// Batches not stored yet.
    gathered: Vec<(&'a Address, Batch)>,
    replies: Vec<Addressed>,
    whole: Vec<Whole>,
    fetches: Vec<(Address, Fetch)>,
}

/// What is said once all is committed, the pictures to file, and who asks for slices of packages.
pub(super) type Outcome = (Vec<Addressed>, Vec<Whole>, Vec<(Address, Fetch)>);

impl<'a> Intake<'a> {
    pub fn new(engine: &'a mut dyn Engine, received: Timestamp, rules: &'a Rules) -> Self {
        let (known, gathered, replies, whole) = (HashMap::new(), Vec::new(), Vec::new(), Vec::new());
        Self { engine, received, rules, known, gathered, replies, whole, fetches: Vec::new() }
    }

    pub fn take(&mut self, arrived: &'a [Arrived]) -> Result<(), HqError> {
        self.heard(arrived)?;
        for Arrived { from, lane, payload } in arrived {
            if let Some(alarm) = self.other_store(from)? {
                self.replies.push((from.clone(), alarm));
                continue;
            }
            match lane {
                Lane::Events => self.gather(from, payload)?,
                Lane::Hello => {
                    // What came before it is there before it is answered.
                    self.store_gathered()?;
                    self.hello(from, payload)?;
                }
                Lane::Status => self.note(from, "status", payload)?,
                Lane::About => self.note(from, "about", payload)?,
                Lane::Offer { capture } => {
                    match images::offer(self.engine, from, capture, payload, self.rules, self.received)? {
                        images::Answer::Reply(reply) => self.replies.push((from.clone(), reply)),
                        images::Answer::Whole(picture) => self.whole.push(picture),
                    }
                }
                Lane::Chunk { capture, index } => {
                    self.whole.extend(images::slice(self.engine, from, capture, *index, payload)?);
                }
                Lane::Ack => {}
            }
        }
        Ok(())
    }

    /// What is left to do once all is committed.
    pub fn finish(mut self) -> Result<Outcome, HqError> {
        self.store_gathered()?;
        Ok((self.replies, self.whole, self.fetches))
    }

    /// Notes who was heard. First of all: it is what keeps two receivers from storing for one gateway at once.
    fn heard(&mut self, arrived: &[Arrived]) -> Result<(), HqError> {
        let mut gateways: BTreeMap<&str, (&Address, bool)> = BTreeMap::new();
        for Arrived { from, lane, .. } in arrived {
            let (_, now) = gateways.entry(&from.gateway).or_insert((from, false));
            *now |= !matches!(lane, Lane::Status | Lane::About);
        }
        let gateways: Vec<(&Address, bool)> = gateways.into_values().collect();
        let stores = self.engine.heard(&gateways, self.received)?;
        self.known = gateways.iter().map(|(address, _)| address.gateway.clone()).zip(stores).collect();
        Ok(())
    }

    /// An alarm if the gateway was known under another store: then nothing of it is stored or acknowledged, so that it keeps
    /// everything until someone has looked.
    fn other_store(&mut self, from: &Address) -> Result<Option<Reply>, HqError> {
        let Address { store, gateway } = from;
        match self.known.get(gateway) {
            Some(known) if known != store => {
                let reason = format!(
                    "gateway {gateway} belongs to store {known}, it now says {store}: nothing of it is taken; put its store.id back, \
                     or give the machine a gateway name and a certificate of its own in the other store"
                );
                alarm(self.engine, from, ("", 0), &reason, b"", self.received).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn gather(&mut self, from: &'a Address, payload: &[u8]) -> Result<(), HqError> {
        match events::read_batch(payload) {
            Ok(batch) => self.gathered.push((from, batch)),
            Err(reason) => {
                let reply = alarm(self.engine, from, ("", 0), &reason, payload, self.received)?;
                self.replies.push((from.clone(), reply));
            }
        }
        Ok(())
    }

    /// Stores what was gathered, moves the prefixes, acknowledges.
    fn store_gathered(&mut self) -> Result<(), HqError> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        let gathered = std::mem::take(&mut self.gathered);
        let epochs: BTreeSet<(&str, &str)> =
            gathered.iter().map(|(from, batch)| (from.gateway.as_str(), batch.epoch.as_str())).collect();
        let epochs: Vec<(&str, &str)> = epochs.into_iter().collect();
        let had = self.engine.begin_epochs(&epochs, self.received)?;
        let only: HashSet<&str> =
            epochs.iter().zip(had).filter(|(_, had)| *had == 1).map(|((gateway, _), _)| *gateway).collect();
        let mut rows = Vec::new();
        for (from, batch) in &gathered {
            let only_epoch = only.contains(from.gateway.as_str());
            for (seq, raw) in (batch.first_seq..).zip(&batch.events) {
                rows.push(ReadRow::read(from, &batch.epoch, seq, raw.get(), only_epoch));
            }
        }
        let mut fresh = Fresh::new();
        for wave in waves(&rows) {
            self.store_wave(&wave, &mut fresh)?;
        }
        self.advance(&gathered, &fresh)
    }

    /// Stores rows of which no two are of one key or one id.
    fn store_wave<'r>(&mut self, wave: &[&'r ReadRow<'_>], fresh: &mut Fresh<'r>) -> Result<(), HqError> {
        let rows: Vec<NewRow<'_>> = wave.iter().map(|row| row.as_new()).collect();
        let stored = self.engine.store(&rows, self.received)?;
        let mut again = Vec::new();
        for ((row, read), stored) in rows.iter().zip(wave).zip(stored) {
            if !stored {
                again.push((row, *read));
                continue;
            }
            note_fresh(fresh, read);
            if let Some(reason) = row.refused {
                let reply = events::nack(row.epoch, row.seq, row.id.to_owned(), reason);
                self.replies.push((row.from.clone(), reply));
            }
        }
        if again.is_empty() {
            return self.take_out(&rows, wave);
        }
        let keys: Vec<&NewRow<'_>> = again.iter().map(|(row, _)| *row).collect();
        for ((row, read), held) in again.iter().zip(self.engine.came_again(&keys)?) {
            let Some(reply) = read.came_again(self.engine, held)? else { continue };
            if let Reply::Alarm { reason, .. } = &reply {
                let place = (row.epoch, row.seq);
                alarm(self.engine, row.from, place, reason, row.body.as_bytes(), self.received)?;
            }
            self.replies.push((row.from.clone(), reply));
        }
        self.take_out(&rows, wave)
    }

    /// A withdrawal reaches what earlier lives of its gateway told of the same event, whichever comes first.
    fn take_out(&mut self, rows: &[NewRow<'_>], wave: &[&ReadRow<'_>]) -> Result<(), HqError> {
        let have_past: Vec<&NewRow<'_>> =
            rows.iter().zip(wave).filter(|(_, read)| read.has_past()).map(|(row, _)| row).collect();
        if have_past.is_empty() {
            return Ok(());
        }
        for n in self.engine.taken_out(&have_past)? {
            events::take_out(self.engine, n)?;
        }
        Ok(())
    }

    fn advance(&mut self, gathered: &[(&Address, Batch)], fresh: &Fresh<'_>) -> Result<(), HqError> {
        let mut streams: BTreeMap<(&Address, &str), RangeSet> = BTreeMap::new();
        for (from, batch) in gathered {
            let last = batch.first_seq + batch.events.len() as u64 - 1;
            streams.entry((from, &batch.epoch)).or_default().insert((batch.first_seq, last));
        }
        let stored: Vec<Stored<'_>> = streams
            .iter()
            .map(|((from, epoch), ranges)| Stored { gateway: &from.gateway, epoch, ranges: ranges.iter().collect() })
            .collect();
        let reached = self.engine.advance(&stored)?;
        self.make_up_for_late(&streams, &reached, fresh)?;
        for ((from, epoch), reach) in streams.keys().zip(reached) {
            let (upto, ranges) = standing::acknowledged(self.engine, (&from.gateway, epoch), reach)?;
            self.replies.push(((*from).clone(), Reply::Ack { epoch: (*epoch).to_owned(), upto, ranges }));
        }
        Ok(())
    }

    /// What was stored just now below its epoch's prefix: the gateway had said meanwhile that nobody keeps it any longer, or that
    /// it was told elsewhere, while another receiver still held it. Facts were made up to there without it.
    fn make_up_for_late(
        &mut self,
        streams: &BTreeMap<(&Address, &str), RangeSet>,
        reached: &[Reach],
        fresh: &Fresh<'_>,
    ) -> Result<(), HqError> {
        let Some(lowest) = fresh.iter().map(|(_, _, (first, _))| *first).min() else { return Ok(()) };
        if reached.iter().all(|reach| reach.before < lowest) {
            return Ok(());
        }
        let before: HashMap<(&str, &str), u64> = streams
            .keys()
            .zip(reached)
            .map(|((from, epoch), reach)| ((from.gateway.as_str(), *epoch), reach.before))
            .collect();
        for &(gateway, epoch, (first, last)) in fresh {
            let before = before.get(&(gateway, epoch)).copied().unwrap_or(0);
            if first <= before {
                // The lock first: a turn under way would write how far it came over this.
                self.engine.keep_records(true)?;
                records::make_up_for(self.engine, gateway, epoch, first)?;
                let late = (gateway, epoch, (first, before.min(last)));
                dead_letters::count_now(self.engine, late, self.received)?;
            }
        }
        Ok(())
    }

    fn hello(&mut self, from: &Address, payload: &[u8]) -> Result<(), HqError> {
        let hello = match events::read_hello(payload) {
            Ok(hello) => hello,
            Err(reason) => {
                let reply = alarm(self.engine, from, ("", 0), &reason, payload, self.received)?;
                self.replies.push((from.clone(), reply));
                return Ok(());
            }
        };
        let answers = self.answer(from, &hello, payload)?;
        if let Some(fetch) = hello.downlink.and_then(|said| said.fetch) {
            self.fetches.push((from.clone(), fetch));
        }
        self.replies.extend(answers.into_iter().map(|answer| (from.clone(), answer)));
        Ok(())
    }

    fn answer(&mut self, from: &Address, hello: &Hello, payload: &[u8]) -> Result<Vec<Reply>, HqError> {
        let (engine, gateway, now) = (&mut *self.engine, &from.gateway, self.received);
        let row = first(engine, "SELECT epoch, retired_ms FROM gateways WHERE gateway = ?1", values![gateway])?;
        let (present, retired): (Option<String>, Option<i64>) =
            row.map_or(Ok((None, None)), |row| Ok::<_, HqError>((row.get(0)?, row.get(1)?)))?;
        if retired.is_some() {
            retirement::heard(engine, &from.store, gateway)?;
        }
        let (_, announced) = standing::reached(engine, gateway, &hello.epoch)?;
        let is_new = engine.execute(
            "INSERT INTO streams(gateway, epoch, begun_ms) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
            values![gateway, &hello.epoch, now.unix_ms()],
        )? == 1;
        let mut answers = Vec::new();
        if present.as_ref().is_some_and(|present| *present != hello.epoch) {
            // One whose batch came before its hello follows the one it names.
            let follows = hello.past.iter().any(|past| present.as_ref() == Some(&past.epoch));
            if !is_new && !follows {
                // A store that was restored from a copy of an earlier life. It says hello again under a new epoch.
                let mut answer = standing::standing(engine, gateway, hello.epoch.clone(), announced)?;
                if let Reply::Hello { over, .. } = &mut answer {
                    *over = true;
                }
                return Ok(vec![answer]);
            }
            let reason = format!(
                "gateway {gateway} begins a new epoch {}: its store was restored from a backup, or set up anew; what it \
                 recorded after the backup and had not sent is lost",
                hello.epoch
            );
            answers.push(alarm(engine, from, (&hello.epoch, 0), &reason, payload, now)?);
        }
        engine.execute(
            "UPDATE gateways SET epoch = ?2, version = ?3 WHERE gateway = ?1",
            values![gateway, &hello.epoch, &hello.version],
        )?;
        standing::announce(engine, gateway, &hello.epoch, hello.last_seq, now)?;
        if let Some(reason) = standing::settle_losses(engine, gateway, hello, now)? {
            answers.push(alarm(engine, from, (&hello.epoch, 0), &reason, payload, now)?);
        }
        // While it fetches a package it says hello for each few slices: it has not come back, and the pauses go on.
        let is_back = hello.downlink.as_ref().is_none_or(|downlink| downlink.fetch.is_none());
        if is_back {
            inbox::heard(engine, gateway)?;
            orders::heard(engine, gateway)?;
        }
        agenda::BOOK.heard(engine, from, hello.agenda.as_ref(), is_back)?;
        let staff = hello.downlink.as_ref().and_then(|held| held.staff.as_ref());
        staff::BOOK.heard(engine, from, staff, is_back)?;
        rollout::heard(engine, gateway, hello.downlink.as_ref(), now)?;
        answers.extend(standing::unheard_alarm(engine, gateway, &hello.epoch)?);
        let nacks = standing::unheard_nacks(engine, gateway, &hello.epoch, &hello.refused)?;
        answers.push(standing::standing(engine, gateway, hello.epoch.clone(), announced)?);
        answers.extend(nacks);
        answers.extend(images::unseen(engine, gateway)?);
        Ok(answers)
    }

    /// Keeps the last word a gateway said about itself.
    fn note(&mut self, from: &Address, column: &'static str, payload: &[u8]) -> Result<(), HqError> {
        let sql = format!("UPDATE gateways SET {column} = ?2, {column}_ms = ?3 WHERE gateway = ?1");
        let text = String::from_utf8_lossy(payload).replace('\0', "\u{fffd}");
        if column == "status" {
            presence::note(self.engine, &from.gateway, &text, self.received)?;
        }
        self.engine.execute(&sql, values![&from.gateway, &text, self.received.unix_ms()])?;
        Ok(())
    }
}

/// Counts a row in.
fn note_fresh<'r>(fresh: &mut Fresh<'r>, row: &'r ReadRow<'_>) {
    let ReadRow { from, epoch, seq, .. } = row;
    match fresh.last_mut() {
        Some((gateway, held, (_, last))) if *seq == *last + 1 && *held == *epoch && *gateway == from.gateway => {
            *last = *seq
        }
        _ => fresh.push((&from.gateway, epoch, (*seq, *seq))),
    }
}

/// Splits rows so that no two of a wave are of one key or one id, each wave in the order of its keys: a statement does not
/// see what it stores itself.
fn waves<'r, 'a>(rows: &'r [ReadRow<'a>]) -> Vec<Vec<&'r ReadRow<'a>>> {
    let mut waves: Vec<Vec<&ReadRow<'_>>> = Vec::new();
    let mut keys: HashMap<(&str, &str, u64), usize> = HashMap::new();
    let mut ids: HashMap<&str, usize> = HashMap::new();
    for row in rows {
        let free = |taken: &usize| taken + 1;
        let key = keys.entry((&row.from.gateway, row.epoch, row.seq));
        let by_key = match &key {
            std::collections::hash_map::Entry::Occupied(taken) => free(taken.get()),
            std::collections::hash_map::Entry::Vacant(_) => 0,
        };
        let by_id = if row.id().is_empty() { 0 } else { ids.get(row.id()).map_or(0, free) };
        let wave = by_key.max(by_id);
        key.insert_entry(wave);
        ids.insert(row.id(), wave);
        if waves.len() <= wave {
            waves.push(Vec::new());
        }
        waves[wave].push(row);
    }
    for wave in &mut waves {
        wave.sort_by_key(|row| (&row.from.gateway, row.epoch, row.seq));
    }
    waves
}

/// Writes an alarm down, or counts it where it has been raised before; what to tell the gateway.
pub(super) fn alarm(
    engine: &mut dyn Engine,
    from: &Address,
    (epoch, seq): (&str, u64),
    reason: &str,
    body: &[u8],
    now: Timestamp,
) -> Result<Reply, HqError> {
    let reason = events::sentence(reason);
    tracing::error!(gateway = %from.gateway, epoch, seq, reason, "alarm");
    let again = engine.execute(
        "UPDATE alarms SET times = times + 1, last_ms = ?5
         WHERE gateway = ?1 AND epoch = ?2 AND seq = ?3 AND reason = ?4",
        values![&from.gateway, epoch, seq, &reason, now.unix_ms()],
    )?;
    if again > 0 {
        return Ok(Reply::Alarm { epoch: epoch.to_owned(), seq, reason, held: String::new() });
    }
    // The oldest go; but never one that says from where on an epoch holds another life's events.
    engine.execute(
        "DELETE FROM alarms WHERE gateway = ?1 AND seq = 0 AND n <=
             (SELECT n FROM alarms WHERE gateway = ?1 AND seq = 0 ORDER BY n DESC LIMIT 1 OFFSET ?2)",
        values![&from.gateway, MOST_ALARMS - 1],
    )?;
    engine.execute(
        "INSERT INTO alarms(gateway, epoch, seq, reason, body, raised_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        values![&from.gateway, epoch, seq, &reason, body, now.unix_ms()],
    )?;
    Ok(Reply::Alarm { epoch: epoch.to_owned(), seq, reason, held: String::new() })
}
