//! `[objects]`: a bucket instead of the data folder, and which stores put their pictures there themselves.

use crate::hq::{
    HqError,
    shelf::{Bucket, BucketSettings, ChainKey, FILE, Shelves},
    uploads::Uploads,
};
use crate::sync::topic::is_name;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// As written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawObjects {
    pub endpoint: String,
    pub bucket: String,
    pub region: Option<String>,
    pub credentials_file: PathBuf,
    pub ca: Option<PathBuf>,
    #[serde(default)]
    pub upload: Vec<String>,
}

/// Where pictures and archived months lie.
#[derive(Debug, Clone)]
pub struct ShelfSettings {
    pub data: PathBuf,
    pub chain_key: PathBuf,
    pub bucket: Option<BucketSettings>,
}

impl RawObjects {
    /// Relative paths are taken from the file's folder.
    pub(super) fn take_paths_from(&mut self, folder: &Path) {
        self.credentials_file = folder.join(&self.credentials_file);
        self.ca = self.ca.take().map(|ca| folder.join(ca));
    }

    /// `["all"]`, or names of stores.
    pub(super) fn uploads(self) -> Result<Uploads, String> {
        match self.upload.iter().find(|store| !is_name(store)) {
            Some(wrong) => {
                Err(format!("objects.upload: {wrong:?} is no store; write [\"all\"] or names such as \"sh-001\""))
            }
            None if self.upload.is_empty() => Ok(Uploads::None),
            None if self.upload == ["all"] => Ok(Uploads::All),
            None => Ok(Uploads::Of(self.upload.into_iter().collect())),
        }
    }

    fn bucket(&self) -> Result<BucketSettings, String> {
        let Self { endpoint, bucket, region, credentials_file, ca, upload: _ } = self;
        if endpoint.starts_with("https://") != ca.is_some() {
            return Err("objects.ca: needed for an https:// endpoint (its authority, PEM), and only there".to_owned());
        }
        Ok(BucketSettings {
            endpoint: endpoint.clone(),
            bucket: bucket.clone(),
            region: region.clone().unwrap_or_else(|| "us-east-1".to_owned()),
            credentials: credentials_file.clone(),
            authority: ca.clone(),
        })
    }
}

impl ShelfSettings {
    /// # Errors
    /// A sentence that says what is wrong in `[objects]`.
    pub fn new(data: PathBuf, chain_key: Option<PathBuf>, objects: Option<&RawObjects>) -> Result<Self, String> {
        let chain_key = chain_key.unwrap_or_else(|| data.join(FILE));
        Ok(Self { chain_key, bucket: objects.map(RawObjects::bucket).transpose()?, data })
    }

    /// For the receiver, which makes the chain's key where there is none yet.
    ///
    /// # Errors
    /// [`HqError`]: a file that cannot be read, or settings that no bucket can have.
    pub fn open_or_make(&self) -> Result<Shelves, HqError> {
        self.with(ChainKey::load_or_make)
    }

    /// For everyone else: the chain's key must be there.
    ///
    /// # Errors
    /// As [`Self::open_or_make`].
    pub fn open(&self) -> Result<Shelves, HqError> {
        self.with(ChainKey::load)
    }

    fn with(&self, key: fn(&Path) -> Result<ChainKey, HqError>) -> Result<Shelves, HqError> {
        let bucket = self.bucket.as_ref().map(Bucket::new).transpose()?;
        Ok(Shelves::new(&self.data, bucket, key(&self.chain_key)?))
    }
}
