//! The salon's own certificate for tablets in its network: an authority made at the first start and a leaf under the names of
//! `[web] names`, both in `tls/` of the data folder. The leaf is made anew when a name was added or half of its time is over, at
//! the start and while the gateway runs; the authority stays, so that tablets that trust it go on doing so. Its key stays on this
//! machine, readable by the gateway only.

use super::supervisor::Tasks;
use crate::{
    adapters::{
        announce::{announce, announceable},
        pki::{self, Authority, Use, Validity},
    },
    clock,
    config::Config,
    domain::Timestamp,
    web::{
        AppState,
        lan::{self, BadCertificate, Renewal, Secured},
        trust::Trust,
    },
};
use anyhow::Context as _;
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{net::TcpListener, time::sleep};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

/// Browsers refuse longer ones of public authorities; the salon's own is made anew after half of it.
const LEAF_DAYS: u32 = 397;
/// As long as a salon's tablets last.
const AUTHORITY_DAYS: u32 = 3_650;
/// With fewer days left the leaf is made anew.
const HALF_DAYS: i32 = 198;
/// With fewer days left every tablet must be given a new authority: a person has to plan that.
const AUTHORITY_WARNS_DAYS: i32 = 120;
/// How often a running gateway looks at its certificate.
const LOOK: Duration = Duration::from_secs(6 * 3600);

/// What serves the LAN.
pub struct Lan {
    pub listener: Secured,
    pub names: Vec<String>,
    /// What tablets install.
    pub trust: Trust,
    pub keeper: Keeper,
}

/// Keeps the certificate fresh while the gateway runs.
#[derive(Debug)]
pub struct Keeper {
    folder: PathBuf,
    names: Vec<String>,
    renewal: Renewal,
    /// The chain that is served now.
    served: Vec<u8>,
}

/// The listener for the LAN with its names; `None` where the configuration has none.
///
/// # Errors
/// When the address is taken or the certificate cannot be made.
pub async fn listener(config: &Config) -> anyhow::Result<Option<Lan>> {
    let Some(address) = config.web.lan else { return Ok(None) };
    let plain = TcpListener::bind(address).await.with_context(|| {
        format!("cannot serve the LAN on {address}; another program holds the port: change web.lan")
    })?;
    let (folder, names) = (config.store.data.join("tls"), config.web.names.clone());
    let (served, key) = certificate(&folder, &names, clock::now().wall)?;
    let (listener, renewal) = lan::secured(plain, &served, &key)?;
    let authority = fs::read(folder.join("ca.pem")).context("cannot read the authority that was just made")?;
    let trust = Trust::new(&authority, &names, address.port())?;
    let keeper = Keeper { folder, names: names.clone(), renewal, served };
    Ok(Some(Lan { listener, names, trust, keeper }))
}

/// Whether what [`listener`] reads of its own is there and can be read: somebody may be changing it.
///
/// # Errors
/// The file that cannot be read.
pub fn can_be_read(config: &Config) -> anyhow::Result<()> {
    let folder = config.store.data.join("tls");
    if config.web.lan.is_none() || !folder.exists() {
        return Ok(());
    }
    for entry in fs::read_dir(&folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if path.is_file() {
            fs::read(&path).with_context(|| format!("cannot read {}; check its rights", path.display()))?;
        }
    }
    Ok(())
}

/// Starts serving, and keeping the certificate fresh.
pub fn start(lan: Option<Lan>, config: &Config, state: &AppState, tasks: &mut Tasks, stop: &CancellationToken) {
    let Some(Lan { listener, names, trust: _, keeper }) = lan else { return };
    if let Some(address) = config.web.lan.filter(|_| config.web.announce) {
        say_the_name(&names, address.port(), tasks, stop);
    }
    let (state, stopped, names) = (state.clone(), stop.clone(), names.into());
    tasks.start("web for the LAN", async move {
        lan::serve(listener, state, names, stopped).await;
        Ok(())
    });
    let stopped = stop.clone();
    tasks.start("certificate for the LAN", async move {
        keeper.run(stopped).await;
        Ok(())
    });
}

/// Without it everything works but the name: tablets reach the gateway by its address.
fn say_the_name(names: &[String], port: u16, tasks: &mut Tasks, stop: &CancellationToken) {
    let names = announceable(names);
    if names.is_empty() {
        return;
    }
    match announce(names, port) {
        Ok(announced) => {
            let stopped = stop.clone();
            tasks.start("name in the LAN", async move {
                announced.run(stopped).await;
                Ok(())
            });
        }
        Err(fault) => warn!("{fault}"),
    }
}

impl Keeper {
    /// Looks four times a day, until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            self.look(clock::now().wall);
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep(LOOK) => {}
            }
        }
    }

    /// Makes and serves a new certificate where it is time. What cannot be made is told with the days that are left; the old one
    /// goes on meanwhile.
    fn look(&mut self, now: Timestamp) {
        let fresh = certificate(&self.folder, &self.names, now);
        let renewed = fresh.and_then(|(chain, key)| {
            if chain == self.served {
                return Ok(false);
            }
            self.renewal.replace(&chain, &key).map_err(BadCertificate::from)?;
            self.served = chain;
            Ok(true)
        });
        let left = pki::days(&self.served, now).map_or(0, |(_, left)| left);
        match renewed {
            Ok(true) => info!(days = left, "the certificate for the LAN was made anew; tablets notice nothing"),
            Ok(false) => {}
            Err(fault) => error!(
                "the certificate for the LAN cannot be made anew and ends in {left} days: {fault:#}; mend it, or tablets are \
                 locked out then"
            ),
        }
        let authority = fs::read(self.folder.join("ca.pem")).ok().and_then(|pem| pki::days(&pem, now).ok());
        if let Some((_, left)) = authority.filter(|(_, left)| *left < AUTHORITY_WARNS_DAYS) {
            warn!(
                "the salon's authority ends in {left} days: plan a day on which every tablet installs a new one; stop the \
                 gateway, move {} away, start it, then open /trust on each tablet",
                self.folder.display()
            );
        }
    }
}

/// Chain and key in PEM.
fn certificate(folder: &Path, names: &[String], now: Timestamp) -> anyhow::Result<(Vec<u8>, Vec<u8>)> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let wanted = names.join("\n");
    let note = folder.join("names");
    let (leaf, key) = (folder.join("lan.pem"), folder.join("lan.key"));
    let days = fs::read(&leaf).ok().and_then(|pem| pki::days(&pem, now).ok());
    // One that has not begun was made under a clock that was wrong then.
    let fresh = days.is_some_and(|(since, left)| since >= 0 && left >= HALF_DAYS);
    let good = fresh && fs::read_to_string(&note).is_ok_and(|text| text == wanted) && key.exists();
    if !good {
        let authority = Authority::kept(folder, "skinlink salon", Validity::days(now, AUTHORITY_DAYS))?;
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        authority.issue(folder, "lan", Use::Server(&names), Validity::days(now, LEAF_DAYS))?;
        fs::write(&note, wanted).with_context(|| format!("cannot write {}", note.display()))?;
    }
    let read = |path: &Path| fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    Ok((read(&leaf)?, read(&key)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-06-01
    const NOW: i64 = 1_780_272_000_000;

    fn after(days: i64) -> Timestamp {
        Timestamp::from_unix_ms(NOW + days * 86_400_000)
    }

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|n| (*n).to_owned()).collect()
    }

    #[test]
    fn the_authority_stays_when_a_name_is_added() {
        let folder = tempfile::tempdir().unwrap();
        let first = certificate(folder.path(), &names(&["skinlink.local"]), after(0)).unwrap();
        let authority = fs::read(folder.path().join("ca.pem")).unwrap();
        assert_eq!(certificate(folder.path(), &names(&["skinlink.local"]), after(0)).unwrap(), first, "made once");
        let second = certificate(folder.path(), &names(&["skinlink.local", "192.168.1.10"]), after(0)).unwrap();
        assert_ne!(first, second);
        assert_eq!(fs::read(folder.path().join("ca.pem")).unwrap(), authority, "tablets go on trusting it");
    }

    /// A gateway that is never started anew served a certificate that ended after thirteen months, and locked every tablet out.
    #[tokio::test]
    async fn a_gateway_that_runs_for_years_never_serves_a_certificate_that_has_ended() {
        let folder = tempfile::tempdir().unwrap();
        let names = names(&["skinlink.local"]);
        let (served, key) = certificate(folder.path(), &names, after(0)).unwrap();
        let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (_listener, renewal) = lan::secured(plain, &served, &key).unwrap();
        let mut keeper = Keeper { folder: folder.path().to_owned(), names, renewal, served };
        let mut made = vec![keeper.served.clone()];
        for day in 0..1_500 {
            keeper.look(after(day));
            let (since, left) = pki::days(&keeper.served, after(day)).unwrap();
            assert!(since >= 0 && left >= HALF_DAYS, "day {day}: begun {since} days ago, {left} left");
            if made.last() != Some(&keeper.served) {
                made.push(keeper.served.clone());
            }
        }
        assert_eq!(made.len(), 8, "made anew after half of its time, not every day");
        // What was made under a clock that ran ahead is no good once the clock is set.
        keeper.look(after(-30));
        assert!(pki::days(&keeper.served, after(-30)).unwrap().0 >= 0);
    }
}
