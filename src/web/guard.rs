//! The doors of the web server: only this machine, only our own pages may write, strict headers on everything.
//!
//! The plain listener serves loopback only; the LAN comes over TLS (`lan`). A browser can still be led here by a foreign
//! page, hence: the `Host` must name this machine (against DNS rebinding), and a write must carry our own header, which a
//! foreign page cannot send without a preflight that nobody answers, and no foreign `Origin`.

use super::{AppState, doors, error::WebError};
use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::Response,
};
use std::net::SocketAddr;

/// Every write carries `x-skinlink: 1`.
pub const OWN_HEADER: HeaderName = HeaderName::from_static("x-skinlink");

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; \
    connect-src 'self'; media-src 'self' blob:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

const HEADERS: &[(&str, &str)] = &[
    ("content-security-policy", POLICY),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("permissions-policy", "camera=(self), microphone=(), geolocation=()"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
];

/// An address that would let others in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "[web] listen = \"{0}\" is reachable from other machines without TLS; only loopback is served here: use 127.0.0.1, and web.lan for tablets"
)]
pub struct NotLoopback(pub SocketAddr);

/// # Errors
/// [`NotLoopback`] for any address that is not this machine alone.
pub fn loopback_only(address: SocketAddr) -> Result<(), NotLoopback> {
    if address.ip().is_loopback() { Ok(()) } else { Err(NotLoopback(address)) }
}

/// Lets a request in or answers it here; puts the strict headers on every answer.
pub async fn guard(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let mut response = match admit(request.method(), request.headers(), state.lan.as_deref()) {
        Ok(()) => next.run(request).await,
        Err(refused) => doors::refusal(&state, request, refused).await,
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    let answered = response.headers().contains_key(header::CACHE_CONTROL);
    if !answered {
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

/// `lan`: the names of the LAN's listener; without them only this machine's own are good.
fn admit(method: &Method, headers: &HeaderMap, lan: Option<&[String]>) -> Result<(), WebError> {
    let host = headers.get(header::HOST).and_then(|h| h.to_str().ok()).unwrap_or_default();
    let (ours, scheme) = match lan {
        None => (is_this_machine(host), "http://"),
        Some(names) => (is_one_of(host, names), "https://"),
    };
    if !ours {
        return Err(WebError::new(
            StatusCode::MISDIRECTED_REQUEST,
            "foreign_host",
            "host",
            "call the gateway by 127.0.0.1 on its own machine, by a name of [web] names from the LAN",
            "请用本机地址 127.0.0.1，或门店登记的名字打开网关页面。",
            "Open the gateway by its own machine's address, 127.0.0.1, or by the name the salon gave it.",
        ));
    }
    if matches!(*method, Method::GET | Method::HEAD) {
        return Ok(());
    }
    let origin = headers.get(header::ORIGIN).map(|o| o.to_str().unwrap_or_default());
    let own_origin = origin.is_none_or(|o| o.strip_prefix(scheme) == Some(host));
    if own_origin && headers.contains_key(OWN_HEADER) {
        return Ok(());
    }
    Err(WebError::new(
        StatusCode::FORBIDDEN,
        "foreign_page",
        "x-skinlink",
        "send the header x-skinlink: 1, and no foreign Origin",
        "这个操作不是从网关自己的页面发出的，已拒绝。",
        "This did not come from the gateway's own pages and was refused.",
    ))
}

/// Whether a `Host` header is one of the LAN's names, with any port.
fn is_one_of(host: &str, names: &[String]) -> bool {
    let bare = match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    names.iter().any(|name| name.eq_ignore_ascii_case(bare))
}

/// Whether a `Host` header names this machine alone: `localhost`, `127.x.y.z` or `[::1]`, with any port.
fn is_this_machine(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = name.strip_prefix('[').and_then(|n| n.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_let_in() {
        for host in ["localhost", "LocalHost:8470", "127.0.0.1", "127.0.0.1:8470", "127.1.2.3:1", "[::1]:8470", "[::1]"]
        {
            assert!(is_this_machine(host), "{host}");
        }
        for host in [
            "",
            ":",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example:80",
            "10.0.0.1",
            "0.0.0.0:80",
            "localhost:x",
            "[::2]:1",
        ] {
            assert!(!is_this_machine(host), "{host}");
        }
    }

    #[test]
    fn a_write_needs_our_header_and_no_foreign_origin() {
        let headers = |pairs: &[(&'static str, &'static str)]| {
            let mut map = HeaderMap::new();
            for (name, value) in pairs {
                map.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
            map
        };
        let host = ("host", "127.0.0.1:8470");
        let ours = ("x-skinlink", "1");
        assert!(admit(&Method::POST, &headers(&[host, ours]), None).is_ok());
        assert!(admit(&Method::POST, &headers(&[host, ours, ("origin", "http://127.0.0.1:8470")]), None).is_ok());
        assert!(admit(&Method::GET, &headers(&[host]), None).is_ok());
        for wrong in [
            headers(&[host]),
            headers(&[host, ours, ("origin", "http://evil.example")]),
            headers(&[host, ours, ("origin", "https://127.0.0.1:8470")]),
            headers(&[host, ours, ("origin", "null")]),
            headers(&[host, ("origin", "http://127.0.0.1:8470")]),
            headers(&[ours]),
        ] {
            assert!(admit(&Method::POST, &wrong, None).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn the_lan_is_served_under_its_own_names_and_from_its_own_pages_only() {
        let names = ["skinlink.local".to_owned(), "192.168.1.10".to_owned()];
        for host in ["skinlink.local", "SkinLink.local:8443", "192.168.1.10:8443"] {
            assert!(is_one_of(host, &names), "{host}");
        }
        for host in ["", "localhost", "127.0.0.1", "evil.example", "skinlink.local.evil.example", "192.168.1.100"] {
            assert!(!is_one_of(host, &names), "{host}");
        }
        let post = |origin: &'static str| {
            let mut map = HeaderMap::new();
            map.insert("host", HeaderValue::from_static("skinlink.local:8443"));
            map.insert("x-skinlink", HeaderValue::from_static("1"));
            map.insert("origin", HeaderValue::from_static(origin));
            admit(&Method::POST, &map, Some(&names))
        };
        assert!(post("https://skinlink.local:8443").is_ok());
        assert!(post("http://skinlink.local:8443").is_err() && post("https://192.168.1.10:8443").is_err());
    }

    #[test]
    fn other_machines_are_refused_at_start() {
        for open in ["0.0.0.0:8470", "192.168.1.5:8470", "[::]:8470"] {
            let address: SocketAddr = open.parse().unwrap();
            assert_eq!(loopback_only(address), Err(NotLoopback(address)));
        }
        assert!(loopback_only("127.0.0.1:0".parse().unwrap()).is_ok());
    }
}
