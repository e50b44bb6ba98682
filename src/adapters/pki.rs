//! Certificates: an authority and the leaves it signs (demo, tests, enrolment), and a look at our own certificate before it
//! is shown to a broker, which would only hang up on a bad one. EC P-256, SHA-256, PEM. No revocation lists here: the
//! broker holds them.

use crate::domain::Timestamp;
use openssl::{
    asn1::Asn1Time,
    bn::{BigNum, MsbOption},
    ec::{EcGroup, EcKey},
    error::ErrorStack,
    hash::MessageDigest,
    nid::Nid,
    pkey::{PKey, Private},
    stack::Stack,
    x509::{
        X509, X509Builder, X509NameBuilder, X509StoreContext,
        extension::{BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAlternativeName},
        store::X509StoreBuilder,
    },
};
use std::{
    fs, io,
    net::IpAddr,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// The three files a TLS client or server needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The only authority trusted.
    pub ca: PathBuf,
    /// Chain, leaf first.
    pub certificate: PathBuf,
    /// PKCS#8.
    pub key: PathBuf,
}

/// What is wrong with certificates of our own.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    #[error("cannot read {path}: {source}")]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{path} is not what it should be: {source}")]
    NotPem { path: PathBuf, source: ErrorStack },
    #[error(
        "{path} belongs to {found:?}, this client is {expected:?}; ask headquarters for a certificate in that name"
    )]
    OtherName { path: PathBuf, expected: String, found: String },
    #[error("{path} expired on {not_after}; ask headquarters for a new one")]
    Expired { path: PathBuf, not_after: String },
    #[error("{path} is valid only from {not_before} on; is the clock of this machine set?")]
    NotYetValid { path: PathBuf, not_before: String },
    #[error("{path} is not signed by the authority in {ca}: {reason}; one of the two files is of another chain")]
    OtherAuthority { path: PathBuf, ca: PathBuf, reason: String },
    #[error("the private key {path} does not fit the certificate beside it")]
    OtherKey { path: PathBuf },
    #[error("cannot write {path}: {source}")]
    Unwritable { path: PathBuf, source: io::Error },
    #[error("cannot make a certificate: {0}")]
    OpenSsl(#[from] ErrorStack),
}

/// The contents of [`TlsFiles`], found good.
#[derive(Clone)]
pub struct OwnCertificate {
    pub ca_pem: Vec<u8>,
    pub chain_pem: Vec<u8>,
    pub key_pem: Vec<u8>,
    /// As OpenSSL prints it; for people.
    pub not_after: String,
}

impl TlsFiles {
    /// Reads the three files and holds them to what a broker will ask: common name, dates, chain, key.
    ///
    /// # Errors
    /// The first thing found wrong.
    pub fn check(&self, name: &str, now: Timestamp) -> Result<OwnCertificate, PkiError> {
        let (ca_pem, chain_pem, key_pem) = (read(&self.ca)?, read(&self.certificate)?, read(&self.key)?);
        let not_pem = |path: &Path| {
            let path = path.to_owned();
            move |source| PkiError::NotPem { path, source }
        };
        let ca = X509::from_pem(&ca_pem).map_err(not_pem(&self.ca))?;
        let chain = X509::stack_from_pem(&chain_pem).map_err(not_pem(&self.certificate))?;
        let leaf = X509::from_pem(&chain_pem).map_err(not_pem(&self.certificate))?;
        let key = PKey::private_key_from_pem(&key_pem).map_err(not_pem(&self.key))?;
        self.check_name(&leaf, name)?;
        self.check_dates(&leaf, now)?;
        self.check_chain(ca, &leaf, chain)?;
        if !leaf.public_key()?.public_eq(&key) {
            return Err(PkiError::OtherKey { path: self.key.clone() });
        }
        Ok(OwnCertificate { ca_pem, chain_pem, key_pem, not_after: leaf.not_after().to_string() })
    }

    fn check_name(&self, leaf: &X509, expected: &str) -> Result<(), PkiError> {
        let found = common_name(leaf);
        if found == expected {
            return Ok(());
        }
        Err(PkiError::OtherName { path: self.certificate.clone(), expected: expected.to_owned(), found })
    }

    fn check_dates(&self, leaf: &X509, now: Timestamp) -> Result<(), PkiError> {
        let now = Asn1Time::from_unix(now.unix_ms().div_euclid(1_000))?;
        let path = self.certificate.clone();
        if leaf.not_after() < now {
            return Err(PkiError::Expired { path, not_after: leaf.not_after().to_string() });
        }
        if leaf.not_before() > now {
            return Err(PkiError::NotYetValid { path, not_before: leaf.not_before().to_string() });
        }
        Ok(())
    }

    fn check_chain(&self, ca: X509, leaf: &X509, chain: Vec<X509>) -> Result<(), PkiError> {
        let mut trusted = X509StoreBuilder::new()?;
        trusted.add_cert(ca)?;
        let mut between = Stack::new()?;
        for certificate in chain.into_iter().skip(1) {
            between.push(certificate)?;
        }
        let mut context = X509StoreContext::new()?;
        let (good, reason) = context.init(&trusted.build(), leaf, &between, |context| {
            Ok((context.verify_cert()?, context.error().error_string().to_owned()))
        })?;
        if good {
            return Ok(());
        }
        Err(PkiError::OtherAuthority { path: self.certificate.clone(), ca: self.ca.clone(), reason })
    }
}

impl std::fmt::Debug for OwnCertificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { ca_pem: _, chain_pem: _, key_pem: _, not_after } = self;
        f.debug_struct("OwnCertificate").field("not_after", not_after).finish_non_exhaustive()
    }
}

/// Whole days from the beginning of the first certificate in `pem` until `now`, and from `now` until its end; negative where it
/// has not begun, or has ended.
///
/// # Errors
/// What is no certificate.
pub fn days(pem: &[u8], now: Timestamp) -> Result<(i32, i32), ErrorStack> {
    let certificate = X509::from_pem(pem)?;
    let now = Asn1Time::from_unix(now.unix_ms().div_euclid(1_000))?;
    let (since, left) = (certificate.not_before().diff(&now)?, now.diff(certificate.not_after())?);
    // A part of a day that is gone is a day that is gone.
    Ok((since.days - i32::from(since.secs < 0), left.days - i32::from(left.secs < 0)))
}

/// First and last second of a certificate.
#[derive(Debug, Clone, Copy)]
pub struct Validity {
    pub from: Timestamp,
    pub to: Timestamp,
}

impl Validity {
    /// From an hour before `now`, so that a client whose clock runs behind accepts it, for `days`.
    #[must_use]
    pub const fn days(now: Timestamp, days: u32) -> Self {
        Self {
            from: Timestamp::from_unix_ms(now.unix_ms() - 3_600_000),
            to: Timestamp::from_unix_ms(now.unix_ms() + days as i64 * 86_400_000),
        }
    }
}

/// Whom a leaf is for.
#[derive(Debug, Clone, Copy)]
pub enum Use<'a> {
    /// A gateway or a receiver: the common name is its MQTT client id.
    Client,
    /// A broker, reachable under these names or addresses.
    Server(&'a [&'a str]),
}

/// A certificate authority with its private key.
pub struct Authority {
    certificate: X509,
    key: PKey<Private>,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").field("name", &common_name(&self.certificate)).finish_non_exhaustive()
    }
}

impl Authority {
    /// Makes a new authority that signs itself.
    ///
    /// # Errors
    /// Only when OpenSSL or the system's randomness fails.
    pub fn new(name: &str, validity: Validity) -> Result<Self, PkiError> {
        let key = new_key()?;
        let mut builder = blank(name, &key, validity)?;
        let own_name = x509_name(name)?;
        builder.set_issuer_name(&own_name)?;
        builder.append_extension(BasicConstraints::new().critical().ca().pathlen(0).build()?)?;
        builder.append_extension(KeyUsage::new().critical().key_cert_sign().crl_sign().build()?)?;
        builder.sign(&key, MessageDigest::sha256())?;
        Ok(Self { certificate: builder.build(), key })
    }

    /// The authority that is kept in `folder` (`ca.pem`, `ca.key`, mode 0600); made there where there is none.
    ///
    /// # Errors
    /// Files that cannot be read or written, or are not what they should be.
    pub fn kept(folder: &Path, name: &str, validity: Validity) -> Result<Self, PkiError> {
        let (pem, key) = (folder.join("ca.pem"), folder.join("ca.key"));
        if !key.exists() {
            let made = Self::new(name, validity)?;
            write(&pem, &made.certificate.to_pem()?, 0o644)?;
            write(&key, &made.key.private_key_to_pem_pkcs8()?, 0o600)?;
            return Ok(made);
        }
        let not_pem = |path: &Path| {
            let path = path.to_owned();
            move |source| PkiError::NotPem { path, source }
        };
        Ok(Self {
            certificate: X509::from_pem(&read(&pem)?).map_err(not_pem(&pem))?,
            key: PKey::private_key_from_pem(&read(&key)?).map_err(not_pem(&key))?,
        })
    }

    /// Signs a leaf with a key of its own and writes `ca.pem`, `<name>.pem` and `<name>.key` (mode 0600) into `folder`.
    ///
    /// # Errors
    /// [`PkiError::Unwritable`], or OpenSSL's own.
    pub fn issue(
        &self,
        folder: &Path,
        name: &str,
        what_for: Use<'_>,
        validity: Validity,
    ) -> Result<TlsFiles, PkiError> {
        let key = new_key()?;
        let mut builder = blank(name, &key, validity)?;
        builder.set_issuer_name(self.certificate.subject_name())?;
        builder.append_extension(BasicConstraints::new().critical().build()?)?;
        builder.append_extension(KeyUsage::new().critical().digital_signature().build()?)?;
        match what_for {
            Use::Client => builder.append_extension(ExtendedKeyUsage::new().client_auth().build()?)?,
            Use::Server(names) => {
                builder.append_extension(ExtendedKeyUsage::new().server_auth().build()?)?;
                let names = alternative_names(names).build(&builder.x509v3_context(Some(&self.certificate), None))?;
                builder.append_extension(names)?;
            }
        }
        builder.sign(&self.key, MessageDigest::sha256())?;
        let files = TlsFiles {
            ca: folder.join("ca.pem"),
            certificate: folder.join(format!("{name}.pem")),
            key: folder.join(format!("{name}.key")),
        };
        write(&files.ca, &self.certificate.to_pem()?, 0o644)?;
        write(&files.certificate, &builder.build().to_pem()?, 0o644)?;
        write(&files.key, &key.private_key_to_pem_pkcs8()?, 0o600)?;
        Ok(files)
    }
}

fn new_key() -> Result<PKey<Private>, ErrorStack> {
    PKey::from_ec_key(EcKey::generate(&*EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?)?)
}

fn blank(name: &str, key: &PKey<Private>, validity: Validity) -> Result<X509Builder, ErrorStack> {
    let mut builder = X509::builder()?;
    builder.set_version(2)?;
    let mut serial = BigNum::new()?;
    serial.rand(127, MsbOption::MAYBE_ZERO, false)?;
    builder.set_serial_number(&*serial.to_asn1_integer()?)?;
    let own_name = x509_name(name)?;
    builder.set_subject_name(&own_name)?;
    builder.set_not_before(&*Asn1Time::from_unix(validity.from.unix_ms().div_euclid(1_000))?)?;
    builder.set_not_after(&*Asn1Time::from_unix(validity.to.unix_ms().div_euclid(1_000))?)?;
    builder.set_pubkey(key)?;
    Ok(builder)
}

fn x509_name(name: &str) -> Result<openssl::x509::X509Name, ErrorStack> {
    let mut builder = X509NameBuilder::new()?;
    builder.append_entry_by_nid(Nid::COMMONNAME, name)?;
    Ok(builder.build())
}

fn alternative_names(names: &[&str]) -> SubjectAlternativeName {
    let mut list = SubjectAlternativeName::new();
    for name in names {
        if name.parse::<IpAddr>().is_ok() {
            list.ip(name)
        } else {
            list.dns(name)
        };
    }
    list
}

fn common_name(certificate: &X509) -> String {
    certificate
        .subject_name()
        .entries_by_nid(Nid::COMMONNAME)
        .next()
        .and_then(|entry| entry.data().to_string().ok())
        .unwrap_or_default()
}

fn read(path: &Path) -> Result<Vec<u8>, PkiError> {
    fs::read(path).map_err(|source| PkiError::Unreadable { path: path.to_owned(), source })
}

/// Whole or not at all: a broker may be reading the authority's file while another leaf is issued beside it.
fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), PkiError> {
    let unwritable = |source| PkiError::Unwritable { path: path.to_owned(), source };
    let temporary = path.with_extension("part");
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(&temporary)
        .map_err(unwritable)?;
    io::Write::write_all(&mut file, bytes).map_err(unwritable)?;
    file.sync_all().map_err(unwritable)?;
    fs::rename(&temporary, path).map_err(unwritable)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-06-01
    const NOW: Timestamp = Timestamp::from_unix_ms(1_780_272_000_000);

    fn year() -> Validity {
        Validity::days(NOW, 365)
    }

    #[test]
    fn a_good_certificate_passes_and_each_fault_has_its_own_sentence() {
        let folder = tempfile::tempdir().unwrap();
        // The chain check uses the machine's own clock: keep the authority valid around it.
        let now = crate::clock::now().wall;
        let long = Validity::days(now, 30);
        let ours = Authority::new("ours", long).unwrap();
        let good = ours.issue(folder.path(), "sh-001-g1", Use::Client, long).unwrap();
        assert!(good.check("sh-001-g1", now).is_ok());

        let wrong_name = good.check("sh-001-g2", now).unwrap_err().to_string();
        assert!(wrong_name.contains("belongs to \"sh-001-g1\""), "{wrong_name}");

        let old = Validity {
            from: Timestamp::from_unix_ms(now.unix_ms() - 9 * 86_400_000),
            to: Timestamp::from_unix_ms(now.unix_ms() - 86_400_000),
        };
        let expired = ours.issue(folder.path(), "old", Use::Client, old).unwrap();
        assert!(matches!(expired.check("old", now), Err(PkiError::Expired { .. })));

        let early = good.check("sh-001-g1", Timestamp::from_unix_ms(0)).unwrap_err();
        assert!(matches!(early, PkiError::NotYetValid { .. }), "{early}");

        let elsewhere = tempfile::tempdir().unwrap();
        let theirs = Authority::new("theirs", long).unwrap();
        let foreign = theirs.issue(elsewhere.path(), "sh-001-g1", Use::Client, long).unwrap();
        let mixed = TlsFiles { ca: good.ca.clone(), ..foreign };
        assert!(matches!(mixed.check("sh-001-g1", now), Err(PkiError::OtherAuthority { .. })));

        let other_key = TlsFiles { key: mixed.key.clone(), ..good.clone() };
        assert!(matches!(other_key.check("sh-001-g1", now), Err(PkiError::OtherKey { .. })));

        let absent = TlsFiles { key: folder.path().join("none"), ..good };
        assert!(matches!(absent.check("sh-001-g1", now), Err(PkiError::Unreadable { .. })));
    }

    #[test]
    fn files_cut_short_are_refused_at_every_length() {
        let folder = tempfile::tempdir().unwrap();
        let files = Authority::new("ours", year()).unwrap().issue(folder.path(), "g", Use::Client, year()).unwrap();
        let whole = fs::read(&files.certificate).unwrap();
        // The last bytes are the line end after the closing line.
        for length in 0..whole.len() - 2 {
            fs::write(&files.certificate, &whole[..length]).unwrap();
            assert!(files.check("g", NOW).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn keys_are_for_the_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let files =
            Authority::new("ours", year()).unwrap().issue(folder.path(), "g", Use::Server(&["127.0.0.1"]), year());
        let mode = fs::metadata(files.unwrap().key).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
