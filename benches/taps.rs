//! How soon the gateway answers a tap: three beauticians at three chairs, each with an analyser that measures, work through whole
//! visits as the pages do it (a write, then the page drawn anew), faster than any person taps. Told first of an empty store, then of
//! one that holds 100,000 visits: what counts is the ratio of the two, and the bar of 100 ms (p99) on a quiet machine.
//! `make taps`; `TAPS_VISITS=5000 TAPS_ROUNDS=3 make taps` is a short look.
//!
//! The program is the real one, over real sockets; photographs are not among the taps, nor are the seconds that a probe takes.

#![expect(clippy::unwrap_used, reason = "a bench that cannot be set up ends")]
#![expect(clippy::disallowed_methods, reason = "a bench reads the clock")]

#[path = "taps/beautician.rs"]
mod beautician;
#[path = "taps/salon.rs"]
mod salon;
#[path = "taps/table.rs"]
mod table;

use beautician::work;
use salon::{CHAIRS, Salon};
use table::Table;

fn asked(name: &str, usual: usize) -> usize {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(usual)
}

fn main() {
    // `cargo test` calls every bench once: there is nothing to test here.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let (visits, rounds) = (asked("TAPS_VISITS", 100_000), asked("TAPS_ROUNDS", 25));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let measured = [0, visits].map(|held| runtime.block_on(told_of(held, rounds)));
    let [empty, full] = measured;
    println!("\ntaps of {CHAIRS} chairs at once, {rounds} visits each; milliseconds");
    println!("\nan empty store\n{empty}");
    println!("\n{visits} visits in the store\n{full}");
    let (before, after) = (empty.p99(), full.p99());
    println!(
        "\np99 of all taps: {after:.1} ms with {visits} visits (bar 100), {before:.1} ms without: {:.2} times",
        after / before
    );
}

async fn told_of(held: usize, rounds: usize) -> Table {
    let salon = Salon::open(held).await;
    let mut chairs = tokio::task::JoinSet::new();
    for chair in 0..CHAIRS {
        chairs.spawn(work(salon.door(chair), rounds));
    }
    let mut table = Table::default();
    while let Some(taps) = chairs.join_next().await {
        table.extend(taps.unwrap());
    }
    salon.close();
    table
}
