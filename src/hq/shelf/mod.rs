//! Where headquarters keeps what is too large for rows: pictures and archived months. A folder on this machine's disk, or a
//! bucket of an object store that speaks S3; several receivers then need no common folder.
//!
//! Everything lies there sealed under a random key of its own, which is kept in its row, itself sealed under the chain's key
//! ([`ChainKey`]): whoever has the shelf alone has nothing, and a row that is gone has destroyed what it named, copies of the
//! shelf included.

mod bucket;
mod folder;
mod key;

pub use bucket::{Bucket, BucketSettings, Grant};
pub use folder::Folder;
pub use key::{ChainKey, FILE};

use super::HqError;
use crate::seal;
use std::{fmt, path::Path};

/// One place for objects. Names are paths of plain words, `images/sh-001-g1/…`.
pub trait Shelf: fmt::Debug + Send + Sync {
    /// What this returned from is durable; an object of that name is replaced.
    ///
    /// # Errors
    /// [`HqError::File`] or [`HqError::Objects`].
    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), HqError>;

    /// `None` where there is no such object.
    ///
    /// # Errors
    /// As [`Self::put`].
    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, HqError>;

    /// Takes it away; it may be gone already.
    ///
    /// # Errors
    /// As [`Self::put`].
    fn remove(&self, name: &str) -> Result<(), HqError>;
}

/// Which shelf an object lies on, as its row says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    Folder,
    Bucket,
}

impl Which {
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Folder => "folder",
            Self::Bucket => "bucket",
        }
    }

    /// # Errors
    /// [`HqError::Shape`] for a word that a newer program wrote.
    pub fn read(word: &str) -> Result<Self, HqError> {
        match word {
            "folder" => Ok(Self::Folder),
            "bucket" => Ok(Self::Bucket),
            _ => Err(HqError::Shape { at: 0, expected: "folder or bucket" }),
        }
    }
}

/// A sealed object's place and its key, as they stand in its row.
#[derive(Debug, Clone)]
pub struct Sealed {
    pub which: Which,
    pub name: String,
    /// Sealed under the chain's key.
    pub key: Vec<u8>,
}

/// All shelves of one headquarters.
#[derive(Debug)]
pub struct Shelves {
    folder: Folder,
    bucket: Option<Bucket>,
    chain: ChainKey,
}

impl Shelves {
    #[must_use]
    pub fn new(folder: &Path, bucket: Option<Bucket>, chain: ChainKey) -> Self {
        Self { folder: Folder::at(folder), bucket, chain }
    }

    /// A folder alone, with the chain's key in it.
    ///
    /// # Errors
    /// [`HqError::File`].
    pub fn in_folder(folder: &Path) -> Result<Self, HqError> {
        Ok(Self::new(folder, None, ChainKey::load_or_make(&folder.join(FILE))?))
    }

    #[must_use]
    pub fn chain(&self) -> &ChainKey {
        &self.chain
    }

    #[must_use]
    pub fn bucket(&self) -> Option<&Bucket> {
        self.bucket.as_ref()
    }

    /// Where new objects go.
    #[must_use]
    pub fn newest(&self) -> Which {
        if self.bucket.is_some() { Which::Bucket } else { Which::Folder }
    }

    /// # Errors
    /// [`HqError::NoBucket`] for what lies in a bucket while none is configured.
    pub fn shelf(&self, which: Which) -> Result<&dyn Shelf, HqError> {
        match which {
            Which::Folder => Ok(&self.folder),
            Which::Bucket => self.bucket.as_ref().map(|bucket| bucket as _).ok_or(HqError::NoBucket),
        }
    }

    /// A place for an object of this name, with a fresh key; nothing lies there yet.
    #[must_use]
    pub fn place(&self, which: Which, name: String) -> Sealed {
        let key = self.chain.seal_key(&name, &seal::random_key());
        Sealed { which, name, key }
    }

    /// Seals it and puts it there.
    ///
    /// # Errors
    /// The shelf's.
    pub fn put(&self, place: &Sealed, bytes: &[u8]) -> Result<(), HqError> {
        let Sealed { which, name, key } = place;
        let key = self.chain.open_key(name, key)?;
        self.shelf(*which)?.put(name, &seal::seal(&key, name.as_bytes(), bytes))
    }

    /// What was put there; `None` where the object is gone.
    ///
    /// # Errors
    /// The shelf's; [`HqError::Unsealed`] where it was changed or the key is another.
    pub fn get(&self, sealed: &Sealed) -> Result<Option<Vec<u8>>, HqError> {
        let Sealed { which, name, key } = sealed;
        let Some(bytes) = self.shelf(*which)?.get(name)? else { return Ok(None) };
        let key = self.chain.open_key(name, key)?;
        let plain =
            seal::open(&key, name.as_bytes(), &bytes).ok_or_else(|| HqError::Unsealed { name: name.clone() })?;
        Ok(Some(plain.to_vec()))
    }
}
