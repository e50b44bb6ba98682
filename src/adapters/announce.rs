//! The name under which tablets find the gateway, said in the salon's network by multicast DNS (RFC 6762): whatever address the
//! router gives, `skinlink.local` leads to it. The library's own thread answers; it looks at the machine's addresses every few seconds,
//! so that a new one is told by itself.

use mdns_sd::{DaemonEvent, RRType, ServiceDaemon, ServiceInfo};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// What the pages are in the network's list of services.
const SERVICE: &str = "_https._tcp.local.";

/// The ending of names that are said by multicast; others are the router's.
const ENDING: &str = ".local";

/// The network hears a goodbye within this.
const GOODBYE: Duration = Duration::from_secs(1);

/// Why no name is announced.
#[derive(Debug, thiserror::Error)]
#[error("cannot announce {name} in the network ({source}); set web.announce = false where avahi does it")]
pub struct AnnounceError {
    name: String,
    source: mdns_sd::Error,
}

/// Names that are announced.
pub struct Announced {
    daemon: ServiceDaemon,
    names: Vec<String>,
}

impl std::fmt::Debug for Announced {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Announced").field("names", &self.names).finish_non_exhaustive()
    }
}

/// Those of `names` that end with `.local`, each once.
#[must_use]
pub fn announceable(names: &[String]) -> Vec<String> {
    let mut found: Vec<String> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
    found.retain(|name| name.strip_suffix(ENDING).is_some_and(|label| !label.is_empty() && !label.contains('.')));
    found.sort_unstable();
    found.dedup();
    found
}

/// Begins to answer for these names, each `label.local`, with all of this machine's addresses as they are at that moment.
///
/// # Errors
/// [`AnnounceError`] where the library cannot start. A network that is away is no error: it is answered for once it is there.
pub fn announce(names: Vec<String>, port: u16) -> Result<Announced, AnnounceError> {
    let of = |name: &str| {
        let name = name.to_owned();
        move |source| AnnounceError { name, source }
    };
    let daemon = ServiceDaemon::new().map_err(of(&names.join(", ")))?;
    for name in &names {
        let label = name.strip_suffix(ENDING).unwrap_or(name);
        let info = ServiceInfo::new(
            SERVICE,
            label,
            &format!("{name}."),
            (),
            port,
            None::<std::collections::HashMap<String, String>>,
        );
        daemon.register(info.map_err(of(name))?.enable_addr_auto()).map_err(of(name))?;
    }
    Ok(Announced { daemon, names })
}

impl Announced {
    /// Answers until `stop`, then says goodbye.
    pub async fn run(self, stop: CancellationToken) {
        let Self { daemon, names } = self;
        tracing::info!(?names, "tablets find the gateway by this name");
        if let Ok(events) = daemon.monitor() {
            loop {
                tokio::select! {
                    () = stop.cancelled() => break,
                    event = events.recv_async() => match event {
                        Ok(event) => told(&event),
                        Err(_) => break,
                    },
                }
            }
        }
        stop.cancelled().await;
        if let Ok(ended) = daemon.shutdown() {
            let _ = tokio::time::timeout(GOODBYE, ended.recv_async()).await;
        }
    }
}

fn told(event: &DaemonEvent) {
    match event {
        DaemonEvent::NameChange(change) if matches!(change.rr_type, RRType::A | RRType::AAAA) => tracing::error!(
            name = change.original,
            "another machine in this network has this name; tablets may reach the wrong one: give one of the two another name \
             (web.names here)"
        ),
        DaemonEvent::IpAdd(address) => tracing::info!(%address, "the network gave a new address; the name leads there"),
        DaemonEvent::Error(fault) => tracing::warn!(%fault, "the name is not announced on some network"),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_the_local_network_are_announced() {
        let names = [
            "skinlink.local",
            "192.168.1.10",
            "SkinLink.local",
            "gateway.example",
            ".local",
            "a.b.local",
            "salon-2.local",
        ];
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(announceable(&names), ["salon-2.local", "skinlink.local"]);
    }
}
