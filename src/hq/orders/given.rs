//! Giving an order: once for each key of its giver, however often it is given.

use super::{Kept, find};
use crate::{
    clock,
    domain::{CustomerId, OrderId, Timestamp},
    hq::{
        HqError,
        database::engine::{Engine, first, transaction, values},
        office::audit,
    },
    sync::downlink::Order,
};

/// Shortest and longest time that a store is given: the line may be down for a moment, and a store may be closed for weeks.
const SHORTEST_MS: i64 = 60_000;
const LONGEST_MS: i64 = 90 * 86_400_000;

/// An order that is to be given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct New {
    pub store: String,
    pub giver: String,
    pub key: String,
    pub what: Order,
    pub until: Timestamp,
}

/// What became of giving it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Given {
    /// It stands; also where it was given before.
    Stands(Kept),
    /// This key was used for another order.
    Another(Kept),
    /// It cannot be given: everything that is wrong with it, one sentence a line. Nothing was changed.
    Wrong(String),
}

/// Why no erasure is ordered of a store whose machines are all gone: it would wait until its time is over, and nobody is forgotten.
pub const NO_GATEWAY: &str = "customer: no gateway of this store is in use that could erase them there; skinlink-hq erase does it at headquarters";

/// An id as gateways spell it, whose it is: it may be typed in capital letters, and rows are found by their bytes. What is no id stays.
pub(in crate::hq) fn spelled(customer: &str) -> String {
    customer.parse::<CustomerId>().map_or_else(|_| customer.to_owned(), |id| id.to_string())
}

fn as_gateways_spell(what: &Order) -> Order {
    match what {
        Order::Erase { customer } => Order::Erase { customer: spelled(customer) },
        Order::Merge { stays, gone } => Order::Merge { stays: spelled(stays), gone: spelled(gone) },
        Order::Check {} => Order::Check {},
    }
}

/// Whether it can be an order's key.
fn is_key(text: &str) -> bool {
    (1..=60).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

impl New {
    /// # Errors
    /// Everything that is wrong with it, one sentence a line.
    pub fn check(&self, now: Timestamp) -> Result<(), String> {
        let Self { store: _, giver: _, key, what, until } = self;
        let mut wrong = Vec::new();
        if !is_key(key) {
            wrong.push(
                "key: give 1 to 60 characters of your own, the same whenever you give this order again".to_owned(),
            );
        }
        let id = |field: &str, text: &str| {
            let sound = text.parse::<CustomerId>().is_ok();
            (!sound).then(|| format!("{field}: is no id of a customer; give it as it stands in visits"))
        };
        match what {
            Order::Erase { customer } => wrong.extend(id("customer", customer)),
            Order::Merge { stays, gone } => {
                wrong.extend(id("stays", stays));
                wrong.extend(id("gone", gone));
                if spelled(stays) == spelled(gone) {
                    wrong.push("gone: is the one that stays; name two records".to_owned());
                }
            }
            Order::Check {} => {}
        }
        let ahead = until.unix_ms().saturating_sub(now.unix_ms());
        if !(SHORTEST_MS..=LONGEST_MS).contains(&ahead) {
            wrong.push("until: lies less than a minute or more than 90 days ahead; give a time between".to_owned());
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
    }
}

/// Gives an order. It is written down in the audit with it. One that stands is found whatever time has passed since: only a new one is
/// held to the rules. Ids stand in it as gateways spell them, however they were typed.
///
/// # Errors
/// [`HqError::NoStore`] where no gateway of that store was ever heard; the database's. Nothing was changed then.
pub fn give(engine: &mut dyn Engine, new: &New, now: Timestamp) -> Result<Given, HqError> {
    let new = &New { what: as_gateways_spell(&new.what), ..new.clone() };
    transaction(engine, |engine| {
        let New { store, giver, key, what, until } = new;
        if first(engine, "SELECT 1 FROM gateways WHERE store = ?1", values![store])?.is_none() {
            return Err(HqError::NoStore { store: store.clone() });
        }
        let sql = "SELECT order_id FROM orders WHERE giver = ?1 AND store = ?2 AND key = ?3";
        // Not every text can be asked for: PostgreSQL refuses one that holds a zero.
        let by_key = if is_key(key) { first(engine, sql, values![giver, store, key])? } else { None };
        if let Some(row) = by_key {
            let kept = find(engine, &row.get::<String>(0)?)?.ok_or(HqError::Stopped)?;
            let is_same = as_gateways_spell(&kept.what) == *what;
            return Ok(if is_same { Given::Stands(kept) } else { Given::Another(kept) });
        }
        if let Err(wrong) = new.check(now) {
            return Ok(Given::Wrong(wrong));
        }
        let in_use = "SELECT 1 FROM gateways WHERE store = ?1 AND retired_ms IS NULL LIMIT 1";
        if matches!(what, Order::Erase { .. }) && first(engine, in_use, values![store])?.is_none() {
            return Ok(Given::Wrong(NO_GATEWAY.to_owned()));
        }
        let order = clock::mint(OrderId::from_bits).to_string();
        let (customer, other) = match what {
            Order::Erase { customer } => (customer.as_str(), ""),
            Order::Merge { stays, gone } => (stays.as_str(), gone.as_str()),
            Order::Check {} => ("", ""),
        };
        let made = engine.execute(
            "INSERT INTO orders(order_id, store, giver, key, what, customer, other, given_ms, until_ms, state, changed_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 'waiting', ?8) ON CONFLICT DO NOTHING",
            values![&order, store, giver, key, what.as_str(), customer, other, now.unix_ms(), until.unix_ms()],
        )?;
        if made == 1 {
            let about = [store.as_str(), &order, customer, other].join(" ");
            audit::note(engine, giver, &format!("{} ordered", what.as_str()), about.trim_end(), now)?;
        }
        let known: String = first(engine, sql, values![giver, store, key])?.ok_or(HqError::Stopped)?.get(0)?;
        let kept = find(engine, &known)?.ok_or(HqError::Stopped)?;
        // Its time may have been reckoned anew by whoever gives it again.
        Ok(if kept.what == *what { Given::Stands(kept) } else { Given::Another(kept) })
    })
}
