//! Appointments on their way down, on both databases: what a gateway is told by what it says that it holds.

use crate::{Records, Side, batches::Gateway, take};
use skinlink::{
    clock,
    domain::Timestamp,
    hq::{
        agenda::Written,
        database::{Arrived, Database, HqError},
    },
    sync::{
        MAX_PUBLISH,
        agenda::{Entry, Held, Standing},
        reply::{Hello, Reply},
        topic::Lane,
    },
};

on_both_sides!(
    a_gateway_is_told_what_it_does_not_hold,
    nobody_else_is_told,
    a_store_sees_seven_days_ahead,
    a_long_list_goes_down_in_parts,
    a_restored_headquarters_begins_another_book,
);

const DAY: i64 = 86_400_000;

fn now() -> Timestamp {
    clock::now().wall
}

fn later(time: Timestamp, ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(time.unix_ms() + ms)
}

pub(crate) fn entry(id: &str, starts: Timestamp) -> (Entry, Timestamp) {
    let entry = Entry {
        id: id.to_owned(),
        starts: starts.to_string(),
        minutes: 60,
        state: Standing::Booked,
        service: "补水护理".to_owned(),
        staff: "b-07".to_owned(),
        station: String::new(),
        member: "A10023".to_owned(),
        phone: "6688".to_owned(),
        name: "林若溪".to_owned(),
    };
    (entry, starts)
}

/// A gateway that understands appointments has come, holding this.
fn comes(database: &mut Database, gateway: &Gateway, held: Option<Held>) {
    let about = br#"{"version":"test","downlinks":["agenda"]}"#.to_vec();
    take(database, &[Arrived { from: gateway.address.clone(), lane: Lane::About, payload: about }]);
    says(database, gateway, held);
}

fn says(database: &mut Database, gateway: &Gateway, held: Option<Held>) {
    let hello = Hello { agenda: held, ..gateway.says(0, 1, Vec::new()) };
    let payload = serde_json::to_vec(&hello).expect("plain data");
    take(database, &[Arrived { from: gateway.address.clone(), lane: Lane::Hello, payload }]);
}

/// What a part says: book, the changes it leads over, and what it names.
type Part = (String, (u64, u64), Vec<(String, Standing)>);

/// What the gateway is told now.
fn told(database: &mut Database, gateway: &Gateway, at: Timestamp) -> Vec<Part> {
    let due = database.downlink_due(at).expect("the database answers");
    due.into_iter()
        .filter(|(to, _)| *to == gateway.address)
        .map(|(_, reply)| {
            assert!(serde_json::to_vec(&reply).expect("plain data").len() <= MAX_PUBLISH);
            match reply {
                Reply::Agenda { book, since, upto, appointments } => {
                    let named = appointments.into_iter().map(|one| (one.id, one.state)).collect();
                    (book, (since, upto), named)
                }
                other => panic!("{other:?}"),
            }
        })
        .collect()
}

fn put(database: &mut Database, gateway: &Gateway, entries: &[(Entry, Timestamp)], whole: bool) -> Written {
    database.put_agenda(&gateway.address.store, entries, whole, now()).expect("it is written")
}

/// Told once, and again only until the gateway says that it holds it; then only what changed.
fn a_gateway_is_told_what_it_does_not_hold(side: Side) {
    let (records, gateway) = (Records::new(side), Gateway::named("sh-001-g1"));
    let mut database = records.open();
    let soon = later(now(), 3_600_000);
    let refused = database.put_agenda("sh-009", &[entry("1", soon)], false, now()).expect_err("nobody was heard of it");
    assert!(matches!(refused, HqError::NoStore { .. }), "{refused}");
    comes(&mut database, &gateway, None);
    assert!(told(&mut database, &gateway, now()).is_empty(), "there is nothing to tell");
    let written = put(&mut database, &gateway, &[entry("1", soon), entry("2", soon)], false);
    assert_eq!(written, Written { changed: 2, unchanged: 0, called_off: 0 });
    let first = told(&mut database, &gateway, now());
    let [(book, (0, 2), named)] = &first[..] else { panic!("{first:?}") };
    assert_eq!(named.len(), 2);
    assert!(told(&mut database, &gateway, now()).is_empty(), "not again at once");
    assert_eq!(told(&mut database, &gateway, later(now(), 60_000)), first, "nothing was said to it");
    says(&mut database, &gateway, Some(Held { book: book.clone(), version: 2 }));
    assert!(told(&mut database, &gateway, later(now(), DAY / 2)).is_empty(), "it holds all of it");
    // The same file again changes nothing; what is left out stays; what is called off loses its person.
    let written = put(&mut database, &gateway, &[entry("1", soon)], false);
    assert_eq!(written, Written { changed: 0, unchanged: 1, called_off: 0 });
    assert!(told(&mut database, &gateway, now()).is_empty());
    let off = (Entry { state: Standing::Cancelled, ..entry("2", soon).0 }, soon);
    put(&mut database, &gateway, &[off], false);
    assert_eq!(
        told(&mut database, &gateway, now()),
        [(book.clone(), (2, 3), vec![("2".to_owned(), Standing::Cancelled)])]
    );
    let names = records.place.open().expect("opens").query("SELECT name FROM agenda WHERE state = 'cancelled'", &[]);
    assert_eq!(names.expect("answers")[0].get::<String>(0).expect("a text"), "");
    // A store that was restored from a backup holds less, or nothing.
    says(&mut database, &gateway, Some(Held { book: book.clone(), version: 1 }));
    assert_eq!(told(&mut database, &gateway, now())[0].1, (1, 3));
    says(&mut database, &gateway, None);
    let whole = told(&mut database, &gateway, now());
    assert_eq!((whole[0].1, whole[0].2.len()), ((0, 3), 1), "what was called off was never told to this one");
    // The whole list: what it does not name is called off.
    let written = put(&mut database, &gateway, &[entry("7", soon)], true);
    assert_eq!(written, Written { changed: 1, unchanged: 0, called_off: 1 });
}

/// A gateway of an older version would not understand; another store hears nothing of it.
fn nobody_else_is_told(side: Side) {
    let (records, gateway, other) = (Records::new(side), Gateway::named("sh-001-g1"), Gateway::named("sh-002-g1"));
    let mut database = records.open();
    says(&mut database, &gateway, None);
    comes(&mut database, &other, None);
    let soon = later(now(), 3_600_000);
    put(&mut database, &gateway, &[entry("1", soon)], false);
    assert!(database.downlink_due(now()).expect("answers").is_empty());
    assert!(database.downlink_due(later(now(), DAY / 2)).expect("answers").is_empty());
    // Its program was exchanged.
    comes(&mut database, &gateway, None);
    assert_eq!(told(&mut database, &gateway, now()).len(), 1);
    assert!(told(&mut database, &other, now()).is_empty());
}

/// Of what lies further ahead nothing is told until its week has come; what moves out of sight is taken back without a name.
fn a_store_sees_seven_days_ahead(side: Side) {
    let (records, gateway) = (Records::new(side), Gateway::named("sh-001-g1"));
    let mut database = records.open();
    comes(&mut database, &gateway, None);
    let begin = now();
    let (near, far) = (later(begin, DAY), later(begin, 9 * DAY));
    put(&mut database, &gateway, &[entry("near", near), entry("far", far)], false);
    let first = told(&mut database, &gateway, begin);
    assert_eq!(first[0].2, [("near".to_owned(), Standing::Booked)]);
    let (book, (_, version), _) = first[0].clone();
    says(&mut database, &gateway, Some(Held { book: book.clone(), version }));
    assert!(told(&mut database, &gateway, later(begin, DAY)).is_empty());
    let seen = told(&mut database, &gateway, later(begin, 3 * DAY));
    assert_eq!(seen[0].2, [("far".to_owned(), Standing::Booked)], "its week has come");
    says(&mut database, &gateway, Some(Held { book: book.clone(), version: seen[0].1.1 }));
    put(&mut database, &gateway, &[entry("far", later(begin, 60 * DAY))], false);
    let due = database.downlink_due(later(begin, 3 * DAY)).expect("answers");
    let [(_, Reply::Agenda { appointments, .. })] = &due[..] else { panic!("{due:?}") };
    assert_eq!((appointments[0].state, appointments[0].name.as_str()), (Standing::Moved, ""));
    // What is over does not stay here.
    let over = database.downlink_due(later(begin, 5 * DAY)).expect("answers");
    assert!(over.len() <= 1);
    let left = records.place.open().expect("opens").query("SELECT appointment FROM agenda ORDER BY 1", &[]);
    let left: Vec<String> = left.expect("answers").iter().map(|row| row.get(0).expect("a text")).collect();
    assert_eq!(left, ["far"]);
}

/// A busy chain's file goes down in parts below what a publish may have, each leading on from the one before.
fn a_long_list_goes_down_in_parts(side: Side) {
    let (records, gateway) = (Records::new(side), Gateway::named("sh-001-g1"));
    let mut database = records.open();
    comes(&mut database, &gateway, None);
    let entries: Vec<_> = (0..600).map(|n| entry(&format!("crm-{n:05}"), later(now(), n * 60_000))).collect();
    put(&mut database, &gateway, &entries, true);
    let parts = told(&mut database, &gateway, now());
    assert!(parts.len() > 1, "{}", parts.len());
    let mut reached = 0;
    for (_, (since, upto), named) in &parts {
        assert_eq!(*since, reached);
        assert!(upto > since && !named.is_empty());
        reached = *upto;
    }
    assert_eq!((reached, parts.iter().map(|part| part.2.len()).sum::<usize>()), (600, 600));
    // It heard the first part only.
    says(&mut database, &gateway, Some(Held { book: parts[0].0.clone(), version: parts[0].1.1 }));
    assert_eq!(told(&mut database, &gateway, now()), parts[1..]);
}

/// A headquarters that was restored from a backup numbers its changes again: what a store holds by the old numbers must not hide
/// the new ones.
fn a_restored_headquarters_begins_another_book(side: Side) {
    let (records, gateway) = (Records::new(side), Gateway::named("sh-001-g1"));
    let mut database = records.open();
    comes(&mut database, &gateway, None);
    put(&mut database, &gateway, &[entry("1", later(now(), 3_600_000))], false);
    let (book, ..) = told(&mut database, &gateway, now()).remove(0);
    says(&mut database, &gateway, Some(Held { book: book.clone(), version: 9 }));
    let again = told(&mut database, &gateway, now());
    assert_ne!(again[0].0, book);
    assert_eq!((again[0].1, again[0].2.len()), ((0, 1), 1));
    says(&mut database, &gateway, Some(Held { book: again[0].0.clone(), version: 1 }));
    assert!(told(&mut database, &gateway, later(now(), 60_000)).is_empty());
}
