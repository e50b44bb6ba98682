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
    archive, erasure, filing,
    images::{self, Rules, Whole},
    inbox,
    intake::{self, Intake},
    records,
    shelf::Shelves,
    standing,
    uploads::Uploads,
};
use crate::{
    domain::Timestamp,
    faults,
    sync::{
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

/// One writer to the database, and the shelves of the pictures.
#[derive(Debug)]
pub struct Database {
    engine: Box<dyn Engine>,
    shelves: Arc<Shelves>,
    rules: Rules,
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
        let mut database = Self { engine: place.open()?, shelves, rules };
        database.know_the_key()?;
        let whole = images::whole(&mut *database.engine)?;
        let _ = database.file(whole, crate::clock::now().wall)?;
        Ok(database)
    }

    /// Commits everything in `arrived` in one transaction and says what to answer. Nothing may be answered before this
    /// returns. What the database cannot hold is found by halves and written down as an alarm, so that it stops nobody else.
    ///
    /// # Errors
    /// The disk's or the database's; then nothing of it was answered: the gateways send again.
    pub fn take(&mut self, arrived: &[Arrived], received: Timestamp) -> Result<Vec<Addressed>, HqError> {
        match self.take_together(arrived, received) {
            Err(fault) if fault.is_about_content() && arrived.len() > 1 => {
                let (first, second) = arrived.split_at(arrived.len() / 2);
                let mut replies = self.take(first, received)?;
                replies.extend(self.take(second, received)?);
                Ok(replies)
            }
            Err(fault) if fault.is_about_content() && arrived.len() == 1 => {
                self.set_aside(&arrived[0], &fault, received)
            }
            outcome => outcome,
        }
    }

    fn take_together(&mut self, arrived: &[Arrived], received: Timestamp) -> Result<Vec<Addressed>, HqError> {
        let rules = &self.rules;
        let (mut replies, whole) = transaction(&mut *self.engine, |engine| {
            let mut intake = Intake::new(engine, received, rules);
            intake.take(arrived)?;
            let outcome = intake.finish()?;
            faults::point("hq.batch.before_commit");
            Ok(outcome)
        })?;
        faults::point("hq.batch.committed");
        replies.extend(self.file(whole, received)?);
        Ok(replies)
    }

    fn set_aside(&mut self, message: &Arrived, fault: &HqError, now: Timestamp) -> Result<Vec<Addressed>, HqError> {
        let Arrived { from, lane, payload } = message;
        let reason = format!("the database cannot hold what came on {lane}: {fault}");
        let reply =
            transaction(&mut *self.engine, |engine| intake::alarm(engine, from, ("", 0), &reason, payload, now))?;
        Ok(vec![(from.clone(), reply)])
    }

    /// The key of the shelves is the one that this database has always known; the first one is noted.
    fn know_the_key(&mut self) -> Result<(), HqError> {
        let mark = self.shelves.chain().mark();
        self.engine.execute(
            "INSERT INTO chain_mark(one, mark) VALUES (1, ?1) ON CONFLICT DO NOTHING",
            values![mark.as_slice()],
        )?;
        let known: Vec<u8> = engine::only(&mut *self.engine, "SELECT mark FROM chain_mark", &[])?;
        if self.shelves.chain().made(&known) { Ok(()) } else { Err(HqError::OtherKey) }
    }

    /// Verifies and files pictures that may be whole. What the object store does not take now is offered again.
    fn file(&mut self, whole: Vec<Whole>, now: Timestamp) -> Result<Vec<Addressed>, HqError> {
        let mut replies = Vec::new();
        for picture in whole {
            match filing::file(&mut *self.engine, &self.shelves, &picture, now) {
                Err(fault @ HqError::Objects { .. }) => {
                    tracing::warn!(gateway = %picture.from.gateway, capture = picture.capture, %fault, "a picture waits");
                }
                reply => replies.push((picture.from, reply?)),
            }
        }
        Ok(replies)
    }

    /// Where each gateway heard since `since` stands; told to all of them when HQ comes back, so that they need not guess.
    ///
    /// # Errors
    /// The database's.
    pub fn standings(&mut self, since: Timestamp) -> Result<Vec<Addressed>, HqError> {
        let engine = &mut *self.engine;
        let known = engine.query(
            "SELECT store, gateway, epoch FROM gateways WHERE epoch IS NOT NULL AND last_heard_ms >= ?1",
            values![since.unix_ms()],
        )?;
        let mut standings = Vec::with_capacity(known.len());
        for row in known {
            let (from, epoch) = (Address { store: row.get(0)?, gateway: row.get(1)? }, row.get::<String>(2)?);
            let (_, announced) = standing::reached(engine, &from.gateway, &epoch)?;
            let reply = standing::standing(engine, &from.gateway, epoch, announced)?;
            standings.push((from, reply));
        }
        Ok(standings)
    }

    /// Makes facts of the next `most` events; see [`records::turn`]. Objects that no row names any longer go from the shelves.
    ///
    /// # Errors
    /// The database's.
    pub fn keep_records(&mut self, now: Timestamp, most: usize) -> Result<records::Turn, HqError> {
        let turn = records::turn(&mut *self.engine, &self.shelves, now, most, false)?;
        if !turn.more {
            self.tidy_shelves()?;
        }
        Ok(turn)
    }

    /// An object store that is away is tried again with the next turn.
    fn tidy_shelves(&mut self) -> Result<(), HqError> {
        match archive::write_stale_anew(&mut *self.engine, &self.shelves) {
            Err(fault @ (HqError::Objects { .. } | HqError::NoBucket)) => {
                tracing::warn!(%fault, "what was redacted is still in the archive");
            }
            outcome => outcome?,
        }
        filing::remove_what_nobody_names(&mut *self.engine, &self.shelves).map(drop)
    }

    /// Erases a person of a store, at headquarters alone: pictures, numbers, raw events, archived ones included.
    ///
    /// # Errors
    /// The database's or the shelf's; then nothing was erased, or what is left is erased by the next call.
    pub fn erase(&mut self, store: &str, customer: &str, now: Timestamp) -> Result<erasure::Receipt, HqError> {
        let shelves = Arc::clone(&self.shelves);
        let receipt = transaction(&mut *self.engine, |engine| {
            engine.keep_records(true)?;
            erasure::erase(engine, &shelves, store, customer, now)
        })?;
        while filing::remove_what_nobody_names(&mut *self.engine, &self.shelves)? > 0 {}
        Ok(receipt)
    }

    /// What customers said at headquarters and is to be said to their stores now.
    ///
    /// # Errors
    /// The database's.
    pub fn feedback_due(&mut self, now: Timestamp) -> Result<Vec<Addressed>, HqError> {
        transaction(&mut *self.engine, |engine| inbox::due(engine, now))
    }

    /// Streams with holes that their gateways may still fill, earlier epochs included.
    ///
    /// # Errors
    /// The database's.
    pub fn holes(&mut self) -> Result<Vec<Hole>, HqError> {
        standing::holes(&mut *self.engine)
    }
}
