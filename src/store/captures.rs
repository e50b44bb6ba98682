//! Captures: what each photograph shows, how good it is, and whether HQ was told. The bytes: [`super::pictures`].

use super::{
    Store,
    columns::{self, Texts, int, uint},
    consents,
    error::{StoreError, found},
    outbox::{self, About, Gate},
    pairs,
    pictures::{self, Picture},
    points, reports, scans,
    writer::Tx,
};
use crate::{
    clock,
    domain::{
        CaptureId, ScanId, Stamp, VisitId,
        capture::{Capture, ColourReference, Format, Light, View},
        consent::Purpose,
    },
    faults,
    sync::{
        image_lane::Role,
        payload::{self, kind},
    },
};
use rusqlite::{Connection, OptionalExtension, Row, params};

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

const COLUMNS: &str = "id, scan, view, light, format, width, height, bytes, sha256, ax, ay, bx, by, complaints, camera,
    boot, ns, ms, clock, colour";

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
        points: None,
        colour: row.get(19)?,
        complaints: row.get::<_, Texts>(13)?.0,
        camera: row.get(14)?,
        taken: columns::stamp(row, 15)?,
    })
}

pub(super) fn load(conn: &Connection, id: CaptureId) -> Result<Capture, StoreError> {
    let mut select = conn.prepare_cached(&format!("SELECT {COLUMNS} FROM captures WHERE id = ?1"))?;
    let capture = found(select.query_row([id], from_row), "capture", id)?;
    Ok(Capture { points: points::of(conn, id)?, ..capture })
}

/// Captures of a scan in order, with whether they are struck out.
pub(super) fn of_scan(conn: &Connection, scan: ScanId) -> Result<Vec<(Capture, bool)>, StoreError> {
    let mut select =
        conn.prepare_cached(&format!("SELECT {COLUMNS}, voided FROM captures WHERE scan = ?1 ORDER BY n"))?;
    let captures = select.query_map([scan], |row| Ok((from_row(row)?, row.get(20)?)))?;
    let captures: Vec<(Capture, bool)> = captures.collect::<Result<_, _>>()?;
    let with_points = |(capture, voided): (Capture, bool)| {
        let points = points::of(conn, capture.id)?;
        Ok((Capture { points, ..capture }, voided))
    };
    captures.into_iter().map(with_points).collect()
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
        let (role, claim) = (Role::Original, self.claim(id, Role::Original)?);
        let picture = self.write_file(claim, (id, role), new.format, customer.await?, original).await?;
        let capture = named(id, new, &picture);
        let row = capture.clone();
        self.keep_or_remove(id, role, picture.claim(), move |tx| insert(tx, &row, &picture)).await?;
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

    /// Whether exactly this picture (SHA-256 of its stripped bytes) is kept already.
    pub async fn has_bytes(&self, sha256: [u8; 32]) -> Result<bool, StoreError> {
        self.read(move |conn| {
            let mut select = conn.prepare_cached("SELECT 1 FROM captures WHERE sha256 = ?1 AND voided = 0 LIMIT 1")?;
            Ok(select.query_row([sha256], |_| Ok(())).optional()?.is_some())
        })
        .await
    }

    pub async fn capture(&self, id: CaptureId) -> Result<Capture, StoreError> {
        self.read(move |conn| load(conn, id)).await
    }
}

fn named(id: CaptureId, new: NewCapture, picture: &Picture) -> Capture {
    let NewCapture { scan, view, light, format, width, height, anchors, complaints, camera, taken } = new;
    Capture {
        id,
        scan,
        view,
        light,
        format,
        width,
        height,
        bytes: picture.bytes,
        sha256: picture.sha256,
        anchors,
        points: None,
        colour: ColourReference::Unknown,
        complaints,
        camera,
        taken,
    }
}

fn insert(tx: &Tx<'_>, capture: &Capture, picture: &Picture) -> Result<(), StoreError> {
    let Capture { id, scan, view, light, format, width, height, bytes, sha256, anchors, complaints, camera, .. } =
        capture;
    let taken = capture.taken;
    let [[ax, ay], [bx, by]] = anchors;
    // Asked before the file was written too; it may have been withdrawn while it was.
    if !consents::given(tx, scans::place(tx, *scan)?.customer, Purpose::Photograph)? {
        return Err(StoreError::NoConsent { purpose: Purpose::Photograph.as_str() });
    }
    tx.prepare_cached(
        "INSERT INTO captures (id, scan, view, light, format, width, height, bytes, sha256, ax, ay, bx, by, complaints,
         camera, told, boot, ns, ms, clock)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, 0, ?16, ?17, ?18, ?19)",
    )?
    .execute(params![
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
    ])?;
    faults::point("store.capture.row_written");
    pictures::insert(tx, *id, picture)?;
    tell(tx, capture)?;
    let place = scans::place(tx, *scan)?;
    // It may take the place of one that is shown in a pair.
    pairs::prune(tx, place.visit, place.customer)?;
    reports::settle(tx, place.visit)
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
        tx.prepare_cached("UPDATE captures SET told = 1 WHERE id = ?1")?.execute([capture.id])?;
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
    tx.pictures_owed();
    Ok(())
}
