//! Gateways whose machines were replaced, on both databases: who is retired holds up nothing, loses nothing, and is back with a hello.

use crate::{
    Records, Side,
    agenda::entry,
    batches::Gateway,
    orders::{answer, colleague, comes, customer, due, find, given, keep, later, new, now},
    take, upto,
};
use skinlink::{
    hq::{
        database::{Arrived, HqError},
        ledger::Ledger,
        office::audit,
        orders::{self, Given, NO_GATEWAY, State},
        retirement::{self, Retired},
        staff, stores,
    },
    sync::{
        downlink::{Duty, Order, Outcome},
        reply::Reply,
        topic::{Address, Lane},
    },
};

on_both_sides!(
    a_replaced_gateway_is_told_nothing_and_waited_for_by_nobody_once_it_is_retired,
    what_a_retired_gateway_sends_is_kept_and_its_hello_brings_it_back,
    who_is_unknown_online_or_retired_already_is_not_retired,
);

const DAY: i64 = 86_400_000;

/// Two gateways of one store: the machine was replaced, and the new one has a name of its own.
fn replaced() -> (Gateway, Gateway) {
    let (old, fresh) = (Gateway::named("sh-001-g1"), Gateway::named("sh-001-g2"));
    let address = Address { store: old.address.store.clone(), ..fresh.address.clone() };
    (old, Gateway { address, ..fresh })
}

fn retire(records: &Records, gateway: &str) -> Result<Retired, HqError> {
    retirement::retire(&mut *records.place.open().expect("opens"), gateway, (audit::COMMAND, now()))
}

fn is_retired(records: &Records, gateway: &Gateway) -> bool {
    let all = Ledger::at(&records.place).and_then(|ledger| ledger.standings()).expect("the standings");
    all.iter().any(|one| one.gateway == gateway.address.gateway && one.retired_ms.is_some())
}

/// What the audit says was done to gateways, the newest first.
fn deeds(records: &Records) -> Vec<(String, String, String)> {
    let rows = audit::newest(&mut *records.place.open().expect("opens"), None, 100).expect("the audit");
    let of_gateways = rows.into_iter().filter(|row| row.what.starts_with("gateway"));
    of_gateways.map(|row| (row.who, row.what, row.about)).collect()
}

/// The old one was told of everything for ever, an order that the new one had refused waited a week for its word, and the list of staff was
/// never held by all.
fn a_replaced_gateway_is_told_nothing_and_waited_for_by_nobody_once_it_is_retired(side: Side) {
    let (records, (old, fresh)) = (Records::new(side), replaced());
    let store = old.address.store.clone();
    let mut database = records.open();
    for gateway in [&old, &fresh] {
        comes(&mut database, gateway, r#"["agenda","staff","orders"]"#);
    }
    let mut engine = records.place.open().expect("opens");
    let list = [colleague("b-07", "林晓", Duty::Beautician)];
    staff::put(&mut *engine, (&store, "key crm"), &list, now()).expect("written");
    let ask = |key: &str, what: Order| given(&records, &new(&store, key, what)).order;
    let merge = ask("1", Order::Merge { stays: customer(), gone: customer() });
    let check = ask("2", Order::Check {});
    assert_eq!(due(&mut database, &old, now()).len(), 3, "the list and two orders");
    let answers = [
        answer(&fresh, 1, &merge, Outcome::Refused, "there is no such customer here"),
        answer(&fresh, 2, &check, Outcome::Done, "[]"),
    ];
    take(&mut database, &answers);
    keep(&mut database);
    let state = |order: &str| {
        let kept = find(&records, order);
        (kept.state, kept.outcome)
    };
    assert_eq!([state(&merge), state(&check)], [(State::Waiting, None); 2], "the old one has not answered");

    // What a customer said at headquarters of a visit that the old one has.
    let word =
        "INSERT INTO feedback_inbox(feedback, store, gateway, report, visit, customer, topic, words, given_ms, due_ms)
         VALUES ('f-1', ?1, 'sh-001-g1', 'r-1', 'v-1', 'c-1', 'call', '', ?2, 0)";
    engine.execute(word, &[store.as_str().into(), now().unix_ms().into()]).expect("written");
    let retired = retire(&records, "sh-001-g1").expect("it is retired");
    assert_eq!(retired, Retired { store: store.clone(), behind: 0, others: 1, words: 1, erasures: 0 });
    assert_eq!(state(&merge), (State::Answered, Some(Outcome::Refused)), "all that are in use have answered");
    assert_eq!(state(&check), (State::Answered, Some(Outcome::Done)));
    let again = ask("3", Order::Check {});
    database.put_agenda(&store, &[entry("a-1", later(3_600_000))], false, now()).expect("written");
    let told = database.downlink_due(later(60_000)).expect("the database answers");
    assert!(told.iter().all(|(to, _)| *to == fresh.address), "{told:?}");
    let standings = database.standings(later(-DAY)).expect("the database answers");
    assert!(standings.iter().all(|(to, _)| *to == fresh.address), "{standings:?}");
    assert!(told.iter().any(|(_, reply)| matches!(reply, Reply::Agenda { .. })), "{told:?}");
    assert!(told.iter().any(|(_, reply)| matches!(reply, Reply::Staff { .. })), "{told:?}");
    assert!(told.iter().any(|(_, reply)| matches!(reply, Reply::Order { .. })), "{told:?}");
    take(&mut database, &[answer(&fresh, 3, &again, Outcome::Done, "[]")]);
    keep(&mut database);
    assert_eq!(state(&again), (State::Answered, Some(Outcome::Done)));
    let desired = staff::desired(&mut *engine, &store).expect("answers").expect("the store is known");
    assert_eq!(desired.gateways.iter().map(|one| one.gateway.as_str()).collect::<Vec<_>>(), ["sh-001-g2"]);
    let by_hand = (audit::COMMAND.to_owned(), "gateway retired".to_owned(), format!("{store} sh-001-g1"));
    assert_eq!(deeds(&records), [by_hand]);
    let mut shown = Vec::new();
    stores::print(&records.place, false, &mut shown).expect("they are listed");
    let shown = String::from_utf8(shown).expect("text");
    let lines: Vec<bool> = shown.lines().map(|line| line.contains(", retired 20")).collect();
    assert_eq!(lines, [true, false], "{shown}");
    // The last one of a store that closed: what the CRM writes of it is refused no more than before.
    ask("5", Order::Erase { customer: customer() });
    let retired = retire(&records, "sh-001-g2").expect("it is retired");
    assert_eq!((retired.others, retired.erasures), (0, 1), "somebody must do that here");
    let desired = staff::desired(&mut *engine, &store).expect("answers").expect("the store is known");
    assert!(desired.gateways.is_empty() && desired.people == list, "{desired:?}");
    // An erasure that nobody could do is not taken: it would wait until its time is over, and nobody is forgotten.
    let erase = new(&store, "4", Order::Erase { customer: customer() });
    let erase = orders::give(&mut *engine, &erase, now()).expect("answered");
    assert_eq!(erase, Given::Wrong(NO_GATEWAY.to_owned()));
    // The word waits until the old one is back.
    take(&mut database, &[old.hello(0, 1, Vec::new())]);
    let told = due(&mut database, &old, now());
    assert!(told.iter().any(|reply| matches!(reply, Reply::Feedback { .. })), "{told:?}");
}

/// Somebody switches the old machine on once more, to bring what it had not sent.
fn what_a_retired_gateway_sends_is_kept_and_its_hello_brings_it_back(side: Side) {
    let (records, (old, fresh)) = (Records::new(side), replaced());
    let store = old.address.store.clone();
    let mut database = records.open();
    for gateway in [&old, &fresh] {
        comes(&mut database, gateway, r#"["staff"]"#);
    }
    take(&mut database, &[old.hello(5, 1, Vec::new())]);
    assert_eq!(retire(&records, "sh-001-g1").expect("it is retired").behind, 5, "they are on its disk alone");
    let list = [colleague("b-07", "林晓", Duty::Beautician)];
    staff::put(&mut *records.place.open().expect("opens"), (&store, "key crm"), &list, now()).expect("written");
    let replies = take(&mut database, &[old.scans(1, 3)]);
    assert_eq!(upto(&replies, &old), 3, "nothing is lost");
    assert!(is_retired(&records, &old) && due(&mut database, &old, now()).is_empty());
    take(&mut database, &[old.hello(5, 1, Vec::new())]);
    assert!(!is_retired(&records, &old), "somebody uses it");
    assert!(matches!(&due(&mut database, &old, now())[..], [Reply::Staff { .. }]));
    take(&mut database, &[old.scans(4, 5)]);
    let counts = records.counts(&old);
    assert_eq!((counts.events, counts.gaps, counts.alarms), (5, 0, 0), "{counts:?}");

    assert_eq!(retire(&records, "sh-001-g1").expect("again").behind, 0);
    let by = (audit::COMMAND, now());
    let back = retirement::back(&mut *records.place.open().expect("opens"), "sh-001-g1", by);
    assert_eq!(back.expect("it is taken back"), store);
    assert!(!is_retired(&records, &old));
    let deeds: Vec<String> = deeds(&records).into_iter().map(|(_, what, _)| what).collect();
    assert_eq!(deeds, ["gateway back in use", "gateway retired", "gateway retired"]);
}

/// One of an old program tells nothing of itself: it was online, was retired, and its next hello brought it back.
fn who_is_unknown_online_or_retired_already_is_not_retired(side: Side) {
    let (records, gateway) = (Records::new(side), Gateway::named("sh-001-g1"));
    let mut database = records.open();
    comes(&mut database, &gateway, "[]");
    let says = |status: &str| Arrived {
        from: gateway.address.clone(),
        lane: Lane::Status,
        payload: status.as_bytes().to_vec(),
    };
    let refused = |outcome: Result<Retired, HqError>| match outcome {
        Err(HqError::Gateway(sentence)) => sentence,
        other => panic!("{other:?}"),
    };
    let back = || retirement::back(&mut *records.place.open().expect("opens"), "sh-001-g1", (audit::COMMAND, now()));
    let unknown = refused(retire(&records, "sh-001"));
    assert!(unknown.contains("no gateway sh-001 was ever heard; skinlink-hq stores lists them"), "{unknown}");
    take(&mut database, &[says("online")]);
    let online = refused(retire(&records, "sh-001-g1"));
    assert!(online.contains("is online") && online.contains("switch its machine off"), "{online}");
    assert!(matches!(back(), Err(HqError::Gateway(why)) if why.contains("is in use")));
    assert!(!is_retired(&records, &gateway) && deeds(&records).is_empty(), "nothing was done");
    // The broker lost its last will; it has said nothing for longer than one that is there would.
    let by = (audit::COMMAND, later(11 * 60_000));
    retirement::retire(&mut *records.place.open().expect("opens"), "sh-001-g1", by).expect("it is retired");
    let twice = refused(retire(&records, "sh-001-g1"));
    assert!(twice.contains("retired already"), "{twice}");
    back().expect("it is taken back");
    take(&mut database, &[says("offline")]);
    retire(&records, "sh-001-g1").expect("it is retired");
    assert_eq!(deeds(&records).len(), 3);
    let silent = Gateway::named("sh-003-g1");
    let online = Arrived { from: silent.address.clone(), lane: Lane::Status, payload: b"online".to_vec() };
    take(&mut database, &[online, silent.hello(0, 1, Vec::new())]);
    let online = refused(retire(&records, "sh-003-g1"));
    assert!(online.contains("is online"), "{online}");
}
