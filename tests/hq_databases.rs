//! Both sides of the receiver's database, without a broker: SQLite in a folder and a real PostgreSQL server hold the same
//! records under the same abuse.

#[path = "support/batches.rs"]
mod batches;
#[expect(dead_code, reason = "shared with the drill of rollouts")]
#[path = "support/postgres.rs"]
mod postgres;
#[macro_use]
#[path = "support/sides.rs"]
mod sides;

use batches::Gateway;
use sides::Side;
use skinlink::{
    adapters::pki::{Authority, Use, Validity},
    clock,
    domain::{CaptureId, EventId, Timestamp, VisitId},
    hq::{
        config::RawDatabase,
        database::{Addressed, Arrived, Database, HqError, Place},
        dead_letters,
        ledger::{Counts, Ledger},
        shelf::Shelves,
    },
    sync::{
        envelope::Event,
        image_lane::{Offer, Role, SLICE, slices},
        reply::{Hello, ImageState, PastEpoch, Reply},
        topic::Lane,
    },
};
use std::{fs, path::Path, thread, time::Duration};

/// A database of one side, and the folder it and its pictures may lie in.
struct Records {
    place: Place,
    folder: tempfile::TempDir,
}

impl Records {
    fn new(side: Side) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let place = side.place(folder.path());
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

#[path = "hq_databases/agenda.rs"]
mod agenda;
#[path = "hq_databases/facts.rs"]
mod facts;
#[path = "hq_databases/late.rs"]
mod late;
#[path = "hq_databases/lives.rs"]
mod lives;
#[path = "hq_databases/meanwhile.rs"]
mod meanwhile;
#[path = "hq_databases/orders.rs"]
mod orders;
#[path = "hq_databases/retired.rs"]
mod retired;
#[path = "hq_databases/unseen.rs"]
mod unseen;

on_both_sides!(
    any_order_and_any_repetition_give_the_same_records,
    two_receivers_that_get_the_same_batches_in_opposite_order_neither_lose_nor_double_nor_wait_for_ever,
    an_event_told_under_two_keys_in_one_transaction_counts_once,
    what_no_database_can_hold_is_refused_and_blocks_nobody,
    a_dead_letter_that_passes_todays_rules_is_taken,
    what_nobody_keeps_is_written_down_and_what_was_moved_is_no_hole,
    a_refusal_is_repeated_until_the_gateway_knows_of_it,
    slices_of_a_picture_come_in_any_order_and_it_is_filed_bit_for_bit,
);

fn any_order_and_any_repetition_give_the_same_records(side: Side) {
    let (records, gateway) = (Records::new(side), Gateway::named("sh-001-g1"));
    let mut database = records.open();
    let given = std::env::var("SKINLINK_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| fastrand::u64(..));
    eprintln!("SKINLINK_SEED={seed}");
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
                    patiently(&mut database, round);
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

/// Takes it in the end, as a receiver does: on a machine that has much else to do the other may hold the file for longer than it is
/// waited for.
fn patiently(database: &mut Database, round: &[Arrived]) {
    let limit = clock::now().monotonic_ns + 120_000_000_000;
    loop {
        match database.take(round, clock::now().wall) {
            Err(fault) if fault.passes() && clock::now().monotonic_ns < limit => {}
            taken => return drop(taken.expect("the database takes it")),
        }
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
    // Who follows the stream by its sequence has passed it, and is told where to look.
    let late = "SELECT gateway || ' ' || epoch || ' ' || seq FROM late_events";
    assert_eq!(facts::texts(&records.place, late), [format!("sh-001-g1 {} 2", gateway.epoch)]);
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

/// A gateway keeps events of earlier epochs too: HQ asks for what it misses of them.
fn what_nobody_keeps_is_written_down_and_what_was_moved_is_no_hole(side: Side) {
    let (records, old) = (Records::new(side), Gateway::named("sh-001-g1"));
    let new = Gateway { epoch: Gateway::named("another life").epoch, ..old.clone() };
    let mut database = records.open();
    take(&mut database, &[old.hello(20, 1, Vec::new())]);
    let replies = take(&mut database, &[old.scans(1, 2), old.scans(5, 5), old.scans(20, 20)]);
    let Some((_, Reply::Ack { upto: 2, ranges, .. })) = replies.last() else { panic!("{replies:?}") };
    assert_eq!(ranges, &[(5, 5), (20, 20)]);

    let moved = vec![(9, 9), (12, 15)];
    let keeps = PastEpoch { epoch: old.epoch.to_string(), last_seq: 15, oldest_kept: 4, moved };
    take(&mut database, &[new.hello(0, 1, vec![keeps])]);
    let holes = database.holes().expect("the holes");
    // 3 is kept no longer, 9 and 12 to 15 were told elsewhere, 16 to 19 were never in this copy of the store.
    assert_eq!(holes.iter().map(|hole| hole.missing.clone()).collect::<Vec<_>>(), [[(4, 4), (6, 8), (10, 11)]]);
    let replies = take(&mut database, &[old.scans(10, 11), old.scans(4, 4), old.scans(6, 8)]);
    assert_eq!(upto(&replies, &old), 20);

    let ledger = Ledger::at(&records.place).expect("the ledger");
    let gaps = ledger.gaps().expect("the gaps");
    assert_eq!(gaps.iter().map(|gap| (gap.first, gap.last)).collect::<Vec<_>>(), [(3, 3), (16, 19)]);
    let alarms = ledger.alarms().expect("the alarms");
    assert!(alarms[0].contains("begins a new epoch") && alarms[1].starts_with("5 events"), "{alarms:?}");
    let replies = take(&mut database, &[old.hello(30, 1, Vec::new())]);
    assert!(matches!(replies[..], [(_, Reply::Hello { over: true, .. })]), "{replies:?}");
    assert_eq!(database.standings(Timestamp::from_unix_ms(0)).expect("the standings").len(), 1);
}

fn a_refusal_is_repeated_until_the_gateway_knows_of_it(side: Side) {
    let (records, gateway) = (Records::new(side), Gateway::named("sh-001-g1"));
    let mut database = records.open();
    let events: Vec<String> =
        (1..=9).map(|seq| if seq % 4 == 0 { "42".to_owned() } else { gateway.event(seq) }).collect();
    take(&mut database, &[gateway.hello(9, 1, Vec::new()), gateway.batch(1, &events)]);
    let mut told = |refused: Vec<(u64, u64)>| -> Vec<u64> {
        let hello = Hello { refused, ..gateway.says(9, 1, Vec::new()) };
        let payload = serde_json::to_vec(&hello).expect("plain data");
        let replies = take(&mut database, &[Arrived { from: gateway.address.clone(), lane: Lane::Hello, payload }]);
        let nacks = replies.into_iter().filter_map(|(_, reply)| match reply {
            Reply::Nack { seq, .. } => Some(seq),
            _ => None,
        });
        nacks.collect()
    };
    assert_eq!(told(vec![]), [4, 8]);
    assert_eq!(told(vec![(4, 4)]), [8]);
    assert!(told(vec![(3, 4), (7, 9)]).is_empty(), "none is said twice");
}

fn slices_of_a_picture_come_in_any_order_and_it_is_filed_bit_for_bit(side: Side) {
    let (records, gateway) = (Records::new(side), Gateway::named("sh-001-g1"));
    let mut database = records.open();
    let mut dice = fastrand::Rng::with_seed(3);
    let bytes: Vec<u8> = (0..200_001).map(|_| dice.u8(..)).collect();
    let capture = clock::mint(CaptureId::from_bits).to_string();
    let offer = |sha256: String| Offer {
        capture: capture.clone(),
        visit: clock::mint(VisitId::from_bits).to_string(),
        role: Role::Report,
        format: "image/jpeg".into(),
        bytes: bytes.len() as u64,
        slice_bytes: SLICE,
        slices: slices(bytes.len() as u64),
        sha256,
    };
    let says = |lane: Lane, payload: Vec<u8>| Arrived { from: gateway.address.clone(), lane, payload };
    let offered =
        |offer: &Offer| says(Lane::Offer { capture: capture.clone() }, serde_json::to_vec(offer).expect("plain data"));
    let slice = |index: u32| {
        let start = index as usize * SLICE as usize;
        let lane = Lane::Chunk { capture: capture.clone(), index };
        says(lane, bytes[start..bytes.len().min(start + SLICE as usize)].to_vec())
    };
    let state = |replies: Vec<Addressed>| match replies.into_iter().next_back() {
        Some((_, Reply::Image { state, missing, .. })) => (state, missing),
        other => panic!("{other:?}"),
    };
    // Another picture under this name was begun before: it is out of date.
    let wrong = offer("0".repeat(64));
    assert_eq!(state(take(&mut database, &[offered(&wrong)])), (ImageState::Wanted, vec![(0, 3)]));
    let right = offer(hex::encode(openssl::sha::sha256(&bytes)));
    let replies = take(&mut database, &[slice(0), offered(&right), slice(3), slice(1), slice(1), offered(&right)]);
    assert_eq!(state(replies), (ImageState::Wanted, vec![(0, 0), (2, 2)]));
    assert_eq!(state(take(&mut database, &[slice(2), slice(0)])), (ImageState::Verified, vec![]));
    assert_eq!(state(take(&mut database, &[offered(&right)])).0, ImageState::Verified, "asked again, it says the same");
    let ledger = Ledger::at(&records.place).expect("the ledger");
    let name = (gateway.address.gateway.as_str(), capture.as_str(), "report");
    let filed = ledger
        .picture_bytes(&Shelves::in_folder(records.folder.path()).expect("the shelves"), name)
        .expect("the shelf")
        .expect("the picture's object");
    assert!(filed == bytes, "bit for bit");
    // What lies on the disk is of no use without the key.
    let folder = records.folder.path().join("images").join(name.0);
    let files: Vec<_> = fs::read_dir(folder).expect("its folder").map(|file| file.expect("an entry").path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    let sealed = fs::read(&files[0]).expect("its file");
    assert!(!sealed.windows(32).any(|window| window == &bytes[..32]), "nothing of it is plain");
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

/// Another machine's server: TLS under a named authority, and a password from a file.
#[test]
fn a_server_is_reached_over_tls_under_its_authority_alone() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port();
    let pki = tempfile::tempdir().expect("a folder");
    let validity = Validity::days(clock::now().wall, 2);
    let authority = Authority::new("database authority", validity).expect("an authority");
    let ours = authority.issue(pki.path(), "server", Use::Server(&["localhost"]), validity).expect("a leaf");
    let server = postgres::Server::start_with(port, |folder| {
        for (from, to) in [(&ours.certificate, "server.crt"), (&ours.key, "server.key")] {
            fs::copy(from, folder.join(to)).expect("it is copied");
        }
        let rules = "local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n";
        fs::write(folder.join("rules"), rules).expect("it is written");
        let file = |name: &str| folder.join(name).display().to_string();
        let options = [
            "listen_addresses=127.0.0.1".to_owned(),
            "ssl=on".to_owned(),
            format!("ssl_cert_file={}", file("server.crt")),
            format!("ssl_key_file={}", file("server.key")),
            format!("hba_file={}", file("rules")),
        ];
        options.into_iter().flat_map(|option| ["-c".to_owned(), option]).collect()
    });
    let mut near = server.database().open().expect("over the socket");
    near.execute("ALTER ROLE hq PASSWORD 'not in an address'", &[]).expect("a password");
    let password = pki.path().join("password");
    fs::write(&password, "not in an address\n").expect("it is written");
    let far = |ca: &Path, password: &Path| {
        let raw = RawDatabase {
            data: None,
            database: Some(format!("postgres://hq@localhost:{port}/chain0")),
            database_password_file: Some(password.to_owned()),
            database_ca: Some(ca.to_owned()),
            ..RawDatabase::default()
        };
        raw.resolve().expect("it can be meant").open()
    };
    assert!(far(&ours.ca, &password).is_ok(), "{:?}", far(&ours.ca, &password).err());

    let other = Authority::new("another authority", validity).expect("an authority");
    let theirs = tempfile::tempdir().expect("a folder");
    let theirs = other.issue(theirs.path(), "server", Use::Client, validity).expect("a leaf");
    let refused = far(&theirs.ca, &password).expect_err("another authority's server is not ours");
    assert!(refused.to_string().contains("certificate"), "{refused}");

    fs::write(&password, "a guess").expect("it is written");
    let refused = far(&ours.ca, &password).expect_err("a wrong password");
    assert!(refused.to_string().contains("password authentication failed") && !refused.passes(), "{refused}");
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
