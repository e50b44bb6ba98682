//! A whole chain at once: many stores with the gateway's own sync code, a real broker, a real PostgreSQL, two receivers, and
//! everything that can be away is away at times. In the end every store's own ledger is held against headquarters' tables.
//!
//! A short form runs here; `make fleet` plays 200 stores at 2,000 events a second for five minutes.

#[expect(dead_code, reason = "shared with the stories of the databases")]
#[path = "../support/postgres.rs"]
mod postgres;

mod chain;
mod unruly;

use chain::{Chain, Mishap};
use skinlink::app::fleet::{Fleet, StoreLedger};
use std::time::Duration;

/// How long and how large.
struct Scale {
    stores: u32,
    rate: f64,
    lasting: u64,
    /// From one mishap to the next, in seconds.
    mishaps: f64,
    /// From one death of the second receiver to the next.
    deaths: f64,
}

fn is_long() -> bool {
    std::env::var("SKINLINK_FLEET").is_ok_and(|form| form == "long")
}

fn scale() -> Scale {
    if is_long() {
        return Scale { stores: 200, rate: 2_000.0, lasting: 300, mishaps: 30.0, deaths: 20.0 };
    }
    // Four kinds of mishaps in turn beside the deaths: each happens once.
    Scale { stores: 12, rate: 120.0, lasting: 15, mishaps: 3.5, deaths: 5.0 }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_store_s_records_arrive_once_whatever_is_away() {
    let Scale { stores, rate, lasting, mishaps, deaths } = scale();
    let seed =
        std::env::var("SKINLINK_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    eprintln!("seed {seed} (SKINLINK_SEED)");
    let mut chain = Chain::start(stores).await;
    let fleet = Fleet {
        stores,
        rate,
        lasting: Duration::from_secs(lasting),
        catching_up: Duration::from_secs(180),
        disturbed_every: Some(Duration::from_secs_f64(mishaps * 2.0)),
        seed,
        folder: chain.folder().join("stores"),
    };
    let connect = chain.connectors(seed);
    let playing = fleet.play(|address| connect(address));
    let ledgers: Vec<StoreLedger> = {
        tokio::pin!(playing);
        let mut plan = chain.plan(seed, lasting, mishaps, deaths);
        loop {
            let next = plan.pop_front();
            tokio::select! {
                ledgers = &mut playing => break ledgers.expect("every store plays to its end"),
                () = chain.mishap(next) => {}
            }
        }
    };
    let recorded: u64 = ledgers.iter().map(|ledger| ledger.recorded).sum();
    let (outages, restarts): (u32, u32) =
        ledgers.iter().fold((0, 0), |(outages, restarts), one| (outages + one.outages, restarts + one.restarts));
    let found = chain.compare(&ledgers).await;
    eprintln!(
        "{} stores, {recorded} events, {outages} outages, {restarts} restarts; mishaps {:?}; {found:?}",
        ledgers.len(),
        chain.happened()
    );
    assert_eq!((found.lost, found.doubled, found.gaps, found.alarms), (0, 0, 0, 0), "{found:?}");
    assert!(recorded > 0 && outages > 0, "the fleet did something");
    assert_eq!(chain.happened().keys().copied().collect::<Vec<_>>(), Mishap::ALL, "and so did all its enemies");
    // What DESIGN promises of facts, on the machine that plays the whole chain.
    assert!(!is_long() || found.facts_behind_ms <= 5_000, "{found:?}");
}
