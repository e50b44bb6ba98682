//! Lives of one gateway's store, as its words show them: what is told again, what two lives have told, what no life can mean.

use crate::{Records, Side, batches::Gateway, take, upto};
use skinlink::{
    clock,
    domain::{CaptureId, Timestamp},
    hq::{
        database::{Addressed, Arrived},
        ledger::Ledger,
    },
    sync::{
        envelope::Event,
        image_lane::{Offer, Role},
        reply::{Hello, PastEpoch, Reply},
        topic::Lane,
    },
};

on_both_sides!(
    what_is_told_again_in_the_same_epoch_counts_once_wherever_a_batch_ends,
    a_hello_with_absurd_numbers_is_an_alarm_and_stops_nobody,
    an_epoch_that_two_lives_have_used_is_over_whichever_came_first,
    an_epoch_whose_batch_came_before_its_hello_is_not_over,
    a_slice_that_comes_twice_is_one_attempt,
    what_came_of_an_abandoned_picture_does_not_stay,
);

fn said(gateway: &Gateway, hello: &Hello) -> Arrived {
    let payload = serde_json::to_vec(hello).expect("plain data");
    Arrived { from: gateway.address.clone(), lane: Lane::Hello, payload }
}

/// A customer says no and yes again while the acknowledgement of what she measured is lost: it is told again under new numbers
/// in the same epoch. Where a batch ends among them is chance.
fn what_is_told_again_in_the_same_epoch_counts_once_wherever_a_batch_ends(side: Side) {
    const READINGS: u64 = 7;
    for together in 1..=READINGS {
        let (records, gateway) = (Records::new(side), Gateway::named("sh-001-g1"));
        let first: Vec<String> = (1..=READINGS).map(|seq| gateway.event(seq)).collect();
        let again = |seq: u64| {
            let mut event: Event = serde_json::from_str(&first[usize::try_from(seq - 1).expect("few")]).expect("ours");
            event.seq = READINGS + seq;
            serde_json::to_string(&event).expect("plain data")
        };
        let mut database = records.open();
        take(&mut database, &[gateway.batch(1, &first)]);
        let mut next = 1;
        while next <= READINGS {
            let last = READINGS.min(next + together - 1);
            let events: Vec<String> = (next..=last).map(again).collect();
            take(&mut database, &[gateway.batch(READINGS + next, &events)]);
            next = last + 1;
        }
        let counts = records.counts(&gateway);
        assert_eq!((counts.events, counts.duplicates), (2 * READINGS, 0), "{together} in a batch: {counts:?}");
    }
}

/// A gateway whose memory has gone mad, or somebody else's program: one number of its hello is beyond all reason.
fn a_hello_with_absurd_numbers_is_an_alarm_and_stops_nobody(side: Side) {
    let records = Records::new(side);
    let mut database = records.open();
    let place: [fn(&mut Hello) -> &mut u64; 8] = [
        |hello| &mut hello.last_seq,
        |hello| &mut hello.oldest_kept,
        |hello| &mut hello.refused[0].0,
        |hello| &mut hello.refused[0].1,
        |hello| &mut hello.past[0].last_seq,
        |hello| &mut hello.past[0].oldest_kept,
        |hello| &mut hello.past[0].moved[0].0,
        |hello| &mut hello.past[0].moved[0].1,
    ];
    for (at, number) in place.iter().enumerate() {
        for value in [0, (1 << 53) - 1, 1 << 53, (1 << 63) - 1, 1 << 63, u64::MAX] {
            let (mad, sane) =
                (Gateway::named(&format!("mad-{at}-{value}")), Gateway::named(&format!("sane-{at}-{value}")));
            let epoch = Gateway::named("an earlier life").epoch.to_string();
            let past = PastEpoch { epoch, last_seq: 9, oldest_kept: 1, moved: vec![(4, 5)] };
            let mut hello = mad.says(7, 1, vec![past]);
            hello.refused = vec![(2, 3)];
            *number(&mut hello) = value;
            let replies = take(&mut database, &[said(&mad, &hello), sane.scans(1, 3), mad.scans(1, 2)]);
            assert_eq!(upto(&replies, &sane), 3, "number {at}: {value}");
            assert!(upto(&replies, &mad) >= 2, "number {at}: {value}");
            let alarmed = replies.iter().any(|(to, reply)| *to == mad.address && matches!(reply, Reply::Alarm { .. }));
            assert!(alarmed || value < 1 << 53, "number {at}: {value} is believed");
            assert_eq!(records.counts(&sane).alarms, 0);
        }
    }
    database.holes().expect("the receiver goes on");
    database.standings(Timestamp::from_unix_ms(0)).expect("the receiver goes on");
}

/// Two lives of one store: the event of the one stands here when that of the other comes under its number. Whichever is ours,
/// we are told to begin anew, also when the first word on it was lost; else nothing from there on would ever be acknowledged.
fn an_epoch_that_two_lives_have_used_is_over_whichever_came_first(side: Side) {
    let (records, gateway) = (Records::new(side), Gateway::named("sh-001-g1"));
    let mut database = records.open();
    take(&mut database, &[gateway.hello(3, 1, Vec::new()), gateway.scans(1, 3)]);
    take(&mut database, &[gateway.scans(3, 3)]);
    let replies = take(&mut database, &[gateway.hello(3, 1, Vec::new())]);
    let words: Vec<&Reply> = replies.iter().map(|(_, reply)| reply).collect();
    assert!(
        matches!(words[..], [Reply::Alarm { seq: 3, held, .. }, Reply::Hello { upto: 2, over: true, .. }] if !held.is_empty()),
        "{words:?}"
    );
    let anew = Gateway { epoch: Gateway::named("the next life").epoch, ..gateway.clone() };
    let replies = take(&mut database, &[anew.hello(1, 1, Vec::new()), anew.scans(1, 1)]);
    assert_eq!(upto(&replies, &anew), 1);
    assert!(!replies.iter().any(|(_, reply)| matches!(reply, Reply::Hello { over: true, .. })), "{replies:?}");
}

/// Headquarters was restored to before a gateway's present epoch began, under load: a batch is taken before the hello that
/// explains it. A store restored to an earlier life is another thing: it does not know of the epoch that is present here.
fn an_epoch_whose_batch_came_before_its_hello_is_not_over(side: Side) {
    let (records, old) = (Records::new(side), Gateway::named("sh-001-g1"));
    let new = Gateway { epoch: Gateway::named("the next life").epoch, ..old.clone() };
    let mut database = records.open();
    take(&mut database, &[old.hello(3, 1, Vec::new()), old.scans(1, 3)]);
    take(&mut database, &[new.scans(5, 6)]);
    let known = PastEpoch { epoch: old.epoch.to_string(), last_seq: 3, oldest_kept: 1, moved: Vec::new() };
    let is_over =
        |replies: &[Addressed]| replies.iter().any(|(_, reply)| matches!(reply, Reply::Hello { over: true, .. }));
    assert!(!is_over(&take(&mut database, &[new.hello(6, 1, vec![known])])), "it follows the epoch that is known");
    assert!(is_over(&take(&mut database, &[old.hello(3, 1, Vec::new())])), "this store was restored from a copy");
}

/// Two slices of ten bytes.
fn offer_of(capture: &str, sha256: String) -> Offer {
    Offer {
        capture: capture.to_owned(),
        visit: "a visit".to_owned(),
        role: Role::Derivative,
        format: "image/jpeg".to_owned(),
        bytes: 20,
        slice_bytes: 10,
        slices: 2,
        sha256,
    }
}

/// The last slice of a damaged picture is delivered twice: it has come whole with a wrong digest once, not twice.
fn a_slice_that_comes_twice_is_one_attempt(side: Side) {
    let (records, gateway) = (Records::new(side), Gateway::named("sh-001-g1"));
    let mut database = records.open();
    let capture = clock::mint(CaptureId::from_bits).to_string();
    let offer = offer_of(&capture, "0".repeat(64));
    let from = gateway.address.clone();
    let offered = Arrived {
        from: from.clone(),
        lane: Lane::Offer { capture: capture.clone() },
        payload: serde_json::to_vec(&offer).expect("plain data"),
    };
    let slice = |index| Arrived {
        from: from.clone(),
        lane: Lane::Chunk { capture: capture.clone(), index },
        payload: vec![7; 10],
    };
    take(&mut database, std::slice::from_ref(&offered));
    let state =
        || Ledger::at(&records.place).and_then(|ledger| ledger.pictures()).expect("the ledger")[0].state.clone();
    for expected in ["wanted", "wanted", "refused"] {
        take(&mut database, &[slice(0), slice(1), slice(1)]);
        assert_eq!(state(), expected);
    }
}

/// The customer said no in the middle of it; her store never offers it again.
fn what_came_of_an_abandoned_picture_does_not_stay(side: Side) {
    let (records, gateway) = (Records::new(side), Gateway::named("sh-001-g1"));
    let mut database = records.open();
    let capture = clock::mint(CaptureId::from_bits).to_string();
    let offer = offer_of(&capture, hex::encode(openssl::sha::sha256(&[7; 20])));
    let says = |lane: Lane, payload: Vec<u8>| Arrived { from: gateway.address.clone(), lane, payload };
    let offered = says(Lane::Offer { capture: capture.clone() }, serde_json::to_vec(&offer).expect("plain data"));
    let slice = says(Lane::Chunk { capture: capture.clone(), index: 0 }, vec![7; 10]);
    let now = clock::now().wall;
    let in_days = |days: i64| Timestamp::from_unix_ms(now.unix_ms() + days * 86_400_000);
    database.take(&[offered.clone(), slice], now).expect("it is taken");
    let mut held_after = |days: i64| {
        database.keep_records(in_days(days), 500).expect("a turn");
        crate::facts::texts(&records.place, "SELECT CAST(count(*) AS TEXT) FROM image_slices").remove(0)
    };
    assert_eq!((held_after(29), held_after(31)), ("1".to_owned(), "0".to_owned()));
    let replies = database.take(&[offered], in_days(40)).expect("it is taken");
    assert!(
        matches!(&replies[..], [(_, Reply::Image { missing, .. })] if *missing == [(0, 1)]),
        "all of it is asked for: {replies:?}"
    );
}
