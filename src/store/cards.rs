//! Customers' cards, and entries that may be the same person twice. Nothing of it goes to HQ.

use super::{Store, audit, customers, error::StoreError, writer::Tx};
use crate::domain::{CustomerId, card::Card, customer::Customer};
use rusqlite::{Connection, OptionalExtension, Row, params};

const COLUMNS: &str = "member, allergies, contraindications, pressure, drink, music, course, course_total";

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

fn save(tx: &Tx<'_>, customer: CustomerId, card: &Card, who: &str) -> Result<(), StoreError> {
    customers::load(tx, customer)?;
    let Card { member, allergies, contraindications, pressure, drink, music, course, course_total } = card;
    tx.execute(
        "INSERT INTO cards (customer, member, allergies, contraindications, pressure, drink, music, course, course_total)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT (customer) DO UPDATE SET member = ?2, allergies = ?3, contraindications = ?4, pressure = ?5,
         drink = ?6, music = ?7, course = ?8, course_total = ?9",
        params![customer, member, allergies, contraindications, pressure, drink, music, course, course_total],
    )?;
    audit::note(tx, who, "card.saved", Some(customer), "")
}

/// What of a warning stood on either card must stand on the one that is left: two texts become one, neither is dropped.
pub(super) fn merge(tx: &Tx<'_>, main: CustomerId, first: Card, second: Card, who: &str) -> Result<(), StoreError> {
    let both = |a: String, b: String| match (a.is_empty(), b.is_empty() || a == b) {
        (true, _) => b,
        (_, true) => a,
        _ => format!("{a}; {b}"),
    };
    let either = |a: String, b: String| if a.is_empty() { b } else { a };
    let course_total = if first.course.is_empty() { second.course_total } else { first.course_total };
    let card = Card {
        member: either(first.member, second.member),
        allergies: both(first.allergies, second.allergies),
        contraindications: both(first.contraindications, second.contraindications),
        pressure: either(first.pressure, second.pressure),
        drink: either(first.drink, second.drink),
        music: either(first.music, second.music),
        course: either(first.course, second.course),
        course_total,
    };
    if card == Card::default() { Ok(()) } else { save(tx, main, &card, who) }
}

impl Store {
    /// The card of a person; empty where there is none.
    pub async fn card(&self, customer: CustomerId) -> Result<Card, StoreError> {
        self.read(move |conn| of_person(conn, customer)).await
    }

    pub async fn save_card(&self, customer: CustomerId, card: Card, who: String) -> Result<(), StoreError> {
        self.write(move |tx| save(tx, customer, &card, &who)).await
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
