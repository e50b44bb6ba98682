//! The way in from the salon's own network: TLS only, under the names that stand in the certificate, and for tablets that were
//! let in by a code; so that whoever is in the guests' Wi-Fi never sees even the PIN pad.

use super::{AppState, GRACE, ServeError, doors, error::WebError, pin, router};
use crate::web::api::refused;
use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
    serve::Listener,
};
use std::{future::IntoFuture as _, io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::timeout,
};
use tokio_native_tls::{TlsAcceptor, TlsStream};
use tokio_util::sync::CancellationToken;

/// The tablet's token; kept as long as browsers allow.
pub const COOKIE: &str = "skinlink-tablet";

/// Handshakes under way at once: a salon has a dozen tablets; whoever opens more connections waits.
const HANDSHAKES: usize = 64;
/// A tablet at the edge of the Wi-Fi manages within it; whoever says nothing is hung up on.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// A certificate that cannot be served.
#[derive(Debug, thiserror::Error)]
#[error("the certificate for the LAN cannot be used ({0}); remove tls/ in the data folder, it is made anew")]
pub struct BadCertificate(#[from] native_tls::Error);

/// A listener that speaks TLS. Handshakes run beside one another and hold nobody up.
#[derive(Debug)]
pub struct Secured {
    plain: TcpListener,
    acceptor: Arc<TlsAcceptor>,
    handshakes: JoinSet<Option<(TlsStream<TcpStream>, SocketAddr)>>,
}

impl Secured {
    /// # Errors
    /// [`BadCertificate`]; `chain` and `key` (PKCS#8) are PEM.
    pub fn new(plain: TcpListener, chain: &[u8], key: &[u8]) -> Result<Self, BadCertificate> {
        let identity = native_tls::Identity::from_pkcs8(chain, key)?;
        let acceptor = native_tls::TlsAcceptor::builder(identity)
            .min_protocol_version(Some(native_tls::Protocol::Tlsv12))
            .build()?;
        Ok(Self { plain, acceptor: Arc::new(acceptor.into()), handshakes: JoinSet::new() })
    }
}

impl Listener for Secured {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            tokio::select! {
                Some(done) = self.handshakes.join_next() => {
                    if let Ok(Some(ready)) = done {
                        return ready;
                    }
                }
                (stream, address) = Listener::accept(&mut self.plain), if self.handshakes.len() < HANDSHAKES => {
                    let acceptor = Arc::clone(&self.acceptor);
                    self.handshakes.spawn(async move {
                        let stream = timeout(HANDSHAKE, acceptor.accept(stream)).await.ok()?.ok()?;
                        Some((stream, address))
                    });
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.plain.local_addr()
    }
}

/// Serves the LAN under `names` until `stop`.
///
/// # Errors
/// When the listener fails for good.
pub async fn serve(
    listener: Secured,
    state: AppState,
    names: Arc<[String]>,
    stop: CancellationToken,
) -> Result<(), ServeError> {
    let state = AppState { stop: stop.clone(), lan: Some(names), ..state };
    let polite = stop.clone().cancelled_owned();
    let serving = axum::serve(listener, router(state)).with_graceful_shutdown(polite);
    let mut serving = std::pin::pin!(serving.into_future());
    tokio::select! {
        ended = &mut serving => return Ok(ended?),
        () = stop.cancelled() => {}
    }
    // What is still under way is dropped after it, as on this machine's own listener.
    timeout(GRACE, serving).await.map_or(Ok(()), |ended| Ok(ended?))
}

/// Lets only tablets in that were enrolled; on this machine's own listener everybody is.
pub async fn admit(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let open = ["/a/", "/enrol", "/api/v1/enrolment"].iter().any(|free| path.starts_with(free));
    if state.lan.is_none() || open {
        return next.run(request).await;
    }
    match is_enrolled(&state, request.headers()).await {
        Ok(true) => next.run(request).await,
        Ok(false) if doors::is_call(&request) => not_enrolled().into_response(),
        Ok(false) => Redirect::to("/enrol").into_response(),
        Err(fault) => fault.into_response(),
    }
}

async fn is_enrolled(state: &AppState, headers: &HeaderMap) -> Result<bool, WebError> {
    // Before anybody can log in nobody comes from outside, with whatever cookie.
    if !state.store.has_staff().await.map_err(|fault| refused::store(&fault))? {
        return Ok(false);
    }
    let Some(digest) = doors::cookie(headers, COOKIE).and_then(pin::digest) else { return Ok(false) };
    state.store.is_enrolled(digest).await.map_err(|fault| refused::store(&fault))
}

fn not_enrolled() -> WebError {
    WebError::new(
        StatusCode::UNAUTHORIZED,
        "not_enrolled",
        "tablet",
        "open /enrol and enter the code that the manager shows",
        "这台平板还没有登记。请店长在“员工与 PIN”页给一个登记码。",
        "This tablet is not enrolled; ask the manager for a code on the page Staff and PINs.",
    )
}
