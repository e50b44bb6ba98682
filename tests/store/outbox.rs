//! Events on their way to HQ: drawn without gaps, kept until acknowledged, told again when asked.

use crate::{
    faults::keyed,
    salon::{LIMIT, Salon, events},
};
use skinlink::{
    clock,
    domain::{Epoch, Timestamp, consent::Purpose},
    store::Store,
};
use std::fs;

/// Ten events: the visit, its scan and eight changes of steps.
async fn ten() -> Salon {
    let salon = Salon::new().await;
    let visit = salon.visit().await;
    salon.scan(visit).await;
    for n in 0..8 {
        salon.store.set_steps(visit, None, vec![format!("step {n}")], "staff-1".to_owned()).await.unwrap();
    }
    assert_eq!(salon.store.last_seq().await.unwrap(), 10);
    salon
}

async fn waiting(store: &Store) -> Vec<u64> {
    store.unacknowledged(0, 1000, usize::MAX).await.unwrap().into_iter().map(|(seq, _)| seq).collect()
}

#[tokio::test]
async fn events_wait_in_order_until_acknowledged_whatever_order_that_comes_in() {
    let salon = ten().await;
    let (store, epoch) = (&salon.store, salon.store.epoch().await.unwrap());
    assert_eq!(waiting(store).await, (1..=10).collect::<Vec<_>>());
    let one = store.unacknowledged(4, 1000, 1).await.unwrap();
    assert_eq!(one.len(), 1, "at least one, however small the limit: a long event must not block for ever");
    assert_eq!(one[0].0, 4);

    assert_eq!(store.acknowledge(epoch, 2, vec![(5, 6), (9, 9)]).await.unwrap(), 5);
    assert_eq!(waiting(store).await, [3, 4, 7, 8, 10]);
    assert_eq!(store.acknowledge(epoch, 2, vec![(5, 6)]).await.unwrap(), 0, "said twice");
    let foreign = clock::mint(Epoch::from_bits);
    assert_eq!(store.acknowledge(foreign, 10, Vec::new()).await.unwrap(), 0, "another epoch");
    assert_eq!(store.acknowledge(epoch, u64::MAX >> 1, Vec::new()).await.unwrap(), 5, "more than there is");
    assert_eq!(store.backlog().await.unwrap().events, 0);
    assert_eq!(events(store).await.len(), 10, "kept, so that HQ can ask again");
}

#[tokio::test]
async fn what_hq_refuses_goes_to_the_dead_letters_and_blocks_nothing() {
    let salon = ten().await;
    let epoch = salon.store.epoch().await.unwrap();
    assert!(salon.store.dead_letter(epoch, 3, "data: no such phase".to_owned()).await.unwrap());
    assert!(!salon.store.dead_letter(epoch, 99, "x".to_owned()).await.unwrap());
    assert_eq!(waiting(&salon.store).await, [1, 2, 4, 5, 6, 7, 8, 9, 10]);
    let letters = salon.store.dead_letters(10).await.unwrap();
    assert_eq!((letters.len(), letters[0].seq, letters[0].reason.as_str()), (1, 3, "data: no such phase"));
    assert_eq!(salon.store.backlog().await.unwrap().dead_letters, 1);
}

#[tokio::test]
async fn pruning_leaves_no_holes_and_nothing_unacknowledged_goes() {
    let salon = ten().await;
    let (store, epoch) = (&salon.store, salon.store.epoch().await.unwrap());
    let later = |days: i64| Timestamp::from_unix_ms(clock::now().wall.unix_ms() + days * 86_400_000);
    store.acknowledge(epoch, 4, vec![(7, 9)]).await.unwrap();
    assert_eq!(store.prune(later(29), 30).await.unwrap(), 0);
    assert_eq!(store.prune(later(31), 30).await.unwrap(), 4, "7 to 9 stay: 5 and 6 still wait before them");
    assert_eq!(store.oldest_kept().await.unwrap(), 5);
    assert_eq!(waiting(store).await, [5, 6, 10]);
    assert_eq!(events(store).await.len(), 6);
    store.acknowledge(epoch, 10, Vec::new()).await.unwrap();
    store.prune(later(31), 30).await.unwrap();
    assert_eq!((store.oldest_kept().await.unwrap(), store.last_seq().await.unwrap()), (11, 10));
}

/// Headquarters' word ends the epoch between the moving and the pruning: what is to move had been acknowledged long ago, and was
/// removed before it was told again.
#[tokio::test]
async fn an_epoch_that_ends_behind_the_pruning_keeps_what_is_to_move() {
    let salon = ten().await;
    salon.store.acknowledge(salon.store.epoch().await.unwrap(), 10, Vec::new()).await.unwrap();
    // As an epoch that begins again from 3 is written; but nobody has told the store that something is to move.
    let ended = "BEGIN IMMEDIATE;
        INSERT INTO epochs (n, epoch, last_seq, acknowledged_upto, pruned_upto) SELECT n + 1, randomblob(16), 8, 0, 0 FROM epochs;
        INSERT INTO moved (epoch, first, last) SELECT min(n), 3, 10 FROM epochs;
        UPDATE epochs SET acknowledged_upto = 2 WHERE n = (SELECT min(n) FROM epochs);
        COMMIT;";
    keyed(&salon.data()).execute_batch(ended).unwrap();
    let later = Timestamp::from_unix_ms(clock::now().wall.unix_ms() + 31 * 86_400_000);
    assert_eq!(salon.store.prune(later, 30).await.unwrap(), 0);
    let salon = salon.reopened().await;
    assert_eq!(waiting(&salon.store).await, (1..=8).collect::<Vec<_>>());
}

#[tokio::test]
async fn the_sequence_goes_on_without_gap_after_a_restart() {
    let salon = ten().await.reopened().await;
    let visit = salon.store.open_visits().await.unwrap()[0].id;
    assert_eq!(*salon.store.outbox_changed().borrow(), 10);
    salon.store.set_steps(visit, None, Vec::new(), "staff-1".to_owned()).await.unwrap();
    assert_eq!(events(&salon.store).await.len(), 11);
}

#[tokio::test]
async fn whoever_sends_wakes_when_there_is_something() {
    let salon = ten().await;
    let mut changed = salon.store.outbox_changed();
    changed.mark_unchanged();
    salon.repeat(None, "35.0", None).await;
    assert!(!changed.has_changed().unwrap(), "a value in the tray is nothing for HQ yet");
    let visit = salon.store.open_visits().await.unwrap()[0].id;
    salon.store.set_steps(visit, None, Vec::new(), "staff-1".to_owned()).await.unwrap();
    tokio::time::timeout(LIMIT, changed.changed()).await.expect("woken in time").unwrap();
    assert_eq!(*changed.borrow(), 11);
}

/// A copy that the store itself made begins a new epoch when it is opened, before anything else: what it records must not be
/// taken for what HQ had from the disk that was lost. What waits keeps its id under new numbers, so that HQ recognises what
/// it holds already; the same number under another id, which would be an alarm, does not arise.
#[tokio::test]
async fn a_store_restored_from_a_backup_starts_a_new_epoch_without_losing_what_waits() {
    let salon = ten().await;
    let old = salon.store.epoch().await.unwrap();
    salon.store.acknowledge(old, 4, vec![(6, 7)]).await.unwrap();
    let before = salon.store.unacknowledged(0, 100, usize::MAX).await.unwrap();
    let backup = salon.folder.path().join("copy.db");
    salon.store.back_up(backup.clone()).await.unwrap();
    assert_eq!(salon.store.epoch().await.unwrap(), old, "the original goes on as it was");
    let visit = salon.store.open_visits().await.unwrap()[0].id;
    salon.store.set_steps(visit, None, vec!["lost with the disk".to_owned()], "staff-1".to_owned()).await.unwrap();

    let Salon { folder, store, customer } = salon;
    assert!(store.close(LIMIT).await);
    fs::rename(&backup, folder.path().join("data/skinlink.db")).unwrap();
    let store = crate::salon::open(&folder);
    let new = store.epoch().await.unwrap();
    assert_ne!(new, old);
    let salon = Salon { folder, store, customer };
    let after = salon.events().await;
    assert_eq!(after.len(), before.len());
    for ((_, text), (event, seq)) in before.iter().zip(after.iter().zip(1..)) {
        let was: skinlink::sync::envelope::Event = serde_json::from_str(text).unwrap();
        assert_eq!((&was.id, was.data.get(), &was.time), (&event.id, event.data.get(), &event.time));
        assert_eq!((&event.epoch, event.seq), (&new.to_string(), seq));
    }
    let asked = salon.store.range(old, 1, 10, 100, usize::MAX).await.unwrap();
    assert_eq!(asked.len(), 6, "what HQ had acknowledged can still be asked for");
    assert_eq!(*salon.store.outbox_changed().borrow(), 4);
    let past = salon.store.past_epochs(0).await.unwrap();
    assert_eq!((past.len(), past[0].last_seq, past[0].oldest_kept), (1, 10, 1));
    assert_eq!((past[0].epoch.clone(), past[0].moved.clone()), (old.to_string(), vec![(5, 5), (8, 10)]));

    let salon = salon.reopened().await;
    assert_eq!(salon.store.epoch().await.unwrap(), new, "once is enough");
}

/// HQ holds other events from number 3 on, and its word may have settled ours: they are all told again.
#[tokio::test]
async fn a_conflict_tells_everything_from_there_on_again_acknowledged_or_not() {
    let salon = ten().await;
    let old = salon.store.epoch().await.unwrap();
    salon.store.acknowledge(old, 8, Vec::new()).await.unwrap();
    let ids: Vec<String> = salon.events().await.into_iter().map(|event| event.id).collect();
    assert!(!salon.store.has_another(old, 3, ids[2].clone()).await.unwrap());
    assert!(salon.store.has_another(old, 3, ids[3].clone()).await.unwrap());
    assert!(salon.store.has_another(old, 11, ids[3].clone()).await.unwrap(), "HQ has one where we have none");
    salon.store.new_epoch(Some(3)).await.unwrap();
    let again: Vec<String> = salon.events().await.into_iter().map(|event| event.id).collect();
    assert_eq!(again, ids[2..]);
    assert_eq!(waiting(&salon.store).await, (1..=8).collect::<Vec<_>>());
}

/// Rows of the outbox by the number of their epoch, as they lie in the file.
fn rows_by_epoch(data: &std::path::Path) -> Vec<(i64, u64)> {
    let conn = rusqlite::Connection::open(data.join("skinlink.db")).unwrap();
    let key = fs::read_to_string(data.join("store.key")).unwrap();
    conn.execute_batch(&format!("PRAGMA key = \"x'{}'\"; PRAGMA query_only = ON;", key.trim())).unwrap();
    let mut select = conn.prepare("SELECT place >> 40, count(*) FROM outbox GROUP BY 1 ORDER BY 1").unwrap();
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

/// What waits, with two thousand measurements that nobody is asked about.
async fn two_thousand() -> Salon {
    let salon = ten().await;
    for batch in 0..4 {
        let some = (1..=500).map(|n| crate::measurements::climate(batch * 500 + n, "22.40", false)).collect::<Vec<_>>();
        salon.store.record_measurements(some.into()).await.unwrap();
    }
    salon
}

/// The story of a store with a month's backlog that was restored: all of it was renumbered in one transaction, for which every
/// device and page had to wait. Now the numbers are given at once and the rows follow in parts.
#[tokio::test]
async fn a_new_epoch_moves_its_backlog_in_parts_in_order_and_goes_on_after_a_stop() {
    let salon = two_thousand().await;
    let ids: Vec<String> = salon.events().await.into_iter().map(|event| event.id).collect();
    let count = ids.len() as u64;
    salon.store.new_epoch(None).await.unwrap();
    let moved =
        |salon: &Salon, n: i64| rows_by_epoch(&salon.data()).iter().find(|(at, _)| *at == n).map_or(0, |(_, c)| *c);
    assert!(moved(&salon, 2) <= 500, "{} rows were moved in one change", moved(&salon, 2));
    assert_eq!(salon.store.last_seq().await.unwrap(), count, "all have their numbers");

    // What comes now stands behind them, and is there at once.
    salon.say(Purpose::DeliverReport, true).await;
    let live = count + 1;
    let epoch = salon.store.epoch().await.unwrap();
    assert_eq!(salon.store.range(epoch, live, live, 1, usize::MAX).await.unwrap().len(), 1);
    // Someone asks in the middle: those are moved first, and nothing else.
    let middle = salon.store.range(epoch, 1_001, 1_100, 100, usize::MAX).await.unwrap();
    assert_eq!(middle.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), (1_001..=1_100).collect::<Vec<_>>());
    assert!(moved(&salon, 1) > 1_000, "the rest waits where it was");
    assert_eq!(salon.store.backlog().await.unwrap().events, live);

    // Stopped here, and restored once more before it was done: what moved twice is told under its last number.
    let salon = salon.reopened().await;
    salon.store.new_epoch(None).await.unwrap();
    let salon = salon.reopened().await;
    let after = salon.events().await;
    assert_eq!(after.len() as u64, live);
    let epoch = salon.store.epoch().await.unwrap().to_string();
    for (event, id) in after.iter().zip(&ids) {
        assert_eq!((&event.id, &event.epoch), (id, &epoch));
    }
    assert_eq!(after.last().unwrap().kind, "com.skinlink.consent.v1");
    // Once somebody looks after the house, all of it is settled.
    let later = Timestamp::from_unix_ms(clock::now().wall.unix_ms());
    salon.store.prune(later, 30).await.unwrap();
    assert_eq!(rows_by_epoch(&salon.data()), [(3, live)]);
}

/// She takes her consent back while what was measured still waits under its old number: it is not told under the new one either,
/// and told again when she agrees once more.
#[tokio::test]
async fn a_withdrawal_reaches_what_is_still_to_move() {
    let salon = Salon::new().await;
    salon.say(Purpose::ShareNumbers, true).await;
    let scan = salon.scan(salon.visit().await).await;
    salon.reading(scan, skinlink::domain::Region::Forehead).await;
    salon.store.new_epoch(None).await.unwrap();
    salon.say(Purpose::ShareNumbers, false).await;
    let kinds = salon.kinds().await;
    assert!(!kinds.contains(&"reading.v1".to_owned()) && kinds.contains(&"redacted.v1".to_owned()), "{kinds:?}");
    salon.say(Purpose::ShareNumbers, true).await;
    assert_eq!(salon.count("reading.v1").await, 1);
}

/// One event is no event any more (a page of the disk went bad, a bug): nothing that concerns the others may fail on it.
#[tokio::test]
async fn a_poisoned_event_stands_in_nobodys_way() {
    use rusqlite::Connection;
    let salon = ten().await;
    let (epoch, data) = (salon.store.epoch().await.unwrap(), salon.data());
    let Salon { folder, store, customer } = salon;
    assert!(store.close(LIMIT).await);
    let conn = Connection::open(data.join("skinlink.db")).unwrap();
    let key = fs::read_to_string(data.join("store.key")).unwrap();
    conn.execute_batch(&format!("PRAGMA key = \"x'{}'\";", key.trim())).unwrap();
    let changed = conn.execute("UPDATE outbox SET body = 'garbage' WHERE place & 1023 = 5", []).unwrap();
    assert_eq!(changed, 1);
    drop(conn);
    let store = crate::salon::open(&folder);
    assert!(!store.has_another(epoch, 5, "x".to_owned()).await.unwrap(), "no evidence of anything");
    store.new_epoch(None).await.unwrap();
    assert_eq!(waiting(&store).await, (1..=10).collect::<Vec<_>>(), "it moves with the others");
    store.erase_customer(customer, "staff-1".to_owned(), "asked for it".to_owned()).await.unwrap();
    let rows = store.unacknowledged(0, 100, usize::MAX).await.unwrap();
    let unreadable: Vec<&str> =
        rows.iter().map(|(_, body)| body.as_str()).filter(|body| !body.starts_with('{')).collect();
    assert_eq!(unreadable, ["\"an unreadable event, erased\""], "and what it may have held is gone");
}

#[tokio::test]
async fn times_before_the_clock_was_set_are_mapped_once_per_boot() {
    let salon = Salon::new().await;
    let mut stamp = clock::now();
    stamp.clock = skinlink::domain::ClockState::Unset;
    assert!(!salon.store.tell_clock(stamp).await.unwrap());
    stamp.clock = skinlink::domain::ClockState::Synced;
    assert!(salon.store.tell_clock(stamp).await.unwrap());
    assert!(!salon.store.tell_clock(stamp).await.unwrap());
    assert_eq!(salon.kinds().await, ["clock.v1"]);
}
