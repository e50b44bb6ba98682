//! Keys by which programs come in: made and withdrawn on the command line, shown once, kept as a digest alone. A key is 256 random
//! bits, so that a plain digest of it tells nobody anything and no salt or slow hash is needed.

use crate::{
    domain::{Timestamp, word::words},
    hq::{
        HqError,
        database::{
            Place,
            engine::{Engine, Row, first, transaction, values},
        },
        office::audit,
    },
    seal,
    sync::topic::is_name,
};
use openssl::sha::sha256;
use std::{collections::BTreeSet, io::Write};

words! {
    /// What a key is for.
    pub enum Scope as "scope" {
        /// Visits with their readings and comparisons.
        VisitsRead = "visits:read",
        /// Who agreed to what.
        ConsentsRead = "consents:read",
        /// What is booked at a store.
        AppointmentsWrite = "appointments:write",
        /// Messages of care, taken and answered for.
        MessagesTake = "messages:take",
        /// Who works in a store.
        Staff = "staff",
        /// What the CRM knows of customers: their birthdays.
        Customers = "customers",
        /// What a store is to do once, but for erasing somebody.
        Orders = "orders",
        /// Having somebody erased, which cannot be taken back.
        Erase = "erase",
    }
}

/// By which a leaked key is found: scanners of source code look for such beginnings.
const BEGINS: &str = "skinlink_";

/// That a key was used is noted to the minute: a program that asks often writes nothing.
const NOTED_MS: i64 = 60_000;

/// Which stores a key is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stores {
    All,
    These(BTreeSet<String>),
}

impl Stores {
    #[must_use]
    pub fn hold(&self, store: &str) -> bool {
        match self {
            Self::All => true,
            Self::These(names) => names.contains(store),
        }
    }

    /// `all`, or names of stores.
    ///
    /// # Errors
    /// A sentence that says which is none.
    pub fn of(names: &[String]) -> Result<Self, String> {
        if names == ["all"] {
            return Ok(Self::All);
        }
        match names.iter().find(|name| !is_name(name) || *name == "all") {
            Some(wrong) => Err(format!("{wrong:?} is no store; give names such as sh-001, or all by itself")),
            None => Ok(Self::These(names.iter().cloned().collect())),
        }
    }

    fn written(&self) -> String {
        match self {
            Self::All => "all".to_owned(),
            Self::These(names) => names.iter().map(String::as_str).collect::<Vec<_>>().join(" "),
        }
    }
}

/// A key in force, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    pub name: String,
    pub scopes: Vec<Scope>,
    pub stores: Stores,
}

impl Key {
    fn from_row(row: &Row) -> Result<Self, HqError> {
        let (name, scopes, stores): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        // A scope of a newer version opens nothing here.
        let scopes = scopes.split(' ').filter_map(|word| word.parse().ok()).collect();
        let stores = match stores.as_str() {
            "all" => Stores::All,
            names => Stores::These(names.split(' ').map(str::to_owned).collect()),
        };
        Ok(Self { name, scopes, stores })
    }
}

/// Makes a key; the secret is in nobody's hands but the caller's.
///
/// # Errors
/// [`HqError::KeyTaken`], the database's.
pub fn add(engine: &mut dyn Engine, key: &Key, now: Timestamp) -> Result<String, HqError> {
    let secret = format!("{BEGINS}{}", hex::encode(seal::random_key().as_ref()));
    let Key { name, scopes, stores } = key;
    let scopes: Vec<&str> = scopes.iter().map(|scope| scope.as_str()).collect();
    transaction(engine, |engine| {
        let taken = "SELECT 1 FROM crm_keys WHERE name = ?1 AND withdrawn_ms IS NULL";
        if first(engine, taken, values![name])?.is_some() {
            return Err(HqError::KeyTaken { name: name.clone() });
        }
        engine.execute(
            "INSERT INTO crm_keys(digest, name, scopes, stores, made_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
            values![&digest(&secret), name, &scopes.join(" "), &stores.written(), now.unix_ms()],
        )?;
        let about = [name, scopes.join(" ").as_str(), stores.written().as_str()].join(" ");
        audit::note(engine, &audit::command_line(), "key made", &about, now)?;
        Ok(secret.clone())
    })
}

/// The key in force of this secret, noted as used.
///
/// # Errors
/// The database's.
pub fn find(engine: &mut dyn Engine, secret: &str, now: Timestamp) -> Result<Option<Key>, HqError> {
    let sql =
        "SELECT name, scopes, stores, coalesce(used_ms, 0) FROM crm_keys WHERE digest = ?1 AND withdrawn_ms IS NULL";
    let digest = digest(secret);
    let Some(row) = first(engine, sql, values![&digest])? else { return Ok(None) };
    if now.unix_ms() - row.get::<i64>(3)? >= NOTED_MS {
        let used = "UPDATE crm_keys SET used_ms = ?2 WHERE digest = ?1";
        transaction(engine, |engine| engine.execute(used, values![&digest, now.unix_ms()]))?;
    }
    Key::from_row(&row).map(Some)
}

/// Ends a key at once.
///
/// # Errors
/// [`HqError::NoKey`], the database's.
pub fn withdraw(engine: &mut dyn Engine, name: &str, now: Timestamp) -> Result<(), HqError> {
    let sql = "UPDATE crm_keys SET withdrawn_ms = ?2 WHERE name = ?1 AND withdrawn_ms IS NULL";
    transaction(engine, |engine| {
        if engine.execute(sql, values![name, now.unix_ms()])? == 0 {
            return Err(HqError::NoKey { name: name.to_owned() });
        }
        audit::note(engine, &audit::command_line(), "key withdrawn", name, now)
    })
}

/// Prints all keys, those in force first.
///
/// # Errors
/// The database's; a closed output ends it in peace.
pub fn print(place: &Place, out: &mut impl Write) -> Result<(), HqError> {
    let rows = place.read_only()?.query(
        "SELECT name, scopes, stores, used_ms, withdrawn_ms, made_ms FROM crm_keys
         ORDER BY CASE WHEN withdrawn_ms IS NULL THEN 0 ELSE 1 END, name, made_ms",
        &[],
    )?;
    if rows.is_empty() {
        let _ = writeln!(out, "there are no keys; skinlink-hq keys add makes one");
    }
    for row in &rows {
        let (name, scopes, stores): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let time = |at: usize| row.get::<Option<i64>>(at).map(|ms| ms.map(Timestamp::from_unix_ms));
        let state = match (time(4)?, time(3)?) {
            (Some(withdrawn), _) => format!("withdrawn {withdrawn}"),
            (None, Some(used)) => format!("used {used}"),
            (None, None) => "never used".to_owned(),
        };
        if writeln!(out, "{name}  {scopes}  stores: {stores}  {state}").is_err() {
            return Ok(());
        }
    }
    Ok(())
}

fn digest(secret: &str) -> String {
    hex::encode(sha256(secret.as_bytes()))
}
