//! The newest events are sent from memory: what is there must be what the database holds, whatever becomes of its rows.

use crate::salon::Salon;
use skinlink::{
    domain::{Region, consent::Purpose},
    store::Store,
};

/// Every event by itself and all that follow it, as they are read for sending, against the rows of the outbox.
async fn memory_and_database_agree(store: &Store) {
    let (epoch, last) = (store.epoch().await.unwrap(), store.last_seq().await.unwrap());
    let rows = store.unacknowledged(0, usize::MAX, usize::MAX).await.unwrap();
    assert!(!rows.is_empty(), "nothing is acknowledged in these stories");
    for (at, (seq, body)) in rows.iter().enumerate() {
        let one = store.range(epoch, *seq, *seq, 1, usize::MAX).await.unwrap();
        assert_eq!(one, [(*seq, body.clone())]);
        assert_eq!(store.range(epoch, *seq, last, usize::MAX, usize::MAX).await.unwrap(), rows[at..]);
    }
}

#[tokio::test]
async fn what_is_recorded_is_sent_as_it_stands() {
    let salon = Salon::new().await;
    salon.say(Purpose::ShareNumbers, true).await;
    let visit = salon.visit().await;
    let scan = salon.scan(visit).await;
    salon.reading(scan, Region::Forehead).await;
    memory_and_database_agree(&salon.store).await;
    let refused = salon.store.begin_scan(visit, Some(99), skinlink::domain::scan::Phase::After, Vec::new()).await;
    assert!(refused.is_err(), "a visit seen at another version: {refused:?}");
    salon.reading(scan, Region::Chin).await;
    memory_and_database_agree(&salon.store).await;
    let salon = salon.reopened().await;
    memory_and_database_agree(&salon.store).await;
}

/// A no takes the numbers back while the sender may be reading them: from its commit on nobody finds them any more.
#[tokio::test]
async fn what_a_no_took_out_is_in_memory_no_longer() {
    let salon = Salon::new().await;
    salon.say(Purpose::ShareNumbers, true).await;
    let visit = salon.visit().await;
    let scan = salon.scan(visit).await;
    let reading = salon.reading(scan, Region::Forehead).await.id.to_string();
    let (epoch, seq) = (salon.store.epoch().await.unwrap(), salon.store.last_seq().await.unwrap());
    let before = salon.store.range(epoch, seq, seq, 1, usize::MAX).await.unwrap();
    assert!(before[0].1.contains(&reading));
    salon.say(Purpose::ShareNumbers, false).await;
    let after = salon.store.range(epoch, seq, seq, 1, usize::MAX).await.unwrap();
    assert!(!after[0].1.contains(&reading) && after[0].1.contains("redacted.v1"), "{after:?}");
    memory_and_database_agree(&salon.store).await;
}

#[tokio::test]
async fn a_new_epoch_takes_its_events_along_and_leaves_none_under_the_old() {
    let salon = Salon::new().await;
    let visit = salon.visit().await;
    salon.scan(visit).await;
    let (old, last) = (salon.store.epoch().await.unwrap(), salon.store.last_seq().await.unwrap());
    salon.store.new_epoch(None).await.unwrap();
    assert_eq!(salon.store.range(old, 1, last, usize::MAX, usize::MAX).await.unwrap(), []);
    memory_and_database_agree(&salon.store).await;
    salon.store.set_steps(visit, None, vec!["peeling".to_owned()], "staff-1".to_owned()).await.unwrap();
    memory_and_database_agree(&salon.store).await;
}
