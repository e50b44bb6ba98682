//! Photographs that a camera's own program leaves in a folder: taken in once each is whole, kept like any other photograph, and
//! taken away from the folder, where they lie in plain.
//!
//! A photograph belongs to the scan of the visit that is open at the station when it comes, in the next view that is still missing.
//! Where there is none it waits in [`WAITING`] for a person. What is no photograph we read goes into [`REFUSED`] with a sentence
//! beside it; what does not look like a picture by its name is left alone. Folders are listed by the clock: shares of
//! other machines tell nobody of changes.
//!
//! Invariants: a photograph leaves the folder only after it is durable; one whose bytes are kept already is taken away, never
//! kept twice, so that an end between the two does no harm. No name of a file is logged: programs write people's names there.

mod aside;
mod place;

pub use aside::{PUT_AWAY, REFUSED, WAITING, Waiting, dismiss, remove, waiting, waiting_bytes};
pub use place::{Not, give};

use super::{AppState, error::WebError};
use crate::{
    analysis::door::{self, Admitted, DoorError, MAX_BYTES},
    report::Lang,
    tasks::live::News,
};
use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};
use tokio::{
    task::spawn_blocking,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// Where a station's photographs come from.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    pub station: String,
    pub folder: PathBuf,
    /// Of a contact scope: micrometres a pixel; `None` for a camera that sees the face.
    pub um_per_px: Option<f64>,
}

/// How often a folder is listed: a person waits for the picture to appear.
const LOOK: Duration = Duration::from_secs(1);

/// A file is looked at once it has not changed for so long.
const SETTLED: Duration = Duration::from_millis(1_500);

/// One that ends in the middle is given up once it has not changed for so long: a program may write in bursts, over a slow line.
const PATIENCE: Duration = Duration::from_secs(30);

/// After a disk that is full, or a store that does not answer.
const AGAIN: Duration = Duration::from_secs(20);

/// Photographs by their names' endings: those we read, and those that a program may be set to by mistake.
const PICTURES: &[&str] = &["jpg", "jpeg", "jpe", "jfif", "png", "webp"];
const OTHERS: &[&str] = &["bmp", "tif", "tiff", "gif", "heic", "heif", "avif", "dng", "raw", "cr2", "nef", "arw"];

/// What a file looked like at the last look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    bytes: u64,
    modified: Option<SystemTime>,
}

/// A file that is watched.
#[derive(Debug)]
struct Watched {
    seen: Seen,
    /// Since when it looks like that.
    since: Instant,
    /// Not looked at before.
    rest: Instant,
}

/// Takes photographs in until `stop`.
pub async fn run(state: AppState, source: Source, stop: CancellationToken) {
    let mut watched: HashMap<PathBuf, Watched> = HashMap::new();
    let mut away = false;
    loop {
        match list(&source.folder).await {
            Ok(files) => {
                if std::mem::take(&mut away) {
                    info!(station = source.station, "the folder of photographs is there again");
                }
                for path in settled(&mut watched, files) {
                    if stop.is_cancelled() {
                        return;
                    }
                    let since = watched.get(&path).map_or_else(Instant::now, |file| file.since);
                    if !take(&state, &source, &path, since).await
                        && let Some(file) = watched.get_mut(&path)
                    {
                        file.rest = Instant::now() + AGAIN;
                    }
                }
            }
            Err(fault) if !away => {
                away = true;
                warn!(station = source.station, %fault, "the folder of photographs cannot be read; it is looked for again");
            }
            Err(_) => {}
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(LOOK) => {}
        }
    }
}

/// Files that look like pictures, oldest first.
async fn list(folder: &Path) -> io::Result<Vec<(PathBuf, Seen)>> {
    let folder = folder.to_owned();
    let listed = spawn_blocking(move || {
        let mut files = Vec::new();
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let path = entry.path();
            // Gone again meanwhile, or a link, or a folder.
            let Some(about) = entry.metadata().ok().filter(fs::Metadata::is_file) else { continue };
            if ending(&path).is_some() {
                files.push((path, Seen { bytes: about.len(), modified: about.modified().ok() }));
            }
        }
        files.sort_by(|(a, x), (b, y)| (x.modified, a).cmp(&(y.modified, b)));
        Ok(files)
    });
    listed.await.unwrap_or_else(|_| Err(io::Error::other("the look was given up")))
}

/// The ending of a name that may be a picture's; hidden files are on their way to another name.
fn ending(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let ending = path.extension()?.to_str()?.to_ascii_lowercase();
    let known = PICTURES.contains(&ending.as_str()) || OTHERS.contains(&ending.as_str());
    (known && !name.starts_with('.')).then_some(ending)
}

/// Those that have not changed for a while and are due; what is gone is forgotten.
fn settled(watched: &mut HashMap<PathBuf, Watched>, files: Vec<(PathBuf, Seen)>) -> Vec<PathBuf> {
    let now = Instant::now();
    watched.retain(|path, _| files.iter().any(|(file, _)| file == path));
    let mut due = Vec::new();
    for (path, seen) in files {
        let file = watched.entry(path.clone()).or_insert(Watched { seen, since: now, rest: now });
        if file.seen != seen {
            *file = Watched { seen, since: now, rest: now };
        }
        if now >= file.since + SETTLED && now >= file.rest {
            due.push(path);
        }
    }
    due
}

/// Why a file is not taken now.
enum Fault {
    /// Not ours to read, or gone: looked at again later.
    Io,
    Door(DoorError),
}

/// Reads a file, as far as it may be taken, and walks over it.
async fn admit(path: &Path) -> Result<Admitted, Fault> {
    let path = path.to_owned();
    let walked = spawn_blocking(move || {
        let found = fs::metadata(&path).map_err(|_| Fault::Io)?.len();
        if found > MAX_BYTES as u64 {
            return Err(Fault::Door(DoorError::TooManyBytes { found: usize::try_from(found).unwrap_or(usize::MAX) }));
        }
        if ending(&path).is_some_and(|ending| OTHERS.contains(&ending.as_str())) {
            return Err(Fault::Door(DoorError::NotAPicture));
        }
        door::admit(&fs::read(&path).map_err(|_| Fault::Io)?).map_err(Fault::Door)
    });
    walked.await.unwrap_or(Err(Fault::Io))
}

/// Takes one file in; `false` where it is to be looked at again later.
async fn take(state: &AppState, source: &Source, path: &Path, since: Instant) -> bool {
    let admitted = match admit(path).await {
        Ok(admitted) => admitted,
        Err(Fault::Io) => return false,
        // Half written: the rest may be on its way.
        Err(Fault::Door(DoorError::Truncated { .. })) if since.elapsed() < PATIENCE => return false,
        Err(Fault::Door(fault)) => {
            refuse(state, source, path, &fault).await;
            return true;
        }
    };
    match give(state, source, admitted).await {
        Ok(()) => remove(path).await,
        Err(Not::Now) => false,
        Err(Not::Here(why)) => {
            tell(state, &source.station, &why).await;
            aside::lay(&source.folder, path, WAITING, None).await
        }
    }
}

async fn refuse(state: &AppState, source: &Source, path: &Path, fault: &DoorError) {
    let refused = super::api::captures::refused_at_the_door(fault);
    warn!(station = source.station, %fault, "a file in the folder of photographs is not taken in");
    tell(state, &source.station, &refused).await;
    let sentence = format!("{}\n{}\n", refused.sentence(Lang::Zh), refused.sentence(Lang::En));
    aside::lay(&source.folder, path, REFUSED, Some(sentence)).await;
}

async fn tell(state: &AppState, station: &str, why: &WebError) {
    let (zh, en) = (why.sentence(Lang::Zh), why.sentence(Lang::En));
    state.live.publish(News::Advice { station: station.to_owned(), zh, en }).await;
}
