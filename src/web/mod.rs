//! The web server: API under `/api/v1`, live events, pages drawn on the server. `docs/contracts/api.md` is its contract.
//!
//! Not done here: owning any state (stations, store and live ring do). `guard` says from where, `doors` who may call.

mod api;
pub mod ask;
pub mod assets;
mod doors;
pub mod error;
mod events;
mod finish;
pub mod guard;
mod json;
pub mod lan;
pub mod openapi;
mod pages;
mod pin;
pub mod reports;
pub mod shell;

use crate::{
    analysis::regions::FaceRegions,
    domain::{
        capture::View,
        metric::{Label, Metric},
        scan::Step,
    },
    store::Store,
    tasks::{analysis::AnalysisHandle, comparison::Judges, live::Live, station::StationHandle},
};
use axum::{Router, extract::DefaultBodyLimit, middleware, routing};
use guard::NotLoopback;
use std::{
    io,
    sync::{Arc, atomic::AtomicU32},
    time::Duration,
};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// JSON of a call: names, lists, a reason.
const JSON_LIMIT: usize = 64 * 1024;
/// A consent carries a signature.
const SIGNATURE_LIMIT: usize = 256 * 1024;
/// A photograph: a 48-megapixel JPEG has about 25 MB.
pub const PICTURE_LIMIT: usize = 40 * 1024 * 1024;

/// Calls still under way when the daemon stops get so long; a scan's own commands answer within it or are told to retry.
const GRACE: Duration = Duration::from_secs(5);

/// What pages say of this house, fixed at the start.
#[derive(Debug, Clone)]
pub struct About {
    pub version: String,
    pub store_name: Label,
    pub metrics: Arc<[Metric]>,
    /// What a scan measures.
    pub plan: Vec<Step>,
    /// Photographs of a scan, with where the framing guide puts the anchors.
    pub views: Vec<Guide>,
    /// Where the regions and points of a face are.
    pub faces: Arc<FaceRegions>,
    /// Where links to reports lead; without it none are made.
    pub links: Option<Links>,
}

/// Where links to reports lead, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Links {
    /// Without the slash at its end.
    pub base: String,
    pub valid_days: u32,
}

impl Links {
    #[must_use]
    pub fn new(base: &str, valid_days: u32) -> Self {
        Self { base: base.to_owned(), valid_days }
    }
}

/// One view and its framing guide: the two anchors as shares of picture width and height.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Guide {
    pub view: View,
    pub anchors: [[f64; 2]; 2],
    pub anchor_distance_mm: f64,
}

impl Guide {
    /// The guides of `views`, as far as `faces` knows them.
    #[must_use]
    pub fn of(faces: &FaceRegions, views: &[View]) -> Vec<Self> {
        let guide = |view: &View| {
            let known = faces.view(*view)?;
            Some(Self { view: *view, anchors: known.guide, anchor_distance_mm: known.anchor_distance_mm })
        };
        views.iter().filter_map(guide).collect()
    }
}

/// How it stands with HQ, as pages show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Headquarters {
    /// One word for the connection: `connected`, `connecting`, `hq_silent`, `offline`, `stalled`, `disabled`.
    pub connection: &'static str,
    /// The last thing about it that a person should look at; in English, for the technician.
    pub alarm: Option<String>,
}

/// Everything the handlers hold. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AppState {
    pub stations: Arc<[StationHandle]>,
    pub store: Store,
    pub live: Live,
    pub about: Arc<About>,
    pub judges: Arc<Judges>,
    pub analysis: AnalysisHandle,
    pub sync: watch::Receiver<Headquarters>,
    /// One log-in at a time: tries side by side count like tries in a row.
    pub log_ins: Arc<Semaphore>,
    /// Wrong codes since one was offered to a tablet.
    pub wrong_codes: Arc<AtomicU32>,
    /// Names under which the LAN reaches this listener, over TLS; `None` on this machine's own.
    pub lan: Option<Arc<[String]>>,
    /// Ends the event streams.
    pub stop: CancellationToken,
}

/// Why the server ended.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    #[error(transparent)]
    NotLoopback(#[from] NotLoopback),
    #[error("the web server failed: {0}")]
    Io(#[from] io::Error),
}

impl AppState {
    /// The chair `id`.
    pub(crate) fn station(&self, id: &str) -> Option<&StationHandle> {
        self.stations.iter().find(|station| station.id() == id)
    }

    /// The chair of a visit; `None` where the configuration has it no more.
    pub(crate) fn chair(&self, id: &str) -> Result<&StationHandle, error::WebError> {
        self.station(id).ok_or_else(|| error::WebError::not_found(format!("station {id}")))
    }
}

/// All routes.
pub fn router(state: AppState) -> Router {
    let pictures = Router::new()
        .route("/visits/{id}/captures", routing::post(api::captures::add))
        .layer(DefaultBodyLimit::max(PICTURE_LIMIT));
    let consents = Router::new()
        .route("/visits/{id}/consents", routing::post(api::visits::consents))
        .layer(DefaultBodyLimit::max(SIGNATURE_LIMIT));
    let calls = Router::new()
        .route("/people", routing::get(api::session::people))
        .route("/session", routing::get(api::session::current).post(api::session::begin))
        .route("/session/end", routing::post(api::session::end))
        .route("/staff", routing::get(api::staff::list).post(api::staff::save))
        .route("/staff/{id}/retire", routing::post(api::staff::retire))
        .route("/tablets", routing::get(api::tablets::list).post(api::tablets::offer))
        .route("/tablets/{n}/forget", routing::post(api::tablets::forget))
        .route("/enrolment", routing::post(api::tablets::enrol))
        .route("/appointments", routing::get(api::appointments::list).post(api::appointments::add))
        .route("/appointments/{id}/{verb}", routing::post(api::appointments::act))
        .route("/customers", routing::get(api::customers::find).post(api::customers::add))
        .route("/customers/{id}", routing::get(api::cards::one))
        .route("/customers/{id}/{verb}", routing::post(api::cards::act))
        .route("/stations", routing::get(api::status::stations))
        .route("/status", routing::get(api::status::status))
        .route("/visits", routing::get(api::visits::list).post(api::visits::open))
        .route("/visits/{id}", routing::get(api::visits::one))
        .route("/visits/{id}/scans", routing::post(api::scans::begin))
        .route("/visits/{id}/link", routing::post(api::reports::link))
        .route("/visits/{id}/unlink", routing::post(api::reports::unlink))
        .route("/reports/due", routing::get(api::reports::due))
        .route("/feedback", routing::get(api::reports::list))
        .route("/feedback/{id}/{verb}", routing::post(api::reports::advance))
        .route("/visits/{id}/sheet", routing::post(api::sheets::write))
        .route("/visits/{id}/{verb}", routing::post(api::visits::act))
        .route("/scans/{id}/{verb}", routing::post(api::scans::act))
        .route("/captures/{id}/picture", routing::get(api::captures::picture))
        .route("/models", routing::get(api::models::list))
        .route("/models/{id}/activate", routing::post(api::models::activate))
        .route("/captures/{id}/points", routing::get(api::points::read).post(api::points::confirm))
        .route("/tray", routing::get(api::tray::list))
        .route("/tray/{repeat}/bind", routing::post(api::tray::bind))
        .route("/events", routing::get(events::events))
        .layer(DefaultBodyLimit::max(JSON_LIMIT));
    Router::new()
        .nest("/api/v1", calls.merge(pictures).merge(consents).fallback(api::unknown))
        .route("/a/{digest}/{name}", routing::get(assets::asset))
        .route("/api/docs", routing::get(pages::docs))
        .route("/api/docs/openapi.json", routing::get(openapi::json))
        .route("/", routing::get(pages::home))
        .route("/login", routing::get(pages::login))
        .route("/staff", routing::get(pages::staff))
        .route("/enrol", routing::get(pages::enrol))
        .route("/devices", routing::get(pages::devices))
        .route("/customer/{id}", routing::get(pages::customer))
        .route("/compare/{visit}", routing::get(pages::compare))
        .route("/station/{id}", routing::get(pages::station))
        .route("/report/{visit}", routing::get(pages::report))
        .route("/points/{capture}", routing::get(pages::points))
        .fallback(pages::unknown)
        .method_not_allowed_fallback(api::wrong_method)
        .layer(middleware::from_fn_with_state(state.clone(), doors::admit))
        .layer(middleware::from_fn_with_state(state.clone(), lan::admit))
        // Outside the doors: they ask the store, and a browser that hangs up meanwhile must not stop a write.
        .layer(middleware::from_fn_with_state(state.clone(), finish::finish))
        .layer(middleware::from_fn_with_state(state.clone(), guard::guard))
        .with_state(state)
}

/// Serves until `stop`; then ends the event streams, lets calls under way finish for at most 5 s, and returns.
///
/// # Errors
/// [`ServeError::NotLoopback`] before anything is served when other machines could reach the listener.
pub async fn serve(listener: TcpListener, state: AppState, stop: CancellationToken) -> Result<(), ServeError> {
    guard::loopback_only(listener.local_addr()?)?;
    let state = AppState { stop: stop.clone(), ..state };
    let polite = stop.clone().cancelled_owned();
    let serving = axum::serve(listener, router(state)).with_graceful_shutdown(polite);
    let mut serving = std::pin::pin!(serving.into_future());
    tokio::select! {
        ended = &mut serving => return Ok(ended?),
        () = stop.cancelled() => {}
    }
    match timeout(GRACE, serving).await {
        Ok(ended) => Ok(ended?),
        Err(_) => {
            tracing::warn!("calls still under way after {GRACE:?} were dropped");
            Ok(())
        }
    }
}
