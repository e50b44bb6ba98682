//! HQ's database: what comes in together is committed together, on disk, and only then answered. Any order, any repetition is
//! fine: an event is known by `(gateway, epoch, seq)`. No state of the receiver lives anywhere else, so any number of them
//! may share one database.

pub mod engine;
mod error;
pub mod place;
pub mod postgres;
mod sqlite;

pub use error::HqError;
pub use place::{FILE, Place};

use super::{
    agenda, archive, dead_letters, erasure, filing,
    images::{self, Rules, Whole},
    inbox,
    intake::{self, Intake, Outcome},
    office::audit,
    orders, presence, records, rollout,
    shelf::Shelves,
    staff, standing,
    uploads::Uploads,
    waits,
};
use crate::{
    domain::Timestamp,
    faults,
    sync::{
        agenda::Entry,
        package::Fetch,
        reply::{Reply, SeqRange},
        topic::{Address, Lane},
    },
};
use engine::{Engine, transaction, values};
use std::{path::Path, sync::Arc};

/// One publish from a gateway, its topic already read.
#[derive(Debug, Clone)]
pub struct Arrived {
    pub from: Address,
    pub lane: Lane,
    pub payload: Vec<u8>,
}

/// Sequences missing below what is already here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hole {
    pub from: Address,
    pub epoch: String,
    /// The contiguous prefix before the first hole.
    pub upto: u64,
    pub missing: Vec<SeqRange>,
}

/// A reply and the gateway it goes to.
pub type Addressed = (Address, Reply);

/// The key of the shelves is the one that this database has always known; the first one is noted.
///
/// # Errors
/// [`HqError::OtherKey`]; the database's.
pub fn know_the_key(engine: &mut dyn Engine, shelves: &Shelves) -> Result<(), HqError> {
    let mark = shelves.chain().mark();
    engine
        .execute("INSERT INTO chain_mark(one, mark) VALUES (1, ?1) ON CONFLICT DO NOTHING", values![mark.as_slice()])?;
    let known: Vec<u8> = engine::only(engine, "SELECT mark FROM chain_mark", &[])?;
    if shelves.chain().made(&known) { Ok(()) } else { Err(HqError::OtherKey) }
}

/// The same for whoever only reads: a database that has no mark yet is not given one.
///
/// # Errors
/// The database's, [`HqError::OtherKey`].
pub fn is_of_the_key(engine: &mut dyn Engine, shelves: &Shelves) -> Result<(), HqError> {
    let known = engine::first(engine, "SELECT mark FROM chain_mark", &[])?;
    let known = known.map(|row| row.get::<Vec<u8>>(0)).transpose()?;
    if known.is_none_or(|known| shelves.chain().made(&known)) { Ok(()) } else { Err(HqError::OtherKey) }
}

/// What an erasure did, and what its shelves did not do yet: sealed segments that hold the person, or a person erased before,
/// and objects that no row names. The receiver tries them again.
#[derive(Debug)]
pub struct Erased {
    pub receipt: erasure::Receipt,
    pub left: Vec<HqError>,
}

/// One writer to the database, and the shelves of the pictures.
#[derive(Debug)]
pub struct Database {
    engine: Box<dyn Engine>,
    shelves: Arc<Shelves>,
    rules: Rules,
    /// When abandoned pictures were looked for.
    looked: Option<Timestamp>,
    /// When a segment could not be written anew.
    stuck: Option<Timestamp>,
    /// When it was noted that somebody watches.
    watched: Option<Timestamp>,
}

/// How often abandoned pictures are looked for: it reads what is on its way.
const LOOK_MS: i64 = 3_600_000;

/// The pause before a segment that its shelf did not give or take is tried again: each try reads it whole.
const STUCK_MS: i64 = 60_000;

/// Pictures that are asked for when headquarters comes back, of all gateways together.
const ASKED_AT_ONCE: usize = 1_000;

/// Gateways whose pictures are looked at for that, drawn anew each time; each gateway's own hello asks as well.
const LOOKED_AT: usize = 200;

/// Whether `at` is so long ago; a clock that was put back counts as long ago.
fn is_over(at: Option<Timestamp>, now: Timestamp, pause_ms: i64) -> bool {
    at.is_none_or(|at| (now.unix_ms() - at.unix_ms()).abs() >= pause_ms)
}

impl Database {
    /// Opens or makes the SQLite file in `folder`; see [`Self::at`].
    ///
    /// # Errors
    /// [`HqError`]; nothing is changed in a file of a newer program.
    pub fn open(folder: &Path, max_image_bytes: u64) -> Result<Self, HqError> {
        Self::at(&Place::in_folder(folder), folder, max_image_bytes)
    }

    /// Opens or makes the database; pictures lie in `folder`, all of them come in slices.
    ///
    /// # Errors
    /// [`HqError`]; [`HqError::passes`] says whether it is worth another try.
    pub fn at(place: &Place, folder: &Path, max_image_bytes: u64) -> Result<Self, HqError> {
        let rules = Rules { max_bytes: max_image_bytes, uploads: Uploads::None };
        Self::with(place, Arc::new(Shelves::in_folder(folder)?), rules)
    }

    /// Opens or makes the database, then finishes pictures that were whole but not yet filed.
    ///
    /// # Errors
    /// [`HqError`]; [`HqError::passes`] says whether it is worth another try. [`HqError::OtherKey`] where what lies on the
    /// shelves was sealed with another key.
    pub fn with(place: &Place, shelves: Arc<Shelves>, rules: Rules) -> Result<Self, HqError> {
        let mut database = Self::beside(place, shelves, rules)?;
        let whole = database.unfiled()?;
        let _ = database.file(whole, crate::clock::now().wall)?;
        Ok(database)
    }

    /// The same without filing anything: no shelf is asked.
    pub(super) fn beside(place: &Place, shelves: Arc<Shelves>, rules: Rules) -> Result<Self, HqError> {
        let mut database = Self { engine: place.open()?, shelves, rules, looked: None, stuck: None, watched: None };
        know_the_key(&mut *database.engine, &database.shelves)?;
        Ok(database)
    }

    /// Holds dead letters against the rules of this program; see [`dead_letters`].
    pub(super) fn hold_letters_again(&mut self) -> Result<(), HqError> {
        let (taken, left) = dead_letters::again(&mut *self.engine)?;
        if taken > 0 {
            tracing::info!(taken, left, "what an older program refused is taken now");
        }
        Ok(())
    }

    /// Pictures that are whole and not filed.
    pub(super) fn unfiled(&mut self) -> Result<Vec<Whole>, HqError> {
        images::whole(&mut *self.engine)
    }

    /// Commits everything in `arrived` in one transaction and says what to answer. Nothing may be answered before this
    /// returns. What the database cannot hold is found by halves and written down as an alarm, so that it stops nobody else.
    ///
    /// # Errors
    /// The disk's or the database's; then nothing of it was answered: the gateways send again.
    pub fn take(&mut self, arrived: &[Arrived], received: Timestamp) -> Result<Vec<Addressed>, HqError> {
        let (mut replies, whole, fetches) = self.take_in(arrived, received)?;
        replies.extend(self.file(whole, received)?);
        replies.extend(self.slices(&fetches)?);
        Ok(replies)
    }

    /// The same without filing pictures that are whole now: what is committed may be answered before, whatever the shelf
    /// takes its time for. An answer that comes late looks as if this headquarters had less than another copy of it said.
    pub(super) fn take_in(&mut self, arrived: &[Arrived], received: Timestamp) -> Result<Outcome, HqError> {
        match self.take_together(arrived, received) {
            Err(fault) if fault.is_about_content() && arrived.len() > 1 => {
                let (first, second) = arrived.split_at(arrived.len() / 2);
                let (mut replies, mut whole, mut fetches) = self.take_in(first, received)?;
                let (more, others, asked) = self.take_in(second, received)?;
                replies.extend(more);
                whole.extend(others);
                fetches.extend(asked);
                Ok((replies, whole, fetches))
            }
            Err(fault) if fault.is_about_content() && arrived.len() == 1 => {
                Ok((self.set_aside(&arrived[0], &fault, received)?, Vec::new(), Vec::new()))
            }
            outcome => outcome,
        }
    }

    fn take_together(&mut self, arrived: &[Arrived], received: Timestamp) -> Result<Outcome, HqError> {
        let rules = &self.rules;
        let taken = transaction(&mut *self.engine, |engine| {
            let mut intake = Intake::new(engine, received, rules);
            intake.take(arrived)?;
            let outcome = intake.finish()?;
            faults::point("hq.batch.before_commit");
            Ok(outcome)
        })?;
        faults::point("hq.batch.committed");
        Ok(taken)
    }

    fn set_aside(&mut self, message: &Arrived, fault: &HqError, now: Timestamp) -> Result<Vec<Addressed>, HqError> {
        let Arrived { from, lane, payload } = message;
        let reason = format!("the database cannot hold what came on {lane}: {fault}");
        let reply =
            transaction(&mut *self.engine, |engine| intake::alarm(engine, from, ("", 0), &reason, payload, now))?;
        Ok(vec![(from.clone(), reply)])
    }

    /// Verifies and files pictures that may be whole. One that its shelf does not take or give now waits, is listed, and is
    /// offered again; the others do not wait for it.
    pub(super) fn file(&mut self, whole: Vec<Whole>, now: Timestamp) -> Result<Vec<Addressed>, HqError> {
        let mut replies = Vec::new();
        for picture in whole {
            match filing::file(&mut *self.engine, &self.shelves, &picture, now) {
                Err(fault) if fault.is_of_a_shelf() => {
                    let Whole { from, capture, role, .. } = &picture;
                    waits::note(&mut *self.engine, &waits::picture(&from.gateway, capture, role), &fault, now)?;
                }
                reply => replies.extend(reply?.map(|reply| (picture.from, reply))),
            }
        }
        Ok(replies)
    }

    /// Where each gateway in use that was heard since `since` stands; told to all of them when HQ comes back, so that they need not guess.
    ///
    /// # Errors
    /// The database's.
    pub fn standings(&mut self, since: Timestamp) -> Result<Vec<Addressed>, HqError> {
        let engine = &mut *self.engine;
        let known = engine.query(
            "SELECT store, gateway, epoch FROM gateways WHERE epoch IS NOT NULL AND retired_ms IS NULL AND last_heard_ms >= ?1",
            values![since.unix_ms()],
        )?;
        let (mut standings, mut asked) = (Vec::with_capacity(known.len()), Vec::new());
        // Of a few gateways only, drawn anew each time: nobody hears where it stands before all of them are looked at.
        let looked_at = LOOKED_AT as f64 / known.len().max(1) as f64;
        for row in known {
            let (from, epoch) = (Address { store: row.get(0)?, gateway: row.get(1)? }, row.get::<String>(2)?);
            let (_, announced) = standing::reached(engine, &from.gateway, &epoch)?;
            let reply = standing::standing(engine, &from.gateway, epoch, announced)?;
            if fastrand::f64() < looked_at {
                let unseen = images::unseen(engine, &from.gateway)?;
                asked.extend(unseen.into_iter().map(|reply| (from.clone(), reply)));
            }
            standings.push((from, reply));
        }
        // Behind what everyone waits for, and not all of them: each gateway's own hello asks again.
        fastrand::shuffle(&mut asked);
        standings.extend(asked.into_iter().take(ASKED_AT_ONCE));
        Ok(standings)
    }

    /// Makes facts of the next `most` events; see [`records::turn`]. Objects that no row names any longer go from the shelves.
    ///
    /// # Errors
    /// The database's.
    pub fn keep_records(&mut self, now: Timestamp, most: usize) -> Result<records::Turn, HqError> {
        let turn = self.make_facts(now, most)?;
        if !turn.more {
            self.tidy_shelves(now)?;
        }
        Ok(turn)
    }

    /// The same, and the shelves are left as they are.
    pub(super) fn make_facts(&mut self, now: Timestamp, most: usize) -> Result<records::Turn, HqError> {
        records::turn(&mut *self.engine, &self.shelves, now, most, false)
    }

    /// What cannot be removed now is tried again with the next turn; what cannot be written, after a pause.
    pub(super) fn tidy_shelves(&mut self, now: Timestamp) -> Result<(), HqError> {
        if is_over(self.looked, now, LOOK_MS) {
            images::forget_abandoned(&mut *self.engine, now)?;
            self.looked = Some(now);
        }
        if is_over(self.stuck, now, STUCK_MS) {
            let faults = archive::write_stale_anew(&mut *self.engine, &self.shelves, now)?;
            self.stuck = (!faults.is_empty()).then_some(now);
        }
        filing::remove_what_nobody_names(&mut *self.engine, &self.shelves, now).map(drop)
    }

    /// Erases a person of a store, at headquarters alone: pictures, numbers, raw events, archived ones included.
    ///
    /// # Errors
    /// [`HqError::Nobody`] where nothing was ever known of such a person: then nothing was changed. The database's, then
    /// nothing was erased.
    pub fn erase(&mut self, store: &str, customer: &str, now: Timestamp) -> Result<Erased, HqError> {
        let customer = orders::spelled(customer);
        let customer = customer.as_str();
        let receipt = transaction(&mut *self.engine, |engine| {
            engine.take_time()?;
            engine.keep_records(true)?;
            let again = "SELECT 1 FROM erasures WHERE store = ?1 AND customer = ?2";
            let again = engine::first(engine, again, values![store, customer])?.is_some();
            let receipt = erasure::erase(engine, store, customer, now)?;
            let erasure::Receipt { customers, visits, events, pictures, birthdays } = receipt;
            if !again && customers == 1 && visits + events + pictures + birthdays == 0 {
                return Err(HqError::Nobody { store: store.to_owned(), customer: customer.to_owned() });
            }
            // Last: whoever else writes the audit waits for no more than the commit.
            audit::note(engine, &audit::command_line(), "customer erased", &format!("{store} {customer}"), now)?;
            Ok(receipt)
        })?;
        // From here on the person is gone from all that is read; what follows concerns the shelves.
        let mut left = match archive::write_stale_anew(&mut *self.engine, &self.shelves, now) {
            Ok(faults) => faults,
            Err(fault) => vec![fault],
        };
        loop {
            match filing::remove_what_nobody_names(&mut *self.engine, &self.shelves, now) {
                Ok(0) => return Ok(Erased { receipt, left }),
                Ok(_) => {}
                Err(fault) => {
                    left.push(fault);
                    return Ok(Erased { receipt, left });
                }
            }
        }
    }

    /// What is to be said to the stores now: what customers said at headquarters, appointments, staff, orders, packages. Asked for as long as the
    /// broker is there: notes that, too.
    ///
    /// # Errors
    /// The database's.
    pub fn downlink_due(&mut self, now: Timestamp) -> Result<Vec<Addressed>, HqError> {
        let watch = is_over(self.watched, now, presence::WATCH_MS);
        let due = transaction(&mut *self.engine, |engine| {
            if watch {
                presence::watch(engine, now)?;
            }
            let mut due = inbox::due(engine, now)?;
            due.extend(agenda::due(engine, now)?);
            due.extend(staff::due(engine, now)?);
            due.extend(orders::due(engine, now)?);
            due.extend(rollout::due(engine, now)?);
            Ok(due)
        })?;
        if watch {
            self.watched = Some(now);
        }
        Ok(due)
    }

    /// Slices of packages that gateways ask for.
    ///
    /// # Errors
    /// The database's.
    pub(super) fn slices(&mut self, fetches: &[(Address, Fetch)]) -> Result<Vec<Addressed>, HqError> {
        let mut slices = Vec::new();
        for (from, fetch) in fetches {
            slices.extend(rollout::slices(&mut *self.engine, from, fetch)?);
        }
        Ok(slices)
    }

    /// Writes what a CRM hands over for a store; see [`agenda::put`].
    ///
    /// # Errors
    /// The same.
    pub fn put_agenda(
        &mut self,
        store: &str,
        entries: &[(Entry, Timestamp)],
        whole: bool,
        now: Timestamp,
    ) -> Result<agenda::Written, HqError> {
        agenda::put(&mut *self.engine, store, entries, whole, now)
    }

    /// Streams with holes that their gateways may still fill, earlier epochs included.
    ///
    /// # Errors
    /// The database's.
    pub fn holes(&mut self) -> Result<Vec<Hole>, HqError> {
        standing::holes(&mut *self.engine)
    }
}
