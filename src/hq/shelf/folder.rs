//! Objects as files under a folder.

use super::Shelf;
use crate::{faults, hq::HqError};
use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// The folder that names are taken from.
#[derive(Debug, Clone)]
pub struct Folder(PathBuf);

impl Folder {
    #[must_use]
    pub fn at(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Shelf for Folder {
    /// tmp → fsync → rename → fsync of the folder: after a power cut the name shows the whole file or nothing.
    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), HqError> {
        let path = self.path(name);
        let failed = |source| HqError::File { path: path.clone(), source };
        let folder = path.parent().expect("a name stands in a folder");
        if !folder.exists() {
            fs::create_dir_all(folder).map_err(failed)?;
            for made in folder.ancestors().skip(1).take(2) {
                File::open(made).and_then(|made| made.sync_all()).map_err(failed)?;
            }
        }
        let temporary = path.with_extension("part");
        let mut file = File::create(&temporary).map_err(failed)?;
        file.write_all(bytes).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        faults::point("hq.image.synced");
        fs::rename(&temporary, &path).map_err(failed)?;
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
        faults::point("hq.image.renamed");
        Ok(())
    }

    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, HqError> {
        let path = self.path(name);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(HqError::File { path, source }),
        }
    }

    fn remove(&self, name: &str) -> Result<(), HqError> {
        let path = self.path(name);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(HqError::File { path, source }),
            _ => Ok(()),
        }
    }
}
