//! What headquarters wants done once. The deed, its answer's event and the note that it was answered become true together, so that
//! an order that is said again, by whomever and after whatever crash, finds itself answered.
//!
//! Only an erasure begins before that: the key goes first, and the vault's ledger says whose. Killed in between, the next start
//! finishes the erasure, and the order, said again, finds it done and is answered.

use super::{
    Store, customers,
    error::StoreError,
    outbox::{self, About, Gate},
    writer::Tx,
};
use crate::{
    clock,
    domain::{CustomerId, OrderId, Timestamp, staff::HQ},
    sync::{
        downlink::Outcome,
        payload::{self, kind},
    },
};
use rusqlite::{Connection, OptionalExtension, params};

/// So long after it may not be said any more, and after it was done, an answered order is still known: far beyond any word of
/// headquarters that is under way, and as long as the answer's event stays here for a headquarters that was restored.
const KEPT_MS: i64 = 30 * 86_400_000;

/// What became of an order here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answered {
    Now(Outcome),
    /// It was said again: nothing was done.
    Before,
}

/// An order on its way to its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ordered {
    pub id: OrderId,
    pub until: Timestamp,
}

pub(super) fn is_answered(conn: &Connection, order: OrderId) -> Result<bool, StoreError> {
    let mut select = conn.prepare_cached("SELECT 1 FROM orders WHERE id = ?1")?;
    Ok(select.query_row([order], |_| Ok(())).optional()?.is_some())
}

/// Writes the answer down and tells it, in the transaction of the deed.
pub(super) fn answer(tx: &Tx<'_>, order: Ordered, outcome: Outcome, words: String) -> Result<Answered, StoreError> {
    let Ordered { id, until } = order;
    let stamp = clock::now();
    tx.execute(
        "INSERT INTO orders (id, outcome, until_ms, done_ms) VALUES (?1, ?2, ?3, ?4)",
        params![id, outcome.as_str(), until, stamp.wall],
    )?;
    let over = stamp.wall.unix_ms() - KEPT_MS;
    tx.execute("DELETE FROM orders WHERE until_ms < ?1 AND done_ms < ?1", [over])?;
    let about = About {
        kind: kind::ANSWER,
        gate: Gate::Always,
        customer: None,
        visit: None,
        object: id.bits(),
        subject: id.to_string(),
        stamp,
    };
    outbox::enqueue(tx, &about, &payload::Answer { order: id.to_string(), outcome, words })?;
    Ok(Answered::Now(outcome))
}

/// Why a merge cannot be done, or that nothing is to be done any more.
fn in_the_way(tx: &Tx<'_>, stays: CustomerId, gone: CustomerId) -> Result<Option<(Outcome, String)>, StoreError> {
    if stays == gone {
        return Ok(Some((Outcome::Refused, "a record cannot be merged into itself; name two".to_owned())));
    }
    let (person, other) = (customers::person(tx, stays)?, customers::person(tx, gone)?);
    for (which, known) in [("stays", &person), ("gone", &other)] {
        if known.is_empty() {
            return Ok(Some((Outcome::Refused, unknown(which))));
        }
    }
    Ok(person.contains(&gone).then(|| (Outcome::Done, "the two were one person already".to_owned())))
}

/// Nobody of that id is here. Without the id: what names somebody who is erased is taken out at headquarters.
fn unknown(which: &str) -> String {
    format!("there is no customer of the id given as {which} in this store; check the id and the store")
}

fn merge(tx: &Tx<'_>, order: Ordered, stays: CustomerId, gone: CustomerId) -> Result<Answered, StoreError> {
    if is_answered(tx, order.id)? {
        return Ok(Answered::Before);
    }
    if let Some((outcome, words)) = in_the_way(tx, stays, gone)? {
        return answer(tx, order, outcome, words);
    }
    customers::join(tx, stays, gone, None, HQ)?;
    answer(tx, order, Outcome::Done, String::new())
}

impl Store {
    /// Whether an order was answered.
    pub async fn order_is_answered(&self, order: OrderId) -> Result<bool, StoreError> {
        self.read(move |conn| is_answered(conn, order)).await
    }

    /// Answers an order of which nothing is written here: refused, too late, or a look at the machine that was taken.
    pub async fn answer_order(
        &self,
        order: OrderId,
        until: Timestamp,
        outcome: Outcome,
        words: String,
    ) -> Result<Answered, StoreError> {
        self.write(move |tx| {
            if is_answered(tx, order)? {
                return Ok(Answered::Before);
            }
            answer(tx, Ordered { id: order, until }, outcome, words)
        })
        .await
    }

    /// Makes two records one person, as [`Store::join_customers`] does, once for the order, and answers it.
    pub async fn merge_by_order(
        &self,
        order: OrderId,
        until: Timestamp,
        stays: CustomerId,
        gone: CustomerId,
    ) -> Result<Answered, StoreError> {
        self.write(move |tx| merge(tx, Ordered { id: order, until }, stays, gone)).await
    }

    /// Erases a person, as [`Store::erase_customer`] does, once for the order, and answers it. Of somebody who was erased before the
    /// answer is that it is done.
    pub async fn erase_by_order(
        &self,
        order: OrderId,
        until: Timestamp,
        customer: CustomerId,
    ) -> Result<Answered, StoreError> {
        if self.order_is_answered(order).await? {
            return Ok(Answered::Before);
        }
        let ordered = Ordered { id: order, until };
        let reason = format!("order {order} of headquarters");
        match self.erase(customer, HQ.to_owned(), reason, Some(ordered)).await {
            Ok(receipt) if receipt.customers.is_empty() => {
                self.answer_order(order, until, Outcome::Done, "was erased already".to_owned()).await
            }
            Ok(_) => Ok(Answered::Now(Outcome::Done)),
            Err(StoreError::NotFound { .. }) => {
                self.answer_order(order, until, Outcome::Refused, unknown("customer")).await
            }
            Err(fault) => Err(fault),
        }
    }
}
