//! Staff and orders on their way down, on both databases: what a gateway is told by what it says that it holds, and what ends an order.

use crate::{Records, Side, batches::Gateway, take};
use skinlink::{
    clock,
    domain::{CustomerId, OrderId, Timestamp, VisitId},
    hq::{
        database::{Arrived, Database, HqError},
        orders::{self, Given, Kept, New, State},
        staff::{self, Desired, Reached},
    },
    sync::{
        agenda::Held,
        downlink::{Colleague, Downlink, Duty, Order, Outcome},
        package::Fetch,
        payload::{self, kind},
        reply::{Hello, Reply},
        topic::{Address, Lane},
    },
};

on_both_sides!(
    a_gateway_is_told_its_staff_whole_until_it_holds_it,
    an_order_is_said_until_it_is_answered_and_given_twice_it_is_one,
    what_is_not_answered_in_its_time_ends,
    whoever_can_do_it_settles_it_and_a_refusal_needs_all,
    an_answered_erasure_erases_here_too,
    a_gateway_that_fetches_a_package_is_not_taken_for_one_that_came_back,
);

const DAY: i64 = 86_400_000;

pub(crate) fn now() -> Timestamp {
    clock::now().wall
}

pub(crate) fn later(ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(now().unix_ms() + ms)
}

pub(crate) fn comes(database: &mut Database, gateway: &Gateway, downlinks: &str) {
    let about = format!(r#"{{"version":"test","downlinks":{downlinks},"health":{{"staff_kept":["m-01"]}}}}"#);
    let about = Arrived { from: gateway.address.clone(), lane: Lane::About, payload: about.into_bytes() };
    take(database, &[about, gateway.hello(0, 1, Vec::new())]);
}

fn holds(database: &mut Database, gateway: &Gateway, staff: Option<Held>) {
    let downlink = staff.map(|staff| Downlink { staff: Some(staff), ..Downlink::default() });
    let hello = Hello { downlink, ..gateway.says(0, 1, Vec::new()) };
    let payload = serde_json::to_vec(&hello).expect("plain data");
    take(database, &[Arrived { from: gateway.address.clone(), lane: Lane::Hello, payload }]);
}

pub(crate) fn due(database: &mut Database, gateway: &Gateway, at: Timestamp) -> Vec<Reply> {
    let due = database.downlink_due(at).expect("the database answers");
    due.into_iter().filter(|(to, _)| *to == gateway.address).map(|(_, reply)| reply).collect()
}

pub(crate) fn colleague(id: &str, name: &str, role: Duty) -> Colleague {
    Colleague { id: id.to_owned(), name: name.to_owned(), role }
}

fn a_gateway_is_told_its_staff_whole_until_it_holds_it(side: Side) {
    let (records, gateway, other) = (Records::new(side), Gateway::named("sh-001-g1"), Gateway::named("sh-002-g1"));
    let mut database = records.open();
    let mut engine = records.place.open().expect("opens");
    let store = gateway.address.store.clone();
    let list = [colleague("m-01", "陈宇", Duty::Manager), colleague("b-07", "林晓", Duty::Beautician)];
    let refused = staff::put(&mut *engine, (&store, "key crm"), &list, now()).expect_err("nobody was heard of it");
    assert!(matches!(refused, HqError::NoStore { .. }), "{refused}");
    comes(&mut database, &gateway, r#"["agenda","staff"]"#);
    comes(&mut database, &other, r#"["staff"]"#);
    assert!(due(&mut database, &gateway, now()).is_empty(), "there is nothing to tell");
    assert_eq!(staff::put(&mut *engine, (&store, "key crm"), &list, now()).expect("written"), (true, 1));
    let told = due(&mut database, &gateway, now());
    let [Reply::Staff { book, version: 1, people }] = &told[..] else { panic!("{told:?}") };
    assert_eq!(people.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["b-07", "m-01"]);
    assert!(due(&mut database, &gateway, now()).is_empty(), "not again at once");
    assert_eq!(due(&mut database, &gateway, later(60_000)), told, "nothing was said to it");
    assert!(due(&mut database, &other, later(60_000)).is_empty(), "another store's");
    let reached = |held| Reached { gateway: "sh-001-g1".into(), understands: true, held, kept: vec!["m-01".into()] };
    let desired = |engine: &mut dyn skinlink::hq::database::engine::Engine| {
        staff::desired(engine, &store).expect("answers").expect("the store is known")
    };
    assert_eq!(desired(&mut *engine).gateways, [reached(None)]);
    holds(&mut database, &gateway, Some(Held { book: book.clone(), version: 1 }));
    assert!(due(&mut database, &gateway, later(DAY)).is_empty(), "it holds all of it");
    assert_eq!(desired(&mut *engine), Desired { people: people.clone(), version: 1, gateways: vec![reached(Some(1))] });
    // The same list, in another order, is no news; another one is told whole.
    let turned = [list[1].clone(), list[0].clone()];
    assert_eq!(staff::put(&mut *engine, (&store, "key crm"), &turned, now()).expect("written"), (false, 1));
    assert_eq!(staff::put(&mut *engine, (&store, "key crm"), &list[..1], now()).expect("written"), (true, 2));
    let told = due(&mut database, &gateway, now());
    assert!(matches!(&told[..], [Reply::Staff { version: 2, people, .. }] if people.len() == 1), "{told:?}");
    // A headquarters that was restored from a backup knows less than the store: it begins another book.
    holds(&mut database, &gateway, Some(Held { book: book.clone(), version: 9 }));
    let told = due(&mut database, &gateway, now());
    assert!(matches!(&told[..], [Reply::Staff { book: anew, version: 2, .. }] if anew != book), "{told:?}");
    // An empty list is one, too: whoever was named leaves.
    assert_eq!(staff::put(&mut *engine, (&store, "key crm"), &[], now()).expect("written"), (true, 3));
    assert!(matches!(&due(&mut database, &gateway, now())[..], [Reply::Staff { people, .. }] if people.is_empty()));
    assert_eq!(staff::desired(&mut *engine, "sh-999").expect("answers"), None);
}

pub(crate) fn new(store: &str, key: &str, what: Order) -> New {
    New { store: store.to_owned(), giver: "key crm".to_owned(), key: key.to_owned(), what, until: later(DAY) }
}

pub(crate) fn customer() -> String {
    clock::mint(CustomerId::from_bits).to_string()
}

pub(crate) fn given(records: &Records, new: &New) -> Kept {
    new.check(now()).expect("sound");
    match orders::give(&mut *records.place.open().expect("opens"), new, now()).expect("given") {
        Given::Stands(kept) => kept,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn find(records: &Records, order: &str) -> Kept {
    orders::find(&mut *records.place.open().expect("opens"), order).expect("answers").expect("it is kept")
}

/// The gateway's event number `seq`: what it did.
pub(crate) fn answer(gateway: &Gateway, seq: u64, order: &str, outcome: Outcome, words: &str) -> Arrived {
    let said = payload::Answer { order: order.to_owned(), outcome, words: words.to_owned() };
    gateway.batch(seq, &[gateway.say(seq, kind::ANSWER, order, &said)])
}

pub(crate) fn keep(database: &mut Database) {
    while database.keep_records(now(), 500).expect("a turn").more {}
}

fn an_order_is_said_until_it_is_answered_and_given_twice_it_is_one(side: Side) {
    let (records, gateway) = (Records::new(side), Gateway::named("sh-001-g1"));
    let mut database = records.open();
    let store = gateway.address.store.clone();
    let merge = new(&store, "crm-7", Order::Merge { stays: customer(), gone: customer() });
    let unknown = orders::give(&mut *records.place.open().expect("opens"), &merge, now());
    assert!(matches!(unknown, Err(HqError::NoStore { .. })), "{unknown:?}");
    comes(&mut database, &gateway, r#"["agenda"]"#);
    let kept = given(&records, &merge);
    assert_eq!((kept.state, kept.outcome, kept.answers.len()), (State::Waiting, None, 0));
    assert!(due(&mut database, &gateway, now()).is_empty(), "its program does not understand orders");
    // Its program was exchanged; given again by the same key it is the same, by the same key for something else another.
    comes(&mut database, &gateway, r#"["agenda","orders"]"#);
    assert_eq!(given(&records, &merge).order, kept.order);
    let other = New { what: Order::Check {}, ..merge.clone() };
    let other = orders::give(&mut *records.place.open().expect("opens"), &other, now()).expect("answered");
    assert!(matches!(other, Given::Another(known) if known.order == kept.order));
    let elsewhere = New { giver: "li-na".into(), what: Order::Check {}, ..merge.clone() };
    assert_ne!(given(&records, &elsewhere).order, kept.order, "everybody's keys are their own");
    let told = due(&mut database, &gateway, later(120_000));
    assert_eq!(told.len(), 2, "{told:?}");
    let Some(Reply::Order { order, until, what }) = told.first() else { panic!("{told:?}") };
    assert_eq!((order, until, what), (&kept.order, &merge.until.to_string(), &merge.what));
    // Again after 5 s, then 10 s, and at once when the gateway has been away.
    assert!(due(&mut database, &gateway, later(124_000)).is_empty());
    assert_eq!(due(&mut database, &gateway, later(126_000)).len(), 2);
    assert!(due(&mut database, &gateway, later(135_000)).is_empty());
    holds(&mut database, &gateway, None);
    assert_eq!(due(&mut database, &gateway, later(135_000)).len(), 2);
    // Its answer comes, twice, as anything may.
    let said = answer(&gateway, 1, &kept.order, Outcome::Done, "");
    take(&mut database, &[said.clone(), said]);
    keep(&mut database);
    let settled = find(&records, &kept.order);
    assert_eq!((settled.state, settled.outcome), (State::Answered, Some(Outcome::Done)));
    assert_eq!(settled.answers.len(), 1);
    assert_eq!(due(&mut database, &gateway, later(DAY / 2)).len(), 1, "the other one still waits");
    // An answer to what nobody ordered changes nothing.
    let strange = clock::mint(OrderId::from_bits).to_string();
    take(&mut database, &[answer(&gateway, 2, &strange, Outcome::Done, "")]);
    keep(&mut database);
    let which = orders::Which { store: Some(&store), ..orders::Which::default() };
    let (all, more) = orders::list(&mut *records.place.open().expect("opens"), which, 10).expect("listed");
    assert_eq!((all.len(), more, all[1].order == kept.order), (2, false, true), "the newest first");
    let wrong = New { key: String::new(), what: Order::Erase { customer: "Zhang".into() }, until: later(1), ..merge };
    let wrong = wrong.check(now()).expect_err("wrong in three ways");
    assert!(["key:", "customer:", "until:"].iter().all(|place| wrong.contains(place)), "{wrong}");
}

fn what_is_not_answered_in_its_time_ends(side: Side) {
    let (records, gateway) = (Records::new(side), Gateway::named("sh-001-g1"));
    let mut database = records.open();
    let store = gateway.address.store.clone();
    comes(&mut database, &gateway, r#"["orders"]"#);
    let kept = given(&records, &new(&store, "1", Order::Check {}));
    assert_eq!(due(&mut database, &gateway, later(DAY - 10_000)).len(), 1);
    assert!(due(&mut database, &gateway, later(DAY + 1)).is_empty(), "its time is over");
    assert_eq!(find(&records, &kept.order).state, State::Expired);
    holds(&mut database, &gateway, None);
    assert!(due(&mut database, &gateway, later(DAY + 1)).is_empty());
    // What the store did in time and told late, since its line was down, counts.
    take(&mut database, &[answer(&gateway, 1, &kept.order, Outcome::Done, "[]")]);
    keep(&mut database);
    let kept = find(&records, &kept.order);
    assert_eq!((kept.state, kept.outcome), (State::Answered, Some(Outcome::Done)));
}

fn whoever_can_do_it_settles_it_and_a_refusal_needs_all(side: Side) {
    let (records, first) = (Records::new(side), Gateway::named("sh-001-g1"));
    let store = first.address.store.clone();
    let second = Gateway::named("sh-001-g2");
    let second = Gateway { address: Address { store: store.clone(), ..second.address.clone() }, ..second };
    let old = Gateway::named("sh-001-g3");
    let old = Gateway { address: Address { store: store.clone(), ..old.address.clone() }, ..old };
    let mut database = records.open();
    comes(&mut database, &first, r#"["orders"]"#);
    comes(&mut database, &second, r#"["orders"]"#);
    comes(&mut database, &old, r#"["agenda"]"#);
    let orders = [("1", Order::Merge { stays: customer(), gone: customer() }), ("2", Order::Check {})];
    let [merge, check] = orders.map(|(key, what)| given(&records, &new(&store, key, what)).order);
    assert_eq!(due(&mut database, &first, now()).len(), 2);
    let state = |order: &str| {
        let kept = find(&records, order);
        (kept.state, kept.outcome)
    };
    take(&mut database, &[answer(&first, 1, &merge, Outcome::Refused, "there is no such customer here")]);
    take(&mut database, &[answer(&first, 2, &check, Outcome::Done, "[]")]);
    keep(&mut database);
    assert_eq!([state(&merge), state(&check)], [(State::Waiting, None); 2], "the other gateway has not answered");
    take(
        &mut database,
        &[answer(&second, 1, &merge, Outcome::Done, ""), answer(&second, 2, &check, Outcome::Refused, "x")],
    );
    keep(&mut database);
    assert_eq!([state(&merge), state(&check)], [(State::Answered, Some(Outcome::Done)); 2]);
    assert_eq!(find(&records, &merge).answers.len(), 2);
    // Given again when its time has passed it is the order that stands.
    let late = New { until: later(-DAY), ..new(&store, "2", Order::Check {}) };
    let again = orders::give(&mut *records.place.open().expect("opens"), &late, now()).expect("answered");
    assert!(matches!(again, Given::Stands(kept) if kept.order == check));
    let never = orders::give(&mut *records.place.open().expect("opens"), &New { key: "3".into(), ..late }, now());
    assert!(matches!(never.expect("answered"), Given::Wrong(why) if why.contains("until")));
    // PostgreSQL cannot hold a zero in a text: an order with one once brought a fault instead of a sentence.
    let zero = || Order::Merge { stays: "a\0b".into(), gone: "c".into() };
    for (key, expected) in [("4\0", false), ("5", false), ("2", true)] {
        let tried = orders::give(&mut *records.place.open().expect("opens"), &new(&store, key, zero()), now());
        let tried = tried.unwrap_or_else(|fault| panic!("{key:?}: {fault}"));
        assert!(
            if expected { matches!(tried, Given::Another(_)) } else { matches!(tried, Given::Wrong(_)) },
            "{key:?}"
        );
    }
}

/// What is known of somebody goes here as soon as the store has answered, be it that the store knows nobody of that id any more.
fn an_answered_erasure_erases_here_too(side: Side) {
    let (records, gateway) = (Records::new(side), Gateway::named("sh-001-g1"));
    let mut database = records.open();
    let store = gateway.address.store.clone();
    comes(&mut database, &gateway, r#"["orders"]"#);
    for (at, outcome) in [(1, Outcome::Done), (3, Outcome::Refused), (5, Outcome::TooLate)] {
        let (ann, visit) = (customer(), clock::mint(VisitId::from_bits).to_string());
        let said = payload::Visit {
            visit: visit.clone(),
            customer: ann.clone(),
            station: "chair-1".into(),
            beautician: "b-07".into(),
            state: "closed".into(),
            version: 1,
            steps: Vec::new(),
        };
        take(&mut database, &[gateway.batch(at, &[gateway.say(at, kind::VISIT, &visit, &said)])]);
        let order = given(&records, &new(&store, &at.to_string(), Order::Erase { customer: ann.clone() })).order;
        keep(&mut database);
        let known = || {
            let mut engine = records.place.open().expect("opens");
            let rows = engine.query("SELECT n FROM visit_facts", &[]).expect("answers").len();
            rows + engine.query("SELECT n FROM events WHERE kind LIKE '%visit.v1'", &[]).expect("answers").len()
        };
        assert_eq!(known(), 2, "{outcome:?}");
        take(&mut database, &[answer(&gateway, at + 1, &order, outcome, "")]);
        keep(&mut database);
        assert_eq!(find(&records, &order).outcome, Some(outcome));
        assert_eq!(known(), if outcome == Outcome::TooLate { 2 } else { 0 }, "{outcome:?}");
    }
}

/// It says hello for each few slices of a package, several times a second, and a hello once began every pause anew: the same list and
/// the same order were said to it with each of them.
fn a_gateway_that_fetches_a_package_is_not_taken_for_one_that_came_back(side: Side) {
    let (records, gateway) = (Records::new(side), Gateway::named("sh-001-g1"));
    let mut database = records.open();
    let store = gateway.address.store.clone();
    comes(&mut database, &gateway, r#"["staff","orders","packages"]"#);
    let list = [colleague("b-07", "林晓", Duty::Beautician)];
    staff::put(&mut *records.place.open().expect("opens"), (&store, "key crm"), &list, now()).expect("written");
    given(&records, &new(&store, "1", Order::Check {}));
    let said = due(&mut database, &gateway, now());
    assert!(matches!(&said[..], [Reply::Staff { .. }, Reply::Order { .. }]), "{said:?}");
    for from in 0..5 {
        let fetch = Some(Fetch { sha256: "0".repeat(64), from });
        let downlink = Some(Downlink { fetch, ..Downlink::default() });
        let hello = Hello { downlink, ..gateway.says(0, 1, Vec::new()) };
        let payload = serde_json::to_vec(&hello).expect("plain data");
        take(&mut database, &[Arrived { from: gateway.address.clone(), lane: Lane::Hello, payload }]);
        assert!(due(&mut database, &gateway, now()).is_empty(), "slice {from}");
    }
    holds(&mut database, &gateway, None);
    let again = due(&mut database, &gateway, now());
    assert!(matches!(&again[..], [Reply::Staff { .. }, Reply::Order { .. }]), "{again:?}");
}
