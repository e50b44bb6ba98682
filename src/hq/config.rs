//! What the receiver must know: a small file, or the same by flags; a flag wins over the file.

use super::database::HqError;
use crate::adapters::{mqtt::MqttSettings, pki::TlsFiles};
use serde::Deserialize;
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

/// Largest picture taken unless configured, in MiB.
const DEFAULT_MAX_IMAGE_MIB: u64 = 64;

/// What HQ may hold unanswered from the broker: a few windows of many gateways.
const RECEIVE_MAXIMUM: u16 = 500;

/// Resolved settings.
#[derive(Debug, Clone)]
pub struct HqConfig {
    pub host: String,
    pub port: u16,
    /// Common name of its certificate and MQTT client id; two receivers need two names.
    pub name: String,
    pub tls: TlsFiles,
    pub data: PathBuf,
    pub max_image_bytes: u64,
}

impl HqConfig {
    /// How to reach the broker.
    #[must_use]
    pub fn mqtt(&self) -> MqttSettings {
        MqttSettings {
            host: self.host.clone(),
            port: self.port,
            client_id: self.name.clone(),
            tls: self.tls.clone(),
            keep_alive: Duration::from_secs(30),
            subscriptions: super::receive::subscriptions(),
            last_will: None,
            receive_maximum: RECEIVE_MAXIMUM,
            arrived_capacity: usize::from(RECEIVE_MAXIMUM),
        }
    }
}

/// The file or the flags as written; relative paths of the file are taken from its folder.
#[derive(Debug, Clone, Default, Deserialize, clap::Args)]
#[serde(deny_unknown_fields)]
pub struct RawHqConfig {
    /// Broker's host name, as its certificate says it
    #[arg(long)]
    pub host: Option<String>,
    /// Broker's TLS port (default 8883)
    #[arg(long)]
    pub port: Option<u16>,
    /// This receiver's name: the common name of its certificate [hq-1]
    #[arg(long)]
    pub name: Option<String>,
    /// The only authority trusted (PEM)
    #[arg(long)]
    pub ca: Option<PathBuf>,
    /// This receiver's certificate chain (PEM)
    #[arg(long)]
    pub certificate: Option<PathBuf>,
    /// Its private key (PKCS#8, PEM)
    #[arg(long)]
    pub key: Option<PathBuf>,
    /// Folder of the database and the pictures; made where absent
    #[arg(long)]
    pub data: Option<PathBuf>,
    /// Largest picture taken, in MiB (default 64)
    #[arg(long)]
    pub max_image_mib: Option<u64>,
}

impl RawHqConfig {
    /// Reads the file.
    ///
    /// # Errors
    /// [`HqError::Config`] with what is wrong in it.
    pub fn read(path: &Path) -> Result<Self, HqError> {
        let text = fs::read_to_string(path).map_err(|source| HqError::File { path: path.to_owned(), source })?;
        let mut raw: Self = toml::from_str(&text)
            .map_err(|fault| HqError::Config { path: path.to_owned(), reason: fault.to_string() })?;
        let folder = path.parent().unwrap_or(Path::new("."));
        for file in [&mut raw.ca, &mut raw.certificate, &mut raw.key, &mut raw.data].into_iter().flatten() {
            *file = folder.join(&*file);
        }
        Ok(raw)
    }

    /// These values where they are given, else `other`'s.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            host: self.host.or(other.host),
            port: self.port.or(other.port),
            name: self.name.or(other.name),
            ca: self.ca.or(other.ca),
            certificate: self.certificate.or(other.certificate),
            key: self.key.or(other.key),
            data: self.data.or(other.data),
            max_image_mib: self.max_image_mib.or(other.max_image_mib),
        }
    }

    /// # Errors
    /// A sentence that names every value still missing.
    pub fn resolve(self) -> Result<HqConfig, String> {
        let Self { host, port, name, ca, certificate, key, data, max_image_mib } = self;
        let given = [
            ("host", host.is_some()),
            ("ca", ca.is_some()),
            ("certificate", certificate.is_some()),
            ("key", key.is_some()),
            ("data", data.is_some()),
        ];
        let absent: Vec<&str> = given.iter().filter(|(_, given)| !given).map(|(name, _)| *name).collect();
        let (Some(host), Some(ca), Some(certificate), Some(key), Some(data)) = (host, ca, certificate, key, data)
        else {
            return Err(format!("missing: {}; give them in the file or as --flags", absent.join(", ")));
        };
        Ok(HqConfig {
            host,
            port: port.unwrap_or(8883),
            name: name.unwrap_or_else(|| "hq-1".to_owned()),
            tls: TlsFiles { ca, certificate, key },
            data,
            max_image_bytes: max_image_mib.unwrap_or(DEFAULT_MAX_IMAGE_MIB) * 1024 * 1024,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_file_is_whole_and_a_flag_wins() {
        let file = RawHqConfig::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("config/hq.toml")).unwrap();
        let flags = RawHqConfig { port: Some(1), ..RawHqConfig::default() };
        let config = flags.or(file).resolve().unwrap();
        assert_eq!((config.port, config.name.as_str()), (1, "hq-1"));
    }

    #[test]
    fn what_is_missing_is_named_at_once() {
        let missing = RawHqConfig { host: Some("broker".into()), ..RawHqConfig::default() }.resolve().unwrap_err();
        assert!(missing.starts_with("missing: ca, certificate, key, data;"), "{missing}");
    }
}
