//! The table of messages: offered once for ever, handed out by a lease, answered for.

use super::{
    birthdays,
    known::{Known, Standing},
};
use crate::{
    domain::{Timestamp, follow_up::Kind},
    hq::{
        HqError,
        config::CareSettings,
        crm::keys::Stores,
        database::engine::{Engine, Row, first, only, transaction, values},
        records,
    },
    seal,
    sync::topic::is_name,
};
use openssl::sha::sha256;
use std::collections::BTreeSet;

/// Changed visits put on the watch, and visits looked at, of one turn.
const CHANGES: u32 = 500;
const LOOKS: u32 = 100;

/// Handed out or failed so often, it is given to a person: with the pauses below that is more than a day.
pub const MOST_TRIES: u32 = 36;

/// The first pause after a failure, doubled each time up to the longest.
const FIRST_PAUSE_MS: i64 = 5_000;
const DOUBLINGS: u32 = 10;
const LONGEST_PAUSE_MS: i64 = 3_600_000;

/// While a store is silent, or not all that it told can be read yet, its messages wait.
pub(super) const UNKNOWN_MS: i64 = 120_000;

/// Rows looked through for one handing out.
const LOOKED_AT: u32 = 1_000;

/// A message as it is handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub id: String,
    pub store: String,
    pub customer: String,
    /// Empty where it is of none, as a birthday.
    pub visit: String,
    pub kind: Kind,
    pub due: Timestamp,
    /// `waiting`, `taken`, `done`, `dead`, `withdrawn` or `lapsed`.
    pub state: String,
    /// By which ways the customer agreed to be written to.
    pub channels: Vec<String>,
    pub lease: String,
    pub until: Timestamp,
    pub tries: u32,
}

const COLUMNS: &str = "message, store, customer, visit, kind, due_ms, state, channels, lease, until_ms, tries";

impl Message {
    fn from_row(row: &Row) -> Result<Self, HqError> {
        let (kind, channels): (String, String) = (row.get(4)?, row.get(7)?);
        Ok(Self {
            id: row.get(0)?,
            store: row.get(1)?,
            customer: row.get(2)?,
            visit: row.get(3)?,
            kind: kind.parse().map_err(|_| HqError::Shape { at: 4, expected: "a kind of message" })?,
            due: Timestamp::from_unix_ms(row.get(5)?),
            state: row.get(6)?,
            channels: channels.split(' ').filter(|one| !one.is_empty()).map(str::to_owned).collect(),
            lease: row.get(8)?,
            until: Timestamp::from_unix_ms(row.get(9)?),
            tries: row.get(10)?,
        })
    }
}

/// The id of a message: the same whoever works it out, and whenever.
#[must_use]
pub fn id_of(store: &str, visit: &str, kind: Kind) -> String {
    hex::encode(&sha256(format!("{store}\n{visit}\n{kind}").as_bytes())[..16])
}

/// What is offered.
pub(super) struct Offer<'a> {
    pub id: String,
    pub store: &'a str,
    pub customer: &'a str,
    /// Empty where it is of none.
    pub visit: &'a str,
    pub kind: Kind,
    pub channels: &'a [String],
    pub due: Timestamp,
}

/// Keeps it, once for ever: 0 where it is there.
pub(super) fn offer(engine: &mut dyn Engine, offer: &Offer<'_>, now: Timestamp) -> Result<u64, HqError> {
    let Offer { id, store, customer, visit, kind, channels, due } = offer;
    engine.execute(
        "INSERT INTO care_messages(message, store, customer, visit, kind, channels, due_ms, offered_ms, state, until_ms, changed_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 'waiting', ?8, ?8) ON CONFLICT (message) DO NOTHING",
        values![id, *store, *customer, *visit, kind.as_str(), &channels.join(" "), due.unix_ms(), now.unix_ms()],
    )
}

/// What a turn did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    pub offered: u64,
    /// Perhaps there is more.
    pub more: bool,
}

/// Until the end of the transaction nobody else offers or hands out.
pub(super) fn lock(engine: &mut dyn Engine) -> Result<u64, HqError> {
    only(engine, "UPDATE care_mark SET change = change RETURNING change", &[])
}

/// Puts what changed on the watch, looks at what may be due, and offers what is.
///
/// # Errors
/// The database's; then nothing was offered.
pub fn turn(engine: &mut dyn Engine, settings: &CareSettings, now: Timestamp) -> Result<Turn, HqError> {
    // Looked at before anything is locked: a quiet night writes nothing to the disk.
    let anything = first(
        engine,
        "SELECT 1 FROM care_watch WHERE look_ms <= ?1
         UNION ALL SELECT 1 FROM visit_changes WHERE change > (SELECT change FROM care_mark) LIMIT 1",
        values![now.unix_ms()],
    )?;
    if anything.is_none() && birthdays::near(engine, settings, 1, now)?.is_empty() {
        return Ok(Turn { offered: 0, more: false });
    }
    transaction(engine, |engine| {
        let mark = lock(engine)?;
        let changed = engine.query(
            "SELECT store, visit, change FROM visit_changes WHERE change > ?1 ORDER BY change LIMIT ?2",
            values![mark, CHANGES],
        )?;
        for row in &changed {
            let (store, visit): (String, String) = (row.get(0)?, row.get(1)?);
            engine.execute(
                "INSERT INTO care_watch(store, visit, look_ms) VALUES (?1, ?2, 0)
                 ON CONFLICT (store, visit) DO UPDATE SET look_ms = 0",
                values![&store, &visit],
            )?;
        }
        if let Some(last) = changed.last() {
            engine.execute("UPDATE care_mark SET change = ?1", values![last.get::<u64>(2)?])?;
        }
        let watched = engine.query(
            "SELECT store, visit FROM care_watch WHERE look_ms <= ?1 ORDER BY look_ms LIMIT ?2",
            values![now.unix_ms(), LOOKS],
        )?;
        let mut offered = 0;
        for row in &watched {
            offered += look(engine, settings, (&row.get::<String>(0)?, &row.get::<String>(1)?), now)?;
        }
        let (wished, more) = birthdays::turn(engine, settings, now)?;
        let more = more || changed.len() as u32 == CHANGES || watched.len() as u32 == LOOKS;
        Ok(Turn { offered: offered + wished, more })
    })
}

/// Offers what is due of one visit; how much that was.
fn look(engine: &mut dyn Engine, settings: &CareSettings, of: (&str, &str), now: Timestamp) -> Result<u64, HqError> {
    let ((store, visit), calendar) = (of, &settings.place(of.0).calendar);
    if !records::are_whole(engine, store)? {
        // Half of what is known decides nothing.
        return look_again_at(engine, of, Timestamp::from_unix_ms(now.unix_ms() + UNKNOWN_MS)).map(|()| 0);
    }
    let Some(known) = Known::of(engine, of, now, calendar)? else {
        engine.execute("DELETE FROM care_watch WHERE store = ?1 AND visit = ?2", values![store, visit])?;
        return Ok(0);
    };
    if !known.agrees() {
        engine.execute("DELETE FROM care_watch WHERE store = ?1 AND visit = ?2", values![store, visit])?;
        return Ok(0);
    }
    let mut offered = 0;
    for (one, channels) in known.offers(visit, now, settings, calendar) {
        let (id, customer, channels) = (id_of(store, visit, one.kind), &known.customer, &channels);
        offered += offer(engine, &Offer { id, store, customer, visit, kind: one.kind, channels, due: one.due }, now)?;
    }
    let rows = engine.query("SELECT kind FROM care_messages WHERE store = ?1 AND visit = ?2", values![store, visit])?;
    let mut done = Vec::new();
    for row in &rows {
        done.extend(row.get::<String>(0)?.parse::<Kind>());
    }
    match known.person.look_again(visit, &done, now, calendar) {
        Some(next) => look_again_at(engine, of, next)?,
        None => {
            engine.execute("DELETE FROM care_watch WHERE store = ?1 AND visit = ?2", values![store, visit])?;
        }
    }
    Ok(offered)
}

fn look_again_at(engine: &mut dyn Engine, (store, visit): (&str, &str), at: Timestamp) -> Result<(), HqError> {
    let sql = "UPDATE care_watch SET look_ms = ?3 WHERE store = ?1 AND visit = ?2";
    engine.execute(sql, values![store, visit, at.unix_ms()]).map(drop)
}

/// Hands out what waits, and what was taken and never answered for, for so long. What its customer does not agree to any more, or
/// makes no sense any more, is taken back instead.
///
/// # Errors
/// The database's; then nothing was handed out.
pub fn take(
    engine: &mut dyn Engine,
    settings: &CareSettings,
    stores: &Stores,
    (limit, lease_ms): (usize, i64),
    now: Timestamp,
) -> Result<Vec<Message>, HqError> {
    // Looked at before anything is locked, as in a turn.
    let waits = "SELECT 1 FROM care_messages WHERE state IN ('waiting', 'taken') AND until_ms <= ?1 LIMIT 1";
    if first(engine, waits, values![now.unix_ms()])?.is_none() {
        return Ok(Vec::new());
    }
    // Of other stores nothing is looked through: there may be any number.
    let of_stores = match stores {
        Stores::All => String::new(),
        Stores::These(names) => {
            let names: Vec<String> =
                names.iter().filter(|name| is_name(name)).map(|name| format!("'{name}'")).collect();
            format!("AND store IN ({})", names.join(", "))
        }
    };
    transaction(engine, |engine| {
        lock(engine)?;
        let rows = engine.query(
            &format!(
                "SELECT {COLUMNS} FROM care_messages WHERE state IN ('waiting', 'taken') AND until_ms <= ?1
                 {of_stores} ORDER BY until_ms, message LIMIT ?2"
            ),
            values![now.unix_ms(), LOOKED_AT],
        )?;
        let mut taken = Vec::new();
        for row in &rows {
            if taken.len() == limit {
                break;
            }
            let message = Message::from_row(row)?;
            if stores.hold(&message.store) {
                taken.extend(hand_out(engine, settings, message, lease_ms, now)?);
            }
        }
        Ok(taken)
    })
}

fn hand_out(
    engine: &mut dyn Engine,
    settings: &CareSettings,
    message: Message,
    lease_ms: i64,
    now: Timestamp,
) -> Result<Option<Message>, HqError> {
    let Message { id, tries, .. } = &message;
    if *tries >= MOST_TRIES {
        set(engine, id, "dead", "taken again and again, and nobody said what became of it", now)?;
        return Ok(None);
    }
    let calendar = &settings.place(&message.store).calendar;
    let later = match message.kind {
        Kind::Birthday => calendar.daytime_from(now),
        Kind::Care | Kind::Skin | Kind::Away => calendar.waking_from(now),
    };
    if let Some(later) = later {
        let sql = "UPDATE care_messages SET state = 'waiting', until_ms = ?2 WHERE message = ?1";
        engine.execute(sql, values![id, later.unix_ms()])?;
        return Ok(None);
    }
    match standing(engine, settings, &message, now)? {
        (Standing::Stands(channels), customer) => {
            let lease = hex::encode(&seal::random_key().as_ref()[..16]);
            let until = Timestamp::from_unix_ms(now.unix_ms() + lease_ms);
            engine.execute(
                "UPDATE care_messages SET state = 'taken', lease = ?2, until_ms = ?3, tries = tries + 1, channels = ?4, changed_ms = ?5,
                     customer = ?6
                 WHERE message = ?1",
                values![id, &lease, until.unix_ms(), &channels.join(" "), now.unix_ms(), &customer],
            )?;
            let state = "taken".to_owned();
            Ok(Some(Message { customer, tries: tries + 1, state, channels, lease, until, ..message }))
        }
        (Standing::Unknown, _) => {
            let sql = "UPDATE care_messages SET until_ms = ?2 WHERE message = ?1";
            engine.execute(sql, values![id, now.unix_ms() + UNKNOWN_MS])?;
            Ok(None)
        }
        (Standing::NotAgreed, _) => {
            set(engine, id, "withdrawn", "the customer does not agree to it any more", now).map(|()| None)
        }
        (Standing::NotDue, _) => set(engine, id, "lapsed", "it makes no sense any more", now).map(|()| None),
    }
}

/// How a message stands, and whose the visit is now: it may have been moved to somebody else since it was offered.
fn standing(
    engine: &mut dyn Engine,
    settings: &CareSettings,
    message: &Message,
    now: Timestamp,
) -> Result<(Standing, String), HqError> {
    let Message { store, visit, kind, customer, .. } = message;
    if !records::are_whole(engine, store)? {
        return Ok((Standing::Unknown, customer.clone()));
    }
    if *kind == Kind::Birthday {
        return birthdays::standing(engine, settings, message, now);
    }
    let calendar = &settings.place(store).calendar;
    let Some(known) = Known::of(engine, (store, visit), now, calendar)? else {
        return Ok((Standing::NotDue, customer.clone()));
    };
    Ok((known.standing((visit, *kind), now, settings, calendar), known.customer))
}

fn set(engine: &mut dyn Engine, id: &str, state: &str, reason: &str, now: Timestamp) -> Result<(), HqError> {
    let sql = "UPDATE care_messages SET state = ?2, reason = ?3, changed_ms = ?4 WHERE message = ?1";
    engine.execute(sql, values![id, state, reason, now.unix_ms()]).map(drop)
}

/// A message, and whether it may be sent now: for whoever is about to.
///
/// # Errors
/// The database's.
pub fn find(
    engine: &mut dyn Engine,
    settings: &CareSettings,
    id: &str,
    now: Timestamp,
) -> Result<Option<(Message, bool)>, HqError> {
    let Some(message) = row(engine, id)? else { return Ok(None) };
    let (standing, customer) = standing(engine, settings, &message, now)?;
    // What was sent, given up or taken back is not to be sent.
    let open = matches!(message.state.as_str(), "waiting" | "taken");
    let stands = open && matches!(standing, Standing::Stands(_));
    Ok(Some((Message { customer, ..message }, stands)))
}

fn row(engine: &mut dyn Engine, id: &str) -> Result<Option<Message>, HqError> {
    let sql = format!("SELECT {COLUMNS} FROM care_messages WHERE message = ?1");
    first(engine, &sql, values![id])?.map(|row| Message::from_row(&row)).transpose()
}

/// What became of a message that was handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// To be tried again after a pause.
    Failed(String),
    /// For a person to look at.
    Dead(String),
}

/// Notes it for whoever has the lease; the state that it is in then. `None`: another has it since, or it was taken back.
///
/// # Errors
/// The database's.
pub fn answer(
    engine: &mut dyn Engine,
    (id, lease): (&str, &str),
    outcome: &Outcome,
    now: Timestamp,
) -> Result<Option<String>, HqError> {
    transaction(engine, |engine| {
        lock(engine)?;
        let Some(message) = row(engine, id)?.filter(|message| message.lease == lease) else { return Ok(None) };
        // Said twice, the first word holds.
        if message.state != "taken" {
            return Ok((message.state == "done" || message.state == "waiting" || message.state == "dead")
                .then_some(message.state));
        }
        let state = match outcome {
            Outcome::Done => {
                set(engine, id, "done", "", now)?;
                "done"
            }
            Outcome::Failed(reason) if message.tries < MOST_TRIES => {
                set(engine, id, "waiting", reason, now)?;
                let sql = "UPDATE care_messages SET until_ms = ?2 WHERE message = ?1";
                engine.execute(sql, values![id, now.unix_ms() + pause_ms(message.tries)])?;
                "waiting"
            }
            Outcome::Failed(reason) | Outcome::Dead(reason) => {
                set(engine, id, "dead", reason, now)?;
                "dead"
            }
        };
        Ok(Some(state.to_owned()))
    })
}

/// Gives a message back that was taken and not sent, as if it had not been taken. Nothing where another has it since.
///
/// # Errors
/// The database's.
pub fn give_back(engine: &mut dyn Engine, (id, lease): (&str, &str), now: Timestamp) -> Result<(), HqError> {
    transaction(engine, |engine| {
        lock(engine)?;
        let sql =
            "UPDATE care_messages SET state = 'waiting', lease = '', until_ms = ?3, tries = tries - 1, changed_ms = ?3
             WHERE message = ?1 AND lease = ?2 AND state = 'taken'";
        engine.execute(sql, values![id, lease, now.unix_ms()]).map(drop)
    })
}

/// After so many tries.
fn pause_ms(tries: u32) -> i64 {
    (FIRST_PAUSE_MS << tries.saturating_sub(1).min(DOUBLINGS)).min(LONGEST_PAUSE_MS)
}

/// Takes a person's messages along when they are erased, and their birthday: whether one was known, as a number.
///
/// # Errors
/// The database's.
pub fn forget(
    engine: &mut dyn Engine,
    store: &str,
    person: &BTreeSet<String>,
    visits: &BTreeSet<String>,
) -> Result<u64, HqError> {
    // Whoever is about to offer has offered, or finds nothing any more.
    lock(engine)?;
    for visit in visits {
        engine.execute("DELETE FROM care_messages WHERE store = ?1 AND visit = ?2", values![store, visit])?;
        engine.execute("DELETE FROM care_watch WHERE store = ?1 AND visit = ?2", values![store, visit])?;
    }
    let birthdays = birthdays::forget(engine, store, person)?;
    // A visit that was moved to somebody else keeps what was sent about it; their name goes from it.
    for customer in person {
        let sql = "UPDATE care_messages SET customer = '' WHERE store = ?1 AND customer = ?2";
        engine.execute(sql, values![store, customer])?;
    }
    Ok(birthdays)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_may_be_away_for_more_than_a_day() {
        let all: i64 = (1..MOST_TRIES).map(pause_ms).sum();
        assert!(all > 24 * 3_600_000, "{all} ms");
        assert_eq!((1..MOST_TRIES).map(pause_ms).max(), Some(LONGEST_PAUSE_MS));
    }
}
