//! Where packages lie: `{data}/packages/`. `<digest>.part` is being fetched, `<digest>` is whole and of that digest, `<digest>.d/` holds
//! its files. Nothing has its name before it is whole and on the disk. Blocks; callers go aside for it.

use crate::{
    faults,
    sync::package::{self, Header, SLICE},
};
use nix::sys::statvfs::statvfs;
use openssl::sha::Sha256;
use std::{
    collections::BTreeSet,
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

/// Read at once to find a digest.
const CHUNK: usize = 256 * 1024;

/// The folder. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shelf(PathBuf);

impl Shelf {
    /// That of a gateway's data folder; made where absent, readable by nobody else.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn open(data: &Path) -> io::Result<Self> {
        let folder = data.join("packages");
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        Ok(Self(folder))
    }

    /// Where the files of a package lie, once they were unpacked.
    #[must_use]
    pub fn folder(&self, sha256: &str) -> PathBuf {
        self.0.join(format!("{sha256}.d"))
    }

    pub(super) fn holds(&self, sha256: &str) -> bool {
        self.0.join(sha256).is_file()
    }

    fn part(&self, sha256: &str) -> PathBuf {
        self.0.join(format!("{sha256}.part"))
    }

    /// Free bytes of its disk.
    pub(super) fn free(&self) -> io::Result<u64> {
        let disk = statvfs(&self.0)?;
        #[expect(clippy::useless_conversion, reason = "the width of these fields differs between targets")]
        Ok(u64::from(disk.blocks_available()).saturating_mul(u64::from(disk.fragment_size())))
    }

    /// How many slices of a package of `bytes` are here already. Half a slice that a kill left behind goes.
    pub(super) fn begun(&self, sha256: &str, bytes: u64) -> io::Result<u32> {
        let found = match fs::metadata(self.part(sha256)) {
            Ok(about) => about.len(),
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(0),
            Err(fault) => return Err(fault),
        };
        if found == bytes {
            return Ok(package::slices(bytes));
        }
        let whole = if found > bytes { 0 } else { found / SLICE as u64 };
        OpenOptions::new().write(true).open(self.part(sha256))?.set_len(whole * SLICE as u64)?;
        Ok(u32::try_from(whole).unwrap_or(0))
    }

    /// Writes slice `index` behind those that are here.
    pub(super) fn append(&self, sha256: &str, index: u32, slice: &[u8]) -> io::Result<()> {
        let part = self.part(sha256);
        let mut file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(part)?;
        let end = file.seek(SeekFrom::End(0))?;
        if end != u64::from(index) * SLICE as u64 {
            return Err(io::Error::other("what is here of a package is not what was written; it is fetched anew"));
        }
        file.write_all(slice)?;
        faults::point("packages.slice.written");
        Ok(())
    }

    /// All slices are here: takes them for the package if they have its digest, else throws them away; whether they had.
    pub(super) fn finish(&self, sha256: &str) -> io::Result<bool> {
        let part = self.part(sha256);
        let mut file = File::open(&part)?;
        if digest(&mut file)? != sha256 {
            fs::remove_file(&part)?;
            return Ok(false);
        }
        file.sync_all()?;
        faults::point("packages.file.synced");
        fs::rename(&part, self.0.join(sha256))?;
        self.sync()?;
        faults::point("packages.file.renamed");
        Ok(true)
    }

    /// A whole package; `None` where it is not here, or not what was put here.
    ///
    /// # Errors
    /// When the disk does not answer.
    pub fn read(&self, sha256: &str) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.0.join(sha256)) {
            Ok(bytes) => Ok((hex::encode(openssl::sha::sha256(&bytes)) == sha256).then_some(bytes)),
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// Puts the files of a package into its folder, unless they are there as they were signed; the folder.
    ///
    /// # Errors
    /// When they cannot be written; nothing has the folder's name then.
    pub fn unpack(&self, sha256: &str, header: &Header, contents: &[&[u8]]) -> io::Result<PathBuf> {
        let folder = self.folder(sha256);
        let same = |(file, content): (&package::File, &&[u8])| {
            fs::read(folder.join(&file.path)).is_ok_and(|found| found == **content)
        };
        if header.files.iter().zip(contents).all(same) {
            return Ok(folder);
        }
        let coming = self.0.join(format!("{sha256}.coming"));
        gone(&coming)?;
        for (file, content) in header.files.iter().zip(contents) {
            let to = coming.join(&file.path);
            fs::create_dir_all(to.parent().unwrap_or(&coming))?;
            let mut written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&to)?;
            written.write_all(content)?;
            written.sync_all()?;
        }
        faults::point("packages.unpacking");
        gone(&folder)?;
        fs::rename(&coming, &folder)?;
        self.sync()?;
        faults::point("packages.unpacked");
        Ok(folder)
    }

    /// Removes all that is of no package in `stays`; how many files and folders went.
    ///
    /// # Errors
    /// The first that does not go.
    pub fn clear(&self, stays: &BTreeSet<String>) -> io::Result<usize> {
        let mut removed = 0;
        for entry in fs::read_dir(&self.0)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let (sha256, ending) = name.split_once('.').unwrap_or((&name, ""));
            if stays.contains(sha256) && ending != "coming" {
                continue;
            }
            gone(&entry.path())?;
            removed += 1;
            faults::point("packages.removed");
        }
        Ok(removed)
    }

    /// Throws away what was fetched of a package so far.
    pub(super) fn forget(&self, sha256: &str) -> io::Result<()> {
        gone(&self.part(sha256))?;
        gone(&self.0.join(sha256))
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.0)?.sync_all()
    }
}

fn digest(file: &mut File) -> io::Result<String> {
    let (mut digest, mut chunk) = (Sha256::new(), vec![0; CHUNK]);
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(hex::encode(digest.finish())),
            read => digest.update(&chunk[..read]),
        }
    }
}

/// Removes a file or a folder, if it is there.
fn gone(path: &Path) -> io::Result<()> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(fault) if fault.kind() != io::ErrorKind::NotFound => Err(fault),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::package::{SigningKey, Slot, read_again, sign};

    fn slices_of(bytes: &[u8]) -> Vec<&[u8]> {
        bytes.chunks(SLICE).collect()
    }

    #[test]
    fn a_transfer_goes_on_behind_the_last_whole_slice_and_ends_with_the_digest() {
        let data = tempfile::tempdir().unwrap();
        let shelf = Shelf::open(data.path()).unwrap();
        let bytes: Vec<u8> = (0..100_000_u32).map(|at| (at % 251) as u8).collect();
        let sha256 = hex::encode(openssl::sha::sha256(&bytes));
        assert_eq!(shelf.begun(&sha256, 100_000).unwrap(), 0);
        for (index, slice) in slices_of(&bytes).iter().enumerate() {
            // As a kill in the middle of a write leaves it.
            shelf.append(&sha256, index as u32, &slice[..slice.len() / 2]).unwrap();
            assert_eq!(shelf.begun(&sha256, 100_000).unwrap(), index as u32);
            assert!(shelf.append(&sha256, index as u32 + 1, slice).is_err(), "never behind a gap");
            shelf.append(&sha256, index as u32, slice).unwrap();
        }
        assert_eq!(shelf.begun(&sha256, 100_000).unwrap(), 3, "all are there");
        assert!(!shelf.holds(&sha256));
        assert!(shelf.finish(&sha256).unwrap());
        assert_eq!(shelf.read(&sha256).unwrap(), Some(bytes.clone()));
        // Damaged on the disk afterwards.
        fs::write(data.path().join("packages").join(&sha256), &bytes[1..]).unwrap();
        assert_eq!(shelf.read(&sha256).unwrap(), None);
        let other = hex::encode([7; 32]);
        slices_of(&bytes).iter().enumerate().for_each(|(at, slice)| shelf.append(&other, at as u32, slice).unwrap());
        assert!(!shelf.finish(&other).unwrap(), "of another digest");
        assert_eq!(shelf.begun(&other, 100_000).unwrap(), 0, "it begins at the front");
    }

    #[test]
    fn files_lie_as_they_were_signed_and_what_nobody_needs_goes() {
        let data = tempfile::tempdir().unwrap();
        let shelf = Shelf::open(data.path()).unwrap();
        let header = Header {
            chain: "qinghe".into(),
            slot: Slot::Settings,
            version: 1,
            made: "2026-11-28T06:30:00.000Z".into(),
            until: None,
            note: String::new(),
            files: Vec::new(),
        };
        let files = [("settings.toml".to_owned(), b"a".to_vec()), ("golden/x.bin".to_owned(), vec![0; 9])];
        let package = sign(header, &files, &SigningKey::generate().unwrap()).unwrap();
        let (header, contents) = read_again(&package).unwrap();
        let (sha256, other) = (hex::encode([1; 32]), hex::encode([2; 32]));
        let folder = shelf.unpack(&sha256, &header, &contents).unwrap();
        fs::write(folder.join("settings.toml"), "changed by somebody").unwrap();
        assert_eq!(shelf.unpack(&sha256, &header, &contents).unwrap(), folder);
        assert_eq!(fs::read(folder.join("settings.toml")).unwrap(), b"a");
        assert_eq!(fs::read(folder.join("golden/x.bin")).unwrap(), [0; 9]);
        shelf.unpack(&other, &header, &contents).unwrap();
        shelf.append(&other, 0, b"x").unwrap();
        assert_eq!(shelf.clear(&BTreeSet::from([sha256.clone()])).unwrap(), 2);
        assert!(folder.is_dir() && !shelf.folder(&other).exists());
    }
}
