//! Erasing a person at headquarters: because the store says so (`erased.v1`), or because someone here asks for it
//! (`skinlink-hq erase`). What told of the person is replaced by `redacted.v1` under the same sequence, in the raw events and
//! in archived months; facts, pictures and their keys go. What stays are ids without a person behind them, and counts.
//!
//! A person is all ids that were ever joined. Theirs is what belongs to their visits *now*: a scan that was moved to another
//! customer is that customer's. What comes later of an erased visit is erased as it comes.

use super::{
    HqError, archive,
    database::engine::{Engine, Row, Value, first, values},
    events::redacted,
    filing, inbox,
    records::{
        self,
        tables::{ALIASES, CONSENTS, FEEDBACK, MOVED, REPORTS, VOIDED},
    },
    shelf::Shelves,
};
use crate::{
    domain::Timestamp,
    sync::{envelope::Event, payload::Redacted},
};
use std::collections::BTreeSet;

/// What an erasure took away, without anything personal.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Receipt {
    pub customers: u64,
    pub visits: u64,
    pub events: u64,
    pub pictures: u64,
}

type Ids = BTreeSet<String>;

/// Erases a person of a store. To be called in a transaction that holds the lock on the records.
///
/// # Errors
/// The database's or the shelf's.
pub(super) fn erase(
    engine: &mut dyn Engine,
    shelves: &Shelves,
    store: &str,
    customer: &str,
    now: Timestamp,
) -> Result<Receipt, HqError> {
    let person = person(engine, store, customer)?;
    let visits = visits(engine, store, &person)?;
    let told = told(engine, store, &person, &visits)?;
    let pictures = pictures(engine, store, &visits, &told.captures)?;
    for visit in &visits {
        let sql = "INSERT INTO erased_visits(store, visit) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
        engine.execute(sql, values![store, visit])?;
    }
    let events = redact(engine, shelves, &told.events)? + letters(engine, store, person.iter().chain(&visits))?;
    for customer in &person {
        inbox::forget(engine, store, customer)?;
        engine.execute(
            "INSERT INTO erasures(store, customer, events, pictures, erased_ms) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (store, customer) DO UPDATE SET
                 events = erasures.events + excluded.events, pictures = erasures.pictures + excluded.pictures",
            values![store, customer, events, pictures, now.unix_ms()],
        )?;
    }
    let receipt = Receipt { customers: person.len() as u64, visits: visits.len() as u64, events, pictures };
    tracing::info!(store, customer, ?receipt, "a customer was erased");
    Ok(receipt)
}

/// Erases what has just come in of persons and visits that were erased before. `facts`: rows `store, customer, visit, n`.
pub(super) fn erase_late(
    engine: &mut dyn Engine,
    shelves: &Shelves,
    facts: &[(String, Option<String>, Option<String>, u64)],
    now: Timestamp,
) -> Result<(), HqError> {
    if first(engine, "SELECT 1 FROM erasures LIMIT 1", &[])?.is_none() {
        return Ok(());
    }
    let (mut late, mut persons) = (BTreeSet::new(), BTreeSet::new());
    for (store, customer, visit, n) in facts {
        if let Some(visit) = visit {
            let sql = "SELECT 1 FROM erased_visits WHERE store = ?1 AND visit = ?2";
            if first(engine, sql, values![store, visit])?.is_some() {
                late.insert(*n);
            }
        }
        if let Some(customer) = customer {
            let sql = "SELECT 1 FROM erasures WHERE store = ?1 AND customer = ?2";
            if first(engine, sql, values![store, customer])?.is_some() {
                persons.insert((store.clone(), customer.clone()));
            }
        }
    }
    redact(engine, shelves, &late)?;
    for (store, customer) in persons {
        erase(engine, shelves, &store, &customer, now)?;
    }
    Ok(())
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
            let now = texts(engine, "SELECT customer FROM visits WHERE visit = ?1", values![&visit])?;
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
        let moved_in = "SELECT id FROM now_moved WHERE visit = ?1";
        let scans: Ids = texts(engine, "SELECT scan FROM scan_facts WHERE visit = ?1", values![visit])?
            .into_iter()
            .chain(texts(engine, moved_in, values![visit])?)
            .collect();
        let away: Ids = texts(
            engine,
            "SELECT s.scan FROM scan_facts s JOIN now_moved m ON m.id = s.scan WHERE s.visit = ?1 AND m.visit <> ?1",
            values![visit],
        )?
        .into_iter()
        .collect();
        let ours = |scan: &Option<String>| scan.as_ref().is_none_or(|scan| !away.contains(scan));
        for table in records::tables::of_visits() {
            let scan = if table.has("scan") { "scan" } else { "CAST(NULL AS TEXT)" };
            let object = table.object().unwrap_or("CAST(NULL AS TEXT)");
            let columns = format!("SELECT n, {scan}, {object} FROM {}", table.name);
            let mut rows = engine.query(&format!("{columns} WHERE visit = ?1"), values![visit])?;
            if table.has("scan") {
                for scan in &scans {
                    rows.extend(engine.query(&format!("{columns} WHERE scan = ?1"), values![scan])?);
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
            told.note(engine, &format!("SELECT n FROM {} WHERE id = ?1", table.name), values![object])?;
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
fn redact(engine: &mut dyn Engine, shelves: &Shelves, events: &BTreeSet<u64>) -> Result<u64, HqError> {
    let (mut count, mut segments) = (0, BTreeSet::new());
    for n in events {
        records::forget(engine, *n)?;
        let rows = engine
            .query("SELECT n, kind, body, segment FROM events WHERE n = ?1 OR same_as = ?1 ORDER BY n", values![*n])?;
        for row in rows {
            let (n, was, body, segment): (u64, String, String, Option<i64>) =
                (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
            if was == redacted() {
                continue;
            }
            count += 1;
            let body = match segment {
                // The body is taken out of its segment below; the row needs none.
                Some(segment) => {
                    segments.insert(segment);
                    body
                }
                None => without_content(&body),
            };
            engine.execute(
                "UPDATE events SET kind = ?2, subject = '', body = ?3 WHERE n = ?1",
                values![n, &redacted(), &body],
            )?;
        }
    }
    for segment in segments {
        archive::write_anew(engine, shelves, segment)?;
    }
    Ok(count)
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

/// Refused events and alarms of the store that hold one of these ids: nobody knows what else they hold. How many.
fn letters<'a>(engine: &mut dyn Engine, store: &str, ids: impl Iterator<Item = &'a String>) -> Result<u64, HqError> {
    let ids: Vec<&String> = ids.collect();
    let mut found = 0;
    let holds = |text: &str| ids.iter().any(|id| !id.is_empty() && text.contains(id.as_str()));
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
