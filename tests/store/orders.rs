//! What headquarters wants done once: said twenty times, killed in the middle, of people who are not here.

use crate::salon::{LIMIT, Salon, open, options, person};
use skinlink::{
    clock,
    domain::{CustomerId, OrderId, Region, Timestamp, consent::Purpose},
    store::{Answered, Store},
    sync::{downlink::Outcome, payload},
};
use std::{env, os::unix::process::ExitStatusExt, path::PathBuf, process::Command};

fn until() -> Timestamp {
    Timestamp::from_unix_ms(clock::now().wall.unix_ms() + 86_400_000)
}

fn order() -> OrderId {
    clock::mint(OrderId::from_bits)
}

async fn answers(store: &Store) -> Vec<payload::Answer> {
    let events = crate::salon::events(store).await.into_iter().filter(|event| event.kind.ends_with("answer.v1"));
    events.map(|event| serde_json::from_str(event.data.get()).unwrap()).collect()
}

async fn measured() -> Salon {
    let salon = Salon::new().await;
    for purpose in Purpose::ALL {
        salon.say(*purpose, true).await;
    }
    let visit = salon.visit().await;
    let scan = salon.scan(visit).await;
    salon.reading(scan, Region::Forehead).await;
    salon.capture(scan).await;
    salon
}

async fn another(store: &Store) -> CustomerId {
    let id = clock::mint(CustomerId::from_bits);
    store.save_customer(person(id), "staff-1".to_owned()).await.unwrap();
    id
}

#[tokio::test]
async fn an_order_said_twenty_times_is_done_and_answered_once() {
    let salon = measured().await;
    let (store, gone) = (&salon.store, another(&salon.store).await);
    let (erase, merge, check) = (order(), order(), order());
    let mut now = [0; 3];
    for round in 0..20 {
        let said = tokio::join!(
            store.merge_by_order(merge, until(), salon.customer, gone),
            store.merge_by_order(merge, until(), salon.customer, gone),
            store.answer_order(check, until(), Outcome::Done, "[]".to_owned()),
        );
        now[0] += usize::from(said.0.unwrap() != Answered::Before) + usize::from(said.1.unwrap() != Answered::Before);
        now[1] += usize::from(said.2.unwrap() != Answered::Before);
        if round % 5 == 4 {
            now[2] += usize::from(store.erase_by_order(erase, until(), gone).await.unwrap() != Answered::Before);
        }
    }
    assert_eq!(now, [1, 1, 1]);
    let answers = answers(store).await;
    assert_eq!(answers.len(), 3);
    assert!(answers.iter().all(|answer| answer.outcome == Outcome::Done), "{answers:?}");
    // Erased under the id that had gone into the other: the person has both.
    assert!(store.customer(salon.customer).await.is_err() && store.customer(gone).await.is_err());
    assert_eq!(
        salon.count("alias.v1").await + salon.count("erased.v1").await,
        2,
        "the alias is redacted, two ids erased"
    );
    let salon = salon.reopened().await;
    assert_eq!(salon.store.erase_by_order(erase, until(), gone).await.unwrap(), Answered::Before, "after a restart");
    assert!(salon.store.verify_audit().await.unwrap().is_ok());
}

#[tokio::test]
async fn what_cannot_be_done_is_refused_with_a_sentence_and_changes_nothing() {
    let salon = measured().await;
    let (store, stranger, here) = (&salon.store, clock::mint(CustomerId::from_bits), salon.customer);
    let before = store.record(here).await.unwrap();
    for (stays, gone) in [(here, stranger), (stranger, here), (here, here), (stranger, stranger)] {
        let answered = store.merge_by_order(order(), until(), stays, gone).await.unwrap();
        assert_eq!(answered, Answered::Now(Outcome::Refused), "{stays} {gone}");
    }
    assert_eq!(store.erase_by_order(order(), until(), stranger).await.unwrap(), Answered::Now(Outcome::Refused));
    let all = answers(store).await;
    assert_eq!(all.len(), 5);
    assert!(all.iter().all(|answer| answer.outcome == Outcome::Refused && answer.words.len() > 20), "{all:?}");
    assert_eq!(store.record(here).await.unwrap().version, before.version);
    assert_eq!(salon.count("alias.v1").await + salon.count("erased.v1").await, 0);
    // Merged before by the store itself: what is wanted holds already.
    let gone = another(store).await;
    store.join_customers(here, gone, None, "staff-1".to_owned()).await.unwrap();
    assert_eq!(store.merge_by_order(order(), until(), gone, here).await.unwrap(), Answered::Now(Outcome::Done));
    assert_eq!(salon.count("alias.v1").await, 1);
    // Erased before at the store: another order of it finds it done.
    store.erase_customer(here, "staff-1".to_owned(), "asked".to_owned()).await.unwrap();
    assert_eq!(store.erase_by_order(order(), until(), here).await.unwrap(), Answered::Now(Outcome::Done));
}

/// One who stands for a third person already goes with all of theirs.
#[tokio::test]
async fn whoever_stands_for_somebody_goes_with_them() {
    let salon = Salon::new().await;
    let store = &salon.store;
    let (stays, gone, third) = (salon.customer, another(store).await, another(store).await);
    store.join_customers(third, gone, None, "staff-1".to_owned()).await.unwrap();
    assert_eq!(store.merge_by_order(order(), until(), stays, gone).await.unwrap(), Answered::Now(Outcome::Done));
    for id in [stays, gone, third] {
        assert_eq!(store.customer(id).await.unwrap().id, stays, "one person");
    }
}

/// An answered order is known for thirty days after it was done and might be said, and is then forgotten.
#[tokio::test]
async fn an_answered_order_is_forgotten_long_after_its_time() {
    let salon = Salon::new().await;
    let (old, kept, new) = (order(), order(), order());
    let long_ago = Timestamp::from_unix_ms(clock::now().wall.unix_ms() - 31 * 86_400_000);
    salon.store.answer_order(old, long_ago, Outcome::TooLate, String::new()).await.unwrap();
    salon.store.answer_order(kept, until(), Outcome::Done, String::new()).await.unwrap();
    let Salon { folder, store, customer } = salon;
    assert!(store.close(LIMIT).await);
    // As if both had been answered when the first one's time was over.
    let data = folder.path().join("data");
    let conn = rusqlite::Connection::open(data.join(skinlink::store::DATABASE)).unwrap();
    let hex = std::fs::read_to_string(data.join("store.key")).unwrap();
    conn.execute_batch(&format!("PRAGMA key = \"x'{}'\";", hex.trim())).unwrap();
    assert_eq!(conn.execute("UPDATE orders SET done_ms = ?1", [long_ago.unix_ms()]).unwrap(), 2);
    drop(conn);
    let salon = Salon { store: open(&folder), folder, customer };
    assert!(salon.store.order_is_answered(old).await.unwrap());
    salon.store.answer_order(new, until(), Outcome::Done, String::new()).await.unwrap();
    assert!(!salon.store.order_is_answered(old).await.unwrap(), "its time and its answer are long ago");
    assert!(salon.store.order_is_answered(kept).await.unwrap(), "it may still be said");
}

/// The child of the test below: does one order, and is killed in it.
#[tokio::test]
#[ignore = "the child of the test below"]
async fn child() {
    let store = Store::open(options(PathBuf::from(env::var("SKINLINK_ORDER_FOLDER").unwrap()))).unwrap();
    let id = |name: &str| env::var(name).unwrap();
    let (order, customer) = (id("SKINLINK_ORDER").parse().unwrap(), id("SKINLINK_ORDER_OF").parse().unwrap());
    match env::var("SKINLINK_ORDER_GONE") {
        Ok(gone) => store.merge_by_order(order, until(), customer, gone.parse().unwrap()).await.map(drop).unwrap(),
        Err(_) => store.erase_by_order(order, until(), customer).await.map(drop).unwrap(),
    }
    assert!(store.close(LIMIT).await);
}

/// Killed before, in, between and after deed and answer: said again it is done, once, and answered once.
#[tokio::test]
async fn killed_between_deed_and_answer_it_is_done_and_answered_once_when_it_is_said_again() {
    let erasing = [
        "store.erasure.one_noted",
        "store.erasure.key_destroyed",
        "store.erasure.rows_removed",
        "store.event.numbered",
        "store.batch.before_commit",
        "store.batch.committed",
        "store.erasure.committed",
    ];
    let merging =
        ["store.customer.joined", "store.event.numbered", "store.batch.before_commit", "store.batch.committed"];
    let cases = erasing.map(|point| (point, false)).into_iter().chain(merging.map(|point| (point, true)));
    for (point, merges) in cases {
        for count in 1..=2 {
            let salon = measured().await;
            let (gone, order) = (another(&salon.store).await, order());
            let Salon { folder, store, customer } = salon;
            assert!(store.close(LIMIT).await);
            let mut command = Command::new(env::current_exe().unwrap());
            command
                .args(["--exact", "orders::child", "--ignored", "--quiet"])
                .env("SKINLINK_ORDER_FOLDER", folder.path().join("data"))
                .env("SKINLINK_ORDER", order.to_string())
                .env("SKINLINK_ORDER_OF", customer.to_string())
                .env("SKINLINK_KILL_AT", format!("{point}:{count}"));
            if merges {
                command.env("SKINLINK_ORDER_GONE", gone.to_string());
            }
            let died = command.output().unwrap().status.signal() == Some(9);
            assert!(died || count > 1, "{point} is never passed");
            let store = open(&folder);
            let again = || async {
                match merges {
                    true => store.merge_by_order(order, until(), customer, gone).await.unwrap(),
                    false => store.erase_by_order(order, until(), customer).await.unwrap(),
                }
            };
            for _ in 0..3 {
                again().await;
            }
            let answers = answers(&store).await;
            let done = matches!(&answers[..], [one] if one.outcome == Outcome::Done && one.order == order.to_string());
            assert!(done, "{point}:{count}: {answers:?}");
            let salon = Salon { folder, store, customer };
            if merges {
                assert_eq!(salon.count("alias.v1").await, 1, "{point}:{count}");
                assert_eq!(salon.store.customer(gone).await.unwrap().id, customer);
            } else {
                assert_eq!(salon.count("erased.v1").await, 1, "{point}:{count}");
                assert!(salon.store.customer(customer).await.is_err() && salon.store.customer(gone).await.is_ok());
            }
            assert!(salon.store.verify_audit().await.unwrap().is_ok(), "{point}:{count}");
            println!("{point}:{count} {}: killed {died}", if merges { "merge" } else { "erase" });
        }
    }
}
