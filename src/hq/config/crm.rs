//! Where and how programs of the CRM are served.

use serde::Deserialize;
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

/// `[crm]` as written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawCrm {
    pub listen: Option<SocketAddr>,
    pub certificate: Option<PathBuf>,
    pub key: Option<PathBuf>,
    pub behind_proxy: Option<bool>,
}

/// Resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CrmSettings {
    pub listen: SocketAddr,
    /// Certificate chain and private key (PKCS#8), PEM; `None`: plain HTTP, on this machine or behind a proxy.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// A proxy of our own stands before it and names whom it speaks for in `X-Forwarded-For`.
    pub behind_proxy: bool,
}

impl RawCrm {
    /// Relative paths are taken from the file's folder.
    pub(super) fn take_paths_from(&mut self, folder: &Path) {
        for file in [&mut self.certificate, &mut self.key].into_iter().flatten() {
            *file = folder.join(&*file);
        }
    }

    /// # Errors
    /// A sentence that says what is missing or wrong.
    pub fn resolve(self) -> Result<CrmSettings, String> {
        let Self { listen, certificate, key, behind_proxy } = self;
        let listen = listen.ok_or("missing: crm.listen; give it in the file, or leave [crm] out")?;
        let behind_proxy = behind_proxy.unwrap_or(false);
        let tls = match (certificate, key) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => return Err("crm.certificate and crm.key: give both, or neither".to_owned()),
        };
        if tls.is_none() && !behind_proxy && !listen.ip().is_loopback() {
            return Err(format!(
                "crm.listen is {listen}, where keys and records would travel in the clear; give crm.certificate and crm.key, listen \
                 on 127.0.0.1, or put a proxy with a certificate before it and set crm.behind_proxy = true"
            ));
        }
        Ok(CrmSettings { listen, tls, behind_proxy })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_travels_in_the_clear_to_other_machines() {
        let read = |text: &str| toml::from_str::<RawCrm>(text).map_err(|fault| fault.to_string())?.resolve();
        assert!(read("listen = \"127.0.0.1:8893\"").unwrap().tls.is_none());
        assert!(read("listen = \"0.0.0.0:8893\"").unwrap_err().contains("in the clear"));
        assert!(read("listen = \"0.0.0.0:8893\"\nbehind_proxy = true").unwrap().behind_proxy);
        let files = "certificate = \"crm.pem\"\nkey = \"crm.key\"";
        assert!(read(&format!("listen = \"0.0.0.0:8893\"\n{files}")).unwrap().tls.is_some());
        assert!(read("listen = \"127.0.0.1:8893\"\nkey = \"crm.key\"").unwrap_err().contains("give both"));
        assert!(read("behind_proxy = true").unwrap_err().contains("crm.listen"));
    }
}
