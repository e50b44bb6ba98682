//! The file of a package: put together and signed, read and held against its signature and digests.

use super::{File, Header, LARGEST, is_digest};
use crate::{domain::Timestamp, sync::topic::is_name};
use openssl::{
    base64,
    pkey::{Id, PKey, Private, Public},
    sha::sha256,
    sign::{Signer, Verifier},
};
use std::{collections::HashSet, fmt};

/// First line; the number grows with an incompatible format.
const FORMAT: &str = "skinlink-package 1";

/// Bytes of a header: some hundred files.
const LONGEST_HEADER: usize = 64 * 1024;

/// Files of one package.
const MOST_FILES: usize = 200;

/// Why a package cannot be used by anybody.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    #[error("this is no package of skinlink: {0}")]
    Shape(String),
    #[error("the signature is by none of the keys that are trusted here; have it signed by the chain, or add its key")]
    Signature,
    #[error("{path}: its bytes are not those that were signed; fetch the package again")]
    Digest { path: String },
    #[error("{0}")]
    Header(String),
    #[error("this is no Ed25519 key: {0}; make one with `skinlink-hq package key`")]
    Key(String),
    #[error("the passphrase does not open this key; type it again, or give the file that holds it")]
    Passphrase,
    #[error("this is the public half; what signs is the private one (.key)")]
    Public,
    #[error("this is the private key, which belongs on no server; name its public half (.pub)")]
    Private,
}

/// What packages are held against. `Debug` prints its fingerprint.
#[derive(Clone)]
pub struct PublicKey(PKey<Public>);

/// What packages are signed with; stays with whoever answers for what is rolled out. Never printed.
pub struct SigningKey(PKey<Private>);

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.fingerprint())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey")
    }
}

fn wrong_key(fault: impl fmt::Display) -> PackageError {
    PackageError::Key(fault.to_string())
}

impl PublicKey {
    /// Reads a PEM file (`BEGIN PUBLIC KEY`).
    ///
    /// # Errors
    /// Where it holds no Ed25519 key.
    pub fn from_pem(pem: &[u8]) -> Result<Self, PackageError> {
        // Looked at before the library, which would ask for its passphrase on a machine that must never hear it.
        if String::from_utf8_lossy(pem).contains("PRIVATE KEY") {
            return Err(PackageError::Private);
        }
        let key = PKey::public_key_from_pem(pem).map_err(wrong_key)?;
        if key.id() == Id::ED25519 { Ok(Self(key)) } else { Err(wrong_key("it is of another kind")) }
    }

    /// First 16 hex digits of the SHA-256 of the raw key: by which people tell keys apart.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        self.0.raw_public_key().map(|raw| hex::encode(&sha256(&raw)[..8])).unwrap_or_default()
    }

    fn verifies(&self, signed: &[u8], signature: &[u8]) -> bool {
        let verify = || Verifier::new_without_digest(&self.0)?.verify_oneshot(signature, signed);
        verify().unwrap_or(false)
    }
}

impl SigningKey {
    /// A new one.
    ///
    /// # Errors
    /// Where this machine has no randomness.
    pub fn generate() -> Result<Self, PackageError> {
        PKey::generate_ed25519().map(Self).map_err(wrong_key)
    }

    /// Reads a PEM file (`BEGIN PRIVATE KEY`, or `BEGIN ENCRYPTED PRIVATE KEY` with its passphrase).
    ///
    /// # Errors
    /// Where it holds no Ed25519 key, or the passphrase is another one.
    pub fn from_pem(pem: &[u8], passphrase: &[u8]) -> Result<Self, PackageError> {
        let text = String::from_utf8_lossy(pem);
        let key = PKey::private_key_from_pem_passphrase(pem, passphrase).map_err(|fault| match &*text {
            text if text.contains("ENCRYPTED PRIVATE KEY") => PackageError::Passphrase,
            text if text.contains("PUBLIC KEY") => PackageError::Public,
            _ => wrong_key(fault),
        })?;
        if key.id() == Id::ED25519 { Ok(Self(key)) } else { Err(wrong_key("it is of another kind")) }
    }

    /// As a PEM file, encrypted with AES-256 where `passphrase` is not empty.
    ///
    /// # Errors
    /// Of the library.
    pub fn to_pem(&self, passphrase: &[u8]) -> Result<Vec<u8>, PackageError> {
        let pem = if passphrase.is_empty() {
            self.0.private_key_to_pem_pkcs8()
        } else {
            self.0.private_key_to_pem_pkcs8_passphrase(openssl::symm::Cipher::aes_256_cbc(), passphrase)
        };
        pem.map_err(wrong_key)
    }

    /// Its public half as a PEM file.
    ///
    /// # Errors
    /// Of the library.
    pub fn public_pem(&self) -> Result<Vec<u8>, PackageError> {
        self.0.public_key_to_pem().map_err(wrong_key)
    }
}

/// Puts a package together. `files`: path and contents; what `header.files` says is replaced by them.
///
/// # Errors
/// Where the header or the files could be read by no gateway.
pub fn sign(mut header: Header, files: &[(String, Vec<u8>)], key: &SigningKey) -> Result<Vec<u8>, PackageError> {
    header.files = files
        .iter()
        .map(|(path, content)| File {
            path: path.clone(),
            bytes: content.len() as u64,
            sha256: hex::encode(sha256(content)),
        })
        .collect();
    header.check()?;
    let json = serde_json::to_string(&header).map_err(|fault| PackageError::Header(fault.to_string()))?;
    if json.len() > LONGEST_HEADER {
        return Err(PackageError::Header(format!("the header has {} bytes, more than {LONGEST_HEADER}", json.len())));
    }
    let signed = format!("{FORMAT}\n{json}\n");
    let sign = || Signer::new_without_digest(&key.0)?.sign_oneshot_to_vec(signed.as_bytes());
    let signature = base64::encode_block(&sign().map_err(wrong_key)?);
    let mut package = format!("{signed}{signature}\n").into_bytes();
    files.iter().for_each(|(_, content)| package.extend_from_slice(content));
    Ok(package)
}

/// Reads a whole package: its header and, in the same order, the contents of its files.
///
/// The signature is held against `keys` before the header is looked at any closer than its end, the contents against the digests
/// that were signed.
///
/// # Errors
/// [`PackageError`]; nothing of such a package may be used.
pub fn read<'a>(package: &'a [u8], keys: &[PublicKey]) -> Result<(Header, Vec<&'a [u8]>), PackageError> {
    open(package, |signed, signature| keys.iter().any(|key| key.verifies(signed, signature)))
}

/// The same for one that was read before and is known by the digest of its whole file since: its key may be trusted no more, and
/// what is in use stays in use.
///
/// # Errors
/// As [`read`], but for the signature.
pub fn read_again(package: &[u8]) -> Result<(Header, Vec<&[u8]>), PackageError> {
    open(package, |_, _| true)
}

fn open(package: &[u8], trusted: impl FnOnce(&[u8], &[u8]) -> bool) -> Result<(Header, Vec<&[u8]>), PackageError> {
    let shape = |reason: &str| PackageError::Shape(reason.to_owned());
    let rest = package
        .strip_prefix(FORMAT.as_bytes())
        .and_then(|rest| rest.strip_prefix(b"\n"))
        .ok_or_else(|| PackageError::Shape(format!("it does not begin with \"{FORMAT}\"")))?;
    let (json, rest) = line(rest, LONGEST_HEADER).ok_or_else(|| shape("its header has no end"))?;
    let signed = &package[..FORMAT.len() + json.len() + 2];
    let (signature, mut rest) = line(rest, 200).ok_or_else(|| shape("its signature has no end"))?;
    let signature = std::str::from_utf8(signature).ok().and_then(|text| base64::decode_block(text).ok());
    let signature = signature.ok_or_else(|| shape("its signature is no base64"))?;
    if !trusted(signed, &signature) {
        return Err(PackageError::Signature);
    }
    let header: Header = serde_json::from_slice(json).map_err(|fault| PackageError::Header(fault.to_string()))?;
    header.check()?;
    let mut contents = Vec::with_capacity(header.files.len());
    for file in &header.files {
        let bytes = usize::try_from(file.bytes).ok();
        let (content, after) =
            bytes.and_then(|bytes| rest.split_at_checked(bytes)).ok_or_else(|| shape("it ends before its files do"))?;
        if hex::encode(sha256(content)) != file.sha256 {
            return Err(PackageError::Digest { path: file.path.clone() });
        }
        contents.push(content);
        rest = after;
    }
    if !rest.is_empty() {
        return Err(shape("something follows its last file"));
    }
    Ok((header, contents))
}

fn line(text: &[u8], longest: usize) -> Option<(&[u8], &[u8])> {
    let end = text.iter().take(longest + 1).position(|byte| *byte == b'\n')?;
    Some((&text[..end], &text[end + 1..]))
}

impl Header {
    fn check(&self) -> Result<(), PackageError> {
        let wrong = |reason: String| Err(PackageError::Header(reason));
        if !is_name(&self.chain) {
            return wrong("chain: 1 to 60 of a-z, 0-9 and -".to_owned());
        }
        if self.version == 0 || self.version > i64::MAX.unsigned_abs() {
            return wrong("version: from 1, and higher with each package of a slot".to_owned());
        }
        for (field, time) in [("made", Some(&self.made)), ("until", self.until.as_ref())] {
            if let Some(time) = time
                && time.parse::<Timestamp>().is_err()
            {
                return wrong(format!("{field}: no time such as 2026-12-01T06:30:00.000Z"));
            }
        }
        if self.note.chars().count() > 500 {
            return wrong("note: more than 500 characters; shorten it".to_owned());
        }
        if self.files.is_empty() || self.files.len() > MOST_FILES {
            return wrong(format!("files: {} of them; a package has 1 to {MOST_FILES}", self.files.len()));
        }
        let mut seen = HashSet::new();
        let mut all = 0_u64;
        for File { path, bytes, sha256 } in &self.files {
            if !is_path(path) {
                let path: String = path.chars().take(80).collect();
                return wrong(format!(
                    "files: {path:?} is no relative path of letters, digits, '.', '_' and '-' without a hidden part"
                ));
            }
            if !seen.insert(path.to_ascii_lowercase()) {
                return wrong(format!("files: {path} is there twice"));
            }
            if !is_digest(sha256) {
                return wrong(format!("files: {path} has no SHA-256 of 64 lower-case hex digits"));
            }
            all = all.saturating_add(*bytes);
        }
        if all > LARGEST {
            return wrong(format!("files: {all} bytes together; a package has at most {LARGEST}"));
        }
        Ok(())
    }
}

/// Whether a path stays within the folder it is put into, on every file system.
fn is_path(path: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
    };
    path.len() <= 200 && path.split('/').count() <= 6 && path.split('/').all(part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::package::Slot;

    fn header() -> Header {
        Header {
            chain: "qinghe".into(),
            slot: Slot::Suggestions,
            version: 3,
            made: "2026-11-28T06:30:00.000Z".into(),
            until: Some("2027-11-28T06:30:00.000Z".into()),
            note: "冬季护理".into(),
            files: Vec::new(),
        }
    }

    fn files() -> Vec<(String, Vec<u8>)> {
        vec![("suggestions.toml".into(), b"# rules\n".to_vec()), ("more/of-it.txt".into(), vec![0, 10, 255])]
    }

    #[test]
    fn a_package_reads_back_and_only_under_its_key() {
        let (key, other) = (SigningKey::generate().unwrap(), SigningKey::generate().unwrap());
        let public = |key: &SigningKey| PublicKey::from_pem(&key.public_pem().unwrap()).unwrap();
        let package = sign(header(), &files(), &key).unwrap();
        let (read_back, contents) = read(&package, &[public(&other), public(&key)]).unwrap();
        assert_eq!(read_back, Header { files: read_back.files.clone(), ..header() });
        assert_eq!(contents, files().iter().map(|(_, content)| content.as_slice()).collect::<Vec<_>>());
        assert!(matches!(read(&package, &[public(&other)]), Err(PackageError::Signature)));
        assert!(matches!(read(&package, &[]), Err(PackageError::Signature)), "whoever trusts nobody takes nothing");
    }

    #[test]
    fn no_byte_of_a_package_can_be_another_and_none_be_missing() {
        let key = SigningKey::generate().unwrap();
        let trusted = [PublicKey::from_pem(&key.public_pem().unwrap()).unwrap()];
        let package = sign(header(), &files(), &key).unwrap();
        for at in 0..package.len() {
            let mut forged = package.clone();
            forged[at] ^= 1;
            assert!(read(&forged, &trusted).is_err(), "byte {at}");
            assert!(read(&package[..at], &trusted).is_err(), "cut to {at}");
        }
        let mut longer = package;
        longer.push(b'\n');
        assert!(read(&longer, &trusted).is_err());
    }

    #[test]
    fn a_header_that_leads_out_of_its_folder_is_refused_even_if_signed() {
        let key = SigningKey::generate().unwrap();
        for path in
            ["", "/etc/passwd", "../x", "a/../b", ".hidden", "a/.b", "a//b", "a\\b", "a b", "图.png", "a/b/c/d/e/f/g"]
        {
            let files = [(path.to_owned(), Vec::new())];
            assert!(matches!(sign(header(), &files, &key), Err(PackageError::Header(_))), "{path:?}");
        }
        let twice = [("A".to_owned(), Vec::new()), ("a".to_owned(), Vec::new())];
        assert!(sign(header(), &twice, &key).is_err(), "one file on some file systems");
        let none = Header { version: 0, ..header() };
        assert!(sign(none, &files(), &key).is_err());
    }

    #[test]
    fn a_key_is_kept_under_its_passphrase() {
        let key = SigningKey::generate().unwrap();
        let pem = key.to_pem(b"correct horse").unwrap();
        assert!(String::from_utf8_lossy(&pem).contains("ENCRYPTED"));
        assert!(SigningKey::from_pem(&pem, b"another").is_err());
        let again = SigningKey::from_pem(&pem, b"correct horse").unwrap();
        assert_eq!(again.public_pem().unwrap(), key.public_pem().unwrap());
        assert!(SigningKey::from_pem(b"no key", b"").is_err());
    }
}
