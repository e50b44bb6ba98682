//! A `dbus-daemon` of our own, that may be killed and started again at the same address.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tokio::{
    net::UnixStream,
    process::{Child, Command},
    time::{Instant, sleep},
};

/// A bus daemon starts within a tenth of this on a busy machine.
const START_LIMIT: Duration = Duration::from_secs(10);

/// A private bus. Ends with its value.
#[derive(Debug)]
pub struct Bus {
    folder: PathBuf,
    daemon: Option<Child>,
}

impl Bus {
    /// Starts one whose socket and configuration lie in `folder`.
    ///
    /// # Panics
    /// Where `dbus-daemon` is not installed or does not start in time.
    pub async fn start(folder: &Path) -> Self {
        let mut bus = Self { folder: folder.to_owned(), daemon: None };
        fs::write(bus.folder.join("bus.conf"), bus.configuration()).expect("the folder takes a file");
        bus.start_again().await;
        bus
    }

    /// As the variable DBUS_SYSTEM_BUS_ADDRESS wants it.
    #[must_use]
    pub fn address(&self) -> String {
        format!("unix:path={}", self.socket().display())
    }

    /// Kills the daemon: every connection breaks.
    ///
    /// # Panics
    /// Where it cannot be killed.
    pub async fn kill(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            daemon.kill().await.expect("our own daemon can be killed");
        }
    }

    /// Starts it at the same address.
    ///
    /// # Panics
    /// As [`Bus::start`].
    pub async fn start_again(&mut self) {
        // What a killed one left would look like a bus.
        let _ = fs::remove_file(self.socket());
        let daemon = Command::new("dbus-daemon")
            .arg(format!("--config-file={}", self.folder.join("bus.conf").display()))
            .args(["--nofork", "--nopidfile"])
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("dbus-daemon is installed (scripts/setup.sh does that)");
        self.daemon = Some(daemon);
        let begun = Instant::now();
        while UnixStream::connect(self.socket()).await.is_err() {
            assert!(begun.elapsed() < START_LIMIT, "dbus-daemon does not start within {START_LIMIT:?}");
            sleep(Duration::from_millis(5)).await;
        }
    }

    fn socket(&self) -> PathBuf {
        self.folder.join("bus")
    }

    fn configuration(&self) -> String {
        format!(
            "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\"\n\
             \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n\
             <busconfig><type>system</type><listen>{}</listen><auth>EXTERNAL</auth><policy context=\"default\">\
             <allow user=\"*\"/><allow own=\"*\"/><allow send_destination=\"*\"/><allow receive_sender=\"*\"/>\
             </policy></busconfig>\n",
            self.address()
        )
    }
}
