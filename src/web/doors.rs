//! Who may open which door. Every page and call passes here: a path that is not named needs somebody who may see customers.
//!
//! Until somebody may log in at all, the house is open to this machine alone (`guard` and `serve` see to that) and says so;
//! the first manager closes it. A session ends after [`IDLE_MIN`] minutes without a tap, after [`LONGEST_H`] hours anyway, and
//! with a new PIN. Reading a page again by itself is no tap.

use super::{AppState, api::refused, error::WebError, pin};
use crate::{
    clock,
    domain::{
        Timestamp,
        staff::{Person, Role},
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
}

impl Who {
    /// The staff id to record; `given` counts only while nobody can log in.
    #[must_use]
    pub fn staff(&self, given: &str) -> String {
        match self {
            Self::Person(person) => person.id.clone(),
            Self::Anyone if given.is_empty() => "station".to_owned(),
            Self::Anyone => given.to_owned(),
        }
    }

    #[must_use]
    pub fn person(&self) -> Option<&Person> {
        match self {
            Self::Person(person) => Some(person),
            Self::Anyone => None,
        }
    }

    fn may(&self, door: Door) -> bool {
        let Self::Person(person) = self else { return true };
        match (door, person.role) {
            (Door::Free | Door::Devices, _) | (_, Role::Manager) => true,
            (Door::Day, role) => role == Role::Beautician,
            (Door::House, _) => false,
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
    let free = ["/a", "/login", "/enrol", "/trust", "/r", "/api/v1/session", "/api/v1/people", "/api/v1/enrolment"];
    if free.iter().any(|folder| under(folder)) {
        Door::Free
    } else if ["/staff", "/api/v1/staff", "/api/v1/tablets", "/api/v1/models"].iter().any(|folder| under(folder)) {
        Door::House
    } else if ["/devices", "/api/v1/status", "/api/docs"].iter().any(|folder| under(folder)) {
        Door::Devices
    } else {
        Door::Day
    }
}

/// Finds out who calls and lets them in or not.
pub async fn admit(State(state): State<AppState>, mut request: Request, next: Next) -> Response {
    let door = door(request.uri().path());
    match identify(&state, request.headers()).await {
        Ok(who) if door == Door::Free => {
            request.extensions_mut().insert(who.unwrap_or_default());
            next.run(request).await
        }
        Ok(Some(who)) if who.may(door) => {
            request.extensions_mut().insert(who);
            next.run(request).await
        }
        Ok(Some(_)) => turned_away(&request),
        Ok(None) => to_log_in(&request),
        Err(fault) => fault.into_response(),
    }
}

/// `None`: nobody, and somebody could be.
async fn identify(state: &AppState, headers: &HeaderMap) -> Result<Option<Who>, WebError> {
    let store = &state.store;
    if !store.has_staff().await.map_err(|fault| refused::store(&fault))? {
        return Ok(Some(Who::Anyone));
    }
    let Some(digest) = session_of(headers) else { return Ok(None) };
    let now = clock::now().wall;
    let found = store.session(digest, now, earlier(now, IDLE_MIN * 60_000)).await;
    let Some(LoggedIn { person, seen }) = found.map_err(|fault| refused::store(&fault))? else { return Ok(None) };
    if !headers.contains_key(BY_ITSELF) && now.unix_ms() - seen.unix_ms() > SEEN_MS {
        store.touch_session(digest, now).await.map_err(|fault| refused::store(&fault))?;
    }
    Ok(Some(Who::Person(person)))
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
    let next: String = request
        .uri()
        .path()
        .bytes()
        .filter(|b| b.is_ascii_alphanumeric() || b"/-_".contains(b))
        .map(char::from)
        .collect();
    Redirect::to(&format!("/login?next={next}")).into_response()
}

fn turned_away(request: &Request) -> Response {
    // The technician's first page is the devices.
    if request.uri().path() == "/" {
        return Redirect::to("/devices").into_response();
    }
    WebError::new(
        StatusCode::FORBIDDEN,
        "not_yours",
        "role",
        "somebody with another role does this",
        "您的岗位不能做这个操作，请找店长。",
        "Your role does not do this; ask the manager.",
    )
    .into_response()
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
        for path in ["/staff", "/api/v1/staff", "/api/v1/staff/b-07/retire", "/api/v1/tablets"] {
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
        for path in
            ["/loginx", "/ax", "/staffroom", "/api/v1/sessions", "/api/v1/peopled", "/api/v2/x", "//login", "/%61/x"]
        {
            assert_eq!(door(path), Door::Day, "{path}");
        }
        for path in ["/login", "/a/0123/base.css", "/api/v1/session", "/api/v1/session/end"] {
            assert_eq!(door(path), Door::Free, "{path}");
        }
    }

    #[test]
    fn whoever_is_logged_in_signs_whatever_the_call_says() {
        assert_eq!(who(Role::Manager).staff("somebody else"), "x");
        assert_eq!((Who::Anyone.staff("b-07"), Who::Anyone.staff("")), ("b-07".to_owned(), "station".to_owned()));
    }
}
