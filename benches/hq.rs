//! What headquarters takes in a second on this machine: the real receiver with a real broker (TLS, client certificates) and
//! a real database, beside a bare loader and a plain consumer script that move the same events. `make bench-hq` prints one
//! table. Broker, database, receiver and the simulated gateways share the machine; the gateways' part of the processors is
//! shown, since it is not headquarters'.
//!
//! - *flood*: everything at once, counted from the first publish to the last acknowledgement;
//! - *steady*: 2,000 events a second from 20 gateways; each acknowledgement is timed from the moment its batch was due;
//! - *backlog*: 250,000 events of one store through one connection, while the same store records five events a second.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a bench that cannot be set up ends; it measures time"
)]

#[path = "hq/bare.rs"]
mod bare;
#[path = "hq/gateways.rs"]
mod gateways;
#[path = "hq/house.rs"]
mod house;
#[expect(dead_code, reason = "shared with the stories of the databases")]
#[path = "../tests/support/postgres.rs"]
mod postgres;
#[path = "hq/salon.rs"]
mod salon;
#[path = "hq/table.rs"]
mod table;

use gateways::{Drive, Times};
use house::{House, Receiver};
use salon::Stream;
use std::time::Duration;
use table::Row;
use tokio::time::Instant;

/// Gateways of a flood.
const GATEWAYS: u32 = 10;

/// What a gateway may have unacknowledged: as the product's `sync.window`.
const WINDOW: usize = 16;

/// 30 days of one store.
const BACKLOG: u64 = 250_000;

const STEADY: Duration = Duration::from_secs(15);

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(measure());
}

async fn measure() {
    let small = std::env::var_os("SKINLINK_BENCH_SHORT").is_some();
    let events = if small { 20_000 } else { 300_000 };
    println!("{}", table::heading());
    let mut server = None;
    for side in ["sqlite", "postgresql"] {
        let flood = Stream::many(GATEWAYS, events);
        println!("{}", bare::run(side, &flood, &mut server).await);
        println!("{}", script(side, &flood[..], &mut server).await);
        println!("{}", product(side, flood, &mut server).await);
        for row in steady(side, &mut server).await {
            println!("{row}");
        }
        for row in backlog(side, if small { 20_000 } else { BACKLOG }, &mut server).await {
            println!("{row}");
        }
    }
}

type Server = Option<postgres::Server>;

/// The flood, taken by the product.
async fn product(side: &str, flood: Vec<Stream>, server: &mut Server) -> Row {
    let house = House::open(side, flood.iter().map(|stream| &stream.address), server).await;
    let receiver = house.product().await;
    let (events, bytes) = Stream::size(&flood);
    let outcome = run(&house, &receiver, flood.into_iter().map(|stream| Drive::flood(stream, WINDOW)).collect()).await;
    let facts = house.facts_caught_up(Duration::from_secs(120)).await;
    house.check(events);
    let memory = receiver.memory_mib();
    Row::rate(&format!("{side}: skinlink-hq, flood"), events, outcome).memory(memory).note(format!(
        "{} bytes an event; facts caught up {:.1} s later",
        bytes / events,
        facts.as_secs_f64()
    ))
}

/// The same flood, taken by a plain script: no order, no holes, no facts, no second receiver.
async fn script(side: &str, flood: &[Stream], server: &mut Server) -> Row {
    // A script is slow; a part of the flood says as much.
    let flood: Vec<Stream> = flood.iter().map(|stream| stream.first_part(5)).collect();
    let house = House::open(side, flood.iter().map(|stream| &stream.address), server).await;
    let receiver = house.script().await;
    let (events, _) = Stream::size(&flood);
    let outcome = run(&house, &receiver, flood.into_iter().map(|stream| Drive::flood(stream, WINDOW)).collect()).await;
    Row::rate(&format!("{side}: plain consumer script"), events, outcome).memory(receiver.memory_mib())
}

async fn steady(side: &str, server: &mut Server) -> Vec<Row> {
    let (gateways, every, batch) = (20, Duration::from_millis(100), 10);
    let rounds = (STEADY.as_millis() / every.as_millis()) as u64;
    let streams: Vec<Stream> = (0..gateways).map(|at| Stream::of(at, rounds * batch, batch as usize)).collect();
    let house = House::open(side, streams.iter().map(|stream| &stream.address), server).await;
    let receiver = house.product().await;
    let (events, _) = Stream::size(&streams);
    let watch = house.watch_facts();
    let drives = streams.into_iter().zip(0..).map(|(stream, at)| Drive::paced(stream, every, every / gateways * at));
    let outcome = run(&house, &receiver, drives.collect()).await;
    let behind = watch.most_behind().await;
    house.check(events);
    let name = format!("{side}: skinlink-hq, 2,000 events/s");
    vec![
        Row::rate(&name, events, outcome)
            .memory(receiver.memory_mib())
            .latency()
            .note(format!("facts at most {:.1} s behind", behind.as_secs_f64())),
    ]
}

async fn backlog(side: &str, events: u64, server: &mut Server) -> Vec<Row> {
    let stream = Stream::of(0, events, usize::MAX);
    let house = House::open(side, [&stream.address], server).await;
    let receiver = house.product().await;
    let began = Instant::now();
    let outcome = run(&house, &receiver, vec![Drive::with_live(stream, WINDOW, Duration::from_millis(200))]).await;
    let all = began.elapsed();
    let live = outcome.live.len() as u64;
    house.check(events + live);
    vec![
        Row::rate(&format!("{side}: skinlink-hq, backlog of one store"), events, outcome)
            .memory(receiver.memory_mib())
            .live()
            .note(format!("all at headquarters after {:.1} s; {live} live events meanwhile", all.as_secs_f64())),
    ]
}

async fn run(house: &House, receiver: &Receiver, drives: Vec<Drive>) -> table::Outcome {
    let before = house.used(receiver);
    let (began, own) = (Instant::now(), house::own_cpu());
    let mut running = tokio::task::JoinSet::new();
    for drive in drives {
        let connector = house.connector(drive.address());
        running.spawn(drive.run(connector));
    }
    let mut times = Times::default();
    while let Some(ended) = running.join_next().await {
        times.add(ended.unwrap());
    }
    let took = times.last.unwrap().duration_since(times.first.unwrap_or(began));
    let cpu = house.used(receiver).since(&before);
    table::Outcome { took, cpu, gateways: house::own_cpu() - own, latencies: times.latencies, live: times.live }
}
