//! Photographs: a row for what a capture shows, and one encrypted file per role (original, derivative, report picture).
//!
//! A file is written and durable before the row that names it; at opening, files that no row names are removed. File:
//! `1 ‖ nonce (12) ‖ ciphertext ‖ tag (16)`, AES-256-GCM under a random key of its own, bound to the capture id, the role
//! and the layout's version. That key stands in the row, wrapped by the customer's key ([`super::vault`]). Files are
//! named by the capture id, never by a digest: a digest names a picture to anyone who owns it.

use super::{
    Store,
    columns::{self, Texts, int, uint},
    consents,
    error::{StoreError, found},
    files,
    outbox::{self, About, Gate},
    scans,
    seal::{self, Key},
    writer::Tx,
};
use crate::{
    clock,
    domain::{
        CaptureId, CustomerId, ScanId, Stamp, VisitId,
        capture::{Capture, Format, Light, View},
        consent::Purpose,
    },
    faults,
    sync::{
        image_lane::Role,
        payload::{self, kind},
    },
};
use openssl::sha::sha256;
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::{
    collections::HashSet,
    fs, io,
    path::{Path, PathBuf},
};

/// First byte of a file.
const LAYOUT: u8 = 1;

/// What is known of a photograph before it is stored.
#[derive(Debug, Clone)]
pub struct NewCapture {
    pub scan: ScanId,
    pub view: View,
    pub light: Light,
    pub format: Format,
    /// As shown; pixels.
    pub width: u32,
    pub height: u32,
    pub anchors: [[f64; 2]; 2],
    pub complaints: Vec<String>,
    pub camera: String,
    pub taken: Stamp,
}

pub(super) const fn role_word(role: Role) -> &'static str {
    match role {
        Role::Report => "report",
        Role::Derivative => "derivative",
        Role::Original => "original",
    }
}

const COLUMNS: &str = "id, scan, view, light, format, width, height, bytes, sha256, ax, ay, bx, by, complaints, camera,
    boot, ns, ms, clock";

fn from_row(row: &Row<'_>) -> rusqlite::Result<Capture> {
    Ok(Capture {
        id: row.get(0)?,
        scan: row.get(1)?,
        view: row.get(2)?,
        light: row.get(3)?,
        format: row.get(4)?,
        width: row.get(5)?,
        height: row.get(6)?,
        bytes: uint(row, 7)?,
        sha256: row.get(8)?,
        anchors: [[row.get(9)?, row.get(10)?], [row.get(11)?, row.get(12)?]],
        complaints: row.get::<_, Texts>(13)?.0,
        camera: row.get(14)?,
        taken: columns::stamp(row, 15)?,
    })
}

pub(super) fn load(conn: &Connection, id: CaptureId) -> Result<Capture, StoreError> {
    let mut select = conn.prepare_cached(&format!("SELECT {COLUMNS} FROM captures WHERE id = ?1"))?;
    found(select.query_row([id], from_row), "capture", id)
}

/// Captures of a scan in order, with whether they are struck out.
pub(super) fn of_scan(conn: &Connection, scan: ScanId) -> Result<Vec<(Capture, bool)>, StoreError> {
    let mut select =
        conn.prepare_cached(&format!("SELECT {COLUMNS}, voided FROM captures WHERE scan = ?1 ORDER BY n"))?;
    let captures = select.query_map([scan], |row| Ok((from_row(row)?, row.get(19)?)))?;
    Ok(captures.collect::<Result<_, _>>()?)
}

pub(super) fn file_of(pictures: &Path, capture: CaptureId, role: Role) -> PathBuf {
    match role {
        Role::Original => pictures.join(capture.to_string()),
        other => pictures.join(format!("{capture}.{}", role_word(other))),
    }
}

/// What a file's encryption is bound to.
fn about_file(capture: CaptureId, role: Role) -> Vec<u8> {
    let mut about = vec![LAYOUT, role as u8];
    about.extend_from_slice(&capture.bits().to_be_bytes());
    about
}

/// What a wrapped file key is bound to.
pub(super) fn about_key(capture: CaptureId, role: &str) -> Vec<u8> {
    format!("key of {capture} {role}").into_bytes()
}

/// One encrypted file, on disk and about to be named by a row.
struct Picture {
    role: Role,
    format: Format,
    bytes: u64,
    sha256: [u8; 32],
    wrapped: Vec<u8>,
    owner: CustomerId,
}

impl Store {
    /// Stores a photograph as it came (already stripped of metadata): encrypted file first, then its row, durably.
    ///
    /// HQ is told of it only under consent to share photographs; the original itself is owed only on request
    /// ([`Store::owe_original`]), HQ gets derivatives.
    ///
    /// # Errors
    /// [`StoreError::NoConsent`] without consent to photograph; [`StoreError::LowDisk`] below the floor, while readings
    /// go on; nothing is left behind then.
    pub async fn save_capture(&self, new: NewCapture, original: Vec<u8>) -> Result<Capture, StoreError> {
        let (scan, id) = (new.scan, clock::mint(CaptureId::from_bits));
        let customer = self.read(move |conn| {
            let customer = scans::place(conn, scan)?.customer;
            if !consents::given(conn, customer, Purpose::Photograph)? {
                return Err(StoreError::NoConsent { purpose: Purpose::Photograph.as_str() });
            }
            Ok(customer)
        });
        let picture = self.write_file(id, Role::Original, new.format, customer.await?, original).await?;
        let capture = named(id, new, &picture);
        let row = capture.clone();
        self.keep_or_remove(id, Role::Original, move |tx| insert(tx, &row, &picture)).await?;
        Ok(capture)
    }

    /// The photograph of the *before* scan that `after` is held against: same visit, same view, the last one that was not
    /// struck out. `None` where there is none, or where `after` itself is of a *before* scan.
    pub async fn partner_of(&self, after: CaptureId) -> Result<Option<CaptureId>, StoreError> {
        let sql = "SELECT b.id FROM captures a JOIN scans sa ON sa.id = a.scan JOIN scans sb ON sb.visit = sa.visit
                   JOIN captures b ON b.scan = sb.id
                   WHERE a.id = ?1 AND sa.phase = 'after' AND sb.phase = 'before' AND b.view = a.view
                     AND b.voided = 0 AND sb.state <> 'voided'
                   ORDER BY b.n DESC LIMIT 1";
        self.read(move |conn| Ok(conn.query_row(sql, [after], |row| row.get(0)).optional()?)).await
    }

    /// Whether a picture of this role is kept.
    pub async fn has_picture(&self, capture: CaptureId, role: Role) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM pictures WHERE capture = ?1 AND role = ?2)";
        self.read(move |conn| Ok(conn.query_row(sql, params![capture, role_word(role)], |row| row.get(0))?)).await
    }

    /// Stores a picture made from a capture: a derivative (at most 400 kB by agreement with HQ) or a report picture. Owed
    /// to HQ at once under consent to share photographs. An earlier one of the same role is refused.
    pub async fn save_picture(
        &self,
        capture: CaptureId,
        role: Role,
        format: Format,
        bytes: Vec<u8>,
    ) -> Result<(), StoreError> {
        if role == Role::Original {
            return Err(StoreError::Refused("the original is stored with its capture".to_owned()));
        }
        // Before the file is touched: the one there must not be overwritten.
        if self.has_picture(capture, role).await? {
            return Err(already(capture, role));
        }
        let customer = self.read(move |conn| Ok(scans::place(conn, load(conn, capture)?.scan)?.customer));
        let picture = self.write_file(capture, role, format, customer.await?, bytes).await?;
        self.keep_or_remove(capture, role, move |tx| insert_picture(tx, capture, &picture)).await
    }

    /// The picture, decrypted, its SHA-256 checked.
    ///
    /// # Errors
    /// [`StoreError::Erased`] after erasure, [`StoreError::Picture`] when the file is damaged or gone.
    pub async fn picture_bytes(&self, capture: CaptureId, role: Role) -> Result<Vec<u8>, StoreError> {
        let (path, vault) = (file_of(self.pictures(), capture, role), self.0.vault.clone());
        let row = self.read(move |conn| {
            let row = conn
                .prepare_cached("SELECT key, owner, sha256 FROM pictures WHERE capture = ?1 AND role = ?2")?
                .query_row(params![capture, role_word(role)], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
            found(row, "picture of capture", capture)
        });
        let (wrapped, owner, sha256): (Vec<u8>, CustomerId, [u8; 32]) = row.await?;
        blocking(move || {
            let key = vault.key_of(owner)?.ok_or(StoreError::Erased)?;
            read_file(&path, capture, role, &unwrap_key(&key, capture, role_word(role), &wrapped)?, &sha256)
        })
        .await
    }

    /// The original of a capture, see [`Store::picture_bytes`].
    pub async fn capture_bytes(&self, capture: CaptureId) -> Result<Vec<u8>, StoreError> {
        self.picture_bytes(capture, Role::Original).await
    }

    pub async fn capture(&self, id: CaptureId) -> Result<Capture, StoreError> {
        self.read(move |conn| load(conn, id)).await
    }

    async fn write_file(
        &self,
        capture: CaptureId,
        role: Role,
        format: Format,
        owner: CustomerId,
        bytes: Vec<u8>,
    ) -> Result<Picture, StoreError> {
        let (folder, floor, vault) = (self.pictures().to_owned(), self.0.min_free, self.0.vault.clone());
        blocking(move || {
            files::require_free(&folder, bytes.len() as u64, floor)?;
            let (key, owner_key) = (seal::random_key(), vault.key_for(owner)?);
            let mut content = vec![LAYOUT];
            content.append(&mut seal::seal(&key, &about_file(capture, role), &bytes));
            let written = files::write(&file_of(&folder, capture, role), &content);
            written.map_err(StoreError::io("write the picture"))?;
            let wrapped = seal::seal(&owner_key, &about_key(capture, role_word(role)), key.as_ref());
            Ok(Picture { role, format, bytes: bytes.len() as u64, sha256: sha256(&bytes), wrapped, owner })
        })
        .await
    }

    /// Writes the row, or takes the file away again.
    async fn keep_or_remove(
        &self,
        capture: CaptureId,
        role: Role,
        row: impl FnOnce(&Tx<'_>) -> Result<(), StoreError> + Send + 'static,
    ) -> Result<(), StoreError> {
        let written = self.write(row).await;
        faults::point("store.image.row_committed");
        // Not when the writer has gone: it may have committed the row before it went. An orphan goes at the next opening.
        if !matches!(written, Ok(()) | Err(StoreError::Stopped)) {
            let path = file_of(self.pictures(), capture, role);
            blocking(move || files::remove(&path).map_err(StoreError::io("remove a picture"))).await?;
        }
        written
    }
}

fn named(id: CaptureId, new: NewCapture, picture: &Picture) -> Capture {
    let NewCapture { scan, view, light, format, width, height, anchors, complaints, camera, taken } = new;
    let (bytes, sha256) = (picture.bytes, picture.sha256);
    Capture { id, scan, view, light, format, width, height, bytes, sha256, anchors, complaints, camera, taken }
}

fn insert(tx: &Tx<'_>, capture: &Capture, picture: &Picture) -> Result<(), StoreError> {
    let Capture { id, scan, view, light, format, width, height, bytes, sha256, anchors, complaints, camera, taken } =
        capture;
    let [[ax, ay], [bx, by]] = anchors;
    tx.execute(
        "INSERT INTO captures (id, scan, view, light, format, width, height, bytes, sha256, ax, ay, bx, by, complaints,
         camera, told, boot, ns, ms, clock)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, 0, ?16, ?17, ?18, ?19)",
        params![
            id,
            scan,
            view,
            light,
            format,
            width,
            height,
            int(*bytes),
            sha256,
            ax,
            ay,
            bx,
            by,
            Texts(complaints.clone()),
            camera,
            taken.boot,
            int(taken.monotonic_ns),
            taken.wall,
            taken.clock
        ],
    )?;
    insert_picture(tx, *id, picture)?;
    tell(tx, capture)
}

fn insert_picture(tx: &Tx<'_>, capture: CaptureId, picture: &Picture) -> Result<(), StoreError> {
    let Picture { role, format, bytes, sha256, wrapped, owner } = picture;
    let place = scans::place(tx, load(tx, capture)?.scan)?;
    if place.customer != *owner {
        return Err(StoreError::NotCommitted("the visit was moved to another customer meanwhile".to_owned()));
    }
    let owed = *role != Role::Original && consents::given(tx, *owner, Purpose::SharePhotographs)?;
    let now = clock::now().wall;
    let inserted = tx.execute(
        "INSERT OR IGNORE INTO pictures (capture, role, format, bytes, sha256, key, owner, owed, saved_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        params![capture, role_word(*role), format, int(*bytes), sha256, wrapped, owner, owed, now],
    )?;
    if inserted == 0 {
        return Err(already(capture, *role));
    }
    if owed {
        tx.wake_sync();
    }
    Ok(())
}

fn already(capture: CaptureId, role: Role) -> StoreError {
    StoreError::Refused(format!("capture {capture} has its {} picture already", role_word(role)))
}

fn tell(tx: &Tx<'_>, capture: &Capture) -> Result<(), StoreError> {
    let place = scans::place(tx, capture.scan)?;
    let about = About {
        kind: kind::CAPTURE,
        gate: Gate::Photographs,
        customer: Some(place.customer),
        visit: Some(place.visit),
        object: capture.id.bits(),
        subject: capture.id.to_string(),
        stamp: capture.taken,
    };
    if outbox::enqueue(tx, &about, &told(capture, &place))? {
        tx.execute("UPDATE captures SET told = 1 WHERE id = ?1", [capture.id])?;
    }
    Ok(())
}

fn told(capture: &Capture, place: &scans::Place) -> payload::Capture {
    payload::Capture {
        capture: capture.id.to_string(),
        visit: place.visit.to_string(),
        scan: capture.scan.to_string(),
        phase: place.phase.to_string(),
        view: capture.view.to_string(),
        light: capture.light.to_string(),
        format: capture.format.to_string(),
        width: capture.width,
        height: capture.height,
        bytes: capture.bytes,
        sha256: hex::encode(capture.sha256),
        complaints: capture.complaints.clone(),
    }
}

/// Enqueues the captures of this visit HQ was not told of, and owes it their derivatives.
pub(super) fn tell_untold(tx: &Tx<'_>, visit: VisitId) -> Result<(), StoreError> {
    let ids: Vec<CaptureId> = tx
        .prepare_cached(
            "SELECT c.id FROM captures c JOIN scans s ON s.id = c.scan
             WHERE s.visit = ?1 AND c.told = 0 AND c.voided = 0 AND s.state <> 'voided' ORDER BY c.n",
        )?
        .query_map([visit], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for id in ids {
        tell(tx, &load(tx, id)?)?;
    }
    tx.execute(
        "UPDATE pictures SET owed = 1 WHERE owed = 0 AND role <> 'original' AND kept = 1 AND capture IN
         (SELECT c.id FROM captures c JOIN scans s ON s.id = c.scan
          WHERE s.visit = ?1 AND c.voided = 0 AND s.state <> 'voided')",
        [visit],
    )?;
    tx.wake_sync();
    Ok(())
}

pub(super) fn unwrap_key(owner: &Key, capture: CaptureId, role: &str, wrapped: &[u8]) -> Result<Key, StoreError> {
    let why = || StoreError::Picture { capture: capture.to_string(), why: "its key does not open".to_owned() };
    seal::open_key(owner, &about_key(capture, role), wrapped).ok_or_else(why)
}

fn read_file(path: &Path, capture: CaptureId, role: Role, key: &Key, digest: &[u8; 32]) -> Result<Vec<u8>, StoreError> {
    let bad = |why: &str| StoreError::Picture { capture: capture.to_string(), why: why.to_owned() };
    let content = match fs::read(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(bad("its file is gone")),
        other => other.map_err(StoreError::io("read the picture"))?,
    };
    let (layout, sealed) = content.split_first().ok_or_else(|| bad("its file is empty"))?;
    if *layout != LAYOUT {
        return Err(bad("its file has a layout this version does not know"));
    }
    let plain = seal::open(key, &about_file(capture, role), sealed).ok_or_else(|| bad("its file was changed"))?;
    if sha256(&plain) != *digest {
        return Err(bad("its digest differs"));
    }
    Ok(plain.to_vec())
}

/// Removes unfinished files and files that no row names.
pub(super) fn remove_orphans(conn: &Connection, pictures: &Path) -> Result<(), StoreError> {
    let named = named_files(conn)?;
    for entry in fs::read_dir(pictures).map_err(StoreError::io("list the pictures"))? {
        let entry = entry.map_err(StoreError::io("list the pictures"))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !named.contains(&name) {
            tracing::warn!(file = name, "removed a picture file that no record names");
            files::remove(&entry.path()).map_err(StoreError::io("remove a picture"))?;
        }
    }
    Ok(())
}

fn named_files(conn: &Connection) -> rusqlite::Result<HashSet<String>> {
    let mut select = conn.prepare("SELECT capture, role FROM pictures WHERE kept = 1")?;
    let names = select.query_map([], |row| {
        let (capture, role): (CaptureId, String) = (row.get(0)?, row.get(1)?);
        Ok(if role == "original" { capture.to_string() } else { format!("{capture}.{role}") })
    })?;
    names.collect()
}

/// Files and encryption block; a held test clock waits for this, but not for a bare thread.
pub(super) async fn blocking<R: Send + 'static>(
    work: impl FnOnce() -> Result<R, StoreError> + Send + 'static,
) -> Result<R, StoreError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| StoreError::Stopped)?
}

/// Puts the keys of a visit's pictures under `customer`'s key, so that erasing either customer erases the right pictures.
pub(super) fn rewrap(
    tx: &Tx<'_>,
    vault: &super::vault::Vault,
    visit: VisitId,
    customer: CustomerId,
) -> Result<(), StoreError> {
    let rows: Vec<(i64, CaptureId, String, Vec<u8>, CustomerId)> = tx
        .prepare(
            "SELECT p.n, p.capture, p.role, p.key, p.owner FROM pictures p JOIN captures c ON c.id = p.capture
             JOIN scans s ON s.id = c.scan WHERE s.visit = ?1 AND p.owner <> ?2",
        )?
        .query_map(params![visit, customer], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
        })?
        .collect::<Result<_, _>>()?;
    for (n, capture, role, wrapped, owner) in rows {
        let old = vault.key_of(owner)?.ok_or(StoreError::Erased)?;
        let key = unwrap_key(&old, capture, &role, &wrapped)?;
        let wrapped = seal::seal(&vault.key_for(customer)?, &about_key(capture, &role), key.as_ref());
        tx.execute("UPDATE pictures SET key = ?2, owner = ?3 WHERE n = ?1", params![n, wrapped, customer])?;
    }
    Ok(())
}
