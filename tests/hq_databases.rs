//! Both sides of the receiver's database, without a broker: SQLite in a folder and a real PostgreSQL server hold the same
//! records under the same abuse.

#[path = "support/batches.rs"]
mod batches;
#[path = "support/postgres.rs"]
mod postgres;

use batches::Gateway;
use skinlink::{
    clock,
    domain::EventId,
    hq::{
        database::{Addressed, Arrived, Database, HqError, Place},
        dead_letters,
        ledger::{Counts, Ledger},
    },
    sync::{envelope::Event, reply::Reply},
};
use std::{thread, time::Duration};

#[derive(Debug, Clone, Copy)]
enum Side {
    Sqlite,
    Postgres,
}

/// A database of one side, and the folder it and its pictures may lie in.
struct Records {
    place: Place,
    folder: tempfile::TempDir,
}

impl Records {
    fn new(side: Side) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let place = match side {
            Side::Sqlite => Place::in_folder(folder.path()),
            Side::Postgres => postgres::database(),
        };
        Self { place, folder }
    }

    fn open(&self) -> Database {
        Database::at(&self.place, self.folder.path(), 1 << 20).expect("the database opens")
    }

    fn counts(&self, gateway: &Gateway) -> Counts {
        let counts = Ledger::at(&self.place).and_then(|ledger| ledger.counts()).expect("the ledger");
        counts.into_iter().find(|counts| counts.gateway == gateway.address.gateway).expect("the gateway is known")
    }
}

fn take(database: &mut Database, arrived: &[Arrived]) -> Vec<Addressed> {
    database.take(arrived, clock::now().wall).expect("the database takes it")
}

/// The last acknowledgement for a gateway.
fn upto(replies: &[Addressed], gateway: &Gateway) -> u64 {
    let mut acks = replies.iter().rev().filter(|(to, _)| *to == gateway.address).filter_map(|(_, reply)| match reply {
        Reply::Ack { upto, .. } => Some(*upto),
        _ => None,
    });
    acks.next().expect("an acknowledgement")
}

macro_rules! on_both_sides {
    ($($story:ident),* $(,)?) => {
        mod sqlite { $(#[test] fn $story() { super::$story(super::Side::Sqlite); })* }
        mod postgresql { $(#[test] fn $story() { super::$story(super::Side::Postgres); })* }
    };
}

on_both_sides!(
    any_order_and_any_repetition_give_the_same_records,
    two_receivers_that_get_the_same_batches_in_opposite_order_neither_lose_nor_double_nor_wait_for_ever,
    an_event_told_under_two_keys_in_one_transaction_counts_once,
    what_no_database_can_hold_is_refused_and_blocks_nobody,
    a_dead_letter_that_passes_todays_rules_is_taken,
);

fn any_order_and_any_repetition_give_the_same_records(side: Side) {
    let (records, gateway) = (Records::new(side), Gateway::named("sh-001-g1"));
    let mut database = records.open();
    let seed = fastrand::u64(..);
    eprintln!("seed {seed}");
    let mut dice = fastrand::Rng::with_seed(seed);
    let batches: Vec<Arrived> = (0..40).map(|at| gateway.scans(at * 5 + 1, at * 5 + 5)).collect();
    let mut sent: Vec<Arrived> = batches.iter().chain(&batches).chain(&batches).cloned().collect();
    dice.shuffle(&mut sent);
    let mut last = Vec::new();
    while !sent.is_empty() {
        let some = dice.usize(1..=sent.len().min(17));
        last = take(&mut database, &sent.drain(..some).collect::<Vec<_>>());
    }
    assert_eq!(upto(&last, &gateway), 200);
    let counts = records.counts(&gateway);
    assert_eq!((counts.events, counts.redeliveries, counts.duplicates, counts.gaps), (200, 400, 0, 0), "{counts:?}");
    assert_eq!(counts.alarms, 0);
}

/// Two receivers insert the same keys in opposite order: without an order of their own PostgreSQL ends one of them as a
/// deadlock.
fn two_receivers_that_get_the_same_batches_in_opposite_order_neither_lose_nor_double_nor_wait_for_ever(side: Side) {
    let records = Records::new(side);
    let gateways: Vec<Gateway> = (0..12).map(|at| Gateway::named(&format!("sh-{at:03}-g1"))).collect();
    let rounds: Vec<Vec<Arrived>> = (0..15)
        .map(|round| gateways.iter().map(|gateway| gateway.scans(round * 10 + 1, round * 10 + 10)).collect())
        .collect();
    drop(records.open());
    thread::scope(|scope| {
        for backwards in [false, true] {
            let (records, mut rounds) = (&records, rounds.clone());
            scope.spawn(move || {
                let mut database = records.open();
                for round in &mut rounds {
                    if backwards {
                        round.reverse();
                    }
                    take(&mut database, round);
                }
            });
        }
    });
    for gateway in &gateways {
        let counts = records.counts(gateway);
        assert_eq!((counts.events, counts.duplicates, counts.gaps), (150, 0, 0), "{counts:?}");
        assert_eq!(counts.redeliveries, 150);
    }
}

/// What was told in the old life of a store and again in the new one may arrive together.
fn an_event_told_under_two_keys_in_one_transaction_counts_once(side: Side) {
    let (records, old) = (Records::new(side), Gateway::named("sh-001-g1"));
    let new = Gateway { epoch: Gateway::named("another life").epoch, ..old.clone() };
    let event = old.event(1);
    let id = serde_json::from_str::<Event>(&event).expect("our own").id;
    let again = event.replace(&old.epoch.to_string(), &new.epoch.to_string());
    let mut database = records.open();
    take(&mut database, &[old.batch(1, &[event]), new.batch(1, &[again])]);
    let counts = records.counts(&old);
    assert_eq!((counts.events, counts.duplicates), (2, 0), "{counts:?}");
    let told = Ledger::at(&records.place).and_then(|ledger| ledger.events_of("scan.v1")).expect("the ledger");
    assert_eq!(told.iter().map(|event| event.id.as_str()).collect::<Vec<_>>(), [id]);
}

fn what_no_database_can_hold_is_refused_and_blocks_nobody(side: Side) {
    let (records, gateway, other) = (Records::new(side), Gateway::named("sh-001-g1"), Gateway::named("sh-002-g1"));
    let mut database = records.open();
    let poisons = [
        gateway.event(2).replace("\"phase\":\"before\"", "\"phase\":\"\\u0000\""),
        gateway.event(3).replace("\"subject\":\"", "\"subject\":\"\\u0000"),
        gateway.event(4).replace("\"state\":\"running\"", "\"state\":\"\\ud800\""),
    ];
    let events: Vec<String> = [gateway.event(1)].into_iter().chain(poisons).chain([gateway.event(5)]).collect();
    let mut unreadable = gateway.batch(6, &[gateway.event(6)]);
    unreadable.payload.truncate(40);
    unreadable.payload.extend(b"\0\xff");
    let replies = take(&mut database, &[gateway.batch(1, &events), unreadable, other.scans(1, 3)]);
    assert_eq!((upto(&replies, &gateway), upto(&replies, &other)), (5, 3));
    let refused = replies.iter().filter(|(_, reply)| matches!(reply, Reply::Nack { .. })).count();
    assert_eq!((refused, records.counts(&gateway).alarms), (3, 1));
    let counts = records.counts(&gateway);
    assert_eq!((counts.events, counts.refused, counts.gaps), (5, 3, 0), "{counts:?}");
}

fn a_dead_letter_that_passes_todays_rules_is_taken(side: Side) {
    let (records, gateway) = (Records::new(side), Gateway::named("sh-001-g1"));
    let mut database = records.open();
    let strange = gateway.event(2).replace("\"phase\":\"before\"", "\"phase\":7");
    take(&mut database, &[gateway.batch(1, &[gateway.event(1), strange, gateway.event(3)])]);
    let mut shown = Vec::new();
    dead_letters::print(&records.place, &mut shown).expect("it is shown");
    let shown = String::from_utf8(shown).expect("text");
    assert!(shown.contains("#2  data:") && shown.contains("\"phase\":7"), "{shown}");

    let mut said = Vec::new();
    dead_letters::replay(&records.place, &mut said).expect("it is tried");
    assert_eq!(String::from_utf8_lossy(&said), "0 taken, 1 still refused\n");
    // What a newer program finds sound stands in the table as it came; here the row is mended instead of the program.
    mend(&records.place, &gateway);
    let mut said = Vec::new();
    dead_letters::replay(&records.place, &mut said).expect("it is tried");
    assert_eq!(String::from_utf8_lossy(&said), "1 taken, 0 still refused\n");
    let counts = records.counts(&gateway);
    assert_eq!((counts.events, counts.refused, counts.gaps), (3, 0, 0), "{counts:?}");
    let scans = Ledger::at(&records.place).and_then(|ledger| ledger.events_of("scan.v1")).expect("the ledger");
    assert_eq!(scans.iter().map(|event| event.seq).collect::<Vec<_>>(), [1, 2, 3]);
}

/// Writes the sound event over the refused one.
fn mend(place: &Place, gateway: &Gateway) {
    let mut engine = place.open().expect("the database opens");
    let body = gateway.event(2);
    engine
        .execute(
            "UPDATE events SET body = ?1 WHERE gateway = ?2 AND seq = 2",
            &[body.as_str().into(), gateway.address.gateway.as_str().into()],
        )
        .expect("it is written");
}

/// A server that goes away in the middle costs a try, not an event.
#[test]
fn a_server_that_is_restarted_or_crashes_is_found_again() {
    let mut server = postgres::Server::start();
    let (place, folder) = (server.database(), tempfile::tempdir().expect("a folder"));
    let gateway = Gateway::named("sh-001-g1");
    let mut database = Database::at(&place, folder.path(), 1 << 20).expect("the database opens");
    take(&mut database, &[gateway.scans(1, 5)]);
    for (order, first) in [("stop", 6), ("kill", 11)] {
        server.order(order);
        let batch = [gateway.scans(first, first + 4)];
        let away = database.take(&batch, clock::now().wall).expect_err("the server is away");
        assert!(away.passes(), "{away}");
        server.order("start");
        let back = (0..100).find_map(|_| {
            let taken = database.take(&batch, clock::now().wall).ok();
            if taken.is_none() {
                thread::sleep(Duration::from_millis(50));
            }
            taken
        });
        assert_eq!(upto(&back.expect("it comes back within 5 s"), &gateway), first + 4);
    }
    let counts = Ledger::at(&place).and_then(|ledger| ledger.counts()).expect("the ledger").remove(0);
    assert_eq!((counts.events, counts.duplicates, counts.gaps), (15, 0, 0), "{counts:?}");
}

/// Files of the first versions open, and what they counted is still counted.
#[test]
fn an_old_sqlite_file_is_brought_up_to_date() {
    let folder = tempfile::tempdir().expect("a folder");
    let old = rusqlite::Connection::open(folder.path().join("hq.sqlite")).expect("a file");
    old.execute_batch(include_str!("../src/hq/database/schema/sqlite-1.sql")).expect("the first schema");
    let gateway = Gateway::named("sh-001-g1");
    let (epoch, event) = (gateway.epoch.to_string(), gateway.event(1));
    old.execute_batch(&format!(
        "PRAGMA user_version = 1;
         INSERT INTO gateways VALUES ('sh-001-g1', 'sh-001-g1-store', '{epoch}', '0.1.0', NULL, NULL, NULL, NULL, 1, 2);
         INSERT INTO streams VALUES ('sh-001-g1', '{epoch}', 1, 1, 1, 1);
         INSERT INTO events(gateway, epoch, seq, id, kind, subject, time, body, received_ms, redeliveries)
         VALUES ('sh-001-g1', '{epoch}', 1, '{}', 'com.skinlink.scan.v1', 's', '', '{event}', 1, 7);",
        clock::mint(EventId::from_bits)
    ))
    .expect("rows of that time");
    drop(old);
    let mut database = Database::open(folder.path(), 1 << 20).expect("it opens");
    let replies = take(&mut database, &[gateway.scans(2, 3)]);
    assert_eq!(upto(&replies, &gateway), 3);
    let counts = Ledger::open(folder.path()).and_then(|ledger| ledger.counts()).expect("the ledger").remove(0);
    assert_eq!((counts.events, counts.redeliveries, counts.gaps), (3, 7, 0), "{counts:?}");
    drop(database);

    let newer = rusqlite::Connection::open(folder.path().join("hq.sqlite")).expect("the file");
    newer.pragma_update(None, "user_version", 99).expect("a newer program was here");
    let refused = Database::open(folder.path(), 1 << 20).expect_err("a newer file is refused");
    assert!(matches!(refused, HqError::Newer { found: 99, .. }), "{refused}");
}
