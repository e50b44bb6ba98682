//! `/stores/{store}/customers/{customer}/birthday`: month and day of a customer's birthday, which the CRM knows and headquarters is told for
//! messages of care. Never the year: a body that names one is refused.

use super::{
    Problem, Shared,
    appointments::json,
    keys::{Key, Scope},
    wrong_path,
};
use crate::{
    clock,
    domain::{CustomerId, birthday::Birthday},
    hq::care::birthdays::{self, Told},
};
use axum::{
    Extension, Json,
    extract::{
        Path, State,
        rejection::{PathRejection, StringRejection},
    },
    http::{HeaderMap, StatusCode},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A birthday without its year; 29 February is one.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    /// 1 to 12
    #[schemars(range(min = 1, max = 12))]
    month: u32,
    /// Of the month, 1 to 31
    #[schemars(range(min = 1, max = 31))]
    day: u32,
}

/// The birthday of a customer, under whichever of their ids it was told.
#[derive(Debug, Serialize, JsonSchema)]
pub struct One {
    pub store: String,
    pub customer: String,
    pub month: u32,
    pub day: u32,
}

/// What became of taking one away.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Removed {
    pub store: String,
    pub customer: String,
    /// Whether there was one
    pub removed: bool,
}

/// Store and customer of an address, for a key that is for them; the id as it stands everywhere else.
fn of(key: &Key, path: Result<Path<(String, String)>, PathRejection>) -> Result<(String, String), Problem> {
    let Path((store, customer)) = path.map_err(|fault| wrong_path(&fault))?;
    key.may_at(Scope::Customers, &store)?;
    let unknown = "this is no id of a customer; give it as it stands in visits";
    let customer: CustomerId = customer.parse().map_err(|_| Problem::not_found("no-such-customer", unknown))?;
    Ok((store, customer.to_string()))
}

/// `PUT /stores/{store}/customers/{customer}/birthday`
pub async fn write(
    State(crm): Shared,
    Extension(key): Extension<Arc<Key>>,
    path: Result<Path<(String, String)>, PathRejection>,
    headers: HeaderMap,
    body: Result<String, StringRejection>,
) -> Result<Json<One>, Problem> {
    let (store, customer) = of(&key, path)?;
    let Wish { month, day } = serde_json::from_str(&json(&headers, body)?).map_err(|fault| {
        Problem::malformed(format!(
            "the body: {fault}; give month and day as numbers, such as {{\"month\": 5, \"day\": 17}}, and no year"
        ))
    })?;
    let birthday = Birthday::of(month, day).ok_or_else(|| {
        let detail = format!("nothing was written: no year has a day {day} of month {month}; check month and day");
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "birthday-refused", detail)
    })?;
    let (giver, now, whose) = (key.giver(), clock::now().wall, (store.clone(), customer.clone()));
    let told = crm.database.ask(move |engine| birthdays::put(engine, (&whose.0, &whose.1), birthday, &giver, now));
    match told.await? {
        Told::Stands { .. } => Ok(Json(One { store, customer, month, day })),
        Told::Erased => {
            let detail = "this customer was erased, and nothing is kept of them any more: erase what you hold; who comes again has a new id";
            Err(Problem::new(StatusCode::CONFLICT, "customer-erased", detail))
        }
    }
}

/// `GET /stores/{store}/customers/{customer}/birthday`
pub async fn read(
    State(crm): Shared,
    Extension(key): Extension<Arc<Key>>,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Json<One>, Problem> {
    let (store, customer) = of(&key, path)?;
    let whose = (store.clone(), customer.clone());
    let found = crm.database.ask(move |engine| birthdays::find(engine, &whose.0, &whose.1)).await?;
    let unknown = "no birthday of a customer of this id is known here; tell it by PUT, or check the id";
    let birthday = found.ok_or_else(|| Problem::not_found("no-birthday", unknown))?;
    Ok(Json(One { store, customer, month: birthday.month(), day: birthday.day() }))
}

/// `DELETE /stores/{store}/customers/{customer}/birthday`
pub async fn remove(
    State(crm): Shared,
    Extension(key): Extension<Arc<Key>>,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Json<Removed>, Problem> {
    let (store, customer) = of(&key, path)?;
    let (giver, now, whose) = (key.giver(), clock::now().wall, (store.clone(), customer.clone()));
    let gone = crm.database.ask(move |engine| birthdays::remove(engine, (&whose.0, &whose.1), &giver, now));
    Ok(Json(Removed { store, customer, removed: gone.await? }))
}
