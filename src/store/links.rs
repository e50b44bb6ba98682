//! Links to reports: 128 random bits each, that expire and can be withdrawn. Only their digest is stored.

use super::{Store, audit, consents, error::StoreError, visits};
use crate::{
    clock,
    domain::{Timestamp, VisitId, consent::Purpose, visit::VisitState},
    faults,
};
use openssl::{rand::rand_bytes, sha::sha256};
use rusqlite::{OptionalExtension, params};

impl Store {
    /// Makes a link to the report of a visit; gives its token, 32 hexadecimal digits, which is stored nowhere.
    ///
    /// # Errors
    /// [`StoreError::NoConsent`] without consent to deliver the report.
    pub async fn make_report_link(
        &self,
        visit: VisitId,
        expires: Timestamp,
        who: String,
    ) -> Result<String, StoreError> {
        let mut token = [0_u8; 16];
        rand_bytes(&mut token).expect("the system's randomness is available after boot");
        self.write(move |tx| {
            let visit = visits::load(tx, visit)?;
            if !consents::given(tx, visit.customer, Purpose::DeliverReport)? {
                return Err(StoreError::NoConsent { purpose: Purpose::DeliverReport.as_str() });
            }
            tx.execute(
                "INSERT INTO links (digest, visit, expires_ms, made_ms) VALUES (?1, ?2, ?3, ?4)",
                params![sha256(&token), visit.id, expires, clock::now().wall],
            )?;
            faults::point("store.link.made");
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
        self.read(move |conn| {
            let sql = "SELECT visit FROM links WHERE digest = ?1 AND expires_ms > ?2 AND withdrawn = 0";
            let visit = conn.prepare_cached(sql)?.query_row(params![digest, now], |row| row.get(0)).optional()?;
            let Some(visit) = visit.map(|id| visits::load(conn, id)).transpose()? else { return Ok(None) };
            let open =
                visit.state != VisitState::Voided && consents::given(conn, visit.customer, Purpose::DeliverReport)?;
            Ok(open.then_some(visit.id))
        })
        .await
    }

    /// Ends all links to the report of a visit; gives how many that ended.
    pub async fn withdraw_report_links(&self, visit: VisitId, who: String) -> Result<u64, StoreError> {
        self.write(move |tx| {
            let customer = visits::load(tx, visit)?.customer;
            let ended = tx.execute("UPDATE links SET withdrawn = 1 WHERE visit = ?1 AND withdrawn = 0", [visit])?;
            faults::point("store.link.withdrawn");
            audit::note(tx, &who, "report.links_withdrawn", Some(customer), &visit.to_string())?;
            Ok(ended as u64)
        })
        .await
    }
}
