//! The way in from the salon's own network: TLS only, under the names that stand in the certificate, and for tablets that were
//! let in by a code; so that whoever is in the guests' Wi-Fi never sees even the PIN pad.

pub use crate::doorway::tls::{Renewal, Secured};

use super::{AppState, doors, error::WebError, pin, router};
use crate::{
    doorway::{self, Bounds, Door, Patience},
    web::api::refused,
};
use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};
use std::{sync::Arc, time::Duration};
use tokio::{net::TcpListener, time::timeout};
use tokio_util::sync::CancellationToken;

/// The tablet's token; kept as long as browsers allow.
pub const COOKIE: &str = "skinlink-tablet";

/// A dozen tablets, each with a stream of news and what a browser opens beside it.
const BOUNDS: Bounds = Bounds { connections: 256, of_one: 32 };
/// Streams of news stay open all day.
const PATIENCE: Patience = Patience { head: Duration::from_secs(30), whole: None };
/// From a stranger's request to its answer.
const STRANGER: Duration = Duration::from_secs(30);

/// A certificate that cannot be served.
#[derive(Debug, thiserror::Error)]
#[error("the certificate for the LAN cannot be used ({0}); remove tls/ in the data folder, it is made anew")]
pub struct BadCertificate(#[from] native_tls::Error);

/// A listener that speaks TLS.
///
/// # Errors
/// [`BadCertificate`]; `chain` and `key` (PKCS#8) are PEM.
pub fn secured(plain: TcpListener, chain: &[u8], key: &[u8]) -> Result<(Secured, Renewal), BadCertificate> {
    Ok(Secured::new(Door::new(plain, BOUNDS), chain, key)?)
}

/// Serves the LAN under `names` until `stop`, within the bounds of a [`doorway`].
pub async fn serve(listener: Secured, state: AppState, names: Arc<[String]>, stop: CancellationToken) {
    let state = AppState { stop: stop.clone(), lan: Some(names), ..state };
    doorway::serve(listener, router(state), PATIENCE, stop).await;
}

/// Lets only tablets in that were enrolled; on this machine's own listener everybody is.
pub async fn admit(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    // A screen that belongs to no station sees its code alone; the station says whose it is.
    let open = path.starts_with("/a/")
        || path == "/mirror"
        || path.starts_with("/mirror/")
        || ["/enrol", "/trust", "/trust/skinlink-ca.crt", "/api/v1/enrolment"].contains(&path);
    if state.lan.is_none() {
        return next.run(request).await;
    }
    if open {
        // Here strangers are answered too: a code that trickles in holds a place for so long and no longer.
        let answered = timeout(STRANGER, next.run(request)).await;
        return answered.unwrap_or_else(|_| StatusCode::REQUEST_TIMEOUT.into_response());
    }
    match is_enrolled(&state, request.headers()).await {
        Ok(true) => next.run(request).await,
        Ok(false) if doors::is_call(&request) => not_enrolled().into_response(),
        Ok(false) => Redirect::to("/enrol").into_response(),
        Err(fault) => fault.into_response(),
    }
}

/// Whether the tablet that sent these headers was let in by a code and not forgotten since.
///
/// # Errors
/// Where the store does not answer.
pub async fn is_enrolled(state: &AppState, headers: &HeaderMap) -> Result<bool, WebError> {
    // Before anybody can log in nobody comes from outside, with whatever cookie.
    if !state.store.has_staff().await.map_err(|fault| refused::store(&fault))? {
        return Ok(false);
    }
    let Some(digest) = doors::cookie(headers, COOKIE).and_then(pin::digest) else { return Ok(false) };
    state.store.is_enrolled(digest).await.map_err(|fault| refused::store(&fault))
}

fn not_enrolled() -> WebError {
    WebError::new(
        StatusCode::UNAUTHORIZED,
        "not_enrolled",
        "tablet",
        "open /enrol and enter the code that the manager shows",
        "这台平板还没有登记。请店长在“员工与 PIN”页给一个登记码。",
        "This tablet is not enrolled; ask the manager for a code on the page Staff and PINs.",
    )
}
