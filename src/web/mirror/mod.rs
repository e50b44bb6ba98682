//! The mirror: the customer's screen beside a station. It is shown the scan under way and what was given to it, and nothing else:
//! no name, no number that was not released; it has no keys.
//!
//! Which screen belongs to a station is stored ([`crate::store::PairedMirror`]); what it is shown is not ([`board`]): after a
//! restart it rests until somebody shows something again. A screen that belongs to no station knows nothing but its own code.

pub mod board;
mod page;
pub mod scene;
mod stream;

pub use board::Mirrors;
pub use page::{door, page, picture};
pub use stream::events;

use super::{AppState, api::refused, doors, error::WebError, pin};
use crate::{
    domain::VisitId,
    store::{PairedMirror, VisitView},
};
use axum::http::HeaderMap;

/// The screen's token; sent to its own pages only.
const COOKIE: &str = "skinlink-mirror";

/// The digest of the token that a screen shows.
fn digest_of(headers: &HeaderMap) -> Option<[u8; 32]> {
    doors::cookie(headers, COOKIE).and_then(pin::digest)
}

/// The pairing of this screen with `station`; `None` where it is not this station's.
async fn pairing(state: &AppState, station: &str, digest: [u8; 32]) -> Result<Option<PairedMirror>, WebError> {
    let paired = state.store.mirror(station.to_owned()).await.map_err(|fault| refused::store(&fault))?;
    Ok(paired.filter(|mirror| mirror.digest == digest && state.station(station).is_some()))
}

/// The open visit at a station, if it is `wanted` and the station has a screen to show it on.
///
/// # Errors
/// Where there is no such screen, or another visit sits there.
pub async fn seated(state: &AppState, station: &str, wanted: VisitId) -> Result<VisitView, WebError> {
    let has = state.store.mirror(station.to_owned()).await.map_err(|fault| refused::store(&fault))?.is_some();
    if !has {
        return Err(refused::no_mirror());
    }
    let open = state.store.visit_at(station.to_owned()).await.map_err(|fault| refused::store(&fault))?;
    match open {
        Some(visit) if visit.id == wanted => super::api::view(&state.store, wanted).await,
        _ => Err(WebError::stale(format!("visit {wanted}"))),
    }
}

/// A code was made for the report of a visit, at whatever page: where the visit sits beside a mirror, the customer sees it there.
pub async fn code_made(state: &AppState, visit: VisitId, picture: &str) {
    let Ok(found) = state.store.visit(visit).await else { return };
    if let Ok(view) = seated(state, &found.station, visit).await {
        state.mirrors.show_code(&found.station, (visit, view.visit.customer), picture.to_owned());
    }
}
