//! Words that do not arrive: a refusal, an acknowledgement that a withdrawal crosses.

use crate::{
    gateway::{Running, settings, talk},
    headquarters::{Headquarters, LIMIT, address},
    restores::taken_without_an_answer,
    salon::{self, Salon},
};
use rusqlite::Connection;
use skinlink::{
    domain::{Region, consent::Purpose},
    ports::{BrokerWord, Connector, FromBroker, Publish, Uplink, UplinkError},
    sync::{reply::Reply, topic::Lane},
};
use std::{
    fs,
    sync::{Arc, Mutex},
    task::Poll,
    time::Duration,
};
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};

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

/// The story of a customer who says no, and then yes again, while headquarters' word on her readings is under way. They are
/// told a second time; headquarters, which had them all along, must know them for the same, wherever a batch ends.
#[tokio::test]
async fn a_reading_told_again_after_a_no_and_a_yes_stands_once() {
    for (no_arrives_first, together) in [(false, 20), (true, 20), (false, 2), (true, 2)] {
        let headquarters = Headquarters::start().await;
        let salon = Salon::new().await;
        salon.say(Purpose::ShareNumbers, true).await;
        let visit = salon.visit().await;
        let scan = salon.scan(visit).await;
        let regions = [Region::Forehead, Region::Nose, Region::Chin, Region::LeftCheek, Region::RightCheek];
        for region in regions {
            salon.reading(scan, region).await;
        }
        taken_without_an_answer(&headquarters, &salon.store).await;
        salon.say(Purpose::ShareNumbers, false).await;
        if no_arrives_first {
            taken_without_an_answer(&headquarters, &salon.store).await;
        }
        salon.say(Purpose::ShareNumbers, true).await;
        let mut batches = settings();
        batches.sync.batch_events = together;
        let running = Running::start_with(&salon.store, headquarters.connector(&address()), batches);
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
        assert_eq!(readings.len(), regions.len(), "no first: {no_arrives_first}, {together} in a batch");
        running.stop().await;
    }
}

/// A line to headquarters that takes one publish and then stands still, as behind a full buffer.
struct Held {
    publishes: mpsc::Receiver<Publish>,
    says: mpsc::Sender<FromBroker>,
    /// Moves whenever the task waits, with what it does next composed.
    waits: watch::Receiver<u64>,
}

impl Held {
    /// The line, and the connector that makes it, once.
    fn line() -> (Self, Connector) {
        let (publish, publishes) = mpsc::channel(1);
        let (says, arrived) = mpsc::channel(8);
        let (waiting, waits) = watch::channel(0);
        let driver = std::future::poll_fn(move |_| {
            waiting.send_modify(|count| *count += 1);
            Poll::Pending
        });
        let uplink = Mutex::new(Some(Uplink { publish, arrived, driver: Box::pin(driver) }));
        let connector: Connector = Arc::new(move || {
            let uplink = uplink.lock().expect("one task").take();
            Box::pin(async move { uplink.ok_or_else(|| UplinkError::Lost("the line is made once".to_owned())) })
        });
        (Self { publishes, says, waits }, connector)
    }

    async fn next(&mut self) -> Publish {
        timeout(LIMIT, self.publishes.recv()).await.expect("a publish in time").expect("the task runs")
    }

    async fn say(&self, reply: &Reply) {
        let (topic, payload) = (address().topic(&Lane::Ack), serde_json::to_vec(reply).expect("plain data"));
        self.says.send(FromBroker::Message { topic, payload }).await.expect("the task listens");
    }

    /// Wakes the task with a word on nothing, and waits until it waits again.
    async fn stands_still(&mut self) {
        self.waits.mark_unchanged();
        let nothing = FromBroker::Word { token: u64::MAX, word: BrokerWord::Taken };
        self.says.send(nothing).await.expect("the task listens");
        timeout(LIMIT, self.waits.changed()).await.expect("in time").expect("the task runs");
    }
}

/// Nothing that was composed before a withdrawal leaves after it: the line stands still with a hello in it, headquarters'
/// answer to an earlier one is there, a batch is composed and waits for room. The customer says no; then the line goes on.
#[tokio::test]
async fn a_batch_composed_before_a_no_is_not_sent_after_it() {
    let salon = Salon::new().await;
    salon.say(Purpose::ShareNumbers, true).await;
    let scan = salon.scan(salon.visit().await).await;
    salon.reading(scan, Region::Forehead).await;
    let (mut line, connector) = Held::line();
    let mut running = Running::start(&salon.store, connector);
    for lane in [Lane::Status, Lane::About] {
        assert_eq!(line.next().await.topic, address().topic(&lane));
    }
    timeout(LIMIT, async {
        while line.publishes.is_empty() {
            line.stands_still().await;
        }
    })
    .await
    .expect("a hello lies in the line");
    let epoch = salon.store.epoch().await.expect("a store").to_string();
    let stands = Reply::Hello { epoch, last_seq: 0, upto: 0, ranges: Vec::new(), known: None, over: false };
    line.say(&stands).await;
    running.until("it knows where headquarters stands", |status| status.waiting > 0).await;
    line.stands_still().await;
    salon.say(Purpose::ShareNumbers, false).await;

    assert_eq!(line.next().await.topic, address().topic(&Lane::Hello));
    let mut told: Vec<String> = Vec::new();
    // In whichever order: what is new may go before what waited. Both come, so the line has gone on.
    let says = |told: &[String], word: &str| told.iter().any(|payload| payload.contains(word));
    while !(says(&told, "\"given\":false") && says(&told, "redacted.v1")) {
        let publish = line.next().await;
        if publish.topic == address().topic(&Lane::Events) {
            told.push(String::from_utf8(publish.payload).expect("JSON"));
            assert!(!says(&told, "reading.v1"), "the number has left: {told:?}");
        }
    }
    running.stop().await;
}

/// Two receivers answer, each at its own pace: a word from before comes last. That is no reason to send anything again. Said
/// twice, it is: headquarters was restored from a backup.
#[tokio::test]
async fn a_late_word_of_headquarters_is_not_taken_for_a_restore() {
    let salon = Salon::new().await;
    talk(&salon, 5).await;
    let (last, epoch) = (salon.store.last_seq().await.expect("a store"), salon.store.epoch().await.expect("a store"));
    let stands = |upto: u64| {
        let (epoch, ranges) = (epoch.to_string(), Vec::new());
        Reply::Hello { epoch, last_seq: last, upto, ranges, known: None, over: false }
    };
    let begins_at = |publish: &Publish| {
        assert_eq!(publish.topic, address().topic(&Lane::Events));
        serde_json::from_slice::<serde_json::Value>(&publish.payload).expect("JSON")["first_seq"].as_u64()
    };
    let (mut line, connector) = Held::line();
    let mut running = Running::start(&salon.store, connector);
    for lane in [Lane::Status, Lane::About, Lane::Hello] {
        assert_eq!(line.next().await.topic, address().topic(&lane));
    }
    line.say(&stands(last)).await;
    running.until("connected", |status| status.connection == skinlink::tasks::sync::Connection::Connected).await;
    line.say(&stands(last - 2)).await;
    assert_eq!(line.next().await.topic, address().topic(&Lane::Hello), "asked once more, and nothing is sent again");
    line.say(&stands(last)).await;
    talk(&salon, 1).await;
    assert_eq!(begins_at(&line.next().await), Some(last + 1));

    line.say(&stands(last - 2)).await;
    assert_eq!(line.next().await.topic, address().topic(&Lane::Hello));
    line.say(&stands(last - 2)).await;
    // What is new may go before what is sent again.
    let again = [begins_at(&line.next().await), begins_at(&line.next().await)];
    assert!(again.contains(&Some(last - 1)), "said twice, it is believed: {again:?}");
    running.stop().await;
}
