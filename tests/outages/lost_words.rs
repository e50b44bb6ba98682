//! Words that do not arrive: a refusal, an acknowledgement that a withdrawal crosses.

use crate::{
    gateway::{Running, all_is_there, talk},
    headquarters::{Headquarters, LIMIT, address},
    restores::taken_without_an_answer,
    salon::{self, Salon},
};
use rusqlite::Connection;
use skinlink::domain::{Region, consent::Purpose};
use std::{fs, time::Duration};
use tokio::time::timeout;

/// The story of an event that is no event any more, in the middle of others, whose refusal was lost on the way: the rest goes
/// on, and it is among the dead letters all the same.
#[tokio::test]
async fn a_poisoned_event_goes_to_the_dead_letters_though_the_first_word_on_it_was_lost() {
    let headquarters = Headquarters::start().await;
    let salon = Salon::new().await;
    talk(&salon, 9).await;
    let salon = poisoned(salon, 5).await;
    taken_without_an_answer(&headquarters, &salon.store).await;
    let mut running = Running::start(&salon.store, headquarters.connector(&address()));
    talk(&salon, 3).await;
    let status = running.until("people are told", |status| status.alarm.is_some()).await;
    assert!(status.alarm.is_some_and(|alarm| alarm.contains("dead letters")));
    let letters = salon.store.dead_letters(10).await.expect("a store");
    assert_eq!((letters.len(), letters[0].seq, letters[0].body.as_str()), (1, 5, "garbage"));
    assert!(letters[0].reason.contains("no JSON"), "{letters:?}");
    let counts = headquarters
        .eventually("all the others", |ledger| {
            let counts = ledger.counts().ok()?.remove(0);
            (counts.events == 12 && counts.gaps == 0).then_some(counts)
        })
        .await;
    assert_eq!((counts.refused, counts.duplicates, counts.alarms), (1, 0, 0), "{counts:?}");
    running.stop().await;
    // It is said once: who knows of it is not told again.
    let mut running = Running::start(&salon.store, headquarters.connector(&address()));
    running.until("connected", |status| status.connection == skinlink::tasks::sync::Connection::Connected).await;
    talk(&salon, 1).await;
    let status = running.until("confirmed", |status| status.last_acknowledged.is_some()).await;
    assert_eq!(status.alarm, None);
    running.stop().await;
}

/// The same store, with the text of event `seq` damaged on the disk.
async fn poisoned(salon: Salon, seq: u64) -> Salon {
    let data = salon.data();
    let Salon { folder, store, customer } = salon;
    assert!(store.close(LIMIT).await, "the store closes");
    let conn = Connection::open(data.join("skinlink.db")).expect("the database");
    let key = fs::read_to_string(data.join("store.key")).expect("its key");
    conn.execute_batch(&format!("PRAGMA key = \"x'{}'\";", key.trim())).expect("keyed");
    let changed = conn
        .execute("UPDATE outbox SET body = 'garbage' WHERE place & 1048575 = ?1", [i64::try_from(seq).expect("small")])
        .expect("damaged");
    assert_eq!(changed, 1);
    drop(conn);
    Salon { store: salon::open(&folder), folder, customer }
}

/// The story of a customer who says no, and then yes again, while headquarters' word on her reading is under way. The reading
/// is told a second time; headquarters, which had it all along, must know it for the same.
#[tokio::test]
async fn a_reading_told_again_after_a_no_and_a_yes_stands_once() {
    for no_arrives_first in [false, true] {
        let headquarters = Headquarters::start().await;
        let salon = Salon::new().await;
        salon.say(Purpose::ShareNumbers, true).await;
        let visit = salon.visit().await;
        let scan = salon.scan(visit).await;
        salon.reading(scan, Region::Forehead).await;
        taken_without_an_answer(&headquarters, &salon.store).await;
        salon.say(Purpose::ShareNumbers, false).await;
        if no_arrives_first {
            taken_without_an_answer(&headquarters, &salon.store).await;
        }
        salon.say(Purpose::ShareNumbers, true).await;
        let running = Running::start(&salon.store, headquarters.connector(&address()));
        let counts = timeout(LIMIT, async {
            loop {
                let counts = headquarters.eventually("totals", |ledger| Some(ledger.counts().ok()?.remove(0))).await;
                if counts.events == salon.store.last_seq().await.expect("a store") {
                    return counts;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await
        .expect("all in time");
        assert_eq!((counts.duplicates, counts.gaps, counts.alarms, counts.refused), (0, 0, 0, 0), "{counts:?}");
        let readings = headquarters.eventually("the reading", |ledger| ledger.readings().ok()).await;
        assert_eq!(readings.len(), 1, "no first: {no_arrives_first}");
        running.stop().await;
    }
}

/// Nothing that was composed before a withdrawal leaves after it: with the line held up, a batch waits ready to be sent while
/// the customer says no.
#[tokio::test]
async fn a_batch_composed_before_a_no_is_not_sent_after_it() {
    let mut headquarters = Headquarters::start().await;
    let salon = Salon::new().await;
    salon.say(Purpose::ShareNumbers, true).await;
    let visit = salon.visit().await;
    let scan = salon.scan(visit).await;
    let running = Running::start(&salon.store, headquarters.connector(&address()));
    all_is_there(&headquarters, &salon.store).await;
    headquarters.broker.kill().await;
    salon.reading(scan, Region::Forehead).await;
    salon.say(Purpose::ShareNumbers, false).await;
    headquarters.broker.restart().await.expect("the broker starts again");
    all_is_there(&headquarters, &salon.store).await;
    let rows = headquarters.eventually("all rows", |ledger| ledger.events_after(0, 1_000).ok()).await;
    assert!(!rows.iter().any(|row| row.kind.ends_with("reading.v1")), "the number did not leave");
    running.stop().await;
}
