//! Durable files: written beside, fsynced, renamed, and the folder fsynced. All files of the store that are not databases
//! go through [`write`], so that a power-cut test covers them in one place.

use super::error::StoreError;
use crate::faults;
use nix::{
    fcntl::{PosixFadviseAdvice, posix_fadvise},
    sys::statvfs::statvfs,
};
use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// Ends the name of a file that was not finished.
pub(super) const TEMPORARY: &str = ".tmp";

/// Writes `bytes` to `path` so that after a power cut either all of it is there under that name, or nothing. Mode 0600.
/// What stood there before is replaced.
pub(super) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_with(path, |file| file.write_all(bytes))
}

/// As [`write`], the content written by `content`, and what it gives.
pub(super) fn write_with<R>(path: &Path, content: impl FnOnce(&mut File) -> io::Result<R>) -> io::Result<R> {
    let temporary = temporary_of(path);
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    let written = write_and_rename(file, &temporary, path, content);
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

fn temporary_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(TEMPORARY);
    name.into()
}

fn write_and_rename<R>(
    mut file: File,
    temporary: &Path,
    path: &Path,
    content: impl FnOnce(&mut File) -> io::Result<R>,
) -> io::Result<R> {
    let given = content(&mut file)?;
    faults::point("store.image.temporary_written");
    file.sync_all()?;
    faults::point("store.image.synced");
    fs::rename(temporary, path)?;
    sync_folder(path)?;
    faults::point("store.image.renamed");
    Ok(given)
}

/// Lets the disk begin with what was written so far, so that the sync at the end waits for less. Promises nothing.
pub(super) fn begin_writing_out(file: &File) {
    // The kernel writes dirty pages out before it could drop them. Where it does not, the sync does it all.
    let _ = posix_fadvise(file, 0, 0, PosixFadviseAdvice::POSIX_FADV_DONTNEED);
}

/// Makes the name of `path` durable.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().ok_or_else(|| io::Error::other("a path without folder"))?;
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    File::open(folder)?.sync_all()
}

/// Removes a file for good; one that is gone already is fine.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e),
        Ok(()) => sync_folder(path),
    }
}

/// A folder only the service's user can look into; its name, and those made on the way to it, are durable.
pub(super) fn make_private_folder(path: &Path) -> io::Result<()> {
    let made: Vec<&Path> =
        path.ancestors().take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists()).collect();
    fs::create_dir_all(path)?;
    fs::set_permissions(path, Permissions::from_mode(0o700))?;
    made.iter().rev().try_for_each(|folder| sync_folder(folder))?;
    // One that was there may have been made just before a kill. Its parent is not ours and perhaps not to be read: then
    // nothing can be done about it.
    let _ = sync_folder(path);
    Ok(())
}

/// Free bytes where `folder` lies.
pub(super) fn free(folder: &Path) -> Result<u64, StoreError> {
    let disk = statvfs(folder).map_err(|e| StoreError::io("ask for free space")(e.into()))?;
    #[expect(clippy::useless_conversion, reason = "the width of these fields differs between targets")]
    let free = u64::from(disk.blocks_available()).saturating_mul(u64::from(disk.fragment_size()));
    Ok(free)
}

/// Refuses when writing `bytes` would leave less than `floor` free bytes where `folder` lies.
pub(super) fn require_free(folder: &Path, bytes: u64, floor: u64) -> Result<(), StoreError> {
    const MIB: u64 = 1024 * 1024;
    let free = free(folder)?;
    if free.saturating_sub(bytes) < floor {
        return Err(StoreError::LowDisk { free_mib: free / MIB, floor_mib: floor / MIB });
    }
    Ok(())
}
