//! What customers say on the page of their report: kept with its clock, told to headquarters, followed until it is solved. The
//! same word comes in once however often it is said, here or through headquarters: it is known by its id.
//!
//! A withdrawal acts at once, since a no must be as easy as a yes: the report, the numbers and the photographs are shared no
//! longer. Everything else asks a person to do something (24 hours to answer, 72 to solve).

use super::{
    NewConsent, Store, audit, consents,
    error::{StoreError, found},
    outbox::{self, About, Gate, count},
    sharing, visits,
    writer::Tx,
};
use crate::{
    clock,
    domain::{
        ClockState, CustomerId, FeedbackId, Stamp, Timestamp, VisitId,
        consent::{Channel, Consent, Purpose},
        feedback::{Stage, Topic},
    },
    faults,
    sync::{
        envelope::Event,
        payload::{self, kind},
    },
};
use rusqlite::{Row, params};

/// Who withdraws by the page of a report.
const CUSTOMER: &str = "customer";

/// Version of the words beside the button that withdraws.
const TEXT_VERSION: &str = "report-page-1";

/// Something a customer said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFeedback {
    pub id: FeedbackId,
    pub visit: VisitId,
    pub topic: Topic,
    /// 1 to 5.
    pub stars: Option<u8>,
    pub words: String,
    pub given: Timestamp,
    /// Said on headquarters' page, which has the words already.
    pub at_hq: bool,
}

/// Something a customer said, and how far it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feedback {
    pub id: FeedbackId,
    pub visit: VisitId,
    pub customer: CustomerId,
    pub topic: Topic,
    pub stars: Option<u8>,
    pub words: String,
    pub given: Timestamp,
    pub answered: Option<Timestamp>,
    pub solved: Option<Timestamp>,
    at_hq: bool,
}

impl Feedback {
    /// Until when it is to be answered, or where it was, solved; `None` once it is solved or asks for nothing.
    #[must_use]
    pub fn due(&self) -> Option<Timestamp> {
        let hours = match (self.answered, self.solved) {
            (_, Some(_)) => return None,
            (None, None) => 24,
            (Some(_), None) => 72,
        };
        Some(Timestamp::from_unix_ms(self.given.unix_ms() + hours * 3_600_000))
    }
}

const SELECT: &str =
    "SELECT f.id, f.visit, v.customer, f.topic, f.stars, f.words, f.given_ms, f.answered_ms, f.solved_ms,
    f.at_hq FROM feedback f JOIN visits v ON v.id = f.visit";

fn from_row(row: &Row<'_>) -> rusqlite::Result<Feedback> {
    Ok(Feedback {
        id: row.get(0)?,
        visit: row.get(1)?,
        customer: row.get(2)?,
        topic: row.get(3)?,
        stars: row.get(4)?,
        words: row.get(5)?,
        given: row.get(6)?,
        answered: row.get(7)?,
        solved: row.get(8)?,
        at_hq: row.get(9)?,
    })
}

/// Writes one down and tells headquarters; `false` when it is here already.
fn record(tx: &Tx<'_>, new: &NewFeedback) -> Result<bool, StoreError> {
    let NewFeedback { id, visit, topic, stars, words, given, at_hq } = new;
    let visit = visits::load(tx, *visit)?;
    let inserted = tx.execute(
        "INSERT INTO feedback (id, visit, topic, stars, words, at_hq, given_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (id) DO NOTHING",
        params![id, visit.id, topic, stars, words, at_hq, given],
    )?;
    if inserted == 0 {
        return Ok(false);
    }
    faults::point("store.feedback.row_written");
    let row = load(tx, *id)?;
    tell(tx, &row, Stage::Given, words, "")?;
    audit::note(tx, CUSTOMER, "feedback.given", Some(visit.customer), topic.as_str())?;
    if *topic == Topic::Withdraw {
        let consents = consents::current(tx, visit.customer)?;
        for purpose in [Purpose::DeliverReport, Purpose::ShareNumbers, Purpose::SharePhotographs] {
            if consents.get(&purpose).is_some_and(|last| last.given && !(*at_hq && is_newer(last, *given))) {
                withdraw(tx, visit.customer, purpose)?;
            }
        }
    }
    Ok(true)
}

/// Whether a yes was said here after the customer said no at headquarters; the no may have waited there for weeks. A clock
/// that was never set proves nothing: then the no holds.
fn is_newer(yes: &Consent, no: Timestamp) -> bool {
    yes.recorded.clock != ClockState::Unset && yes.recorded.wall > no
}

/// Whether `said` has something new on `topic` that is one too much for its visit.
fn is_full(tx: &Tx<'_>, topic: Topic, said: &[NewFeedback]) -> Result<bool, StoreError> {
    let (Some(most), Some(NewFeedback { visit, .. })) = (topic.most(), said.first()) else { return Ok(false) };
    let mut known = tx.prepare_cached("SELECT EXISTS (SELECT 1 FROM feedback WHERE id = ?1)")?;
    let mut new = 0;
    for one in said.iter().filter(|one| one.topic == topic) {
        new += u32::from(!known.query_row([one.id], |row| row.get::<_, bool>(0))?);
    }
    let count = "SELECT count(*) FROM feedback WHERE visit = ?1 AND topic = ?2";
    let before: u32 = tx.prepare_cached(count)?.query_row(params![visit, topic], |row| row.get(0))?;
    Ok(new > 0 && before + new > most)
}

fn withdraw(tx: &Tx<'_>, customer: CustomerId, purpose: Purpose) -> Result<(), StoreError> {
    let consent = NewConsent {
        customer,
        purpose,
        given: false,
        text_version: TEXT_VERSION.to_owned(),
        channel: Channel::Report,
        staff: CUSTOMER.to_owned(),
        signature: String::new(),
    };
    consents::record(tx, consent).map(drop)
}

fn load(tx: &Tx<'_>, id: FeedbackId) -> Result<Feedback, StoreError> {
    let row = tx.prepare_cached(&format!("{SELECT} WHERE f.id = ?1"))?.query_row([id], from_row);
    found(row, "feedback", id)
}

/// The words go to headquarters where numbers are shared; what the customer said there it has already, what staff answer it
/// has not. That something was said, answered or solved is always told, with the time when it was.
fn tell(tx: &Tx<'_>, feedback: &Feedback, stage: Stage, words: &str, staff: &str) -> Result<(), StoreError> {
    let Feedback { id, visit, customer, topic, stars, at_hq, given, .. } = feedback;
    let theirs = *at_hq && stage == Stage::Given;
    let shared = theirs || consents::given(tx, *customer, Purpose::ShareNumbers)?;
    let now = clock::now();
    // By headquarters' clock, which was set: nothing is to be mapped.
    let stamp = if theirs { Stamp { wall: *given, clock: ClockState::Synced, ..now } } else { now };
    let payload = payload::Feedback {
        feedback: id.to_string(),
        visit: visit.to_string(),
        customer: customer.to_string(),
        state: stage.to_string(),
        stars: if stage == Stage::Given { *stars } else { None },
        topic: topic.to_string(),
        words: if shared { words.to_owned() } else { String::new() },
        staff: staff.to_owned(),
    };
    outbox::enqueue_at(tx, &about(*id, *visit, *customer, stamp), now.wall, &payload).map(drop)
}

fn about(id: FeedbackId, visit: VisitId, customer: CustomerId, stamp: Stamp) -> About {
    About {
        kind: kind::FEEDBACK,
        gate: Gate::Always,
        customer: Some(customer),
        visit: Some(visit),
        object: id.bits(),
        subject: visit.to_string(),
        stamp,
    }
}

/// Numbers of this visit are shared no longer: words that headquarters had from here are redacted in the outbox, and that
/// something was said, answered or solved is told anew without them.
pub(super) fn withhold_words(tx: &Tx<'_>, visit: VisitId) -> Result<(), StoreError> {
    let told: Vec<(i64, String, bool)> = tx
        .prepare_cached(
            "SELECT o.place, o.body, coalesce(f.at_hq, 0) FROM outbox o LEFT JOIN feedback f ON f.id = o.object
             WHERE o.visit = ?1 AND o.kind = ?2 ORDER BY o.place",
        )?
        .query_map(params![visit, kind::FEEDBACK], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<Result<_, _>>()?;
    for (place, body, at_hq) in told {
        let Some((stamp, payload)) = read(&body) else { continue };
        let theirs = at_hq && payload.state == Stage::Given.as_str();
        let Ok(id) = payload.feedback.parse() else { continue };
        if payload.words.is_empty() || theirs {
            continue;
        }
        sharing::redact(tx, "place = ?1", [place], sharing::WITHDRAWN)?;
        let payload = payload::Feedback { words: String::new(), ..payload };
        let customer = visits::load(tx, visit)?.customer;
        outbox::enqueue_at(tx, &about(id, visit, customer, stamp), clock::now().wall, &payload)?;
    }
    Ok(())
}

/// Stamp and payload of an event in the outbox.
fn read(body: &str) -> Option<(Stamp, payload::Feedback)> {
    let event: Event = serde_json::from_str(body).ok()?;
    let stamp = Stamp {
        boot: event.boot.parse().ok()?,
        monotonic_ns: event.monotonicns.parse().ok()?,
        wall: event.time.parse().ok()?,
        clock: event.clock.parse().ok()?,
    };
    Some((stamp, serde_json::from_str(event.data.get()).ok()?))
}

fn advance(tx: &Tx<'_>, id: FeedbackId, stage: Stage, staff: &str, words: &str) -> Result<Feedback, StoreError> {
    let was = load(tx, id)?;
    let done = match stage {
        Stage::Given => true,
        Stage::Answered => was.answered.is_some(),
        Stage::Solved => was.solved.is_some(),
    };
    if done {
        let (what, state, remedy) = ("feedback", format!("{stage} already"), "nothing is left to do");
        return Err(StoreError::WrongState { what, id: id.to_string(), state, remedy });
    }
    let now = clock::now().wall;
    tx.execute(
        "UPDATE feedback SET answered_ms = coalesce(answered_ms, ?2), answered_by = coalesce(answered_by, ?3) WHERE id = ?1",
        params![id, now, staff],
    )?;
    if stage == Stage::Solved {
        tx.execute("UPDATE feedback SET solved_ms = ?2, solved_by = ?3 WHERE id = ?1", params![id, now, staff])?;
    }
    tell(tx, &was, stage, words, staff)?;
    audit::note(tx, staff, "feedback.advanced", Some(was.customer), stage.as_str())?;
    load(tx, id)
}

impl Store {
    /// Writes down what a customer said, all or nothing; gives how much of it was new. A withdrawal takes effect with it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for a visit that is not here, or no longer.
    pub async fn record_feedback(&self, said: Vec<NewFeedback>) -> Result<usize, StoreError> {
        self.write(move |tx| said.iter().try_fold(0, |new, one| Ok(new + usize::from(record(tx, one)?)))).await
    }

    /// The same for what was said on the page here; `false`, and nothing written down, where more was said of the visit than
    /// [`Topic::most`] allows.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for a visit that is not here, or no longer.
    pub async fn hear_feedback(&self, said: Vec<NewFeedback>) -> Result<bool, StoreError> {
        self.write(move |tx| {
            for topic in Topic::ALL {
                if is_full(tx, *topic, &said)? {
                    return Ok(false);
                }
            }
            said.iter().try_for_each(|one| record(tx, one).map(drop))?;
            Ok(true)
        })
        .await
    }

    /// What customers said and nobody has solved yet, the longest waiting first; then what was solved, newest first.
    pub async fn feedback(&self, limit: usize) -> Result<Vec<Feedback>, StoreError> {
        self.read(move |conn| {
            let order =
                "ORDER BY f.solved_ms IS NOT NULL, CASE WHEN f.solved_ms IS NULL THEN f.given_ms ELSE -f.given_ms END";
            let mut select = conn.prepare_cached(&format!("{SELECT} {order} LIMIT ?1"))?;
            Ok(select.query_map([count(limit)], from_row)?.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Someone answered the customer, or solved what was asked; what is solved counts as answered.
    ///
    /// # Errors
    /// [`StoreError::WrongState`] where that was done already.
    pub async fn advance_feedback(
        &self,
        id: FeedbackId,
        stage: Stage,
        staff: String,
        words: String,
    ) -> Result<Feedback, StoreError> {
        self.write(move |tx| advance(tx, id, stage, &staff, &words)).await
    }
}
