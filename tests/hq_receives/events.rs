//! What is stored, what is acknowledged, what is told of holes and of gateways that come back.

use crate::{
    Side,
    hand::{connected, hello},
};
use skinlink::{
    clock,
    domain::Epoch,
    hq::ledger::Ledger,
    ports::BrokerWord,
    sync::{
        envelope::Event,
        reply::{Hello, PastEpoch, Reply},
        topic::Lane,
    },
};

pub(crate) async fn any_order_is_stored_and_the_prefix_is_what_is_acknowledged(side: Side) {
    let headquarters = side.headquarters().await;
    let mut hand = connected(&headquarters).await;
    hand.send(1, 3).await;
    hand.acknowledged(3).await;
    hand.send(7, 9).await;
    assert_eq!(hand.acknowledged(3).await, [(7, 9)]);
    let ask = hand.reply("a question for the hole", |reply| matches!(reply, Reply::Ask { .. })).await;
    assert_eq!(ask, Reply::Ask { epoch: hand.epoch.to_string(), ranges: vec![(4, 6)] });
    hand.send(4, 6).await;
    assert_eq!(hand.acknowledged(9).await, []);
    let gaps = headquarters.eventually("the ledger", |ledger| ledger.gaps().ok()).await;
    assert_eq!(gaps, []);
}

/// A gateway keeps events of earlier epochs too: HQ asks for what it misses of them, passes what was moved to a later epoch,
/// and writes down as lost what nobody has.
pub(crate) async fn holes_of_earlier_epochs_are_asked_for_passed_or_written_down_as_lost(side: Side) {
    let headquarters = side.headquarters().await;
    let mut hand = connected(&headquarters).await;
    hand.send(1, 2).await;
    hand.send(5, 5).await;
    hand.send(20, 20).await;
    hand.acknowledged(2).await;
    let past = hand.epoch;
    hand.epoch = clock::mint(Epoch::from_bits);
    let keeps = PastEpoch { epoch: past.to_string(), last_seq: 15, oldest_kept: 4, moved: vec![(9, 9), (12, 15)] };
    let says = Hello { past: vec![keeps], ..hello(&hand.epoch, 0, 1) };
    hand.publish(&Lane::Hello, serde_json::to_vec(&says).expect("plain")).await;
    let ask = hand.reply("a question", |reply| matches!(reply, Reply::Ask { ranges, .. } if ranges[0].0 == 4)).await;
    // 3 is kept no longer, 9 and 12 to 15 were told elsewhere, 16 to 19 were never in this copy of the store.
    assert_eq!(ask, Reply::Ask { epoch: past.to_string(), ranges: vec![(4, 4), (6, 8), (10, 11)] });
    let present = std::mem::replace(&mut hand.epoch, past);
    for (first, last) in [(10, 11), (4, 4), (6, 8)] {
        hand.send(first, last).await;
    }
    hand.acknowledged(20).await;
    hand.epoch = present;
    let gaps = headquarters.eventually("the ledger", |ledger| ledger.gaps().ok()).await;
    let missing: Vec<_> = gaps.iter().map(|gap| (gap.first, gap.last)).collect();
    assert_eq!(missing, [(3, 3), (16, 19)]);
    let alarms = headquarters.eventually("the alarms", |ledger| ledger.alarms().ok()).await;
    assert_eq!(alarms.len(), 2, "{alarms:?}");
    assert!(alarms[0].contains("begins a new epoch") && alarms[1].starts_with("5 events"), "{alarms:?}");
    // The old epoch is over for good.
    let says = hello(&past, 30, 1);
    hand.publish(&Lane::Hello, serde_json::to_vec(&says).expect("plain")).await;
    hand.reply("that it is over", |reply| matches!(reply, Reply::Hello { over: true, .. })).await;
}

pub(crate) async fn the_same_key_under_another_id_is_an_alarm_and_the_same_event_again_is_not(side: Side) {
    let headquarters = side.headquarters().await;
    let mut hand = connected(&headquarters).await;
    let event = hand.event(1);
    for _ in 0..3 {
        let batch = hand.batch(1, std::slice::from_ref(&event));
        hand.publish(&Lane::Events, batch).await;
        hand.acknowledged(1).await;
    }
    hand.send(2, 3).await;
    hand.acknowledged(3).await;
    hand.send(2, 2).await;
    let alarm = hand.reply("an alarm", |reply| matches!(reply, Reply::Alarm { seq: 2, .. })).await;
    assert!(matches!(alarm, Reply::Alarm { held, .. } if !held.is_empty()), "it names the event that stands there");
    // From there on HQ may hold another life of the store: nothing of it is acknowledged any more.
    assert_eq!(hand.acknowledged(1).await, []);
    hand.send(7, 8).await;
    assert_eq!(hand.acknowledged(1).await, []);
    let counts = headquarters.eventually("the ledger", |ledger| Some(ledger.counts().ok()?.remove(0))).await;
    assert_eq!((counts.events, counts.redeliveries, counts.duplicates, counts.alarms), (5, 3, 0, 1));
}

pub(crate) async fn a_withdrawal_on_its_way_wins_over_what_was_stored(side: Side) {
    let headquarters = side.headquarters().await;
    let mut hand = connected(&headquarters).await;
    let event = hand.event(1);
    let batch = hand.batch(1, std::slice::from_ref(&event));
    hand.publish(&Lane::Events, batch).await;
    hand.acknowledged(1).await;
    let mut redacted: Event = serde_json::from_str(&event).expect("our own");
    redacted.kind = "com.skinlink.redacted.v1".into();
    redacted.data = serde_json::value::RawValue::from_string("{\"reason\":\"withdrawn\"}".into()).expect("JSON");
    let batch = hand.batch(1, &[serde_json::to_string(&redacted).expect("plain")]);
    hand.publish(&Lane::Events, batch).await;
    hand.acknowledged(1).await;
    let stored = headquarters.eventually("the row", |ledger| ledger.events_after(0, 10).ok()).await;
    assert_eq!(stored.len(), 1);
    assert!(stored[0].kind.ends_with("redacted.v1") && !stored[0].body.contains("running"), "{}", stored[0].body);
}

pub(crate) async fn what_no_one_keeps_any_longer_is_written_down_as_lost_and_passed(side: Side) {
    let headquarters = side.headquarters().await;
    let mut hand = connected(&headquarters).await;
    hand.send(1, 2).await;
    hand.send(6, 7).await;
    let hello = hello(&hand.epoch, 9, 9);
    hand.publish(&Lane::Hello, serde_json::to_vec(&hello).expect("plain")).await;
    let reply = hand.reply("an answer", |reply| matches!(reply, Reply::Hello { upto, .. } if *upto > 0)).await;
    assert!(matches!(reply, Reply::Hello { last_seq: 7, upto: 8, over: false, .. }), "{reply:?}");
    hand.send(9, 9).await;
    hand.acknowledged(9).await;
    let gaps = headquarters.eventually("the ledger", |ledger| ledger.gaps().ok()).await;
    let missing: Vec<_> = gaps.iter().map(|gap| (gap.first, gap.last)).collect();
    assert_eq!(missing, [(3, 5), (8, 8)], "lost events stay visible as gaps");
}

pub(crate) async fn a_receiver_that_comes_back_says_where_everyone_stands(side: Side) {
    let mut headquarters = side.headquarters().await;
    let mut hand = connected(&headquarters).await;
    hand.send(1, 5).await;
    hand.acknowledged(5).await;
    headquarters.stop_receiver().await;
    let batch = hand.batch(6, &[hand.event(6)]);
    assert_eq!(hand.publish(&Lane::Events, batch).await, BrokerWord::NobodyListens);
    headquarters.start_receiver();
    let hello = hand.reply("HQ's first word", |reply| matches!(reply, Reply::Hello { upto: 5, .. })).await;
    let Reply::Hello { epoch, last_seq, ranges, known, over, .. } = hello else { unreachable!("just matched") };
    assert_eq!((epoch, last_seq, ranges, over), (hand.epoch.to_string(), 5, vec![], false));
    assert_eq!(known.map(|known| known.seq), Some(5));
}

/// A gateway says what it is and goes, all while no receiver is there. The broker keeps both words for those who come later; that
/// they are read now does not mean that the gateway was heard now.
pub(crate) async fn what_was_said_of_a_gateway_while_headquarters_was_away_is_heard_after_all(side: Side) {
    let mut headquarters = side.headquarters().await;
    let mut hand = connected(&headquarters).await;
    let heard = |ledger: &Ledger| Some(ledger.standings().ok()?.first()?.last_heard_ms);
    let before = headquarters.eventually("the gateway", heard).await;
    headquarters.stop_receiver().await;
    let about = "{\"version\":\"later\"}";
    hand.publish_and(&Lane::About, about.into(), true).await;
    hand.publish_and(&Lane::Status, "offline".into(), true).await;
    headquarters.start_receiver();
    headquarters
        .eventually("the last words", |ledger| {
            let (status, said) = (ledger.status_of("sh-001-g1").ok()?, ledger.about_of("sh-001-g1").ok()?);
            (status.as_deref() == Some("offline") && said.as_deref() == Some(about)).then_some(())
        })
        .await;
    assert_eq!(headquarters.eventually("the gateway", heard).await, before);
}
