//! What comes to one receiver later than another one believed, and what a gateway says at greater length than is good for anyone.

use crate::{Records, Side, batches::Gateway, facts, take, upto};
use skinlink::{
    hq::{alarms, database::Arrived, dead_letters},
    sync::{
        envelope::Event,
        reply::{Hello, PastEpoch, Reply},
        topic::Lane,
    },
};

on_both_sides!(
    a_batch_of_an_ended_life_that_another_receiver_still_held_becomes_facts,
    a_word_that_is_not_of_this_contract_is_cut_before_it_goes_back,
    a_hello_that_names_thousands_of_ranges_holds_nobody_up,
);

const FACTS: &str = "SELECT scan FROM scan_facts ORDER BY scan";

/// The same events under the numbers of another life.
fn again(events: &[String], life: &Gateway, first: u64) -> Vec<String> {
    let told = (first..).zip(events).map(|(seq, event)| {
        let mut event: Event = serde_json::from_str(event).expect("our own");
        (event.epoch, event.seq) = (life.epoch.to_string(), seq);
        serde_json::to_string(&event).expect("plain data")
    });
    told.collect()
}

/// One receiver holds events 3 to 5 of a life that has ended. The other takes the hello of the new life, which says that they were
/// moved and are told again, and makes facts up to there. Then the first commits what it held. The events once lay below both marks,
/// their copies counted as told already, and in no view there was anything of either.
fn a_batch_of_an_ended_life_that_another_receiver_still_held_becomes_facts(side: Side) {
    let (records, old) = (Records::new(side), Gateway::named("sh-001-g1"));
    let new = Gateway { epoch: Gateway::named("another life").epoch, ..old.clone() };
    let (mut one, mut other) = (records.open(), records.open());
    let events: Vec<String> = (1..=6).map(|seq| old.event(seq)).collect();
    take(&mut one, &[old.hello(6, 1, Vec::new()), old.batch(1, &events[..2])]);
    let moved = vec![(3, 5)];
    // 6 is kept by nobody.
    let ended = PastEpoch { epoch: old.epoch.to_string(), last_seq: 5, oldest_kept: 1, moved };
    take(&mut other, &[new.hello(3, 1, vec![ended])]);
    facts::keep(&mut other);
    assert_eq!(facts::texts(&records.place, FACTS).len(), 2);

    let replies = take(&mut one, &[old.batch(3, &events[2..])]);
    assert_eq!(upto(&replies, &old), 6);
    take(&mut other, &[new.batch(1, &again(&events[2..5], &new, 1))]);
    facts::keep(&mut other);
    assert_eq!(facts::texts(&records.place, FACTS).len(), 6, "each is in the views, once");
    let late = facts::texts(&records.place, "SELECT CAST(seq AS TEXT) FROM late_events ORDER BY n");
    assert_eq!(late, ["3", "4", "5", "6"], "who follows by sequence has passed them, and is told where to look");

    // Sent once more they are no news.
    take(&mut one, &[old.batch(3, &events[2..])]);
    assert_eq!(facts::texts(&records.place, "SELECT CAST(seq AS TEXT) FROM late_events").len(), 4);
    let counts = records.counts(&old);
    assert_eq!((counts.events, counts.duplicates, counts.gaps), (9, 0, 0), "{counts:?}");
}

/// The parser quotes what it does not know. An alarm that quoted 60,000 characters was larger than a publish may be, and one with the
/// words of a terminal in it moved the cursor of whoever looked at the alarms.
fn a_word_that_is_not_of_this_contract_is_cut_before_it_goes_back(side: Side) {
    let (records, gateway) = (Records::new(side), Gateway::named("sh-001-g1"));
    let mut database = records.open();
    let strange = format!("{{\"\\u001b[2J\\u009b{}\":1}}", "x".repeat(60_000));
    let says = |lane: Lane| Arrived { from: gateway.address.clone(), lane, payload: strange.clone().into_bytes() };
    let event = gateway.event(1).replace("\"phase\"", &format!("\"\\u001b[2J{}\"", "y".repeat(50_000)));
    let replies = take(&mut database, &[says(Lane::Events), says(Lane::Hello), gateway.batch(1, &[event])]);
    let reasons: Vec<&String> = replies
        .iter()
        .filter_map(|(_, reply)| match reply {
            Reply::Alarm { reason, .. } | Reply::Nack { reason, .. } => Some(reason),
            _ => None,
        })
        .collect();
    assert_eq!(reasons.len(), 3, "{replies:?}");
    for reason in reasons {
        assert!(reason.chars().count() <= 400 && !reason.contains(char::is_control), "{reason:?}");
    }
    let mut shown = Vec::new();
    alarms::print(&records.place, &mut shown).expect("they are shown");
    dead_letters::print(&records.place, &mut shown).expect("they are shown");
    let shown = String::from_utf8(shown).expect("text");
    let moves = |c: char| c.is_control() && c != '\n';
    assert!(shown.contains("[2J") && !shown.contains(moves), "{shown:?}");
}

/// A gateway names 64 ranges of an earlier life at most. One hello with thousands of them had each looked up, again and again, while
/// everyone else waited.
fn a_hello_that_names_thousands_of_ranges_holds_nobody_up(side: Side) {
    let (records, gateway) = (Records::new(side), Gateway::named("sh-001-g1"));
    let past = Gateway { epoch: Gateway::named("an earlier life").epoch, ..gateway.clone() };
    let mut database = records.open();
    let says = |moved: u64, refused: u64, lives: usize| {
        let ranges = |many: u64| (0..many).map(|at| (2 * at + 1, 2 * at + 1)).collect::<Vec<_>>();
        let lives = (0..lives).map(|_| PastEpoch {
            epoch: past.epoch.to_string(),
            last_seq: 10_000,
            oldest_kept: 1,
            moved: ranges(moved),
        });
        let hello = Hello { refused: ranges(refused), ..gateway.says(0, 1, lives.collect()) };
        let payload = serde_json::to_vec(&hello).expect("plain data");
        Arrived { from: gateway.address.clone(), lane: Lane::Hello, payload }
    };
    for hello in [says(4_600, 0, 1), says(0, 5_000, 1), says(1, 0, 400)] {
        let replies = take(&mut database, &[hello]);
        assert!(
            matches!(&replies[..], [(_, Reply::Alarm { reason, .. })] if reason.contains("names more")),
            "{replies:?}"
        );
    }
    let replies = take(&mut database, &[says(64, 64, 1)]);
    assert!(replies.iter().any(|(_, reply)| matches!(reply, Reply::Hello { .. })), "{replies:?}");
}
