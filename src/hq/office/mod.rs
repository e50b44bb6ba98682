//! Pages for headquarters' own people: they log in, see the whole chain live, go down to a store and to a visit, and whoever
//! looked at a visit stands in an audit. Prometheus reads the same figures.
//!
//! A receiver's copy serves them beside its other work; nothing is kept but in the database, so any of them may be asked. Pages are
//! made on the server and work without scripts; scripts keep them up to date.

mod about;
mod assets;
pub mod audit;
mod board;
pub mod books;
mod clocks;
pub mod commands;
mod delays;
mod door;
mod figures;
mod live;
pub mod metrics;
mod names;
mod pages;
mod password;
pub mod people;
pub mod sessions;
mod shell;
mod tries;
mod visits;
mod watch;

use super::{
    HqError,
    config::{OfficeSettings, RolloutSettings},
    database::Place,
    served,
};
use crate::doorway::{Bounds, Door, Patience};
use axum::{
    Router, middleware,
    routing::{get, post},
};
use books::Books;
use openssl::sha::sha256;
use std::{path::Path, sync::Arc, time::Duration};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use watch::Watch;

/// A few dozen people, each with a stream of news and what a browser opens beside it.
const CONNECTIONS: usize = 512;
const OF_ONE: usize = 48;

/// Streams of news stay open all day.
const PATIENCE: Patience = Patience { head: Duration::from_secs(15), whole: None };

/// What all answers share.
#[derive(Debug)]
struct Office {
    books: Books,
    watch: Watch,
    behind_proxy: bool,
    /// Cookies go over TLS alone; only on this machine there may be none.
    secure: bool,
    utc_offset_min: i32,
    metrics_token: Option<[u8; 32]>,
    /// How rollouts are started here; `None`: not here.
    rollouts: Option<RolloutSettings>,
    stop: CancellationToken,
}

type Shared = axum::extract::State<Arc<Office>>;

/// Serves until `stop`.
///
/// # Errors
/// [`HqError::Listen`] where the address is taken or not ours; a certificate, key or token that cannot be read or used.
pub async fn serve(
    place: Place,
    settings: OfficeSettings,
    rollouts: Option<RolloutSettings>,
    stop: CancellationToken,
) -> Result<(), HqError> {
    let OfficeSettings { listen, behind_proxy, tls, utc_offset_min, metrics_token } = settings;
    let failed = |source| HqError::Listen { listen, source };
    let metrics_token = metrics_token.as_deref().map(token).transpose()?;
    let listener = TcpListener::bind(listen).await.map_err(failed)?;
    let books = Books::at(place);
    let office = Office {
        watch: Watch::new(books.clone(), utc_offset_min),
        books,
        behind_proxy,
        secure: tls.is_some() || behind_proxy,
        utc_offset_min,
        metrics_token,
        rollouts,
        stop: stop.clone(),
    };
    let router = router(Arc::new(office));
    // All of a proxy's connections come from one address.
    let of_one = if behind_proxy { CONNECTIONS } else { OF_ONE };
    let door = Door::new(listener, Bounds { connections: CONNECTIONS, of_one });
    tracing::info!(%listen, tls = tls.is_some(), "people of headquarters are served");
    served::serve(door, tls, router, PATIENCE, stop).await
}

/// Its digest: so that a comparison tells nothing of it.
fn token(path: &Path) -> Result<[u8; 32], HqError> {
    const SHORTEST: usize = 16;
    let bytes = served::read(path)?;
    let token = bytes.trim_ascii();
    if token.len() < SHORTEST {
        let reason = format!("a token of {SHORTEST} characters or more is needed; openssl rand -hex 16 makes one");
        return Err(HqError::Config { path: path.to_owned(), reason });
    }
    Ok(sha256(token))
}

fn router(office: Arc<Office>) -> Router {
    Router::new()
        .route("/", get(pages::chain::page))
        .route("/live", get(live::chain))
        .route("/stores/{store}", get(pages::store::page))
        .route("/stores/{store}/live", get(live::store))
        .route("/stores/{store}/visits/{visit}", get(pages::visit::page))
        .route("/stores/{store}/visits/{visit}/erase", post(pages::orders::erase))
        .route("/stores/{store}/check", post(pages::orders::check))
        .route("/erasures", get(pages::orders::erasures).post(pages::orders::erase_by_id))
        .route("/rollouts", get(pages::rollouts::page).post(pages::rollouts::start))
        .route("/rollouts/live", get(live::rollouts))
        .route("/rollouts/{n}", get(pages::rollout::page).post(pages::rollout::act))
        .route("/audit", get(pages::audit::page))
        .route("/login", get(pages::login::page).post(pages::login::log_in))
        .route("/logout", post(pages::login::log_out))
        .route("/a/{digest}/{name}", get(assets::asset))
        .route("/metrics", get(metrics::page))
        .fallback(pages::nothing)
        .layer(middleware::from_fn_with_state(Arc::clone(&office), door::guard))
        .with_state(office)
}
