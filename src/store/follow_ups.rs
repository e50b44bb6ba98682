//! What follows visits that ended: what is known of each for the salon's list of follow-ups, and what was seen to.

use super::{Store, audit, error::StoreError, visits, writer::Tx};
use crate::{
    clock,
    domain::{
        CustomerId, Day, Timestamp, VisitId,
        customer::{Customer, SkinType},
        feedback::Topic,
        follow_up::{Ended, Kind},
        visit::{Visit, VisitState},
    },
};
use rusqlite::{Connection, Row, params};

/// A visit that ended, and whose it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndedVisit {
    pub visit: VisitId,
    /// The person's main entry.
    pub customer: Customer,
    pub ended: Ended,
}

/// ?1: since when; ?2: now; ?3: today, by the salon's calendar. Of a person counts what stands under any of their entries.
const SELECT: &str = "WITH past AS MATERIALIZED (
        SELECT v.n, v.id, v.closed_ms, coalesce(c.alias_of, c.id) AS person
        FROM visits v JOIN customers c ON c.id = v.customer WHERE v.state = 'closed' AND v.closed_ms >= ?1)
    SELECT v.id, v.closed_ms,
        EXISTS (SELECT 1 FROM visits l WHERE l.n > v.n AND l.state <> 'voided' AND l.customer IN
            (SELECT id FROM customers WHERE id = v.person OR alias_of = v.person)),
        EXISTS (SELECT 1 FROM sheets s WHERE s.visit = v.id AND s.next_day >= ?3)
        OR EXISTS (SELECT 1 FROM appointments a WHERE a.starts_ms > ?2 AND a.state = 'booked' AND a.customer IN
            (SELECT id FROM customers WHERE id = v.person OR alias_of = v.person)),
        EXISTS (SELECT 1 FROM feedback f JOIN visits o ON o.id = f.visit WHERE f.topic IN (?4, ?5) AND o.customer IN
            (SELECT id FROM customers WHERE id = v.person OR alias_of = v.person)),
        (SELECT group_concat(d.kind) FROM followed_up d WHERE d.visit = v.id),
        p.id, p.name, p.phone, p.skin_type, p.notes
    FROM past v JOIN customers p ON p.id = v.person ORDER BY v.closed_ms, v.n";

fn from_row(row: &Row<'_>) -> rusqlite::Result<EndedVisit> {
    let done: Option<String> = row.get(5)?;
    let customer = Customer {
        id: row.get::<_, CustomerId>(6)?,
        name: row.get(7)?,
        phone: row.get(8)?,
        skin_type: row.get(9)?,
        notes: row.get(10)?,
    };
    Ok(EndedVisit {
        visit: row.get(0)?,
        ended: Ended {
            at: row.get(1)?,
            skin: SkinType::noted(&customer.skin_type),
            came_again: row.get(2)?,
            booked: row.get(3)?,
            hushed: row.get(4)?,
            // A word of a newer version is of no list of this one.
            done: done.iter().flat_map(|words| words.split(',')).filter_map(|word| word.parse().ok()).collect(),
        },
        customer,
    })
}

fn ended(conn: &Connection, since: Timestamp, now: Timestamp, today: Day) -> Result<Vec<EndedVisit>, StoreError> {
    let mut select = conn.prepare_cached(SELECT)?;
    let hushes = [Topic::Unsubscribe, Topic::Erasure];
    let rows = select.query_map(params![since, now, today.to_string(), hushes[0], hushes[1]], from_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn see_to(tx: &Tx<'_>, visit: VisitId, kind: Kind, done: bool, who: &str) -> Result<Visit, StoreError> {
    let visit = visits::load(tx, visit)?;
    if visit.state != VisitState::Closed {
        let (state, remedy) = (visit.state.to_string(), "only a visit that was closed has follow-ups");
        return Err(StoreError::WrongState { what: "visit", id: visit.id.to_string(), state, remedy });
    }
    if done {
        let sql = "INSERT INTO followed_up (visit, kind, ms, staff) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
        tx.execute(sql, params![visit.id, kind.as_str(), clock::now().wall, who])?;
    } else {
        tx.execute("DELETE FROM followed_up WHERE visit = ?1 AND kind = ?2", params![visit.id, kind.as_str()])?;
    }
    let what = if done { "follow_up.done" } else { "follow_up.undone" };
    audit::note(tx, who, what, Some(visit.customer), kind.as_str())?;
    Ok(visit)
}

impl Store {
    /// The visits that ended since then, the first ended first, with what matters for their follow-ups. `today` is the salon's.
    pub async fn ended_visits(
        &self,
        since: Timestamp,
        now: Timestamp,
        today: Day,
    ) -> Result<Vec<EndedVisit>, StoreError> {
        self.read(move |conn| ended(conn, since, now, today)).await
    }

    /// A follow-up was seen to; or was not, after all. Said again, nothing changes.
    ///
    /// # Errors
    /// [`StoreError::WrongState`] for a visit that is open or struck out.
    pub async fn follow_up(&self, visit: VisitId, kind: Kind, done: bool, who: String) -> Result<Visit, StoreError> {
        self.write(move |tx| see_to(tx, visit, kind, done, &who)).await
    }
}
