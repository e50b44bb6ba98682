//! Thirty days without a line, then everything at once, while the salon goes on working.

use crate::{
    gateway::Running,
    headquarters::{Headquarters, LIMIT, address},
    salon::{self, Salon},
};
use rusqlite::{Connection, OpenFlags, params};
use skinlink::{
    clock,
    domain::{consent::Purpose, device::DeviceIdentity, reading::MeasuredValue},
    store::{NewMeasurement, Store},
    sync::envelope::Event,
};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep, timeout};

/// A live event must be at headquarters within this, whatever waits behind it.
const LIVE: Duration = Duration::from_secs(2);

/// Thirty days of a busy store, and what the short form makes of it.
const EVENTS: [usize; 2] = [20_000, 250_000];

/// Events of one batch, as the daemon has it where nothing else is configured.
const BATCH: usize = 200;

/// How long the whole drain may take in the long form.
const DRAIN: Duration = Duration::from_secs(1_800);

/// Longest wait of a device for the gateway's word, whatever the store does meanwhile: it sends again until then and longer.
const PATIENCE: Duration = Duration::from_secs(15);

fn backlog_size() -> usize {
    let long = std::env::var("SKINLINK_OUTAGES").is_ok_and(|wish| wish == "long");
    EVENTS[usize::from(long)]
}

async fn measured(store: &Store, count: usize) {
    let device: Arc<DeviceIdentity> = Arc::new(salon::device());
    let one = NewMeasurement {
        station: "chair-1".into(),
        device,
        counter: None,
        sends_again: false,
        flags: Vec::new(),
        values: vec![MeasuredValue {
            metric: salon::metric("moisture"),
            region: None,
            value: "35.0".parse().expect("a quantity"),
            unit: "%".to_owned(),
        }],
        taken: clock::now(),
    };
    let mut left = count;
    while left > 0 {
        let now = left.min(1_000);
        store.record_measurements(vec![one.clone(); now].into()).await.expect("recorded");
        left -= now;
    }
}

/// When HQ committed `seq`, looked for every few milliseconds.
async fn arrived(hq: &Connection, epoch: &str, seq: u64) {
    let mut find = hq
        .prepare_cached("SELECT EXISTS (SELECT 1 FROM events WHERE gateway = 'sh-001-g1' AND epoch = ?1 AND seq = ?2)")
        .expect("HQ's table");
    while !find.query_row(params![epoch, seq], |row| row.get::<_, bool>(0)).expect("HQ's table") {
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thirty_days_offline_are_caught_up_while_live_events_arrive_within_two_seconds() {
    let events = backlog_size();
    let headquarters = Headquarters::start().await;
    let salon = Salon::new().await;
    let begun = Instant::now();
    measured(&salon.store, events).await;
    let (epoch, backlog) =
        (salon.store.epoch().await.expect("a store").to_string(), salon.store.last_seq().await.expect("a store"));
    println!("{backlog} events recorded in {:?}", begun.elapsed());

    headquarters.eventually("HQ's database", |ledger| ledger.newest().ok()).await;
    let hq = Connection::open_with_flags(headquarters.data().join("hq.sqlite"), OpenFlags::SQLITE_OPEN_READ_ONLY)
        .expect("HQ's database");
    hq.busy_timeout(LIMIT).expect("set");
    let begun = Instant::now();
    let mut settings = crate::gateway::settings();
    settings.sync.batch_events = BATCH;
    let mut running = Running::start_with(&salon.store, headquarters.connector(&address()), settings);
    running
        .until("it has said hello", |status| status.connection == skinlink::tasks::sync::Connection::Connected)
        .await;
    let mut latencies = Vec::new();
    let mut drained_at = None;
    while drained_at.is_none() || latencies.len() < 20 {
        // Waits for HQ's word as the station does: recorded means durable here; then it is on its way.
        let recorded = Instant::now();
        salon.say(Purpose::DeliverReport, latencies.len() % 2 == 0).await;
        let seq = salon.store.last_seq().await.expect("a store");
        timeout(LIMIT, arrived(&hq, &epoch, seq)).await.unwrap_or_else(|_| panic!("live event {seq} did not arrive"));
        if drained_at.is_none() {
            latencies.push(recorded.elapsed());
            let upto: u64 = hq
                .query_row("SELECT coalesce(max(upto), 0) FROM streams WHERE epoch = ?1", [&epoch], |row| row.get(0))
                .expect("HQ's table");
            if upto >= backlog {
                drained_at = Some(begun.elapsed());
            }
        } else if latencies.len() < 20 {
            latencies.push(recorded.elapsed());
        }
        assert!(begun.elapsed() < DRAIN, "the backlog does not drain");
        sleep(Duration::from_millis(50)).await;
    }
    latencies.sort();
    let at = |share: usize| latencies[(latencies.len() - 1) * share / 100];
    let drained = drained_at.expect("just seen");
    println!(
        "{backlog} events drained in {drained:?} ({:.0} a second); {} live events meanwhile: p50 {:?}, p99 {:?}, longest {:?}",
        backlog as f64 / drained.as_secs_f64(),
        latencies.len(),
        at(50),
        at(99),
        at(100)
    );
    // Of fewer than a hundred every one counts.
    assert!(
        at(if latencies.len() < 100 { 100 } else { 99 }) <= LIVE,
        "live events wait behind the backlog: {latencies:?}"
    );
    let last = salon.store.last_seq().await.expect("a store");
    let counts = headquarters
        .eventually("everything", |ledger| {
            let counts = ledger.counts().ok()?.remove(0);
            (counts.events == last && counts.gaps == 0).then_some(counts)
        })
        .await;
    assert_eq!((counts.duplicates, counts.refused, counts.alarms), (0, 0, 0), "{counts:?}");
    running.until("the outbox knows it", |status| status.waiting == 0).await;
    running.stop().await;
}

/// A store restored from a copy begins a new epoch, and all that waits moves there in one change: meanwhile nothing else is
/// written, and devices and pages wait. Nobody knew how long that takes with a month's backlog.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_month_s_backlog_moves_to_a_new_epoch_while_a_device_still_waits_for_its_word() {
    let salon = Salon::new().await;
    measured(&salon.store, backlog_size()).await;
    let (backlog, before) = (salon.store.last_seq().await.expect("a store"), ids(&salon.store, 1).await);
    let begun = Instant::now();
    let (moved, waited) = tokio::join!(salon.store.new_epoch(None), async {
        measured(&salon.store, 1).await;
        begun.elapsed()
    });
    moved.expect("a new epoch");
    println!("{backlog} events moved to a new epoch; a value that came meanwhile was kept after {waited:?}");
    assert!(waited <= PATIENCE, "a device would have given up: {waited:?}");
    assert_eq!(salon.store.last_seq().await.expect("a store"), backlog + 1);
    assert_eq!(ids(&salon.store, 1).await, before, "the first events moved under their own ids");
    let waiting = salon.store.backlog().await.expect("a store").events;
    assert_eq!(waiting, backlog + 1, "all of it waits, under new numbers");
}

/// The event ids of a thousand numbers of the present epoch.
async fn ids(store: &Store, first: u64) -> Vec<String> {
    let epoch = store.epoch().await.expect("a store");
    let rows = store.range(epoch, first, first + 999, usize::MAX, usize::MAX).await.expect("events");
    let id = |body: &String| serde_json::from_str::<Event>(body).expect("an event").id;
    rows.iter().map(|(_, body)| id(body)).collect()
}
