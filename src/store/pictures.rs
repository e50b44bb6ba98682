//! Picture files: one encrypted file per role of a capture (original, derivative, report picture, pictures of a pair).
//!
//! A file is written and durable before the row that names it; at opening, files that no row names are put aside
//! ([`super::aside`]). File:
//! `1 ‖ nonce (12) ‖ ciphertext ‖ tag (16)`, AES-256-GCM under a random key of its own, bound to the capture id, the role
//! and the layout's version. That key stands in the row, wrapped by the customer's key ([`super::vault`]). Files are
//! named by the capture id, never by a digest: a digest names a picture to anyone who owns it.

use super::{
    Store, captures,
    columns::{self, int},
    consents,
    error::{StoreError, found},
    files, outbox, passing, scans,
    vault::Vault,
    writer::Tx,
};
use crate::{
    domain::{CaptureId, CustomerId, VisitId, capture::Format, consent::Purpose},
    faults,
    seal::{self, Key, Sealing},
    sync::image_lane::{self, Role},
};
use openssl::sha::sha256;
use rusqlite::{Connection, params};
use std::{
    collections::HashSet,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

/// First byte of a file.
const LAYOUT: u8 = 1;

/// Bytes encrypted and written at once: they fit into a core's cache, and the disk begins with the first while the next is made.
const PIECE: usize = 256 * 1024;

pub(super) const fn role_word(role: Role) -> &'static str {
    role.as_str()
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
fn about_key(capture: CaptureId, role: &str) -> Vec<u8> {
    format!("key of {capture} {role}").into_bytes()
}

/// Which files are being written, so that two calls for one name cannot mix their file and row.
#[derive(Default)]
pub(super) struct Claims(Arc<Mutex<HashSet<PathBuf>>>);

/// Holds a file's name until its row is committed or given up, also when the caller goes away in between: the writing
/// thread and the writer's job carry it along.
pub(super) struct Claim {
    names: Arc<Mutex<HashSet<PathBuf>>>,
    path: PathBuf,
}

impl Claims {
    /// `None` while someone else writes this file.
    fn take(&self, path: PathBuf) -> Option<Arc<Claim>> {
        let fresh = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(path.clone());
        fresh.then(|| Arc::new(Claim { names: Arc::clone(&self.0), path }))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.names.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.path);
    }
}

impl Picture {
    pub(super) fn claim(&self) -> Arc<Claim> {
        Arc::clone(&self.claim)
    }
}

/// One encrypted file, on disk and about to be named by a row.
pub(super) struct Picture {
    role: Role,
    format: Format,
    pub bytes: u64,
    pub sha256: [u8; 32],
    wrapped: Vec<u8>,
    owner: CustomerId,
    claim: Arc<Claim>,
}

impl Store {
    /// Free bytes for photographs, and below how many new ones are refused.
    pub async fn free_space(&self) -> Result<(u64, u64), StoreError> {
        let (folder, floor) = (self.pictures().to_owned(), self.0.min_free);
        blocking(move || Ok((files::free(&folder)?, floor))).await
    }

    /// Whether a picture of this role is kept.
    pub async fn has_picture(&self, capture: CaptureId, role: Role) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM pictures WHERE capture = ?1 AND role = ?2)";
        self.read(move |conn| Ok(conn.query_row(sql, params![capture, role_word(role)], |row| row.get(0))?)).await
    }

    /// Stores a picture made from a capture: a derivative (at most 400 kB by agreement with HQ) or a report picture. Owed
    /// to HQ at once under consent to share photographs. An earlier one of the same role is refused. A JPEG is kept with its role as a
    /// comment in it, see [`image_lane::named`].
    pub async fn save_picture(
        &self,
        capture: CaptureId,
        role: Role,
        format: Format,
        bytes: Vec<u8>,
    ) -> Result<(), StoreError> {
        if role == Role::Original || role.is_of_a_pair() {
            return Err(StoreError::Refused("it is stored with its capture, or with its pair".to_owned()));
        }
        // Before the file is touched: the one there must not be overwritten.
        let claim = self.claim(capture, role)?;
        if self.has_picture(capture, role).await? {
            return Err(already(capture, role));
        }
        if claim.path.exists() {
            // Left by a commit that failed and might stand after all. It must not find another file in the place of its own: the
            // next commit takes its place in the log.
            self.write(outbox::commit_something).await?;
        }
        let customer = self.read(move |conn| Ok(scans::place(conn, captures::load(conn, capture)?.scan)?.customer));
        let picture = self.write_file(claim, (capture, role), format, customer.await?, bytes).await?;
        self.keep_or_remove(capture, role, picture.claim(), move |tx| insert(tx, capture, &picture)).await
    }

    /// The picture, decrypted, its SHA-256 checked.
    ///
    /// # Errors
    /// [`StoreError::Erased`] after erasure, [`StoreError::Picture`] when the file is damaged, [`StoreError::PictureGone`] when it is not there,
    /// [`StoreError::KeyMissing`] where the key may be put back.
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
            let key = key_of(&vault, owner, capture)?;
            read_file(&path, capture, role, &unwrap_key(&key, capture, role_word(role), &wrapped)?, &sha256)
        })
        .await
    }

    /// The original of a capture, see [`Store::picture_bytes`].
    pub async fn capture_bytes(&self, capture: CaptureId) -> Result<Vec<u8>, StoreError> {
        self.picture_bytes(capture, Role::Original).await
    }

    pub(super) fn claim(&self, capture: CaptureId, role: Role) -> Result<Arc<Claim>, StoreError> {
        self.0.claims.take(file_of(self.pictures(), capture, role)).ok_or_else(|| already(capture, role))
    }

    pub(super) async fn write_file(
        &self,
        claim: Arc<Claim>,
        (capture, role): (CaptureId, Role),
        format: Format,
        owner: CustomerId,
        bytes: Vec<u8>,
    ) -> Result<Picture, StoreError> {
        // A photograph stays bit for bit as the door let it in.
        let bytes = if role == Role::Original { bytes } else { image_lane::named(role, bytes) };
        let (folder, floor, vault) = (self.pictures().to_owned(), self.0.min_free, self.0.vault.clone());
        blocking(move || {
            files::require_free(&folder, bytes.len() as u64, floor)?;
            let (key, owner_key) = (seal::random_key(), vault.key_for(owner)?);
            let written = write_sealed(&claim.path, &key, &about_file(capture, role), &bytes);
            let sha256 = written.map_err(StoreError::io("write the picture"))?;
            let wrapped = seal::seal(&owner_key, &about_key(capture, role_word(role)), key.as_ref());
            Ok(Picture { role, format, bytes: bytes.len() as u64, sha256, wrapped, owner, claim })
        })
        .await
    }

    /// Writes the row, or takes the file away again where it is certain that no row names it. A commit that failed may stand all
    /// the same once the log is read again: the file is left then, and the next opening knows.
    pub(super) async fn keep_or_remove(
        &self,
        capture: CaptureId,
        role: Role,
        claim: Arc<Claim>,
        row: impl FnOnce(&Tx<'_>) -> Result<(), StoreError> + Send + 'static,
    ) -> Result<(), StoreError> {
        let (kept, ran) = (Arc::clone(&claim), Arc::new(AtomicBool::new(false)));
        let row_written = Arc::clone(&ran);
        // The claim is part of the answer, so it outlives the commit even when nobody waits for it.
        let job = move |tx: &Tx<'_>| {
            row(tx)?;
            row_written.store(true, Ordering::SeqCst);
            Ok(kept)
        };
        let written = self.write(job).await.map(drop);
        faults::point("store.image.row_committed");
        // Nor when the writer has gone: it may have committed the row before it went.
        if !matches!(written, Ok(()) | Err(StoreError::Stopped)) && !ran.load(Ordering::SeqCst) {
            let path = file_of(self.pictures(), capture, role);
            blocking(move || {
                let _claim = claim;
                files::remove(&path).map_err(StoreError::io("remove a picture"))
            })
            .await?;
        }
        written
    }
}

pub(super) fn insert(tx: &Tx<'_>, capture: CaptureId, picture: &Picture) -> Result<(), StoreError> {
    let Picture { role, format, bytes, sha256, wrapped, owner, claim: _ } = picture;
    let place = scans::place(tx, captures::load(tx, capture)?.scan)?;
    if place.customer != *owner {
        return Err(StoreError::NotCommitted("the visit was moved to another customer meanwhile".to_owned()));
    }
    // Struck out while the file was being written: kept, but not HQ's.
    let stands = "SELECT c.voided = 0 AND s.state <> 'voided' AND v.state <> 'voided' FROM captures c
        JOIN scans s ON s.id = c.scan JOIN visits v ON v.id = s.visit WHERE c.id = ?1";
    let stands: bool = tx.prepare_cached(stands)?.query_row([capture], |row| row.get(0))?;
    let owed = stands && *role != Role::Original && consents::given(tx, *owner, Purpose::SharePhotographs)?;
    let now = passing::mark(tx)?;
    let inserted = tx
        .prepare_cached(
            "INSERT OR IGNORE INTO pictures (capture, role, format, bytes, sha256, key, owner, owed, saved_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![capture, role_word(*role), format, int(*bytes), sha256, wrapped, owner, owed, now])?;
    if inserted == 0 {
        return Err(already(capture, *role));
    }
    faults::point("store.image.row_written");
    if owed {
        tx.pictures_owed();
    }
    Ok(())
}

fn already(capture: CaptureId, role: Role) -> StoreError {
    StoreError::Refused(format!("capture {capture} has its {} picture already", role_word(role)))
}

fn key_of(vault: &Vault, owner: CustomerId, capture: CaptureId) -> Result<Key, StoreError> {
    match vault.key_of(owner)? {
        Some(key) => Ok(key),
        None if vault.has_erased(owner)? => Err(StoreError::Erased),
        None => Err(StoreError::KeyMissing { capture: capture.to_string() }),
    }
}

/// The database authenticates its rows: what does not open was wrapped by the same customer's key in another `keys.db`.
fn unwrap_key(owner: &Key, capture: CaptureId, role: &str, wrapped: &[u8]) -> Result<Key, StoreError> {
    let missing = || StoreError::KeyMissing { capture: capture.to_string() };
    seal::open_key(owner, &about_key(capture, role), wrapped).ok_or_else(missing)
}

/// Encrypts into the file piece by piece, each while it is in the processor's cache and the disk writes the one before; gives
/// the digest of `plain`, which takes longer than the encryption and is made beside it.
fn write_sealed(path: &Path, key: &Key, about: &[u8], plain: &[u8]) -> io::Result<[u8; 32]> {
    if plain.len() <= PIECE {
        return seal_into(path, key, about, plain).map(|()| sha256(plain));
    }
    thread::scope(|scope| {
        let digest = scope.spawn(|| sha256(plain));
        seal_into(path, key, about, plain)?;
        digest.join().map_err(|_| io::Error::other("the digest could not be made"))
    })
}

fn seal_into(path: &Path, key: &Key, about: &[u8], plain: &[u8]) -> io::Result<()> {
    files::write_with(path, |file| {
        let (mut sealing, nonce) = Sealing::begin(key, about);
        file.write_all(&[LAYOUT])?;
        file.write_all(&nonce)?;
        let mut sealed = vec![0; PIECE.min(plain.len())];
        for plain in plain.chunks(PIECE) {
            let sealed = &mut sealed[..plain.len()];
            sealing.update(plain, sealed);
            file.write_all(sealed)?;
            files::begin_writing_out(file);
        }
        file.write_all(&sealing.end())
    })
}

fn read_file(path: &Path, capture: CaptureId, role: Role, key: &Key, digest: &[u8; 32]) -> Result<Vec<u8>, StoreError> {
    let bad = |why: &str| StoreError::Picture { capture: capture.to_string(), why: why.to_owned() };
    let content = match fs::read(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(StoreError::PictureGone(capture.to_string())),
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

/// Names of the files that the rows name: those that are kept, or those that their clock has released.
pub(super) fn named_files(conn: &Connection, kept: bool) -> rusqlite::Result<HashSet<String>> {
    let mut select = conn.prepare("SELECT capture, role FROM pictures WHERE kept = ?1")?;
    let names = select.query_map([kept], |row| {
        let (capture, role): (CaptureId, String) = (row.get(0)?, row.get(1)?);
        Ok(if role == "original" { capture.to_string() } else { format!("{capture}.{role}") })
    })?;
    names.collect()
}

/// Whether the file at `path` is the picture that the row of this name means: it opens with that row's key. Not where that key is
/// not to be had.
pub(super) fn is_of_its_row(conn: &Connection, vault: &Vault, name: &str, path: &Path) -> Result<bool, StoreError> {
    let (id, word) = name.split_once('.').unwrap_or((name, role_word(Role::Original)));
    let Ok(capture) = id.parse::<CaptureId>() else { return Ok(false) };
    let row = conn
        .prepare_cached("SELECT role, key, owner, sha256 FROM pictures WHERE capture = ?1 AND role = ?2")?
        .query_row(params![capture, word], |row| {
            Ok((columns::picture_role(row, 0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        });
    let (role, wrapped, owner, digest): (Role, Vec<u8>, CustomerId, [u8; 32]) =
        found(row, "picture of capture", capture)?;
    match key_of(vault, owner, capture).and_then(|key| unwrap_key(&key, capture, word, &wrapped)) {
        Ok(key) => Ok(read_file(path, capture, role, &key, &digest).is_ok()),
        Err(StoreError::Erased | StoreError::KeyMissing { .. } | StoreError::Corrupt(_)) => Ok(false),
        Err(fault) => Err(fault),
    }
}

/// Takes away files of which no row is left, in the writer's thread. One that stays is of no use to anyone, its key is gone;
/// it goes at the next opening.
pub(super) fn remove_files(folder: &Path, gone: &[(CaptureId, Role)]) {
    for (capture, role) in gone {
        if let Err(fault) = files::remove(&file_of(folder, *capture, *role)) {
            tracing::warn!(%capture, role = role_word(*role), %fault, "the file of a picture that is gone cannot be removed now");
        }
    }
}

/// Files and encryption block; a held test clock waits for this, but not for a bare thread.
pub(super) async fn blocking<R: Send + 'static>(
    work: impl FnOnce() -> Result<R, StoreError> + Send + 'static,
) -> Result<R, StoreError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| StoreError::Stopped)?
}

/// Puts the keys of a visit's pictures under `customer`'s key, so that erasing either customer erases the right pictures.
pub(super) fn rewrap(tx: &Tx<'_>, vault: &Vault, visit: VisitId, customer: CustomerId) -> Result<(), StoreError> {
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
        let old = key_of(vault, owner, capture)?;
        let key = unwrap_key(&old, capture, &role, &wrapped)?;
        let wrapped = seal::seal(&vault.key_for(customer)?, &about_key(capture, &role), key.as_ref());
        tx.execute("UPDATE pictures SET key = ?2, owner = ?3 WHERE n = ?1", params![n, wrapped, customer])?;
        faults::point("store.image.rewrapped");
    }
    Ok(())
}
