//! What the store puts aside for people instead of removing it, and when that goes.
//!
//! - **Picture files that no record names.** The database may be the wrong one, an old backup put back in haste: then its first
//!   start must not destroy the photographs that only the newer database names. They lie in `aside/YYYY-MM-DD/`, and the first
//!   start with a database that names them takes them back. The wrong one may have made another picture under such a name
//!   meanwhile: of the two the one that opens with the record's key takes the place, and the other lies aside.
//! - **Copies**: databases from before an upgrade (`backups/before-schema-N.db`), and logs that belonged to another database.
//!
//! All of it goes after [`KEPT_DAYS`] days, by the slower of two clocks: the one of retention is in the database, which may be the
//! wrong one, and the wall clock jumps ([`Clocks`]). What is known to be nobody's goes at once, from here too: unfinished files,
//! photographs that their clock has released, photographs of erased people. An erasure takes every copy along: it cannot be
//! read without opening it, and a person who was erased must not stay in it ([`super::vault`] remembers what is still to go).
//!
//! A file is moved by a second name that is made durable before the first one goes: no cut leaves it without any. One that cannot
//! be moved or removed stays where it is and is complained of: it keeps no gateway from starting.

use super::{
    Store,
    error::StoreError,
    files, foreign_log, passing,
    pictures::{blocking, file_of, is_of_its_row, named_files},
    schema,
    vault::Vault,
};
use crate::{
    clock,
    domain::{CaptureId, Timestamp},
    faults,
    sync::image_lane::Role,
};
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use rusqlite::Connection;
use std::{
    collections::{HashMap, HashSet},
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

/// Beside `pictures/`.
const FOLDER: &str = "aside";

/// Long enough that somebody notices what is missing, short enough that nothing stays for good.
pub const KEPT_DAYS: u32 = 30;

const DAY_MS: i64 = 86_400_000;

/// Beside the folder of the pictures.
pub(super) fn folder_of(pictures: &Path) -> PathBuf {
    pictures.with_file_name(FOLDER)
}

/// What the records say of picture files.
struct Known {
    /// The file is to be there.
    named: HashSet<String>,
    /// The file was released by its clock.
    released: HashSet<String>,
    /// Photographs of people who were erased.
    erased: HashSet<CaptureId>,
}

impl Known {
    /// Whether nobody can want this file back.
    fn is_done_with(&self, name: &str) -> bool {
        name.ends_with(files::TEMPORARY) || self.released.contains(name) || self.is_of_erased(name)
    }

    fn is_of_erased(&self, name: &str) -> bool {
        let capture = name.split('.').next().and_then(|id| id.parse::<CaptureId>().ok());
        capture.is_some_and(|id| self.erased.contains(&id))
    }
}

/// At opening: removes what is done with, puts aside what no record names, takes back what one names again. Whether nothing is
/// left of erased people.
pub(super) fn settle(conn: &Connection, vault: &Vault, pictures: &Path) -> Result<bool, StoreError> {
    let (named, released) = (named_files(conn, true)?, named_files(conn, false)?);
    let known = Known { named, released, erased: vault.erased_pictures()?.into_iter().collect() };
    let today = folder_of(pictures).join(day(today(conn)?));
    let (there, mut clean) = (names_in(pictures)?, true);
    for name in there.iter().filter(|name| !known.named.contains(*name)) {
        let path = pictures.join(name);
        if known.is_done_with(name) {
            clean &= is_gone(&path) || !known.is_of_erased(name);
            faults::point("store.orphan.removed");
            continue;
        }
        match put_aside(&path, name, &today) {
            Ok(lies_in) => {
                tracing::error!(
                    file = name,
                    "no record names this picture file; it lies in {} for {KEPT_DAYS} days. Where an older backup of the database \
                     was put back by mistake: put the newer one in its place, and the next start takes the photographs back \
                     (docs/restoring.md)",
                    lies_in.display()
                );
                faults::point("store.orphan.set_aside");
            }
            Err(fault) => tracing::error!(
                file = name,
                %fault,
                "no record names this file, and it cannot be put aside into {}; it stays among the pictures. If it is none, move \
                 it away",
                today.display()
            ),
        }
    }
    Ok(take_back(conn, vault, &known, pictures, &there)? && clean)
}

/// The day under which something is put aside: the later of what the database and the wall clock say. The database may be an old
/// one, by whose clock the next one would let go of all of it at once.
fn today(conn: &Connection) -> rusqlite::Result<Timestamp> {
    let (mark, wall) = (passing::mark(conn)?, clock::now().wall);
    Ok(if wall.unix_ms() < clock::PLAUSIBLE_MS { mark } else { mark.max(wall) })
}

/// Moves a file into the folder of the day, or into the first further one of that day that has no other file of that name: a picture
/// that is made again has the name of the one before. Gives the folder.
fn put_aside(path: &Path, name: &str, today: &Path) -> io::Result<PathBuf> {
    today.parent().map_or(Ok(()), files::make_private_folder)?;
    let mut more = 0;
    loop {
        let folder = if more == 0 { today.to_owned() } else { today.with_extension(format!("{more:04}")) };
        files::make_private_folder(&folder)?;
        if moved(path, &folder.join(name))? {
            return Ok(folder);
        }
        more += 1;
    }
}

/// Whether the file is gone now.
fn is_gone(path: &Path) -> bool {
    match files::remove(path) {
        Ok(()) => tracing::info!(file = %path.display(), "removed a picture file that was left over"),
        Err(ref fault) => tracing::error!(
            file = %path.display(),
            %fault,
            "a picture file that is nobody's cannot be removed; it is tried again. Remove it by hand if this comes back"
        ),
    }
    !path.exists()
}

/// Whether nothing is left of erased people.
fn take_back(
    conn: &Connection,
    vault: &Vault,
    known: &Known,
    pictures: &Path,
    there: &HashSet<String>,
) -> Result<bool, StoreError> {
    let (mut clean, mut named) = (true, HashMap::<String, Vec<PathBuf>>::new());
    // Newest day first: a picture that was put aside twice is most likely the one of the later day.
    for day in days(pictures)?.into_iter().rev() {
        for name in names_in(&day)? {
            let path = day.join(&name);
            if known.named.contains(&name) {
                named.entry(name).or_default().push(path);
            } else if known.is_done_with(&name) {
                clean &= is_gone(&path) || !known.is_of_erased(&name);
            }
        }
    }
    for (name, aside) in named {
        let (place, is_there) = (pictures.join(&name), there.contains(&name));
        if is_there && is_of_its_row(conn, vault, &name, &place)? {
            continue;
        }
        let mut right = None;
        for path in &aside {
            if right.is_none() && is_of_its_row(conn, vault, &name, path)? {
                right = Some(path);
            }
        }
        let done = match (is_there, right.or(aside.first())) {
            (true, _) => right.map_or(Ok(false), |path| exchange(path, &place).map(|()| true)),
            (false, Some(path)) => moved(path, &place),
            (false, None) => Ok(false),
        };
        match done {
            Ok(true) => tracing::warn!(file = name, "took back a picture file that a record names again"),
            Ok(false) => {}
            Err(fault) => tracing::error!(
                file = name,
                %fault,
                "a record names this picture file, which lies in {} and cannot be taken back; move it to {} while the gateway is \
                 stopped",
                right.or(aside.first()).map(|path| path.display().to_string()).unwrap_or_default(),
                place.display()
            ),
        }
    }
    Ok(clean)
}

/// Each of the two files takes the other's name, at once.
fn exchange(one: &Path, other: &Path) -> io::Result<()> {
    renameat2(AT_FDCWD, one, AT_FDCWD, other, RenameFlags::RENAME_EXCHANGE)?;
    files::sync_folder(one)?;
    files::sync_folder(other)
}

/// Whether `from` is now `to` and nothing else; `false` where another file has that name: both stay.
fn moved(from: &Path, to: &Path) -> io::Result<bool> {
    match fs::hard_link(from, to) {
        Err(fault) if fault.kind() == io::ErrorKind::AlreadyExists => {
            let (one, other) = (fs::metadata(from)?, fs::metadata(to)?);
            if (one.dev(), one.ino()) != (other.dev(), other.ino()) {
                return Ok(false);
            }
        }
        made => made?,
    }
    files::sync_folder(to)?;
    files::remove(from)?;
    Ok(true)
}

fn day(at: Timestamp) -> String {
    let (year, month, day) = at.date();
    format!("{year:04}-{month:02}-{day:02}")
}

/// When the day of a folder began; `None` for a name that is no day.
fn began(name: &str) -> Option<Timestamp> {
    let day = name.split('.').next()?;
    format!("{day}T00:00:00.000Z").parse().ok()
}

/// Folders of days, oldest first.
fn days(pictures: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let folder = folder_of(pictures);
    let days = names_in(&folder)?.into_iter().filter(|name| began(name).is_some()).map(|name| folder.join(name));
    // Somebody may have packed one into a file of its name.
    let mut days: Vec<PathBuf> = days.filter(|path| path.is_dir()).collect();
    days.sort();
    Ok(days)
}

/// Empty where there is no such folder.
fn names_in(folder: &Path) -> Result<HashSet<String>, StoreError> {
    let entries = match fs::read_dir(folder) {
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(HashSet::new()),
        entries => entries.map_err(StoreError::io("list a folder"))?,
    };
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    names.collect::<io::Result<_>>().map_err(StoreError::io("list a folder"))
}

/// Removes what an erasure is to leave nothing of: all [`copies`] first, then the files of these photographs wherever they lie. Goes
/// on past what does not go; how many copies there were, or the first fault.
pub(super) fn forget(pictures: &Path, captures: &[CaptureId]) -> Result<u64, StoreError> {
    let copies = remove_copies(pictures.parent().unwrap_or(pictures), None);
    let mut fault = None;
    let mut gone = |path: &Path| match files::remove(path).map_err(StoreError::io("remove a picture")) {
        Ok(()) => {}
        Err(new) => fault = fault.take().or(Some(new)),
    };
    for path in captures.iter().flat_map(|id| Role::ALL.map(|role| file_of(pictures, *id, role))) {
        gone(&path);
        faults::point("store.erasure.file_removed");
    }
    let captures: HashSet<String> = captures.iter().map(ToString::to_string).collect();
    for day in days(pictures)? {
        for name in names_in(&day)? {
            if name.split('.').next().is_some_and(|id| captures.contains(id)) {
                gone(&day.join(&name));
            }
        }
    }
    fault.map_or(copies, Err)
}

/// Copies of whole databases that the gateway made by itself, and logs that it put aside.
fn copies(data: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let backups = data.join("backups");
    let before = names_in(&backups)?.into_iter().filter(|name| schema::is_from_before(name));
    let logs = names_in(data)?.into_iter().filter(|name| foreign_log::is_aside(name));
    Ok(before.map(|name| backups.join(name)).chain(logs.map(|name| data.join(name))).collect())
}

/// Removes all [`copies`] but `clean`; how many there were, or the first fault, after the others have gone.
pub(super) fn remove_copies(data: &Path, clean: Option<&Path>) -> Result<u64, StoreError> {
    let (mut gone, mut fault) = (0, None);
    for path in copies(data)?.iter().filter(|path| Some(path.as_path()) != clean) {
        match files::remove(path).map_err(StoreError::io("remove a copy of the database")) {
            Ok(()) => gone += 1,
            Err(new) => fault = fault.or(Some(new)),
        }
        faults::point("store.copy.removed");
    }
    fault.map_or(Ok(gone), Err)
}

/// What two clocks say, neither of which can be trusted alone: the clock of retention lies in the database, which may be an old one
/// or one that began under a wrong clock, and the wall clock jumps.
#[derive(Clone, Copy)]
struct Clocks {
    /// The earlier of the two: so much time has passed in any case.
    sure: i64,
    wall: Timestamp,
}

impl Clocks {
    fn is_past(self, began: i64) -> bool {
        began + i64::from(KEPT_DAYS) * DAY_MS < self.sure
    }

    /// A date under a clock that was wrong; what bears it counts from now on.
    fn is_impossible(self, date: i64) -> bool {
        date < clock::PLAUSIBLE_MS || date > self.sure + DAY_MS
    }

    /// Lets go of a day, or gives it the date of today; how many files went.
    fn look_at_day(self, folder: &Path) -> Result<u64, StoreError> {
        let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let Some(began) = began(&name).map(Timestamp::unix_ms) else { return Ok(0) };
        if self.is_impossible(began) {
            let further = name.find('.').map_or("", |at| &name[at..]);
            let to = folder.with_file_name(format!("{}{further}", day(self.wall)));
            // Where that day is there already the two stay apart until it has gone.
            if !to.exists() {
                fs::rename(folder, &to)
                    .and_then(|()| files::sync_folder(&to))
                    .map_err(StoreError::io("date a folder"))?;
            }
            return Ok(0);
        }
        // Not before the day's last hour is past.
        if !self.is_past(began + DAY_MS) {
            return Ok(0);
        }
        let gone = names_in(folder)?.len() as u64;
        fs::remove_dir_all(folder).map_err(StoreError::io("remove what was put aside"))?;
        Ok(gone)
    }

    /// As [`Self::look_at_day`], for a copy: a log bears the time at which it was put aside in its name, since its own is that of
    /// its last write; a database was written when it was made.
    fn look_at_copy(self, path: &Path) -> io::Result<u64> {
        let log = foreign_log::put_aside_ms(path);
        let written = log.map_or_else(|| fs::metadata(path).map(|about| about.mtime().saturating_mul(1000)), Ok)?;
        if self.is_impossible(written) {
            if log.is_some() {
                let to = foreign_log::put_aside_at(path, self.wall.unix_ms());
                fs::rename(path, &to)?;
                files::sync_folder(&to)?;
            } else {
                let now = SystemTime::UNIX_EPOCH + Duration::from_millis(self.wall.unix_ms().max(0).unsigned_abs());
                fs::File::options().write(true).open(path)?.set_modified(now)?;
            }
            return Ok(0);
        }
        if !self.is_past(written) {
            return Ok(0);
        }
        files::remove(path)?;
        Ok(1)
    }
}

impl Store {
    /// `reached` is [`Store::retention_time`], `wall` what the wall clock says. Lets go of what was put aside [`KEPT_DAYS`] days ago by
    /// both: pictures that no record names, and copies of the database. Before that, of what an erasure is still to remove. Gives how
    /// many files went.
    ///
    /// # Errors
    /// When a file cannot be removed; the others are tried the next time.
    pub async fn let_go_of_what_is_aside(&self, reached: Timestamp, wall: Timestamp) -> Result<u64, StoreError> {
        // One file that does not go holds up nothing else.
        let erasures = self.finish_erasures().await;
        let (pictures, clocks) = (self.pictures().to_owned(), Clocks { sure: reached.min(wall).unix_ms(), wall });
        let gone = blocking(move || {
            let (mut gone, mut fault) = (0, None);
            let mut count = |looked_at: Result<u64, StoreError>| match looked_at {
                Ok(more) => gone += more,
                Err(new) => fault = fault.take().or(Some(new)),
            };
            for day in days(&pictures)? {
                count(clocks.look_at_day(&day));
            }
            for path in copies(pictures.parent().unwrap_or(&pictures))? {
                count(clocks.look_at_copy(&path).map_err(StoreError::io("look at a copy of the database")));
            }
            fault.map_or(Ok(gone), Err)
        });
        let gone = gone.await?;
        Ok(erasures? + gone)
    }
}
