//! Reports under their links: what a page may show now, and what headquarters is told of it.
//!
//! Headquarters is told the whole sheet while the customer agrees to both, that the report is delivered and that numbers are
//! shared; once one of them ends, or the link, the visit or the customer, it is told that the report is closed. What
//! waits in the outbox is redacted then. Called after anything that may change one of these ([`settle`]); what
//! headquarters knows already is not said again.

use super::{
    Store, VisitView, consents, course,
    error::StoreError,
    links,
    outbox::{self, About, Gate},
    sharing,
    sheets::{self, Letterhead},
    views,
    writer::Tx,
};
use crate::{
    clock,
    domain::{CaptureId, ReportId, Timestamp, VisitId, consent::Purpose, visit::VisitState},
    faults,
    sync::{
        image_lane::Role,
        payload::kind,
        sheet::{Report, Sheet},
    },
};
use openssl::sha::sha256;
use rusqlite::{Connection, params};

/// A report that is open now.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenReport {
    pub visit: VisitId,
    pub expires: Timestamp,
    pub sheet: Sheet,
}

struct Link {
    id: ReportId,
    digest: [u8; 32],
    expires: Timestamp,
    withdrawn: bool,
    letterhead: Letterhead,
    told: Option<[u8; 32]>,
}

/// Tells headquarters of every link to the report of `visit` what it does not know yet.
pub(super) fn settle(tx: &Tx<'_>, visit: VisitId) -> Result<(), StoreError> {
    let links = of_visit(tx, visit)?;
    if links.is_empty() {
        return Ok(());
    }
    let view = views::visit(tx, visit)?;
    for link in links {
        tell(tx, &view, &link)?;
    }
    Ok(())
}

/// Ends the links of a visit that goes to another customer: their tokens are in the hands of the one before. Headquarters is
/// told with the next [`settle`].
pub(super) fn withdraw(tx: &Tx<'_>, visit: VisitId) -> Result<(), StoreError> {
    tx.execute("UPDATE links SET withdrawn = 1 WHERE visit = ?1", [visit]).map(drop)?;
    Ok(())
}

fn of_visit(tx: &Tx<'_>, visit: VisitId) -> Result<Vec<Link>, StoreError> {
    let mut select = tx.prepare_cached(
        "SELECT id, digest, expires_ms, withdrawn, letterhead, told FROM links WHERE visit = ?1 AND id IS NOT NULL
         AND (told IS NOT NULL OR withdrawn = 0) ORDER BY n",
    )?;
    let links = select.query_map([visit], |row| {
        Ok(Link {
            id: row.get(0)?,
            digest: row.get(1)?,
            expires: row.get(2)?,
            withdrawn: row.get(3)?,
            letterhead: Letterhead::read(&row.get::<_, Option<String>>(4)?.unwrap_or_default()),
            told: row.get(5)?,
        })
    })?;
    Ok(links.collect::<Result<_, _>>()?)
}

fn tell(tx: &Tx<'_>, view: &VisitView, link: &Link) -> Result<(), StoreError> {
    let (visit, now) = (&view.visit, clock::now());
    let open = !link.withdrawn
        && visit.state != VisitState::Voided
        && view.agreed(Purpose::DeliverReport)
        && view.agreed(Purpose::ShareNumbers);
    if link.told.is_none() && (!open || link.expires <= now.wall) {
        return Ok(());
    }
    let sheet =
        if open { Some(drawn(tx, view, &link.letterhead, view.agreed(Purpose::SharePhotographs))?) } else { None };
    let report = Report {
        report: link.id.to_string(),
        visit: visit.id.to_string(),
        customer: visit.customer.to_string(),
        state: if open { "open" } else { "closed" }.to_owned(),
        token_sha256: hex::encode(link.digest),
        expires: link.expires.to_string(),
        sheet,
    }
    .fitted();
    let text = serde_json::to_vec(&report)
        .map_err(|fault| StoreError::Refused(format!("this report cannot be told to HQ: {fault}")))?;
    let digest = sha256(&text);
    if link.told == Some(digest) {
        return Ok(());
    }
    if !open {
        let which = "object = ?1 AND gate = ?2";
        sharing::redact(tx, which, params![link.id, Gate::Report.as_str()], sharing::WITHDRAWN)?;
    }
    let about = About {
        kind: kind::REPORT,
        gate: if open { Gate::Report } else { Gate::Always },
        customer: Some(visit.customer),
        visit: Some(visit.id),
        object: link.id.bits(),
        subject: visit.id.to_string(),
        stamp: now,
    };
    outbox::enqueue(tx, &about, &report)?;
    faults::point("store.report.told");
    tx.execute("UPDATE links SET told = ?2 WHERE id = ?1", params![link.id, digest])?;
    Ok(())
}

/// The visit's own records, and how it went over the visits.
fn drawn(conn: &Connection, view: &VisitView, letterhead: &Letterhead, photographs: bool) -> Result<Sheet, StoreError> {
    Ok(Sheet { course: course::of(conn, view.visit.id)?, ..sheets::sheet(view, letterhead, photographs) })
}

/// The open report behind a digest, with its letterhead.
fn behind(conn: &Connection, digest: &[u8; 32], now: Timestamp) -> Result<Option<OpenReport>, StoreError> {
    let Some(visit) = links::open(conn, digest, now)? else { return Ok(None) };
    let (letterhead, expires): (Option<String>, Timestamp) = conn
        .prepare_cached("SELECT letterhead, expires_ms FROM links WHERE digest = ?1")?
        .query_row([digest], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let letterhead = Letterhead::read(&letterhead.unwrap_or_default());
    let view = views::visit(conn, visit)?;
    Ok(Some(OpenReport { visit, expires, sheet: drawn(conn, &view, &letterhead, true)? }))
}

impl Store {
    /// The report whose token has this SHA-256, if it is open; see [`Store::report_behind`].
    pub async fn open_report(&self, digest: [u8; 32], now: Timestamp) -> Result<Option<OpenReport>, StoreError> {
        self.read(move |conn| behind(conn, &digest, now)).await
    }

    /// The report picture of a capture with its format; `None` where none is kept, or the customer does not agree to
    /// photographs any more.
    pub async fn report_picture(&self, capture: CaptureId) -> Result<Option<(&'static str, Vec<u8>)>, StoreError> {
        if !self.has_picture(capture, Role::Report).await? {
            return Ok(None);
        }
        let agreed = self.read(move |conn| {
            let place = super::scans::place(conn, super::captures::load(conn, capture)?.scan)?;
            consents::given(conn, place.customer, Purpose::Photograph)
        });
        if !agreed.await? {
            return Ok(None);
        }
        // Report pictures are made here, as JPEG.
        Ok(Some(("image/jpeg", self.picture_bytes(capture, Role::Report).await?)))
    }
}
