//! The consent ledger: only ever added to; the last entry for a purpose counts, over all ids of one person.

use super::{
    Store, audit, columns,
    columns::int,
    customers,
    error::StoreError,
    outbox::{self, About, Gate},
    pairs, reports, scans, visits,
    writer::Tx,
};
use crate::{
    clock,
    domain::{
        ConsentId, CustomerId, VisitId,
        consent::{Channel, Consent, Purpose},
    },
    faults,
    sync::payload::{self, kind},
};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::collections::BTreeMap;

/// A yes or a no, as asked at the station.
#[derive(Debug, Clone)]
pub struct NewConsent {
    pub customer: CustomerId,
    pub purpose: Purpose,
    pub given: bool,
    pub text_version: String,
    pub channel: Channel,
    pub staff: String,
    /// SVG path data; empty where none was drawn.
    pub signature: String,
}

/// Whether the last word on `purpose` is a yes. No word is a no.
pub(super) fn given(conn: &Connection, customer: CustomerId, purpose: Purpose) -> Result<bool, StoreError> {
    let last = conn
        .prepare_cached(&format!(
            "SELECT given FROM consents WHERE customer IN {} AND purpose = ?2 ORDER BY n DESC LIMIT 1",
            customers::PERSON
        ))?
        .query_row(params![customer, purpose], |row| row.get::<_, bool>(0))
        .optional()?;
    Ok(last == Some(true))
}

pub(super) fn current(conn: &Connection, customer: CustomerId) -> Result<BTreeMap<Purpose, Consent>, StoreError> {
    let mut select = conn.prepare_cached(&format!(
        "SELECT id, customer, purpose, given, text_version, channel, staff, signature, boot, ns, ms, clock
         FROM consents WHERE customer IN {} ORDER BY n",
        customers::PERSON
    ))?;
    let entries = select.query_map([customer], from_row)?;
    entries.map(|entry| Ok(entry.map(|entry| (entry.purpose, entry))?)).collect()
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Consent> {
    Ok(Consent {
        id: row.get(0)?,
        customer: row.get(1)?,
        purpose: row.get(2)?,
        given: row.get(3)?,
        text_version: row.get(4)?,
        channel: row.get(5)?,
        staff: row.get(6)?,
        signature: row.get(7)?,
        recorded: columns::stamp(row, 8)?,
    })
}

pub(super) fn record(tx: &Tx<'_>, new: NewConsent) -> Result<Consent, StoreError> {
    let NewConsent { customer, purpose, given, text_version, channel, staff, signature } = new;
    if given && channel == Channel::Report {
        // Whoever holds the link may be anyone it was shown to: that is enough for a no, never for a yes.
        return Err(StoreError::Refused("a yes is not taken on the page of a report; ask at the station".to_owned()));
    }
    customers::load(tx, customer)?;
    let (id, recorded) = (clock::mint(ConsentId::from_bits), clock::now());
    let consent = Consent { id, customer, purpose, given, text_version, channel, staff, signature, recorded };
    insert(tx, &consent)?;
    faults::point("store.consent.row_written");
    let about = About {
        kind: kind::CONSENT,
        gate: Gate::Always,
        customer: Some(customer),
        visit: None,
        object: id.bits(),
        subject: customer.to_string(),
        stamp: recorded,
    };
    outbox::enqueue(tx, &about, &told(&consent))?;
    faults::point("store.consent.told");
    let what = if given { "consent.given" } else { "consent.withdrawn" };
    audit::note(tx, &consent.staff, what, Some(customer), purpose.as_str())?;
    for (visit, owner) in visits::of_person(tx, customer)? {
        match purpose {
            Purpose::ShareNumbers | Purpose::SharePhotographs => {
                customers::settle_if_open_or_withdrawn(tx, visit, owner)?;
            }
            Purpose::Measure if !given => scans::pause(tx, visit)?,
            Purpose::Photograph if !given => pairs::prune(tx, visit, owner)?,
            _ => {}
        }
    }
    reports::settle_person(tx, customer)?;
    Ok(consent)
}

fn insert(tx: &Tx<'_>, consent: &Consent) -> Result<(), StoreError> {
    let Consent { id, customer, purpose, given, text_version, channel, staff, signature, recorded } = consent;
    tx.execute(
        "INSERT INTO consents (id, customer, purpose, given, text_version, channel, staff, signature, boot, ns, ms, clock)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        params![
            id, customer, purpose, given, text_version, channel, staff, signature, recorded.boot,
            int(recorded.monotonic_ns), recorded.wall, recorded.clock
        ],
    )?;
    Ok(())
}

fn told(consent: &Consent) -> payload::Consent {
    let Consent { id, customer, purpose, given, text_version, channel, staff, signature: _, recorded: _ } = consent;
    payload::Consent {
        consent: id.to_string(),
        customer: customer.to_string(),
        purpose: purpose.to_string(),
        given: *given,
        text_version: text_version.clone(),
        channel: channel.to_string(),
        staff: staff.clone(),
    }
}

impl Store {
    /// Adds a yes or a no to the ledger. A yes to sharing also tells HQ what the open visit measured before; a no takes
    /// back what HQ has not got yet. A no to being measured pauses the scan that runs.
    pub async fn record_consent(&self, consent: NewConsent) -> Result<Consent, StoreError> {
        self.write(move |tx| record(tx, consent)).await
    }

    /// Adds what was said in one conversation about a visit, all or nothing, if the caller saw the visit as it is.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] with the visit as it stands now.
    pub async fn record_consents(
        &self,
        visit: VisitId,
        expected: u64,
        consents: Vec<NewConsent>,
    ) -> Result<(), StoreError> {
        self.write(move |tx| {
            visits::expect(tx, visit, Some(expected))?;
            consents.into_iter().try_for_each(|consent| record(tx, consent).map(|_| ()))?;
            visits::touch(tx, visit)
        })
        .await
    }

    /// The last word on each purpose; a purpose without entry was never asked.
    pub async fn consents(&self, customer: CustomerId) -> Result<BTreeMap<Purpose, Consent>, StoreError> {
        self.read(move |conn| current(conn, customer)).await
    }
}
