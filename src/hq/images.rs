//! Pictures: offered, received in slices of any order, put together, held against their SHA-256, filed under the capture's
//! id and the picture's role in `images/<gateway>/`. Slices and answers name the capture only, so a gateway sends one picture
//! of a capture at a time; slices belong to the one offered last. A picture counts as verified only when file, folder entry and row are on disk.

use super::{
    HqError,
    database::engine::{Engine, Row, first, only, transaction, values},
};
use crate::{
    domain::{CaptureId, Timestamp, capture::Format},
    faults,
    sync::{
        MAX_PUBLISH,
        image_lane::{Offer, Role},
        reply::{ImageState, Reply},
        topic::Address,
    },
};
use openssl::sha::sha256;
use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
};

/// Ranges of missing slices that one reply names; the next offer names the rest.
const MAX_MISSING: usize = 500;

/// Times a picture may come whole with a wrong digest before it is refused for good.
const MAX_ATTEMPTS: u32 = 3;

/// A picture of which every slice is here: file it.
#[derive(Debug, Clone)]
pub(super) struct Whole {
    pub from: Address,
    pub capture: String,
    pub role: String,
}

/// What follows from an offer.
pub(super) enum Answer {
    Reply(Reply),
    Whole(Whole),
}

/// Takes up an offer, or tells again where that picture stands.
pub(super) fn offer(
    engine: &mut dyn Engine,
    from: &Address,
    capture: &str,
    payload: &[u8],
    max_bytes: u64,
) -> Result<Answer, HqError> {
    let offer = match read(payload, capture) {
        Ok(offer) => offer,
        Err(reason) => return Ok(Answer::Reply(refused(capture, "", &reason))),
    };
    if let Err(reason) = rules(&offer, max_bytes) {
        return Ok(Answer::Reply(refused(capture, &offer.sha256, &reason)));
    }
    let role = role_word(offer.role);
    let key = values![&from.gateway, capture, role];
    let known =
        first(engine, "SELECT sha256, slice_bytes FROM images WHERE gateway = ?1 AND capture = ?2 AND role = ?3", key)?
            .map(|row| Ok::<(String, u32), HqError>((row.get(0)?, row.get(1)?)))
            .transpose()?;
    if known.is_some_and(|known| known != (offer.sha256.clone(), offer.slice_bytes)) {
        // Drawn anew at the store, or cut otherwise by another version: what was here is out of date.
        engine.execute("DELETE FROM images WHERE gateway = ?1 AND capture = ?2 AND role = ?3", key)?;
        engine.execute("DELETE FROM image_slices WHERE gateway = ?1 AND capture = ?2 AND role = ?3", key)?;
    }
    let (state, reason) = take_up(engine, from, &offer)?;
    match state.as_str() {
        "verified" => Ok(Answer::Reply(word(capture, &offer.sha256, ImageState::Verified))),
        "refused" => Ok(Answer::Reply(refused(capture, &offer.sha256, &reason))),
        _ => {
            let missing = missing(engine, &from.gateway, capture, role, offer.slices)?;
            if missing.is_empty() {
                let (capture, role) = (capture.to_owned(), role.to_owned());
                return Ok(Answer::Whole(Whole { from: from.clone(), capture, role }));
            }
            Ok(Answer::Reply(wanted(capture, &offer.sha256, missing)))
        }
    }
}

/// Reads an offer's JSON.
fn read(payload: &[u8], capture: &str) -> Result<Offer, String> {
    let offer: Offer = serde_json::from_slice(payload).map_err(|fault| format!("unreadable offer: {fault}"))?;
    if offer.capture != capture {
        return Err(format!("offer names capture {:?}, its topic {capture:?}", offer.capture));
    }
    Ok(offer)
}

/// Notes the offer as the newest of its capture; the picture's state and what was said when it was refused.
fn take_up(engine: &mut dyn Engine, from: &Address, offer: &Offer) -> Result<(String, String), HqError> {
    let Offer { capture, visit, role, format, bytes, slice_bytes, slices, sha256 } = offer;
    let rows = engine.query(
        "INSERT INTO images(gateway, capture, role, store, visit, format, bytes, slice_bytes, slices, sha256, state, offered)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 'wanted',
             (SELECT coalesce(max(offered), 0) + 1 FROM images WHERE gateway = ?1 AND capture = ?2))
         ON CONFLICT (gateway, capture, role) DO UPDATE SET offered = excluded.offered RETURNING state, reason",
        values![
            &from.gateway,
            capture,
            role_word(*role),
            &from.store,
            visit,
            format,
            *bytes,
            *slice_bytes,
            *slices,
            sha256
        ],
    )?;
    let row = rows.first().ok_or(HqError::Shape { at: 0, expected: "the picture's row" })?;
    Ok((row.get(0)?, row.get(1)?))
}

fn rules(offer: &Offer, max_bytes: u64) -> Result<(), String> {
    let Offer { capture, visit: _, role: _, format, bytes, slice_bytes, slices, sha256 } = offer;
    // Also what keeps the file name inside its folder.
    capture.parse::<CaptureId>().map_err(|fault| format!("capture: {fault}"))?;
    format.parse::<Format>().map_err(|fault| fault.to_string())?;
    if *bytes == 0 || *bytes > max_bytes {
        return Err(format!("picture of {bytes} bytes; this receiver takes 1 to {max_bytes}"));
    }
    if *slice_bytes == 0 || *slice_bytes as usize > MAX_PUBLISH {
        return Err(format!("slices of {slice_bytes} bytes; at most {MAX_PUBLISH}"));
    }
    if u64::from(*slices) != bytes.div_ceil(u64::from(*slice_bytes)) {
        return Err(format!("{bytes} bytes are not {slices} slices of {slice_bytes}"));
    }
    if sha256.len() != 64 || !sha256.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
        return Err("sha256 is not 64 lower-case hex digits".to_owned());
    }
    Ok(())
}

/// Stores one slice of the picture of this capture that was offered last; the picture when it was the last one missing. A
/// slice nobody asked for, or of the wrong length, is dropped: the next offer asks for it again.
pub(super) fn slice(
    engine: &mut dyn Engine,
    from: &Address,
    capture: &str,
    index: u32,
    body: &[u8],
) -> Result<Option<Whole>, HqError> {
    let gateway = &from.gateway;
    let known = first(
        engine,
        "SELECT role, bytes, slice_bytes, slices FROM images
         WHERE gateway = ?1 AND capture = ?2 AND state = 'wanted' ORDER BY offered DESC LIMIT 1",
        values![gateway, capture],
    )?;
    let Some(row) = known else { return Ok(None) };
    let (role, bytes, slice_bytes, slices): (String, u64, u64, u32) =
        (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
    let expected = bytes.saturating_sub(slice_bytes * u64::from(index)).min(slice_bytes);
    if index >= slices || body.len() as u64 != expected {
        tracing::warn!(gateway, capture, index, found = body.len(), expected, "slice dropped");
        return Ok(None);
    }
    engine.execute(
        "INSERT INTO image_slices(gateway, capture, role, slice, body) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
        values![gateway, capture, &role, index, body],
    )?;
    let held: u32 = only(
        engine,
        "SELECT count(*) FROM image_slices WHERE gateway = ?1 AND capture = ?2 AND role = ?3",
        values![gateway, capture, &role],
    )?;
    Ok((held == slices).then(|| Whole { from: from.clone(), capture: capture.to_owned(), role }))
}

/// Inclusive ranges of slices not here yet.
fn missing(
    engine: &mut dyn Engine,
    gateway: &str,
    capture: &str,
    role: &str,
    slices: u32,
) -> Result<Vec<(u32, u32)>, HqError> {
    let held = engine.query(
        "SELECT slice FROM image_slices WHERE gateway = ?1 AND capture = ?2 AND role = ?3 ORDER BY slice",
        values![gateway, capture, role],
    )?;
    let held = held.iter().map(|row| row.get::<u32>(0)).collect::<Result<Vec<_>, _>>()?;
    let mut ranges = Vec::new();
    let mut next = 0;
    for slice in held.into_iter().chain([slices]) {
        if slice > next {
            ranges.push((next, slice - 1));
        }
        next = slice + 1;
    }
    ranges.truncate(MAX_MISSING);
    Ok(ranges)
}

/// Pictures of which every slice is here but which are not filed yet: the process ended in between.
pub(super) fn whole(engine: &mut dyn Engine) -> Result<Vec<Whole>, HqError> {
    let rows = engine.query(
        "SELECT store, gateway, capture, role FROM images i WHERE state = 'wanted' AND slices =
             (SELECT count(*) FROM image_slices s
              WHERE s.gateway = i.gateway AND s.capture = i.capture AND s.role = i.role)",
        &[],
    )?;
    let picture = |row: &Row| {
        let from = Address { store: row.get(0)?, gateway: row.get(1)? };
        Ok(Whole { from, capture: row.get(2)?, role: row.get(3)? })
    };
    rows.iter().map(picture).collect()
}

/// Puts a whole picture together, verifies and files it.
pub(super) fn file(engine: &mut dyn Engine, folder: &Path, picture: &Whole, now: Timestamp) -> Result<Reply, HqError> {
    let Whole { from, capture, role } = picture;
    let key = values![&from.gateway, capture, role];
    let row = first(
        engine,
        "SELECT state, format, sha256 FROM images WHERE gateway = ?1 AND capture = ?2 AND role = ?3",
        key,
    )?
    .ok_or(HqError::Shape { at: 0, expected: "the picture's row" })?;
    let (state, format, digest): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
    if state == "verified" {
        // Named twice in one batch.
        return Ok(word(capture, &digest, ImageState::Verified));
    }
    let bytes = put_together(engine, picture)?;
    if bytes.is_empty() {
        // Another receiver filed it in between. If not, its next offer finds that everything is missing.
        let state: String =
            only(engine, "SELECT state FROM images WHERE gateway = ?1 AND capture = ?2 AND role = ?3", key)?;
        let filed = if state == "verified" { ImageState::Verified } else { ImageState::Wanted };
        return Ok(word(capture, &digest, filed));
    }
    if hex::encode(sha256(&bytes)) != digest {
        return wrong_digest(engine, picture, &digest);
    }
    write_durably(&path_of(folder, &from.gateway, capture, role, &format), &bytes)?;
    transaction(engine, |engine| {
        engine.execute(
            "UPDATE images SET state = 'verified', verified_ms = ?4 WHERE gateway = ?1 AND capture = ?2 AND role = ?3",
            values![&from.gateway, capture, role, now.unix_ms()],
        )?;
        engine.execute("DELETE FROM image_slices WHERE gateway = ?1 AND capture = ?2 AND role = ?3", key)
    })?;
    faults::point("hq.image.committed");
    Ok(word(capture, &digest, ImageState::Verified))
}

fn put_together(engine: &mut dyn Engine, picture: &Whole) -> Result<Vec<u8>, HqError> {
    let Whole { from, capture, role } = picture;
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
fn wrong_digest(engine: &mut dyn Engine, picture: &Whole, digest: &str) -> Result<Reply, HqError> {
    let Whole { from, capture, role } = picture;
    let key = values![&from.gateway, capture, role];
    engine.execute("DELETE FROM image_slices WHERE gateway = ?1 AND capture = ?2 AND role = ?3", key)?;
    let rows = engine.query(
        "UPDATE images SET attempts = attempts + 1 WHERE gateway = ?1 AND capture = ?2 AND role = ?3
         RETURNING attempts, slices",
        key,
    )?;
    let row = rows.first().ok_or(HqError::Shape { at: 0, expected: "the picture's row" })?;
    let (attempts, slices): (u32, u32) = (row.get(0)?, row.get(1)?);
    tracing::warn!(gateway = %from.gateway, capture, role, attempts, "picture whole but its digest wrong");
    if attempts < MAX_ATTEMPTS {
        return Ok(wanted(capture, digest, vec![(0, slices - 1)]));
    }
    let reason = format!("its bytes do not have the offered sha256, {attempts} times");
    engine.execute(
        "UPDATE images SET state = 'refused', reason = ?4 WHERE gateway = ?1 AND capture = ?2 AND role = ?3",
        values![&from.gateway, capture, role, &reason],
    )?;
    Ok(refused(capture, digest, &reason))
}

/// Where a verified picture lies.
#[must_use]
pub fn path_of(folder: &Path, gateway: &str, capture: &str, role: &str, format: &str) -> PathBuf {
    let ending = match format {
        "image/png" => "png",
        "image/webp" => "webp",
        _ => "jpg",
    };
    folder.join("images").join(gateway).join(format!("{capture}-{role}.{ending}"))
}

/// tmp → fsync → rename → fsync of the folder: after a power cut the name shows the whole file or nothing.
fn write_durably(path: &Path, bytes: &[u8]) -> Result<(), HqError> {
    let failed = |source| HqError::File { path: path.to_owned(), source };
    let folder = path.parent().expect("a picture lies in a folder");
    if !folder.exists() {
        fs::create_dir_all(folder).map_err(failed)?;
        for made in folder.ancestors().skip(1).take(2) {
            File::open(made).and_then(|made| made.sync_all()).map_err(failed)?;
        }
    }
    let temporary = path.with_extension("part");
    let mut file = File::create(&temporary).map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    faults::point("hq.image.synced");
    fs::rename(&temporary, path).map_err(failed)?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
    faults::point("hq.image.renamed");
    Ok(())
}

fn role_word(role: Role) -> &'static str {
    match role {
        Role::Report => "report",
        Role::Derivative => "derivative",
        Role::Original => "original",
    }
}

/// A word on one picture; ready to be sent.
fn word(capture: &str, sha256: &str, state: ImageState) -> Reply {
    let (capture, sha256) = (capture.to_owned(), sha256.to_owned());
    Reply::Image { capture, sha256, state, missing: Vec::new(), reason: String::new() }
}

fn wanted(capture: &str, sha256: &str, missing: Vec<(u32, u32)>) -> Reply {
    let (capture, sha256) = (capture.to_owned(), sha256.to_owned());
    Reply::Image { capture, sha256, state: ImageState::Wanted, missing, reason: String::new() }
}

fn refused(capture: &str, sha256: &str, reason: &str) -> Reply {
    let (capture, sha256) = (capture.to_owned(), sha256.to_owned());
    Reply::Image { capture, sha256, state: ImageState::Refused, missing: Vec::new(), reason: reason.to_owned() }
}
