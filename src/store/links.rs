//! Links to reports: 128 random bits each, that expire and can be withdrawn. Only the token's digest is stored.

use super::{Store, audit, consents, error::StoreError, reports, sheets::Letterhead, visits};
use crate::{
    clock,
    domain::{
        ReportId, Timestamp, VisitId,
        consent::Purpose,
        visit::{Visit, VisitState},
    },
    faults,
};
use openssl::{rand::rand_bytes, sha::sha256};
use rusqlite::{Connection, OptionalExtension, params};

/// For so long a report that was not delivered is watched.
const WATCHED_MS: i64 = 7 * 86_400_000;

/// Opens for a digest: not expired, not withdrawn.
const OPEN: &str = "SELECT visit FROM links WHERE digest = ?1 AND expires_ms > ?2 AND withdrawn = 0";

impl Store {
    /// Makes a link to the report of a visit; gives its token, 32 hexadecimal digits, which is stored nowhere. Headquarters is
    /// told of the report where the customer shares numbers, never of the token.
    ///
    /// # Errors
    /// [`StoreError::NoConsent`] without consent to deliver the report.
    pub async fn make_report_link(
        &self,
        visit: VisitId,
        expires: Timestamp,
        letterhead: Letterhead,
        who: String,
    ) -> Result<String, StoreError> {
        let mut token = [0_u8; 16];
        rand_bytes(&mut token).expect("the system's randomness is available after boot");
        self.write(move |tx| {
            let visit = visits::load(tx, visit)?;
            if !consents::given(tx, visit.customer, Purpose::DeliverReport)? {
                return Err(StoreError::NoConsent { purpose: Purpose::DeliverReport.as_str() });
            }
            let id = clock::mint(ReportId::from_bits);
            tx.execute(
                "INSERT INTO links (digest, visit, expires_ms, made_ms, id, letterhead) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                params![sha256(&token), visit.id, expires, clock::now().wall, id, letterhead.text()],
            )?;
            faults::point("store.link.made");
            reports::settle(tx, visit.id)?;
            audit::note(tx, &who, "report.linked", Some(visit.customer), &visit.id.to_string())
        })
        .await?;
        Ok(hex::encode(token))
    }

    /// The visit behind a token; `None` when it is unknown, expired or withdrawn, when the visit is struck out, or when the
    /// customer does not agree to delivery any more. The caller cannot tell which.
    pub async fn report_behind(&self, token: &str, now: Timestamp) -> Result<Option<VisitId>, StoreError> {
        let mut bytes = [0_u8; 16];
        if hex::decode_to_slice(token, &mut bytes).is_err() {
            return Ok(None);
        }
        let digest = sha256(&bytes);
        self.read(move |conn| open(conn, &digest, now)).await
    }

    /// Closed visits of the last week whose customer wants the report and was given no link yet, the longest waiting first.
    pub async fn reports_due(&self, now: Timestamp) -> Result<Vec<Visit>, StoreError> {
        self.read(move |conn| {
            let mut select = conn.prepare_cached(
                "SELECT id FROM visits v WHERE state = 'closed' AND closed_ms > ?1
                 AND NOT EXISTS (SELECT 1 FROM links l WHERE l.visit = v.id) ORDER BY closed_ms",
            )?;
            let since = Timestamp::from_unix_ms(now.unix_ms() - WATCHED_MS);
            let ids: Vec<VisitId> = select.query_map([since], |row| row.get(0))?.collect::<Result<_, _>>()?;
            let mut due = Vec::new();
            for id in ids {
                let visit = visits::load(conn, id)?;
                if consents::given(conn, visit.customer, Purpose::DeliverReport)? {
                    due.push(visit);
                }
            }
            Ok(due)
        })
        .await
    }

    /// Ends all links to the report of a visit; gives how many that ended.
    pub async fn withdraw_report_links(&self, visit: VisitId, who: String) -> Result<u64, StoreError> {
        self.write(move |tx| {
            let customer = visits::load(tx, visit)?.customer;
            let ended = tx.execute("UPDATE links SET withdrawn = 1 WHERE visit = ?1 AND withdrawn = 0", [visit])?;
            faults::point("store.link.withdrawn");
            reports::settle(tx, visit)?;
            audit::note(tx, &who, "report.links_withdrawn", Some(customer), &visit.to_string())?;
            Ok(ended as u64)
        })
        .await
    }
}

/// See [`Store::report_behind`].
pub(super) fn open(conn: &Connection, digest: &[u8; 32], now: Timestamp) -> Result<Option<VisitId>, StoreError> {
    let visit = conn.prepare_cached(OPEN)?.query_row(params![digest, now], |row| row.get(0)).optional()?;
    let Some(visit) = visit.map(|id| visits::load(conn, id)).transpose()? else { return Ok(None) };
    let open = visit.state != VisitState::Voided && consents::given(conn, visit.customer, Purpose::DeliverReport)?;
    Ok(open.then_some(visit.id))
}
