//! Photographs whose event is here and whose picture is not: headquarters asks, a few with each answer.

use crate::{Records, Side, batches::Gateway, take};
use skinlink::{
    clock,
    domain::{CaptureId, Timestamp},
    hq::database::Arrived,
    sync::{
        payload::{self, kind},
        reply::{ImageState, Reply},
    },
};
use std::collections::BTreeSet;

on_both_sides!(
    every_lost_picture_is_asked_for_however_many_newer_ones_there_never_were,
    everyone_hears_where_they_stand_before_anyone_is_asked_for_pictures,
);

/// A store that shares photographs and makes no report pictures of most of them: the newest were asked for with every hello, which
/// brings nothing, and the one that was lost never was.
fn every_lost_picture_is_asked_for_however_many_newer_ones_there_never_were(side: Side) {
    const PHOTOGRAPHS: u64 = 140;
    let (records, gateway) = (Records::new(side), Gateway::named("sh-001-g1"));
    let mut database = records.open();
    take(&mut database, &[photographs(&gateway, PHOTOGRAPHS)]);
    let mut asked = BTreeSet::new();
    // Each is asked for by less than half of the hellos: one in 10^15 runs misses one.
    for _ in 0..60 {
        let replies = take(&mut database, &[gateway.hello(PHOTOGRAPHS, 1, Vec::new())]);
        let wanted: Vec<String> = replies
            .into_iter()
            .filter_map(|(_, reply)| match reply {
                Reply::Image { capture, state: ImageState::Wanted, .. } => Some(capture),
                _ => None,
            })
            .collect();
        assert!(wanted.len() < PHOTOGRAPHS as usize / 2, "a few at a time: {}", wanted.len());
        asked.extend(wanted);
    }
    assert_eq!(asked.len() as u64, PHOTOGRAPHS);
}

/// A batch that tells of so many, none of whose pictures is here.
fn photographs(gateway: &Gateway, many: u64) -> Arrived {
    let events: Vec<String> = (1..=many)
        .map(|seq| {
            let id = clock::mint(CaptureId::from_bits).to_string();
            let capture = payload::Capture {
                capture: id.clone(),
                visit: id.clone(),
                scan: id.clone(),
                phase: "before".to_owned(),
                view: "frontal".to_owned(),
                light: "white".to_owned(),
                format: "image/jpeg".to_owned(),
                width: 100,
                height: 100,
                bytes: 1_000,
                sha256: "0".repeat(64),
                complaints: Vec::new(),
            };
            gateway.say(seq, kind::CAPTURE, &id, &capture)
        })
        .collect();
    gateway.batch(1, &events)
}

/// After an outage the questions for pictures of the first gateways pushed the very words out of the queue that all others waited for.
fn everyone_hears_where_they_stand_before_anyone_is_asked_for_pictures(side: Side) {
    const GATEWAYS: usize = 20;
    let records = Records::new(side);
    let mut database = records.open();
    for at in 0..GATEWAYS {
        let gateway = Gateway::named(&format!("sh-{at:03}-g1"));
        take(&mut database, &[photographs(&gateway, 70), gateway.hello(70, 1, Vec::new())]);
    }
    let said = database.standings(Timestamp::from_unix_ms(0)).expect("the standings");
    let (standings, asked) = said.split_at(GATEWAYS);
    assert!(standings.iter().all(|(_, said)| matches!(said, Reply::Hello { .. })), "{standings:?}");
    assert!(asked.iter().all(|(_, said)| matches!(said, Reply::Image { .. })));
    assert_eq!(asked.len(), 1_000, "of 1,280; each gateway's own hello asks for more");
    let whose: BTreeSet<&str> = asked.iter().map(|(to, _)| to.gateway.as_str()).collect();
    assert_eq!(whose.len(), GATEWAYS, "of all of them");
}
