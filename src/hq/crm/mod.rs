//! What programs of the CRM call: visits as they stand and what changed since, who agreed to what, appointments on their way to the
//! stores, who works there, what they are to do once, birthdays and messages of care. JSON over HTTP under `/crm/v1`, for whoever has a [key](keys); described by [`openapi`].
//!
//! A key opens what its scopes and its list of stores say, and nothing else. Customers' names and phone numbers are in no
//! answer, since headquarters has none.

mod appointments;
mod birthday;
mod consents;
mod cursor;
pub mod keys;
mod looks;
mod messages;
pub mod openapi;
mod orders;
mod problem;
mod staff;
mod visit;
mod visits;

pub use problem::Problem;

use super::{
    HqError,
    config::{CareSettings, CrmSettings},
    connections::Connections,
    database::Place,
    served,
};
use crate::{
    clock, desk,
    desk::limit::{Key as Bucket, Limits},
    doorway::{Bounds, Door, Patience},
    sync::topic::is_name,
};
use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Request, State, rejection::PathRejection},
    http::{HeaderMap, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use keys::{Key, Scope};
use looks::Looks;
use std::{sync::Arc, time::Duration};
use tokio::{net::TcpListener, time::timeout};
use tokio_util::sync::CancellationToken;

/// Where all calls lie.
pub const ROOT: &str = "/crm/v1";

/// Connections to the database, and so answers at once.
const CONNECTIONS: usize = 4;

/// A few programs, each with a few lines; behind a proxy all come from one address.
const BOUNDS: Bounds = Bounds { connections: 128, of_one: 32 };
const PATIENCE: Patience = Patience { head: Duration::from_secs(30), whole: Some(Duration::from_secs(600)) };

/// From a request's head to its answer; a year's appointments over a slow line included.
const ANSWERED: Duration = Duration::from_secs(60);

/// For so long a request waits for others of its address.
const IN_LINE: Duration = Duration::from_secs(10);

/// Of a body: twenty thousand appointments with everything in them.
const MOST: usize = 12 * 1024 * 1024;

/// What all calls share.
struct Crm {
    database: Connections,
    /// `None`: no messages are offered here.
    care: Option<Arc<CareSettings>>,
    limits: Limits,
    looks: Looks,
    behind_proxy: bool,
}

type Shared = State<Arc<Crm>>;

/// Serves until `stop`.
///
/// # Errors
/// [`HqError::Listen`] where the address is taken or not ours; [`HqError::File`] for a certificate that cannot be served.
pub async fn serve(
    place: Place,
    settings: &CrmSettings,
    care: Option<CareSettings>,
    stop: CancellationToken,
) -> Result<(), HqError> {
    let CrmSettings { listen, tls, behind_proxy } = settings;
    let listener = TcpListener::bind(listen).await.map_err(|source| HqError::Listen { listen: *listen, source })?;
    let bounds = if *behind_proxy { Bounds { of_one: BOUNDS.connections, ..BOUNDS } } else { BOUNDS };
    let router = router(place, care, *behind_proxy);
    tracing::info!(%listen, tls = tls.is_some(), "programs of the CRM are served at {ROOT}/");
    served::serve(Door::new(listener, bounds), tls.clone(), router, PATIENCE, stop).await
}

/// All calls, for whoever has a key.
fn router(place: Place, care: Option<CareSettings>, behind_proxy: bool) -> Router {
    let crm = Arc::new(Crm {
        database: Connections::new(place, CONNECTIONS),
        care: care.map(Arc::new),
        limits: Limits::default(),
        looks: Looks::default(),
        behind_proxy,
    });
    let calls = Router::new()
        .route("/crm/v1/visits", get(visits::list))
        .route("/crm/v1/stores/{store}/visits/{visit}", get(visit::one))
        .route("/crm/v1/stores/{store}/customers/{customer}/consents", get(consents::of_customer))
        .route(
            "/crm/v1/stores/{store}/customers/{customer}/birthday",
            put(birthday::write).get(birthday::read).delete(birthday::remove),
        )
        .route("/crm/v1/stores/{store}/appointments", put(appointments::write).layer(DefaultBodyLimit::max(MOST)))
        .route("/crm/v1/stores/{store}/staff", put(staff::write).get(staff::read))
        .route("/crm/v1/stores/{store}/orders", post(orders::give).get(orders::list))
        .route("/crm/v1/orders/{order}", get(orders::one))
        .route("/crm/v1/messages/take", post(messages::take))
        .route("/crm/v1/messages/{message}", get(messages::one))
        .route("/crm/v1/messages/{message}/done", post(messages::done))
        .route("/crm/v1/messages/{message}/failed", post(messages::failed))
        .fallback(async || {
            Problem::not_found("no-such-path", format!("there is no such path; {ROOT}/openapi.json lists them"))
        })
        .method_not_allowed_fallback(async || {
            let detail = format!("this path is not called by that method; {ROOT}/openapi.json lists them");
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method", detail)
        })
        .layer(middleware::from_fn_with_state(Arc::clone(&crm), guard))
        .with_state(crm);
    // Public: whoever writes a program needs it before the key.
    Router::new().route("/crm/v1/openapi.json", get(async || Json(openapi::document()))).fallback_service(calls)
}

/// Lets in who has a key, and holds back who tries others. One try is taken before the key is looked up, so that tries sent at once
/// are all counted.
async fn guard(State(crm): Shared, mut request: Request, next: Next) -> Response {
    let peer = desk::peer(&request, crm.behind_proxy);
    let Some(taken) = crm.limits.take(Bucket::Peer(peer), IN_LINE).await else {
        let detail = "too many keys from this address were not in force; wait a minute, and check the key";
        return Problem::new(StatusCode::TOO_MANY_REQUESTS, "slow-down", detail).into_response();
    };
    match key(&crm, request.headers()).await {
        Ok(Some(key)) => {
            drop(taken);
            request.extensions_mut().insert(Arc::new(key));
            let answer = timeout(ANSWERED, next.run(request)).await;
            let late = || Problem::away("this took too long; ask for less at a time, or again in a minute");
            let mut answer = answer.unwrap_or_else(|_| late().into_response());
            answer.headers_mut().insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
            answer
        }
        Ok(None) => {
            taken.spend();
            let detail = "send a key in force as Authorization: Bearer skinlink_…; headquarters' operator makes one with skinlink-hq keys add";
            Problem::new(StatusCode::UNAUTHORIZED, "no-key", detail).into_response()
        }
        Err(problem) => problem.into_response(),
    }
}

async fn key(crm: &Crm, headers: &HeaderMap) -> Result<Option<Key>, Problem> {
    let said = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let secret = said.and_then(|said| said.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    let Some(secret) = secret.map(|(_, secret)| secret.trim().to_owned()) else { return Ok(None) };
    let now = clock::now().wall;
    Ok(crm.database.ask(move |engine| keys::find(engine, &secret, now)).await?)
}

impl Key {
    /// Who gave an order, wrote a list or read a visit, as it stands in the audit.
    fn giver(&self) -> String {
        format!("key {}", self.name)
    }

    /// Whether the key is for this.
    ///
    /// # Errors
    /// The problem to answer.
    fn may(&self, scope: Scope) -> Result<(), Problem> {
        if self.scopes.contains(&scope) {
            return Ok(());
        }
        let Self { name, .. } = self;
        let detail =
            format!("the key {name} is not for {scope}; have one made with skinlink-hq keys add --scope {scope}");
        Err(Problem::new(StatusCode::FORBIDDEN, "not-this-scope", detail))
    }

    /// The same for something of one store.
    ///
    /// # Errors
    /// The problem to answer; also for what is no name of a store.
    fn may_at(&self, scope: Scope, store: &str) -> Result<(), Problem> {
        self.may(scope)?;
        if !is_name(store) {
            let detail = "a store's name has small letters, digits and dashes, such as sh-001; check the address";
            return Err(Problem::not_found("no-such-store", detail));
        }
        if self.stores.hold(store) {
            return Ok(());
        }
        let Self { name, .. } = self;
        let detail =
            format!("the key {name} is not for store {store}; have one made with skinlink-hq keys add --store {store}");
        Err(Problem::new(StatusCode::FORBIDDEN, "not-this-store", detail))
    }
}

/// An id in an address; what cannot be one is of nothing here.
fn id(what: &str, text: &str) -> Result<(), Problem> {
    let sound = (1..=100).contains(&text.len()) && !text.chars().any(char::is_control);
    let unknown = || Problem::not_found(&format!("no-such-{what}"), format!("there is no such {what}; check the id"));
    if sound { Ok(()) } else { Err(unknown()) }
}

fn wrong_path(fault: &PathRejection) -> Problem {
    Problem::malformed(format!("the address cannot be read: {}; write it in UTF-8, percent-encoded", fault.body_text()))
}
