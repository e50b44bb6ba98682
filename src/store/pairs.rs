//! Pictures of a pair: the after photograph laid onto its before photograph, and where something changed. They are pictures of
//! the after photograph, all written at once or none, and they show both: when either photograph is struck out, moved away or
//! past its time, its points are set again, a later one takes its place, or its customer does not agree to photographs any more,
//! they go, rows, keys and files. They can be made anew while the photographs are there.

use super::{
    Store, captures,
    columns::{self, Texts},
    consents,
    error::StoreError,
    outbox,
    pictures::{self, Picture},
    reports, scans,
    writer::Tx,
};
use crate::{
    domain::{
        CaptureId, CustomerId, Timestamp, VisitId,
        capture::Format,
        comparison::{Drawn, Refusal},
        consent::Purpose,
        metric::MetricId,
    },
    faults,
    sync::{
        image_lane::Role,
        sheet::{self, DIGITS},
    },
};
use rusqlite::{Connection, params};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// Pictures of a pair before they are stored, or why there are none.
#[derive(Debug, Clone, PartialEq)]
pub struct NewPair {
    pub before: CaptureId,
    pub after: CaptureId,
    /// Digest of all that they were made from, see [`Store::pair_basis`].
    pub basis: [u8; 32],
    /// The points by which they were made, before first: others by now, and nothing is stored.
    pub anchors: [[[f64; 2]; 2]; 2],
    pub made: Result<NewPictures, Refusal>,
}

/// JPEGs of one frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPictures {
    pub before: Vec<u8>,
    pub after: Vec<u8>,
    /// Of more than there are roles for, the first.
    pub changes: Vec<NewChange>,
}

/// A picture of where one metric changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewChange {
    pub metric: MetricId,
    pub drawn: Drawn,
    pub bytes: Vec<u8>,
}

/// What stands of one pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairView {
    pub before: CaptureId,
    pub after: CaptureId,
    pub pair: sheet::Pair,
}

/// Each after photograph with its before photograph: of one visit, view and light, the last of each phase that stands.
const PARTNERS: &str = "FROM captures a JOIN scans sa ON sa.id = a.scan JOIN visits v ON v.id = sa.visit
    JOIN scans sb ON sb.visit = v.id JOIN captures b ON b.scan = sb.id
    WHERE sa.phase = 'after' AND sb.phase = 'before' AND b.view = a.view AND b.light = a.light
      AND a.voided = 0 AND b.voided = 0 AND sa.state <> 'voided' AND sb.state <> 'voided' AND v.state <> 'voided'
      AND NOT EXISTS (SELECT 1 FROM captures c JOIN scans s ON s.id = c.scan
        WHERE s.visit = v.id AND s.state <> 'voided' AND c.voided = 0 AND c.view = a.view AND c.light = a.light
          AND ((s.phase = 'after' AND c.n > a.n) OR (s.phase = 'before' AND c.n > b.n)))";

/// Photographs of a visit.
const OF_VISIT: &str = "SELECT c.id FROM captures c JOIN scans s ON s.id = c.scan WHERE s.visit = ?1";

/// Whether the photograph `x` is kept in some form.
fn kept(x: &str) -> String {
    format!(
        "EXISTS (SELECT 1 FROM pictures k WHERE k.capture = {x} AND k.kept = 1 AND k.role IN ('original', 'report', 'derivative'))"
    )
}

/// Takes the pictures of this after photograph away; whether there were any, or a word on why not.
fn drop_pair(tx: &Tx<'_>, after: CaptureId) -> Result<bool, StoreError> {
    let roles: Vec<Role> = tx
        .prepare_cached("SELECT role FROM pictures WHERE capture = ?1")?
        .query_map([after], |row| columns::picture_role(row, 0))?
        .collect::<Result<_, _>>()?;
    for role in roles.into_iter().filter(|role| role.is_of_a_pair()) {
        tx.prepare_cached("DELETE FROM pictures WHERE capture = ?1 AND role = ?2")?
            .execute(params![after, role.as_str()])?;
        tx.picture_gone(after, role);
    }
    Ok(tx.prepare_cached("DELETE FROM pairs WHERE after = ?1")?.execute([after])? > 0)
}

/// The same for every pair that `capture` is a photograph of. Reports are told by the caller.
pub(super) fn drop_of(tx: &Tx<'_>, capture: CaptureId) -> Result<bool, StoreError> {
    let pairs: Vec<CaptureId> = tx
        .prepare_cached("SELECT after FROM pairs WHERE after = ?1 OR before = ?1")?
        .query_map([capture], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let any = !pairs.is_empty();
    for after in pairs {
        drop_pair(tx, after)?;
    }
    Ok(any)
}

/// Takes away what of a visit does not hold any more: called after anything that strikes out, moves or withdraws, before reports
/// are told.
pub(super) fn prune(tx: &Tx<'_>, visit: VisitId, customer: CustomerId) -> Result<(), StoreError> {
    let agreed = consents::given(tx, customer, Purpose::Photograph)?;
    let sql = format!(
        "SELECT p.after FROM pairs p WHERE (p.after IN ({OF_VISIT}) OR p.before IN ({OF_VISIT}))
         AND (NOT ?2 OR NOT EXISTS (SELECT 1 {PARTNERS} AND a.id = p.after AND b.id = p.before))"
    );
    let stale: Vec<CaptureId> =
        tx.prepare_cached(&sql)?.query_map(params![visit, agreed], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for after in stale {
        drop_pair(tx, after)?;
    }
    Ok(())
}

/// Takes away the pictures of pairs of which a photograph is kept no longer, but none that HQ is owed. How many files go.
pub(super) fn drop_bereft(tx: &Tx<'_>) -> Result<u64, StoreError> {
    let sql = format!(
        "SELECT p.after, (SELECT count(*) FROM pictures q WHERE q.capture = p.after
           AND q.role NOT IN ('original', 'report', 'derivative')) FROM pairs p
         WHERE NOT ({} AND {})
           AND NOT EXISTS (SELECT 1 FROM pictures q WHERE q.capture = p.after AND q.owed = 1
             AND q.role NOT IN ('original', 'report', 'derivative'))",
        kept("p.after"),
        kept("p.before")
    );
    let bereft: Vec<(CaptureId, i64)> =
        tx.prepare(&sql)?.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    for (after, _) in &bereft {
        drop_pair(tx, *after)?;
    }
    Ok(bereft.iter().map(|(_, files)| files.unsigned_abs()).sum())
}

/// What a picture of where something changed shows, as it stands in its pair's row.
fn text_of(change: &NewChange) -> String {
    format!("{} {}", change.metric, change.drawn)
}

fn insert(tx: &Tx<'_>, new: &NewPair, changes: Vec<String>, pictures: &[Picture]) -> Result<(), StoreError> {
    let NewPair { before, after, basis, anchors, made } = new;
    let (first, second) = (captures::load(tx, *before)?, captures::load(tx, *after)?);
    let place = scans::place(tx, second.scan)?;
    let sql = format!("SELECT EXISTS (SELECT 1 {PARTNERS} AND a.id = ?1 AND b.id = ?2)");
    let holds: bool = tx.prepare_cached(&sql)?.query_row(params![after, before], |row| row.get(0))?;
    if !holds || [first.anchors, second.anchors] != *anchors {
        return Err(StoreError::Refused(format!("the pair of capture {after} is another by now")));
    }
    if !consents::given(tx, place.customer, Purpose::Photograph)? {
        return Err(StoreError::NoConsent { purpose: Purpose::Photograph.as_str() });
    }
    let refusal = made.as_ref().err();
    tx.prepare_cached("INSERT INTO pairs (after, before, basis, refusal, changes) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![after, before, basis, refusal, Texts(changes)])?;
    faults::point("store.pair.row_written");
    pictures.iter().try_for_each(|picture| pictures::insert(tx, *after, picture))?;
    reports::settle(tx, place.visit)
}

/// The pairs of a visit as they stand, with the digests of what is kept.
pub(super) fn of_visit(conn: &Connection, visit: VisitId) -> Result<Vec<PairView>, StoreError> {
    let mut select = conn.prepare_cached(&format!(
        "SELECT before, after, refusal, changes FROM pairs WHERE after IN ({OF_VISIT}) ORDER BY after"
    ))?;
    let rows = select.query_map([visit], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get::<_, Option<String>>(2)?, row.get::<_, Texts>(3)?.0))
    })?;
    let rows: Vec<(CaptureId, CaptureId, Option<String>, Vec<String>)> = rows.collect::<Result<_, _>>()?;
    let view = |(before, after, refusal, changes): (_, _, Option<String>, Vec<String>)| {
        let pictures = kept_pictures(conn, after, &changes)?;
        Ok(PairView { before, after, pair: sheet::Pair { refusal: refusal.unwrap_or_default(), pictures } })
    };
    rows.into_iter().map(view).collect()
}

fn kept_pictures(
    conn: &Connection,
    after: CaptureId,
    changes: &[String],
) -> Result<Vec<sheet::PairPicture>, StoreError> {
    let mut select =
        conn.prepare_cached("SELECT role, sha256 FROM pictures WHERE capture = ?1 AND kept = 1 ORDER BY n")?;
    let rows = select.query_map([after], |row| Ok((columns::picture_role(row, 0)?, row.get::<_, [u8; 32]>(1)?)))?;
    let rows: Vec<(Role, [u8; 32])> = rows.collect::<Result<_, _>>()?;
    let picture = |(role, sha256): (Role, [u8; 32])| {
        let nth = Role::CHANGES.iter().position(|change| *change == role);
        let shows = nth.and_then(|nth| changes.get(nth)).and_then(|text| text.split_once(' ')).unwrap_or_default();
        let sha256 = hex::encode(sha256).get(..DIGITS).unwrap_or_default().to_owned();
        let (metric, how) = (shows.0.to_owned(), shows.1.to_owned());
        sheet::PairPicture { role: role.as_str().to_owned(), sha256, metric, how }
    };
    Ok(rows.into_iter().filter(|(role, _)| role.is_of_a_pair()).map(picture).collect())
}

impl Store {
    /// Keeps the pictures of a pair, all of them or none, in the place of what stood of its after photograph. Owed to HQ at once
    /// under consent to share photographs.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when the pair is another by now, [`StoreError::NoConsent`]; nothing stands of it then.
    pub async fn save_pair(&self, new: NewPair) -> Result<(), StoreError> {
        let after = new.after;
        // What stood goes first, with its files: a crash from here on leaves a pair without pictures, never with half of them.
        let dropped = self.write(move |tx| {
            let place = scans::place(tx, captures::load(tx, after)?.scan)?;
            if drop_pair(tx, after)? {
                reports::settle(tx, place.visit)?;
            }
            // A commit that failed before must not stand after all beside the files that are written now.
            outbox::commit_something(tx)?;
            Ok(place.customer)
        });
        let owner = dropped.await?;
        faults::point("store.pair.dropped");
        let mut new = new;
        let (mut parts, mut changes) = (Vec::new(), Vec::new());
        if let Ok(NewPictures { before, after, changes: drawn }) = &mut new.made {
            parts.extend([(Role::PairBefore, std::mem::take(before)), (Role::PairAfter, std::mem::take(after))]);
            for (role, change) in Role::CHANGES.into_iter().zip(drawn) {
                changes.push(text_of(change));
                parts.push((role, std::mem::take(&mut change.bytes)));
            }
        }
        let mut written = Vec::new();
        let mut fault = None;
        for (role, bytes) in parts {
            let picture = match self.claim(after, role) {
                Ok(claim) => self.write_file(claim, (after, role), Format::Jpeg, owner, bytes).await,
                Err(fault) => Err(fault),
            };
            match picture {
                Ok(picture) => written.push((role, picture)),
                Err(why) => {
                    fault = Some(why);
                    break;
                }
            }
        }
        let claims: Vec<_> = written.iter().map(|(role, picture)| (*role, picture.claim())).collect();
        let ran = Arc::new(AtomicBool::new(false));
        let outcome = match fault {
            Some(why) => Err(why),
            None => {
                // The claims are part of the answer, so they outlive the commit even when nobody waits for it.
                let held = claims.iter().map(|(_, claim)| Arc::clone(claim)).collect::<Vec<_>>();
                let pictures: Vec<Picture> = written.into_iter().map(|(_, picture)| picture).collect();
                let row_written = Arc::clone(&ran);
                let job = move |tx: &Tx<'_>| {
                    insert(tx, &new, changes, &pictures)?;
                    row_written.store(true, Ordering::SeqCst);
                    Ok(held)
                };
                self.write(job).await.map(drop)
            }
        };
        faults::point("store.pair.committed");
        // As with every picture: neither when a commit failed that may stand all the same, nor when the writer has gone.
        if !matches!(outcome, Ok(()) | Err(StoreError::Stopped)) && !ran.load(Ordering::SeqCst) {
            let (folder, gone) = (self.pictures().to_owned(), claims);
            pictures::blocking(move || {
                let files: Vec<(CaptureId, Role)> = gone.iter().map(|(role, _)| (after, *role)).collect();
                pictures::remove_files(&folder, &files);
                drop(gone);
                Ok(())
            })
            .await?;
        }
        outcome
    }

    /// What the pictures of this after photograph were made from; `None` where nobody tried.
    pub async fn pair_basis(&self, after: CaptureId) -> Result<Option<[u8; 32]>, StoreError> {
        let sql = "SELECT (SELECT basis FROM pairs WHERE after = ?1)";
        self.read(move |conn| Ok(conn.query_row(sql, [after], |row| row.get(0))?)).await
    }

    /// The pairs that `capture` is a photograph of, before and after, while both originals are kept and photographs agreed to.
    pub async fn pairs_of(&self, capture: CaptureId) -> Result<Vec<(CaptureId, CaptureId)>, StoreError> {
        self.read(move |conn| {
            let visit = scans::place(conn, captures::load(conn, capture)?.scan)?.visit;
            let pairs = to_be_made(conn, "v.id = ?1", params![visit])?;
            Ok(pairs.into_iter().filter(|(before, after)| [*before, *after].contains(&capture)).collect())
        })
        .await
    }

    /// The pairs to look at after a start, or when models or photographs changed: all of open visits, and those of visits closed
    /// after `since` that nobody tried.
    pub async fn pairs_to_look_at(&self, since: Timestamp) -> Result<Vec<(CaptureId, CaptureId)>, StoreError> {
        let which = "v.id IN (SELECT id FROM visits WHERE state = 'open' OR closed_ms > ?1)
            AND (v.state = 'open' OR NOT EXISTS (SELECT 1 FROM pairs p WHERE p.after = a.id AND p.before = b.id))";
        self.read(move |conn| to_be_made(conn, which, params![since])).await
    }
}

fn to_be_made(
    conn: &Connection,
    which: &str,
    params: impl rusqlite::Params,
) -> Result<Vec<(CaptureId, CaptureId)>, StoreError> {
    let original = |x: &str| {
        format!("EXISTS (SELECT 1 FROM pictures k WHERE k.capture = {x} AND k.kept = 1 AND k.role = 'original')")
    };
    let sql = format!(
        "SELECT b.id, a.id, v.customer {PARTNERS} AND {} AND {} AND {which} ORDER BY a.n",
        original("a.id"),
        original("b.id")
    );
    let mut select = conn.prepare_cached(&sql)?;
    let rows = select.query_map(params, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let rows: Vec<(CaptureId, CaptureId, CustomerId)> = rows.collect::<Result<_, _>>()?;
    let mut pairs = Vec::new();
    for (before, after, customer) in rows {
        if consents::given(conn, customer, Purpose::Photograph)? {
            pairs.push((before, after));
        }
    }
    Ok(pairs)
}
