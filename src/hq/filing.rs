//! Whole pictures: held against their SHA-256, sealed, put on a shelf. A picture counts as verified only when the object and
//! then its row are durable. Its name stands in the row before anything lies under it, so that nothing can lie there unnamed.

use super::{
    HqError,
    database::engine::{Engine, Row, first, only, transaction, values},
    images::{Whole, refused, wanted, word},
    shelf::{Sealed, Shelves, Which},
    uploads,
};
use crate::{
    domain::Timestamp,
    faults,
    sync::reply::{ImageState, Reply},
};
use openssl::sha::sha256;

/// Times a picture may come whole with a wrong digest before it is refused for good.
const MAX_ATTEMPTS: u32 = 3;

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

/// Verifies and files a picture, or says where to put it.
pub(super) fn file(
    engine: &mut dyn Engine,
    shelves: &Shelves,
    picture: &Whole,
    now: Timestamp,
) -> Result<Reply, HqError> {
    let Whole { from, capture, role, upload } = picture;
    let filed = Filed::find(engine, &from.gateway, capture, role)?
        .ok_or(HqError::Shape { at: 0, expected: "the picture's row" })?;
    if filed.state == "verified" {
        // Named twice in one batch.
        return Ok(word(capture, &filed.digest, ImageState::Verified));
    }
    if *upload {
        return file_uploaded(engine, shelves, picture, &filed, now);
    }
    let bytes = put_together(engine, picture)?;
    if bytes.is_empty() {
        // Another receiver filed it in between. If not, its next offer finds that everything is missing.
        let state: String = only(
            engine,
            "SELECT state FROM images WHERE gateway = ?1 AND capture = ?2 AND role = ?3",
            values![&from.gateway, capture, role],
        )?;
        let state = if state == "verified" { ImageState::Verified } else { ImageState::Wanted };
        return Ok(word(capture, &filed.digest, state));
    }
    if hex::encode(sha256(&bytes)) != filed.digest {
        return wrong_digest(engine, picture, &filed);
    }
    let place = place(engine, shelves, picture, &filed, shelves.newest())?;
    shelves.put(&place, &bytes)?;
    verified(engine, picture, &filed, now)
}

/// The gateway was told where to put it, or is told now.
fn file_uploaded(
    engine: &mut dyn Engine,
    shelves: &Shelves,
    picture: &Whole,
    filed: &Filed,
    now: Timestamp,
) -> Result<Reply, HqError> {
    let Whole { capture, .. } = picture;
    let place = place(engine, shelves, picture, filed, Which::Bucket)?;
    let there = match shelves.get(&place) {
        Err(HqError::Unsealed { .. }) => Some(Vec::new()),
        there => there?,
    };
    match there {
        None => uploads::say_where(shelves, &place, capture, &filed.digest),
        Some(bytes) if hex::encode(sha256(&bytes)) == filed.digest => verified(engine, picture, filed, now),
        Some(_) => {
            shelves.shelf(Which::Bucket)?.remove(&place.name)?;
            match wrong_digest(engine, picture, filed)? {
                Reply::Image { state: ImageState::Wanted, .. } => {
                    uploads::say_where(shelves, &place, capture, &filed.digest)
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
) -> Result<Sealed, HqError> {
    let Whole { from, capture, role, .. } = picture;
    if let Some(sealed) = filed.sealed.as_ref().filter(|sealed| sealed.which == which) {
        return Ok(sealed.clone());
    }
    // A name of its own each time: what an older one named may still be on its way out.
    let name = format!("images/{}/{capture}-{role}-{:08x}.sealed", from.gateway, fastrand::u32(..));
    let sealed = shelves.place(which, name);
    transaction(engine, |engine| {
        remove_later(engine, filed.sealed.as_ref())?;
        engine.execute(
            "UPDATE images SET shelf = ?4, object = ?5, sealed_key = ?6
             WHERE gateway = ?1 AND capture = ?2 AND role = ?3",
            values![&from.gateway, capture, role, which.word(), &sealed.name, sealed.key.as_slice()],
        )
    })?;
    Ok(sealed)
}

fn verified(engine: &mut dyn Engine, picture: &Whole, filed: &Filed, now: Timestamp) -> Result<Reply, HqError> {
    let Whole { from, capture, role, .. } = picture;
    let key = values![&from.gateway, capture, role];
    transaction(engine, |engine| {
        engine.execute(
            "UPDATE images SET state = 'verified', verified_ms = ?4 WHERE gateway = ?1 AND capture = ?2 AND role = ?3",
            values![&from.gateway, capture, role, now.unix_ms()],
        )?;
        engine.execute("DELETE FROM image_slices WHERE gateway = ?1 AND capture = ?2 AND role = ?3", key)
    })?;
    faults::point("hq.image.committed");
    Ok(word(capture, &filed.digest, ImageState::Verified))
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
fn wrong_digest(engine: &mut dyn Engine, picture: &Whole, filed: &Filed) -> Result<Reply, HqError> {
    let Whole { from, capture, role, .. } = picture;
    let key = values![&from.gateway, capture, role];
    engine.execute("DELETE FROM image_slices WHERE gateway = ?1 AND capture = ?2 AND role = ?3", key)?;
    let rows = engine.query(
        "UPDATE images SET attempts = attempts + 1 WHERE gateway = ?1 AND capture = ?2 AND role = ?3
         RETURNING attempts",
        key,
    )?;
    let attempts: u32 = rows.first().ok_or(HqError::Shape { at: 0, expected: "the picture's row" })?.get(0)?;
    tracing::warn!(gateway = %from.gateway, capture, role, attempts, "picture whole but its digest wrong");
    if attempts < MAX_ATTEMPTS {
        return Ok(wanted(capture, &filed.digest, vec![(0, filed.slices - 1)]));
    }
    let reason = format!("its bytes do not have the offered sha256, {attempts} times");
    engine.execute(
        "UPDATE images SET state = 'refused', reason = ?4 WHERE gateway = ?1 AND capture = ?2 AND role = ?3",
        values![&from.gateway, capture, role, &reason],
    )?;
    Ok(refused(capture, &filed.digest, &reason))
}

/// Takes a picture's rows away; its object goes with [`remove_what_nobody_names`]. Its key is gone with the row.
pub(super) fn forget(engine: &mut dyn Engine, gateway: &str, capture: &str, role: &str) -> Result<(), HqError> {
    let key = values![gateway, capture, role];
    let filed = Filed::find(engine, gateway, capture, role)?;
    remove_later(engine, filed.and_then(|filed| filed.sealed).as_ref())?;
    engine.execute("DELETE FROM images WHERE gateway = ?1 AND capture = ?2 AND role = ?3", key)?;
    engine.execute("DELETE FROM image_slices WHERE gateway = ?1 AND capture = ?2 AND role = ?3", key)?;
    Ok(())
}

/// Notes that no row names it any longer.
pub(super) fn remove_later(engine: &mut dyn Engine, sealed: Option<&Sealed>) -> Result<(), HqError> {
    let Some(Sealed { which, name, .. }) = sealed else { return Ok(()) };
    let sql = "INSERT INTO removals(shelf, object) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    engine.execute(sql, values![which.word(), name]).map(drop)
}

/// Removes objects that no row names any longer, some at a time; what cannot be removed now is tried again. How many.
pub(super) fn remove_what_nobody_names(engine: &mut dyn Engine, shelves: &Shelves) -> Result<u64, HqError> {
    let rows = engine.query("SELECT shelf, object FROM removals ORDER BY shelf, object LIMIT 100", &[])?;
    let mut removed = 0;
    for row in rows {
        let (which, name): (String, String) = (row.get(0)?, row.get(1)?);
        match shelves.shelf(Which::read(&which)?).and_then(|shelf| shelf.remove(&name)) {
            Ok(()) => {
                engine.execute("DELETE FROM removals WHERE shelf = ?1 AND object = ?2", values![&which, &name])?;
                removed += 1;
            }
            Err(fault) => tracing::warn!(name, %fault, "an object cannot be removed now"),
        }
    }
    Ok(removed)
}

/// A verified picture, bit for bit; `None` where there is none.
///
/// # Errors
/// The database's or the shelf's.
pub fn open(
    engine: &mut dyn Engine,
    shelves: &Shelves,
    (gateway, capture, role): (&str, &str, &str),
) -> Result<Option<Vec<u8>>, HqError> {
    let filed = Filed::find(engine, gateway, capture, role)?.filter(|filed| filed.state == "verified");
    match filed {
        None => Ok(None),
        Some(Filed { sealed: Some(sealed), .. }) => shelves.get(&sealed),
        Some(Filed { format, .. }) => shelves.shelf(Which::Folder)?.get(&plain_name(gateway, capture, role, &format)),
    }
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
