//! What two do at once on one PostgreSQL server, each step held where the other overtakes it; and a server that answers, but
//! must not write.

use crate::{Records, Side, batches::Gateway, facts, mend, postgres, take, upto};
use skinlink::{
    clock,
    hq::{
        database::{HqError, Place},
        dead_letters,
    },
};
use std::thread;

/// The operator replays two dead letters in one transaction. It holds the first one's place and waits for the second row; in
/// between a receiver makes facts of what the same gateway has sent since. The first letter's facts are made all the same.
#[test]
fn facts_of_a_dead_letter_are_made_whatever_a_receiver_does_meanwhile() {
    let records = Records::new(Side::Postgres);
    let (gateway, other) = (Gateway::named("sh-001-g1"), Gateway::named("sh-002-g1"));
    let mut database = records.open();
    let strange = |gateway: &Gateway| gateway.event(2).replace("\"phase\":\"before\"", "\"phase\":7");
    for gateway in [&gateway, &other] {
        take(&mut database, &[gateway.batch(1, &[gateway.event(1), strange(gateway), gateway.event(3)])]);
    }
    facts::keep(&mut database);
    take(&mut database, &[gateway.scans(4, 6)]);
    mend(&records.place, &gateway);
    mend(&records.place, &other);
    let mut holder = records.place.open().expect("the database opens");
    holder.begin().expect("a transaction");
    let held = "SELECT n FROM events WHERE gateway = 'sh-002-g1' AND seq = 2 FOR UPDATE";
    assert_eq!(holder.query(held, &[]).expect("it is held").len(), 1);
    thread::scope(|scope| {
        scope.spawn(|| dead_letters::replay(&records.place, &mut Vec::new()).expect("it is tried"));
        let mut watch = records.place.open().expect("the database opens");
        postgres::until_they_wait(&mut *watch, 1, || false);
        let turn = scope.spawn(move || {
            database.keep_records(clock::now().wall, 500).expect("a turn");
            database
        });
        postgres::until_they_wait(&mut *watch, 2, || turn.is_finished());
        holder.commit().expect("it is let go");
        let mut database = turn.join().expect("it ends");
        drop(watch);
        facts::keep(&mut database);
    });
    facts::keep(&mut records.open());
    let scans = facts::texts(&records.place, "SELECT gateway || ' ' || seq FROM scan_facts ORDER BY gateway, seq");
    let all = (1..=6).map(|seq| format!("sh-001-g1 {seq}")).chain((1..=3).map(|seq| format!("sh-002-g1 {seq}")));
    assert_eq!(scans, all.collect::<Vec<_>>());
}

/// The first server failed; the one that answers under its address now is still a copy that must not be written.
#[test]
fn a_server_that_is_still_read_only_is_waited_for_and_asked_anew() {
    let (records, gateway) = (Records::new(Side::Postgres), Gateway::named("sh-001-g1"));
    let mut database = records.open();
    take(&mut database, &[gateway.scans(1, 3)]);
    let mut operator = records.place.open().expect("the database opens");
    let mut says = |what: &str| {
        let sql = format!("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I {what}', current_database()); END $$");
        operator.execute(&sql, &[]).expect("it is done");
        let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                      WHERE datname = current_database() AND pid <> pg_backend_pid()";
        operator.query(others, &[]).expect("they are cut off");
    };
    says("SET default_transaction_read_only = on");
    let batch = [gateway.scans(4, 6)];
    let mut refused = || database.take(&batch, clock::now().wall).expect_err("it must not write");
    let mut fault = refused();
    for _ in 0..20 {
        // The first answers may still be of the line that was cut.
        if fault.to_string().contains("25006") {
            break;
        }
        assert!(fault.passes(), "{fault}");
        fault = refused();
    }
    assert!(fault.to_string().contains("25006") && fault.passes(), "{fault}");
    let sql = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I RESET default_transaction_read_only', current_database()); END $$";
    operator.execute(sql, &[]).expect("it is done");
    let replies = database.take(&batch, clock::now().wall).expect("a new line may write");
    assert_eq!(upto(&replies, &gateway), 6);
}

/// A statement that was ended since it took too long takes as long the next time.
#[test]
fn what_takes_too_long_is_not_tried_for_ever() {
    let place: Place = Records::new(Side::Postgres).place.clone();
    let mut engine = place.open().expect("the database opens");
    engine.execute("SET statement_timeout = '50ms'", &[]).expect("it is set");
    let fault: HqError = engine.query("SELECT pg_sleep(5)::text", &[]).expect_err("it takes too long");
    assert!(fault.to_string().contains("57014") && !fault.passes(), "{fault}");
}
