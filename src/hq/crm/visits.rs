//! `GET /visits`: what changed, visit by visit. Each stands once, at its last change; one that changes while a program reads comes up
//! again further on, so nothing is lost, and nothing that stayed as it was comes twice.

use super::{
    Problem, Shared, cursor,
    keys::{Key, Scope, Stores},
};
use crate::{
    domain::Timestamp,
    hq::{
        HqError,
        database::engine::{Engine, Row, first, values},
        records,
        standing_words::{Words, was_shared},
    },
};
use axum::{
    Extension, Json,
    extract::{Query, State},
    http::Uri,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Visits of one answer, unless asked otherwise.
const USUAL: u32 = 100;
const MOST: u32 = 500;

/// Changes looked through for one answer: a key for one store of many does not keep the database at work.
const LOOKED_AT: u32 = 2_000;

/// What may be asked for.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Which {
    /// `next` of the answer before; without it everything from the beginning
    since: Option<String>,
    /// One store alone
    store: Option<String>,
    /// At most so many visits, 1 to 500 (100)
    #[schemars(range(min = 1, max = 500))]
    limit: Option<u32>,
}

/// What changed since.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Changed {
    pub visits: Vec<Line>,
    /// The `since` of the next call; keep it
    pub next: String,
    /// There is more already; otherwise ask again in some seconds or minutes
    pub more: bool,
}

/// One visit that changed.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Line {
    pub store: String,
    pub visit: String,
    /// Absent where it may not be known here any longer, since the customer withdrew or was erased: erase what you hold of it
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<Content>,
}

/// A visit as it stands.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Content {
    /// Whose it is now; cards that were joined are followed
    pub customer: String,
    pub station: String,
    /// Staff number
    pub beautician: String,
    /// `open`, `closed` or another word of the store's
    pub state: String,
    pub version: u64,
    /// Treatment steps, as they were written
    pub steps: Vec<String>,
    /// When it became so, by the store's clock
    pub changed: String,
    /// It was recorded by mistake
    pub voided: bool,
}

/// `GET /visits`
pub async fn list(State(crm): Shared, Extension(key): Extension<Arc<Key>>, uri: Uri) -> Result<Json<Changed>, Problem> {
    let Query(Which { since, store, limit }) = Query::try_from_uri(&uri)
        .map_err(|fault| Problem::malformed(format!("{}; give since, store and limit alone", fault.body_text())))?;
    match &store {
        Some(store) => key.may_at(Scope::VisitsRead, store)?,
        None => key.may(Scope::VisitsRead)?,
    }
    let limit = limit.unwrap_or(USUAL);
    if !(1..=MOST).contains(&limit) {
        return Err(Problem::malformed(format!("limit: {limit} is not 1 to {MOST}")));
    }
    let since = cursor::read(since.as_deref())?;
    let stores = store.map_or_else(|| key.stores.clone(), |store| Stores::These([store].into()));
    let found = crm.database.ask(move |engine| {
        if !records::are_whole(engine, "")? {
            return Err(HqError::Remaking);
        }
        if cursor::is_ours(engine, since)? { changed(engine, since.change, &stores, limit).map(Some) } else { Ok(None) }
    });
    found.await?.map(Json).ok_or_else(cursor::foreign)
}

fn changed(engine: &mut dyn Engine, since: u64, stores: &Stores, limit: u32) -> Result<Changed, HqError> {
    let one = match stores {
        Stores::These(names) if names.len() == 1 => names.first().map_or("", String::as_str),
        _ => "",
    };
    let rows = engine.query(
        "SELECT store, visit, change FROM visit_changes WHERE change > ?1 AND (?2 = '' OR store = ?2) ORDER BY change LIMIT ?3",
        values![since, one, if one.is_empty() { LOOKED_AT } else { limit }],
    )?;
    let (mut visits, mut last, mut looked) = (Vec::new(), since, 0);
    for row in &rows {
        if visits.len() as u32 == limit {
            break;
        }
        let (store, visit): (String, String) = (row.get(0)?, row.get(1)?);
        (last, looked) = (row.get(2)?, looked + 1);
        if stores.hold(&store) {
            let content = content(engine, &store, &visit)?;
            // Of who never agreed to share numbers nothing was told that could be erased, and nothing is told now.
            if content.is_some() || may_be_known(engine, &store, &visit)? {
                visits.push(Line { store, visit, content });
            }
        }
    }
    let full = rows.len() as u32 == if one.is_empty() { LOOKED_AT } else { limit };
    Ok(Changed { visits, next: cursor::written(engine, last)?, more: looked < rows.len() || full })
}

/// Whether programs may hold something of a visit that is not told any longer.
fn may_be_known(engine: &mut dyn Engine, store: &str, visit: &str) -> Result<bool, HqError> {
    let erased = "SELECT shared FROM erased_visits WHERE store = ?1 AND visit = ?2";
    if let Some(row) = first(engine, erased, values![store, visit])? {
        return row.get(0);
    }
    // One of which everything was redacted is as good as erased.
    Ok(was_shared(engine, store, visit)?.unwrap_or(true))
}

/// The visit as it stands, if it may be known: no program is told anything of whose yes to sharing numbers does not stand.
pub(super) fn content(engine: &mut dyn Engine, store: &str, visit: &str) -> Result<Option<Content>, HqError> {
    let row = first(
        engine,
        "SELECT v.customer, v.station, v.beautician, v.state, v.version, v.steps, f.at_ms, v.voided
         FROM visits v JOIN visit_facts f ON f.n = v.n WHERE v.store = ?1 AND v.visit = ?2 ORDER BY v.n LIMIT 1",
        values![store, visit],
    )?;
    let Some(row) = row else { return Ok(None) };
    let content = Content::from_row(&row)?;
    let words = Words::of(engine, store, &content.customer)?;
    Ok(words.share_numbers(engine)?.then_some(content))
}

impl Content {
    fn from_row(row: &Row) -> Result<Self, HqError> {
        Ok(Self {
            customer: row.get(0)?,
            station: row.get(1)?,
            beautician: row.get(2)?,
            state: row.get(3)?,
            version: row.get(4)?,
            steps: serde_json::from_str(&row.get::<String>(5)?).unwrap_or_default(),
            changed: Timestamp::from_unix_ms(row.get(6)?).to_string(),
            voided: row.get(7)?,
        })
    }
}
