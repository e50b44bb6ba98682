//! A real mosquitto for the demo and the tests: on a loopback port of its own, TLS with client certificates, one access
//! list for gateways and receivers. Not for production, but its configuration is the one the installation guide gives.

use std::{
    fs, io,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tokio::{
    net::TcpStream,
    process::{Child, Command},
    time::{Instant, sleep},
};

/// How long mosquitto may take to open its port; it needs some 20 ms on an idle machine.
const START_LIMIT: Duration = Duration::from_secs(30);

/// Where distributions put it; `sbin` is not on everybody's path.
const PLACES: &[&str] =
    &["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto", "/usr/bin/mosquitto", "/opt/homebrew/sbin/mosquitto"];

/// Why there is no broker.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    #[error("mosquitto is not installed; install the package \"mosquitto\" (version 2) and try again")]
    NotInstalled,
    #[error("cannot prepare the broker's folder {folder}: {source}")]
    Folder { folder: PathBuf, source: io::Error },
    #[error("mosquitto does not start: {0}")]
    NotStarted(String),
}

/// Certificates of the broker itself.
#[derive(Debug, Clone)]
pub struct BrokerTls {
    pub ca: PathBuf,
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// A running mosquitto; killed when dropped.
#[derive(Debug)]
pub struct Broker {
    folder: PathBuf,
    port: u16,
    tls: BrokerTls,
    child: Option<Child>,
}

impl Broker {
    /// Writes a configuration into `folder` and starts mosquitto with it. `receivers` are the common names that may read
    /// what gateways send and answer them; every other certificate of the authority is a gateway of that name.
    ///
    /// # Errors
    /// [`BrokerError`]; `NotInstalled` says what to install.
    pub async fn start(folder: &Path, tls: &BrokerTls, receivers: &[&str]) -> Result<Self, BrokerError> {
        let failed = |source| BrokerError::Folder { folder: folder.to_owned(), source };
        fs::create_dir_all(folder).map_err(failed)?;
        let port = free_port().map_err(failed)?;
        fs::write(folder.join("acl"), access_list(receivers)).map_err(failed)?;
        fs::write(folder.join("mosquitto.conf"), configuration(folder, port, tls, false)).map_err(failed)?;
        let mut broker = Self { folder: folder.to_owned(), port, tls: tls.clone(), child: None };
        broker.restart().await?;
        Ok(broker)
    }

    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What mosquitto said, for the message of a failing test.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// From its next start on it writes what it holds to disk every second, or keeps it in memory alone.
    ///
    /// # Errors
    /// When its configuration cannot be written.
    pub fn keep_on_disk(&mut self, on_disk: bool) -> Result<(), BrokerError> {
        let text = configuration(&self.folder, self.port, &self.tls, on_disk);
        fs::write(self.folder.join("mosquitto.conf"), text)
            .map_err(|source| BrokerError::Folder { folder: self.folder.clone(), source })
    }

    /// Removes what it wrote to disk; to be called while it is down.
    ///
    /// # Errors
    /// When the file is there and cannot be removed.
    pub fn forget(&mut self) -> Result<(), BrokerError> {
        match fs::remove_file(self.folder.join("mosquitto.db")) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(BrokerError::Folder { folder: self.folder.clone(), source })
            }
            _ => Ok(()),
        }
    }

    /// As a power cut: no polite word to anyone. Nothing but the port number is kept.
    pub async fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill().await;
        }
    }

    /// Starts it again on the same port, killing it before if it runs.
    ///
    /// # Errors
    /// [`BrokerError::NotStarted`] with what it printed.
    pub async fn restart(&mut self) -> Result<(), BrokerError> {
        let limit = Instant::now() + START_LIMIT;
        loop {
            match self.start_once().await {
                // A caller that dials the port while nobody listens may hold it for a moment.
                Err(BrokerError::NotStarted(why))
                    if why.contains("Address already in use") && Instant::now() < limit =>
                {
                    sleep(Duration::from_millis(100)).await;
                }
                started => return started,
            }
        }
    }

    async fn start_once(&mut self) -> Result<(), BrokerError> {
        self.kill().await;
        let program = PLACES.iter().find(|place| Path::new(place).exists()).ok_or(BrokerError::NotInstalled)?;
        let said_before = self.log().len();
        let not_started = |fault: io::Error| BrokerError::NotStarted(fault.to_string());
        let log =
            fs::OpenOptions::new().create(true).append(true).open(self.folder.join("log")).map_err(not_started)?;
        let child = Command::new(program)
            .arg("-c")
            .arg(self.folder.join("mosquitto.conf"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(not_started)?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .map_err(not_started)?;
        self.child = Some(child);
        self.wait_until_running(said_before).await
    }

    /// An open port alone says little: mosquitto opens it before it has read its certificates.
    async fn wait_until_running(&mut self, said_before: usize) -> Result<(), BrokerError> {
        let limit = Instant::now() + START_LIMIT;
        while Instant::now() < limit {
            let log = self.log();
            let said = log.get(said_before..).unwrap_or_default();
            if let Some(Ok(Some(status))) = self.child.as_mut().map(Child::try_wait) {
                return Err(BrokerError::NotStarted(format!("{status}; it said: {said}")));
            }
            if said.contains(" running\n") && TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await.is_ok() {
                return Ok(());
            }
            sleep(Duration::from_millis(20)).await;
        }
        Err(BrokerError::NotStarted(format!("not running after {} s; it said: {}", START_LIMIT.as_secs(), self.log())))
    }
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// `use_username_as_clientid`: otherwise any gateway could connect under another's client id and push it out.
/// `max_queued_messages`: the default of 1,000 drops in silence what comes beyond; 0 (no limit) makes mosquitto 2.0.11 hang
/// up on a client whose publish the access list denies, instead of saying so.
/// `set_tcp_nodelay`: without it the broker holds an event back until the receiver's kernel has confirmed the acknowledgement
/// before it, up to 40 ms.
/// `user root`: started by root, mosquitto would change to a user who may not read the folder; otherwise it has no effect.
fn configuration(folder: &Path, port: u16, tls: &BrokerTls, on_disk: bool) -> String {
    let persistence = if on_disk {
        format!("persistence true\npersistence_location {}/\nautosave_interval 1", folder.display())
    } else {
        "persistence false".to_owned()
    };
    let (folder, ca, certificate, key) =
        (folder.display(), tls.ca.display(), tls.certificate.display(), tls.key.display());
    format!(
        "user root
per_listener_settings false
{persistence}
allow_anonymous false
acl_file {folder}/acl
max_queued_messages 1000000
set_tcp_nodelay true
max_inflight_messages 1000
message_size_limit 65536
log_dest stderr
log_type error
log_type warning
log_type notice
log_type information
connection_messages true
listener {port} 127.0.0.1
cafile {ca}
certfile {certificate}
keyfile {key}
tls_version tlsv1.2
require_certificate true
use_identity_as_username true
use_username_as_clientid true
"
    )
}

fn access_list(receivers: &[&str]) -> String {
    let mut list = String::new();
    for lane in ["events", "hello", "status", "about", "blobs/#"] {
        list += &format!("pattern write skinlink/1/+/%u/{lane}\n");
    }
    list += "pattern read skinlink/1/+/%u/ack\n";
    for name in receivers {
        list += &format!("user {name}\n");
        for lane in ["events", "hello", "status", "about", "blobs/#"] {
            list += &format!("topic read skinlink/1/+/+/{lane}\n");
        }
        list += "topic write skinlink/1/+/+/ack\n";
    }
    list
}
