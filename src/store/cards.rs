//! Customers' records and cards, changed together under one version, and entries that may be the same person twice. Nothing of
//! it goes to HQ.

use super::{Store, audit, customers, error::StoreError, reports, writer::Tx};
use crate::domain::{CustomerId, card::Card, customer::Customer};
use rusqlite::{Connection, OptionalExtension, Row, params};

const COLUMNS: &str = "member, allergies, contraindications, pressure, drink, music, course, course_total,
    course_since_ms";

/// A person as the customer page shows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The main entry, also where it was asked for by an alias.
    pub customer: Customer,
    pub card: Card,
    /// What a change must name; counts writes of either.
    pub version: u64,
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Card> {
    Ok(Card {
        member: row.get(0)?,
        allergies: row.get(1)?,
        contraindications: row.get(2)?,
        pressure: row.get(3)?,
        drink: row.get(4)?,
        music: row.get(5)?,
        course: row.get(6)?,
        course_total: row.get(7)?,
        course_since: row.get(8)?,
    })
}

/// The card of a person under any of the ids; of several the one of the main entry.
pub(super) fn of_person(conn: &Connection, customer: CustomerId) -> Result<Card, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM cards JOIN customers c ON c.id = customer WHERE customer IN {}
         ORDER BY c.alias_of IS NOT NULL, c.id <> ?1 LIMIT 1",
        customers::PERSON
    );
    let found = conn.prepare_cached(&sql)?.query_row([customer], from_row).optional()?;
    Ok(found.unwrap_or_default())
}

fn record(conn: &Connection, id: CustomerId) -> Result<Record, StoreError> {
    let main = customers::main_of(conn, id)?;
    Ok(Record {
        customer: customers::load(conn, main)?,
        card: of_person(conn, main)?,
        version: customers::version(conn, main)?,
    })
}

/// The record as it stands, unless the caller saw another version of it.
pub(super) fn expect(conn: &Connection, id: CustomerId, seen: u64) -> Result<Record, StoreError> {
    let now = record(conn, id)?;
    if now.version == seen { Ok(now) } else { Err(StoreError::RecordChanged(Box::new(now))) }
}

fn change(
    tx: &Tx<'_>,
    id: CustomerId,
    seen: u64,
    change: impl FnOnce(&mut Customer, &mut Card),
    who: &str,
) -> Result<Record, StoreError> {
    let was = expect(tx, id, seen)?;
    let Record { mut customer, mut card, .. } = was.clone();
    change(&mut customer, &mut card);
    customer.id = was.customer.id;
    if (&customer, &card) == (&was.customer, &was.card) {
        return Ok(was);
    }
    customers::upsert(tx, &customer, who)?;
    if card != was.card {
        save(tx, customer.id, &card, who)?;
    }
    record(tx, id)
}

fn save(tx: &Tx<'_>, customer: CustomerId, card: &Card, who: &str) -> Result<(), StoreError> {
    let Card { member, allergies, contraindications, pressure, drink, music, course, course_total, course_since } =
        card;
    tx.execute(
        "INSERT INTO cards (customer, member, allergies, contraindications, pressure, drink, music, course, course_total,
         course_since_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
         ON CONFLICT (customer) DO UPDATE SET member = ?2, allergies = ?3, contraindications = ?4, pressure = ?5,
         drink = ?6, music = ?7, course = ?8, course_total = ?9, course_since_ms = ?10",
        params![
            customer,
            member,
            allergies,
            contraindications,
            pressure,
            drink,
            music,
            course,
            course_total,
            course_since
        ],
    )?;
    // What a card forbids is suggested on no report.
    reports::settle_person(tx, customer)?;
    audit::note(tx, who, "card.saved", Some(customer), "")
}

/// Writes the chain's member number down where the person had none.
pub(super) fn learn_member(tx: &Tx<'_>, main: CustomerId, member: &str, who: &str) -> Result<(), StoreError> {
    let card = of_person(tx, main)?;
    if member.is_empty() || !card.member.is_empty() {
        return Ok(());
    }
    customers::upsert(tx, &customers::load(tx, main)?, who)?;
    save(tx, main, &Card { member: member.to_owned(), ..card }, who)
}

/// What of a warning stood on either card must stand on the one that is left: two texts become one, neither is dropped.
pub(super) fn merge(tx: &Tx<'_>, main: CustomerId, first: Card, second: Card, who: &str) -> Result<(), StoreError> {
    let both = |a: String, b: String| match (a.is_empty(), b.is_empty() || a == b) {
        (true, _) => b,
        (_, true) => a,
        _ => format!("{a}; {b}"),
    };
    let either = |a: String, b: String| if a.is_empty() { b } else { a };
    let of_course = if first.course.is_empty() { &second } else { &first };
    let (course_total, course_since) = (of_course.course_total, of_course.course_since);
    let card = Card {
        member: either(first.member, second.member),
        allergies: both(first.allergies, second.allergies),
        contraindications: both(first.contraindications, second.contraindications),
        pressure: either(first.pressure, second.pressure),
        drink: either(first.drink, second.drink),
        music: either(first.music, second.music),
        course: either(first.course, second.course),
        course_total,
        course_since,
    };
    if card == Card::default() { Ok(()) } else { save(tx, main, &card, who) }
}

impl Store {
    /// The card of a person; empty where there is none.
    pub async fn card(&self, customer: CustomerId) -> Result<Card, StoreError> {
        self.read(move |conn| of_person(conn, customer)).await
    }

    /// Record and card of the person behind `customer`, from one consistent state.
    pub async fn record(&self, customer: CustomerId) -> Result<Record, StoreError> {
        self.read(move |conn| record(conn, customer)).await
    }

    /// Reads, changes and writes record and card in one transaction, at the person's main entry. A change that changes nothing
    /// leaves no trace.
    ///
    /// # Errors
    /// [`StoreError::RecordChanged`] with the record as it stands where the caller saw another version of it.
    pub async fn change_record(
        &self,
        customer: CustomerId,
        seen: u64,
        by: impl FnOnce(&mut Customer, &mut Card) + Send + 'static,
        who: String,
    ) -> Result<Record, StoreError> {
        self.write(move |tx| change(tx, customer, seen, by, &who)).await
    }

    /// Other entries that may be the same person: the same phone number, or the same name.
    pub async fn lookalikes(&self, customer: CustomerId) -> Result<Vec<Customer>, StoreError> {
        self.read(move |conn| {
            let sql = format!(
                "SELECT o.id, o.name, o.phone, o.skin_type, o.notes FROM customers o JOIN customers c ON c.id = ?1
                 WHERE o.alias_of IS NULL AND o.id NOT IN {}
                 AND ((o.phone = c.phone AND o.phone <> '') OR (o.name = c.name AND o.name <> ''))
                 ORDER BY o.n LIMIT 5",
                customers::PERSON
            );
            let mut select = conn.prepare_cached(&sql)?;
            Ok(select.query_map([customer], customers::from_row)?.collect::<Result<_, _>>()?)
        })
        .await
    }
}
