//! Reports for whoever holds a link: the same pages, pictures, papers and words back, in the store and at headquarters. Nothing
//! else is served here, and nobody logs in: the token in the address is all there is.
//!
//! A token that is expired, withdrawn, foreign, malformed or never was gets the same answer, byte for byte, after the same
//! questions to the same tables; so does every other path. Who asks for many dead ones has to wait (`limit`). No answer holds
//! an id: photographs are named by their place on the page. Nothing is asked of anyone else's server.

mod headers;
mod language;
pub(crate) mod limit;
mod pack;
mod page;
mod paper;
mod press;
mod words;

pub use language::Tongue;
pub use pack::pack;
pub use paper::{Unmade, made};
pub use press::{Paper, Press, PressError};
pub use words::Said;

use crate::{
    clock,
    domain::{Timestamp, customer::SkinType, feedback::Topic},
    doorway::{self, Bounds, Door, Patience},
    report::{Lang, fhir},
    sync::{
        image_lane::Role,
        sheet::{Photographs, Sheet},
    },
};
use axum::{
    Extension, Form, Router,
    extract::{ConnectInfo, DefaultBodyLimit, Path, Query, Request, State},
    http::{HeaderMap, StatusCode, Uri, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use limit::{Key, Limits, Taken};
use openssl::sha::sha256;
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    fmt,
    future::Future,
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{net::TcpListener, time::timeout};
use tokio_util::sync::CancellationToken;

/// SHA-256 of a token's bytes; who has it cannot open the report.
pub type Digest = [u8; 32];

/// Connections at once: half of what a process may have open, unless configured otherwise.
const CONNECTIONS: usize = 512;

/// Of one address: a browser opens six, and a salon's guests share one.
const OF_ONE: usize = 64;

/// A page with its photographs is there in seconds, on a slow line in a minute.
const PATIENCE: Patience = Patience { head: Duration::from_secs(15), whole: Some(Duration::from_secs(180)) };

/// From a request's head to its answer, a form's text that trickles in included.
const ANSWERED: Duration = Duration::from_secs(30);

/// For so long a request waits for others of its address.
const IN_LINE: Duration = Duration::from_secs(10);

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

    /// A picture of a capture in an open report: its type and bytes; `None` where it is not here (yet).
    fn picture(
        &self,
        token: Digest,
        capture: String,
        role: Role,
    ) -> impl Future<Output = Result<Option<(&'static str, Vec<u8>)>, Away>> + Send;

    /// Keeps what the customer said, durably and all or nothing.
    fn say(&self, token: Digest, said: Vec<Said>) -> impl Future<Output = Result<Heard, Away>> + Send;
}

/// What became of something that was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    Kept,
    /// The report is not open.
    Closed,
    /// So much was said of this visit that no more of it is taken; see [`Topic::most`].
    Full,
}

/// The desk's own state.
struct Desk<R> {
    reports: R,
    press: Press,
    limits: Limits,
    /// Our own proxy, which names whom it speaks for as the last of `X-Forwarded-For`.
    behind_proxy: bool,
    /// That there seems to be one all the same is said once.
    warned: AtomicBool,
}

type Shared<R> = State<Arc<Desk<R>>>;

/// Pages, pictures, papers and forms of `reports`.
pub fn router<R: Reports>(reports: R, press: Press, behind_proxy: bool) -> Router {
    let (limits, warned) = (Limits::default(), AtomicBool::new(false));
    let desk = Arc::new(Desk { reports, press, limits, behind_proxy, warned });
    Router::new()
        .route("/r/{token}", get(show::<R>))
        .route("/r/{token}/report.json", get(data::<R>))
        .route("/r/{token}/fhir.json", get(as_fhir::<R>))
        .route("/r/{token}/report.pdf", get(paper::pdf::<R>))
        .route("/r/{token}/picture", get(paper::picture::<R>))
        .route("/r/{token}/{at}/{phase}", get(picture::<R>))
        .route("/r/{token}/feedback", post(say::<R>).layer(DefaultBodyLimit::max(FORM_LIMIT)))
        .fallback(nothing)
        .method_not_allowed_fallback(nothing)
        .layer(middleware::from_fn_with_state(Arc::clone(&desk), guard::<R>))
        .with_state(desk)
}

/// Serves on `listener` until `stop`, within the bounds of a [`doorway`].
///
/// # Errors
/// The listener's.
pub async fn serve<R: Reports>(
    listener: TcpListener,
    reports: R,
    press: Press,
    behind_proxy: bool,
    stop: CancellationToken,
) -> io::Result<()> {
    let address = listener.local_addr()?;
    if !behind_proxy && address.ip().is_loopback() {
        let (found, remedy) = lonely(address);
        tracing::warn!("{found}; {remedy}");
    }
    // All of a proxy's connections come from one address.
    let of_one = if behind_proxy { CONNECTIONS } else { OF_ONE };
    let door = Door::new(listener, Bounds { connections: CONNECTIONS, of_one });
    doorway::serve(door, router(reports, press, behind_proxy), PATIENCE, stop).await;
    Ok(())
}

/// What an installer is told of reports that are served on this machine alone and by no proxy, and what to do about it.
#[must_use]
pub fn lonely(address: SocketAddr) -> (String, &'static str) {
    let found = format!("reports are served on {address}, which no other machine reaches, with behind_proxy off");
    let remedy = "if a proxy on this machine passes them on, set behind_proxy = true: else all customers count as one address, and one \
                  who guesses shuts all out";
    (found, remedy)
}

const FORWARDED: &str = "x-forwarded-for";

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
    if !desk.behind_proxy && request.headers().contains_key(FORWARDED) && !desk.warned.swap(true, Ordering::Relaxed) {
        tracing::warn!(
            "a request names whom it is passed on for (X-Forwarded-For), but behind_proxy is off and it is passed over; if a \
             proxy of yours stands before the reports, set behind_proxy = true: else all customers count as its one address"
        );
    }
    let mut answer = match desk.limits.take(Key::Peer(peer), IN_LINE).await {
        None => wait(lang),
        Some(taken) => {
            let answer = timeout(ANSWERED, next.run(request)).await.unwrap_or_else(|_| away(lang));
            answered(lang, answer, taken)
        }
    };
    headers::put(&mut answer);
    pack(answer, &accepts).await
}

/// What came to nothing was a guess, and looks like every other.
fn answered(lang: Tongue, answer: Response, taken: Taken<'_>) -> Response {
    if !matches!(answer.status(), StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST) {
        return answer;
    }
    // A photograph that has not come yet, or is kept no longer, was no guess.
    if answer.extensions().get::<OfOpenReport>().is_none() {
        taken.spend();
    }
    (StatusCode::NOT_FOUND, page::dead(lang)).into_response()
}

fn wait(lang: Tongue) -> Response {
    (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "30")], page::wait(lang)).into_response()
}

impl Asked {
    fn of(uri: &Uri) -> Self {
        Query::try_from_uri(uri).map(|Query(asked)| asked).unwrap_or_default()
    }
}

/// Who asks: as the connection says, or our own proxy.
pub fn peer(request: &Request, behind_proxy: bool) -> IpAddr {
    let forwarded = request.headers().get_all(FORWARDED).iter().next_back();
    let named = forwarded.and_then(|value| value.to_str().ok()).and_then(|list| list.rsplit(',').next());
    let named = named.filter(|_| behind_proxy).and_then(|address| address.trim().parse().ok());
    let connected = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
    named.or(connected).unwrap_or(IpAddr::from([0, 0, 0, 0]))
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

/// In which language to answer: as `asked`, else as the browser asks, else Chinese in simplified characters.
#[must_use]
pub fn tongue(asked: Option<&str>, headers: &HeaderMap) -> Tongue {
    language::of(&Asked { lang: asked.map(str::to_owned) }, headers)
}

async fn nothing() -> StatusCode {
    StatusCode::NOT_FOUND
}

async fn show<R: Reports>(State(desk): Shared<R>, Path(token): Path<String>, uri: Uri, headers: HeaderMap) -> Response {
    let lang = language::of(&Asked::of(&uri), &headers);
    match desk.reports.open(digest(&token)).await {
        Ok(Some(opened)) => page::report(lang, &token, &opened, desk.press.is_there()).into_response(),
        Ok(None) => StatusCode::NOT_FOUND.into_response(),
        Err(Away) => away(lang),
    }
}

fn away(lang: Tongue) -> Response {
    (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, "60")], page::away(lang)).into_response()
}

/// The data behind the page, without the ids of photographs and what an older gateway sent as it was typed.
async fn data<R: Reports>(State(desk): Shared<R>, Path(token): Path<String>) -> Response {
    file(&desk, &token, "report.json", |_, mut sheet| {
        for pair in &mut sheet.photographs {
            (pair.before, pair.after) = (None, None);
            // Whoever owns a picture knows it by its digest.
            pair.pair.iter_mut().flat_map(|pair| &mut pair.pictures).for_each(|picture| picture.sha256.clear());
        }
        sheet.skin_type = SkinType::noted(&sheet.skin_type).map_or_else(String::new, |kind| kind.as_str().to_owned());
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
        match pair.and_then(|pair| meant(pair, &phase)) {
            Some((capture, role)) => desk.reports.picture(token, capture, role).await.map(Some),
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

/// The capture and the role of what is called so: a photograph, or a picture of both.
fn meant(pair: &Photographs, word: &str) -> Option<(String, Role)> {
    match word {
        "before" => pair.before.clone().map(|capture| (capture, Role::Report)),
        "after" => pair.after.clone().map(|capture| (capture, Role::Report)),
        word => {
            let role = Role::of(word).filter(|role| role.is_of_a_pair())?;
            pair.pair.as_ref()?.picture(role)?;
            pair.after.clone().map(|capture| (capture, role))
        }
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
    let Some(taken) = desk.limits.take(Key::Token(digest), IN_LINE).await else { return wait(lang) };
    let said = words::read(&digest, &fields, &opened.sheet, clock::now().wall);
    if said.is_empty() {
        return (StatusCode::UNPROCESSABLE_ENTITY, page::nothing_said(lang, &token)).into_response();
    }
    taken.spend();
    match desk.reports.say(digest, said.clone()).await {
        Ok(Heard::Kept) => page::thanks(lang, &token, &said, false).into_response(),
        Ok(Heard::Full) => full(&desk, lang, (&token, digest), said).await,
        Ok(Heard::Closed) => StatusCode::NOT_FOUND.into_response(),
        Err(Away) => away(lang),
    }
}

/// However much was said before, a withdrawal is taken.
async fn full<R: Reports>(desk: &Desk<R>, lang: Tongue, (token, digest): (&str, Digest), said: Vec<Said>) -> Response {
    let withdrawal: Vec<Said> = said.into_iter().filter(|one| one.topic == Topic::Withdraw).collect();
    if withdrawal.is_empty() {
        return (StatusCode::UNPROCESSABLE_ENTITY, page::full(lang, token)).into_response();
    }
    match desk.reports.say(digest, withdrawal.clone()).await {
        Ok(Heard::Kept) => page::thanks(lang, token, &withdrawal, true).into_response(),
        Ok(Heard::Full | Heard::Closed) => StatusCode::NOT_FOUND.into_response(),
        Err(Away) => away(lang),
    }
}

impl<R> fmt::Debug for Desk<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").field("behind_proxy", &self.behind_proxy).finish_non_exhaustive()
    }
}
