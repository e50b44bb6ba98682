//! Reports under the public address: which are open now, their photographs, and what customers say of them.
//!
//! Open is what the store told last, unless it has run out, its visit was struck out or its person erased, a consent it rests on
//! was withdrawn, the customer has withdrawn on the page of any report and has not agreed since, or the store has been silent for
//! so long that nobody knows whether it still holds. What was said later counts, by the time when it was said and not by the
//! time when it came. A token that opens nothing costs the same questions as one that does.

use super::{
    HqError,
    config::ReportSettings,
    connections::{Connections, PATIENCE, Unasked},
    database::{
        Place,
        engine::{Engine, Row, first, transaction, values},
    },
    filing::Lies,
    inbox, records,
    shelf::Shelves,
    standing_words::Words,
};
use crate::{
    clock,
    desk::{Away, Digest, Heard, Opened, Reports, Said},
    domain::{Timestamp, consent::Purpose, feedback::Topic},
    sync::{
        image_lane::Role,
        sheet::{DIGITS, PairPicture, Photographs, Sheet},
    },
};
use std::{collections::BTreeSet, sync::Arc, time::Duration};
use tokio::sync::Semaphore;

/// Connections to the database, and so answers at once.
const CONNECTIONS: usize = 2;

/// Pictures that are fetched from the shelf at once, beside the answers: an object store that hangs keeps no report from being read.
const FETCHES: usize = 8;

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
    AND NOT EXISTS (SELECT 1 FROM report_facts w WHERE w.store = r.store AND w.report = r.report AND (w.era, w.seq) > (r.era, r.seq))
    AND NOT EXISTS (SELECT 1 FROM report_closings c
        WHERE c.store IN (r.store, '') AND c.report = r.report AND (c.era, c.seq) > (r.era, r.seq))";

/// The report whose token has this digest, if it is open.
///
/// # Errors
/// The database's; [`HqError::Remaking`] while the facts of its store are made again, and of a token that is not known while any are:
/// what closes it, or what it is known by, may not be there yet.
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
    let whole = records::are_whole(engine, &told.store)?;
    let words = Words::of(engine, &told.store, &told.customer)?;
    let standing = stands(engine, &told)? && words.agree(engine, &RESTS_ON)?;
    let photographs = words.agree(engine, &PHOTOGRAPHS)?;
    let held = Held::of(engine, &told)?;
    if !whole {
        return Err(HqError::Remaking);
    }
    let limit = i64::try_from(silent.as_millis()).unwrap_or(i64::MAX);
    let fresh = told.expires_ms > now.unix_ms() && now.unix_ms().saturating_sub(told.heard_ms) <= limit;
    if !(known && standing && fresh && told.state == "open") {
        return Ok(None);
    }
    let Told { store, gateway, report, visit, customer, expires_ms, sheet, .. } = told;
    // A sheet that cannot be read was refused when it came.
    let Some(sheet) = sheet.and_then(|sheet| serde_json::from_str::<Sheet>(&sheet).ok()) else { return Ok(None) };
    // The store tells the report anew without them; its word may still be on its way.
    let sheet = if photographs { here(sheet, &held) } else { Sheet { photographs: Vec::new(), ..sheet } };
    let expires = Timestamp::from_unix_ms(expires_ms);
    Ok(Some(Found { store, gateway, report, visit, customer, expires, sheet }))
}

/// Pictures of a visit that were verified: capture, role, and the first digits of the digest.
struct Held(BTreeSet<(String, String, String)>);

impl Held {
    fn of(engine: &mut dyn Engine, told: &Told) -> Result<Self, HqError> {
        let rows = engine.query(
            "SELECT capture, role, sha256 FROM images WHERE gateway = ?1 AND visit = ?2 AND state = 'verified'",
            values![&told.gateway, &told.visit],
        )?;
        let picture = |row: &Row| {
            let sha256: String = row.get(2)?;
            Ok((row.get(0)?, row.get(1)?, sha256.get(..DIGITS).unwrap_or_default().to_owned()))
        };
        rows.iter().map(picture).collect::<Result<_, HqError>>().map(Self)
    }

    fn has(&self, capture: &str, picture: &PairPicture) -> bool {
        self.0.contains(&(capture.to_owned(), picture.role.clone(), picture.sha256.clone()))
    }
}

/// Of the pictures of pairs those alone that have come: until then the photographs are shown as they were taken. One that was made
/// anew shows something else under the same role.
fn here(mut sheet: Sheet, held: &Held) -> Sheet {
    for pair in &mut sheet.photographs {
        let capture = pair.after.clone().unwrap_or_default();
        pair.pair = pair.pair.take().and_then(|laid| laid.only(|picture| held.has(&capture, picture)));
    }
    sheet
}

/// Neither struck out nor erased.
fn stands(engine: &mut dyn Engine, told: &Told) -> Result<bool, HqError> {
    let Told { store, visit, .. } = told;
    let gone = engine.query(
        "SELECT 1 FROM now_void WHERE store = ?2 AND id = ?1
         UNION ALL SELECT 1 FROM erased_visits WHERE store = ?2 AND visit = ?1",
        values![visit, store],
    )?;
    Ok(gone.is_empty())
}

/// Without these there is no report here.
const RESTS_ON: [Purpose; 2] = [Purpose::DeliverReport, Purpose::ShareNumbers];

/// Without these it has no photographs here.
const PHOTOGRAPHS: [Purpose; 2] = [Purpose::Photograph, Purpose::SharePhotographs];

/// Keeps what the customer said, until the store has told of it; nothing of it where too much was said already.
///
/// # Errors
/// The database's.
pub fn say(engine: &mut dyn Engine, found: &Found, said: &[Said], now: Timestamp) -> Result<Heard, HqError> {
    transaction(engine, |engine| {
        for topic in Topic::ALL {
            if inbox::is_full(engine, found, *topic, said)? {
                return Ok(Heard::Full);
            }
        }
        said.iter().try_for_each(|one| inbox::keep(engine, found, one, now))?;
        Ok(Heard::Kept)
    })
}

/// Headquarters' desk.
#[derive(Debug, Clone)]
pub struct OfHeadquarters(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    shelves: Arc<Shelves>,
    silent: Duration,
    database: Connections,
    fetches: Arc<Semaphore>,
}

impl OfHeadquarters {
    #[must_use]
    pub fn new(place: Place, shelves: Arc<Shelves>, settings: &ReportSettings) -> Self {
        let (database, fetches) = (Connections::new(place, CONNECTIONS), Arc::new(Semaphore::new(FETCHES)));
        Self(Arc::new(Inner { database, shelves, silent: settings.silent, fetches }))
    }

    /// Asks the database.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut dyn Engine, &Inner) -> Result<T, HqError> + Send + 'static,
    ) -> Result<T, Away> {
        let inner = Arc::clone(&self.0);
        match self.0.database.ask(move |engine| question(engine, &inner)).await {
            Ok(answer) => Ok(answer),
            Err(Unasked::Busy) => Err(Away),
            Err(Unasked::Fault(fault)) => Err(away(&fault)),
        }
    }

    /// Takes a picture off its shelf, with no connection to the database in hand.
    async fn fetch(&self, lies: Lies) -> Result<Option<Vec<u8>>, Away> {
        let inner = Arc::clone(&self.0);
        let turn = tokio::time::timeout(PATIENCE, Arc::clone(&self.0.fetches).acquire_owned());
        let turn = turn.await.map_err(|_| Away)?.map_err(|_| Away)?;
        let fetched = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            lies.fetch(&inner.shelves)
        });
        fetched.await.map_err(|_| Away)?.map_err(|fault| away(&fault))
    }
}

fn away(fault: &HqError) -> Away {
    match fault {
        HqError::Remaking => tracing::warn!(%fault, "a customer must come again"),
        fault => tracing::error!(%fault, "a customer's report cannot be read"),
    }
    Away
}

impl Reports for OfHeadquarters {
    async fn open(&self, token: Digest) -> Result<Option<Opened>, Away> {
        let now = clock::now().wall;
        let found = self.ask(move |engine, inner| open(engine, &token, now, inner.silent)).await?;
        Ok(found.map(|found| Opened { sheet: found.sheet, expires: found.expires }))
    }

    async fn picture(
        &self,
        token: Digest,
        capture: String,
        role: Role,
    ) -> Result<Option<(&'static str, Vec<u8>)>, Away> {
        let now = clock::now().wall;
        let lies = self.ask(move |engine, inner| {
            let Some(found) = open(engine, &token, now, inner.silent)? else { return Ok(None) };
            // Its consent may have ended since the page was drawn.
            let shown = |pair: &Photographs| match role {
                Role::Report => [&pair.before, &pair.after].contains(&&Some(capture.clone())),
                role => {
                    let laid = pair.pair.as_ref().filter(|_| pair.after.as_ref() == Some(&capture));
                    laid.is_some_and(|laid| laid.picture(role).is_some())
                }
            };
            if !found.sheet.photographs.iter().any(shown) {
                return Ok(None);
            }
            Lies::find(engine, (&found.gateway, &capture, role.as_str()))
        });
        let Some(lies) = lies.await? else { return Ok(None) };
        // They are made by the gateways, as JPEG.
        Ok(self.fetch(lies).await?.map(|bytes| ("image/jpeg", bytes)))
    }

    async fn say(&self, token: Digest, said: Vec<Said>) -> Result<Heard, Away> {
        let now = clock::now().wall;
        self.ask(move |engine, inner| {
            let Some(found) = open(engine, &token, now, inner.silent)? else {
                return Ok(Heard::Closed);
            };
            say(engine, &found, &said, now)
        })
        .await
    }
}
