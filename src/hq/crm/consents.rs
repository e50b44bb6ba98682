//! `GET /stores/{store}/customers/{customer}/consents`: the last word on each purpose, and whether a yes stands now. A withdrawal on
//! the page of a report counts from the moment it was said here, before the store has taken it. Of who never agreed to share numbers
//! nothing is told, not even a no: to programs there is no such customer.

use super::{
    Problem, Shared, id,
    keys::{Key, Scope},
    wrong_path,
};
use crate::{
    domain::{Timestamp, consent::Purpose},
    hq::{HqError, database::engine::Engine, records, standing_words::Words},
};
use axum::{
    Extension, Json,
    extract::{Path, State, rejection::PathRejection},
};
use schemars::JsonSchema;
use serde::Serialize;
use std::sync::Arc;

/// What a customer agreed to.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Consents {
    pub store: String,
    /// All ids of this person, the one asked for among them
    pub customers: Vec<String>,
    pub consents: Vec<LastWord>,
}

/// The last word on one purpose.
#[derive(Debug, Serialize, JsonSchema)]
pub struct LastWord {
    /// `measure`, `photograph`, `keep_photographs`, `deliver_report`, `share_numbers` or `share_photographs`
    pub purpose: String,
    /// What was said last to the store's staff
    pub given: bool,
    /// Whether it is a yes that stands now, after all that was said anywhere; only then act on it
    pub stands: bool,
    /// The text that was shown
    pub text_version: String,
    pub at: String,
}

/// `GET /stores/{store}/customers/{customer}/consents`
pub async fn of_customer(
    State(crm): Shared,
    Extension(key): Extension<Arc<Key>>,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Json<Consents>, Problem> {
    let Path((store, customer)) = path.map_err(|fault| wrong_path(&fault))?;
    key.may_at(Scope::ConsentsRead, &store)?;
    id("customer", &customer)?;
    let found = crm.database.ask(move |engine| consents(engine, store, &customer)).await?;
    let unknown = "nothing that a customer of this id agreed to is known here; check the id, or treat it as a no";
    found.map(Json).ok_or_else(|| Problem::not_found("no-such-customer", unknown))
}

fn consents(engine: &mut dyn Engine, store: String, customer: &str) -> Result<Option<Consents>, HqError> {
    if !records::are_whole(engine, &store)? {
        return Err(HqError::Remaking);
    }
    let words = Words::of(engine, &store, customer)?;
    if !words.ever_shared(engine)? {
        return Ok(None);
    }
    let mut consents = Vec::new();
    for purpose in Purpose::ALL {
        let Some(last) = words.last(engine, *purpose)? else { continue };
        consents.push(LastWord {
            purpose: purpose.as_str().to_owned(),
            given: last.given,
            stands: !words.said_no(Some(&last)),
            at: Timestamp::from_unix_ms(last.at_ms).to_string(),
            text_version: last.text_version,
        });
    }
    let customers = words.person().iter().cloned().collect();
    Ok((!consents.is_empty()).then_some(Consents { store, customers, consents }))
}
