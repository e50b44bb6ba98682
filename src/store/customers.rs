//! Customers and the aliases that join two ids of one person. Nothing here goes to HQ but ids.

use super::{
    Store, audit, cards,
    error::{StoreError, found},
    outbox::{self, About, Gate, count},
    reports, sharing, visits,
    writer::Tx,
};
use crate::{
    clock,
    domain::{CustomerId, VisitId, customer::Customer},
    faults,
    sync::payload::{self, kind},
};
use rusqlite::{Connection, Row, params};

/// All ids of the person behind `?1`, as a subquery.
pub(super) const PERSON: &str = "(SELECT id FROM customers WHERE id = ?1 OR alias_of = ?1
    OR id = (SELECT alias_of FROM customers WHERE id = ?1)
    OR alias_of = (SELECT alias_of FROM customers WHERE id = ?1))";

const COLUMNS: &str = "id, name, phone, skin_type, notes";

pub(super) fn from_row(row: &Row<'_>) -> rusqlite::Result<Customer> {
    Ok(Customer { id: row.get(0)?, name: row.get(1)?, phone: row.get(2)?, skin_type: row.get(3)?, notes: row.get(4)? })
}

pub(super) fn load(conn: &Connection, id: CustomerId) -> Result<Customer, StoreError> {
    let mut select = conn.prepare_cached(&format!("SELECT {COLUMNS} FROM customers WHERE id = ?1"))?;
    found(select.query_row([id], from_row), "customer", id)
}

/// All ids of one person.
pub(super) fn person(conn: &Connection, id: CustomerId) -> Result<Vec<CustomerId>, StoreError> {
    let mut select = conn.prepare_cached(&format!("SELECT id FROM customers WHERE id IN {PERSON}"))?;
    Ok(select.query_map([id], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// The entry under which a person is shown and changed; `id` itself unless it is an alias.
pub(super) fn main_of(conn: &Connection, id: CustomerId) -> Result<CustomerId, StoreError> {
    let mut select = conn.prepare_cached("SELECT coalesce(alias_of, id) FROM customers WHERE id = ?1")?;
    found(select.query_row([id], |row| row.get(0)), "customer", id)
}

/// How often record and card were written.
pub(super) fn version(conn: &Connection, main: CustomerId) -> Result<u64, StoreError> {
    let mut select = conn.prepare_cached("SELECT version FROM customers WHERE id = ?1")?;
    found(select.query_row([main], |row| row.get(0)), "customer", main)
}

/// Writes a record; its card counts as written with it.
pub(super) fn upsert(tx: &Tx<'_>, customer: &Customer, who: &str) -> Result<(), StoreError> {
    let Customer { id, name, phone, skin_type, notes } = customer;
    tx.execute(
        "INSERT INTO customers (id, name, phone, skin_type, notes) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (id) DO UPDATE SET name = ?2, phone = ?3, skin_type = ?4, notes = ?5,
         version = version + 1",
        params![id, name, phone, skin_type, notes],
    )?;
    faults::point("store.customer.row_written");
    audit::note(tx, who, "customer.saved", Some(*id), "")
}

pub(super) fn join(
    tx: &Tx<'_>,
    customer: CustomerId,
    alias: CustomerId,
    seen: Option<u64>,
    who: &str,
) -> Result<(), StoreError> {
    let ids = person(tx, customer)?;
    if ids.is_empty() {
        return Err(StoreError::NotFound { what: "customer", id: customer.to_string() });
    }
    if ids.contains(&alias) {
        return Err(StoreError::Refused(format!("{alias} and {customer} are one person already")));
    }
    // Whoever stands for somebody already goes with all of theirs: half a person must not stay behind.
    let alias = main_of(tx, alias)?;
    let (first, second) = (cards::of_person(tx, customer)?, cards::of_person(tx, alias)?);
    let main = main_of(tx, customer)?;
    if let Some(seen) = seen {
        cards::expect(tx, main, seen)?;
    }
    tx.execute("UPDATE customers SET alias_of = ?1 WHERE id = ?2 OR alias_of = ?2", params![main, alias])?;
    // A warning may stand in the notes of either entry: both are read from now on.
    tx.execute(
        "UPDATE customers SET notes = (SELECT CASE WHEN customers.notes IN ('', a.notes) THEN a.notes
         WHEN a.notes = '' THEN customers.notes ELSE customers.notes || '; ' || a.notes END
         FROM customers a WHERE a.id = ?2), version = version + 1 WHERE id = ?1",
        params![main, alias],
    )?;
    faults::point("store.customer.joined");
    let payload = payload::Alias { customer: main.to_string(), alias: alias.to_string(), staff: who.to_owned() };
    let about = About {
        kind: kind::ALIAS,
        gate: Gate::Always,
        customer: Some(main),
        visit: None,
        object: alias.bits(),
        subject: main.to_string(),
        stamp: clock::now(),
    };
    outbox::enqueue(tx, &about, &payload)?;
    cards::merge(tx, main, first, second, who)?;
    audit::note(tx, who, "customer.joined", Some(main), &alias.to_string())?;
    // The last word on each purpose may now be another one for either half.
    for (visit, owner) in visits::of_person(tx, main)? {
        settle_if_open_or_withdrawn(tx, visit, owner)?;
    }
    reports::settle_person(tx, main)
}

/// A yes reaches open visits only; a no reaches all.
pub(super) fn settle_if_open_or_withdrawn(tx: &Tx<'_>, visit: VisitId, customer: CustomerId) -> Result<(), StoreError> {
    use crate::domain::{consent::Purpose, visit::VisitState};
    if visits::load(tx, visit)?.state == VisitState::Open {
        return sharing::settle(tx, visit, customer);
    }
    if !super::consents::given(tx, customer, Purpose::ShareNumbers)? {
        sharing::withhold_numbers(tx, visit)?;
    }
    if !super::consents::given(tx, customer, Purpose::SharePhotographs)? {
        sharing::withhold_photographs(tx, visit)?;
    }
    Ok(())
}

impl Store {
    /// Writes a customer, new or changed; `who` of the staff did it.
    pub async fn save_customer(&self, customer: Customer, who: String) -> Result<(), StoreError> {
        self.write(move |tx| upsert(tx, &customer, &who)).await
    }

    /// The person behind `id`: an alias is shown as its main entry.
    pub async fn customer(&self, id: CustomerId) -> Result<Customer, StoreError> {
        self.read(move |conn| load(conn, main_of(conn, id)?)).await
    }

    /// Customers whose name or phone holds `text` or whose member number begins with it, the latest first; aliases are shown
    /// under their main entry only.
    pub async fn find_customers(&self, text: String, limit: usize) -> Result<Vec<Customer>, StoreError> {
        self.read(move |conn| {
            let pattern = format!("%{}%", text.trim().replace('\\', r"\\").replace('%', r"\%").replace('_', r"\_"));
            let mut select = conn.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM customers c WHERE c.alias_of IS NULL AND EXISTS (SELECT 1 FROM customers x
                 WHERE (x.id = c.id OR x.alias_of = c.id) AND (x.name LIKE ?1 ESCAPE '\\' OR x.phone LIKE ?1 ESCAPE '\\'
                 OR EXISTS (SELECT 1 FROM cards m WHERE m.customer = x.id AND m.member LIKE substr(?1, 2) ESCAPE '\\')))
                 ORDER BY c.n DESC LIMIT ?2"
            ))?;
            Ok(select.query_map(params![pattern, count(limit)], from_row)?.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Two ids are one person: `alias` is `customer` from now on. Both keep their visits; HQ gets an alias event.
    ///
    /// # Errors
    /// [`StoreError::RecordChanged`] where the caller saw (`seen`) another version of the customer's record.
    pub async fn join_customers(
        &self,
        customer: CustomerId,
        alias: CustomerId,
        seen: Option<u64>,
        who: String,
    ) -> Result<(), StoreError> {
        self.write(move |tx| join(tx, customer, alias, seen, &who)).await
    }
}
