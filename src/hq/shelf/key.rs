//! The chain's key: 32 random bytes in a file that is readable by its owner alone, 64 hex digits. It opens the keys in the
//! rows, so without it nothing on the shelves can be read: whoever backs the database up keeps a copy of it elsewhere.

use crate::{
    hq::HqError,
    seal::{self, Key},
};
use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};
use zeroize::Zeroizing;

/// Its name within the data folder, unless the configuration says otherwise.
pub const FILE: &str = "chain.key";

/// Opens the keys of objects.
pub struct ChainKey(Key);

impl fmt::Debug for ChainKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChainKey(***)")
    }
}

impl ChainKey {
    /// Reads it; makes it where it is absent, durably.
    ///
    /// # Errors
    /// [`HqError::File`]; also for a file that holds anything else.
    pub fn load_or_make(path: &Path) -> Result<Self, HqError> {
        match Self::load(path) {
            Err(HqError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Self::make(path).map_err(|source| HqError::File { path: path.to_owned(), source })?;
                // Whoever came first has made it.
                Self::load(path)
            }
            loaded => loaded,
        }
    }

    /// Reads it.
    ///
    /// # Errors
    /// [`HqError::File`], also where there is none: what lies on the shelves can then not be read, and nothing may be sealed
    /// with another.
    pub fn load(path: &Path) -> Result<Self, HqError> {
        let read = fs::read_to_string(path).map(Zeroizing::new).and_then(|text| {
            let mut key = Zeroizing::new([0_u8; 32]);
            let wrong = "not 64 hex digits; put the chain's own key back";
            let wrong = |_| io::Error::new(io::ErrorKind::InvalidData, wrong);
            hex::decode_to_slice(text.trim(), key.as_mut()).map_err(wrong).map(|()| Self(key))
        });
        read.map_err(|source| {
            let absent = "there is no chain key; name it as chain_key_file, or its folder as data";
            let source = match source.kind() {
                io::ErrorKind::NotFound => io::Error::new(io::ErrorKind::NotFound, absent),
                _ => source,
            };
            HqError::File { path: path.to_owned(), source }
        })
    }

    fn make(path: &Path) -> io::Result<()> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let temporary = path.with_extension(format!("{}.new", std::process::id()));
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(hex::encode(seal::random_key().as_ref()).as_bytes())?;
        file.sync_all()?;
        // A link is refused where another receiver was quicker; a rename would put its key aside.
        let linked = fs::hard_link(&temporary, path);
        fs::remove_file(&temporary)?;
        match linked {
            Err(fault) if fault.kind() != io::ErrorKind::AlreadyExists => return Err(fault),
            _ => {}
        }
        File::open(folder)?.sync_all()
    }

    pub(super) fn seal_key(&self, name: &str, key: &Key) -> Vec<u8> {
        seal::seal(&self.0, name.as_bytes(), key.as_ref())
    }

    /// # Errors
    /// [`HqError::Unsealed`]: sealed under another chain's key.
    pub(in crate::hq) fn open_key(&self, name: &str, sealed: &[u8]) -> Result<Key, HqError> {
        seal::open_key(&self.0, name.as_bytes(), sealed).ok_or_else(|| HqError::Unsealed { name: name.to_owned() })
    }

    /// A mark by which a database knows its own chain's key.
    #[must_use]
    pub fn mark(&self) -> Vec<u8> {
        seal::seal(&self.0, MARK, MARK)
    }

    /// Whether `mark` is of this key.
    #[must_use]
    pub fn made(&self, mark: &[u8]) -> bool {
        seal::open(&self.0, MARK, mark).is_some()
    }
}

const MARK: &[u8] = b"skinlink chain key";
