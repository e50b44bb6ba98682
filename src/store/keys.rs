//! The store key: 32 random bytes in a file of their own, made at first start, from which everything else hangs.
//!
//! It opens the main database as it is; the database of customer keys and the wrapping of those keys use keys derived from
//! it (HMAC-SHA256 over a label), so that no key serves two purposes. It is escrowed at first start ([`super::escrow`]).

use super::{error::OpenError, files};
use crate::{
    faults,
    seal::{Key, random_key},
};
use openssl::{hash::MessageDigest, pkey::PKey, sha::sha256, sign::Signer};
use std::{
    fmt, fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};
use zeroize::{Zeroize, Zeroizing};

/// The key of a store; prints as stars, wiped when dropped.
#[derive(Clone)]
pub struct StoreKey(Key);

impl fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreKey(***)")
    }
}

impl StoreKey {
    /// Reads the key from `key_file`, or makes and keeps a new one where neither it nor a database in `data` exists.
    ///
    /// # Errors
    /// [`OpenError::KeyMissing`] when a database is there without its key; malformed or exposed files.
    pub fn load_or_create(key_file: &Path, data: &Path) -> Result<Self, OpenError> {
        Self::load(key_file)?.map_or_else(|| Self::create(key_file, data), Ok)
    }

    /// Reads the key from `key_file`; `None` where there is no such file.
    ///
    /// # Errors
    /// Malformed, exposed or unreadable files.
    pub fn load(key_file: &Path) -> Result<Option<Self>, OpenError> {
        match fs::read_to_string(key_file) {
            Ok(text) => {
                let text = Zeroizing::new(text);
                refuse_exposed(key_file)?;
                Self::parse(&text).ok_or_else(|| OpenError::KeyMalformed { key_file: key_file.to_owned() }).map(Some)
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) if e.kind() == io::ErrorKind::InvalidData => {
                Err(OpenError::KeyMalformed { key_file: key_file.to_owned() })
            }
            Err(source) => Err(OpenError::Io { what: "read", path: key_file.to_owned(), source }),
        }
    }

    fn create(key_file: &Path, data: &Path) -> Result<Self, OpenError> {
        let database = data.join(super::DATABASE);
        if database.exists() {
            return Err(OpenError::KeyMissing { key_file: key_file.to_owned(), database });
        }
        let fault = |path: &Path| {
            let path: PathBuf = path.to_owned();
            move |source| OpenError::Io { what: "write", path, source }
        };
        files::make_private_folder(data).map_err(fault(data))?;
        let key = Self(random_key());
        let text = Zeroizing::new(format!("{}\n", key.hex().as_str()));
        files::write(key_file, text.as_bytes()).map_err(fault(key_file))?;
        faults::point("store.key.written");
        Ok(key)
    }

    /// 64 hexadecimal digits, white space around them allowed; anything else is `None`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = Zeroizing::new([0_u8; 32]);
        hex::decode_to_slice(text.trim(), bytes.as_mut()).ok()?;
        Some(Self(bytes))
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(|bytes| Self(Zeroizing::new(bytes)))
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(super) fn hex(&self) -> Zeroizing<String> {
        Zeroizing::new(hex::encode(self.0.as_ref()))
    }

    /// The first eight bytes of the digest of the key: tells keys apart without saying anything about them.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        hex::encode(&sha256(self.0.as_ref())[..8])
    }

    pub(super) fn pragma(&self) -> Zeroizing<String> {
        Zeroizing::new(format!("PRAGMA key = \"x'{}'\";", self.hex().as_str()))
    }

    /// A key for one other purpose.
    pub(super) fn derive(&self, label: &str) -> Self {
        let hmac = PKey::hmac(self.0.as_ref()).expect("any 32 bytes are an HMAC key");
        let mut signer = Signer::new(MessageDigest::sha256(), &hmac).expect("SHA-256 is always there");
        let mut bytes = signer.sign_oneshot_to_vec(label.as_bytes()).expect("signing in memory does not fail");
        let key = Self::from_bytes(&bytes).expect("HMAC-SHA256 gives 32 bytes");
        bytes.zeroize();
        key
    }

    pub(super) fn key(&self) -> &Key {
        &self.0
    }
}

fn refuse_exposed(key_file: &Path) -> Result<(), OpenError> {
    let about = fs::metadata(key_file);
    let mode =
        about.map_err(|source| OpenError::Io { what: "look at", path: key_file.to_owned(), source })?.permissions();
    match mode.mode() & 0o777 {
        mode if mode & 0o077 != 0 => Err(OpenError::KeyExposed { key_file: key_file.to_owned(), mode }),
        _ => Ok(()),
    }
}
