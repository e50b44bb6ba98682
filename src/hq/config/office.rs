//! Where and how headquarters' own people are served.

use serde::Deserialize;
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

/// The chain's clock unless configured: China, Hong Kong, Taiwan.
const UTC_OFFSET_MIN: i32 = 8 * 60;

/// `[office]` as written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawOffice {
    pub listen: Option<SocketAddr>,
    pub behind_proxy: Option<bool>,
    pub certificate: Option<PathBuf>,
    pub key: Option<PathBuf>,
    pub utc_offset_min: Option<i32>,
    pub metrics_token_file: Option<PathBuf>,
}

/// Resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfficeSettings {
    pub listen: SocketAddr,
    /// A proxy of our own stands before it, does TLS, and names whom it speaks for in `X-Forwarded-For`.
    pub behind_proxy: bool,
    /// Certificate chain and key (PEM), where it does TLS itself.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Minutes east of UTC of the times on the pages, and of the days that are counted.
    pub utc_offset_min: i32,
    /// Holds what whoever reads `/metrics` must show; `None`: no metrics.
    pub metrics_token: Option<PathBuf>,
}

impl RawOffice {
    /// Relative paths are taken from the file's folder.
    pub(super) fn take_paths_from(&mut self, folder: &Path) {
        for file in [&mut self.certificate, &mut self.key, &mut self.metrics_token_file].into_iter().flatten() {
            *file = folder.join(&*file);
        }
    }

    /// # Errors
    /// A sentence that says what is missing or wrong.
    pub fn resolve(self) -> Result<OfficeSettings, String> {
        let Self { listen, behind_proxy, certificate, key, utc_offset_min, metrics_token_file } = self;
        let listen = listen.ok_or("missing: office.listen; give it in the file, or leave [office] out")?;
        let behind_proxy = behind_proxy.unwrap_or(false);
        let tls = match (certificate, key) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => return Err("office.certificate and office.key belong together; give both or neither".to_owned()),
        };
        if tls.is_none() && !behind_proxy && !listen.ip().is_loopback() {
            return Err(format!(
                "office.listen = \"{listen}\" is reachable from other machines, and passwords would go there in the clear; give \
                 office.certificate and office.key, or listen on 127.0.0.1, or set behind_proxy = true where a proxy of yours does TLS"
            ));
        }
        let utc_offset_min = utc_offset_min.unwrap_or(UTC_OFFSET_MIN);
        if !(-12 * 60..=14 * 60).contains(&utc_offset_min) {
            return Err(format!("office.utc_offset_min is {utc_offset_min}; -720 to 840, such as 480 for UTC+8"));
        }
        Ok(OfficeSettings { listen, behind_proxy, tls, utc_offset_min, metrics_token: metrics_token_file })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_never_travel_in_the_clear() {
        let read = |text: &str| toml::from_str::<RawOffice>(text).map_err(|fault| fault.to_string())?.resolve();
        assert_eq!(read("listen = \"127.0.0.1:8892\"").unwrap().utc_offset_min, 480);
        assert!(read("listen = \"0.0.0.0:8892\"").unwrap_err().contains("in the clear"));
        assert!(read("listen = \"0.0.0.0:8892\"\nbehind_proxy = true").is_ok());
        let tls = "listen = \"0.0.0.0:8892\"\ncertificate = \"a.pem\"";
        assert!(read(tls).unwrap_err().contains("belong together"));
        assert!(read(&format!("{tls}\nkey = \"a.key\"")).unwrap().tls.is_some());
        assert!(read("behind_proxy = true").unwrap_err().contains("office.listen"));
        assert!(read("listen = \"127.0.0.1:8892\"\nutc_offset_min = 1000").unwrap_err().contains("-720"));
        assert!(read("listen = \"127.0.0.1:8892\"\nuser = \"x\"").unwrap_err().contains("unknown field"));
    }
}
