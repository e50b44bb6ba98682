//! What headquarters has booked for this store: taken in part by part, held against the store's own customers, carried along
//! when it is moved or called off.
//!
//! An appointment of headquarters is one of the day's appointments as soon as its customer is known here. Until then it waits in
//! `agenda` alone; whoever welcomes the customer says who it is, or that it is someone new. Whoever has come stays, whatever
//! headquarters says afterwards.

use super::{
    Store, audit, cards, customers,
    error::{StoreError, found},
    writer::Tx,
};
use crate::{
    clock,
    domain::{
        AppointmentId, CustomerId, Timestamp,
        appointment::{AppointmentState, Origin},
        customer::Customer,
        whose::{Person, Whose, whose},
    },
    sync::agenda::{Entry, Held, Standing},
};
use rusqlite::{Connection, OptionalExtension, Row, params};

/// Signs in the audit log what headquarters did.
const HQ: &str = "hq";

/// What is older is forgotten here; the visits that came of it are not.
const KEPT_MS: i64 = 30 * 86_400_000;

/// What became of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    Written,
    /// All of it was held already.
    Held,
    /// It begins beyond what is held, or is of another book: nothing was written.
    Gap,
}

/// Somebody whom headquarters expects here and no record is known of for sure. `Debug` prints the id only.
#[derive(Clone)]
pub struct Expected {
    pub id: AppointmentId,
    pub starts: Timestamp,
    pub minutes: u32,
    pub station: String,
    pub service: String,
    pub staff: String,
    pub person: Person,
    /// Who it may be; empty where nobody here comes into question, or exactly one for sure.
    pub perhaps: Vec<Customer>,
}

impl std::fmt::Debug for Expected {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Expected({})", self.id)
    }
}

/// Who has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comes {
    /// Whoever is meant for sure, else someone new; refused where records come into question.
    AsTold,
    This(CustomerId),
    New,
}

/// A row of `agenda`.
struct Booked {
    id: AppointmentId,
    customer: Option<CustomerId>,
    starts: Timestamp,
    person: Person,
}

const COLUMNS: &str = "id, customer, starts_ms, member, phone, name";

impl Booked {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        let person = Person { member: row.get(3)?, phone: row.get(4)?, name: row.get(5)? };
        Ok(Self { id: row.get(0)?, customer: row.get(1)?, starts: row.get(2)?, person })
    }
}

fn held(conn: &Connection) -> Result<Option<Held>, StoreError> {
    let mut select = conn.prepare_cached("SELECT book, version FROM agenda_held")?;
    let row = select.query_row([], |row| Ok(Held { book: row.get(0)?, version: row.get::<_, i64>(1)?.unsigned_abs() }));
    Ok(row.optional()?)
}

fn take(tx: &Tx<'_>, book: &str, (since, upto): (u64, u64), entries: &[Entry]) -> Result<Taken, StoreError> {
    let here = held(tx)?;
    let reached = here.filter(|here| here.book == book).map(|here| here.version);
    match reached {
        None if since > 0 => return Ok(Taken::Gap),
        Some(version) if since > version => return Ok(Taken::Gap),
        Some(version) if upto <= version => return Ok(Taken::Held),
        Some(_) => {}
        None => call_all_off(tx)?,
    }
    for entry in entries {
        match entry.starts.parse() {
            Ok(starts) => write(tx, entry, starts)?,
            // Headquarters checks what it takes; one strange row must not keep the others away.
            Err(fault) => tracing::warn!(appointment = entry.id, %fault, "passed over an appointment of headquarters"),
        }
    }
    tx.execute(
        "INSERT INTO agenda_held (one, book, version) VALUES (1, ?1, ?2)
         ON CONFLICT (one) DO UPDATE SET book = ?1, version = ?2",
        params![book, i64::try_from(upto).unwrap_or(i64::MAX)],
    )?;
    tx.execute("DELETE FROM agenda WHERE starts_ms < ?1", [clock::now().wall.unix_ms() - KEPT_MS])?;
    Ok(Taken::Written)
}

/// Another book begins: what it does not name does not hold any more.
fn call_all_off(tx: &Tx<'_>) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE appointments SET state = 'cancelled' WHERE state = 'booked' AND id IN (SELECT id FROM agenda)",
        [],
    )?;
    tx.execute("UPDATE agenda SET state = 'cancelled'", [])?;
    tx.execute("DELETE FROM agenda WHERE customer IS NULL", [])?;
    Ok(())
}

fn write(tx: &Tx<'_>, entry: &Entry, starts: Timestamp) -> Result<(), StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM agenda WHERE hq = ?1");
    let known = tx.prepare_cached(&sql)?.query_row([&entry.id], Booked::from_row).optional()?;
    if entry.state != Standing::Booked {
        return known.map_or(Ok(()), |known| call_off(tx, entry, &known));
    }
    let person = Person { member: entry.member.clone(), phone: entry.phone.clone(), name: entry.name.clone() };
    let id = known.as_ref().map_or_else(|| clock::mint(AppointmentId::from_bits), |known| known.id);
    let customer = match &known {
        Some(Booked { customer: Some(customer), person: before, .. }) if *before == person => Some(*customer),
        Some(Booked { customer: Some(_), .. }) if !waits_for_nobody(tx, id)? => {
            // Somebody has come on it: who that is was settled here.
            return Ok(());
        }
        _ => sure(tx, &person)?,
    };
    if known.as_ref().is_some_and(|known| known.customer.is_some() && known.customer != customer) {
        tx.execute("DELETE FROM appointments WHERE id = ?1", [id])?;
    }
    let Entry { id: hq, minutes, service, staff, station, .. } = entry;
    let Person { member, phone, name } = &person;
    tx.prepare_cached(
        "INSERT INTO agenda (hq, id, starts_ms, minutes, station, service, staff, member, phone, name, state, customer)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 'booked', ?11)
         ON CONFLICT (hq) DO UPDATE SET starts_ms = ?3, minutes = ?4, station = ?5, service = ?6, staff = ?7,
         member = ?8, phone = ?9, name = ?10, state = 'booked', customer = ?11",
    )?
    .execute(params![hq, id, starts, minutes, station, service, staff, member, phone, name, customer])?;
    let moved = known.is_some_and(|known| known.starts != starts);
    match customer {
        None => Ok(()),
        Some(customer) => book(tx, id, customer, moved),
    }
}

/// Whether the appointment is not begun: nobody came on it, and no visit has come of it.
fn waits_for_nobody(tx: &Tx<'_>, id: AppointmentId) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM appointments WHERE id = ?1 AND (visit IS NOT NULL OR state IN ('waiting', 'seated'))";
    Ok(tx.prepare_cached(sql)?.query_row([id], |_| Ok(())).optional()?.is_none())
}

/// Makes the appointment of a row of `agenda`, or brings it to what stands there.
fn book(tx: &Tx<'_>, id: AppointmentId, customer: CustomerId, moved: bool) -> Result<(), StoreError> {
    let made = tx.execute(
        "INSERT INTO appointments (id, customer, starts_ms, minutes, station, service, staff, origin, state)
         SELECT id, ?2, starts_ms, minutes, station, service, staff, ?3, ?4 FROM agenda WHERE id = ?1
         ON CONFLICT (id) DO NOTHING",
        params![id, customer, Origin::Headquarters, AppointmentState::Booked],
    )?;
    if made == 1 {
        return audit::note(tx, HQ, "appointment.booked", Some(customer), &id.to_string());
    }
    let changed = tx.execute(
        "UPDATE appointments SET (starts_ms, minutes, station, service, staff) =
             (SELECT starts_ms, minutes, station, service, staff FROM agenda WHERE id = ?1),
             state = CASE WHEN state = 'cancelled' OR (state = 'missed' AND ?2) THEN 'booked' ELSE state END
         WHERE id = ?1 AND visit IS NULL AND state NOT IN ('waiting', 'seated')",
        params![id, moved],
    )?;
    if changed == 1 { audit::note(tx, HQ, "appointment.moved", Some(customer), &id.to_string()) } else { Ok(()) }
}

fn call_off(tx: &Tx<'_>, entry: &Entry, known: &Booked) -> Result<(), StoreError> {
    let Some(customer) = known.customer else {
        tx.execute("DELETE FROM agenda WHERE hq = ?1", [&entry.id])?;
        return Ok(());
    };
    tx.execute("UPDATE agenda SET state = ?2 WHERE hq = ?1", params![entry.id, entry.state.as_str()])?;
    let sql =
        "UPDATE appointments SET state = 'cancelled' WHERE id = ?1 AND visit IS NULL AND state IN ('booked', 'missed')";
    if tx.execute(sql, [known.id])? == 1 {
        audit::note(tx, HQ, "appointment.cancelled", Some(customer), &known.id.to_string())?;
    }
    Ok(())
}

/// Whether headquarters has called it off, so that an undone arrival leads back to that.
pub(super) fn is_called_off(conn: &Connection, id: AppointmentId) -> Result<bool, StoreError> {
    let mut select = conn.prepare_cached("SELECT 1 FROM agenda WHERE id = ?1 AND state <> 'booked'")?;
    Ok(select.query_row([id], |_| Ok(())).optional()?.is_some())
}

/// Records that come into question for a person, each entry under the id of its main entry.
fn records(conn: &Connection, person: &Person) -> Result<Vec<(CustomerId, Person)>, StoreError> {
    let mut select = conn.prepare_cached(
        "SELECT coalesce(x.alias_of, x.id), coalesce((SELECT m.member FROM cards m WHERE m.customer = coalesce(x.alias_of, x.id)),
             (SELECT m.member FROM cards m WHERE m.customer = x.id), ''), x.phone, x.name
         FROM customers x WHERE x.id IN (
             SELECT id FROM customers WHERE name COLLATE NOCASE IN (?1, ?2)
             UNION SELECT id FROM customers WHERE substr(phone, -4) = ?3
             UNION SELECT customer FROM cards WHERE member <> '' AND member IN (?4, upper(?4), lower(?4)))
         ORDER BY x.n DESC LIMIT 50",
    )?;
    let said = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let close: String = person.name.split_whitespace().collect();
    let rows = select.query_map(
        params![said(person.name.trim()), said(&close), person.phone_end(), said(person.member.trim())],
        |row| Ok((row.get(0)?, Person { member: row.get(1)?, phone: row.get(2)?, name: row.get(3)? })),
    )?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn sure(conn: &Connection, person: &Person) -> Result<Option<CustomerId>, StoreError> {
    match whose(person, &records(conn, person)?) {
        Whose::This(customer) => Ok(Some(customer)),
        Whose::Perhaps(_) | Whose::Nobody => Ok(None),
    }
}

fn expected(conn: &Connection, from: Timestamp, to: Timestamp) -> Result<Vec<Expected>, StoreError> {
    let mut select = conn.prepare_cached(
        "SELECT id, starts_ms, minutes, station, service, staff, member, phone, name FROM agenda
         WHERE customer IS NULL AND starts_ms BETWEEN ?1 AND ?2 ORDER BY starts_ms, id LIMIT 100",
    )?;
    let rows = select.query_map(params![from, to], |row| {
        Ok(Expected {
            id: row.get(0)?,
            starts: row.get(1)?,
            minutes: row.get(2)?,
            station: row.get(3)?,
            service: row.get(4)?,
            staff: row.get(5)?,
            person: Person { member: row.get(6)?, phone: row.get(7)?, name: row.get(8)? },
            perhaps: Vec::new(),
        })
    })?;
    let mut all = rows.collect::<Result<Vec<_>, _>>()?;
    for one in &mut all {
        if let Whose::Perhaps(ids) = whose(&one.person, &records(conn, &one.person)?) {
            one.perhaps = ids.into_iter().map(|id| customers::load(conn, id)).collect::<Result<_, _>>()?;
        }
    }
    Ok(all)
}

fn welcome(tx: &Tx<'_>, id: AppointmentId, comes: Comes, who: &str) -> Result<CustomerId, StoreError> {
    let mut select = tx.prepare_cached(&format!("SELECT {COLUMNS} FROM agenda WHERE id = ?1"))?;
    let booked = found(select.query_row([id], Booked::from_row), "appointment", id)?;
    if booked.customer.is_some() {
        // Another tablet was quicker.
        return Err(StoreError::WrongState {
            what: "appointment",
            id: id.to_string(),
            state: "taken up".to_owned(),
            remedy: "read the day again",
        });
    }
    let person = &booked.person;
    let customer = match comes {
        Comes::This(customer) => customers::main_of(tx, customer)?,
        Comes::New => new_customer(tx, person, who)?,
        Comes::AsTold => match whose(person, &records(tx, person)?) {
            Whose::This(customer) => customer,
            Whose::Nobody => new_customer(tx, person, who)?,
            Whose::Perhaps(_) => return Err(StoreError::WhoIsIt(id)),
        },
    };
    cards::learn_member(tx, customer, &person.member, who)?;
    tx.execute("UPDATE agenda SET customer = ?2 WHERE id = ?1", params![id, customer])?;
    book(tx, id, customer, false)?;
    Ok(customer)
}

fn new_customer(tx: &Tx<'_>, person: &Person, who: &str) -> Result<CustomerId, StoreError> {
    let Person { member, phone, name } = person;
    let id = clock::mint(CustomerId::from_bits);
    let name = if name.is_empty() { member } else { name };
    let customer =
        Customer { id, name: name.clone(), phone: phone.clone(), skin_type: String::new(), notes: String::new() };
    customers::upsert(tx, &customer, who)?;
    Ok(id)
}

impl Store {
    /// How far the agenda of headquarters is held; `None` before it has told of one.
    pub async fn agenda_held(&self) -> Result<Option<Held>, StoreError> {
        self.read(held).await
    }

    /// Takes in what changed from one number of a book to another; all of it or nothing.
    pub async fn take_agenda(
        &self,
        book: String,
        changes: (u64, u64),
        entries: Vec<Entry>,
    ) -> Result<Taken, StoreError> {
        self.write(move |tx| take(tx, &book, changes, &entries)).await
    }

    /// Whom headquarters expects in a span of time and no record is known of, in the order of their hours; each with the records
    /// that come into question.
    pub async fn expected(&self, from: Timestamp, to: Timestamp) -> Result<Vec<Expected>, StoreError> {
        self.read(move |conn| expected(conn, from, to)).await
    }

    /// Says who the expected one is: from then on it is one of the day's appointments, booked.
    ///
    /// # Errors
    /// [`StoreError::WhoIsIt`] where a person must say it; [`StoreError::WrongState`] where another has said it meanwhile.
    pub async fn welcome(&self, id: AppointmentId, comes: Comes, who: String) -> Result<CustomerId, StoreError> {
        self.write(move |tx| welcome(tx, id, comes, &who)).await
    }
}
