//! The store: everything the gateway must not lose, in one encrypted SQLite database with its photographs beside it.
//!
//! One thread writes (`writer`), a few connections answer questions (`readers`). What must be true together is written
//! together, and **every change HQ must know about enqueues its event in the same transaction** (`outbox`). A returned
//! `Ok` of a change means: committed and fsynced. It does not decide what to measure, and talks to no device and no HQ.
//!
//! In the data folder: `skinlink.db` (all records), `keys.db` (customers' keys and the ledger of erasures, kept out of the
//! backups of the first), `pictures/` (one encrypted file each), `aside/` (picture files that no record names, for a while),
//! `backups/`, `lock`, `store.key` unless configured elsewhere.

mod acknowledged;
mod agenda;
mod appointments;
mod aside;
mod audit;
mod backup;
mod captures;
mod cards;
mod colleagues;
mod columns;
mod comparisons;
mod connection;
mod consents;
mod corrections;
mod course;
mod customers;
mod day_log;
mod devices;
mod earlier;
mod epochs;
mod erasure;
mod error;
mod escrow;
mod feedback;
mod files;
mod follow_ups;
mod foreign_log;
mod fresh;
mod keys;
mod links;
mod local;
mod measurements;
mod mirrors;
mod moving;
mod opening;
mod orders;
mod outbox;
mod owed;
mod packages;
mod pairs;
mod passing;
mod pictures;
mod points;
mod readers;
mod readings;
mod repeats;
mod reports;
mod retention;
mod rooms;
mod scans;
mod schema;
mod scores;
mod sharing;
mod sheets;
mod staff;
mod step_notes;
mod steps;
mod suggested;
mod tablets;
mod times;
mod tray;
mod vault;
mod views;
mod visit_sheets;
mod visits;
mod writer;

pub use acknowledged::DeadLetter;
pub use agenda::{Comes, Expected, Taken};
pub use appointments::Booking;
pub use aside::KEPT_DAYS as ASIDE_DAYS;
pub use audit::AuditBroken;
pub use captures::NewCapture;
pub use cards::Record;
pub use colleagues::{Member, TakenStaff};
pub use connection::{KeyFit, key_fit};
pub use consents::NewConsent;
pub use corrections::{Thing, Why};
pub use day_log::DayVisit;
pub use erasure::Receipt;
pub use error::{OpenError, StoreError};
pub use escrow::{Escrow, unseal};
pub use feedback::{Feedback, NewFeedback};
pub use follow_ups::EndedVisit;
pub use keys::StoreKey;
pub use measurements::NewMeasurement;
pub use mirrors::PairedMirror;
pub use orders::Answered;
pub use outbox::Backlog;
pub use owed::OwedImage;
pub use pairs::{NewChange, NewPair, NewPictures, PairView};
pub use repeats::{NewRepeat, Recorded, StoredRepeat};
pub use reports::OpenReport;
pub use rooms::RoomClimate;
pub use schema::VERSION as SCHEMA_VERSION;
pub use sheets::Letterhead;
pub use staff::{Account, LoggedIn};
pub use step_notes::{Signed, StepNote};
pub use views::{Entry, ScanView, VisitView};
pub use visit_sheets::Tick;
#[cfg(test)]
pub(crate) use writer::tests::{dead_store, store as store_for_test};

/// What a picture is of its capture.
pub use crate::sync::image_lane::Role as PictureRole;

use fresh::Fresh;
use pictures::Claims;
use readers::Readers;
use rusqlite::Connection;
use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};
use tokio::sync::watch;
use vault::Vault;
use writer::{Tx, WriterHandle};

/// Name of the main database in the data folder.
pub const DATABASE: &str = "skinlink.db";

/// Name of the database of customers' keys.
const KEYS: &str = "keys.db";

/// What [`Store::open`] needs to know.
#[derive(Debug, Clone)]
pub struct Options {
    /// Folder of everything; made with mode 0700 where absent.
    pub data: PathBuf,
    pub key: StoreKey,
    /// `skinlink://{store}/{gateway}`, stamped on every event.
    pub source: String,
    /// Bytes kept free for readings; below, photographs are refused.
    pub min_free: u64,
    /// Connections for questions at most, at least 1; three serve a store's pages.
    pub readers: usize,
}

/// The handle; clones share one store. When the last is dropped, the writer commits what waits and closes.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

// Fields drop in this order: the writer closes last and folds the log into the file.
struct Inner {
    readers: Readers,
    vault: Arc<Vault>,
    pictures: PathBuf,
    claims: Claims,
    min_free: u64,
    last_seq: watch::Receiver<u64>,
    pictures_owed: watch::Receiver<u64>,
    redactions: watch::Receiver<u64>,
    fresh: Arc<Fresh>,
    /// Something of an earlier epoch is still to move into the present one.
    moving: Arc<AtomicBool>,
    ended: watch::Receiver<bool>,
    writer: WriterHandle,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("pictures", &self.0.pictures).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens or creates the store; blocks (a quick check of the whole file after an unclean end). Finishes erasures that
    /// were begun, puts files aside that no row names.
    ///
    /// # Errors
    /// See [`OpenError`]; nothing was changed then.
    pub fn open(options: Options) -> Result<Self, OpenError> {
        opening::open(options).map(|inner| Self(Arc::new(inner)))
    }

    /// The last sequence number; changes whenever there is something new for HQ, events or pictures.
    #[must_use]
    pub fn outbox_changed(&self) -> watch::Receiver<u64> {
        self.0.last_seq.clone()
    }

    /// Changes whenever a picture may be owed to HQ that was not before.
    #[must_use]
    pub fn pictures_owed(&self) -> watch::Receiver<u64> {
        self.0.pictures_owed.clone()
    }

    /// Changes whenever something was taken out of what waits for HQ: what was read from the outbox before is not to be sent.
    #[must_use]
    pub fn redactions(&self) -> watch::Receiver<u64> {
        self.0.redactions.clone()
    }

    /// Resolves once the writer has committed and closed, without keeping the store open.
    #[must_use]
    pub fn closing(&self) -> Closing {
        Closing(self.0.ended.clone())
    }

    /// Drops this handle and waits until the store is closed; `false` when other handles kept it open beyond `limit`.
    pub async fn close(self, limit: Duration) -> bool {
        let closing = self.closing();
        drop(self);
        tokio::time::timeout(limit, closing.wait()).await.is_ok()
    }

    async fn write<R, F>(&self, work: F) -> Result<R, StoreError>
    where
        F: FnOnce(&Tx<'_>) -> Result<R, StoreError> + Send + 'static,
        R: Send + 'static,
    {
        self.0.writer.change(true, work).await
    }

    /// As [`Self::write`], for work of which only the last statement writes something that must not stand alone: it needs no
    /// savepoint to fail as a whole.
    async fn write_one<R, F>(&self, work: F) -> Result<R, StoreError>
    where
        F: FnOnce(&Tx<'_>) -> Result<R, StoreError> + Send + 'static,
        R: Send + 'static,
    {
        self.0.writer.change(false, work).await
    }

    async fn read<R, F>(&self, question: F) -> Result<R, StoreError>
    where
        F: FnOnce(&Connection) -> Result<R, StoreError> + Send + 'static,
        R: Send + 'static,
    {
        self.0.readers.ask(question).await
    }

    fn pictures(&self) -> &Path {
        &self.0.pictures
    }
}

/// See [`Store::closing`].
#[derive(Debug)]
pub struct Closing(watch::Receiver<bool>);

impl Closing {
    /// Waits without limit; the caller bounds it.
    pub async fn wait(mut self) {
        // An error means that the writer is gone, which is what is waited for.
        let _ = self.0.wait_for(|ended| *ended).await;
    }
}
