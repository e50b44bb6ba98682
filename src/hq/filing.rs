//! Whole pictures: held against their SHA-256, sealed, put on a shelf. A picture counts as verified only when the object and
//! then its row are durable. Its name stands in the row before anything lies under it, so that nothing can lie there unnamed.

use super::{
    HqError,
    database::engine::{Engine, Row, first, transaction, values},
    images::{Whole, refused, wanted, word},
    shelf::{Sealed, Shelves, Which},
    uploads, waits,
};
use crate::{
    domain::Timestamp,
    faults,
    sync::reply::{ImageState, Reply},
};
use openssl::sha::sha256;

/// Times a picture may come whole with a wrong digest before it is refused for good.
const MAX_ATTEMPTS: u32 = 3;

/// Objects removed at one go.
const REMOVALS: u32 = 20;

/// An object that a row is about to name is kept so long: far longer than writing it takes.
const KEPT_MS: i64 = 900_000;

/// A picture's row, as far as filing it goes.
struct Filed {
    state: String,
    format: String,
    digest: String,
    slices: u32,
    sealed: Option<Sealed>,
}

impl Filed {
    fn find(engine: &mut dyn Engine, gateway: &str, capture: &str, role: &str) -> Result<Option<Self>, HqError> {
        let row = first(
            engine,
            "SELECT state, format, sha256, slices, shelf, object, sealed_key FROM images
             WHERE gateway = ?1 AND capture = ?2 AND role = ?3",
            values![gateway, capture, role],
        )?;
        row.map(|row| {
            let sealed = sealed(&row, 4)?;
            Ok(Self { state: row.get(0)?, format: row.get(1)?, digest: row.get(2)?, slices: row.get(3)?, sealed })
        })
        .transpose()
    }
}

/// `shelf, object, sealed_key` from position `at` on; `None` where nothing lies on a shelf.
pub(super) fn sealed(row: &Row, at: usize) -> Result<Option<Sealed>, HqError> {
    let Some(which) = row.get::<Option<String>>(at)? else { return Ok(None) };
    Ok(Some(Sealed { which: Which::read(&which)?, name: row.get(at + 1)?, key: row.get(at + 2)? }))
}

/// Verifies and files a picture, or says where to put it. `None` where another receiver or a new offer was quicker: what is
/// said of it then comes from there, or with the next offer. Never is a picture called verified of which the row does not say
/// so: every step holds only if the row is still the one that it was decided on.
pub(super) fn file(
    engine: &mut dyn Engine,
    shelves: &Shelves,
    picture: &Whole,
    now: Timestamp,
) -> Result<Option<Reply>, HqError> {
    let Whole { from, capture, role, upload } = picture;
    let Some(filed) = Filed::find(engine, &from.gateway, capture, role)? else { return Ok(None) };
    if filed.state == "verified" {
        // Named twice in one batch, or filed by another receiver while this one could not.
        waits::over(engine, &waits::picture(&from.gateway, capture, role))?;
        return Ok(Some(word(capture, &filed.digest, ImageState::Verified)));
    }
    if *upload {
        return file_uploaded(engine, shelves, picture, &filed, now);
    }
    let bytes = put_together(engine, picture)?;
    if bytes.is_empty() {
        return is_verified_by_now(engine, picture, &filed);
    }
    if hex::encode(sha256(&bytes)) != filed.digest {
        return wrong_digest(engine, picture, &filed);
    }
    let Some(place) = place(engine, shelves, picture, &filed, shelves.newest())? else {
        return is_verified_by_now(engine, picture, &filed);
    };
    shelves.put(&place, &bytes)?;
    verified(engine, picture, &filed, &place, now)
}

/// Another receiver filed it in between. If not, its next offer finds what is missing.
fn is_verified_by_now(engine: &mut dyn Engine, picture: &Whole, before: &Filed) -> Result<Option<Reply>, HqError> {
    let Whole { from, capture, role, .. } = picture;
    let held = Filed::find(engine, &from.gateway, capture, role)?;
    let held = held.filter(|held| held.state == "verified" && held.digest == before.digest);
    Ok(held.map(|held| word(capture, &held.digest, ImageState::Verified)))
}

/// The gateway was told where to put it, or is told now.
fn file_uploaded(
    engine: &mut dyn Engine,
    shelves: &Shelves,
    picture: &Whole,
    filed: &Filed,
    now: Timestamp,
) -> Result<Option<Reply>, HqError> {
    let Whole { capture, .. } = picture;
    let Some(place) = place(engine, shelves, picture, filed, Which::Bucket)? else { return Ok(None) };
    let there = match shelves.get(&place) {
        Err(HqError::Unsealed { .. }) => Some(Vec::new()),
        there => there?,
    };
    match there {
        None => uploads::say_where(shelves, &place, capture, &filed.digest).map(Some),
        Some(bytes) if hex::encode(sha256(&bytes)) == filed.digest => verified(engine, picture, filed, &place, now),
        Some(_) => {
            shelves.shelf(Which::Bucket)?.remove(&place.name)?;
            match wrong_digest(engine, picture, filed)? {
                Some(Reply::Image { state: ImageState::Wanted, .. }) => {
                    uploads::say_where(shelves, &place, capture, &filed.digest).map(Some)
                }
                refused => Ok(refused),
            }
        }
    }
}

/// Where it lies, or will: written into its row before anything lies there.
fn place(
    engine: &mut dyn Engine,
    shelves: &Shelves,
    picture: &Whole,
    filed: &Filed,
    which: Which,
) -> Result<Option<Sealed>, HqError> {
    let Whole { from, capture, role, .. } = picture;
    if let Some(sealed) = filed.sealed.as_ref().filter(|sealed| sealed.which == which) {
        return Ok(Some(sealed.clone()));
    }
    // A name of its own each time: what an older one named may still be on its way out.
    let name = format!("images/{}/{capture}-{role}-{:08x}.sealed", from.gateway, fastrand::u32(..));
    let sealed = shelves.place(which, name);
    let before = filed.sealed.as_ref();
    let noted = transaction(engine, |engine| {
        let noted = engine.execute(
            "UPDATE images SET shelf = ?4, object = ?5, sealed_key = ?6
             WHERE gateway = ?1 AND capture = ?2 AND role = ?3 AND sha256 = ?7 AND state = 'wanted'
             AND coalesce(object, '') = ?8",
            values![
                &from.gateway,
                capture,
                role,
                which.word(),
                &sealed.name,
                sealed.key.as_slice(),
                &filed.digest,
                before.map_or("", |before| before.name.as_str())
            ],
        )? == 1;
        if noted {
            remove_later(engine, before)?;
        }
        Ok(noted)
    })?;
    Ok(noted.then_some(sealed))
}

fn verified(
    engine: &mut dyn Engine,
    picture: &Whole,
    filed: &Filed,
    place: &Sealed,
    now: Timestamp,
) -> Result<Option<Reply>, HqError> {
    let Whole { from, capture, role, .. } = picture;
    let key = values![&from.gateway, capture, role];
    let held = transaction(engine, |engine| {
        let held = engine.execute(
            "UPDATE images SET state = 'verified', verified_ms = ?4
             WHERE gateway = ?1 AND capture = ?2 AND role = ?3 AND sha256 = ?5 AND state = 'wanted' AND object = ?6",
            values![&from.gateway, capture, role, now.unix_ms(), &filed.digest, &place.name],
        )? == 1;
        if held {
            engine.execute("DELETE FROM image_slices WHERE gateway = ?1 AND capture = ?2 AND role = ?3", key)?;
            waits::over(engine, &waits::picture(&from.gateway, capture, role))?;
        } else if first(engine, "SELECT 1 FROM images WHERE object = ?1", values![&place.name])?.is_none() {
            // It was put there after its row was gone, perhaps after the shelf had been tidied.
            remove_later(engine, Some(place))?;
        }
        Ok(held)
    })?;
    faults::point("hq.image.committed");
    if held {
        return Ok(Some(word(capture, &filed.digest, ImageState::Verified)));
    }
    is_verified_by_now(engine, picture, filed)
}

fn put_together(engine: &mut dyn Engine, picture: &Whole) -> Result<Vec<u8>, HqError> {
    let Whole { from, capture, role, .. } = picture;
    let rows = engine.query(
        "SELECT body FROM image_slices WHERE gateway = ?1 AND capture = ?2 AND role = ?3 ORDER BY slice",
        values![&from.gateway, capture, role],
    )?;
    let mut bytes = Vec::new();
    for row in &rows {
        bytes.extend_from_slice(&row.get::<Vec<u8>>(0)?);
    }
    Ok(bytes)
}

/// Asks for all of it again; refuses it for good when it came wrong too often.
fn wrong_digest(engine: &mut dyn Engine, picture: &Whole, filed: &Filed) -> Result<Option<Reply>, HqError> {
    let Whole { from, capture, role, .. } = picture;
    let key = values![&from.gateway, capture, role];
    let attempts = transaction(engine, |engine| {
        let rows = engine.query(
            "UPDATE images SET attempts = attempts + 1
             WHERE gateway = ?1 AND capture = ?2 AND role = ?3 AND sha256 = ?4 AND state = 'wanted' RETURNING attempts",
            values![&from.gateway, capture, role, &filed.digest],
        )?;
        // Of another offer by now: its slices are none of ours.
        let Some(row) = rows.first() else { return Ok(None) };
        engine.execute("DELETE FROM image_slices WHERE gateway = ?1 AND capture = ?2 AND role = ?3", key)?;
        row.get::<u32>(0).map(Some)
    })?;
    let Some(attempts) = attempts else { return is_verified_by_now(engine, picture, filed) };
    tracing::warn!(gateway = %from.gateway, capture, role, attempts, "picture whole but its digest wrong");
    if attempts < MAX_ATTEMPTS {
        return Ok(Some(wanted(capture, &filed.digest, vec![(0, filed.slices - 1)])));
    }
    let reason = format!("its bytes do not have the offered sha256, {attempts} times");
    engine.execute(
        "UPDATE images SET state = 'refused', reason = ?4
         WHERE gateway = ?1 AND capture = ?2 AND role = ?3 AND sha256 = ?5 AND state = 'wanted'",
        values![&from.gateway, capture, role, &reason, &filed.digest],
    )?;
    waits::over(engine, &waits::picture(&from.gateway, capture, role))?;
    Ok(Some(refused(capture, &filed.digest, &reason)))
}

/// Takes a picture's rows away; its object goes with [`remove_what_nobody_names`]. Its key is gone with the row.
pub(super) fn forget(engine: &mut dyn Engine, gateway: &str, capture: &str, role: &str) -> Result<(), HqError> {
    let key = values![gateway, capture, role];
    let filed = Filed::find(engine, gateway, capture, role)?;
    remove_later(engine, filed.and_then(|filed| filed.sealed).as_ref())?;
    engine.execute("DELETE FROM images WHERE gateway = ?1 AND capture = ?2 AND role = ?3", key)?;
    engine.execute("DELETE FROM image_slices WHERE gateway = ?1 AND capture = ?2 AND role = ?3", key)?;
    waits::over(engine, &waits::picture(gateway, capture, role))
}

/// Notes that no row names it any longer.
pub(super) fn remove_later(engine: &mut dyn Engine, sealed: Option<&Sealed>) -> Result<(), HqError> {
    let Some(Sealed { which, name, .. }) = sealed else { return Ok(()) };
    let sql = "INSERT INTO removals(shelf, object) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    engine.execute(sql, values![which.word(), name]).map(drop)
}

/// Notes that a row is about to name it. Where none does within [`KEPT_MS`] it is removed: who meant to has ended in between.
pub(super) fn remove_unless_named(engine: &mut dyn Engine, sealed: &Sealed, now: Timestamp) -> Result<(), HqError> {
    let Sealed { which, name, .. } = sealed;
    let sql = "INSERT INTO removals(shelf, object, keep_until_ms) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING";
    engine.execute(sql, values![which.word(), name, now.unix_ms() + KEPT_MS]).map(drop)
}

/// Notes that no row will name it after all.
pub(super) fn remove_after_all(engine: &mut dyn Engine, Sealed { which, name, .. }: &Sealed) -> Result<(), HqError> {
    let sql = "UPDATE removals SET keep_until_ms = 0 WHERE shelf = ?1 AND object = ?2 AND keep_until_ms > 0";
    engine.execute(sql, values![which.word(), name]).map(drop)
}

/// Notes that a row names it now: not to be removed. To be called in the transaction that names it. `false` where somebody has
/// begun to remove it: then nothing may name it.
pub(super) fn kept_after_all(engine: &mut dyn Engine, Sealed { which, name, .. }: &Sealed) -> Result<bool, HqError> {
    let sql = "DELETE FROM removals WHERE shelf = ?1 AND object = ?2 AND keep_until_ms >= 0";
    Ok(engine.execute(sql, values![which.word(), name])? == 1)
}

/// Removes objects that no row names any longer, some at a time; what cannot be removed now is tried again. How many. In no
/// transaction: a shelf that takes its time holds nobody up. Each is marked before, so that nobody names it meanwhile.
pub(super) fn remove_what_nobody_names(
    engine: &mut dyn Engine,
    shelves: &Shelves,
    now: Timestamp,
) -> Result<u64, HqError> {
    let now = now.unix_ms();
    let rows = engine.query(
        // What is kept for longer than anything is was noted by a clock that has been put back since.
        "SELECT shelf, object FROM removals WHERE keep_until_ms <= ?1 OR keep_until_ms > ?2 ORDER BY random() LIMIT ?3",
        values![now, now + 2 * KEPT_MS, REMOVALS],
    )?;
    let mut removed = 0;
    for row in rows {
        let (which, name): (String, String) = (row.get(0)?, row.get(1)?);
        let marked = engine.execute(
            "UPDATE removals SET keep_until_ms = -1 WHERE shelf = ?1 AND object = ?2
             AND (keep_until_ms <= ?3 OR keep_until_ms > ?4)",
            values![&which, &name, now, now + 2 * KEPT_MS],
        )?;
        if marked == 0 {
            continue;
        }
        match shelves.shelf(Which::read(&which)?).and_then(|shelf| shelf.remove(&name)) {
            Ok(()) => {
                engine.execute("DELETE FROM removals WHERE shelf = ?1 AND object = ?2", values![&which, &name])?;
                removed += 1;
            }
            Err(fault) => {
                tracing::warn!(name, %fault, "an object cannot be removed now");
                // A shelf that is away would keep the others waiting once for each object.
                break;
            }
        }
    }
    Ok(removed)
}

/// Whether a picture is here, as its row says.
///
/// # Errors
/// The database's.
pub fn is_verified(engine: &mut dyn Engine, (gateway, capture, role): (&str, &str, &str)) -> Result<bool, HqError> {
    Ok(Filed::find(engine, gateway, capture, role)?.is_some_and(|filed| filed.state == "verified"))
}

/// Where a verified picture lies.
#[derive(Debug)]
pub enum Lies {
    Sealed(Sealed),
    /// Under this name in the folder, as programs before schema 5 put it.
    Plain(String),
}

impl Lies {
    /// Asks the database alone; `None` where there is no such picture.
    ///
    /// # Errors
    /// The database's.
    pub fn find(
        engine: &mut dyn Engine,
        (gateway, capture, role): (&str, &str, &str),
    ) -> Result<Option<Self>, HqError> {
        let filed = Filed::find(engine, gateway, capture, role)?.filter(|filed| filed.state == "verified");
        Ok(filed.map(|filed| match filed {
            Filed { sealed: Some(sealed), .. } => Self::Sealed(sealed),
            Filed { format, .. } => Self::Plain(plain_name(gateway, capture, role, &format)),
        }))
    }

    /// Takes it off its shelf, bit for bit; `None` where its object is gone.
    ///
    /// # Errors
    /// The shelf's.
    pub fn fetch(&self, shelves: &Shelves) -> Result<Option<Vec<u8>>, HqError> {
        match self {
            Self::Sealed(sealed) => shelves.get(sealed),
            Self::Plain(name) => shelves.shelf(Which::Folder)?.get(name),
        }
    }
}

/// A verified picture, bit for bit; `None` where there is none.
///
/// # Errors
/// The database's or the shelf's.
pub fn open(engine: &mut dyn Engine, shelves: &Shelves, name: (&str, &str, &str)) -> Result<Option<Vec<u8>>, HqError> {
    Lies::find(engine, name)?.map_or(Ok(None), |lies| lies.fetch(shelves))
}

/// Where programs before schema 5 put a picture, plain.
pub(super) fn plain_name(gateway: &str, capture: &str, role: &str, format: &str) -> String {
    let ending = match format {
        "image/png" => "png",
        "image/webp" => "webp",
        _ => "jpg",
    };
    format!("images/{gateway}/{capture}-{role}.{ending}")
}
