//! Headquarters' own people: who may log in, as what, and which stores they see. Managed on the command line.

use super::{
    audit, password,
    tries::{self, Key},
};
use crate::{
    domain::{Timestamp, word::words},
    hq::{
        HqError,
        database::engine::{Engine, Row, first, transaction, values},
    },
    sync::topic::is_name,
};
use std::{collections::BTreeSet, fmt, str::FromStr};

words! {
    /// What someone at headquarters does.
    pub enum Role as "role" {
        /// Looks at visits and what came of them.
        Analyst = "analyst",
        /// Keeps gateways and devices running; sees no visit.
        Operator = "operator",
        /// Watches over who looked at what.
        Protection = "protection",
        /// Lets people in, on the command line; sees no visit.
        Administrator = "administrator",
    }
}

impl Role {
    /// Whether visits and their readings are shown to them.
    #[must_use]
    pub const fn sees_visits(self) -> bool {
        matches!(self, Self::Analyst | Self::Protection)
    }

    /// Whether they may have a customer erased, and read what became of it.
    #[must_use]
    pub const fn has_erased(self) -> bool {
        matches!(self, Self::Protection)
    }

    /// Whether they may have a gateway checked, and read what it found.
    #[must_use]
    pub const fn has_checked(self) -> bool {
        matches!(self, Self::Operator)
    }

    /// Whether the log of who did and saw what is shown to them.
    #[must_use]
    pub const fn sees_audit(self) -> bool {
        matches!(self, Self::Protection)
    }

    /// Whether they start rollouts, halt them and take them back.
    #[must_use]
    pub const fn rolls_out(self) -> bool {
        matches!(self, Self::Operator | Self::Administrator)
    }
}

/// Which stores someone sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    All,
    Only(BTreeSet<String>),
}

impl Reach {
    #[must_use]
    pub fn has(&self, store: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(stores) => stores.contains(store),
        }
    }

    fn kept(&self) -> String {
        match self {
            Self::All => "*".to_owned(),
            Self::Only(stores) => stores.iter().map(String::as_str).collect::<Vec<_>>().join(" "),
        }
    }

    /// What no row of ours holds shows nothing.
    fn read(kept: &str) -> Self {
        if kept == "*" { Self::All } else { Self::Only(kept.split_whitespace().map(str::to_owned).collect()) }
    }
}

impl FromStr for Reach {
    type Err = String;

    /// `all`, or names with commas between them.
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "all" {
            return Ok(Self::All);
        }
        match text.split(',').find(|store| !is_name(store)) {
            Some(wrong) => Err(format!("{wrong:?} is no store; write all, or names such as sh-001,sh-002")),
            None => Ok(Self::Only(text.split(',').map(str::to_owned).collect())),
        }
    }
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Only(stores) => f.write_str(&stores.iter().map(String::as_str).collect::<Vec<_>>().join(",")),
        }
    }
}

/// Someone who may log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// What they log in with, `a-z`, `0-9`, `-`; stands in the audit.
    pub name: String,
    pub role: Role,
    pub reach: Reach,
    pub active: bool,
}

impl Person {
    /// Rollouts are of the whole chain, and so for those who see all of it.
    #[must_use]
    pub fn sees_rollouts(&self) -> bool {
        self.reach == Reach::All
    }

    #[must_use]
    pub fn rolls_out(&self) -> bool {
        self.sees_rollouts() && self.role.rolls_out()
    }

    fn from_row(row: &Row) -> Result<Self, HqError> {
        let role: String = row.get(1)?;
        let stores: String = row.get(2)?;
        // A role of a newer program is none that this one could hold anybody to.
        let known = role.parse();
        let active = row.get::<bool>(3)? && known.is_ok();
        Ok(Self { name: row.get(0)?, role: known.unwrap_or(Role::Operator), reach: Reach::read(&stores), active })
    }
}

const COLUMNS: &str = "name, role, stores, active";

/// Lets someone in.
///
/// # Errors
/// [`HqError::People`] for a name that is none or is known already, or a password that would be guessed; the database's.
pub fn add(
    engine: &mut dyn Engine,
    (name, role, reach): (&str, Role, &Reach),
    secret: &str,
    now: Timestamp,
) -> Result<(), HqError> {
    if !is_name(name) {
        return Err(HqError::People(format!(
            "{name:?} is no name to log in with; write a-z, 0-9 and -, such as li-na"
        )));
    }
    may_see(role, reach)?;
    password::acceptable(name, secret).map_err(HqError::People)?;
    let kept = password::hash(secret);
    transaction(engine, |engine| {
        let added = engine.execute(
            "INSERT INTO people(name, role, stores, password, active, made_ms) VALUES (?1, ?2, ?3, ?4, 1, ?5)
             ON CONFLICT DO NOTHING",
            values![name, role.as_str(), &reach.kept(), &kept, now.unix_ms()],
        )?;
        if added == 0 {
            return Err(HqError::People(format!("{name} is known already; skinlink-hq people list shows everybody")));
        }
        audit::note(engine, &audit::command_line(), "person added", &format!("{name} {role} {reach}"), now)
    })
}

fn may_see(role: Role, reach: &Reach) -> Result<(), HqError> {
    if role.sees_audit() && *reach != Reach::All {
        return Err(HqError::People(format!(
            "{role} reads the audit, which is of all stores; give --stores all, or another role"
        )));
    }
    Ok(())
}

/// Everybody, by name.
///
/// # Errors
/// The database's.
pub fn list(engine: &mut dyn Engine) -> Result<Vec<Person>, HqError> {
    let rows = engine.query(&format!("SELECT {COLUMNS} FROM people ORDER BY name"), &[])?;
    rows.iter().map(Person::from_row).collect()
}

/// A new password; whoever was logged in with the old one is not any more. Who is kept out stays so: whether they are is given.
///
/// # Errors
/// [`HqError::People`]; the database's.
pub fn set_password(engine: &mut dyn Engine, name: &str, secret: &str, now: Timestamp) -> Result<bool, HqError> {
    password::acceptable(name, secret).map_err(HqError::People)?;
    let kept = password::hash(secret);
    change(engine, name, ("password set", now), |engine| {
        // Whoever could not get in for what others tried begins anew.
        tries::forget(engine, Key::Name(name))?;
        engine.execute("UPDATE people SET password = ?2 WHERE name = ?1", values![name, &kept])
    })?;
    Ok(find(engine, name)?.is_none())
}

/// What someone does from now on, and which stores they see; those stay where none are named.
///
/// # Errors
/// [`HqError::People`] for nobody, or for the audit together with some stores; the database's.
pub fn set_role(
    engine: &mut dyn Engine,
    name: &str,
    (role, reach): (Role, Option<Reach>),
    now: Timestamp,
) -> Result<Reach, HqError> {
    transaction(engine, |engine| {
        // Locked first: two who change the same person do so one after the other.
        let sql = "UPDATE people SET role = role WHERE name = ?1 RETURNING stores";
        let row = first(engine, sql, values![name])?.ok_or_else(|| nobody(name))?;
        let reach = reach.map_or_else(|| row.get::<String>(0).map(|stores| Reach::read(&stores)), Ok)?;
        may_see(role, &reach)?;
        let sql = "UPDATE people SET role = ?2, stores = ?3 WHERE name = ?1";
        engine.execute(sql, values![name, role.as_str(), &reach.kept()])?;
        engine.execute("DELETE FROM people_sessions WHERE name = ?1", values![name])?;
        audit::note(engine, &audit::command_line(), "role set", &format!("{name} {role} {reach}"), now)?;
        Ok(reach)
    })
}

/// Lets someone in again who was kept out, with the password they had.
///
/// # Errors
/// [`HqError::People`]; the database's.
pub fn enable(engine: &mut dyn Engine, name: &str, now: Timestamp) -> Result<(), HqError> {
    change(engine, name, ("person enabled", now), |engine| {
        engine.execute("UPDATE people SET active = 1 WHERE name = ?1", values![name])
    })
}

/// Keeps someone out from now on; what they did stays in the audit.
///
/// # Errors
/// [`HqError::People`]; the database's.
pub fn disable(engine: &mut dyn Engine, name: &str, now: Timestamp) -> Result<(), HqError> {
    change(engine, name, ("person disabled", now), |engine| {
        engine.execute("UPDATE people SET active = 0 WHERE name = ?1", values![name])
    })
}

fn change(
    engine: &mut dyn Engine,
    name: &str,
    (what, now): (&str, Timestamp),
    work: impl FnOnce(&mut dyn Engine) -> Result<u64, HqError>,
) -> Result<(), HqError> {
    transaction(engine, |engine| {
        if work(engine)? == 0 {
            return Err(nobody(name));
        }
        engine.execute("DELETE FROM people_sessions WHERE name = ?1", values![name])?;
        audit::note(engine, &audit::command_line(), what, name, now)
    })
}

fn nobody(name: &str) -> HqError {
    HqError::People(format!("nobody is called {name}; skinlink-hq people list shows everybody"))
}

/// Someone who may log in, with what is kept of the password.
pub(super) fn find(engine: &mut dyn Engine, name: &str) -> Result<Option<(Person, String)>, HqError> {
    let row = first(engine, &format!("SELECT {COLUMNS}, password FROM people WHERE name = ?1"), values![name])?;
    let found = row.map(|row| Ok::<_, HqError>((Person::from_row(&row)?, row.get(4)?))).transpose()?;
    Ok(found.filter(|(person, _)| person.active))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stores_are_all_or_a_list_of_names() {
        assert_eq!("all".parse(), Ok(Reach::All));
        let two: Reach = "sh-002,sh-001".parse().unwrap();
        assert_eq!((two.to_string(), two.kept()), ("sh-001,sh-002".to_owned(), "sh-001 sh-002".to_owned()));
        assert!(two.has("sh-001") && !two.has("sh-003") && Reach::read(&two.kept()) == two);
        assert!("".parse::<Reach>().is_err() && "sh 1".parse::<Reach>().is_err() && "*".parse::<Reach>().is_err());
        assert!(!Reach::read("").has(""));
    }

    #[test]
    fn who_keeps_gateways_running_sees_no_visit() {
        let visits: Vec<&str> = Role::ALL.iter().filter(|role| role.sees_visits()).map(|role| role.as_str()).collect();
        assert_eq!(visits, ["analyst", "protection"]);
        assert!(Role::ALL.iter().all(|role| role.sees_audit() == (*role == Role::Protection)));
        let steer: Vec<&str> = Role::ALL.iter().filter(|role| role.rolls_out()).map(|role| role.as_str()).collect();
        assert_eq!(steer, ["operator", "administrator"]);
    }
}
