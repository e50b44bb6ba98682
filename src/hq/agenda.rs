//! Appointments on their way down: written by the CRM, kept as a numbered book for each store, told to its gateways until they say
//! that they hold them.
//!
//! A store gets what lies within `AHEAD_MS`; as time goes on, what comes into view is told like a change. What is over goes
//! after `KEPT_MS`, and nothing personal is kept of what was called off: the CRM has it. Any number of receivers may tell; a
//! gateway passes over what it holds.

use super::{
    HqError,
    database::{
        Addressed, Place,
        engine::{Engine, Row, first, transaction, values},
    },
    telling::{self, numbering, pause_ms, understands},
};
use crate::{
    clock,
    domain::Timestamp,
    sync::{
        agenda::{AGENDA, Entry, File, Standing},
        reply::Reply,
        topic::Address,
    },
};
use std::{
    collections::{HashMap, HashSet},
    fs,
    io::Write,
    path::Path,
};

/// A store is told of its customers of the next seven days.
const AHEAD_MS: i64 = 7 * 86_400_000;

/// And still of what began so long ago: a visit of the evening, a store behind in time.
const BEHIND_MS: i64 = 86_400_000;

/// So long after its hour an appointment is kept here.
const KEPT_MS: i64 = 3 * 86_400_000;

/// How often what comes into view is looked for.
const SLIDE_MS: i64 = 3_600_000;

/// Gateways told at one go.
const AT_ONCE: i64 = 20;

/// Bytes of appointments in one part; with what stands around them it stays below what a publish may have.
const PART: usize = 48 * 1024;

/// Rows looked at for one gateway at one go; the rest follows when it holds these.
const ROWS: i64 = 2_000;

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// New or changed.
    pub changed: u64,
    /// As they were.
    pub unchanged: u64,
    /// Called off, since a whole list did not name them.
    pub called_off: u64,
}

/// Writes what a CRM hands over for a store. `whole`: the file names all that is booked from now on; what it does not name is
/// called off.
///
/// # Errors
/// [`HqError::NoStore`] where no gateway of that store was ever heard; the database's. Nothing was changed then.
pub fn put(
    engine: &mut dyn Engine,
    store: &str,
    entries: &[(Entry, Timestamp)],
    whole: bool,
    now: Timestamp,
) -> Result<Written, HqError> {
    transaction(engine, |engine| {
        if first(engine, "SELECT 1 FROM gateways WHERE store = ?1", values![store])?.is_none() {
            return Err(HqError::NoStore { store: store.to_owned() });
        }
        let mut book = Book::open(engine, store, now)?;
        let known = known(engine, store)?;
        let mut written = Written { changed: 0, unchanged: 0, called_off: 0 };
        for (entry, starts) in entries {
            let entry = plain(entry);
            let same = known.get(&entry.id).is_some_and(|(held, at)| *held == entry && at == starts);
            // Of what was never here nothing needs to be called off.
            let idle = entry.state != Standing::Booked && !known.contains_key(&entry.id);
            if same || idle {
                written.unchanged += 1;
                continue;
            }
            written.changed += 1;
            write(engine, store, &entry, *starts, book.next())?;
        }
        if whole {
            let named: HashSet<&str> = entries.iter().map(|(entry, _)| entry.id.as_str()).collect();
            let mut gone: Vec<&(Entry, Timestamp)> = known
                .values()
                .filter(|(entry, at)| {
                    entry.state == Standing::Booked && *at >= now && !named.contains(entry.id.as_str())
                })
                .collect();
            gone.sort_by_key(|(entry, _)| &entry.id);
            for (entry, at) in gone {
                written.called_off += 1;
                let off = plain(&Entry { state: Standing::Cancelled, ..entry.clone() });
                write(engine, store, &off, *at, book.next())?;
            }
        }
        book.close(engine)?;
        Ok(written)
    })
}

/// As it is kept: nothing personal of what is called off; the time stands in its own column.
fn plain(entry: &Entry) -> Entry {
    let Entry { id, minutes, state, .. } = entry.clone();
    match state {
        Standing::Booked => Entry { starts: String::new(), ..entry.clone() },
        Standing::Cancelled | Standing::Moved => nobody(id, minutes, state),
    }
}

/// An appointment without a person.
fn nobody(id: String, minutes: u32, state: Standing) -> Entry {
    let [starts, service, staff, station, member, phone, name] = [const { String::new() }; 7];
    Entry { id, starts, minutes, state, service, staff, station, member, phone, name }
}

/// A store's book, its row locked until the end of the transaction: changes are numbered one after the other.
struct Book {
    store: String,
    was: u64,
    version: u64,
    until: Timestamp,
}

impl Book {
    fn open(engine: &mut dyn Engine, store: &str, now: Timestamp) -> Result<Self, HqError> {
        engine.execute(
            "INSERT INTO agenda_books(store, book, version, until_ms) VALUES (?1, ?2, 0, ?3) ON CONFLICT DO NOTHING",
            values![store, &numbering(), now.unix_ms() + AHEAD_MS],
        )?;
        let row = first(
            engine,
            "UPDATE agenda_books SET version = version WHERE store = ?1 RETURNING version, until_ms",
            values![store],
        )?;
        let row = row.ok_or(HqError::Stopped)?;
        let version = row.get(0)?;
        let until = Timestamp::from_unix_ms(row.get(1)?);
        Ok(Self { store: store.to_owned(), was: version, version, until })
    }

    fn next(&mut self) -> u64 {
        self.version += 1;
        self.version
    }

    fn close(self, engine: &mut dyn Engine) -> Result<(), HqError> {
        if self.version == self.was {
            return Ok(());
        }
        let sql = "UPDATE agenda_books SET version = ?2 WHERE store = ?1";
        engine.execute(sql, values![&self.store, self.version]).map(drop)
    }
}

const COLUMNS: &str = "appointment, starts_ms, minutes, state, service, staff, station, member, phone, name, version";

fn read(row: &Row) -> Result<(Entry, Timestamp, u64), HqError> {
    let state: String = row.get(3)?;
    let entry = Entry {
        id: row.get(0)?,
        starts: String::new(),
        minutes: row.get(2)?,
        state: if state == Standing::Booked.as_str() { Standing::Booked } else { Standing::Cancelled },
        service: row.get(4)?,
        staff: row.get(5)?,
        station: row.get(6)?,
        member: row.get(7)?,
        phone: row.get(8)?,
        name: row.get(9)?,
    };
    Ok((entry, Timestamp::from_unix_ms(row.get(1)?), row.get(10)?))
}

fn known(engine: &mut dyn Engine, store: &str) -> Result<HashMap<String, (Entry, Timestamp)>, HqError> {
    let rows = engine.query(&format!("SELECT {COLUMNS} FROM agenda WHERE store = ?1"), values![store])?;
    rows.iter().map(|row| read(row).map(|(entry, at, _)| (entry.id.clone(), (entry, at)))).collect()
}

fn write(engine: &mut dyn Engine, store: &str, entry: &Entry, starts: Timestamp, version: u64) -> Result<(), HqError> {
    let Entry { id, starts: _, minutes, state, service, staff, station, member, phone, name } = entry;
    engine.execute(
        "INSERT INTO agenda(store, appointment, starts_ms, minutes, state, service, staff, station, member, phone, name, version)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
         ON CONFLICT (store, appointment) DO UPDATE SET starts_ms = excluded.starts_ms, minutes = excluded.minutes,
         state = excluded.state, service = excluded.service, staff = excluded.staff, station = excluded.station,
         member = excluded.member, phone = excluded.phone, name = excluded.name, version = excluded.version",
        values![
            store, id, starts.unix_ms(), *minutes, state.as_str(), service, staff, station, member, phone, name, version
        ],
    )?;
    Ok(())
}

/// What has come into view since, counted as a change; what is long over goes.
fn slide(engine: &mut dyn Engine, now: Timestamp) -> Result<(), HqError> {
    let until = now.unix_ms() + AHEAD_MS;
    let late = engine.query(
        "SELECT store FROM agenda_books WHERE until_ms < ?1 ORDER BY store LIMIT 50",
        values![until - SLIDE_MS],
    )?;
    for row in late {
        let store: String = row.get(0)?;
        let mut book = Book::open(engine, &store, now)?;
        let came = engine.query(
            "SELECT appointment FROM agenda WHERE store = ?1 AND starts_ms > ?2 AND starts_ms <= ?3 AND state = 'booked'
             ORDER BY appointment",
            values![&store, book.until.unix_ms(), until],
        )?;
        for row in came {
            let sql = "UPDATE agenda SET version = ?3 WHERE store = ?1 AND appointment = ?2";
            engine.execute(sql, values![&store, &row.get::<String>(0)?, book.next()])?;
        }
        engine.execute(
            "DELETE FROM agenda WHERE store = ?1 AND starts_ms < ?2",
            values![&store, now.unix_ms() - KEPT_MS],
        )?;
        engine.execute("UPDATE agenda_books SET until_ms = ?2 WHERE store = ?1", values![&store, until])?;
        book.close(engine)?;
    }
    Ok(())
}

pub(super) const BOOK: telling::Book = telling::Book {
    books: "agenda_books",
    told: "agenda_told",
    knows_more: "the store knows more appointments than this headquarters; it is told all of them again",
};

/// A gateway that does not hold all of its store's agenda.
struct Behind {
    to: Address,
    understands: bool,
    book: String,
    /// Of that book.
    held: u64,
    version: u64,
    until: Timestamp,
    tries: i64,
}

impl Behind {
    fn from_row(row: &Row) -> Result<Self, HqError> {
        let about: Option<String> = row.get(2)?;
        let (book, told): (String, Option<String>) = (row.get(3)?, row.get(6)?);
        let held = if told.as_ref() == Some(&book) { row.get::<Option<u64>>(7)?.unwrap_or(0) } else { 0 };
        Ok(Self {
            to: Address { store: row.get(0)?, gateway: row.get(1)? },
            understands: understands(about.as_deref(), AGENDA),
            book,
            held,
            version: row.get(4)?,
            until: Timestamp::from_unix_ms(row.get(5)?),
            tries: row.get::<Option<i64>>(8)?.unwrap_or(0),
        })
    }

    /// What changed, as the store may know it, in parts.
    fn parts(&self, engine: &mut dyn Engine, now: Timestamp) -> Result<Vec<Reply>, HqError> {
        let rows = engine.query(
            &format!("SELECT {COLUMNS} FROM agenda WHERE store = ?1 AND version > ?2 ORDER BY version LIMIT ?3"),
            values![&self.to.store, self.held, ROWS],
        )?;
        let (mut parts, mut since, mut upto) = (Vec::new(), self.held, self.held);
        let (mut appointments, mut bytes) = (Vec::new(), 0);
        for row in &rows {
            let (entry, starts, version) = read(row)?;
            if let Some(entry) = self.seen(entry, starts, now) {
                let length = serde_json::to_string(&entry).map_or(0, |text| text.len() + 1);
                if bytes + length > PART {
                    parts.push(self.part(since, upto, std::mem::take(&mut appointments)));
                    (since, bytes) = (upto, 0);
                }
                bytes += length;
                appointments.push(entry);
            }
            upto = version;
        }
        if (rows.len() as i64) < ROWS {
            upto = self.version.max(upto);
        }
        parts.push(self.part(since, upto, appointments));
        Ok(parts)
    }

    fn part(&self, since: u64, upto: u64, appointments: Vec<Entry>) -> Reply {
        Reply::Agenda { book: self.book.clone(), since, upto, appointments }
    }

    /// An appointment as the store may know it; `None` where it need not be told.
    fn seen(&self, entry: Entry, starts: Timestamp, now: Timestamp) -> Option<Entry> {
        let at = starts.to_string();
        if starts.unix_ms() < now.unix_ms() - BEHIND_MS {
            return None;
        }
        if entry.state == Standing::Booked && starts <= self.until {
            return Some(Entry { starts: at, ..entry });
        }
        // Of somebody whom the store was never told of there is nothing to take back.
        let state = if entry.state == Standing::Booked { Standing::Moved } else { entry.state };
        (self.held > 0).then(|| Entry { starts: at, ..nobody(entry.id, entry.minutes, state) })
    }
}

/// What is to be told now; it is due again after a pause.
pub(super) fn due(engine: &mut dyn Engine, now: Timestamp) -> Result<Vec<Addressed>, HqError> {
    if engine.query("SELECT 1 FROM agenda_books LIMIT 1", &[])?.is_empty() {
        return Ok(Vec::new());
    }
    slide(engine, now)?;
    let rows = engine.query(
        "SELECT g.store, g.gateway, g.about, b.book, b.version, b.until_ms, t.book, t.version, t.tries
         FROM agenda_books b JOIN gateways g ON g.store = b.store LEFT JOIN agenda_told t ON t.gateway = g.gateway
         WHERE g.epoch IS NOT NULL AND g.retired_ms IS NULL AND b.version > 0
         AND (t.gateway IS NULL OR ((t.book <> b.book OR t.version < b.version) AND t.due_ms <= ?1))
         ORDER BY t.due_ms, g.gateway LIMIT ?2",
        values![now.unix_ms(), AT_ONCE],
    )?;
    let mut all = Vec::new();
    for row in &rows {
        let behind = Behind::from_row(row)?;
        let pause = pause_ms(behind.understands, behind.tries);
        engine.execute(
            "INSERT INTO agenda_told(gateway, book, version, due_ms, tries) VALUES (?1, '', 0, ?2, 1)
             ON CONFLICT (gateway) DO UPDATE SET due_ms = excluded.due_ms, tries = agenda_told.tries + 1",
            values![&behind.to.gateway, now.unix_ms() + pause],
        )?;
        if behind.understands {
            let parts = behind.parts(engine, now)?;
            all.extend(parts.into_iter().map(|part| (behind.to.clone(), part)));
        }
    }
    Ok(all)
}

/// Prints what is booked at a store, and how far each of its gateways holds it. No person is named.
///
/// # Errors
/// The database's; a closed output ends it in peace.
pub fn print(place: &Place, store: &str, out: &mut impl Write) -> Result<(), HqError> {
    let mut engine = place.read_only()?;
    let rows = engine.query(
        &format!("SELECT {COLUMNS} FROM agenda WHERE store = ?1 ORDER BY starts_ms, appointment"),
        values![store],
    )?;
    for row in &rows {
        let (Entry { id, minutes, state, service, staff, .. }, starts, _) = read(row)?;
        if writeln!(out, "{starts}  {minutes:3} min  {:9}  {id}  {service} {staff}", state.as_str()).is_err() {
            return Ok(());
        }
    }
    let gateways = engine.query(
        "SELECT g.gateway, b.version, CASE WHEN t.book = b.book THEN t.version ELSE 0 END, g.retired_ms
         FROM agenda_books b JOIN gateways g ON g.store = b.store LEFT JOIN agenda_told t ON t.gateway = g.gateway
         WHERE b.store = ?1 ORDER BY g.gateway",
        values![store],
    )?;
    for row in &gateways {
        let (gateway, version, held): (String, u64, u64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let says = match row.get::<Option<i64>>(3)? {
            Some(_) => "is retired, and told nothing",
            None if held >= version => "holds all of it",
            None => "does not hold all of it yet",
        };
        if writeln!(out, "{gateway} {says} (change {held} of {version})").is_err() {
            return Ok(());
        }
    }
    if gateways.is_empty() {
        let _ = writeln!(out, "no appointments were ever handed over for store {store}");
    }
    Ok(())
}

/// Reads a file as a CRM writes it (`-`: the standard input) and writes it for a store.
///
/// # Errors
/// [`HqError::Agenda`] with everything that is wrong in it, [`HqError::NoStore`], the database's; nothing was written then.
pub fn put_file(place: &Place, (store, file): (&str, &Path), whole: bool, out: &mut impl Write) -> Result<(), HqError> {
    let read =
        if file == Path::new("-") { std::io::read_to_string(std::io::stdin()) } else { fs::read_to_string(file) };
    let text = read.map_err(|source| HqError::File { path: file.to_owned(), source })?;
    let entries = File::read(&text).map_err(|reason| HqError::Agenda { path: file.to_owned(), reason })?;
    let Written { changed, unchanged, called_off } =
        put(&mut *place.open()?, store, &entries, whole, clock::now().wall)?;
    let _ = writeln!(out, "{changed} written, {unchanged} unchanged, {called_off} called off");
    Ok(())
}
