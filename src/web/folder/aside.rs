//! Files that are not taken in at once: laid into folders beside the watched one, shown to a person, taken away.

use crate::analysis::door::MAX_BYTES;
use std::{
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};
use tokio::task::spawn_blocking;
use tracing::warn;

/// Photographs that wait for a person.
pub const WAITING: &str = "waiting";
/// What is no photograph, each with a sentence beside it.
pub const REFUSED: &str = "refused";
/// Photographs that nobody wanted.
pub const PUT_AWAY: &str = "put-away";

/// Names beside which another one finds room.
const TRIES: u32 = 10_000;

/// A photograph that waits for a person.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// Known by its name, which may hold a person's.
    pub id: String,
    pub path: PathBuf,
    pub since: Option<SystemTime>,
}

/// Takes a file away whose photograph is kept; `false` where it cannot be.
pub async fn remove(path: &Path) -> bool {
    let path = path.to_owned();
    let removed = spawn_blocking(move || fs::remove_file(path)).await;
    match removed.unwrap_or_else(|_| Err(io::Error::other("it was given up"))) {
        Err(fault) if fault.kind() != io::ErrorKind::NotFound => {
            warn!(%fault, "a photograph that is kept cannot be taken out of its folder; give the gateway the right to write there");
            false
        }
        _ => true,
    }
}

/// Lays a file into a folder beside, with a sentence about it; `false` where it stays where it was.
pub(super) async fn lay(folder: &Path, path: &Path, into: &'static str, sentence: Option<String>) -> bool {
    let (into, path) = (folder.join(into), path.to_owned());
    let laid = spawn_blocking(move || {
        fs::create_dir_all(&into)?;
        let to = free(&into, &path)?;
        fs::rename(&path, &to)?;
        match sentence {
            None => Ok(()),
            Some(sentence) => {
                let mut about = to.into_os_string();
                about.push(".txt");
                fs::write(about, sentence)
            }
        }
    });
    match laid.await.unwrap_or_else(|_| Err(io::Error::other("it was given up"))) {
        Ok(()) => true,
        Err(fault) => {
            warn!(%fault, "a file cannot be moved within the folder of photographs; give the gateway the right to write there");
            false
        }
    }
}

/// A name in `folder` that nobody has: the file's own, else with a number.
fn free(folder: &Path, path: &Path) -> io::Result<PathBuf> {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let ending = path.extension().unwrap_or_default().to_string_lossy().into_owned();
    (1..TRIES)
        .map(|n| if n == 1 { format!("{stem}.{ending}") } else { format!("{stem}-{n}.{ending}") })
        .map(|name| folder.join(name))
        .find(|to| !to.exists())
        .ok_or_else(|| io::Error::other("too many files of one name"))
}

fn id_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().as_encoded_bytes();
    hex::encode(&openssl::sha::sha256(name)[..8])
}

/// Photographs that wait for a person, oldest first.
pub async fn waiting(folder: &Path) -> Vec<Waiting> {
    let folder = folder.join(WAITING);
    let listed = spawn_blocking(move || {
        let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
        let files = entries.filter(|entry| entry.metadata().is_ok_and(|about| about.is_file()));
        let mut found: Vec<Waiting> = files
            .map(|entry| Waiting {
                id: id_of(&entry.path()),
                since: entry.metadata().ok().and_then(|about| about.modified().ok()),
                path: entry.path(),
            })
            .collect();
        found.sort_by(|a, b| (a.since, &a.path).cmp(&(b.since, &b.path)));
        found
    });
    listed.await.unwrap_or_default()
}

/// The bytes of one that waits; `None` where it is gone.
pub async fn waiting_bytes(path: PathBuf) -> Option<Vec<u8>> {
    let read = spawn_blocking(move || {
        let fits = fs::metadata(&path).ok()?.len() <= MAX_BYTES as u64;
        if fits { fs::read(&path).ok() } else { None }
    });
    read.await.ok().flatten()
}

/// Nobody wants it.
pub async fn dismiss(folder: &Path, path: &Path) -> bool {
    lay(folder, path, PUT_AWAY, None).await
}
