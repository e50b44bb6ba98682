//! The rows of what the store needs: a folder, room, and the key that opens what lies there.

use super::Row;
use crate::{
    config,
    store::{KeyFit, StoreKey, key_fit},
};
use nix::unistd::{AccessFlags, access};
use std::path::Path;

/// A database and its log need room to open.
const LEAST_FREE: u64 = 4 << 20;

pub(super) fn look(store: &config::Store) -> Vec<Row> {
    let Some(existing) = store.data.ancestors().find(|folder| folder.exists()) else {
        return vec![Row::fault(
            "data folder",
            format!("{} has no parent", store.data.display()),
            "correct store.data",
        )];
    };
    let mut rows = Vec::new();
    rows.extend(folder(existing));
    rows.push(disk(store, existing));
    rows.push(key(store));
    rows
}

/// `existing` is the data folder, or the nearest one above it that is there.
fn folder(existing: &Path) -> Option<Row> {
    let found = if existing.is_dir() {
        let right = access(existing, AccessFlags::W_OK | AccessFlags::X_OK);
        let error = right.err()?;
        format!("{} cannot be written into: {error}", existing.display())
    } else {
        format!("{} is a file", existing.display())
    };
    Some(Row::fault("data folder", found, "correct store.data, or let the gateway's user own that folder"))
}

fn disk(store: &config::Store, existing: &Path) -> Row {
    let stat = match nix::sys::statvfs::statvfs(existing) {
        Err(error) => {
            return Row::fault("disk", format!("{}: {error}", store.data.display()), "correct store.data");
        }
        Ok(stat) => stat,
    };
    let free = stat.blocks_available() * stat.fragment_size();
    let says = format!("{} MiB free at {}", free >> 20, store.data.display());
    if free >= store.min_free {
        return Row::good("disk", says);
    }
    let what = format!("below {} MiB no photograph is taken in", store.min_free >> 20);
    let more = if free < LEAST_FREE { "; so little, and nothing is: the gateway may not even start" } else { "" };
    Row::fault("disk", says, format!("{what}{more}; free some space"))
}

fn key(store: &config::Store) -> Row {
    let (file, database) = (store.key_file.display(), store.data.join("skinlink.db"));
    match StoreKey::load(&store.key_file) {
        Err(error) => Row::error("store key", &error),
        Ok(None) if database.exists() => Row::fault(
            "store key",
            format!("{file} is missing, and there is a database it should open"),
            "put the key back (headquarters holds it in escrow); without it the data cannot be read",
        ),
        Ok(None) => Row::notice("store key", "none yet", "it is made at the first start; keep what is printed then"),
        Ok(Some(key)) => match key_fit(&database, &key) {
            KeyFit::Opens => Row::good("store key", format!("{file} opens the database")),
            KeyFit::Untried => Row::good("store key", file.to_string()),
            KeyFit::Other => Row::fault(
                "store key",
                format!("{file} does not open {}", database.display()),
                "put the right key back (headquarters holds it in escrow); if it is the right one, the file is damaged: see \
                 docs/restoring.md",
            ),
        },
    }
}
