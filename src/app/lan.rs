//! The salon's own certificate for tablets in its network: an authority made at the first start and a leaf under the names of
//! `[web] names`, both in `tls/` of the data folder. The leaf is made anew when a name was added or its end is near; the
//! authority stays, so that tablets that trust it go on doing so. Its key stays on this machine, readable by the gateway only.

use crate::{
    adapters::pki::{Authority, Use, Validity},
    clock,
    config::Config,
    web::lan::Secured,
};
use anyhow::Context as _;
use std::{fs, path::Path};
use tokio::net::TcpListener;

/// Browsers refuse longer ones of public authorities; the salon's own is made anew at every start after half of it.
const LEAF_DAYS: u32 = 397;
/// As long as a salon's tablets last.
const AUTHORITY_DAYS: u32 = 3_650;
const HALF: i64 = 198 * 86_400_000;

/// The listener for the LAN with its names; `None` where the configuration has none.
///
/// # Errors
/// When the address is taken or the certificate cannot be made.
pub async fn listener(config: &Config) -> anyhow::Result<Option<(Secured, Vec<String>)>> {
    let Some(address) = config.web.lan else { return Ok(None) };
    let plain = TcpListener::bind(address).await.with_context(|| {
        format!("cannot serve the LAN on {address}; another program holds the port: change web.lan")
    })?;
    let folder = config.store.data.join("tls");
    let (chain, key) = certificate(&folder, &config.web.names)?;
    Ok(Some((Secured::new(plain, &chain, &key)?, config.web.names.clone())))
}

/// Chain and key in PEM.
fn certificate(folder: &Path, names: &[String]) -> anyhow::Result<(Vec<u8>, Vec<u8>)> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let now = clock::now().wall;
    let wanted = names.join("\n");
    let note = folder.join("names");
    let (leaf, key) = (folder.join("lan.pem"), folder.join("lan.key"));
    let made = fs::metadata(&leaf).and_then(|m| m.modified()).ok();
    let age = made.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
    let age = age.map_or(i64::MAX, |at| now.unix_ms() - i64::try_from(at.as_millis()).unwrap_or(0));
    let good = fs::read_to_string(&note).is_ok_and(|text| text == wanted) && (0..HALF).contains(&age) && key.exists();
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

    #[test]
    fn the_authority_stays_when_a_name_is_added() {
        let folder = tempfile::tempdir().unwrap();
        let names = |list: &[&str]| list.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let first = certificate(folder.path(), &names(&["skinlink.local"])).unwrap();
        let authority = fs::read(folder.path().join("ca.pem")).unwrap();
        assert_eq!(certificate(folder.path(), &names(&["skinlink.local"])).unwrap(), first, "made once");
        let second = certificate(folder.path(), &names(&["skinlink.local", "192.168.1.10"])).unwrap();
        assert_ne!(first, second);
        assert_eq!(fs::read(folder.path().join("ca.pem")).unwrap(), authority, "tablets go on trusting it");
    }
}
