//! Who works here by headquarters' word. Its list is taken whole: who is new on it comes without a PIN and gets in once the manager
//! has set one; who is on it is called and may do what it says; who was on it and is not any more works here no more. Whom the
//! store entered itself is not touched, unless the list names the same number: a badge has one owner in the chain.
//!
//! One thing the list cannot do: leave nobody who can let others in. The last manager with a PIN stays as they are until another
//! one has a PIN, and headquarters reads so in the gateway's self-description.

use super::{Store, audit, error::StoreError, writer::Tx};
use crate::{
    domain::staff::{HQ, Person, Role},
    sync::{agenda::Held, downlink::Colleague},
};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::{BTreeMap, BTreeSet};

/// One of the staff with what a manager must know.
#[derive(Debug, Clone)]
pub struct Member {
    pub person: Person,
    /// Headquarters has named them: their name and role are its affair.
    pub from_hq: bool,
    /// Without one nobody gets in under this number.
    pub has_pin: bool,
}

/// What became of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TakenStaff {
    Written,
    /// It was held already, or a later one is.
    Held,
}

/// A row of `staff`.
struct Row {
    person: Person,
    active: bool,
    hq: bool,
    has_pin: bool,
}

impl Row {
    fn lets_in(&self) -> bool {
        self.active && self.has_pin && self.person.role == Role::Manager
    }
}

/// All of them, in the order of their coming.
fn rows(conn: &Connection) -> Result<Vec<Row>, StoreError> {
    let mut select = conn.prepare_cached("SELECT id, name, role, active, hq, pin <> '' FROM staff ORDER BY n")?;
    let rows = select.query_map([], |row| {
        let person = Person { id: row.get(0)?, name: row.get(1)?, role: row.get(2)? };
        Ok(Row { person, active: row.get(3)?, hq: row.get(4)?, has_pin: row.get(5)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

type List = BTreeMap<String, Person>;

fn told(conn: &Connection) -> Result<List, StoreError> {
    let mut select = conn.prepare_cached("SELECT id, name, role FROM staff_told")?;
    let rows = select.query_map([], |row| Ok(Person { id: row.get(0)?, name: row.get(1)?, role: row.get(2)? }))?;
    Ok(rows.map(|one| one.map(|one| (one.id.clone(), one))).collect::<Result<_, _>>()?)
}

fn held(conn: &Connection) -> Result<Option<Held>, StoreError> {
    let mut select = conn.prepare_cached("SELECT book, version FROM staff_held")?;
    let row = select.query_row([], |row| Ok(Held { book: row.get(0)?, version: row.get::<_, i64>(1)?.unsigned_abs() }));
    Ok(row.optional()?)
}

fn take(tx: &Tx<'_>, book: &str, version: u64, people: &[Colleague]) -> Result<TakenStaff, StoreError> {
    if held(tx)?.is_some_and(|here| here.book == book && here.version >= version) {
        return Ok(TakenStaff::Held);
    }
    let before = told(tx)?;
    tx.execute("DELETE FROM staff_told", [])?;
    for one in people {
        match one.checked() {
            Ok(Colleague { id, name, role }) => {
                let sql = "INSERT INTO staff_told (id, name, role) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
                tx.execute(sql, params![id, name, Role::from(role)])?;
            }
            // Headquarters checks what it takes; one strange row must not keep the others away.
            Err(wrong) => tracing::warn!(?wrong, "passed over one of headquarters' list of the staff"),
        }
    }
    let now = told(tx)?;
    for one in now.values() {
        come(tx, one, before.contains_key(&one.id))?;
    }
    leave(tx, &now)?;
    tx.execute(
        "INSERT INTO staff_held (one, book, version) VALUES (1, ?1, ?2)
         ON CONFLICT (one) DO UPDATE SET book = ?1, version = ?2",
        params![book, i64::try_from(version).unwrap_or(i64::MAX)],
    )?;
    Ok(TakenStaff::Written)
}

/// Somebody on the list: new, or marked as headquarters' and called as it says. What they may do is settled by [`leave`]. Whom the
/// store has let go by itself stays away as long as the list goes on naming them.
fn come(tx: &Tx<'_>, one: &Person, was_told: bool) -> Result<(), StoreError> {
    let Person { id, name, role } = one;
    let known = "SELECT active FROM staff WHERE id = ?1";
    let known: Option<bool> = tx.prepare_cached(known)?.query_row([id], |row| row.get(0)).optional()?;
    match known {
        None => {
            let sql = "INSERT INTO staff (id, name, role, pin, active, hq) VALUES (?1, ?2, ?3, '', 1, 1)";
            tx.execute(sql, params![id, name, role])?;
            audit::note(tx, HQ, "staff.added", None, id)
        }
        Some(false) if was_told => Ok(()),
        Some(false) => {
            let sql = "UPDATE staff SET name = ?2, role = ?3, pin = '', active = 1, hq = 1, failures = 0,
                locked_until_ms = 0 WHERE id = ?1";
            tx.execute(sql, params![id, name, role])?;
            audit::note(tx, HQ, "staff.added", None, id)
        }
        Some(true) => {
            let sql = "UPDATE staff SET name = ?2, hq = 1 WHERE id = ?1 AND (name <> ?2 OR hq = 0)";
            if tx.execute(sql, params![id, name])? == 0 {
                return Ok(());
            }
            audit::note(tx, HQ, "staff.saved", None, id)
        }
    }
}

/// Roles become what the list says, and who is not on it any more leaves; all but one, where otherwise nobody could let others in.
fn leave(tx: &Tx<'_>, list: &List) -> Result<(), StoreError> {
    let rows = rows(tx)?;
    let wanted = |row: &Row| list.get(&row.person.id).map(|told| told.role);
    let stays = |row: &&Row| row.lets_in() && (!row.hq || wanted(row) == Some(Role::Manager));
    let grows = |row: &&Row| row.active && row.has_pin && row.hq && wanted(row) == Some(Role::Manager);
    let mut kept = None;
    if !rows.iter().any(|row| stays(&row) || grows(&row)) {
        let last = rows.iter().filter(|row| row.lets_in());
        // Rather one who is still of the house.
        kept = last.min_by_key(|row| wanted(row).is_none()).map(|row| row.person.id.as_str());
    }
    if let Some(id) = kept {
        tracing::warn!(
            id,
            "the last manager who can log in stays although headquarters' list says otherwise; set another manager's PIN"
        );
    }
    for row in rows.iter().filter(|row| row.hq && row.active && kept != Some(row.person.id.as_str())) {
        let id = &row.person.id;
        match wanted(row) {
            None => {
                tx.execute("UPDATE staff SET active = 0, pin = '' WHERE id = ?1", [id])?;
                tx.execute("DELETE FROM sessions WHERE staff = ?1", [id])?;
                audit::note(tx, HQ, "staff.retired", None, id)?;
            }
            Some(role) if role != row.person.role => {
                tx.execute("UPDATE staff SET role = ?2 WHERE id = ?1", params![id, role])?;
                if role != Role::Manager {
                    // What they have open may show what is theirs no more.
                    tx.execute("DELETE FROM sessions WHERE staff = ?1", [id])?;
                }
                audit::note(tx, HQ, "staff.saved", None, id)?;
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// A PIN was set or somebody made manager here: whoever had to stay for want of another may go now.
pub(super) fn let_go(tx: &Tx<'_>) -> Result<(), StoreError> {
    leave(tx, &told(tx)?)
}

/// Whoever stays, or stays what they were, against headquarters' list.
fn kept(conn: &Connection) -> Result<Vec<String>, StoreError> {
    let list = told(conn)?;
    let other =
        |row: &Row| row.hq && row.active && list.get(&row.person.id).is_none_or(|told| told.role != row.person.role);
    let kept: BTreeSet<String> = rows(conn)?.into_iter().filter(other).map(|row| row.person.id).collect();
    Ok(kept.into_iter().collect())
}

/// Name and role of whom headquarters has named are its affair.
///
/// # Errors
/// [`StoreError::Refused`] for another name or role than it says.
pub(super) fn require_ours(conn: &Connection, person: &Person) -> Result<(), StoreError> {
    let sql = "SELECT 1 FROM staff WHERE id = ?1 AND active = 1 AND hq = 1 AND (name <> ?2 OR role <> ?3)";
    let Person { id, name, role } = person;
    match conn.prepare_cached(sql)?.query_row(params![id, name, role], |_| Ok(())).optional()? {
        None => Ok(()),
        Some(()) => {
            Err(StoreError::Refused(format!("headquarters names {id}; name and role are changed there, the PIN here")))
        }
    }
}

impl Store {
    /// How far headquarters' list of the staff is held; `None` before it has told of one.
    pub async fn staff_held(&self) -> Result<Option<Held>, StoreError> {
        self.read(held).await
    }

    /// Takes headquarters' list of the staff in the place of the one before.
    pub async fn take_staff(
        &self,
        book: String,
        version: u64,
        people: Vec<Colleague>,
    ) -> Result<TakenStaff, StoreError> {
        self.write(move |tx| take(tx, &book, version, &people)).await
    }

    /// Numbers of those who stay, or stay managers, against headquarters' list, since nobody else could let others in.
    pub async fn staff_kept(&self) -> Result<Vec<String>, StoreError> {
        self.read(kept).await
    }

    /// Who works here now, in the order of their coming, each with whether a PIN is missing and who named them.
    pub async fn members(&self) -> Result<Vec<Member>, StoreError> {
        self.read(|conn| {
            let member = |row: Row| Member { person: row.person, from_hq: row.hq, has_pin: row.has_pin };
            Ok(rows(conn)?.into_iter().filter(|row| row.active).map(member).collect())
        })
        .await
    }
}
