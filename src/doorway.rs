//! A way in that strangers can reach: so many connections at once, so many of one address, and so long for what must be said
//! before an answer. Whoever opens connections and says nothing, or a byte now and then, holds a few places for a while and
//! keeps nobody else out.

pub mod assets;
pub mod tls;

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Request},
    serve::Listener,
};
use hyper::{
    server::conn::http1,
    service::{Service as _, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

/// Answers under way when the program or a connection's time ends get so long.
const GRACE: Duration = Duration::from_secs(5);

/// How many connections there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// At once; whoever comes then waits at the kernel until one ends.
    pub connections: usize,
    /// Of one [`neighbourhood`]; one more is closed at once.
    pub of_one: usize,
}

/// How long a connection may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For a request's head, and between two requests.
    pub head: Duration,
    /// For all of it, after which an answer under way gets a few seconds more; `None` where streams stay open for hours.
    pub whole: Option<Duration>,
}

/// Whose connections are counted together. Of an IPv6 address the network counts: one customer has 2^64 addresses.
#[must_use]
pub fn neighbourhood(address: IpAddr) -> IpAddr {
    // A listener of both families shows the old one as addresses of the new, which would all be one neighbourhood.
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        old @ IpAddr::V4(_) => old,
    }
}

/// A listener within [`Bounds`].
#[derive(Debug)]
pub struct Door {
    plain: TcpListener,
    of_one: usize,
    free: Arc<Semaphore>,
    places: Places,
}

type Places = Arc<Mutex<HashMap<IpAddr, usize>>>;

impl Door {
    #[must_use]
    pub fn new(plain: TcpListener, bounds: Bounds) -> Self {
        let Bounds { connections, of_one } = bounds;
        Self { plain, of_one, free: Arc::new(Semaphore::new(connections)), places: Places::default() }
    }
}

impl Listener for Door {
    type Io = Held;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Held, SocketAddr) {
        loop {
            let free = Arc::clone(&self.free).acquire_owned().await.expect("nobody closes it");
            let (stream, peer) = Listener::accept(&mut self.plain).await;
            match Place::take(&self.places, neighbourhood(peer.ip()), self.of_one, free) {
                Some(place) => return (Held { stream, _place: place }, peer),
                None => tracing::debug!("one address holds {} connections; one more was closed", self.of_one),
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.plain.local_addr()
    }
}

/// A connection's place; free again when dropped.
#[derive(Debug)]
struct Place {
    of: IpAddr,
    places: Places,
    _free: OwnedSemaphorePermit,
}

impl Place {
    fn take(places: &Places, of: IpAddr, most: usize, free: OwnedSemaphorePermit) -> Option<Self> {
        let mut counts = places.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(of).or_insert(0);
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Self { of, places: Arc::clone(places), _free: free })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.of) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.of);
            }
        }
    }
}

/// A connection that has a place.
#[derive(Debug)]
pub struct Held {
    stream: TcpStream,
    _place: Place,
}

impl AsyncRead for Held {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Held {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// Serves `router` until `stop`; answers under way then get a few seconds.
pub async fn serve<L>(mut listener: L, router: Router, patience: Patience, stop: CancellationToken)
where
    L: Listener<Addr = SocketAddr>,
{
    let mut calls = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = calls.join_next() => {}
            (io, peer) = listener.accept() => {
                calls.spawn(call(io, peer, router.clone(), patience, stop.clone()));
            }
        }
    }
    drop(listener);
    if timeout(GRACE, async { while calls.join_next().await.is_some() {} }).await.is_err() {
        tracing::warn!(late = calls.len(), "calls still under way after {GRACE:?} were dropped");
    }
}

/// One connection, request after request.
async fn call<I>(io: I, peer: SocketAddr, router: Router, patience: Patience, stop: CancellationToken)
where
    I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let pages = TowerToHyperService::new(router);
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let mut request: Request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        pages.call(request)
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(patience.head);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(io), service));
    let over = async {
        match patience.whole {
            Some(whole) => sleep(whole).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        // Callers hang up as they like.
        _ = connection.as_mut() => return,
        () = stop.cancelled() => {}
        () = over => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = timeout(GRACE, connection).await;
}
