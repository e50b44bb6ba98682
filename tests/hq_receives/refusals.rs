//! What is refused: poisoned events, batches cut short, gateways that speak for others, certificates that will not do.

use crate::{
    Side,
    hand::{connected, hello},
    headquarters::{Headquarters, LIMIT, address},
};
use skinlink::{
    adapters::{
        mqtt,
        pki::{Authority, Use, Validity},
    },
    clock,
    domain::{Epoch, Timestamp},
    hq::ledger::Ledger,
    ports::{BrokerWord, FromBroker, UplinkError},
    sync::{
        reply::{Hello, Reply},
        topic::Lane,
    },
};
use tokio::time::timeout;

pub(crate) async fn a_poisoned_event_in_the_middle_is_refused_and_passed(side: Side) {
    let headquarters = side.headquarters().await;
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

fn good_epoch(event: &str) -> &str {
    event.split("\"epoch\":\"").nth(1).and_then(|rest| rest.split('"').next()).expect("an event has an epoch")
}

/// Stores were updated before headquarters and said something in a field that it did not know: refused, and closed to customers until
/// a person thought of replaying the dead letters. Here the row is mended instead of the program.
pub(crate) async fn what_an_older_receiver_refused_is_taken_when_a_newer_one_begins(side: Side) {
    let mut headquarters = side.headquarters().await;
    let mut hand = connected(&headquarters).await;
    let sound = hand.event(2);
    let strange = sound.replace("\"phase\":\"before\"", "\"phase\":\"before\",\"newer\":1");
    let events = [hand.event(1), strange, hand.event(3)];
    let batch = hand.batch(1, &events);
    hand.publish(&Lane::Events, batch).await;
    hand.acknowledged(3).await;
    headquarters.stop_receiver().await;
    let mut engine = headquarters.database.open().expect("the database opens");
    let mended = "UPDATE events SET body = ?1 WHERE seq = 2 AND refused IS NOT NULL";
    assert_eq!(engine.execute(mended, &[sound.as_str().into()]).expect("it is written"), 1);
    drop(engine);
    headquarters.start_receiver();
    let taken = |ledger: &Ledger| ledger.counts().ok().filter(|counts| counts[0].refused == 0).map(drop);
    headquarters.eventually("the event is taken", taken).await;
    let facts = |_: &Ledger| {
        let mut engine = headquarters.database.read_only().ok()?;
        engine.query("SELECT 1 FROM scan_facts", &[]).is_ok_and(|rows| rows.len() == 3).then_some(())
    };
    headquarters.eventually("its facts too", facts).await;
    headquarters.stop_receiver().await;
}

/// A refusal that got lost is said again with the next hello, until the gateway says that it knows.
pub(crate) async fn a_refusal_is_repeated_until_the_gateway_knows_of_it(side: Side) {
    let headquarters = side.headquarters().await;
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

pub(crate) async fn a_batch_cut_at_any_byte_is_an_alarm_and_harms_nothing(side: Side) {
    let headquarters = side.headquarters().await;
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

pub(crate) async fn a_gateway_of_another_store_is_neither_stored_nor_acknowledged(side: Side) {
    let headquarters = side.headquarters().await;
    let mut hand = connected(&headquarters).await;
    hand.address.store = "bj-001".into();
    hand.send(1, 1).await;
    // The alarm goes to the topic of the store it now claims, to which nobody subscribes: look at HQ.
    let counts = headquarters
        .eventually("an alarm", |ledger| ledger.counts().ok()?.into_iter().find(|counts| counts.alarms == 1))
        .await;
    assert_eq!(counts.events, 0);
}

pub(crate) async fn a_gateway_cannot_speak_for_another(side: Side) {
    let headquarters = side.headquarters().await;
    let mut hand = connected(&headquarters).await;
    hand.address.gateway = "sh-001-g2".into();
    let batch = hand.batch(1, &[hand.event(1)]);
    assert_eq!(hand.publish(&Lane::Events, batch).await, BrokerWord::Refused("NotAuthorized".into()));
}

#[tokio::test]
async fn certificates_that_will_not_do_are_named_before_or_at_the_handshake() {
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
