//! `/stores/{store}/staff`: who works in a store, written whole, and how far each of its gateways holds it.

use super::{
    Problem, Shared,
    appointments::json,
    keys::{Key, Scope},
    wrong_path,
};
use crate::{
    clock,
    hq::staff::{self, Desired, Reached},
    sync::downlink::{Colleague, Staff},
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
use serde::Serialize;
use std::sync::Arc;

/// Who works in a store.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Wanted {
    pub store: String,
    pub people: Vec<Colleague>,
    /// Grows with each change of the list; 0 where none was ever written
    pub version: u64,
    pub gateways: Vec<Holds>,
}

/// How far one gateway of the store is.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Holds {
    pub gateway: String,
    /// The version it holds; absent as long as it holds none
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// Whether that is the present one
    pub current: bool,
    /// Whether its program understands such a list; otherwise update it
    pub understands: bool,
    /// Staff numbers of those who stay against the list, since nobody else there could let others in: have another manager's PIN set
    pub kept: Vec<String>,
}

/// `PUT /stores/{store}/staff`
pub async fn write(
    State(crm): Shared,
    Extension(key): Extension<Arc<Key>>,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    body: Result<String, StringRejection>,
) -> Result<Json<Wanted>, Problem> {
    let Path(store) = path.map_err(|fault| wrong_path(&fault))?;
    key.may_at(Scope::Staff, &store)?;
    let people = Staff::read(&json(&headers, body)?).map_err(|wrong| {
        let detail = format!("nothing was written:\n{wrong}");
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "staff-refused", detail)
    })?;
    let (giver, now, of) = (key.giver(), clock::now().wall, store.clone());
    let written = crm.database.ask(move |engine| {
        staff::put(engine, (&of, &giver), &people, now)?;
        staff::desired(engine, &of)
    });
    answer(store, written.await?)
}

/// `GET /stores/{store}/staff`
pub async fn read(
    State(crm): Shared,
    Extension(key): Extension<Arc<Key>>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Json<Wanted>, Problem> {
    let Path(store) = path.map_err(|fault| wrong_path(&fault))?;
    key.may_at(Scope::Staff, &store)?;
    let of = store.clone();
    let found = crm.database.ask(move |engine| staff::desired(engine, &of));
    answer(store, found.await?)
}

fn answer(store: String, found: Option<Desired>) -> Result<Json<Wanted>, Problem> {
    let Some(Desired { people, version, gateways }) = found else {
        let unknown =
            format!("no gateway of store {store} was ever heard; check the name, or wait until the store is set up");
        return Err(Problem::not_found("no-such-store", unknown));
    };
    let holds = |Reached { gateway, understands, held, kept }: Reached| Holds {
        gateway,
        current: version > 0 && held == Some(version),
        version: held,
        understands,
        kept,
    };
    Ok(Json(Wanted { store, people, version, gateways: gateways.into_iter().map(holds).collect() }))
}
