//! The demo's processes: started, watched until they are ready, ended together.

use anyhow::{Context, bail};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{ffi::OsString, fs::OpenOptions, path::Path, process::Stdio, time::Duration};
use tokio::{
    process::{Child, Command},
    time::timeout,
};

/// Longest polite end of one process; after it the hard one.
const GRACE: Duration = Duration::from_secs(10);

/// A process of ours; killed when dropped.
#[derive(Debug)]
pub struct Process {
    name: &'static str,
    child: Child,
}

impl Process {
    /// Starts `program` with its standard error at the end of `log`.
    ///
    /// # Errors
    /// When the program or the log cannot be opened.
    pub fn start(
        name: &'static str,
        program: &Path,
        arguments: &[OsString],
        environment: &[(&str, String)],
        log: &Path,
    ) -> anyhow::Result<Self> {
        let opened = OpenOptions::new().create(true).append(true).open(log);
        let log = opened.with_context(|| format!("cannot write {}", log.display()))?;
        let child = Command::new(program)
            .args(arguments)
            .envs(environment.iter().map(|(name, value)| (*name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        Ok(Self { name, child })
    }

    /// Its number; `None` once it has ended.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// # Errors
    /// When the process has ended: nothing that it promised will come.
    pub fn still_running(&mut self) -> anyhow::Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("{} ended early ({status})", self.name);
        }
        Ok(())
    }

    /// Asks it to end and waits.
    ///
    /// # Errors
    /// When it had to be killed or ended with a fault.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        if let Some(pid) = self.child.id().and_then(|id| i32::try_from(id).ok()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        let Ok(status) = timeout(GRACE, self.child.wait()).await else {
            self.child.kill().await?;
            bail!("{} did not end within {GRACE:?} and was killed", self.name);
        };
        let status = status?;
        if !status.success() {
            bail!("{} ended with {status}", self.name);
        }
        Ok(())
    }

    /// Whether it ends by itself within `limit`.
    pub async fn ended_within(&mut self, limit: Duration) -> bool {
        timeout(limit, self.child.wait()).await.is_ok()
    }

    /// Ends it as a power cut would.
    ///
    /// # Errors
    /// When it is gone already.
    pub async fn kill(mut self) -> anyhow::Result<()> {
        Ok(self.child.kill().await?)
    }
}
