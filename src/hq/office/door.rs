//! Who is let in: whoever has a session, from our own pages; strict headers on everything.
//!
//! A form of ours works without a script, so what tells it from a foreign page's is what browsers say by themselves: the cookie is
//! never sent along by another site (`SameSite=Strict`), and a write must name our own host as its origin.

use super::{Office, Shared, pages, password, people::Person, sessions};
use crate::{clock, desk};
use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};

pub const COOKIE: &str = "skinlink-office";

/// That somebody has logged in in this browser before; see [`super::tries`].
pub const KNOWN: &str = "skinlink-office-known";

/// Half a year.
const KNOWN_S: i64 = 180 * 86_400;

/// A page that reads itself again says so: no sign that somebody is there.
const BY_ITSELF: HeaderName = HeaderName::from_static("x-skinlink-by-itself");

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
    base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

const HEADERS: &[(&str, &str)] = &[
    ("content-security-policy", POLICY),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), microphone=(), geolocation=()"),
    // With `no-referrer` browsers would call the origin of a form of ours `null`.
    ("referrer-policy", "same-origin"),
    ("x-content-type-options", "nosniff"),
    ("x-robots-tag", "noindex, nofollow, noarchive"),
];

/// Lets a request in or answers it here.
pub async fn guard(State(office): Shared, request: Request, next: Next) -> Response {
    let accepts = request.headers().get(header::ACCEPT_ENCODING).cloned();
    let mut answer = admitted(&office, request, next).await;
    for (name, value) in HEADERS {
        answer.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    if office.secure {
        let year = HeaderValue::from_static("max-age=31536000");
        answer.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, year);
    }
    if !answer.headers().contains_key(header::CACHE_CONTROL) {
        answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    desk::pack(answer, &accepts).await
}

async fn admitted(office: &Office, mut request: Request, next: Next) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) && !is_ours(request.headers()) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let path = request.uri().path();
    if path == "/login" || path == "/metrics" || path.starts_with("/a/") {
        return next.run(request).await;
    }
    match who(office, request.headers(), is_used(&request)).await {
        Ok(Some(person)) => {
            request.extensions_mut().insert(person);
            next.run(request).await
        }
        Ok(None) if path.ends_with("/live") => StatusCode::UNAUTHORIZED.into_response(),
        Ok(None) => Redirect::to(&format!("/login?next={}", spelled(path))).into_response(),
        Err(_) => pages::away(request.headers()),
    }
}

/// What browsers fetch by themselves shows nobody's hand.
fn is_used(request: &Request) -> bool {
    !request.uri().path().ends_with("/live") && !request.headers().contains_key(BY_ITSELF)
}

/// Whose session the cookie is.
pub async fn who(office: &Office, headers: &HeaderMap, used: bool) -> Result<Option<Person>, super::books::Away> {
    let Some(digest) = session(headers) else { return Ok(None) };
    office.books.ask(move |engine| sessions::whose(engine, digest, used, clock::now().wall)).await
}

/// The digest of the token in the cookie.
pub fn session(headers: &HeaderMap) -> Option<[u8; 32]> {
    cookie(headers, COOKIE).and_then(password::digest)
}

/// One cookie among others.
pub fn cookie<'a>(headers: &'a HeaderMap, wanted: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(|(name, _)| *name == wanted).map(|(_, value)| value).next()
}

/// The cookie of a session, or of none where `token` is empty.
pub fn set(office: &Office, token: &str) -> HeaderValue {
    let age = if token.is_empty() { 0 } else { sessions::LONGEST_MS / 1_000 };
    let secure = if office.secure { "; Secure" } else { "" };
    let text = format!("{COOKIE}={token}; Path=/; Max-Age={age}; HttpOnly; SameSite=Strict{secure}");
    HeaderValue::from_str(&text).expect("digits and plain words")
}

/// The cookie by which a browser is known again at the log-in, and nowhere else.
pub fn remember(office: &Office, known: &str) -> HeaderValue {
    let secure = if office.secure { "; Secure" } else { "" };
    let text = format!("{KNOWN}={known}; Path=/login; Max-Age={KNOWN_S}; HttpOnly; SameSite=Strict{secure}");
    HeaderValue::from_str(&text).expect("digits and plain words")
}

/// Whether a write comes from a page of ours: its origin is the host it goes to.
fn is_ours(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let (Some(origin), Some(host)) = (text(header::ORIGIN), text(header::HOST)) else { return false };
    let of = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
    of.is_some_and(|of| of.eq_ignore_ascii_case(host))
}

/// A text as it may stand in a query.
pub fn spelled(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.".contains(&byte);
    let one = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    text.bytes().map(one).collect()
}

/// Whether a browser stays with us that is sent there: it drops tabs and line ends before it looks for a host.
pub fn stays(path: &str) -> bool {
    let sound = path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    sound && path.starts_with('/') && !path.starts_with("//")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_names_our_own_host_as_its_origin() {
        let headers = |pairs: &[(&'static str, &'static str)]| {
            pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
        };
        let host = ("host", "hq.example:8892");
        assert!(is_ours(&headers(&[host, ("origin", "https://hq.example:8892")])));
        for wrong in
            ["https://evil.example", "https://hq.example", "null", "", "hq.example:8892", "ftp://hq.example:8892"]
        {
            assert!(!is_ours(&headers(&[host, ("origin", wrong)])), "{wrong}");
        }
        assert!(!is_ours(&headers(&[host])) && !is_ours(&headers(&[("origin", "https://hq.example")])));
    }

    #[test]
    fn whoever_has_logged_in_is_sent_nowhere_else() {
        assert!(stays("/") && stays("/stores/sh-001"));
        for elsewhere in ["", "stores", "//evil.example", "/\t/evil.example", "/\\evil.example", "https://x"] {
            assert!(!stays(elsewhere), "{elsewhere:?}");
        }
    }
}
