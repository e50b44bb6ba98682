//! Reports under their links: what a page may show now, and what headquarters is told of it.
//!
//! Headquarters is told the whole sheet while the customer agrees to both, that the report is delivered and that numbers are
//! shared; once one of them ends, or the link, the visit or the customer, it is told that the report is closed. What
//! waits in the outbox is redacted then. Called after anything that may change one of these ([`settle`]); what
//! headquarters knows already is not said again.

use super::{
    Store, VisitView, consents, course, earlier,
    error::StoreError,
    links, local,
    outbox::{self, About, Gate},
    sharing,
    sheets::{self, Letterhead},
    staff, suggested, views, visit_sheets, visits,
    writer::Tx,
};
use crate::{
    clock,
    domain::{CaptureId, CustomerId, ReportId, Timestamp, VisitId, consent::Purpose, visit::VisitState},
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

/// The same for all visits of a person: what one of them measured stands in the course of the later ones.
pub(super) fn settle_person(tx: &Tx<'_>, customer: CustomerId) -> Result<(), StoreError> {
    visits::of_person(tx, customer)?.into_iter().try_for_each(|(visit, _)| settle(tx, visit))
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

/// The visit's own records, what was agreed and is suggested, and how it went over the visits.
fn drawn(conn: &Connection, view: &VisitView, letterhead: &Letterhead, photographs: bool) -> Result<Sheet, StoreError> {
    let agreed = visit_sheets::load(conn, view.visit.id)?.next_day;
    let beside = (suggested::of(conn, view, &letterhead.rules)?, earlier::of(conn, view)?);
    Ok(Sheet {
        opened: local::here(conn, view.visit.opened.wall)?,
        course: course::of(conn, view.visit.id)?,
        beautician: staff::called(conn, &view.visit.beautician)?,
        next_day: Some(agreed).filter(|day| !day.is_empty()),
        ..sheets::sheet(view, letterhead, beside, photographs)
    })
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
    /// What the report of `visit` shows now, for whoever stands in the salon: it needs no link.
    ///
    /// # Errors
    /// [`StoreError::NotFound`]; [`StoreError::Refused`] for a visit that was struck out.
    pub async fn report_sheet(&self, visit: VisitId, letterhead: Letterhead) -> Result<Sheet, StoreError> {
        let sheet = self.read(move |conn| {
            let view = views::visit(conn, visit)?;
            if view.visit.state == VisitState::Voided {
                return Err(StoreError::Refused("the visit was struck out, so it has no report".into()));
            }
            drawn(conn, &view, &letterhead, true)
        });
        sheet.await
    }

    /// The report whose token has this SHA-256, if it is open; see [`Store::report_behind`].
    pub async fn open_report(&self, digest: [u8; 32], now: Timestamp) -> Result<Option<OpenReport>, StoreError> {
        self.read(move |conn| behind(conn, &digest, now)).await
    }

    /// A picture of a capture that was made to be shown, with its format; `None` where none is kept, or the customer does not
    /// agree to photographs any more.
    pub async fn shown_picture(
        &self,
        capture: CaptureId,
        role: Role,
    ) -> Result<Option<(&'static str, Vec<u8>)>, StoreError> {
        if role == Role::Original || !self.has_picture(capture, role).await? {
            return Ok(None);
        }
        let agreed = self.read(move |conn| {
            let place = super::scans::place(conn, super::captures::load(conn, capture)?.scan)?;
            consents::given(conn, place.customer, Purpose::Photograph)
        });
        if !agreed.await? {
            return Ok(None);
        }
        // They are made here, as JPEG.
        Ok(Some(("image/jpeg", self.picture_bytes(capture, role).await?)))
    }
}
