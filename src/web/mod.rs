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
pub mod folder;
pub mod guard;
mod json;
pub mod lan;
mod looks;
pub mod mirror;
pub mod openapi;
mod pages;
pub mod pin;
pub mod reports;
pub mod shell;
pub mod trust;

use crate::{
    analysis::regions::FaceRegions,
    desk::Press,
    domain::{
        capture::View,
        follow_up::Calendar,
        look::Look,
        metric::{Label, Metric},
        scan::Step,
        suggestion::Rule,
        treatment::Treatment,
    },
    store::Store,
    tasks::{
        analysis::AnalysisHandle,
        comparison::Judges,
        live::Live,
        packages::{PackagesHandle, TakingIn},
        station::StationHandle,
    },
};
use axum::{Router, extract::DefaultBodyLimit, middleware, routing};
pub use doors::MACHINE;
use guard::NotLoopback;
use std::{io, sync::Arc, time::Duration};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// JSON of a call: names, lists, a reason.
const JSON_LIMIT: usize = 64 * 1024;
/// A consent or a service sheet carries a signature.
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
    /// Of reports.
    pub look: Look,
    pub metrics: Arc<[Metric]>,
    /// The salon's own rules of what to suggest after a scan.
    pub suggestions: Arc<[Rule]>,
    /// The salon's own treatments; at least one.
    pub treatments: Arc<[Treatment]>,
    /// What a scan measures.
    pub plan: Vec<Step>,
    /// Photographs of a scan, with where the framing guide puts the anchors.
    pub views: Vec<Guide>,
    /// Where the regions and points of a face are.
    pub faces: Arc<FaceRegions>,
    /// When the salon's days begin and end, and on which it is closed.
    pub calendar: Calendar,
    /// Contact scopes: station, and how many micrometres a pixel has.
    pub scopes: Vec<(String, f64)>,
    /// Where links to reports lead; without it none are made.
    pub links: Option<Links>,
}

/// Where links to reports lead, without the slash at the end, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Links {
    /// Headquarters' address: reports of customers who share their numbers with it.
    pub public: Option<String>,
    /// This store's own, for telephones in it.
    pub local: Option<String>,
    pub valid_days: u32,
}

impl Links {
    /// Where the link of a customer leads who does or does not share numbers with headquarters, which is told of no other
    /// report; and whether that is headquarters.
    #[must_use]
    pub fn base(&self, shares: bool) -> Option<(&str, bool)> {
        let public = self.public.as_deref().filter(|_| shares).map(|base| (base, true));
        public.or_else(|| self.local.as_deref().map(|base| (base, false)))
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
    /// What headquarters rolls out here; `None` where no packages are taken.
    pub packages: Option<PackagesHandle>,
    /// Photographs at the door: while there is one, the gateway does not begin anew.
    pub taking_in: TakingIn,
    /// Puts reports on paper.
    pub press: Press,
    pub sync: watch::Receiver<Headquarters>,
    /// One log-in at a time: tries side by side count like tries in a row.
    pub log_ins: Arc<Semaphore>,
    /// One code of a tablet at a time, apart from the log-ins: guests may try codes, and must hold up nobody but each other.
    pub enrolments: Arc<Semaphore>,
    /// What customers' screens are shown.
    pub mirrors: mirror::Mirrors,
    /// Moves whenever somebody may have been let in or turned out: open streams look again who they are for.
    pub admissions: watch::Sender<u64>,
    /// Digest of the token by which commands on this machine speak for it; `None` takes no word from a terminal.
    pub machine: Option<[u8; 32]>,
    /// Where photographs come from that a camera's own program takes.
    pub folders: Arc<[folder::Source]>,
    /// The authority that tablets must trust; `None` where the LAN is not served.
    pub trust: Option<Arc<trust::Trust>>,
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
    /// Somebody was let in or turned out.
    pub(crate) fn admissions_changed(&self) {
        self.admissions.send_modify(|count| *count += 1);
    }

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
        .layer(DefaultBodyLimit::max(PICTURE_LIMIT))
        .layer(middleware::from_fn_with_state(state.clone(), api::captures::counted));
    let consents = Router::new()
        .route("/visits/{id}/consents", routing::post(api::visits::consents))
        .route("/visits/{id}/sheet", routing::post(api::sheets::write))
        .layer(DefaultBodyLimit::max(SIGNATURE_LIMIT));
    let calls = Router::new()
        .route("/people", routing::get(api::session::people))
        .route("/session", routing::get(api::session::current).post(api::session::begin))
        .route("/session/end", routing::post(api::session::end))
        .route("/staff", routing::get(api::staff::list).post(api::staff::add))
        .route("/staff/{id}/{verb}", routing::post(api::staff::act))
        .route("/tablets", routing::get(api::tablets::list).post(api::tablets::offer))
        .route("/tablets/{n}/forget", routing::post(api::tablets::forget))
        .route("/enrolment", routing::post(api::tablets::enrol))
        .route("/appointments", routing::get(api::appointments::list).post(api::appointments::add))
        .route("/appointments/{id}/{verb}", routing::post(api::appointments::act))
        .route("/expected/{id}/arrive", routing::post(api::appointments::welcome))
        .route("/customers", routing::get(api::customers::find).post(api::customers::add))
        .route("/customers/{id}", routing::get(api::cards::one))
        .route("/customers/{id}/{verb}", routing::post(api::cards::act))
        .route("/devices/calibration", routing::post(api::devices::calibrated))
        .route("/devices/remeasuring/stop", routing::post(api::models::stop_remeasuring))
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
        .route("/day/{day}/log", routing::get(api::day_log::one))
        .route("/follow-ups", routing::get(api::follow_ups::list))
        .route("/follow-ups/{id}/{kind}/{verb}", routing::post(api::follow_ups::act))
        .route("/visits/{id}/step", routing::post(api::step_notes::write))
        .route("/visits/{id}/{verb}", routing::post(api::visits::act))
        .route("/scans/{id}/{verb}", routing::post(api::scans::act))
        .route("/readings/{id}/reassign", routing::post(api::readings::reassign))
        .route("/captures/{id}/picture", routing::get(api::captures::picture))
        .route("/captures/{id}/pair/{role}", routing::get(api::captures::pair))
        .route("/packages", routing::get(api::packages::list))
        .route("/models", routing::get(api::models::list))
        .route("/models/{id}/activate", routing::post(api::models::activate))
        .route("/captures/{id}/points", routing::get(api::points::read).post(api::points::confirm))
        .route("/folder/{station}", routing::get(api::folder::list))
        .route("/folder/{station}/{picture}/picture", routing::get(api::folder::picture))
        .route("/folder/{station}/{picture}/{verb}", routing::post(api::folder::act))
        .route("/tray", routing::get(api::tray::list))
        .route("/tray/{repeat}/bind", routing::post(api::tray::bind))
        .route("/tray/{repeat}/dismiss", routing::post(api::tray::dismiss))
        .route("/mirrors/{station}", routing::get(api::mirrors::one))
        .route("/mirrors/{station}/{verb}", routing::post(api::mirrors::act))
        .route("/events", routing::get(events::events))
        .layer(DefaultBodyLimit::max(JSON_LIMIT));
    Router::new()
        .nest("/api/v1", calls.merge(pictures).merge(consents).fallback(api::unknown))
        .route("/a/{digest}/{name}", routing::get(assets::asset))
        .route("/api/docs", routing::get(pages::docs))
        .route("/api/docs/openapi.json", routing::get(openapi::json))
        .route("/", routing::get(pages::home))
        .route("/login", routing::get(pages::login))
        .route("/manager", routing::get(pages::manager))
        .route("/manager/log", routing::get(pages::log))
        .route("/manager/log.csv", routing::get(pages::csv))
        .route("/staff", routing::get(pages::staff))
        .route("/enrol", routing::get(pages::enrol))
        .route("/trust", routing::get(pages::trust))
        .route("/trust/skinlink-ca.crt", routing::get(trust::certificate))
        .route("/after", routing::get(pages::after))
        .route("/devices", routing::get(pages::devices))
        .route("/customer/{id}", routing::get(pages::customer))
        .route("/compare/{visit}", routing::get(pages::compare))
        .route("/station/{id}", routing::get(pages::station))
        .route("/report/{visit}", routing::get(pages::report))
        .route("/report/{visit}/paper", routing::get(pages::paper))
        .route("/points/{capture}", routing::get(pages::points))
        .route("/mirror", routing::get(mirror::door))
        .route("/mirror/{station}", routing::get(mirror::page))
        .route("/mirror/{station}/events", routing::get(mirror::events))
        .route("/mirror/{station}/picture/{turn}/{which}", routing::get(mirror::picture))
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
