//! What the receiver must know: a small file, or the same by flags; a flag wins over the file.

mod care;
mod crm;
mod objects;
mod office;
mod reports;
mod rollouts;

pub use care::{CareSettings, RawCare, Webhook, is_public};
pub use crm::{CrmSettings, RawCrm};
pub use objects::{RawObjects, ShelfSettings};
pub use office::{OfficeSettings, RawOffice};
pub use reports::{RawReports, ReportSettings};
pub use rollouts::{RawRollouts, RolloutSettings};

use super::{HqError, database::Place, images::Rules};
use crate::adapters::{mqtt::MqttSettings, pki::TlsFiles};
use serde::Deserialize;
use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

/// Largest picture taken unless configured, in MiB.
const DEFAULT_MAX_IMAGE_MIB: u64 = 64;

/// MQTT over TLS.
const DEFAULT_PORT: u16 = 8883;

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
    pub database: Place,
    /// Where pictures lie; all receivers of one database see the same shelves.
    pub shelves: ShelfSettings,
    pub rules: Rules,
    /// Where the contract is served.
    pub listen: Option<SocketAddr>,
    /// Customers' reports; `None`: not served here.
    pub reports: Option<ReportSettings>,
    /// Programs of the CRM; `None`: not served here.
    pub crm: Option<CrmSettings>,
    /// Messages of care; `None`: none are offered.
    pub care: Option<CareSettings>,
    /// Pages for headquarters' own people; `None`: not served here.
    pub office: Option<OfficeSettings>,
    /// Rollouts; `None`: none are weighed here, and nothing is taken in.
    pub rollouts: Option<RolloutSettings>,
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
    /// The MQTT broker, HOST or HOST:PORT (8883), the host as its certificate says it
    #[arg(long)]
    pub broker: Option<String>,
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
    #[command(flatten)]
    #[serde(flatten)]
    pub database: RawDatabase,
    /// Largest picture taken, in MiB (default 64)
    #[arg(long)]
    pub max_image_mib: Option<u64>,
    /// Serve the contract's documents over HTTP at this address
    #[arg(long)]
    pub listen: Option<SocketAddr>,
    /// The object store; in the file alone.
    #[arg(skip)]
    pub objects: Option<RawObjects>,
    /// Customers' reports; in the file alone.
    #[arg(skip)]
    pub reports: Option<RawReports>,
    /// Programs of the CRM; in the file alone.
    #[arg(skip)]
    pub crm: Option<RawCrm>,
    /// Messages of care; in the file alone.
    #[arg(skip)]
    pub care: Option<RawCare>,
    /// Pages for headquarters' own people; in the file alone.
    #[arg(skip)]
    pub office: Option<RawOffice>,
    /// Rollouts; in the file alone.
    #[arg(skip)]
    pub rollouts: Option<RawRollouts>,
}

/// Where the records are.
#[derive(Debug, Clone, Default, Deserialize, clap::Args)]
pub struct RawDatabase {
    /// Folder of the pictures, and of the database unless --database says otherwise; made where absent
    #[arg(long)]
    pub data: Option<PathBuf>,
    /// sqlite:FILE or postgres://USER@HOST/NAME (default sqlite:DATA/hq.sqlite)
    #[arg(long)]
    pub database: Option<String>,
    /// File that holds the password for PostgreSQL
    #[arg(long)]
    pub database_password_file: Option<PathBuf>,
    /// Authority of PostgreSQL's certificate (PEM); asked for unless the server is on this machine
    #[arg(long)]
    pub database_ca: Option<PathBuf>,
    /// The key that opens what lies on the shelves (default DATA/chain.key, made where absent)
    #[arg(long)]
    pub chain_key_file: Option<PathBuf>,
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
        let RawDatabase { data, database, database_password_file, database_ca, chain_key_file } = &mut raw.database;
        let files = [
            &mut raw.ca,
            &mut raw.certificate,
            &mut raw.key,
            data,
            database_password_file,
            database_ca,
            chain_key_file,
        ];
        for file in files.into_iter().flatten() {
            *file = folder.join(&*file);
        }
        if let Some(objects) = &mut raw.objects {
            objects.take_paths_from(folder);
        }
        if let Some(crm) = &mut raw.crm {
            crm.take_paths_from(folder);
        }
        if let Some(care) = &mut raw.care {
            care.take_paths_from(folder);
        }
        if let Some(office) = &mut raw.office {
            office.take_paths_from(folder);
        }
        if let Some(rollouts) = &mut raw.rollouts {
            rollouts.take_paths_from(folder);
        }
        if let Some(file) = database.as_deref().and_then(|database| database.strip_prefix("sqlite:")) {
            *database = Some(format!("sqlite:{}", folder.join(file).display()));
        }
        Ok(raw)
    }

    /// These values where they are given, else `other`'s.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            broker: self.broker.or(other.broker),
            name: self.name.or(other.name),
            ca: self.ca.or(other.ca),
            certificate: self.certificate.or(other.certificate),
            key: self.key.or(other.key),
            database: self.database.or(other.database),
            max_image_mib: self.max_image_mib.or(other.max_image_mib),
            listen: self.listen.or(other.listen),
            objects: self.objects.or(other.objects),
            reports: self.reports.or(other.reports),
            crm: self.crm.or(other.crm),
            care: self.care.or(other.care),
            office: self.office.or(other.office),
            rollouts: self.rollouts.or(other.rollouts),
        }
    }

    /// # Errors
    /// A sentence that names every value still missing, or what is wrong with one.
    pub fn resolve(self) -> Result<HqConfig, String> {
        let Self {
            broker,
            name,
            ca,
            certificate,
            key,
            database,
            max_image_mib,
            listen,
            objects,
            reports,
            office,
            crm,
            care,
            rollouts,
        } = self;
        let given = [
            ("broker", broker.is_some()),
            ("ca", ca.is_some()),
            ("certificate", certificate.is_some()),
            ("key", key.is_some()),
            ("data", database.data.is_some()),
        ];
        let absent: Vec<&str> = given.iter().filter(|(_, given)| !given).map(|(name, _)| *name).collect();
        let (Some(broker), Some(ca), Some(certificate), Some(key), Some(data)) =
            (broker, ca, certificate, key, database.data.clone())
        else {
            return Err(format!("missing: {}; give them in the file or as --flags", absent.join(", ")));
        };
        let (host, port) = split(&broker)?;
        Ok(HqConfig {
            host,
            port,
            name: name.unwrap_or_else(|| "hq-1".to_owned()),
            tls: TlsFiles { ca, certificate, key },
            shelves: ShelfSettings::new(data, database.chain_key_file.clone(), objects.as_ref())?,
            database: database.resolve()?,
            rules: Rules {
                max_bytes: max_image_mib.unwrap_or(DEFAULT_MAX_IMAGE_MIB) * 1024 * 1024,
                uploads: objects.map(|objects| objects.uploads()).transpose()?.unwrap_or_default(),
            },
            listen,
            reports: reports.map(RawReports::resolve).transpose()?,
            crm: crm.map(RawCrm::resolve).transpose()?,
            care: care.map(RawCare::resolve).transpose()?,
            office: office.map(RawOffice::resolve).transpose()?,
            rollouts: rollouts.map(RawRollouts::resolve).transpose()?,
        })
    }
}

impl RawDatabase {
    /// These values where they are given, else `other`'s.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            data: self.data.or(other.data),
            database: self.database.or(other.database),
            database_password_file: self.database_password_file.or(other.database_password_file),
            database_ca: self.database_ca.or(other.database_ca),
            chain_key_file: self.chain_key_file.or(other.chain_key_file),
        }
    }

    /// # Errors
    /// A sentence that says what is missing or wrong.
    pub fn resolve(self) -> Result<Place, String> {
        let Self { data, database, database_password_file, database_ca, chain_key_file: _ } = self;
        let place = match (database, data) {
            (Some(database), _) => database.parse()?,
            (None, Some(data)) => Place::in_folder(&data),
            (None, None) => return Err("missing: database, or data; give it in the file or as --flag".to_owned()),
        };
        match place {
            Place::Postgres(settings) => {
                let settings = settings.with_password_file(database_password_file).with_authority(database_ca);
                settings.check()?;
                Ok(Place::Postgres(Box::new(settings)))
            }
            Place::Sqlite(_) if database_password_file.is_some() || database_ca.is_some() => {
                Err("database_password_file and database_ca are for PostgreSQL; this database is SQLite".to_owned())
            }
            sqlite @ Place::Sqlite(_) => Ok(sqlite),
        }
    }
}

/// `HOST` or `HOST:PORT`; an IPv6 address in brackets.
fn split(broker: &str) -> Result<(String, u16), String> {
    let wrong = || format!("broker {broker:?} is not HOST or HOST:PORT");
    let (host, port) = match broker.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().map_err(|_| wrong())?),
        _ => (broker, DEFAULT_PORT),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if host.is_empty() || host.contains('/') {
        return Err(wrong());
    }
    Ok((host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hq::uploads::Uploads;

    #[test]
    fn the_shipped_file_is_whole_and_a_flag_wins() {
        let file = RawHqConfig::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("config/hq.toml")).unwrap();
        let flags = RawHqConfig { broker: Some("broker.example:1".into()), ..RawHqConfig::default() };
        let config = flags.or(file).resolve().unwrap();
        assert_eq!((config.port, config.name.as_str()), (1, "hq-1"));
        assert!(config.database.to_string().ends_with("config/hq-data/hq.sqlite"), "{}", config.database);
    }

    /// What stands in the shipped file behind a comment is what this program reads.
    #[test]
    fn the_sections_that_the_shipped_file_shows_can_be_turned_on() {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/hq.toml")).unwrap();
        let shown = text.split("# Programs of the CRM").nth(1).expect("a section");
        let lines = shown.lines().filter_map(|line| line.strip_prefix("# "));
        let turned_on: Vec<&str> = lines.filter(|line| line.starts_with('[') || line.contains(" = ")).collect();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("hq.toml");
        fs::write(&file, turned_on.join("\n")).unwrap();
        fs::write(folder.path().join("care.secret"), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqr").unwrap();
        fs::write(folder.path().join("crm-ca.pem"), "").unwrap();
        let raw = RawHqConfig::read(&file).unwrap();
        let crm = raw.crm.unwrap().resolve().unwrap();
        assert!(crm.behind_proxy && crm.tls.is_some_and(|(certificate, _)| certificate.is_absolute()));
        let care = raw.care.unwrap().resolve().unwrap();
        assert_eq!(care.place("tw-001").language, "zh-Hant");
        assert!(care.webhook.is_some_and(|webhook| !webhook.private));
    }

    #[test]
    fn a_bucket_is_read_from_the_file_with_its_paths_and_its_stores() {
        let objects = |lines: &str| {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("hq.toml");
            let whole = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/hq.toml")).unwrap();
            fs::write(&file, format!("{whole}\n[objects]\nbucket = \"b\"\n{lines}")).unwrap();
            RawHqConfig::read(&file).map_err(|fault| fault.to_string())?.resolve()
        };
        let secret = "credentials_file = \"secret\"\n";
        let here = objects(&format!("endpoint = \"http://127.0.0.1:9000\"\n{secret}upload = [\"sh-001\"]")).unwrap();
        let bucket = here.shelves.bucket.unwrap();
        assert!(bucket.credentials.is_absolute() && bucket.region == "us-east-1");
        assert_eq!(here.rules.uploads, Uploads::Of(["sh-001".to_owned()].into()));
        let wrong = |lines: &str| objects(&format!("{lines}\n{secret}")).unwrap_err();
        assert!(wrong("endpoint = \"https://objects.example\"").contains("objects.ca"));
        assert!(wrong("endpoint = \"http://h\"\nupload = [\"Shop 1\"]").contains("no store"));
        assert!(wrong("endpoint = \"http://h\"\ndelete = true").contains("unknown field"));
    }

    #[test]
    fn what_is_missing_is_named_at_once() {
        let missing = RawHqConfig { broker: Some("broker".into()), ..RawHqConfig::default() }.resolve().unwrap_err();
        assert!(missing.starts_with("missing: ca, certificate, key, data;"), "{missing}");
    }

    #[test]
    fn a_broker_is_a_host_and_perhaps_a_port() {
        let split = |text: &str| split(text).map(|(host, port)| format!("{host} {port}"));
        assert_eq!(split("broker.example").unwrap(), "broker.example 8883");
        assert_eq!(split("127.0.0.1:1884").unwrap(), "127.0.0.1 1884");
        assert_eq!(split("[::1]:1884").unwrap(), "::1 1884");
        assert_eq!(split("[::1]").unwrap(), "::1 8883");
        for wrong in ["", ":8883", "broker:port", "mqtts://broker"] {
            assert!(split(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_database_that_cannot_be_meant_is_refused() {
        let place = |text: &str| RawDatabase { database: Some(text.into()), ..RawDatabase::default() }.resolve();
        assert!(place("mysql://x").unwrap_err().contains("postgres://"));
        assert!(place("sqlite:").is_err() && place("postgres://hq@elsewhere.example/hq").is_err());
        assert_eq!(place("postgres://hq@localhost/chain").unwrap().to_string(), "postgres://hq@localhost/chain");
    }
}
