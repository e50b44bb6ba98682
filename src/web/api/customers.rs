//! Customers: made and found.

use super::refused;
use crate::{
    clock,
    domain::{CustomerId, customer::Customer},
    faults,
    web::{
        AppState,
        ask::{Asked, Body, required, text},
        doors::Who,
        error::WebError,
        json, looks,
    },
};
use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

/// As many as fit on a screen.
const FOUND: usize = 20;

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCustomer {
    name: String,
    #[serde(default)]
    phone: String,
    #[serde(default)]
    skin_type: String,
    #[serde(default)]
    notes: String,
    #[serde(default)]
    staff: String,
}

/// `POST /customers`
pub async fn add(State(state): State<AppState>, who: Who, Body(new): Body<NewCustomer>) -> Result<Response, WebError> {
    let customer = Customer {
        id: clock::mint(CustomerId::from_bits),
        name: required("name", &new.name, 80)?,
        phone: text("phone", &new.phone, 30)?,
        skin_type: text("skin_type", &new.skin_type, 40)?,
        notes: text("notes", &new.notes, 500)?,
    };
    let staff = who.staff(&text("staff", &new.staff, 40)?);
    state.store.save_customer(customer.clone(), staff).await.map_err(|fault| refused::store(&fault))?;
    faults::point("station.customer.saved");
    let mut body = json::customer(&customer);
    body["version"] = json!(1);
    Ok((StatusCode::CREATED, Json(body)).into_response())
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Search {
    #[serde(default)]
    query: String,
}

/// `GET /customers?query=`
pub async fn find(State(state): State<AppState>, who: Who, Asked(search): Asked<Search>) -> Result<Response, WebError> {
    let words = text("query", &search.query, 80)?;
    let found = state.store.find_customers(words, FOUND).await.map_err(|fault| refused::store(&fault))?;
    looks::note(&state, &who, "looked.search", found.iter().map(|customer| customer.id)).await;
    let customers: Vec<_> = found.iter().map(json::customer).collect();
    Ok(Json(json!({ "customers": customers })).into_response())
}
