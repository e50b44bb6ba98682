//! Headquarters' receiver against a real broker: what it stores, what it answers, what it refuses. The gateway's side is
//! driven by hand here, so that it can do what a sound gateway never would.

#[expect(dead_code, reason = "shared with the stories of the sync task")]
#[path = "support/headquarters.rs"]
mod headquarters;

use headquarters::{Headquarters, LIMIT, address};
use skinlink::{
    clock,
    domain::{BootId, CaptureId, ClockState, Epoch, EventId, Stamp, Timestamp, VisitId},
    ports::{BrokerWord, FromBroker, Publish, Uplink, UplinkError},
    sync::{
        envelope::{Batch, Event, Mark},
        image_lane::{Offer, Role, SLICE, slices},
        payload::{self, kind},
        reply::{Hello, ImageState, PastEpoch, Reply},
        topic::{Address, Lane},
    },
};
use std::{collections::VecDeque, time::Duration};
use tokio::time::timeout;

/// A gateway's end of the line, one word at a time.
struct Hand {
    address: Address,
    epoch: Epoch,
    uplink: Uplink,
    token: u64,
    heard: VecDeque<FromBroker>,
}

impl Hand {
    async fn connect(headquarters: &Headquarters, address: Address) -> Self {
        let uplink = timeout(LIMIT, headquarters.connector(&address)()).await.expect("in time").expect("a connection");
        let epoch = clock::mint(Epoch::from_bits);
        Self { address, epoch, uplink, token: 0, heard: VecDeque::new() }
    }

    /// Publishes and waits for the broker's word.
    async fn publish(&mut self, lane: &Lane, payload: Vec<u8>) -> BrokerWord {
        self.token += 1;
        let (token, topic) = (self.token, self.address.topic(lane));
        self.uplink.publish.try_send(Publish { token, topic, payload, retain: false }).expect("one at a time");
        self.hear("the broker's word", |heard| match heard {
            FromBroker::Word { token: about, word } if *about == token => Some(word.clone()),
            _ => None,
        })
        .await
    }

    async fn hear<T>(&mut self, what: &str, mut wanted: impl FnMut(&FromBroker) -> Option<T>) -> T {
        if let Some(at) = self.heard.iter().position(|heard| wanted(heard).is_some()) {
            let heard = self.heard.remove(at).expect("just found");
            return wanted(&heard).expect("just found");
        }
        let search = async {
            loop {
                let heard = tokio::select! {
                    reason = &mut self.uplink.driver => panic!("waiting for {what}: {reason}"),
                    heard = self.uplink.arrived.recv() => heard.expect("the driver lives"),
                };
                match wanted(&heard) {
                    Some(found) => return found,
                    None => self.heard.push_back(heard),
                }
            }
        };
        timeout(LIMIT, search).await.unwrap_or_else(|_| panic!("{what}: not within {LIMIT:?}"))
    }

    async fn reply(&mut self, what: &str, wanted: impl Fn(&Reply) -> bool) -> Reply {
        self.hear(what, |heard| match heard {
            FromBroker::Message { payload, .. } => {
                let reply: Reply = serde_json::from_slice(payload).expect("HQ speaks by the contract");
                wanted(&reply).then_some(reply)
            }
            FromBroker::Word { .. } => None,
        })
        .await
    }

    fn event(&self, seq: u64) -> String {
        self.event_with(seq, clock::mint(EventId::from_bits))
    }

    fn event_with(&self, seq: u64, id: EventId) -> String {
        let stamp = Stamp {
            boot: BootId::from_bits(1),
            monotonic_ns: seq,
            wall: Timestamp::from_unix_ms(1_780_000_000_000),
            clock: ClockState::Synced,
        };
        let visit = clock::mint(VisitId::from_bits).to_string();
        let data = payload::Scan {
            scan: visit.clone(),
            visit: visit.clone(),
            phase: "before".into(),
            state: "running".into(),
        };
        let data = serde_json::value::to_raw_value(&data).expect("plain data");
        let source = format!("skinlink://{}/{}", self.address.store, self.address.gateway);
        let event = Event::new(&source, kind::SCAN, &visit, Mark { id, epoch: self.epoch, seq, stamp }, data);
        serde_json::to_string(&event).expect("plain data")
    }

    fn batch(&self, first_seq: u64, events: &[String]) -> Vec<u8> {
        let events: Vec<_> = events
            .iter()
            .map(|event| serde_json::value::RawValue::from_string(event.clone()).expect("the test writes JSON"))
            .collect();
        let count = u32::try_from(events.len()).expect("few");
        serde_json::to_vec(&Batch { epoch: self.epoch.to_string(), first_seq, count, events }).expect("plain data")
    }

    async fn send(&mut self, first: u64, last: u64) {
        let events: Vec<String> = (first..=last).map(|seq| self.event(seq)).collect();
        let batch = self.batch(first, &events);
        assert_eq!(self.publish(&Lane::Events, batch).await, BrokerWord::Taken);
    }

    async fn acknowledged(&mut self, wanted: u64) -> Vec<(u64, u64)> {
        let reply =
            self.reply("an acknowledgement", |reply| matches!(reply, Reply::Ack { upto, .. } if *upto == wanted)).await;
        let Reply::Ack { ranges, .. } = reply else { unreachable!("just matched") };
        ranges
    }
}

fn hello(epoch: &Epoch, last_seq: u64, oldest_kept: u64) -> Hello {
    let (refused, past) = (Vec::new(), Vec::new());
    Hello { epoch: epoch.to_string(), last_seq, oldest_kept, version: "test".into(), refused, past }
}

/// Publishes to HQ only once it listens.
async fn connected(headquarters: &Headquarters) -> Hand {
    let mut hand = Hand::connect(headquarters, address()).await;
    let hello = hello(&hand.epoch, 0, 1);
    loop {
        let hello = serde_json::to_vec(&hello).expect("plain data");
        match hand.publish(&Lane::Hello, hello).await {
            BrokerWord::Taken => break,
            BrokerWord::NobodyListens => tokio::time::sleep(Duration::from_millis(20)).await,
            BrokerWord::Refused(reason) => panic!("{reason}"),
        }
    }
    hand.reply("an answer to hello", |reply| matches!(reply, Reply::Hello { .. })).await;
    hand
}

#[tokio::test]
async fn any_order_is_stored_and_the_prefix_is_what_is_acknowledged() {
    let headquarters = Headquarters::start().await;
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

#[tokio::test]
async fn a_poisoned_event_in_the_middle_is_refused_and_passed() {
    let headquarters = Headquarters::start().await;
    let mut hand = connected(&headquarters).await;
    let good = hand.event(1);
    let strange = |from: &str, to: &str| hand.event(2).replace(from, to);
    let poisons = [
        "42".to_owned(),
        "null".to_owned(),
        "\"a text\"".to_owned(),
        "{}".to_owned(),
        strange("\"specversion\":\"1.0\"", "\"specversion\":\"0.3\""),
        strange("\"phase\":\"before\"", "\"phase\":7"),
        strange("\"data\":{", "\"data\":{\"name\":\"x\","),
        strange("\"seq\":2", "\"seq\":3"),
        strange("skinlink://sh-001/", "skinlink://sh-002/"),
        strange("com.skinlink.", "com.example."),
        strange("\"clock\":\"synced\"", "\"clock\":\"perhaps\""),
    ];
    let mut seq = 0;
    for (at, poison) in poisons.iter().enumerate() {
        hand.epoch = clock::mint(Epoch::from_bits);
        let place = |event: &str| event.replace(good_epoch(&good), &hand.epoch.to_string());
        let events = [hand.event(1), place(poison), hand.event(3)];
        let batch = hand.batch(1, &events);
        hand.publish(&Lane::Events, batch).await;
        let epoch = hand.epoch.to_string();
        let nack =
            hand.reply("a nack", |reply| matches!(reply, Reply::Nack { epoch: about, .. } if *about == epoch)).await;
        let Reply::Nack { seq: refused, reason, .. } = nack else { unreachable!("just matched") };
        assert_eq!(refused, 2, "poison {at}: {reason}");
        hand.acknowledged(3).await;
        seq += 3;
    }
    let counts = headquarters.eventually("all rows", |ledger| Some(ledger.counts().ok()?.remove(0))).await;
    assert_eq!((counts.events, counts.refused), (seq, poisons.len() as u64));
}

/// A refusal that got lost is said again with the next hello, until the gateway says that it knows.
#[tokio::test]
async fn a_refusal_is_repeated_until_the_gateway_knows_of_it() {
    let headquarters = Headquarters::start().await;
    let mut hand = connected(&headquarters).await;
    let events: Vec<String> = (1..=9).map(|seq| if seq % 4 == 0 { "42".to_owned() } else { hand.event(seq) }).collect();
    let batch = hand.batch(1, &events);
    hand.publish(&Lane::Events, batch).await;
    hand.acknowledged(9).await;
    hand.heard.clear();
    for (refused, missing) in [(vec![], vec![4, 8]), (vec![(4, 4)], vec![8]), (vec![(3, 4), (7, 9)], vec![])] {
        let says = Hello { refused, ..hello(&hand.epoch, 9, 1) };
        hand.publish(&Lane::Hello, serde_json::to_vec(&says).expect("plain")).await;
        hand.reply("an answer", |reply| matches!(reply, Reply::Hello { upto: 9, .. })).await;
        for wanted in missing {
            hand.reply("the nack again", |reply| matches!(reply, Reply::Nack { seq, .. } if *seq == wanted)).await;
        }
    }
    hand.send(10, 10).await;
    hand.acknowledged(10).await;
    let nacks = hand.heard.iter().filter(
        |heard| matches!(heard, FromBroker::Message { payload, .. } if payload.windows(4).any(|four| four == b"nack")),
    );
    assert_eq!(nacks.count(), 0, "none was said twice");
}

/// A gateway keeps events of earlier epochs too: HQ asks for what it misses of them, passes what was moved to a later epoch,
/// and writes down as lost what nobody has.
#[tokio::test]
async fn holes_of_earlier_epochs_are_asked_for_passed_or_written_down_as_lost() {
    let headquarters = Headquarters::start().await;
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

fn good_epoch(event: &str) -> &str {
    event.split("\"epoch\":\"").nth(1).and_then(|rest| rest.split('"').next()).expect("an event has an epoch")
}

#[tokio::test]
async fn a_batch_cut_at_any_byte_is_an_alarm_and_harms_nothing() {
    let headquarters = Headquarters::start().await;
    let mut hand = connected(&headquarters).await;
    let whole = hand.batch(1, &[hand.event(1)]);
    for length in 0..whole.len() {
        hand.publish(&Lane::Events, whole[..length].to_vec()).await;
    }
    hand.publish(&Lane::Events, whole.clone()).await;
    hand.acknowledged(1).await;
    let counts = headquarters
        .eventually("an alarm for each", |ledger| {
            ledger.counts().ok()?.into_iter().find(|counts| counts.alarms == whole.len() as u64)
        })
        .await;
    assert_eq!((counts.events, counts.refused), (1, 0));
}

#[tokio::test]
async fn the_same_key_under_another_id_is_an_alarm_and_the_same_event_again_is_not() {
    let headquarters = Headquarters::start().await;
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

#[tokio::test]
async fn a_withdrawal_on_its_way_wins_over_what_was_stored() {
    let headquarters = Headquarters::start().await;
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

#[tokio::test]
async fn a_gateway_of_another_store_is_neither_stored_nor_acknowledged() {
    let headquarters = Headquarters::start().await;
    let mut hand = connected(&headquarters).await;
    hand.address.store = "bj-001".into();
    hand.send(1, 1).await;
    // The alarm goes to the topic of the store it now claims, to which nobody subscribes: look at HQ.
    let counts = headquarters
        .eventually("an alarm", |ledger| ledger.counts().ok()?.into_iter().find(|counts| counts.alarms == 1))
        .await;
    assert_eq!(counts.events, 0);
}

#[tokio::test]
async fn a_gateway_cannot_speak_for_another() {
    let headquarters = Headquarters::start().await;
    let mut hand = connected(&headquarters).await;
    hand.address.gateway = "sh-001-g2".into();
    let batch = hand.batch(1, &[hand.event(1)]);
    assert_eq!(hand.publish(&Lane::Events, batch).await, BrokerWord::Refused("NotAuthorized".into()));
}

#[tokio::test]
async fn what_no_one_keeps_any_longer_is_written_down_as_lost_and_passed() {
    let headquarters = Headquarters::start().await;
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

fn picture(length: usize) -> Vec<u8> {
    let mut dice = fastrand::Rng::with_seed(3);
    (0..length).map(|_| dice.u8(..)).collect()
}

fn offer(bytes: &[u8], capture: &str, role: Role) -> Offer {
    Offer {
        capture: capture.to_owned(),
        visit: clock::mint(VisitId::from_bits).to_string(),
        role,
        format: "image/jpeg".into(),
        bytes: bytes.len() as u64,
        slice_bytes: SLICE,
        slices: slices(bytes.len() as u64),
        sha256: hex::encode(openssl::sha::sha256(bytes)),
    }
}

impl Hand {
    async fn offer(&mut self, offer: &Offer) -> (ImageState, Vec<(u32, u32)>, String) {
        let lane = Lane::Offer { capture: offer.capture.clone() };
        self.publish(&lane, serde_json::to_vec(offer).expect("plain")).await;
        self.image().await
    }

    async fn image(&mut self) -> (ImageState, Vec<(u32, u32)>, String) {
        match self.reply("a word on the picture", |reply| matches!(reply, Reply::Image { .. })).await {
            Reply::Image { state, missing, reason, .. } => (state, missing, reason),
            other => panic!("{other:?}"),
        }
    }

    async fn slice(&mut self, capture: &str, index: u32, bytes: &[u8]) {
        let start = index as usize * SLICE as usize;
        let end = bytes.len().min(start + SLICE as usize);
        let lane = Lane::Chunk { capture: capture.to_owned(), index };
        self.publish(&lane, bytes[start..end].to_vec()).await;
    }
}

#[tokio::test]
async fn a_picture_with_lost_slices_completes_and_lies_there_bit_for_bit() {
    let headquarters = Headquarters::start().await;
    let mut hand = connected(&headquarters).await;
    let (bytes, capture) = (picture(300_001), clock::mint(CaptureId::from_bits).to_string());
    let offered = offer(&bytes, &capture, Role::Report);
    assert_eq!(hand.offer(&offered).await, (ImageState::Wanted, vec![(0, 4)], String::new()));
    for index in [4, 0, 2, 2] {
        hand.slice(&capture, index, &bytes).await;
    }
    assert_eq!(hand.offer(&offered).await.1, [(1, 1), (3, 3)]);
    // A slice of the wrong length, and one beyond the end, are dropped.
    let lane = |index| Lane::Chunk { capture: capture.clone(), index };
    hand.publish(&lane(1), vec![0; 7]).await;
    hand.publish(&lane(5), vec![0; 7]).await;
    hand.slice(&capture, 3, &bytes).await;
    hand.slice(&capture, 1, &bytes).await;
    assert_eq!(hand.image().await.0, ImageState::Verified);
    assert_eq!(hand.offer(&offered).await.0, ImageState::Verified, "asked again, it says the same");
    let file = headquarters.data().join(format!("images/sh-001-g1/{capture}-report.jpg"));
    assert!(std::fs::read(&file).expect("the picture's file") == bytes, "bit for bit");

    let second = picture(70_000);
    assert_eq!(hand.offer(&offer(&second, &capture, Role::Derivative)).await.0, ImageState::Wanted);
    hand.slice(&capture, 0, &second).await;
    hand.slice(&capture, 1, &second).await;
    assert_eq!(hand.image().await.0, ImageState::Verified, "another role of the same capture is another picture");
}

#[tokio::test]
async fn a_picture_whose_digest_is_wrong_is_asked_for_again_and_then_refused() {
    let headquarters = Headquarters::start().await;
    let mut hand = connected(&headquarters).await;
    let (bytes, capture) = (picture(1_000), clock::mint(CaptureId::from_bits).to_string());
    let mut offered = offer(&bytes, &capture, Role::Derivative);
    offered.sha256 = "0".repeat(64);
    assert_eq!(hand.offer(&offered).await.0, ImageState::Wanted);
    for expected in [ImageState::Wanted, ImageState::Wanted, ImageState::Refused] {
        hand.slice(&capture, 0, &bytes).await;
        assert_eq!(hand.image().await.0, expected);
    }
}

#[tokio::test]
async fn offers_that_make_no_sense_are_refused_with_a_reason() {
    let headquarters = Headquarters::start().await;
    let mut hand = connected(&headquarters).await;
    let capture = clock::mint(CaptureId::from_bits).to_string();
    let good = offer(&picture(1_000), &capture, Role::Report);
    let wrong = [
        Offer { bytes: 9 << 20, slices: slices(9 << 20), ..good.clone() },
        Offer { bytes: 0, slices: 0, ..good.clone() },
        Offer { slices: 2, ..good.clone() },
        Offer { slice_bytes: 0, ..good.clone() },
        Offer { format: "image/tiff".into(), ..good.clone() },
        Offer { sha256: "abc".into(), ..good.clone() },
        Offer { capture: "..".into(), ..good.clone() },
    ];
    for offered in wrong {
        let (state, _, reason) = hand.offer(&offered).await;
        assert_eq!(state, ImageState::Refused, "{offered:?}");
        assert!(!reason.is_empty());
    }
    assert_eq!(hand.offer(&good).await.0, ImageState::Wanted, "and the good one is taken");
}

#[tokio::test]
async fn a_receiver_that_comes_back_says_where_everyone_stands() {
    let mut headquarters = Headquarters::start().await;
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

#[tokio::test]
async fn certificates_that_will_not_do_are_named_before_or_at_the_handshake() {
    use skinlink::adapters::{
        mqtt,
        pki::{Authority, Use, Validity},
    };
    let headquarters = Headquarters::without_receiver().await;
    let now = clock::now().wall;
    let folder = tempfile::tempdir().expect("a folder");
    let refuse = async |settings| match timeout(LIMIT, mqtt::connector(settings)()).await.expect("in time") {
        Ok(_) => panic!("must be refused"),
        Err(reason) => reason,
    };

    let past = Validity {
        from: Timestamp::from_unix_ms(now.unix_ms() - 9 * 86_400_000),
        to: Timestamp::from_unix_ms(now.unix_ms() - 86_400_000),
    };
    let mut settings = headquarters.settings(&address());
    settings.tls = headquarters.authority.issue(folder.path(), "sh-001-g1", Use::Client, past).expect("a leaf");
    let reason = refuse(settings).await;
    assert!(matches!(&reason, UplinkError::OwnCertificate(text) if text.contains("expired")), "{reason}");
    assert!(reason.needs_a_person());

    let mut settings = headquarters.settings(&address());
    settings.tls = headquarters.certificate("sh-001-g7");
    let reason = refuse(settings).await;
    assert!(
        matches!(&reason, UplinkError::OwnCertificate(text) if text.contains("belongs to \"sh-001-g7\"")),
        "{reason}"
    );

    // A chain that is sound in itself but of another authority: the broker's certificate does not fit it.
    let other = Authority::new("another authority", Validity::days(now, 2)).expect("an authority");
    let mut settings = headquarters.settings(&address());
    settings.tls = other.issue(folder.path(), "sh-001-g1", Use::Client, Validity::days(now, 2)).expect("a leaf");
    let foreign = settings.tls.clone();
    let reason = refuse(settings).await;
    assert!(matches!(reason, UplinkError::BrokerCertificate(_)), "{reason}");

    // Trusting the right broker, but showing it a certificate of the other authority: found before connecting.
    let mut settings = headquarters.settings(&address());
    settings.tls.certificate = foreign.certificate;
    settings.tls.key = foreign.key;
    let reason = refuse(settings).await;
    assert!(matches!(&reason, UplinkError::OwnCertificate(text) if text.contains("not signed by")), "{reason}");

    // A name the broker's certificate does not carry.
    let mut settings = headquarters.settings(&address());
    settings.host = "127.0.0.2".into();
    settings.port = headquarters.broker.port();
    let reason = refuse(settings).await;
    assert!(matches!(reason, UplinkError::Unreachable { .. } | UplinkError::BrokerCertificate(_)), "{reason}");

    let mut settings = headquarters.settings(&address());
    settings.port = 1;
    let reason = refuse(settings).await;
    assert!(matches!(reason, UplinkError::Unreachable { .. }) && !reason.needs_a_person(), "{reason}");
}
