//! Pictures on their way: offered, and received in slices of any order, or put by the gateway where headquarters says
//! ([`super::uploads`]). Slices and answers name the capture only, so a gateway sends one picture of a capture at a time;
//! slices belong to the one offered last. What is whole is verified and filed by [`super::filing`].

use super::{
    HqError,
    database::engine::{Engine, Row, first, only, values},
    filing,
    uploads::Uploads,
};
use crate::{
    domain::{CaptureId, Timestamp, capture::Format},
    sync::{
        MAX_PUBLISH,
        image_lane::{Offer, Role},
        reply::{ImageState, Reply},
        topic::Address,
    },
};

/// Ranges of missing slices that one reply names; the next offer names the rest.
const MAX_MISSING: usize = 500;

/// A picture that was not offered for so long is abandoned: its store owes it no longer, since its customer said no, or there is
/// no such store any more. What came of it is nobody's.
const ABANDONED_MS: i64 = 30 * 86_400_000;

/// Photographs of a gateway that are looked through for pictures that never came: some days of a busy store.
const NEWEST: i64 = 500;

/// Pictures asked for with one answer to a hello; the rest with the next.
const ASKED_AT_ONCE: i64 = 64;

/// What is taken, and how.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    pub max_bytes: u64,
    /// Whose pictures come to the bucket by themselves.
    pub uploads: Uploads,
}

/// A picture of which every slice is here, or that may lie on the shelf: file it.
#[derive(Debug, Clone)]
pub(super) struct Whole {
    pub from: Address,
    pub capture: String,
    pub role: String,
    /// The gateway puts it on the shelf itself: look whether it is there, else say where.
    pub upload: bool,
}

impl Whole {
    pub fn is_of_the_same(&self, other: &Self) -> bool {
        let key = |one: &Self| (one.from.gateway.clone(), one.capture.clone(), one.role.clone());
        self.capture == other.capture && key(self) == key(other)
    }
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
    taken: &Rules,
    now: Timestamp,
) -> Result<Answer, HqError> {
    let offer = match read(payload, capture) {
        Ok(offer) => offer,
        Err(reason) => return Ok(Answer::Reply(refused(capture, "", &reason))),
    };
    if let Err(reason) = rules(&offer, taken.max_bytes) {
        return Ok(Answer::Reply(refused(capture, &offer.sha256, &reason)));
    }
    if is_erased(engine, from, &offer.visit)? {
        return Ok(Answer::Reply(refused(capture, &offer.sha256, "its customer was erased")));
    }
    let role = role_word(offer.role);
    let key = values![&from.gateway, capture, role];
    let known =
        first(engine, "SELECT sha256, slice_bytes FROM images WHERE gateway = ?1 AND capture = ?2 AND role = ?3", key)?
            .map(|row| Ok::<(String, u32), HqError>((row.get(0)?, row.get(1)?)))
            .transpose()?;
    if known.is_some_and(|known| known != (offer.sha256.clone(), offer.slice_bytes)) {
        // Drawn anew at the store, or cut otherwise by another version: what was here is out of date.
        filing::forget(engine, &from.gateway, capture, role)?;
    }
    let (state, reason) = take_up(engine, from, &offer, now)?;
    match state.as_str() {
        "verified" => Ok(Answer::Reply(word(capture, &offer.sha256, ImageState::Verified))),
        "refused" => Ok(Answer::Reply(refused(capture, &offer.sha256, &reason))),
        _ => {
            let missing = missing(engine, &from.gateway, capture, role, offer.slices)?;
            let untouched = missing == [(0, offer.slices - 1)];
            let upload = untouched && taken.uploads.serves(engine, from)?;
            if upload || missing.is_empty() {
                let (capture, role) = (capture.to_owned(), role.to_owned());
                return Ok(Answer::Whole(Whole { from: from.clone(), capture, role, upload }));
            }
            Ok(Answer::Reply(wanted(capture, &offer.sha256, missing)))
        }
    }
}

fn is_erased(engine: &mut dyn Engine, from: &Address, visit: &str) -> Result<bool, HqError> {
    let sql = "SELECT 1 FROM erased_visits WHERE store = ?1 AND visit = ?2";
    first(engine, sql, values![&from.store, visit]).map(|row| row.is_some())
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
fn take_up(
    engine: &mut dyn Engine,
    from: &Address,
    offer: &Offer,
    now: Timestamp,
) -> Result<(String, String), HqError> {
    let Offer { capture, visit, role, format, bytes, slice_bytes, slices, sha256 } = offer;
    let rows = engine.query(
        "INSERT INTO images(gateway, capture, role, store, visit, format, bytes, slice_bytes, slices, sha256, state,
             offered_ms, offered)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 'wanted', ?11,
             (SELECT coalesce(max(offered), 0) + 1 FROM images WHERE gateway = ?1 AND capture = ?2))
         ON CONFLICT (gateway, capture, role) DO UPDATE SET offered = excluded.offered, offered_ms = excluded.offered_ms
         RETURNING state, reason",
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
            sha256,
            now.unix_ms()
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
    Ok((held == slices).then(|| Whole { from: from.clone(), capture: capture.to_owned(), role, upload: false }))
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
        Ok(Whole { from, capture: row.get(2)?, role: row.get(3)?, upload: false })
    };
    rows.iter().map(picture).collect()
}

/// Asks for the pictures of photographs that are known here by their events and of which none is here: a headquarters that was
/// restored from a backup may have lost what came between an event and its picture, and its store believes the picture delivered.
/// A store that has none to give, or still owes it, makes nothing of the question. The newest photographs only: what was lost
/// since a backup was told of shortly before. Which of them is drawn anew each time: those of which there never was a picture would
/// be asked for again and again, and the others never.
pub(super) fn unseen(engine: &mut dyn Engine, gateway: &str) -> Result<Vec<Reply>, HqError> {
    let rows = engine.query(
        "SELECT subject FROM (
             SELECT n, subject FROM events WHERE gateway = ?1 AND kind = 'com.skinlink.capture.v1' AND refused IS NULL
             ORDER BY n DESC LIMIT ?2) AS newest
         WHERE NOT EXISTS (
             SELECT 1 FROM images i WHERE i.gateway = ?1 AND i.capture = newest.subject AND i.state <> 'wanted')
         ORDER BY random() LIMIT ?3",
        values![gateway, NEWEST, ASKED_AT_ONCE],
    )?;
    let captures = rows.iter().map(|row| row.get::<String>(0)).collect::<Result<Vec<_>, _>>()?;
    let captures = captures.into_iter().filter(|capture| capture.parse::<CaptureId>().is_ok());
    Ok(captures.map(|capture| wanted(&capture, "", Vec::new())).collect())
}

/// Takes away what came of abandoned pictures; should one be offered again, all of it is asked for.
pub(super) fn forget_abandoned(engine: &mut dyn Engine, now: Timestamp) -> Result<(), HqError> {
    let gone = engine.execute(
        "DELETE FROM image_slices WHERE EXISTS (
             SELECT 1 FROM images i WHERE i.gateway = image_slices.gateway AND i.capture = image_slices.capture
             AND i.role = image_slices.role AND i.state = 'wanted' AND i.offered_ms < ?1)",
        values![now.unix_ms() - ABANDONED_MS],
    )?;
    if gone > 0 {
        tracing::info!(slices = gone, "slices of abandoned pictures are gone");
    }
    Ok(())
}

const fn role_word(role: Role) -> &'static str {
    role.as_str()
}

/// A word on one picture; ready to be sent.
pub(super) fn word(capture: &str, sha256: &str, state: ImageState) -> Reply {
    let (capture, sha256) = (capture.to_owned(), sha256.to_owned());
    Reply::Image { capture, sha256, state, missing: Vec::new(), reason: String::new() }
}

pub(super) fn wanted(capture: &str, sha256: &str, missing: Vec<(u32, u32)>) -> Reply {
    let (capture, sha256) = (capture.to_owned(), sha256.to_owned());
    Reply::Image { capture, sha256, state: ImageState::Wanted, missing, reason: String::new() }
}

pub(super) fn refused(capture: &str, sha256: &str, reason: &str) -> Reply {
    let (capture, sha256) = (capture.to_owned(), sha256.to_owned());
    Reply::Image { capture, sha256, state: ImageState::Refused, missing: Vec::new(), reason: reason.to_owned() }
}
