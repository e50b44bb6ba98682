//! How a PostgreSQL server is reached: address, password file, authority.

use crate::hq::HqError;
use native_tls::{Certificate, Protocol, TlsConnector};
use postgres_native_tls::MakeTlsConnector;
use std::{
    fmt, fs,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};
use tokio_postgres::{
    Config,
    config::{Host, SslMode},
};

/// Where a server listens unless it is told otherwise.
const USUAL_PORT: u16 = 5432;

/// Until a server answers, or counts as away.
const CONNECT: Duration = Duration::from_secs(5);

/// Silence on the line after which the server is asked whether it is still there, and how long it may not answer.
const SILENCE: Duration = Duration::from_secs(10);

/// An address without its secret. Another machine is only spoken to over TLS, and only under a named authority.
#[derive(Debug, Clone)]
pub struct Settings {
    config: Config,
    password_file: Option<PathBuf>,
    authority: Option<PathBuf>,
}

impl Settings {
    /// The file that holds the password; read anew at every connection.
    #[must_use]
    pub fn with_password_file(mut self, file: Option<PathBuf>) -> Self {
        self.password_file = file;
        self
    }

    /// The only authority whose server is trusted (PEM); with it TLS is insisted on.
    #[must_use]
    pub fn with_authority(mut self, file: Option<PathBuf>) -> Self {
        self.authority = file;
        self
    }

    /// # Errors
    /// A sentence with the remedy where the line would be open to others.
    pub fn check(&self) -> Result<(), String> {
        if self.authority.is_none() && !self.is_on_this_machine() && self.config.get_ssl_mode() != SslMode::Disable {
            return Err("database: another machine is reached over TLS; name the authority of its certificate as \
                 database_ca, or say sslmode=disable in its address where the line itself is protected"
                .to_owned());
        }
        Ok(())
    }

    fn is_on_this_machine(&self) -> bool {
        self.config.get_hosts().iter().all(|host| match host {
            Host::Unix(_) => true,
            Host::Tcp(name) => ["localhost", "127.0.0.1", "::1"].contains(&name.as_str()),
        })
    }

    /// All that a connection needs, files read.
    pub(super) fn resolve(&self) -> Result<(Config, MakeTlsConnector), HqError> {
        let mut config = self.config.clone();
        config.connect_timeout(CONNECT).keepalives_idle(SILENCE).tcp_user_timeout(SILENCE);
        if config.get_application_name().is_none() {
            config.application_name("skinlink-hq");
        }
        if let Some(file) = &self.password_file {
            config.password(read(file)?.trim_ascii());
        }
        let mut tls = TlsConnector::builder();
        tls.disable_built_in_roots(true).min_protocol_version(Some(Protocol::Tlsv12));
        match &self.authority {
            Some(file) => {
                tls.add_root_certificate(Certificate::from_pem(&read(file)?).map_err(|fault| unusable(file, &fault))?);
                config.ssl_mode(SslMode::Require);
            }
            None => {
                config.ssl_mode(SslMode::Disable);
            }
        }
        let file = self.authority.as_deref().unwrap_or(Path::new("the TLS library"));
        Ok((config, MakeTlsConnector::new(tls.build().map_err(|fault| unusable(file, &fault))?)))
    }
}

fn read(file: &Path) -> Result<Vec<u8>, HqError> {
    fs::read(file).map_err(|source| HqError::File { path: file.to_owned(), source })
}

fn unusable(file: &Path, fault: &native_tls::Error) -> HqError {
    HqError::Config { path: file.to_owned(), reason: fault.to_string() }
}

impl FromStr for Settings {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let config: Config = text.parse().map_err(|fault: tokio_postgres::Error| {
            let reason = std::error::Error::source(&fault).map_or_else(|| fault.to_string(), ToString::to_string);
            format!("database: {reason}; write postgres://USER@HOST/NAME")
        })?;
        if config.get_password().is_some() {
            return Err(
                "database: a password in the address can be seen by others on this machine; put it into a file \
                 and name that as database_password_file"
                    .to_owned(),
            );
        }
        if config.get_hosts().is_empty() {
            return Err(
                "database: the address names no host; write postgres://USER@HOST/NAME, for a socket its folder with \
                 %2F for each slash: postgres://USER@%2Frun%2Fpostgresql/NAME"
                    .to_owned(),
            );
        }
        Ok(Self { config, password_file: None, authority: None })
    }
}

/// As it may be written again.
impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = match self.config.get_hosts().first() {
            Some(Host::Tcp(name)) => name.clone(),
            Some(Host::Unix(path)) => path.display().to_string().replace('/', "%2F"),
            None => "localhost".to_owned(),
        };
        let (user, name) = (self.config.get_user().unwrap_or("?"), self.config.get_dbname().unwrap_or("?"));
        let port = self.config.get_ports().first().filter(|port| **port != USUAL_PORT);
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        write!(f, "postgres://{user}@{host}{port}/{name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_carries_its_password_is_refused() {
        let refused = "postgres://hq:secret@db.example/hq".parse::<Settings>().unwrap_err();
        assert!(refused.contains("database_password_file") && !refused.contains("secret"), "{refused}");
    }

    #[test]
    fn what_is_shown_of_an_address_can_be_written_again() {
        for text in ["postgres://hq@db.example:5433/hq", "postgres://hq@%2Frun%2Fpostgresql/hq"] {
            assert_eq!(text.parse::<Settings>().unwrap().to_string(), text);
        }
        let refused = "postgres://hq@/run/postgresql/hq".parse::<Settings>().unwrap_err();
        assert!(refused.contains("names no host") && refused.contains("%2F"), "{refused}");
    }

    #[test]
    fn another_machine_needs_an_authority_or_the_word_of_its_installer() {
        let at = |text: &str| text.parse::<Settings>().unwrap().check();
        assert!(at("postgres://hq@db.example/hq").unwrap_err().contains("database_ca"));
        assert!(at("postgres://hq@db.example/hq?sslmode=disable").is_ok());
        assert!(at("postgres://hq@localhost/hq").is_ok() && at("postgres://hq@%2Frun%2Fpostgresql/hq").is_ok());
        let named = "postgres://hq@db.example/hq".parse::<Settings>().unwrap();
        assert!(named.with_authority(Some("ca.pem".into())).check().is_ok());
    }
}
