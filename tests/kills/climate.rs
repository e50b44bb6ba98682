//! The third simulated analyser: it measures the store itself, for no visit. Someone presses its button all the time.

use skinlink::{
    app::{catalogue, demo::stage::STATION},
    domain::{Region, metric::MetricId},
    sim::{LedgerLine, Setup, SimDevice, SimHandle, Simulated, Truth, Wire, serve},
};
use std::path::Path;
use tokio::{task::JoinHandle, time::Instant};
use tokio_util::sync::CancellationToken;

/// Its protocol waits for the gateway's word on each value, as that of the analyser of the chair does.
const PROTOCOL: &str = "derma-reference";

/// Tells it from the chair's analyser.
pub const SERIAL: &str = "DR-ROOM";

pub struct Climate {
    handle: SimHandle,
    task: JoinHandle<std::io::Result<()>>,
    stop: CancellationToken,
}

impl Climate {
    /// Starts it on a pseudo-terminal of that name.
    pub fn start(protocols: &Path, port: &Path) -> Self {
        let mut protocols = catalogue::protocols(protocols).expect("the protocols");
        let spec = protocols.sound.remove(PROTOCOL).expect("the reference protocol");
        let mut setup = Setup::new(SERIAL, 5);
        setup.truth = Truth::plausible();
        setup.measuring = std::time::Duration::from_millis(5);
        let device = SimDevice::new(spec, setup, Instant::now().into_std());
        let (handle, simulated) = Simulated::new(device, Wire::sound(), Wire::sound());
        let (stop, port) = (CancellationToken::new(), port.to_owned());
        let stopped = stop.clone();
        #[expect(clippy::disallowed_methods, reason = "a test has no supervisor")]
        let task = tokio::spawn(async move { serve(&port, simulated, stopped).await });
        Self { handle, task, stop }
    }

    /// Its lines of the daemon's configuration.
    pub fn configured(port: &Path) -> String {
        let port = port.display();
        format!(
            "[[device]]\nstation = \"{STATION}\"\nmeasures = \"store\"\nprotocol = \"{PROTOCOL}\"\npath = \"{port}\"\n"
        )
    }

    pub async fn press(&self) {
        let metric = MetricId::new("sebum").expect("a metric's name");
        self.handle.press(metric, Region::InnerForearm).await.expect("it runs");
    }

    /// What it has measured.
    pub async fn sent(&self) -> Vec<LedgerLine> {
        self.handle.ledger().await.expect("it runs")
    }

    /// What of it the gateway has confirmed to it.
    pub async fn confirmed(&self) -> Vec<LedgerLine> {
        let waiting = self.handle.unconfirmed().await.expect("it runs");
        self.sent().await.into_iter().filter(|line| !waiting.contains(&line.counter)).collect()
    }

    pub async fn stop(self) {
        self.stop.cancel();
        self.task.await.expect("it ends").expect("its terminal");
    }
}
