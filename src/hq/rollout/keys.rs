//! The key that packages are signed with: made here, kept by whoever answers for what is rolled out, on no server.

use super::refused;
use crate::{
    hq::{HqError, office::commands},
    sync::package::SigningKey,
};
use std::{
    fs,
    io::{IsTerminal as _, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

/// Letters of a passphrase: what protects the key where its file is copied.
const SHORTEST: usize = 12;

/// The passphrase: the first line of a file, else asked for at the terminal; twice where a key is made. Never an argument, which
/// every user of the machine could read.
///
/// # Errors
/// A file that cannot be read, no terminal, or two that differ.
pub fn passphrase(file: Option<&Path>, twice: bool) -> Result<String, HqError> {
    if let Some(file) = file {
        let text = fs::read_to_string(file).map_err(|source| HqError::File { path: file.to_owned(), source })?;
        return Ok(text.lines().next().unwrap_or_default().to_owned());
    }
    if !std::io::stdin().is_terminal() {
        return Err(refused("there is no terminal to ask for the passphrase; give --passphrase-file"));
    }
    let first = commands::unseen("passphrase of the key: ")?;
    if !twice || first == commands::unseen("once more: ")? {
        return Ok(first);
    }
    Err(refused("the two are not the same; nothing was written"))
}

/// Makes a pair: `STEM.key`, encrypted, for whoever signs, and `STEM.pub` for headquarters and every gateway. Gives both paths and the
/// fingerprint.
///
/// # Errors
/// [`HqError::Rollout`] for a passphrase that is too short; a file that is there already or cannot be written.
pub fn make(stem: &Path, passphrase: &str) -> Result<(PathBuf, PathBuf, String), HqError> {
    if passphrase.chars().count() < SHORTEST {
        return Err(refused(format!(
            "the passphrase has fewer than {SHORTEST} characters, and it is all that protects the key; nothing was written"
        )));
    }
    let key = SigningKey::generate().map_err(|fault| refused(fault.to_string()))?;
    let private = key.to_pem(passphrase.as_bytes()).map_err(|fault| refused(fault.to_string()))?;
    let public = key.public_pem().map_err(|fault| refused(fault.to_string()))?;
    let fingerprint =
        crate::sync::package::PublicKey::from_pem(&public).map_err(|fault| refused(fault.to_string()))?.fingerprint();
    let of = |ending: &str| PathBuf::from(format!("{}.{ending}", stem.display()));
    write(&of("key"), &private, 0o600)?;
    if let Err(fault) = write(&of("pub"), &public, 0o644) {
        // A private key without its public half is good for nothing, and would stand in the way of the next try.
        let _ = fs::remove_file(of("key"));
        return Err(fault);
    }
    Ok((of("key"), of("pub"), fingerprint))
}

/// Only where nothing is yet: a key that was overwritten is lost.
pub(super) fn write(path: &Path, bytes: &[u8], mode: u32) -> Result<(), HqError> {
    let fault = |source| HqError::File { path: path.to_owned(), source };
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map_err(fault)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(fault)
}
