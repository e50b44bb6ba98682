//! The contract, served to programmers over HTTP: what travels between gateways and headquarters, and the tables. Public
//! documents only; no record is served here.

use super::{HqError, records::schema_page};
use crate::{
    doorway::{self, Bounds, Door, Patience},
    sync::contract,
};
use axum::{
    Router,
    extract::Path,
    http::{StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use std::{fmt::Write as _, net::SocketAddr, time::Duration};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// A few programmers at a time; pages like these are fetched by scripts.
const BOUNDS: Bounds = Bounds { connections: 64, of_one: 16 };

/// All that is served here is made in milliseconds.
const PATIENCE: Patience = Patience { head: Duration::from_secs(15), whole: Some(Duration::from_secs(60)) };

/// Serves until `stop`.
///
/// # Errors
/// [`HqError::Listen`] where the address is taken or not ours.
pub async fn serve(listen: SocketAddr, stop: CancellationToken) -> Result<(), HqError> {
    let failed = |source| HqError::Listen { listen, source };
    let listener = TcpListener::bind(listen).await.map_err(failed)?;
    tracing::info!(%listen, "the contract is served at /contract/");
    doorway::serve(Door::new(listener, BOUNDS), router(), PATIENCE, stop).await;
    Ok(())
}

fn router() -> Router {
    Router::new()
        .route("/", get(index))
        .route("/contract/", get(index))
        .route("/contract/asyncapi.json", get(async || json(contract::asyncapi().to_string())))
        .route("/contract/schemas/{name}", get(schema))
        .route("/contract/tables.md", get(async || text("text/markdown; charset=utf-8", schema_page::page())))
        .route("/contract/wire.md", get(async || text("text/markdown; charset=utf-8", WIRE.to_owned())))
}

const WIRE: &str = include_str!("../../docs/contracts/wire.md");

async fn index() -> Html<String> {
    let mut page =
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>skinlink-hq</title><h1>The contract</h1>\
         <ul><li><a href=\"/contract/asyncapi.json\">asyncapi.json</a>: AsyncAPI 3, all messages\
         <li><a href=\"/contract/wire.md\">wire.md</a>: the conversation around them\
         <li><a href=\"/contract/tables.md\">tables.md</a>: the views to query</ul><h2>JSON Schemas</h2><ul>"
            .to_owned();
    for (name, _) in contract::schemas() {
        let _ = write!(page, "<li><a href=\"/contract/schemas/{name}.json\">{name}</a>");
    }
    Html(page + "</ul></html>")
}

async fn schema(Path(name): Path<String>) -> Response {
    let found = name.strip_suffix(".json").and_then(|name| contract::schemas().into_iter().find(|one| one.0 == name));
    match found {
        Some((_, schema)) => json(schema.to_string()),
        None => (StatusCode::NOT_FOUND, "no such schema; / lists them\n").into_response(),
    }
}

fn json(body: String) -> Response {
    text("application/json", body)
}

fn text(kind: &'static str, body: String) -> Response {
    ([(header::CONTENT_TYPE, kind)], body).into_response()
}
