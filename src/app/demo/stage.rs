//! The demo's stage, also used by the kill tests: a broker with TLS, headquarters' receiver, simulated analysers on
//! pseudo-terminals, and the daemon as a process of its own that can be killed and started again.

use super::{children::Process, plant};
use crate::{
    adapters::pki::{Authority, TlsFiles, Use, Validity},
    clock,
    sim::broker::{Broker, BrokerTls},
};
use anyhow::{Context, bail};
use std::{
    ffi::OsString,
    fs,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::time::{Instant, sleep};

/// Store and gateway of the stage.
pub const STORE: &str = "demo-store";
pub const GATEWAY: &str = "demo-store-g1";
pub const STATION: &str = "chair-1";

/// Longest wait for a daemon or receiver that was just started.
const START_LIMIT: Duration = Duration::from_secs(20);

/// Where things are; all paths absolute.
#[derive(Debug, Clone)]
pub struct Places {
    /// Everything the stage writes.
    pub folder: PathBuf,
    /// The `skinlink` program; `skinlink-hq` lies beside it.
    pub program: PathBuf,
    /// Root of the project: `firmware-protocols/`, `models/`, `config/`.
    pub project: PathBuf,
    pub onnxruntime: PathBuf,
}

/// Broker, receiver and analysers, running.
#[derive(Debug)]
pub struct Stage {
    places: Places,
    pub port: u16,
    broker: Broker,
    receiver: Option<Process>,
    hq_tls: TlsFiles,
    gateway_tls: TlsFiles,
    /// Further lines of the configuration's `[scan]`, for tests.
    pub scan: String,
    /// Protocols whose device is reached through the air, with its address, instead of at its port; for tests.
    pub in_the_air: Vec<(&'static str, String)>,
    /// Where the models are; the project's own unless a test wants others.
    pub models: PathBuf,
    /// Set for every process started from now on; for tests that order deaths.
    pub environment: Vec<(&'static str, String)>,
}

impl Stage {
    /// Sets everything up but the analysers and the daemon. `port` 0 takes a free one.
    ///
    /// # Errors
    /// When a part cannot be started; says which and what to do.
    pub async fn set(places: Places, port: u16) -> anyhow::Result<Self> {
        let port = if port == 0 { free_port()? } else { untaken(port)? };
        let certificates = places.folder.join("certificates");
        fs::create_dir_all(&certificates)?;
        let validity = Validity::days(clock::now().wall, 30);
        let authority = Authority::new("skinlink demo authority", validity)?;
        let broker_tls =
            authority.issue(&certificates, "broker", Use::Server(&["127.0.0.1", "localhost"]), validity)?;
        let hq_tls = authority.issue(&certificates, "hq-1", Use::Client, validity)?;
        let gateway_tls = authority.issue(&certificates, GATEWAY, Use::Client, validity)?;
        let TlsFiles { ca, certificate, key } = broker_tls;
        let broker =
            Broker::start(&places.folder.join("broker"), &BrokerTls { ca, certificate, key }, &["hq-1"]).await?;
        let mut stage = Self {
            models: places.project.join("models"),
            places,
            port,
            broker,
            receiver: None,
            hq_tls,
            gateway_tls,
            scan: String::new(),
            in_the_air: Vec::new(),
            environment: Vec::new(),
        };
        stage.start_receiver()?;
        Ok(stage)
    }

    #[must_use]
    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
    #[must_use]
    pub fn hq_data(&self) -> PathBuf {
        self.places.folder.join("hq")
    }
    /// Where the analysers' ports appear.
    #[must_use]
    pub fn device_port(&self, protocol: &str) -> PathBuf {
        self.places.folder.join(format!("tty-{protocol}"))
    }
    #[must_use]
    pub fn places(&self) -> &Places {
        &self.places
    }
    pub fn broker(&mut self) -> &mut Broker {
        &mut self.broker
    }

    /// Starts headquarters' receiver, again after it was killed.
    ///
    /// # Errors
    /// When the program beside `skinlink` cannot be started.
    pub fn start_receiver(&mut self) -> anyhow::Result<()> {
        let program = self.places.program.with_file_name("skinlink-hq");
        let TlsFiles { ca, certificate, key } = &self.hq_tls;
        let broker = format!("127.0.0.1:{}", self.broker.port());
        let hq_data = self.hq_data();
        let arguments: Vec<OsString> = [
            ("--broker", broker.into()),
            ("--name", "hq-1".into()),
            ("--ca", OsString::from(ca)),
            ("--certificate", certificate.into()),
            ("--key", key.into()),
            ("--data", hq_data.into()),
        ]
        .into_iter()
        .flat_map(|(flag, value): (&str, OsString)| [OsString::from(flag), value])
        .collect();
        let arguments = [vec![OsString::from("run")], arguments].concat();
        let log = self.log("receiver");
        self.receiver = Some(Process::start("skinlink-hq", &program, &arguments, &self.environment, &log)?);
        Ok(())
    }

    /// Whether headquarters' receiver runs.
    pub fn receiver_runs(&mut self) -> bool {
        self.receiver.as_mut().is_some_and(|receiver| receiver.still_running().is_ok())
    }

    /// Ends headquarters' receiver as a power cut would.
    ///
    /// # Errors
    /// When it was gone already.
    pub async fn kill_receiver(&mut self) -> anyhow::Result<()> {
        match self.receiver.take() {
            Some(receiver) => receiver.kill().await,
            None => bail!("the receiver does not run"),
        }
    }

    /// Writes the daemon's configuration and starts it; `environment` may name a point to be killed at.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn start_daemon(&self, environment: &[(&str, String)]) -> anyhow::Result<Process> {
        let config = self.write_config()?;
        let arguments = [OsString::from("run"), "--config".into(), config.into()];
        let environment = [environment, &self.environment].concat();
        Process::start("skinlink run", &self.places.program, &arguments, &environment, &self.log("daemon"))
    }

    /// Waits until the daemon answers.
    ///
    /// # Errors
    /// When it ended, or stays silent too long; with the end of its log.
    pub async fn until_ready(&self, daemon: &mut Process) -> anyhow::Result<()> {
        let limit = Instant::now() + START_LIMIT;
        let http = reqwest::Client::builder().timeout(Duration::from_secs(2)).build()?;
        while Instant::now() < limit {
            if let Err(ended) = daemon.still_running() {
                bail!("{ended}; it said:\n{}", self.daemon_log());
            }
            if http.get(format!("{}/api/v1/status", self.address())).send().await.is_ok() {
                // Whoever answers must be ours.
                return daemon.still_running();
            }
            sleep(Duration::from_millis(20)).await;
        }
        bail!("the daemon does not answer within {START_LIMIT:?}; it said:\n{}", self.daemon_log())
    }

    /// The end of what the daemon logged.
    #[must_use]
    pub fn daemon_log(&self) -> String {
        let log = fs::read_to_string(self.log("daemon")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(25)..].join("\n")
    }

    fn log(&self, of: &str) -> PathBuf {
        self.places.folder.join(format!("{of}.log"))
    }

    fn write_config(&self) -> anyhow::Result<PathBuf> {
        let Places { folder, project, onnxruntime, .. } = &self.places;
        let TlsFiles { ca, certificate, key } = &self.gateway_tls;
        let shown = |path: &Path| toml::Value::String(path.display().to_string()).to_string();
        let devices: String = plant::DEVICES
            .iter()
            .map(|device| {
                let air = self.in_the_air.iter().find(|(protocol, _)| *protocol == device.protocol);
                let place = match air {
                    Some((_, address)) => format!("address = \"{address}\""),
                    None => format!("path = {}", shown(&self.device_port(device.protocol))),
                };
                format!("[[device]]\nstation = \"{STATION}\"\nprotocol = \"{}\"\n{place}\n", device.protocol)
            })
            .collect();
        let text = format!(
            "[store]\nid = \"{STORE}\"\ngateway = \"{GATEWAY}\"\ndata = {data}\nmin_free_mib = 64\n\
             [[station]]\nid = \"{STATION}\"\nlabel = {{ zh = \"一号护理位\", en = \"Chair 1\" }}\n{devices}\
             [mqtt]\nenabled = true\nhost = \"127.0.0.1\"\nport = {broker}\nca = {ca}\ncertificate = {certificate}\nkey = {key}\n\
             [web]\nlisten = \"127.0.0.1:{port}\"\n\
             [sync]\nimage_kib_per_s = 0\nresend_after_s = 3\n\
             [scan]\nprotocols = {protocols}\nmodels = {models}\nmetrics_file = {metrics}\nregions_file = {regions}\nsuggestions_file = {suggestions}\ntreatments_file = {treatments}\nonnxruntime = {runtime}\n{scan}",
            data = shown(&folder.join("data")),
            broker = self.broker.port(),
            ca = shown(ca),
            certificate = shown(certificate),
            key = shown(key),
            port = self.port,
            scan = self.scan,
            protocols = shown(&project.join("firmware-protocols")),
            models = shown(&self.models),
            metrics = shown(&project.join("config/metrics.toml")),
            regions = shown(&project.join("config/face-regions.toml")),
            suggestions = shown(&project.join("config/suggestions.toml")),
            treatments = shown(&project.join("config/treatments.toml")),
            runtime = shown(onnxruntime),
        );
        let path = folder.join("gateway.toml");
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }
}

/// A gateway that serves this port already holds real visits: the stage must never be played on it.
fn untaken(port: u16) -> anyhow::Result<u16> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).with_context(|| {
        format!("port {port} is taken, perhaps by the salon's own gateway; take another one (0 takes a free one)")
    })?;
    Ok(port)
}

fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
