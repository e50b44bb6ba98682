//! `/stores/{store}/orders` and `/orders/{order}`: what a store is to do once, given by a key of the caller's own so that a call may be
//! repeated, and read until it is answered.

use super::{
    Problem, Shared,
    appointments::json,
    id,
    keys::{Key, Scope},
    wrong_path,
};
use crate::{
    clock,
    domain::Timestamp,
    hq::orders::{self, Given, Kept, New, Which},
    sync::downlink::{Order, Outcome},
};
use axum::{
    Extension, Json,
    extract::{
        Path, Query, State,
        rejection::{PathRejection, StringRejection},
    },
    http::{HeaderMap, StatusCode, Uri},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Unless said otherwise: over a week's holidays of a store.
const USUAL_MS: i64 = 7 * 86_400_000;

/// Orders of one answer, unless asked otherwise.
const USUAL: u32 = 100;

/// An order that is given.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    /// A name of your own, 1 to 60 characters, the same whenever you give this order again: it is then done once
    #[schemars(length(min = 1, max = 60))]
    key: String,
    what: Order,
    /// Not to be done after this time, RFC 3339 in UTC with milliseconds; a minute to 90 days ahead (seven days)
    #[serde(default)]
    until: Option<String>,
}

/// An order with what became of it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct One {
    /// Its id, the same for ever
    pub order: String,
    pub store: String,
    pub key: String,
    pub what: Order,
    pub given: String,
    pub until: String,
    /// `waiting`, `answered`, or `expired`: its time is over, and the store has not answered
    pub state: String,
    /// Once it is answered: `done`, `refused` (nothing was changed) or `too_late` (nothing was changed)
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub outcome: Option<Outcome>,
    /// What each gateway of the store answered; mostly it has one
    pub answers: Vec<Answered>,
}

/// What a gateway answered.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Answered {
    pub gateway: String,
    #[schemars(with = "String")]
    pub outcome: Outcome,
    /// Why not, or a remark; of a check what it found: a JSON array of `{what, state, found, remedy}`, as text
    pub words: String,
    /// By the gateway's clock
    pub at: String,
}

/// Orders, the newest first.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Listed {
    pub orders: Vec<One>,
    /// There are older ones: ask again with the id of the last one as `before`
    pub more: bool,
}

/// Which orders.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// `waiting`, `answered` or `expired`; all without it
    state: Option<String>,
    /// Those given before this one
    before: Option<String>,
    /// At most so many, 1 to 500 (100)
    #[schemars(range(min = 1, max = 500))]
    limit: Option<u32>,
}

impl From<Kept> for One {
    fn from(kept: Kept) -> Self {
        let Kept { order, store, giver: _, key, what, given, until, state, outcome, answers } = kept;
        let answered = |answer: orders::Answer| {
            let orders::Answer { gateway, outcome, words, at } = answer;
            Answered { gateway, outcome, words, at: at.to_string() }
        };
        Self {
            order,
            store,
            key,
            what,
            given: given.to_string(),
            until: until.to_string(),
            state: state.to_string(),
            outcome,
            answers: answers.into_iter().map(answered).collect(),
        }
    }
}

/// Erasing cannot be taken back: a key for it is a key for nothing else by itself.
const fn scope(what: &Order) -> Scope {
    match what {
        Order::Erase { .. } => Scope::Erase,
        Order::Merge { .. } | Order::Check {} => Scope::Orders,
    }
}

/// `POST /stores/{store}/orders`
pub async fn give(
    State(crm): Shared,
    Extension(key): Extension<Arc<Key>>,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    body: Result<String, StringRejection>,
) -> Result<Json<One>, Problem> {
    let Path(store) = path.map_err(|fault| wrong_path(&fault))?;
    may_read(&key, &store)?;
    let wish: Wish = serde_json::from_str(&json(&headers, body)?)
        .map_err(|fault| Problem::malformed(format!("the body: {fault}")))?;
    key.may_at(scope(&wish.what), &store)?;
    let now = clock::now().wall;
    let until = match wish.until.as_deref().map(str::parse::<Timestamp>) {
        None => Timestamp::from_unix_ms(now.unix_ms() + USUAL_MS),
        Some(Ok(until)) => until,
        Some(Err(_)) => {
            return Err(Problem::malformed(
                "until: is no time such as 2026-12-01T06:30:00.000Z, in UTC with milliseconds",
            ));
        }
    };
    let new = New { store, giver: key.giver(), key: wish.key, what: wish.what, until };
    match crm.database.ask(move |engine| orders::give(engine, &new, now)).await? {
        Given::Stands(kept) => Ok(Json(kept.into())),
        Given::Wrong(wrong) => {
            let detail = format!("nothing was ordered:\n{wrong}");
            Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "order-refused", detail))
        }
        Given::Another(kept) => {
            let detail = format!(
                "with this key order {} was given, which wants something else; give another key for another order",
                kept.order
            );
            Err(Problem::new(StatusCode::CONFLICT, "another-order", detail))
        }
    }
}

/// Whoever may give orders of either kind at a store.
fn may_read(key: &Key, store: &str) -> Result<(), Problem> {
    match key.may_at(Scope::Erase, store) {
        Ok(()) => Ok(()),
        Err(_) => key.may_at(Scope::Orders, store),
    }
}

/// `GET /stores/{store}/orders`
pub async fn list(
    State(crm): Shared,
    Extension(key): Extension<Arc<Key>>,
    path: Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Result<Json<Listed>, Problem> {
    let Path(store) = path.map_err(|fault| wrong_path(&fault))?;
    may_read(&key, &store)?;
    let Query(Asked { state, before, limit }) = Query::try_from_uri(&uri)
        .map_err(|fault| Problem::malformed(format!("{}; give state, before and limit alone", fault.body_text())))?;
    let limit = limit.unwrap_or(USUAL);
    if !(1..=orders::MOST).contains(&limit) {
        return Err(Problem::malformed(format!("limit: {limit} is not 1 to {}", orders::MOST)));
    }
    let state = state.map(|word| word.parse::<orders::State>()).transpose();
    let state = state.map_err(|fault| Problem::malformed(format!("state: {fault}")))?;
    // A key for erasures alone sees these alone.
    let what = (!key.scopes.contains(&Scope::Orders)).then_some("erase");
    let before = before.filter(|before| !before.is_empty());
    if before.as_ref().is_some_and(|before| before.len() > 100 || before.contains('\0')) {
        return Err(Problem::malformed("before: give the id of the last order of an earlier answer"));
    }
    let found = crm.database.ask(move |engine| {
        let which = Which { store: Some(&store), what, state, before: before.as_deref() };
        orders::list(engine, which, limit)
    });
    let (found, more) = found.await?;
    Ok(Json(Listed { orders: found.into_iter().map(One::from).collect(), more }))
}

/// `GET /orders/{order}`
pub async fn one(
    State(crm): Shared,
    Extension(key): Extension<Arc<Key>>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Json<One>, Problem> {
    let Path(order) = path.map_err(|fault| wrong_path(&fault))?;
    if !key.scopes.contains(&Scope::Erase) {
        key.may(Scope::Orders)?;
    }
    id("order", &order)?;
    let found = crm.database.ask(move |engine| orders::find(engine, &order)).await?;
    let may_see = |kept: &Kept| {
        let erasure = matches!(kept.what, Order::Erase { .. }) && key.scopes.contains(&Scope::Erase);
        key.stores.hold(&kept.store) && (erasure || key.scopes.contains(&Scope::Orders))
    };
    let unknown = || Problem::not_found("no-such-order", "there is no such order; check the id");
    found.filter(may_see).map(|kept| Json(kept.into())).ok_or_else(unknown)
}
