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

/// Where an object is written before it has its name.
fn part(path: &Path) -> PathBuf {
    path.with_extension("part")
}

/// A file of its own to write an object into. Two receivers may put the same one at once: in one file each would write over what
/// the other calls durable.
fn begin(path: &Path) -> io::Result<(File, PathBuf)> {
    let usual = part(path);
    match File::create_new(&usual) {
        Err(fault) if fault.kind() == io::ErrorKind::AlreadyExists => {
            let other = path.with_extension(format!("{:016x}.part", fastrand::u64(..)));
            File::create_new(&other).map(|file| (file, other))
        }
        file => file.map(|file| (file, usual)),
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
        let (mut file, temporary) = begin(&path).map_err(failed)?;
        let written = file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| {
            faults::point("hq.image.synced");
            match fs::rename(&temporary, &path) {
                // Another was quicker with the same object, and has tidied up.
                Err(fault) if fault.kind() == io::ErrorKind::NotFound && path.exists() => Ok(()),
                renamed => renamed,
            }
        });
        if let Err(fault) = written {
            // A full disk is not filled further by each try.
            let _ = fs::remove_file(&temporary);
            return Err(failed(fault));
        }
        if temporary != part(&path) {
            // Whoever began there has ended in the middle, or finds the object in its place.
            let _ = fs::remove_file(part(&path));
        }
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
        faults::point("hq.image.renamed");
        Ok(())
    }

    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, HqError> {
        let path = self.path(name);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            // A folder that is not mounted holds nothing of what it held.
            Err(fault) if fault.kind() == io::ErrorKind::NotFound && path.parent().is_some_and(Path::is_dir) => {
                Ok(None)
            }
            Err(source) => Err(HqError::File { path, source }),
        }
    }

    fn remove(&self, name: &str) -> Result<(), HqError> {
        let path = self.path(name);
        let _ = fs::remove_file(part(&path));
        match fs::remove_file(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(HqError::File { path, source }),
            _ => Ok(()),
        }
    }
}
