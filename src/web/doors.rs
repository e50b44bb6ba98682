//! Who may open which door. Every page and call passes here: a path that is not named needs somebody who may see customers.
//!
//! Until somebody may log in at all, the house is open to this machine alone (`guard` and `serve` see to that) and says so;
//! the first manager closes it. A session ends after [`IDLE_MIN`] minutes without a tap, after [`LONGEST_H`] hours anyway, and
//! with a new PIN. Reading a page again by itself is no tap.

use super::{
    AppState,
    api::refused,
    error::WebError,
    pin,
    shell::{Shell, problem, spelled},
};
use crate::{
    clock,
    domain::{
        Timestamp,
        staff::{self, Person, Role},
    },
    store::LoggedIn,
};
use axum::{
    extract::{FromRequestParts, Request, State},
    http::{HeaderMap, Method, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};
use std::convert::Infallible;

/// The session's token.
pub const COOKIE: &str = "skinlink-session";
/// Sent by pages that read themselves again: no sign that somebody is there.
const BY_ITSELF: &str = "x-skinlink-by-itself";
/// The token of this machine's own commands.
pub const MACHINE: &str = "x-skinlink-machine";

/// A tablet that nobody touched for so long is locked.
pub const IDLE_MIN: i64 = 10;
/// A working day.
pub const LONGEST_H: i64 = 12;
/// How exactly the last tap is kept: a write a minute at most.
const SEEN_MS: i64 = 60_000;

/// Who calls.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Who {
    /// Nobody can log in yet.
    #[default]
    Anyone,
    Person(Person),
    /// A command on the gateway's own machine, by whoever may read its data folder.
    Machine,
}

/// Whom a door lets in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Door {
    /// Whoever stands at the screen: the log-in itself, assets, customers' own pages.
    Free,
    /// Whoever is logged in: how the devices are, without a customer.
    Devices,
    /// The day's work: customers, visits, reports.
    Day,
    /// Staff, tablets, models, the house.
    House,
    /// The manager's own desk, on which customers stand.
    Desk,
}

impl Who {
    /// The staff id to record; `given` counts only while nobody can log in.
    #[must_use]
    pub fn staff(&self, given: &str) -> String {
        match self {
            Self::Person(person) => person.id.clone(),
            Self::Machine => staff::MACHINE.to_owned(),
            Self::Anyone if given.is_empty() => staff::STATION.to_owned(),
            Self::Anyone => given.to_owned(),
        }
    }

    #[must_use]
    pub fn person(&self) -> Option<&Person> {
        match self {
            Self::Person(person) => Some(person),
            Self::Anyone | Self::Machine => None,
        }
    }

    fn may(&self, door: Door) -> bool {
        let person = match self {
            Self::Anyone => return true,
            // It keeps house; it looks at no customer.
            Self::Machine => return !matches!(door, Door::Day | Door::Desk),
            Self::Person(person) => person,
        };
        match (door, person.role) {
            (Door::Free | Door::Devices, _) | (_, Role::Manager) => true,
            (Door::Day, role) => role == Role::Beautician,
            (Door::House | Door::Desk, _) => false,
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Who {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}

fn door(path: &str) -> Door {
    let under = |folder: &str| path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let free =
        ["/a", "/login", "/enrol", "/trust", "/r", "/mirror", "/api/v1/session", "/api/v1/people", "/api/v1/enrolment"];
    if free.iter().any(|folder| under(folder)) {
        Door::Free
    } else if ["/staff", "/api/v1/staff", "/api/v1/tablets", "/api/v1/models"].iter().any(|folder| under(folder)) {
        Door::House
    } else if ["/manager", "/api/v1/follow-ups", "/api/v1/day"].iter().any(|folder| under(folder)) {
        Door::Desk
    } else if ["/devices", "/api/v1/devices", "/api/v1/status", "/api/v1/packages", "/api/docs"]
        .iter()
        .any(|folder| under(folder))
    {
        Door::Devices
    } else {
        Door::Day
    }
}

/// Finds out who calls and lets them in or not.
pub async fn admit(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let door = door(request.uri().path());
    match identify(&state, request.headers(), is_tap(&request)).await {
        Ok(who) if door == Door::Free => {
            request.extensions_mut().insert(who.unwrap_or_default());
            next.run(request).await
        }
        Ok(Some(who)) if who.may(door) => {
            request.extensions_mut().insert(who);
            next.run(request).await
        }
        Ok(Some(who)) => {
            request.extensions_mut().insert(who);
            turned_away(&state, request).await
        }
        Ok(None) => to_log_in(&request),
        Err(fault) => refusal(&state, request, fault).await,
    }
}

/// Whether whoever sent these headers would still be let in to the day's work; no tap.
///
/// # Errors
/// Where the store does not answer.
pub async fn is_still_in(state: &AppState, headers: &HeaderMap) -> Result<bool, WebError> {
    let who = known(state, headers).await?;
    Ok(who.is_some_and(|(who, _)| who.may(Door::Day)))
}

/// A refusal as who asked can read it: a page for a person at a browser, else JSON.
pub async fn refusal(state: &AppState, request: Request, refused: WebError) -> Response {
    if is_call(&request) {
        return refused.into_response();
    }
    let (mut parts, _) = request.into_parts();
    match Shell::from_request_parts(&mut parts, state).await {
        Ok(shell) => problem(shell, &refused),
        Err(answer) => answer,
    }
}

/// `None`: nobody, and somebody could be. A tap of a person is kept, once a minute.
async fn identify(state: &AppState, headers: &HeaderMap, tap: bool) -> Result<Option<Who>, WebError> {
    let Some((who, session)) = known(state, headers).await? else { return Ok(None) };
    if let Some(Session { digest, seen, now }) = session
        && tap
        && now.unix_ms() - seen.unix_ms() > SEEN_MS
    {
        state.store.touch_session(digest, now).await.map_err(|fault| refused::store(&fault))?;
    }
    Ok(Some(who))
}

/// A session that was found, and when it was used last.
struct Session {
    digest: [u8; 32],
    seen: Timestamp,
    now: Timestamp,
}

async fn known(state: &AppState, headers: &HeaderMap) -> Result<Option<(Who, Option<Session>)>, WebError> {
    let store = &state.store;
    if !store.has_staff().await.map_err(|fault| refused::store(&fault))? {
        return Ok(Some((Who::Anyone, None)));
    }
    if is_this_machine(state, headers) {
        return Ok(Some((Who::Machine, None)));
    }
    let Some(digest) = session_of(headers) else { return Ok(None) };
    let now = clock::now().wall;
    let found = store.session(digest, now, idle_since(now)).await;
    let Some(LoggedIn { person, seen }) = found.map_err(|fault| refused::store(&fault))? else { return Ok(None) };
    Ok(Some((Who::Person(person), Some(Session { digest, seen, now }))))
}

/// Only over this machine's own listener: in the LAN nobody speaks for the machine, with whatever token.
fn is_this_machine(state: &AppState, headers: &HeaderMap) -> bool {
    let shown = headers.get(MACHINE).and_then(|token| token.to_str().ok()).and_then(pin::digest);
    state.lan.is_none() && shown.is_some() && shown == state.machine
}

/// What browsers fetch by themselves (a page that draws itself anew with its photographs, the news) shows nobody's hand.
fn is_tap(request: &Request) -> bool {
    let path = request.uri().path();
    let by_itself =
        path == "/api/v1/events" || path == "/api/v1/session/end" || path.ends_with("/picture") || is_mirror(path);
    !by_itself && !request.headers().contains_key(BY_ITSELF)
}

/// The customer's screen, which may run in the browser of somebody who is logged in.
fn is_mirror(path: &str) -> bool {
    path == "/mirror" || path.starts_with("/mirror/")
}

/// A session that was not used since then has ended.
pub const fn idle_since(now: Timestamp) -> Timestamp {
    earlier(now, IDLE_MIN * 60_000)
}

const fn earlier(now: Timestamp, ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(now.unix_ms() - ms)
}

/// The digest of the token in the cookie.
pub fn session_of(headers: &HeaderMap) -> Option<[u8; 32]> {
    cookie(headers, COOKIE).and_then(pin::digest)
}

/// One cookie among others.
pub fn cookie<'a>(headers: &'a HeaderMap, wanted: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(name, _)| *name == wanted).map(|(_, value)| value).next()
}

pub fn is_call(request: &Request) -> bool {
    request.uri().path().starts_with("/api/") || request.method() != Method::GET
}

fn to_log_in(request: &Request) -> Response {
    if is_call(request) {
        return WebError::new(
            StatusCode::UNAUTHORIZED,
            "log_in",
            "session",
            "log in by POST /api/v1/session, then repeat",
            "屏幕已锁定，请输入您的 PIN 继续。",
            "The screen is locked; enter your PIN to go on.",
        )
        .into_response();
    }
    Redirect::to(&format!("/login?next={}", next_of(request))).into_response()
}

/// Path and query of the page, as they may stand in a query.
fn next_of(request: &Request) -> String {
    spelled(request.uri().path_and_query().map_or("/", |whole| whole.as_str()))
}

async fn turned_away(state: &AppState, request: Request) -> Response {
    // The technician's first page is the devices.
    if request.uri().path() == "/" {
        return Redirect::to("/devices").into_response();
    }
    let refused = WebError::new(
        StatusCode::FORBIDDEN,
        "not_yours",
        "role",
        "somebody with another role does this",
        "您的岗位不能做这个操作，请找店长。",
        "Your role does not do this; ask the manager.",
    );
    refusal(state, request, refused).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(role: Role) -> Who {
        Who::Person(Person { id: "x".to_owned(), name: "X".to_owned(), role })
    }

    #[test]
    fn each_role_opens_its_own_doors_only() {
        let open = |role, path: &str| who(role).may(door(path));
        for path in
            ["/", "/station/chair-1", "/report/x", "/api/v1/visits/x", "/api/v1/captures/x/picture", "/api/v1/events"]
        {
            assert!(open(Role::Beautician, path) && open(Role::Manager, path), "{path}");
            assert!(!open(Role::Technician, path), "{path}");
        }
        for path in [
            "/staff",
            "/api/v1/staff",
            "/api/v1/staff/b-07/retire",
            "/api/v1/tablets",
            "/manager",
            "/api/v1/follow-ups",
            "/api/v1/day/2026-11-28/log",
        ] {
            assert!(
                !open(Role::Beautician, path) && !open(Role::Technician, path) && open(Role::Manager, path),
                "{path}"
            );
        }
        for path in ["/devices", "/api/v1/status"] {
            assert!(Role::ALL.iter().all(|role| open(*role, path)), "{path}");
        }
    }

    /// What nobody thought of must not be open: neither new paths nor ones that begin like a free one.
    #[test]
    fn a_path_that_is_not_named_is_closed() {
        for path in [
            "/loginx",
            "/ax",
            "/staffroom",
            "/mirrors",
            "/api/v1/mirrors/x",
            "/api/v1/sessions",
            "/api/v1/peopled",
            "/api/v2/x",
            "//login",
            "/%61/x",
        ] {
            assert_eq!(door(path), Door::Day, "{path}");
        }
        for path in
            ["/login", "/mirror", "/mirror/chair-1", "/a/0123/base.css", "/api/v1/session", "/api/v1/session/end"]
        {
            assert_eq!(door(path), Door::Free, "{path}");
        }
    }

    #[test]
    fn a_command_of_this_machine_keeps_house_and_sees_no_customer() {
        let may = |path: &str| Who::Machine.may(door(path));
        for path in ["/api/v1/models/pores/activate", "/api/v1/staff", "/api/v1/status", "/devices"] {
            assert!(may(path), "{path}");
        }
        for path in ["/", "/api/v1/customers", "/api/v1/visits/x", "/api/v1/captures/x/picture", "/api/v1/events"]
            .into_iter()
            .chain(["/manager", "/api/v1/follow-ups", "/api/v1/day/2026-11-28/log"])
        {
            assert!(!may(path), "{path}");
        }
    }

    /// A mirror may run in the browser of a station: what it fetches must not keep that session awake for ever.
    #[test]
    fn a_mirror_that_reads_itself_is_no_tap() {
        let tap = |uri: &str| is_tap(&Request::builder().uri(uri).body(axum::body::Body::empty()).expect("a request"));
        for uri in ["/mirror", "/mirror/chair-1", "/mirror/chair-1/events", "/mirror/chair-1/picture/3/after"] {
            assert!(!tap(uri), "{uri}");
        }
        assert!(tap("/station/chair-1") && tap("/mirrors"));
    }

    #[test]
    fn the_page_that_was_asked_for_is_found_again_with_its_query() {
        let next =
            |uri: &str| next_of(&Request::builder().uri(uri).body(axum::body::Body::empty()).expect("a request"));
        assert_eq!(next("/compare/7?with=last_visit&lang=en"), "/compare/7%3Fwith%3Dlast_visit%26lang%3Den");
        assert_eq!(next("/station/chair-1"), "/station/chair-1");
    }

    #[test]
    fn whoever_is_logged_in_signs_whatever_the_call_says() {
        assert_eq!(who(Role::Manager).staff("somebody else"), "x");
        assert_eq!((Who::Anyone.staff("b-07"), Who::Anyone.staff("")), ("b-07".to_owned(), "station".to_owned()));
    }
}
