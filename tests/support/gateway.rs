//! The sync task of a real store for a test, and what it must have brought to headquarters in the end.

use crate::{
    headquarters::{Headquarters, LIMIT, address},
    salon::Salon,
};
use skinlink::{
    config::{AcknowledgedBy, Sync},
    domain::consent::Purpose,
    hq::ledger::{Counts, Ledger},
    ports::Connector,
    store::{Store, StoreError},
    tasks::sync::{self, SyncSettings, SyncStatus},
};
use std::time::Duration;
use tokio::{sync::watch, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

/// The sync task of one store.
pub struct Running {
    pub status: watch::Receiver<SyncStatus>,
    pub stop: CancellationToken,
    pub task: JoinHandle<Result<(), StoreError>>,
}

pub fn settings() -> SyncSettings {
    SyncSettings {
        address: address(),
        sync: Sync {
            acknowledged_by: AcknowledgedBy::Hq,
            window: 16,
            batch_events: 20,
            resend_after: Duration::from_secs(3),
            image_rate: None,
            chain_stores: 40,
        },
        about: watch::channel("{\"version\":\"test\"}".into()).1,
        version: "test".into(),
        uploader: None,
        live: None,
        errands: None,
        packages: None,
    }
}

impl Running {
    pub fn start(store: &Store, connector: Connector) -> Self {
        Self::start_with(store, connector, settings())
    }

    #[expect(clippy::disallowed_methods, reason = "the test watches this task itself")]
    pub fn start_with(store: &Store, connector: Connector, settings: SyncSettings) -> Self {
        let (sender, status) = watch::channel(SyncStatus::default());
        let stop = CancellationToken::new();
        let task = tokio::spawn(sync::run(store.clone(), connector, settings, sender, stop.clone()));
        Self { status, stop, task }
    }

    pub async fn until(&mut self, what: &str, wanted: impl FnMut(&SyncStatus) -> bool) -> SyncStatus {
        let now = self.status.clone();
        match timeout(LIMIT, self.status.wait_for(wanted)).await {
            Ok(status) => status.expect("the task lives").clone(),
            Err(_) => panic!("{what}: not within {LIMIT:?}; status {:?}", *now.borrow()),
        }
    }

    pub async fn stop(self) {
        self.stop.cancel();
        timeout(LIMIT, self.task).await.expect("it stops in time").expect("no panic").expect("no fault");
    }
}

/// Enqueues `count` events.
pub async fn talk(salon: &Salon, count: usize) {
    for at in 0..count {
        salon.say(Purpose::DeliverReport, at % 2 == 0).await;
    }
}

/// [`all_arrives`], and nobody had to look at anything.
pub async fn all_is_there(headquarters: &Headquarters, store: &Store) -> Counts {
    let counts = all_arrives(headquarters, store).await;
    assert_eq!((counts.gaps, counts.alarms), (0, 0), "{counts:?}");
    counts
}

/// Waits until HQ holds everything of the present epoch and the outbox knows it; then holds both against one another.
pub async fn all_arrives(headquarters: &Headquarters, store: &Store) -> Counts {
    let begun = tokio::time::Instant::now();
    // The epoch may end meanwhile: what is there is looked up each time.
    let (epoch, last) = loop {
        let epoch = store.epoch().await.expect("a store").to_string();
        let last = store.last_seq().await.expect("a store");
        let here = Ledger::open(&headquarters.data()).ok().and_then(|ledger| {
            let rows = ledger.events_after(0, 1_000_000).ok()?;
            let gaps = ledger.gaps().ok()?;
            let here = rows.iter().filter(|row| row.epoch == epoch).count() as u64;
            gaps.iter().all(|gap| gap.epoch != epoch).then_some(here)
        });
        if here == Some(last) {
            break (epoch, last);
        }
        if begun.elapsed() > LIMIT {
            headquarters.give_up(&format!("{last} events of epoch {epoch}"));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let mut changed = store.outbox_changed();
    let settled = async {
        while store.backlog().await.expect("a store").events > 0 {
            // Acknowledgements do not wake the outbox: look again soon, or when it changes.
            let _ = timeout(Duration::from_millis(20), changed.changed()).await;
        }
    };
    timeout(LIMIT, settled).await.expect("the outbox empties");
    let present = store.epoch().await.expect("a store");
    if present.to_string() != epoch {
        // It ended just now: what counts is the new one.
        return Box::pin(all_arrives(headquarters, store)).await;
    }
    let sent = store.range(present, 1, last, 1_000_000, usize::MAX).await.expect("a store");
    headquarters
        .eventually("the ledger", |ledger| {
            let mut rows = ledger.events_after(0, 1_000_000).ok()?;
            rows.retain(|row| row.epoch == epoch);
            rows.sort_by_key(|row| row.seq);
            let held: Vec<(u64, String)> = rows.into_iter().map(|row| (row.seq, row.body)).collect();
            let other = held.iter().zip(&sent).find(|(held, sent)| held != sent);
            assert!(held == sent, "HQ holds exactly what the outbox sent, but first: {other:#?}");
            let counts = ledger.counts().ok()?.remove(0);
            assert_eq!(counts.duplicates, 0, "{counts:?}");
            Some(counts)
        })
        .await
}
