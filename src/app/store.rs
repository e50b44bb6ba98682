//! The store as the configuration names it, its key made, sealed or shown once where it is new.

use super::catalogue;
use crate::{
    config,
    store::{Escrow, Options, Store, StoreKey},
};
use tracing::info;

/// Connections for questions: the pages of a store are read by a few people.
const READERS: usize = 3;

/// Opens it; makes it where it is new.
///
/// # Errors
/// Where its key, its folder or its database cannot be read or made, with what to do.
pub fn open(settings: &config::Store) -> anyhow::Result<Store> {
    let key = StoreKey::load_or_create(&settings.key_file, &settings.data)?;
    let pem = settings.escrow_key.as_ref().map(|path| catalogue::read(path)).transpose()?;
    match Escrow::ensure(&key, &settings.key_file, pem.as_deref().map(str::as_bytes))? {
        Escrow::Kept => {}
        Escrow::Sealed(path) => info!("the store key was sealed to headquarters' key: {}", path.display()),
        Escrow::PrintOnce(text) => {
            // Not through the log: a key must not stay in a journal.
            eprintln!(
                "Write this store key down and keep it apart from this machine; it is shown only now:\n{}",
                *text
            );
            Escrow::printed(&key, &settings.key_file)?;
        }
    }
    let source = format!("skinlink://{}/{}", settings.address.store, settings.address.gateway);
    let options = Options { data: settings.data.clone(), key, source, min_free: settings.min_free, readers: READERS };
    Ok(Store::open(options)?)
}
