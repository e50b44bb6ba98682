//! Reports for whoever holds a link: the same pages, pictures and words back, in the store and at headquarters. Nothing else
//! is served here, and nobody logs in: the token in the address is all there is.
//!
//! A token that is expired, withdrawn, foreign, malformed or never was gets the same answer, byte for byte, after the same
//! questions to the same tables; so does every other path. Who asks for many dead ones has to wait (`limit`). No answer holds
//! an id: photographs are named by their place on the page. Nothing is asked of anyone else's server.

mod headers;
mod language;
mod limit;
mod pack;
mod page;
mod words;

pub use words::Said;

use crate::{
    domain::Timestamp,
    report::{Lang, fhir},
    sync::sheet::Sheet,
};
use axum::{
    Extension, Form, Router,
    extract::{ConnectInfo, DefaultBodyLimit, Path, Query, Request, State},
    http::{HeaderMap, StatusCode, Uri, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use language::Tongue;
use limit::{Key, Limits};
use openssl::sha::sha256;
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    fmt,
    future::{Future, IntoFuture as _},
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::TcpListener,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

/// SHA-256 of a token's bytes; who has it cannot open the report.
pub type Digest = [u8; 32];

/// Answers under way when the program ends get so long.
const GRACE: Duration = Duration::from_secs(5);

/// A form with the longest words in every field, percent-encoded.
const FORM_LIMIT: usize = 64 * 1024;

/// A report that is open now.
#[derive(Debug, Clone, PartialEq)]
pub struct Opened {
    pub sheet: Sheet,
    pub expires: Timestamp,
}

/// Whoever keeps the reports is away for the moment; told to nobody but the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the reports cannot be read now")]
pub struct Away;

/// Whoever keeps the reports: the store, or headquarters.
pub trait Reports: Clone + Send + Sync + 'static {
    /// `None` for a token that opens nothing, whatever the reason.
    fn open(&self, token: Digest) -> impl Future<Output = Result<Option<Opened>, Away>> + Send;

    /// A photograph of an open report: its type and bytes; `None` where it is not here (yet).
    fn picture(
        &self,
        token: Digest,
        capture: String,
    ) -> impl Future<Output = Result<Option<(&'static str, Vec<u8>)>, Away>> + Send;

    /// Keeps what the customer said, durably; `false` where the report is not open.
    fn say(&self, token: Digest, said: Vec<Said>) -> impl Future<Output = Result<bool, Away>> + Send;
}

/// The desk's own state.
struct Desk<R> {
    reports: R,
    limits: Limits,
    /// Our own proxy, which names whom it speaks for as the last of `X-Forwarded-For`.
    behind_proxy: bool,
}

type Shared<R> = State<Arc<Desk<R>>>;

/// Pages, pictures and forms of `reports`.
pub fn router<R: Reports>(reports: R, behind_proxy: bool) -> Router {
    let desk = Arc::new(Desk { reports, limits: Limits::default(), behind_proxy });
    Router::new()
        .route("/r/{token}", get(show::<R>))
        .route("/r/{token}/report.json", get(data::<R>))
        .route("/r/{token}/fhir.json", get(as_fhir::<R>))
        .route("/r/{token}/{at}/{phase}", get(picture::<R>))
        .route("/r/{token}/feedback", post(say::<R>).layer(DefaultBodyLimit::max(FORM_LIMIT)))
        .fallback(nothing)
        .method_not_allowed_fallback(nothing)
        .layer(middleware::from_fn_with_state(Arc::clone(&desk), guard::<R>))
        .with_state(desk)
}

/// Serves on `listener` until `stop`.
///
/// # Errors
/// The listener's.
pub async fn serve<R: Reports>(
    listener: TcpListener,
    reports: R,
    behind_proxy: bool,
    stop: CancellationToken,
) -> io::Result<()> {
    let service = router(reports, behind_proxy).into_make_service_with_connect_info::<SocketAddr>();
    let serving = axum::serve(listener, service).with_graceful_shutdown(stop.clone().cancelled_owned());
    let mut serving = std::pin::pin!(serving.into_future());
    tokio::select! {
        ended = &mut serving => return ended,
        () = stop.cancelled() => {}
    }
    timeout(GRACE, serving).await.unwrap_or(Ok(()))
}

/// What an address may hold beside its path; anything else in it is passed over.
#[derive(Debug, Default, Deserialize)]
struct Asked {
    lang: Option<String>,
}

/// What is missing is a part of a report that is open.
#[derive(Clone, Copy)]
struct OfOpenReport;

/// Holds those who guess back, and puts the headers on every answer.
async fn guard<R: Reports>(State(desk): Shared<R>, request: Request, next: Next) -> Response {
    let peer = peer(&request, desk.behind_proxy);
    let lang = language::of(&Asked::of(request.uri()), request.headers());
    let accepts = request.headers().get(header::ACCEPT_ENCODING).cloned();
    let now = Instant::now().into_std();
    let mut answer = if desk.limits.is_spent(&Key::Peer(peer), now) {
        (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "30")], page::wait(lang)).into_response()
    } else {
        next.run(request).await
    };
    if matches!(answer.status(), StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST) {
        // A photograph that has not come yet, or is kept no longer, was no guess.
        if answer.extensions().get::<OfOpenReport>().is_none() {
            desk.limits.spend(Key::Peer(peer), now);
        }
        // Whichever way it came to nothing: the same bytes.
        answer = (StatusCode::NOT_FOUND, page::dead(lang)).into_response();
    }
    headers::put(&mut answer);
    pack::pack(answer, &accepts).await
}

impl Asked {
    fn of(uri: &Uri) -> Self {
        Query::try_from_uri(uri).map(|Query(asked)| asked).unwrap_or_default()
    }
}

fn peer(request: &Request, behind_proxy: bool) -> IpAddr {
    let forwarded = request.headers().get_all("x-forwarded-for").iter().next_back();
    let named = forwarded.and_then(|value| value.to_str().ok()).and_then(|list| list.rsplit(',').next());
    let named = named.filter(|_| behind_proxy).and_then(|address| address.trim().parse().ok());
    let connected = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
    // A listener of both families shows the old one as addresses of the new, which would all be one neighbourhood.
    named.or(connected).unwrap_or(IpAddr::from([0, 0, 0, 0])).to_canonical()
}

/// The digest of what stands in an address. What is no token has one too, which nobody's token has: it is looked up all the
/// same.
#[must_use]
pub fn digest(token: &str) -> Digest {
    let mut bytes = [0_u8; 16];
    match hex::decode_to_slice(token, &mut bytes) {
        Ok(()) => sha256(&bytes),
        Err(_) => sha256(format!("no token: {token}").as_bytes()),
    }
}

async fn nothing() -> StatusCode {
    StatusCode::NOT_FOUND
}

async fn show<R: Reports>(State(desk): Shared<R>, Path(token): Path<String>, uri: Uri, headers: HeaderMap) -> Response {
    let lang = language::of(&Asked::of(&uri), &headers);
    match desk.reports.open(digest(&token)).await {
        Ok(Some(opened)) => page::report(lang, &token, &opened).into_response(),
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(Away) => away(lang),
    }
}

fn away(lang: Tongue) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "60")], page::away(lang)).into_response()
}

/// The data behind the page, without the ids of photographs.
async fn data<R: Reports>(State(desk): Shared<R>, Path(token): Path<String>) -> Response {
    file(&desk, &token, "report.json", |_, mut sheet| {
        for pair in &mut sheet.photographs {
            (pair.before, pair.after) = (None, None);
        }
        serde_json::to_string_pretty(&sheet).unwrap_or_default()
    })
    .await
}

/// The same as a FHIR R4 bundle.
async fn as_fhir<R: Reports>(State(desk): Shared<R>, Path(token): Path<String>) -> Response {
    file(&desk, &token, "report.fhir.json", |digest, sheet| {
        // Of the digest, not of the token: from the names in it the link cannot be told.
        let seed = sha256(&digest).iter().take(16).fold(0_u128, |bits, byte| bits << 8 | u128::from(*byte));
        format!("{:#}", fhir::bundle(Lang::En, &sheet, seed))
    })
    .await
}

async fn file<R: Reports>(
    desk: &Desk<R>,
    token: &str,
    name: &str,
    text: impl FnOnce(Digest, Sheet) -> String,
) -> Response {
    let digest = digest(token);
    match desk.reports.open(digest).await {
        Ok(Some(opened)) => {
            let headers = [
                (header::CONTENT_TYPE, "application/json".to_owned()),
                (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
            ];
            (headers, text(digest, opened.sheet)).into_response()
        }
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(Away) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

async fn picture<R: Reports>(
    State(desk): Shared<R>,
    Path((token, at, phase)): Path<(String, String, String)>,
) -> Response {
    let found = async {
        let token = digest(&token);
        let Some(opened) = desk.reports.open(token).await? else { return Ok(None) };
        let pair = at.parse::<usize>().ok().and_then(|at| opened.sheet.photographs.get(at));
        let capture = pair.and_then(|pair| match phase.as_str() {
            "before" => pair.before.clone(),
            "after" => pair.after.clone(),
            _ => None,
        });
        match capture {
            Some(capture) => desk.reports.picture(token, capture).await.map(Some),
            None => Ok(Some(None)),
        }
    };
    match found.await {
        Ok(Some(Some((kind, bytes)))) => ([(header::CONTENT_TYPE, kind)], bytes).into_response(),
        Ok(Some(None)) => (StatusCode::NOT_FOUND, Extension(OfOpenReport)).into_response(),
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(Away) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

async fn say<R: Reports>(
    State(desk): Shared<R>,
    Path(token): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    Form(fields): Form<BTreeMap<String, String>>,
) -> Response {
    let (lang, digest) = (language::of(&Asked::of(&uri), &headers), digest(&token));
    let opened = match desk.reports.open(digest).await {
        Ok(Some(opened)) => opened,
        Ok(None) => return StatusCode::NOT_FOUND.into_response(),
        Err(Away) => return away(lang),
    };
    let now = Instant::now().into_std();
    if desk.limits.is_spent(&Key::Token(digest), now) {
        return (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "30")], page::wait(lang)).into_response();
    }
    let said = words::read(&digest, &fields, &opened.sheet);
    if said.is_empty() {
        return (StatusCode::UNPROCESSABLE_ENTITY, page::nothing_said(lang, &token)).into_response();
    }
    desk.limits.spend(Key::Token(digest), now);
    match desk.reports.say(digest, said.clone()).await {
        Ok(true) => page::thanks(lang, &token, &said).into_response(),
        Ok(false) => StatusCode::NOT_FOUND.into_response(),
        Err(Away) => away(lang),
    }
}

impl<R> fmt::Debug for Desk<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").field("behind_proxy", &self.behind_proxy).finish_non_exhaustive()
    }
}
