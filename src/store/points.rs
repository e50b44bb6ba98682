//! The points of a face in a photograph, and what its colours are held against. The photograph itself: [`super::captures`].

use super::{
    Store, audit, captures,
    columns::{Texts, int},
    error::StoreError,
    pairs, reports, scans, visits,
    writer::Tx,
};
use crate::{
    clock,
    domain::{
        CaptureId, VisitId,
        capture::{ColourReference, FacePoints, PointSource, SetPoints},
    },
};
use rusqlite::{Connection, OptionalExtension, params};

pub(super) fn of(conn: &Connection, capture: CaptureId) -> Result<Option<SetPoints>, StoreError> {
    let mut select =
        conn.prepare_cached("SELECT ax, ay, bx, by, nx, ny, source, staff FROM capture_points WHERE capture = ?1")?;
    let found = select.query_row([capture], |row| {
        let points = FacePoints {
            anchors: [[row.get(0)?, row.get(1)?], [row.get(2)?, row.get(3)?]],
            nose: [row.get(4)?, row.get(5)?],
        };
        Ok(SetPoints { points, source: row.get(6)?, staff: row.get(7)? })
    });
    Ok(found.optional()?)
}

fn set(tx: &Tx<'_>, capture: CaptureId, set: &SetPoints) -> Result<VisitId, StoreError> {
    let SetPoints { points: FacePoints { anchors: [[ax, ay], [bx, by]], nose: [nx, ny] }, source, staff } = set;
    let place = scans::place(tx, captures::load(tx, capture)?.scan)?;
    let now = clock::now();
    tx.prepare_cached(
        "INSERT OR REPLACE INTO capture_points (capture, ax, ay, bx, by, nx, ny, source, staff, boot, ns, ms, clock)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
    )?
    .execute(params![
        capture,
        ax,
        ay,
        bx,
        by,
        nx,
        ny,
        source,
        staff,
        now.boot,
        int(now.monotonic_ns),
        now.wall,
        now.clock
    ])?;
    let others = captures::load(tx, capture)?.anchors != set.points.anchors;
    tx.prepare_cached("UPDATE captures SET ax = ?2, ay = ?3, bx = ?4, by = ?5 WHERE id = ?1")?
        .execute(params![capture, ax, ay, bx, by])?;
    if others && pairs::drop_of(tx, capture)? {
        reports::settle(tx, place.visit)?;
    }
    visits::touch(tx, place.visit)?;
    audit::note(tx, staff, &format!("points.{source}"), Some(place.customer), &capture.to_string())?;
    Ok(place.visit)
}

/// What the colours of a photograph are held against, as its analysis found.
pub(super) fn set_colour(tx: &Tx<'_>, capture: CaptureId, colour: ColourReference) -> Result<(), StoreError> {
    tx.prepare_cached("UPDATE captures SET colour = ?2 WHERE id = ?1")?.execute(params![capture, colour])?;
    Ok(())
}

/// Farther apart than this in any coordinate, in pixels, carried points are others. Where they are searched again, from where the last
/// search left them, they come out a little beside.
const SAME_POINTS: f64 = 0.5;

fn are_same(one: &FacePoints, other: &FacePoints) -> bool {
    let flat = |points: &FacePoints| [points.anchors[0], points.anchors[1], points.nose];
    let apart = |(a, b): (f64, f64)| (a - b).abs();
    flat(one).into_iter().flatten().zip(flat(other).into_iter().flatten()).map(apart).all(|by| by <= SAME_POINTS)
}

impl Store {
    /// A person says where the points of a face are; from now on they count instead of the framing guide.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when the visit has another version than `expected`; [`StoreError::WrongState`] when it is not
    /// open.
    pub async fn confirm_points(
        &self,
        capture: CaptureId,
        expected: u64,
        points: FacePoints,
        staff: String,
    ) -> Result<(), StoreError> {
        self.write(move |tx| {
            let place = scans::place(tx, captures::load(tx, capture)?.scan)?;
            visits::expect_open(tx, place.visit, Some(expected))?;
            set(tx, capture, &SetPoints { points, source: PointSource::Confirmed, staff }).map(drop)
        })
        .await
    }

    /// Points carried over from an earlier picture; what a person said stays, and so does what was carried over before and is the
    /// same to half a pixel: it is as old as it was.
    pub async fn inherit_points(&self, capture: CaptureId, points: FacePoints) -> Result<(), StoreError> {
        self.write(move |tx| {
            let is_known = |known: &SetPoints| {
                known.source == PointSource::Confirmed
                    || (known.source == PointSource::Inherited && are_same(&known.points, &points))
            };
            if of(tx, capture)?.as_ref().is_some_and(is_known) {
                return Ok(());
            }
            let staff = "gateway".to_owned();
            set(tx, capture, &SetPoints { points, source: PointSource::Inherited, staff }).map(drop)
        })
        .await
    }

    /// Points that a detector saw. They count until anybody knows better, and for nothing else: what a person said, or what was
    /// carried over from there, stays.
    ///
    /// # Errors
    /// [`StoreError`] of the disk.
    pub async fn propose_points(&self, capture: CaptureId, points: FacePoints) -> Result<(), StoreError> {
        self.write(move |tx| {
            if of(tx, capture)?.is_some_and(|known| known.source != PointSource::Proposed) {
                return Ok(());
            }
            let staff = "gateway".to_owned();
            set(tx, capture, &SetPoints { points, source: PointSource::Proposed, staff }).map(drop)
        })
        .await
    }

    /// What the gates say of a photograph now that its points are set.
    pub async fn set_complaints(&self, capture: CaptureId, complaints: Vec<String>) -> Result<(), StoreError> {
        self.write(move |tx| {
            let place = scans::place(tx, captures::load(tx, capture)?.scan)?;
            tx.prepare_cached("UPDATE captures SET complaints = ?2 WHERE id = ?1")?
                .execute(params![capture, Texts(complaints)])?;
            visits::touch(tx, place.visit)
        })
        .await
    }

    /// The photograph whose points `capture` takes over: of the same visit and view, the last one before it whose points a person
    /// confirmed and that was not struck out. `None` where `capture` has confirmed points itself.
    pub async fn baseline_of(&self, capture: CaptureId) -> Result<Option<CaptureId>, StoreError> {
        let sql = "SELECT b.id FROM captures a JOIN scans sa ON sa.id = a.scan JOIN scans sb ON sb.visit = sa.visit
                   JOIN captures b ON b.scan = sb.id JOIN capture_points p ON p.capture = b.id AND p.source = 'confirmed'
                   WHERE a.id = ?1 AND b.id <> a.id AND b.view = a.view AND b.n < a.n AND b.voided = 0
                     AND sb.state <> 'voided'
                     AND NOT EXISTS (SELECT 1 FROM capture_points q WHERE q.capture = a.id AND q.source = 'confirmed')
                   ORDER BY b.n DESC LIMIT 1";
        self.read(move |conn| Ok(conn.query_row(sql, [capture], |row| row.get(0)).optional()?)).await
    }

    /// Whether a photograph's points were carried over after those of its `baseline` were set, in this start of the machine: carried
    /// over again they would be the same but for what the search for them is off, which is more than half a pixel at times.
    ///
    /// # Errors
    /// [`StoreError`] of the disk.
    pub async fn has_carried_from(&self, capture: CaptureId, baseline: CaptureId) -> Result<bool, StoreError> {
        let sql =
            "SELECT EXISTS (SELECT 1 FROM capture_points a JOIN capture_points b ON b.boot = a.boot AND b.ns <= a.ns
                    WHERE a.capture = ?1 AND a.source = 'inherited' AND b.capture = ?2)";
        self.read(move |conn| Ok(conn.prepare_cached(sql)?.query_row([capture, baseline], |row| row.get(0))?)).await
    }

    /// Photographs that took their points over from `capture`, or would: those of its visit and view taken after it, without
    /// points that a person confirmed.
    pub async fn heirs_of(&self, capture: CaptureId) -> Result<Vec<CaptureId>, StoreError> {
        let sql = "SELECT a.id FROM captures b JOIN scans sb ON sb.id = b.scan JOIN scans sa ON sa.visit = sb.visit
                   JOIN captures a ON a.scan = sa.id
                   WHERE b.id = ?1 AND a.view = b.view AND a.n > b.n AND a.voided = 0 AND sa.state <> 'voided'
                     AND NOT EXISTS (SELECT 1 FROM capture_points q WHERE q.capture = a.id AND q.source = 'confirmed')
                   ORDER BY a.n";
        self.read(move |conn| {
            Ok(conn.prepare_cached(sql)?.query_map([capture], |row| row.get(0))?.collect::<Result<_, _>>()?)
        })
        .await
    }
}
