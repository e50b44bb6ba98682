//! What the views say of several lives and several stores: the order of a store's lives, joined cards, withdrawals, and that no
//! store changes what another has recorded.

use crate::{Records, Side, batches::Gateway, take, upto};
use skinlink::{
    clock,
    domain::{CustomerId, FeedbackId, ReadingId, ReportId, ScanId, Timestamp, VisitId},
    hq::database::{Arrived, Database, Place},
    sync::{
        envelope::Event,
        payload::{self, kind},
        reply::PastEpoch,
        sheet::{Report, Sheet},
    },
};

on_both_sides!(
    headquarters_restored_from_nothing_shows_what_it_showed_before,
    a_customer_who_withdrew_after_two_cards_were_joined_is_not_named,
    a_store_changes_nothing_that_another_has_recorded,
    a_withdrawal_reaches_what_an_earlier_life_told,
    an_alarm_that_repeats_is_one_row_with_a_count,
    a_refused_event_with_an_endless_id_blocks_nobody,
    what_no_index_can_hold_keeps_no_facts_from_being_made,
);

pub fn keep(database: &mut Database) {
    while database.keep_records(clock::now().wall, 500).expect("a turn").more {}
}

/// The first column, which is a text.
pub fn texts(place: &Place, sql: &str) -> Vec<String> {
    let mut engine = place.read_only().expect("the database opens");
    let found = engine.query(sql, &[]).unwrap_or_else(|fault| panic!("{sql}: {fault}"));
    found.iter().map(|row| row.get(0).expect("a text")).collect()
}

fn id<T: std::fmt::Display>(make: fn(u128) -> T) -> String {
    clock::mint(make).to_string()
}

fn past(gateway: &Gateway, last_seq: u64) -> PastEpoch {
    PastEpoch { epoch: gateway.epoch.to_string(), last_seq, oldest_kept: 1, moved: Vec::new() }
}

fn lives() -> [Gateway; 3] {
    let first = Gateway::named("sh-001-g1");
    let next = |name: &str| Gateway { epoch: Gateway::named(name).epoch, ..first.clone() };
    [first.clone(), next("the second life"), next("the third life")]
}

/// Three lives of a store speak of one scan; the last one's word counts. Headquarters heard them over years, then lost its
/// database and hears all of them in one moment, in any order.
fn headquarters_restored_from_nothing_shows_what_it_showed_before(side: Side) {
    let [first, second, third] = lives();
    let (scan, visit) = (id(ScanId::from_bits), id(VisitId::from_bits));
    let says = |life: &Gateway, states: &[&str], restored: &[bool]| -> Arrived {
        let scans = states.iter().map(|state| {
            let (scan, visit, phase) = (scan.clone(), visit.clone(), "before".to_owned());
            let said = payload::Scan { scan, visit, phase, state: (*state).to_owned() };
            (kind::SCAN, serde_json::to_value(said).expect("plain data"))
        });
        let voided = restored.iter().map(|restored| {
            let (what, id, restored) = ("scan".to_owned(), scan.clone(), *restored);
            let said = payload::Voided { what, id, restored, staff: "staff-7".into(), reason: "a mistake".into() };
            (kind::VOIDED, serde_json::to_value(said).expect("plain data"))
        });
        let events: Vec<String> =
            (1..).zip(scans.chain(voided)).map(|(seq, (kind, said))| life.say(seq, kind, &visit, &said)).collect();
        life.batch(1, &events)
    };
    let told = [
        says(&first, &["running", "running", "running"], &[false]),
        says(&second, &["running", "paused"], &[true, false]),
        says(&third, &["closed"], &[true]),
    ];
    let hellos = [
        first.hello(4, 1, Vec::new()),
        second.hello(4, 1, vec![past(&first, 4)]),
        third.hello(2, 1, vec![past(&second, 4), past(&first, 4)]),
    ];
    let shows = |records: &Records| {
        let sql = "SELECT state || ' ' || voided FROM scans";
        keep(&mut records.open());
        texts(&records.place, sql)
    };
    let at = |ms: i64| Timestamp::from_unix_ms(1_790_000_000_000 + ms);
    let before = Records::new(side);
    let mut database = before.open();
    for (year, (hello, told)) in (0..).zip(hellos.iter().zip(&told)) {
        let messages = [hello.clone(), told.clone()];
        database.take(&messages, at(year * 1_000_000)).expect("it is taken");
    }
    assert_eq!(shows(&before), ["closed 0"]);

    // The present life says hello first; then everything in any order.
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [2, 0, 1]] {
        let after = Records::new(side);
        let mut database = after.open();
        database.take(std::slice::from_ref(&hellos[2]), at(0)).expect("it is taken");
        database.take(&order.map(|life: usize| told[life].clone()), at(0)).expect("it is taken");
        assert_eq!(shows(&after), shows(&before), "{order:?}");
    }
    // Its hello comes last: everything is told and in the views before.
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [2, 0, 1]] {
        let after = Records::new(side);
        let mut database = after.open();
        database.take(&order.map(|life: usize| told[life].clone()), at(0)).expect("it is taken");
        keep(&mut database);
        database.take(std::slice::from_ref(&hellos[2]), at(9)).expect("it is taken");
        assert_eq!(shows(&after), shows(&before), "{order:?}, the hello last");
    }
}

/// A store with its own gateway that tells one thing after another.
struct Store {
    gateway: Gateway,
    told: u64,
}

impl Store {
    fn named(gateway: &str) -> Self {
        Self { gateway: Gateway::named(gateway), told: 0 }
    }

    fn tell(&mut self, database: &mut Database, kind: &str, said: &impl serde::Serialize) {
        self.told += 1;
        let event = self.gateway.say(self.told, kind, "subject", said);
        take(database, &[self.gateway.batch(self.told, &[event])]);
    }
}

fn consent(customer: &str, given: bool) -> payload::Consent {
    payload::Consent {
        consent: id(VisitId::from_bits),
        customer: customer.to_owned(),
        purpose: "share_numbers".into(),
        given,
        text_version: "3".into(),
        channel: "tablet".into(),
        staff: "staff-7".into(),
    }
}

fn alias(alias: &str, customer: &str) -> payload::Alias {
    payload::Alias { customer: customer.to_owned(), alias: alias.to_owned(), staff: "staff-7".into() }
}

/// As `docs/hq-crm.md` asks it.
fn a_customer_who_withdrew_after_two_cards_were_joined_is_not_named(side: Side) {
    let page = include_str!("../../docs/hq-crm.md");
    let begin = page.find("SELECT customer FROM consents").expect("the query");
    let (documented, _) = page[begin..].split_once(';').expect("the query's end");
    let (records, mut store) = (Records::new(side), Store::named("sh-001-g1"));
    let mut database = records.open();
    let (customer, card, other) = (id(CustomerId::from_bits), id(CustomerId::from_bits), id(CustomerId::from_bits));
    store.tell(&mut database, kind::CONSENT, &consent(&card, true));
    store.tell(&mut database, kind::CONSENT, &consent(&customer, true));
    store.tell(&mut database, kind::CONSENT, &consent(&other, true));
    store.tell(&mut database, kind::ALIAS, &alias(&card, &customer));
    keep(&mut database);
    let named = || {
        let mut named = texts(&records.place, documented);
        named.sort();
        named
    };
    let mut both = [customer.clone(), other.clone()];
    both.sort();
    assert_eq!(named(), both, "one person, once");
    store.tell(&mut database, kind::CONSENT, &consent(&customer, false));
    keep(&mut database);
    assert_eq!(named(), std::slice::from_ref(&other));

    // The other one says so on the page of a report while the store is away.
    let mut engine = records.place.open().expect("the database opens");
    let (address, id) = (&store.gateway.address, id(FeedbackId::from_bits));
    engine
        .execute(
            "INSERT INTO feedback_inbox(feedback, store, gateway, report, visit, customer, topic, words, given_ms, due_ms)
             VALUES (?1, ?2, ?3, 'r', 'v', ?4, 'withdraw', '', 1, 1)",
            &[(&id).into(), (&address.store).into(), (&address.gateway).into(), (&other).into()],
        )
        .expect("it is kept");
    assert_eq!(named(), Vec::<String>::new());
}

/// Ids are drawn at random and known to their stores alone; a gateway that has got hold of another store's may not use them.
fn a_store_changes_nothing_that_another_has_recorded(side: Side) {
    let (records, mut ours, mut theirs) = (Records::new(side), Store::named("sh-001-g1"), Store::named("sh-002-g1"));
    let mut database = records.open();
    let (visit, scan, customer) = (id(VisitId::from_bits), id(ScanId::from_bits), id(CustomerId::from_bits));
    let visits = |state: &str, version| payload::Visit {
        visit: visit.clone(),
        customer: customer.clone(),
        station: "chair-1".into(),
        beautician: "staff-7".into(),
        state: state.into(),
        version,
        steps: Vec::new(),
    };
    let scans = |state: &str| payload::Scan {
        scan: scan.clone(),
        visit: visit.clone(),
        phase: "before".into(),
        state: state.into(),
    };
    ours.tell(&mut database, kind::VISIT, &visits("open", 1));
    ours.tell(&mut database, kind::SCAN, &scans("running"));
    ours.tell(&mut database, kind::CONSENT, &consent(&customer, true));
    let (feedback, report) = (id(FeedbackId::from_bits), id(ReportId::from_bits));
    let words = |state: &str| payload::Feedback {
        feedback: feedback.clone(),
        visit: visit.clone(),
        customer: customer.clone(),
        state: state.into(),
        stars: Some(2),
        topic: "waiting".into(),
        words: format!("{state} here"),
        staff: String::new(),
    };
    ours.tell(&mut database, kind::FEEDBACK, &words("given"));
    let links = |state: &str| Report {
        report: report.clone(),
        visit: visit.clone(),
        customer: customer.clone(),
        state: state.into(),
        token_sha256: "5e".repeat(32),
        expires: Timestamp::from_unix_ms(clock::now().wall.unix_ms() + 86_400_000).to_string(),
        sheet: (state == "open").then(Sheet::default),
    };
    ours.tell(&mut database, kind::REPORT, &links("open"));
    keep(&mut database);
    let shown = || {
        [
            "SELECT visit || customer || state || voided FROM visits WHERE store = 'sh-001-g1-store'",
            "SELECT scan || visit || phase || state || voided FROM scans WHERE store = 'sh-001-g1-store'",
            "SELECT customer || given || counts FROM consents WHERE store = 'sh-001-g1-store'",
            "SELECT feedback || state || words FROM feedback WHERE store = 'sh-001-g1-store'",
            "SELECT report || visit || state FROM reports WHERE store = 'sh-001-g1-store'",
            "SELECT report FROM report_closings WHERE store = 'sh-001-g1-store'",
        ]
        .map(|sql| texts(&records.place, sql))
    };
    let before = shown();
    for what in [&visit, &scan] {
        let void = payload::Voided {
            what: "scan".into(),
            id: what.clone(),
            restored: false,
            staff: "staff-9".into(),
            reason: "because".into(),
        };
        theirs.tell(&mut database, kind::VOIDED, &void);
        let moved = payload::Reassigned {
            what: "scan".into(),
            id: what.clone(),
            customer: Some(id(CustomerId::from_bits)),
            visit: Some(id(VisitId::from_bits)),
            phase: Some("after".into()),
            staff: "staff-9".into(),
            reason: "because".into(),
        };
        theirs.tell(&mut database, kind::REASSIGNED, &moved);
    }
    theirs.tell(&mut database, kind::ALIAS, &alias(&customer, &id(CustomerId::from_bits)));
    theirs.tell(&mut database, kind::VISIT, &visits("closed", 9));
    theirs.tell(&mut database, kind::SCAN, &scans("closed"));
    theirs.tell(&mut database, kind::CONSENT, &consent(&customer, false));
    for state in ["given", "answered", "solved"] {
        theirs.tell(&mut database, kind::FEEDBACK, &words(state));
    }
    theirs.tell(&mut database, kind::REPORT, &links("closed"));
    keep(&mut database);
    assert_eq!(shown(), before);
}

/// A store was restored from a backup and tells again what it does not know to be here. The customer withdraws before it is
/// acknowledged: the copy of the earlier life goes too, whichever came first. What she allows again later stays.
fn a_withdrawal_reaches_what_an_earlier_life_told(side: Side) {
    let [old, new, _] = lives();
    let reading = payload::Reading {
        reading: id(ReadingId::from_bits),
        visit: id(VisitId::from_bits),
        scan: id(ScanId::from_bits),
        phase: "before".into(),
        metric: "moisture".into(),
        region: "left_cheek".into(),
        value: "35.2".into(),
        unit: "%".into(),
        spread: None,
        repeats: Vec::new(),
        device: payload::Device {
            protocol: "derma-probe-2".into(),
            protocol_version: "1.0.0".into(),
            serial: "0417".into(),
            probe: "A".into(),
            firmware: "2.3".into(),
        },
    };
    let told = old.say(1, kind::READING, &reading.visit, &reading);
    let event: Event = serde_json::from_str(&told).expect("ours");
    let in_new = |seq: u64, kind: Option<&str>| {
        let mut event = Event { epoch: new.epoch.to_string(), seq, ..event.clone() };
        if let Some(kind) = kind {
            event.kind = kind.to_owned();
            event.data = serde_json::value::RawValue::from_string("{\"reason\":\"withdrawn\"}".into()).expect("JSON");
        }
        new.batch(seq, &[serde_json::to_string(&event).expect("plain data")])
    };
    let (first, gone) = (old.batch(1, std::slice::from_ref(&told)), in_new(1, Some("com.skinlink.redacted.v1")));
    let hello = new.hello(1, 1, vec![past(&old, 1)]);
    let orders = [
        vec![first.clone(), hello.clone(), gone.clone()],
        vec![hello.clone(), gone.clone(), first.clone()],
        vec![first.clone(), hello.clone(), in_new(1, None), gone.clone()],
    ];
    for (at, order) in orders.iter().enumerate() {
        let records = Records::new(side);
        let mut database = records.open();
        for message in order {
            take(&mut database, std::slice::from_ref(message));
            keep(&mut database);
        }
        assert!(texts(&records.place, "SELECT value FROM readings").is_empty(), "order {at}");
        let raw = texts(&records.place, "SELECT body FROM events").join("\n");
        assert!(!raw.contains("35.2"), "order {at}: {raw}");
        take(&mut database, &[in_new(2, None)]);
        keep(&mut database);
        assert_eq!(texts(&records.place, "SELECT value FROM readings"), ["35.2"], "order {at}: allowed again");
        take(&mut database, std::slice::from_ref(&first));
        keep(&mut database);
        assert_eq!(texts(&records.place, "SELECT value FROM readings"), ["35.2"], "order {at}: once");
        assert_eq!(records.counts(&new).gaps, 0);
    }
}

/// A gateway that sends the same unreadable thing all night.
fn an_alarm_that_repeats_is_one_row_with_a_count(side: Side) {
    let (records, gateway) = (Records::new(side), Gateway::named("sh-001-g1"));
    let mut database = records.open();
    let mut unreadable = gateway.scans(1, 1);
    unreadable.payload.truncate(40);
    for _ in 0..50 {
        take(&mut database, std::slice::from_ref(&unreadable));
    }
    assert_eq!(records.counts(&gateway).alarms, 50);
    assert_eq!(texts(&records.place, "SELECT CAST(times AS TEXT) FROM alarms"), ["50"]);
}

/// An index holds some 2,700 bytes on PostgreSQL: what was never an id is kept in the event's body alone.
fn a_refused_event_with_an_endless_id_blocks_nobody(side: Side) {
    let (records, gateway) = (Records::new(side), Gateway::named("sh-001-g1"));
    let mut database = records.open();
    let mut dice = fastrand::Rng::with_seed(7);
    let endless: String = (0..20_000).map(|_| dice.alphanumeric()).collect();
    let event = gateway.event(2);
    let own = serde_json::from_str::<Event>(&event).expect("ours").id;
    let events = [gateway.event(1), event.replace(&own, &endless), gateway.event(3)];
    let replies = take(&mut database, &[gateway.batch(1, &events)]);
    assert_eq!(upto(&replies, &gateway), 3);
    let counts = records.counts(&gateway);
    assert_eq!((counts.events, counts.refused, counts.gaps, counts.alarms), (3, 1, 0, 0), "{counts:?}");
}

/// The same within an event that is otherwise sound: refused at the door. An older program has taken one in: its facts alone are
/// missing.
fn what_no_index_can_hold_keeps_no_facts_from_being_made(side: Side) {
    let (records, gateway) = (Records::new(side), Gateway::named("sh-001-g1"));
    let mut database = records.open();
    let mut dice = fastrand::Rng::with_seed(7);
    let endless: String = (0..20_000).map(|_| dice.alphanumeric()).collect();
    let scan = |seq: u64, scan: &str| {
        let (visit, phase, state) = ("visit".to_owned(), "before".to_owned(), "running".to_owned());
        gateway.say(seq, kind::SCAN, "visit", &payload::Scan { scan: scan.to_owned(), visit, phase, state })
    };
    let events = [scan(1, "first"), scan(2, &endless), scan(3, "third"), scan(4, "fourth"), scan(5, "fifth")];
    let replies = take(&mut database, &[gateway.batch(1, &events)]);
    assert_eq!(upto(&replies, &gateway), 5);
    let mut engine = records.place.open().expect("the database opens");
    let body = scan(4, &endless);
    let older = "UPDATE events SET body = ?1 WHERE seq = 4";
    engine.execute(older, &[body.as_str().into()]).expect("as an older program left it");
    keep(&mut database);
    assert_eq!(texts(&records.place, "SELECT scan FROM scans ORDER BY scan"), ["fifth", "first", "third"]);
    let counts = records.counts(&gateway);
    assert_eq!((counts.refused, counts.gaps), (1, 0), "{counts:?}");
}
