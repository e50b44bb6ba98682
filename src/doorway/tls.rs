//! A [`Door`] that speaks TLS. Handshakes run beside one another and hold nobody up; the certificate can be exchanged while it
//! serves.
//!
//! Each handshake has a place of the door's, so that there are as many at once as the door has places, and of one address as many as it may
//! have. A smaller number of their own would be held by fewer strangers: two of forty-eight places each once kept everybody out.

use super::{Door, Held};
use axum::serve::Listener;
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{sync::watch, task::JoinSet, time::timeout};
use tokio_native_tls::{TlsAcceptor, TlsStream};

/// A slow line manages within it; whoever says nothing is hung up on.
const HANDSHAKE: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub struct Secured {
    door: Door,
    acceptor: watch::Receiver<Arc<TlsAcceptor>>,
    handshakes: JoinSet<Option<(TlsStream<Held>, SocketAddr)>>,
}

impl Secured {
    /// # Errors
    /// A certificate that cannot be served; `chain` and `key` (PKCS#8) are PEM.
    pub fn new(door: Door, chain: &[u8], key: &[u8]) -> Result<(Self, Renewal), native_tls::Error> {
        let (renewal, acceptor) = watch::channel(acceptor(chain, key)?);
        Ok((Self { door, acceptor, handshakes: JoinSet::new() }, Renewal(renewal)))
    }
}

fn acceptor(chain: &[u8], key: &[u8]) -> Result<Arc<TlsAcceptor>, native_tls::Error> {
    let identity = native_tls::Identity::from_pkcs8(chain, key)?;
    let acceptor =
        native_tls::TlsAcceptor::builder(identity).min_protocol_version(Some(native_tls::Protocol::Tlsv12)).build()?;
    Ok(Arc::new(acceptor.into()))
}

/// Exchanges the certificate of a listener that serves: whoever is connected stays, whoever comes sees the new one.
#[derive(Debug)]
pub struct Renewal(watch::Sender<Arc<TlsAcceptor>>);

impl Renewal {
    /// # Errors
    /// A certificate that cannot be served; the old one goes on then.
    pub fn replace(&self, chain: &[u8], key: &[u8]) -> Result<(), native_tls::Error> {
        self.0.send_replace(acceptor(chain, key)?);
        Ok(())
    }
}

impl Listener for Secured {
    type Io = TlsStream<Held>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            tokio::select! {
                Some(done) = self.handshakes.join_next() => {
                    if let Ok(Some(ready)) = done {
                        return ready;
                    }
                }
                (stream, address) = self.door.accept() => {
                    let acceptor = Arc::clone(&self.acceptor.borrow());
                    self.handshakes.spawn(async move {
                        let stream = timeout(HANDSHAKE, acceptor.accept(stream)).await.ok()?.ok()?;
                        Some((stream, address))
                    });
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.door.local_addr()
    }
}
