//! The staff, their PINs (as argon2id digests, made elsewhere) and their sessions.

use super::{
    Store, audit, colleagues,
    error::{StoreError, found},
    writer::Tx,
};
use crate::domain::{
    Timestamp,
    staff::{MACHINE, Person, Role, STATION, locked_ms},
};
use rusqlite::{Connection, OptionalExtension, Row, params};

fn from_row(row: &Row<'_>) -> rusqlite::Result<Person> {
    Ok(Person { id: row.get(0)?, name: row.get(1)?, role: row.get(2)? })
}

/// What a log-in is held against.
#[derive(Debug, Clone)]
pub struct Account {
    pub person: Person,
    /// PHC form; empty where none is set yet: then nobody gets in.
    pub pin: String,
    /// Nobody gets in before, whatever the PIN.
    pub locked_until: Timestamp,
}

/// Whose session it is, and when it was last used.
#[derive(Debug, Clone)]
pub struct LoggedIn {
    pub person: Person,
    pub seen: Timestamp,
}

/// Managers who can let others in: one without a PIN cannot.
fn managers(conn: &Connection) -> Result<u64, StoreError> {
    let sql = "SELECT count(*) FROM staff WHERE active = 1 AND role = ?1 AND pin <> ''";
    Ok(conn.query_row(sql, [Role::Manager], |row| row.get(0))?)
}

fn add(tx: &Tx<'_>, person: &Person, pin: &str, who: &str) -> Result<(), StoreError> {
    let Person { id, name, role } = person;
    let known = "SELECT EXISTS (SELECT 1 FROM staff WHERE id = ?1)";
    if tx.query_row(known, [id], |row| row.get(0))? {
        return Err(StoreError::Taken(id.clone()));
    }
    tx.execute(
        "INSERT INTO staff (id, name, role, pin, active) VALUES (?1, ?2, ?3, ?4, 1)",
        params![id, name, role, pin],
    )?;
    keep_a_manager(tx)?;
    audit::note(tx, who, "staff.added", None, id)?;
    colleagues::let_go(tx)
}

fn change(tx: &Tx<'_>, person: &Person, pin: Option<&str>, who: &str) -> Result<(), StoreError> {
    let Person { id, name, role } = person;
    colleagues::require_ours(tx, person)?;
    let sql = "UPDATE staff SET name = ?2, role = ?3 WHERE id = ?1 AND active = 1";
    if tx.execute(sql, params![id, name, role])? == 0 {
        return Err(StoreError::NotFound { what: "person", id: id.clone() });
    }
    audit::note(tx, who, "staff.saved", None, id)?;
    if let Some(pin) = pin {
        set_pin(tx, id, pin, who)?;
    }
    // Afterwards: it may be this PIN that makes a manager whom headquarters named one who can log in.
    keep_a_manager(tx)?;
    colleagues::let_go(tx)
}

fn set_pin(tx: &Tx<'_>, id: &str, pin: &str, who: &str) -> Result<(), StoreError> {
    let sql = "UPDATE staff SET pin = ?2, failures = 0, locked_until_ms = 0 WHERE id = ?1 AND active = 1";
    if tx.execute(sql, params![id, pin])? == 0 {
        return Err(StoreError::NotFound { what: "person", id: id.to_owned() });
    }
    // Whoever knew the old PIN is out.
    tx.execute("DELETE FROM sessions WHERE staff = ?1", [id])?;
    audit::note(tx, who, "staff.pin_set", None, id)?;
    colleagues::let_go(tx)
}

/// How customers call whoever is recorded as `id`: by name; where nobody has logged in yet, by what was typed at the station; also
/// those who work here no more.
pub(super) fn called(conn: &Connection, id: &str) -> Result<String, StoreError> {
    let sql = "SELECT name FROM staff WHERE id = ?1";
    let name: Option<String> = conn.prepare_cached(sql)?.query_row([id], |row| row.get(0)).optional()?;
    let typed = if matches!(id, STATION | MACHINE) { "" } else { id };
    Ok(name.unwrap_or_else(|| typed.to_owned()))
}

/// Without one nobody could let anybody in any more.
fn keep_a_manager(tx: &Tx<'_>) -> Result<(), StoreError> {
    if managers(tx)? == 0 {
        return Err(StoreError::Refused("one manager must stay; make somebody else manager first".to_owned()));
    }
    Ok(())
}

impl Store {
    /// Whether anybody may log in at all. Until then the pages are open to this machine alone; also where headquarters has named
    /// people of whom none has a PIN yet.
    pub async fn has_staff(&self) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM staff WHERE active = 1 AND pin <> '')";
        self.read(|conn| Ok(conn.query_row(sql, [], |row| row.get(0))?)).await
    }

    /// Who works here now, in the order of their coming.
    pub async fn people(&self) -> Result<Vec<Person>, StoreError> {
        self.read(|conn| {
            let mut select = conn.prepare_cached("SELECT id, name, role FROM staff WHERE active = 1 ORDER BY n")?;
            Ok(select.query_map([], from_row)?.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Adds a person under a number that nobody has or had.
    ///
    /// # Errors
    /// [`StoreError::Taken`]; [`StoreError::Refused`] where the first is no manager.
    pub async fn add_person(&self, person: Person, pin: String, who: String) -> Result<(), StoreError> {
        self.write(move |tx| add(tx, &person, &pin, &who)).await
    }

    /// Changes a person who works here; a new PIN ends that person's sessions.
    ///
    /// # Errors
    /// [`StoreError::Refused`] for a change that would leave no manager.
    pub async fn change_person(&self, person: Person, pin: Option<String>, who: String) -> Result<(), StoreError> {
        self.write(move |tx| change(tx, &person, pin.as_deref(), &who)).await
    }

    /// A new PIN for someone who forgot theirs, or is locked out.
    pub async fn set_pin(&self, id: String, pin: String, who: String) -> Result<(), StoreError> {
        self.write(move |tx| set_pin(tx, &id, &pin, &who)).await
    }

    /// The person works here no more; their records keep the id.
    pub async fn retire_person(&self, id: String, who: String) -> Result<(), StoreError> {
        self.write(move |tx| {
            if tx.execute("UPDATE staff SET active = 0, pin = '' WHERE id = ?1 AND active = 1", [&id])? == 0 {
                return Err(StoreError::NotFound { what: "person", id });
            }
            keep_a_manager(tx)?;
            tx.execute("DELETE FROM sessions WHERE staff = ?1", [&id])?;
            audit::note(tx, &who, "staff.retired", None, &id)
        })
        .await
    }

    pub async fn account(&self, id: String) -> Result<Account, StoreError> {
        self.read(move |conn| {
            let sql = "SELECT id, name, role, pin, locked_until_ms FROM staff WHERE id = ?1 AND active = 1";
            let row = conn.prepare_cached(sql)?.query_row([&id], |row| {
                Ok(Account { person: from_row(row)?, pin: row.get(3)?, locked_until: row.get(4)? })
            });
            found(row, "person", &id)
        })
        .await
    }

    /// A wrong PIN: counted, and gives until when the person is locked out now.
    pub async fn count_wrong_pin(&self, id: String, now: Timestamp) -> Result<Timestamp, StoreError> {
        self.write(move |tx| {
            let sql = "UPDATE staff SET failures = failures + 1 WHERE id = ?1 RETURNING failures";
            let failures: u32 = found(tx.query_row(sql, [&id], |row| row.get(0)), "person", &id)?;
            let until = Timestamp::from_unix_ms(now.unix_ms() + locked_ms(failures));
            tx.execute("UPDATE staff SET locked_until_ms = ?2 WHERE id = ?1", params![id, until])?;
            audit::note(tx, &id, "login.refused", None, &failures.to_string())?;
            Ok(until)
        })
        .await
    }

    /// The right PIN: a session under the digest of its token, until `ends` at the latest.
    pub async fn begin_session(
        &self,
        id: String,
        digest: [u8; 32],
        now: Timestamp,
        ends: Timestamp,
    ) -> Result<(), StoreError> {
        self.write(move |tx| {
            tx.execute("UPDATE staff SET failures = 0, locked_until_ms = 0 WHERE id = ?1", [&id])?;
            tx.execute("DELETE FROM sessions WHERE ends_ms <= ?1", [now])?;
            tx.execute(
                "INSERT INTO sessions (digest, staff, seen_ms, ends_ms) VALUES (?1, ?2, ?3, ?4)",
                params![digest, id, now, ends],
            )?;
            audit::note(tx, &id, "login", None, "")
        })
        .await
    }

    /// Whose session it is; `None` once it has ended, was not used since `idle_since`, or its person has left.
    pub async fn session(
        &self,
        digest: [u8; 32],
        now: Timestamp,
        idle_since: Timestamp,
    ) -> Result<Option<LoggedIn>, StoreError> {
        self.read(move |conn| {
            let sql = "SELECT p.id, p.name, p.role, s.seen_ms FROM sessions s JOIN staff p ON p.id = s.staff
                WHERE s.digest = ?1 AND s.ends_ms > ?2 AND s.seen_ms >= ?3 AND p.active = 1";
            let row = conn.prepare_cached(sql)?.query_row(params![digest, now, idle_since], |row| {
                Ok(LoggedIn { person: from_row(row)?, seen: row.get(3)? })
            });
            Ok(row.optional()?)
        })
        .await
    }

    /// The session was used by a person.
    pub async fn touch_session(&self, digest: [u8; 32], now: Timestamp) -> Result<(), StoreError> {
        self.write(move |tx| {
            tx.execute("UPDATE sessions SET seen_ms = max(seen_ms, ?2) WHERE digest = ?1", params![digest, now])?;
            Ok(())
        })
        .await
    }

    pub async fn end_session(&self, digest: [u8; 32]) -> Result<(), StoreError> {
        self.write(move |tx| {
            tx.execute("DELETE FROM sessions WHERE digest = ?1", params![digest])?;
            Ok(())
        })
        .await
    }
}
