//! Reports under the public address: which are open now, their photographs, and what customers say of them.
//!
//! Open is what the store told last, unless it has run out, its visit was struck out or its person erased, a consent it rests on
//! was withdrawn, the customer has just withdrawn here, or the store has been silent for so long that nobody knows whether
//! it still holds. A token that opens nothing costs the same questions as one that does.

use super::{
    HqError,
    config::ReportSettings,
    database::{
        Place,
        engine::{Engine, Row, first, transaction, values},
    },
    erasure, filing, inbox,
    shelf::Shelves,
};
use crate::{
    clock,
    desk::{Away, Digest, Opened, Reports, Said},
    domain::{Timestamp, consent::Purpose},
    sync::sheet::Sheet,
};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::Semaphore;

/// Connections to the database, and so answers at once.
const CONNECTIONS: usize = 2;

/// Who waits longer for one of them is told to come again.
const PATIENCE: Duration = Duration::from_secs(10);

/// A report that is open.
#[derive(Debug, Clone)]
pub struct Found {
    pub store: String,
    pub gateway: String,
    pub report: String,
    pub visit: String,
    pub customer: String,
    pub expires: Timestamp,
    pub sheet: Sheet,
}

/// What stands in the row of a report.
#[derive(Debug, Default)]
struct Told {
    store: String,
    gateway: String,
    report: String,
    visit: String,
    customer: String,
    state: String,
    expires_ms: i64,
    sheet: Option<String>,
    heard_ms: i64,
}

impl Told {
    fn from_row(row: &Row) -> Result<Self, HqError> {
        Ok(Self {
            store: row.get(0)?,
            gateway: row.get(1)?,
            report: row.get(2)?,
            visit: row.get(3)?,
            customer: row.get(4)?,
            state: row.get(5)?,
            expires_ms: row.get(6)?,
            sheet: row.get(7)?,
            heard_ms: row.get(8)?,
        })
    }
}

/// The newest word on a report, unless a later one, perhaps of facts that are being made again, has closed it.
const TOLD: &str =
    "SELECT r.store, r.gateway, r.report, r.visit, r.customer, r.state, r.expires_ms, r.sheet, g.last_heard_ms
    FROM report_facts r JOIN gateways g ON g.gateway = r.gateway
    WHERE r.token_sha256 = ?1
    AND NOT EXISTS (SELECT 1 FROM report_facts w WHERE w.report = r.report AND (w.era, w.seq) > (r.era, r.seq))
    AND NOT EXISTS (SELECT 1 FROM report_closings c WHERE c.report = r.report AND (c.era, c.seq) > (r.era, r.seq))";

/// The report whose token has this digest, if it is open.
///
/// # Errors
/// The database's.
pub fn open(
    engine: &mut dyn Engine,
    token: &Digest,
    now: Timestamp,
    silent: Duration,
) -> Result<Option<Found>, HqError> {
    let told = first(engine, TOLD, values![&hex::encode(token)])?.map(|row| Told::from_row(&row)).transpose()?;
    let known = told.is_some();
    // What there is not is asked about all the same: the answer must not come sooner.
    let told = told.unwrap_or_default();
    let standing = stands(engine, &told)? && agreed(engine, &told)?;
    let limit = i64::try_from(silent.as_millis()).unwrap_or(i64::MAX);
    let fresh = told.expires_ms > now.unix_ms() && now.unix_ms().saturating_sub(told.heard_ms) <= limit;
    if !(known && standing && fresh && told.state == "open") {
        return Ok(None);
    }
    let Told { store, gateway, report, visit, customer, expires_ms, sheet, .. } = told;
    // A sheet that cannot be read was refused when it came.
    let Some(sheet) = sheet.and_then(|sheet| serde_json::from_str(&sheet).ok()) else { return Ok(None) };
    let expires = Timestamp::from_unix_ms(expires_ms);
    Ok(Some(Found { store, gateway, report, visit, customer, expires, sheet }))
}

/// Neither struck out nor erased, and not withdrawn here a moment ago.
fn stands(engine: &mut dyn Engine, told: &Told) -> Result<bool, HqError> {
    let Told { store, visit, report, .. } = told;
    let gone = engine.query(
        "SELECT 1 FROM now_void WHERE id = ?1
         UNION ALL SELECT 1 FROM erased_visits WHERE store = ?2 AND visit = ?1
         UNION ALL SELECT 1 FROM feedback_inbox WHERE report = ?3 AND topic = 'withdraw'",
        values![visit, store, report],
    )?;
    Ok(gone.is_empty())
}

/// Whether nobody took back what the report rests on. The store closes it by itself; its word may still be on its way, or fell
/// on a store that was restored from a time before the link.
fn agreed(engine: &mut dyn Engine, told: &Told) -> Result<bool, HqError> {
    let person = erasure::person(engine, &told.store, &told.customer)?;
    for purpose in [Purpose::DeliverReport, Purpose::ShareNumbers] {
        let mut last: Option<(i64, i64, i64, bool)> = None;
        for customer in &person {
            let rows = engine.query(
                "SELECT at_ms, era, seq, given FROM consent_facts WHERE customer = ?1 AND purpose = ?2 AND store = ?3",
                values![customer, purpose.as_str(), &told.store],
            )?;
            for row in &rows {
                last = last.max(Some((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)));
            }
        }
        if last.is_some_and(|(.., given)| !given) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Keeps what the customer said, until the store has told of it.
///
/// # Errors
/// The database's.
pub fn say(engine: &mut dyn Engine, found: &Found, said: &[Said], now: Timestamp) -> Result<(), HqError> {
    transaction(engine, |engine| said.iter().try_for_each(|one| inbox::keep(engine, found, one, now)))
}

/// Headquarters' desk.
#[derive(Debug, Clone)]
pub struct OfHeadquarters(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    place: Place,
    shelves: Arc<Shelves>,
    silent: Duration,
    idle: Mutex<Vec<Box<dyn Engine>>>,
    free: Semaphore,
}

impl OfHeadquarters {
    #[must_use]
    pub fn new(place: Place, shelves: Arc<Shelves>, settings: &ReportSettings) -> Self {
        let (idle, free) = (Mutex::default(), Semaphore::new(CONNECTIONS));
        Self(Arc::new(Inner { place, shelves, silent: settings.silent, idle, free }))
    }

    /// Asks the database on a thread of its own; a connection that failed is not used again.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut dyn Engine, &Inner) -> Result<T, HqError> + Send + 'static,
    ) -> Result<T, Away> {
        let inner = Arc::clone(&self.0);
        let _turn = tokio::time::timeout(PATIENCE, self.0.free.acquire()).await.map_err(|_| Away)?.map_err(|_| Away)?;
        let asked = tokio::task::spawn_blocking(move || {
            let idle = inner.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut engine = idle.map_or_else(|| inner.place.open(), Ok)?;
            let answer = question(&mut *engine, &inner)?;
            inner.idle.lock().unwrap_or_else(PoisonError::into_inner).push(engine);
            Ok::<_, HqError>(answer)
        });
        match asked.await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(fault)) => {
                tracing::error!(%fault, "a customer's report cannot be read");
                Err(Away)
            }
            Err(_) => Err(Away),
        }
    }
}

impl Reports for OfHeadquarters {
    async fn open(&self, token: Digest) -> Result<Option<Opened>, Away> {
        let now = clock::now().wall;
        let found = self.ask(move |engine, inner| open(engine, &token, now, inner.silent)).await?;
        Ok(found.map(|found| Opened { sheet: found.sheet, expires: found.expires }))
    }

    async fn picture(&self, token: Digest, capture: String) -> Result<Option<(&'static str, Vec<u8>)>, Away> {
        let now = clock::now().wall;
        self.ask(move |engine, inner| {
            let Some(found) = open(engine, &token, now, inner.silent)? else { return Ok(None) };
            let bytes = filing::open(engine, &inner.shelves, (&found.gateway, &capture, "report"))?;
            // Report pictures are made by the gateways, as JPEG.
            Ok(bytes.map(|bytes| ("image/jpeg", bytes)))
        })
        .await
    }

    async fn say(&self, token: Digest, said: Vec<Said>) -> Result<bool, Away> {
        let now = clock::now().wall;
        self.ask(move |engine, inner| {
            let Some(found) = open(engine, &token, now, inner.silent)? else { return Ok(false) };
            say(engine, &found, &said, now)?;
            Ok(true)
        })
        .await
    }
}
