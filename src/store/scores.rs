//! Models' scores of a capture.

use super::{
    Store, captures, columns,
    columns::int,
    error::StoreError,
    outbox::{self, About, Gate},
    points, scans,
    writer::Tx,
};
use crate::{
    domain::{
        CaptureId, ScanId, VisitId,
        capture::ColourReference,
        score::{Engine, Score},
    },
    faults,
    sync::payload::{self, kind},
};
use rusqlite::{Connection, Row, params};

const COLUMNS: &str =
    "x.id, x.capture, x.model, x.model_version, x.model_digest, x.provider, x.metric, x.region, x.value,
    x.unit, x.boot, x.ns, x.ms, x.clock";

fn from_row(row: &Row<'_>) -> rusqlite::Result<Score> {
    Ok(Score {
        id: row.get(0)?,
        capture: row.get(1)?,
        engine: Engine {
            model: row.get(2)?,
            model_version: row.get(3)?,
            model_digest: row.get(4)?,
            provider: row.get(5)?,
        },
        metric: row.get(6)?,
        region: row.get(7)?,
        value: row.get(8)?,
        unit: row.get(9)?,
        computed: columns::stamp(row, 10)?,
    })
}

pub(super) fn of_scan(conn: &Connection, scan: ScanId) -> Result<Vec<Score>, StoreError> {
    let sql =
        format!("SELECT {COLUMNS} FROM scores x JOIN captures c ON c.id = x.capture WHERE c.scan = ?1 ORDER BY x.n");
    Ok(conn.prepare_cached(&sql)?.query_map([scan], from_row)?.collect::<Result<_, _>>()?)
}

fn save(tx: &Tx<'_>, score: &Score) -> Result<(), StoreError> {
    let Score { id, capture, engine, metric, region, value, unit, computed } = score;
    let Engine { model, model_version, model_digest, provider } = engine;
    let inserted = tx
        .prepare_cached(
            "INSERT INTO scores (id, capture, model, model_version, model_digest, provider, metric, region, value, unit,
             told, boot, ns, ms, clock) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 0, ?11, ?12, ?13, ?14)
             ON CONFLICT (id) DO NOTHING",
        )?
        .execute(params![
            id, capture, model, model_version, model_digest, provider, metric, region, value, unit, computed.boot,
            int(computed.monotonic_ns), computed.wall, computed.clock
        ])?;
    faults::point("store.score.row_written");
    if inserted == 0 { Ok(()) } else { tell(tx, score) }
}

/// What a capture has by now, each with whether its points were set no later. Between two starts of the machine only the wall clock
/// could say so, which may have been set meanwhile: a score of another start counts as one by other points.
fn earlier(conn: &Connection, capture: CaptureId) -> Result<Vec<(Score, bool)>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS}, NOT EXISTS (SELECT 1 FROM capture_points p WHERE p.capture = x.capture
            AND (p.boot <> x.boot OR p.ns > x.ns))
         FROM scores x WHERE x.capture = ?1 ORDER BY x.n"
    );
    let pair = |row: &Row<'_>| Ok((from_row(row)?, row.get(14)?));
    Ok(conn.prepare_cached(&sql)?.query_map([capture], pair)?.collect::<Result<_, _>>()?)
}

fn tell(tx: &Tx<'_>, score: &Score) -> Result<(), StoreError> {
    let place = scans::place(tx, captures::load(tx, score.capture)?.scan)?;
    let about = About {
        kind: kind::SCORE,
        gate: Gate::Numbers,
        customer: Some(place.customer),
        visit: Some(place.visit),
        object: score.id.bits(),
        subject: place.visit.to_string(),
        stamp: score.computed,
    };
    if outbox::enqueue(tx, &about, &told(tx, score, &place)?)? {
        tx.execute("UPDATE scores SET told = 1 WHERE id = ?1", [score.id])?;
    }
    Ok(())
}

fn told(conn: &Connection, score: &Score, place: &scans::Place) -> Result<payload::Score, StoreError> {
    let Engine { model, model_version, model_digest, provider } = score.engine.clone();
    Ok(payload::Score {
        score: score.id.to_string(),
        capture: score.capture.to_string(),
        visit: place.visit.to_string(),
        scan: captures::load(conn, score.capture)?.scan.to_string(),
        phase: place.phase.to_string(),
        metric: score.metric.to_string(),
        region: score.region.to_string(),
        value: score.value.to_string(),
        unit: score.unit.clone(),
        engine: payload::Engine { model, model_version, model_digest, provider },
    })
}

/// Enqueues what of this visit HQ was not told.
pub(super) fn tell_untold(tx: &Tx<'_>, visit: VisitId) -> Result<(), StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM scores x JOIN captures c ON c.id = x.capture JOIN scans s ON s.id = c.scan
         WHERE s.visit = ?1 AND x.told = 0 AND c.voided = 0 AND s.state <> 'voided' ORDER BY x.n"
    );
    let untold: Vec<Score> = tx.prepare_cached(&sql)?.query_map([visit], from_row)?.collect::<Result<_, _>>()?;
    untold.iter().try_for_each(|score| tell(tx, score))
}

impl Store {
    /// Photographs whose analysis was not finished, in the order they were taken, each with whether it has scores: those
    /// without their report picture, which is made last, and those of open visits that got no score.
    pub async fn unfinished_captures(&self) -> Result<Vec<(CaptureId, bool)>, StoreError> {
        let sql = "SELECT c.id, EXISTS (SELECT 1 FROM scores x WHERE x.capture = c.id)
             FROM captures c JOIN scans s ON s.id = c.scan JOIN visits v ON v.id = s.visit
             WHERE v.state <> 'voided' AND s.state <> 'voided' AND c.voided = 0
               AND EXISTS (SELECT 1 FROM pictures p WHERE p.capture = c.id AND p.role = 'original' AND p.kept = 1)
               AND (NOT EXISTS (SELECT 1 FROM pictures p WHERE p.capture = c.id AND p.role = 'report')
                 OR (v.state = 'open' AND NOT EXISTS (SELECT 1 FROM scores x WHERE x.capture = c.id)))
             ORDER BY c.n";
        self.read(move |conn| {
            let pair = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
            Ok(conn.prepare_cached(sql)?.query_map([], pair)?.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Photographs of open visits, in the order they were taken, that have no score by this very model: by another one, or, where the only
    /// model was out of use when they were taken, none at all.
    ///
    /// # Errors
    /// [`StoreError`] of the disk.
    pub async fn captures_without(&self, engine: Engine) -> Result<Vec<CaptureId>, StoreError> {
        let sql = "SELECT c.id FROM captures c JOIN scans s ON s.id = c.scan JOIN visits v ON v.id = s.visit
             WHERE v.state = 'open' AND s.state <> 'voided' AND c.voided = 0
               AND EXISTS (SELECT 1 FROM pictures p WHERE p.capture = c.id AND p.role = 'original' AND p.kept = 1)
               AND NOT EXISTS (SELECT 1 FROM scores x WHERE x.capture = c.id
                                AND x.model = ?1 AND x.model_version = ?2 AND x.model_digest = ?3)
             ORDER BY c.n";
        self.read(move |conn| {
            let Engine { model, model_version, model_digest, provider: _ } = &engine;
            let found = conn
                .prepare_cached(sql)?
                .query_map([model, model_version, model_digest], |row| row.get(0))?
                .collect::<Result<_, _>>()?;
            Ok(found)
        })
        .await
    }

    /// [`Self::save_scores_beside`] where every model has answered.
    ///
    /// # Errors
    /// When one of them names another capture.
    pub async fn save_scores(&self, capture: CaptureId, scores: Vec<Score>) -> Result<(), StoreError> {
        self.save_scores_beside(capture, scores, Vec::new(), None).await
    }

    /// Stores the scores of one capture together; those known by their id are left as they are. They take the place of what an
    /// earlier analysis found there: a photograph is measured anew when its points were set, and what was read by the old ones,
    /// perhaps in a region that is not shown at all, must not go on counting. Headquarters keeps what it was told.
    ///
    /// Of the models in `silent`, which could not answer this time, what they gave by the same points stays, where no other score
    /// of its metric and region has come.
    ///
    /// `colour`, where given, is what this analysis held the photograph's colours against: it is kept with its scores or not at all.
    ///
    /// # Errors
    /// When one of them names another capture.
    pub async fn save_scores_beside(
        &self,
        capture: CaptureId,
        scores: Vec<Score>,
        silent: Vec<String>,
        colour: Option<ColourReference>,
    ) -> Result<(), StoreError> {
        self.write(move |tx| {
            captures::load(tx, capture)?;
            if let Some(other) = scores.iter().find(|score| score.capture != capture) {
                return Err(StoreError::Refused(format!("score {} is of another capture", other.id)));
            }
            for (earlier, by_these_points) in earlier(tx, capture)? {
                let is_kept = scores.iter().any(|score| score.id == earlier.id);
                let came = |score: &Score| (&score.metric, score.region) == (&earlier.metric, earlier.region);
                let stands = by_these_points && silent.contains(&earlier.engine.model) && !scores.iter().any(came);
                if !is_kept && !stands {
                    tx.prepare_cached("DELETE FROM scores WHERE id = ?1")?.execute([earlier.id])?;
                }
            }
            if let Some(colour) = colour {
                points::set_colour(tx, capture, colour)?;
            }
            scores.iter().try_for_each(|score| save(tx, score))
        })
        .await
    }
}
