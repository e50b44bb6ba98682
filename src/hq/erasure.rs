//! Erasing a person at headquarters: because the store says so (`erased.v1`), or because someone here asks for it
//! (`skinlink-hq erase`). What told of the person is replaced by `redacted.v1` under the same sequence, in the raw events and
//! in archived months; facts, pictures and their keys go, and a birthday that the CRM told. What stays are ids without a person behind
//! them, and counts.
//!
//! A person is all ids that were ever joined. Theirs is what belongs to their visits *now*: a scan that was moved to another
//! customer is that customer's. What comes later of an erased visit is erased as it comes.

use super::{
    HqError, care,
    database::engine::{Engine, Row, Value, first, values},
    events::redacted,
    filing, inbox,
    records::{
        self,
        tables::{ALIASES, CONSENTS, FEEDBACK, MOVED, REPORTS, VOIDED},
    },
    standing_words,
};
use crate::{
    domain::Timestamp,
    sync::{
        envelope::{Event, TYPE_PREFIX},
        payload::{Redacted, Visit, kind},
    },
};
use std::collections::{BTreeMap, BTreeSet};

/// Ids that one question names.
const AT_ONCE: usize = 32;

/// Events beyond a hole that are looked through at once.
const PAGE: u32 = 500;

/// What an erasure took away, without anything personal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Receipt {
    pub customers: u64,
    pub visits: u64,
    pub events: u64,
    pub pictures: u64,
    /// That the CRM had told.
    pub birthdays: u64,
}

type Ids = BTreeSet<String>;

/// Erases a person of a store. To be called in a transaction that holds the lock on the records. Archived segments that tell
/// of the person are noted as stale, and read without it from now on; they are written anew afterwards, so that a shelf that is
/// away holds nothing up.
///
/// # Errors
/// The database's.
pub(super) fn erase(engine: &mut dyn Engine, store: &str, customer: &str, now: Timestamp) -> Result<Receipt, HqError> {
    let person = person(engine, store, customer)?;
    let mut visits = visits(engine, store, &person)?;
    visits.extend(visits_beyond(engine, store, &person)?);
    let told = told(engine, store, &person, &visits)?;
    let pictures = pictures(engine, store, &visits, &told.captures)?;
    for visit in &visits {
        // What is beyond a hole was told to nobody.
        let shared = standing_words::was_shared(engine, store, visit)?.unwrap_or(false);
        let sql = "INSERT INTO erased_visits(store, visit, shared) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
        engine.execute(sql, values![store, visit, shared])?;
    }
    let ids: Vec<&String> = person.iter().chain(&visits).collect();
    let events = redact(engine, &told.events)? + beyond(engine, store, &ids)? + letters(engine, store, &ids)?;
    let birthdays = care::forget(engine, store, &person, &visits)?;
    for customer in &person {
        inbox::forget(engine, store, customer)?;
        engine.execute(
            "INSERT INTO erasures(store, customer, events, pictures, erased_ms) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (store, customer) DO UPDATE SET
                 events = erasures.events + excluded.events, pictures = erasures.pictures + excluded.pictures",
            values![store, customer, events, pictures, now.unix_ms()],
        )?;
    }
    let receipt = Receipt { customers: person.len() as u64, visits: visits.len() as u64, events, pictures, birthdays };
    // Whoever keeps the log as a proof must not find somebody there of whom nothing was known.
    if receipt.visits + receipt.events + receipt.pictures + receipt.birthdays > 0 {
        tracing::info!(store, customer, ?receipt, "a customer was erased");
    }
    Ok(receipt)
}

/// Erases what has just come in of persons and visits that were erased before. `facts`: rows `store, customer, visit, n`.
pub(super) fn erase_late(
    engine: &mut dyn Engine,
    facts: &[(String, Option<String>, Option<String>, u64)],
    now: Timestamp,
) -> Result<(), HqError> {
    if first(engine, "SELECT 1 FROM erasures LIMIT 1", &[])?.is_none() {
        return Ok(());
    }
    let mut named: BTreeMap<&str, (BTreeSet<&str>, BTreeSet<&str>)> = BTreeMap::new();
    for (store, customer, visit, _) in facts {
        let (visits, customers) = named.entry(store).or_default();
        visits.extend(visit.as_deref());
        customers.extend(customer.as_deref());
    }
    let (mut gone, mut persons) = (BTreeSet::new(), Vec::new());
    for (store, (visits, customers)) in named {
        gone.extend(among(engine, "visit", "erased_visits", store, visits)?);
        persons.extend(among(engine, "customer", "erasures", store, customers)?);
    }
    let is_late = |store: &String, visit: &Option<String>| {
        visit.as_ref().is_some_and(|visit| gone.contains(&(store.clone(), visit.clone())))
    };
    let late = facts.iter().filter(|(store, _, visit, _)| is_late(store, visit)).map(|(_, _, _, n)| *n);
    redact(engine, &late.collect())?;
    for (store, customer) in persons {
        erase(engine, &store, &customer, now)?;
    }
    Ok(())
}

/// Those of a store's ids that stand in a table, some at each question: on PostgreSQL each is a journey.
fn among(
    engine: &mut dyn Engine,
    column: &str,
    table: &str,
    store: &str,
    ids: BTreeSet<&str>,
) -> Result<Vec<(String, String)>, HqError> {
    let places: Vec<String> = (2..AT_ONCE + 2).map(|at| format!("?{at}")).collect();
    let sql = format!("SELECT {column} FROM {table} WHERE store = ?1 AND {column} IN ({})", places.join(", "));
    let ids: Vec<&str> = ids.into_iter().collect();
    let mut found = Vec::new();
    for some in ids.chunks(AT_ONCE) {
        // Always as many, so that it is one statement.
        let padded = some.iter().chain(std::iter::repeat(&some[0])).take(AT_ONCE);
        let bound: Vec<Value<'_>> = [Value::from(store)].into_iter().chain(padded.map(|id| Value::from(*id))).collect();
        found.extend(texts(engine, &sql, &bound)?.into_iter().map(|id| (store.to_owned(), id)));
    }
    Ok(found)
}

/// All ids that were joined with this one, in either direction.
pub(super) fn person(engine: &mut dyn Engine, store: &str, customer: &str) -> Result<Ids, HqError> {
    let mut person = Ids::from([customer.to_owned()]);
    let mut waiting = vec![customer.to_owned()];
    while let Some(id) = waiting.pop() {
        let joined = texts(
            engine,
            "SELECT customer FROM alias_facts WHERE store = ?1 AND alias = ?2
             UNION SELECT alias FROM alias_facts WHERE store = ?1 AND customer = ?2",
            values![store, &id],
        )?;
        waiting.extend(joined.into_iter().filter(|id| person.insert(id.clone())));
    }
    Ok(person)
}

/// Visits that are the person's now.
fn visits(engine: &mut dyn Engine, store: &str, person: &Ids) -> Result<Ids, HqError> {
    let mut visits = Ids::new();
    for customer in person {
        let named = texts(
            engine,
            "SELECT visit FROM visit_facts WHERE customer = ?2 AND store = ?1
             UNION SELECT id FROM moved_facts WHERE customer = ?2 AND store = ?1",
            values![store, customer],
        )?;
        for visit in named {
            let sql = "SELECT customer FROM visits WHERE visit = ?1 AND store = ?2";
            let now = texts(engine, sql, values![&visit, store])?;
            if now.iter().all(|now| person.contains(now)) {
                visits.insert(visit);
            }
        }
    }
    Ok(visits)
}

/// The events that tell of a person, and the photographs among what they tell.
#[derive(Default)]
struct Told {
    events: BTreeSet<u64>,
    captures: Ids,
}

fn told(engine: &mut dyn Engine, store: &str, person: &Ids, visits: &Ids) -> Result<Told, HqError> {
    let mut told = Told::default();
    let mut objects = visits.clone();
    for visit in visits {
        let recorded = "SELECT scan FROM scan_facts WHERE visit = ?1 AND store = ?2";
        let moved_in = "SELECT id FROM now_moved WHERE visit = ?1 AND store = ?2";
        let scans: Ids = texts(engine, recorded, values![visit, store])?
            .into_iter()
            .chain(texts(engine, moved_in, values![visit, store])?)
            .collect();
        let away: Ids = texts(
            engine,
            "SELECT s.scan FROM scan_facts s JOIN now_moved m ON m.id = s.scan AND m.store = s.store
             WHERE s.visit = ?1 AND s.store = ?2 AND m.visit <> ?1",
            values![visit, store],
        )?
        .into_iter()
        .collect();
        let ours = |scan: &Option<String>| scan.as_ref().is_none_or(|scan| !away.contains(scan));
        for table in records::tables::of_visits() {
            let scan = if table.has("scan") { "scan" } else { "CAST(NULL AS TEXT)" };
            let object = table.object().unwrap_or("CAST(NULL AS TEXT)");
            let columns = format!("SELECT n, {scan}, {object} FROM {}", table.name);
            let mut rows =
                engine.query(&format!("{columns} WHERE visit = ?1 AND store = ?2"), values![visit, store])?;
            if table.has("scan") {
                for scan in &scans {
                    rows.extend(
                        engine.query(&format!("{columns} WHERE scan = ?1 AND store = ?2"), values![scan, store])?,
                    );
                }
            }
            for row in rows.iter().filter(|row| row.get(1).is_ok_and(|scan| ours(&scan))) {
                told.events.insert(row.get(0)?);
                if let Some(object) = row.get::<Option<String>>(2)? {
                    if table.name == records::tables::CAPTURES.name {
                        told.captures.insert(object.clone());
                    }
                    objects.insert(object);
                }
            }
        }
        objects.extend(scans.into_iter().filter(|scan| !away.contains(scan)));
    }
    for object in &objects {
        for table in [&VOIDED, &MOVED] {
            let sql = format!("SELECT n FROM {} WHERE id = ?1 AND store = ?2", table.name);
            told.note(engine, &sql, values![object, store])?;
        }
    }
    for customer in person {
        for sql in [
            format!("SELECT n FROM {} WHERE customer = ?2 AND store = ?1", CONSENTS.name),
            format!("SELECT n FROM {} WHERE (customer = ?2 OR alias = ?2) AND store = ?1", ALIASES.name),
            format!("SELECT n FROM {} WHERE customer = ?2 AND store = ?1", MOVED.name),
            format!("SELECT n FROM {} WHERE customer = ?2 AND store = ?1", FEEDBACK.name),
            format!("SELECT n FROM {} WHERE customer = ?2 AND store = ?1", REPORTS.name),
        ] {
            told.note(engine, &sql, values![store, customer])?;
        }
    }
    Ok(told)
}

impl Told {
    fn note(&mut self, engine: &mut dyn Engine, sql: &str, values: &[Value<'_>]) -> Result<(), HqError> {
        for row in engine.query(sql, values)? {
            self.events.insert(row.get(0)?);
        }
        Ok(())
    }
}

/// Pictures of these visits and captures, keys and all; how many.
fn pictures(engine: &mut dyn Engine, store: &str, visits: &Ids, captures: &Ids) -> Result<u64, HqError> {
    let mut found = BTreeSet::new();
    for (column, ids) in [("visit", visits), ("capture", captures)] {
        let sql = format!("SELECT gateway, capture, role FROM images WHERE {column} = ?1 AND store = ?2");
        for id in ids {
            for row in engine.query(&sql, values![id, store])? {
                found.insert((row.get::<String>(0)?, row.get::<String>(1)?, row.get::<String>(2)?));
            }
        }
    }
    for (gateway, capture, role) in &found {
        filing::forget(engine, gateway, capture, role)?;
    }
    Ok(found.len() as u64)
}

/// Takes the content out of these events and of what was known as the same; how many that were.
fn redact(engine: &mut dyn Engine, events: &BTreeSet<u64>) -> Result<u64, HqError> {
    let mut count = 0;
    for n in events {
        records::forget(engine, *n)?;
        let rows = engine
            .query("SELECT n, kind, body, segment FROM events WHERE n = ?1 OR same_as = ?1 ORDER BY n", values![*n])?;
        for row in rows {
            if row.get::<String>(1)? != redacted() {
                empty(engine, row.get(0)?, &row.get::<String>(2)?, row.get(3)?)?;
                count += 1;
            }
        }
    }
    Ok(count)
}

/// Takes the content out of one raw event; where its body is archived, its segment is to be written anew.
pub(super) fn empty(engine: &mut dyn Engine, n: u64, body: &str, segment: Option<i64>) -> Result<(), HqError> {
    let body = match segment {
        Some(segment) => {
            engine.execute("INSERT INTO stale_segments(n) VALUES (?1) ON CONFLICT DO NOTHING", values![segment])?;
            body.to_owned()
        }
        None => without_content(body),
    };
    engine
        .execute("UPDATE events SET kind = ?2, subject = '', body = ?3 WHERE n = ?1", values![n, &redacted(), &body])?;
    Ok(())
}

/// The event without what it told.
pub(super) fn without_content(body: &str) -> String {
    let Ok(mut event) = serde_json::from_str::<Event>(body) else {
        return "\"an unreadable event, erased\"".to_owned();
    };
    event.kind = redacted();
    event.subject = String::new();
    let reason = Redacted { reason: "erased".to_owned() };
    event.data = serde_json::value::to_raw_value(&reason).expect("one text");
    serde_json::to_string(&event).expect("texts and numbers")
}

fn holds(text: &str, ids: &[&String]) -> bool {
    ids.iter().any(|id| !id.is_empty() && text.contains(id.as_str()))
}

/// Visits of the person that were opened beyond a hole: their readings name the visit alone, so it must be known before its own event is
/// redacted.
fn visits_beyond(engine: &mut dyn Engine, store: &str, person: &Ids) -> Result<Ids, HqError> {
    let told = engine.query(
        "SELECT e.body FROM streams s JOIN gateways g ON g.gateway = s.gateway
         JOIN events e ON e.gateway = s.gateway AND e.epoch = s.epoch AND e.seq > s.upto
         WHERE g.store = ?1 AND s.last_seq > s.upto AND e.refused IS NULL AND e.kind = ?2",
        values![store, &format!("{TYPE_PREFIX}{}", kind::VISIT)],
    )?;
    let mut visits = Ids::new();
    for row in told {
        let Ok(event) = serde_json::from_str::<Event>(&row.get::<String>(0)?) else { continue };
        let Ok(visit) = serde_json::from_str::<Visit>(event.data.get()) else { continue };
        if person.contains(&visit.customer) {
            visits.insert(visit.visit);
        }
    }
    Ok(visits)
}

/// Events beyond a hole that hold one of these ids: no facts are made of them before it is filled, which may be never. What lies
/// before the hole has facts, or will have them in a moment, and is erased by those. How many.
fn beyond(engine: &mut dyn Engine, store: &str, ids: &[&String]) -> Result<u64, HqError> {
    let streams = engine.query(
        "SELECT s.gateway, s.epoch, s.upto FROM streams s JOIN gateways g ON g.gateway = s.gateway
         WHERE g.store = ?1 AND s.last_seq > s.upto",
        values![store],
    )?;
    // The store's own word that it erased somebody is for others too.
    let (erased, mut found) = (format!("{TYPE_PREFIX}{}", kind::ERASED), BTreeSet::new());
    for row in streams {
        let (gateway, epoch, mut after): (String, String, u64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        loop {
            let page = engine.query(
                "SELECT seq, n, body FROM events WHERE gateway = ?1 AND epoch = ?2 AND seq > ?3 AND refused IS NULL
                 AND kind NOT IN (?4, ?5) ORDER BY seq LIMIT ?6",
                values![&gateway, &epoch, after, &redacted(), &erased, PAGE],
            )?;
            for row in &page {
                after = row.get(0)?;
                if holds(&row.get::<String>(2)?, ids) {
                    found.insert(row.get(1)?);
                }
            }
            if page.is_empty() {
                break;
            }
        }
    }
    redact(engine, &found)
}

/// Refused events and alarms of the store that hold one of these ids: nobody knows what else they hold. How many.
fn letters(engine: &mut dyn Engine, store: &str, ids: &[&String]) -> Result<u64, HqError> {
    let mut found = 0;
    let holds = |text: &str| holds(text, ids);
    let refused = engine.query(
        "SELECT e.n, e.body FROM events e JOIN gateways g ON g.gateway = e.gateway
         WHERE g.store = ?1 AND e.refused IS NOT NULL",
        values![store],
    )?;
    for row in refused.iter().filter(|row| row.get::<String>(1).is_ok_and(|body| holds(&body))) {
        let (n, body): (u64, String) = (row.get(0)?, without_content(&row.get::<String>(1)?));
        engine
            .execute("UPDATE events SET subject = '', body = ?2, refused = 'erased' WHERE n = ?1", values![n, &body])?;
        found += 1;
    }
    let alarms = engine.query(
        "SELECT a.n, a.body FROM alarms a JOIN gateways g ON g.gateway = a.gateway WHERE g.store = ?1",
        values![store],
    )?;
    let text = |row: &Row| row.get::<Vec<u8>>(1).map(|body| String::from_utf8_lossy(&body).into_owned());
    for row in alarms.iter().filter(|row| text(row).is_ok_and(|body| holds(&body))) {
        let empty: &[u8] = b"";
        engine.execute("UPDATE alarms SET body = ?2 WHERE n = ?1", values![row.get::<u64>(0)?, empty])?;
        found += 1;
    }
    Ok(found)
}

fn texts(engine: &mut dyn Engine, sql: &str, values: &[Value<'_>]) -> Result<Vec<String>, HqError> {
    engine.query(sql, values)?.iter().map(|row| row.get(0)).collect()
}
