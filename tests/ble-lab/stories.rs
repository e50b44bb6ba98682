//! What is done to the stack, and how soon the next customer can be measured without anyone touching the gateway.

use crate::guest::{Held, Lab};
use skinlink::sim::{Faults, Wire};
use std::{env, time::Duration};
use tokio::time::{Instant, sleep};

/// Where the stack itself stands still: calls over a bus that has died take the library 30 s, so much longer than elsewhere.
const STACK_LONGER: Duration = Duration::from_secs(20);

/// A visit while nothing is wrong.
const LIMIT: Duration = Duration::from_secs(60);

/// How long what was broken stays so: long enough to be noticed and looked for in vain.
const AWAY: Duration = Duration::from_secs(3);

/// Of the faults between the pen and its radio.
const SEED: u64 = 7;

/// What a gateway that keeps nothing may still grow by: the database's connections keep pages of it in memory, and there are
/// more of them with each visit. A connection to D-Bus that is kept at every loss shows among the descriptors.
const GROWTH_KIB: u64 = 8 * 1024;

/// A call that is under way in the moment of counting.
const IN_USE: usize = 4;

fn number(name: &str) -> u32 {
    let text = env::var(name).unwrap_or_else(|_| panic!("{name} stands on the kernel's command line"));
    text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number"))
}

/// After the end of a fault the next customer has been scanned within this.
fn back_within() -> Duration {
    Duration::from_secs(u64::from(number("LAB_BACK_SECONDS")))
}

fn tell(what: &str, took: Duration, held: Held) {
    println!(
        "lab: {what}: {:.1} s, {} KiB resident, {} descriptors",
        took.as_secs_f64(),
        held.resident_kib,
        held.descriptors
    );
}

fn assert_flat(before: Held, after: Held) {
    assert!(after.descriptors <= before.descriptors + IN_USE, "descriptors are left open: {before:?} {after:?}");
    let grown = after.resident_kib.saturating_sub(before.resident_kib);
    assert!(grown <= GROWTH_KIB, "it grew by {grown} KiB: {before:?} {after:?}");
}

/// One pen, that comes and goes.
pub async fn one_pen() {
    let mut lab = Lab::open(1).await;
    let took = lab.visit(0, LIMIT).await;
    let first = lab.held();
    tell("a whole scan through to its events", took, first);

    lab.radio.pen(0, |pen| pen.wire = Wire::new(Faults::HOSTILE, SEED));
    let took = lab.visit(0, LIMIT).await;
    lab.radio.pen(0, |pen| pen.wire = Wire::sound());
    tell("a whole scan over a link that splits, repeats, loses and lies", took, lab.held());

    let radio = lab.radio.clone();
    radio.pen(0, |pen| pen.dies_measuring = true);
    let power = tokio::spawn(async move {
        while radio.pen(0, |pen| pen.on) {
            sleep(Duration::from_millis(20)).await;
        }
        sleep(AWAY).await;
        radio.pen(0, |pen| pen.on = true);
        Instant::now()
    });
    lab.visit(0, LIMIT).await;
    let took = power.await.expect("it was switched off and on").elapsed();
    tell("switched off in the middle of a measurement, and on", took, lab.held());
    assert!(took <= back_within(), "{took:?}");

    let rounds = number("LAB_ROUNDS");
    let (mut longest, connections) = (Duration::ZERO, lab.radio.pen(0, |pen| pen.connections));
    for _ in 0..rounds {
        lab.radio.pen(0, |pen| pen.on = false);
        lab.until_connected(0, false, back_within()).await;
        lab.radio.pen(0, |pen| pen.on = true);
        longest = longest.max(lab.visit(0, back_within()).await);
    }
    // An attempt that fails on the way is made again; each round needs one.
    let connected = lab.radio.pen(0, |pen| pen.connections) - connections;
    assert!(connected >= rounds as usize, "{connected} connections in {rounds} rounds");
    tell(&format!("{rounds} rounds, {connected} connections, the longest round"), longest, lab.held());

    if number("LAB_MINUTES_AWAY") > 0 {
        // BlueZ forgets a device half a minute after it went.
        lab.radio.pen(0, |pen| pen.on = false);
        sleep(Duration::from_secs(60 * u64::from(number("LAB_MINUTES_AWAY")))).await;
        lab.radio.pen(0, |pen| pen.on = true);
        let took = lab.visit(0, back_within()).await;
        tell("away for minutes", took, lab.held());
    }
    assert_flat(first, lab.held());
    lab.close(1).await;
}

/// Two pens of one name, and everything that is wrong between them and the gateway.
pub async fn two_pens() {
    let mut lab = Lab::open(2).await;
    let took = both(&mut lab, LIMIT).await;
    let first = lab.held();
    tell("two pens of one name, each for its own chair", took, first);

    lab.kill_bluetoothd().await;
    lab.until_connected(0, false, back_within()).await;
    sleep(AWAY).await;
    lab.start_bluetoothd();
    let took = both(&mut lab, back_within()).await;
    tell("bluetoothd killed and started", took, lab.held());

    lab.radio.plug(false);
    lab.until_connected(0, false, back_within()).await;
    sleep(AWAY).await;
    lab.radio.plug(true);
    let took = both(&mut lab, back_within()).await;
    tell("the adapter pulled and put back", took, lab.held());

    lab.kill_bus().await;
    lab.until_connected(0, false, back_within()).await;
    sleep(AWAY).await;
    lab.start_bus().await;
    lab.start_bluetoothd();
    let took = both(&mut lab, back_within() + STACK_LONGER).await;
    tell("D-Bus and with it bluetoothd killed and started", took, lab.held());

    assert_flat(first, lab.held());
    lab.close(2).await;
}

/// A visit at each chair; what is measured there comes from that chair's own pen.
async fn both(lab: &mut Lab, limit: Duration) -> Duration {
    let begun = Instant::now();
    let measured = |lab: &Lab| [0, 1].map(|at| lab.radio.pen(at, |pen| pen.ledger.len()));
    for station in [0, 1] {
        let before = measured(lab);
        lab.visit(station, limit.saturating_sub(begun.elapsed())).await;
        let after = measured(lab);
        assert!(after[station] > before[station], "{before:?} {after:?}");
        assert_eq!(after[1 - station], before[1 - station], "the other chair's pen was not touched");
    }
    begun.elapsed()
}
