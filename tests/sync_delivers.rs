//! From the outbox of a real store through a real broker into headquarters' database: everything arrives, once, whatever is
//! cut, killed or restored on the way.

#[path = "support/headquarters.rs"]
mod headquarters;
#[expect(dead_code, reason = "shared with the store's own stories")]
#[path = "store/salon.rs"]
#[expect(clippy::unwrap_used, reason = "here an unwrap that fails is a story that fails")]
mod salon;

#[path = "support/gateway.rs"]
mod gateway;

use gateway::{Running, all_is_there, settings, talk};
use headquarters::{Headquarters, LIMIT, address};
use salon::Salon;
use skinlink::{
    clock,
    domain::{Region, capture::Format, consent::Purpose},
    hq::ledger::Ledger,
    ports::UplinkError,
    store::Store,
    sync::image_lane::{Role, SLICE},
    tasks::sync::{Connection, SyncSettings},
};
use std::{num::NonZeroU64, time::Duration};
use tokio::{sync::watch, time::timeout};

#[tokio::test]
async fn a_visit_recorded_without_network_arrives_once_the_broker_is_back() {
    let mut headquarters = Headquarters::start().await;
    headquarters.broker.kill().await;
    let salon = Salon::new().await;
    let mut running = Running::start(&salon.store, headquarters.connector(&address()));
    salon.say(Purpose::Measure, true).await;
    salon.say(Purpose::ShareNumbers, true).await;
    let visit = salon.visit().await;
    let scan = salon.scan(visit).await;
    salon.reading(scan, Region::Forehead).await;
    running.until("no broker", |status| matches!(status.connection, Connection::Down(_))).await;
    headquarters.broker.restart().await.expect("the broker starts again");
    let counts = all_is_there(&headquarters, &salon.store).await;
    assert_eq!(counts.refused, 0);
    let readings = headquarters.eventually("the reading", |ledger| ledger.readings().ok()).await;
    assert_eq!(readings.len(), 1);
    assert_eq!((readings[0].1.value.as_str(), readings[0].1.repeats.len()), ("35.00", 3));
    let status = running.until("everything confirmed", |status| status.waiting == 0).await;
    assert!(status.last_acknowledged.is_some() && status.connection == Connection::Connected, "{status:?}");
    running.stop().await;
    headquarters
        .eventually("the last will", |ledger| {
            (ledger.status_of("sh-001-g1").ok()? == Some("offline".into())).then_some(())
        })
        .await;
}

/// A battery that empties is told without waiting for the next connection.
#[tokio::test]
async fn what_a_gateway_says_of_itself_is_told_again_when_it_changes() {
    let headquarters = Headquarters::start().await;
    let salon = Salon::new().await;
    let (tell, about) = watch::channel("{\"devices\":[{\"battery_percent\":87}]}".to_owned());
    let settings = SyncSettings { about, ..settings() };
    let running = Running::start_with(&salon.store, headquarters.connector(&address()), settings);
    let says = async |wanted: &'static str| {
        let look = |ledger: &Ledger| ledger.about_of("sh-001-g1").ok()?.filter(|about| about.contains(wanted));
        headquarters.eventually(wanted, look).await
    };
    says("\"battery_percent\":87").await;
    tell.send_replace("{\"devices\":[{\"battery_percent\":12}]}".to_owned());
    says("\"battery_percent\":12").await;
    running.stop().await;
}

#[tokio::test]
async fn everything_arrives_once_through_cuts_and_restarts() {
    let seed =
        std::env::var("SKINLINK_SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().expect("a number"));
    println!("SKINLINK_SEED={seed}");
    let mut dice = fastrand::Rng::with_seed(seed);
    let mut headquarters = Headquarters::start().await;
    let salon = Salon::new().await;
    let running = Running::start(&salon.store, headquarters.connector(&address()));
    for round in 0..12 {
        talk(&salon, dice.usize(5..60)).await;
        match dice.u8(..4) {
            0 => headquarters.broker.restart().await.expect("the broker starts again"),
            1 => {
                headquarters.stop_receiver().await;
                talk(&salon, dice.usize(1..20)).await;
                headquarters.start_receiver();
            }
            _ => headquarters.line.cut(),
        }
        println!("round {round}: {} events", salon.store.last_seq().await.expect("a store"));
    }
    let counts = all_is_there(&headquarters, &salon.store).await;
    println!("{counts:?}, {} connections", headquarters.line.connections());
    assert!(headquarters.line.connections() > 1, "something was cut");
    running.stop().await;
}

#[tokio::test]
async fn a_headquarters_that_lost_its_database_gets_everything_again() {
    let mut headquarters = Headquarters::start().await;
    let salon = Salon::new().await;
    let running = Running::start(&salon.store, headquarters.connector(&address()));
    talk(&salon, 30).await;
    all_is_there(&headquarters, &salon.store).await;
    headquarters.stop_receiver().await;
    std::fs::remove_dir_all(headquarters.data()).expect("gone");
    headquarters.start_receiver();
    // An empty receiver knows nobody; the next event makes the gateway speak, and its hello brings all the rest.
    talk(&salon, 1).await;
    all_is_there(&headquarters, &salon.store).await;
    running.stop().await;
}

#[tokio::test]
async fn what_headquarters_refuses_goes_to_the_dead_letters_and_blocks_nothing() {
    let headquarters = Headquarters::start().await;
    let folder = tempfile::tempdir().expect("a folder");
    // A store set up under another name than its certificate: every event claims a source that its topic denies.
    let options = skinlink::store::Options {
        source: "skinlink://bj-009/bj-009-g1".to_owned(),
        ..salon::options(folder.path().join("data"))
    };
    let store = Store::open(options).expect("a store");
    let customer = clock::mint(skinlink::domain::CustomerId::from_bits);
    store.save_customer(salon::person(customer), "staff-1".to_owned()).await.expect("a customer");
    let salon = Salon { folder, store, customer };
    talk(&salon, 3).await;
    let running = Running::start(&salon.store, headquarters.connector(&address()));
    headquarters
        .eventually("all refused", |ledger| {
            let counts = ledger.counts().ok()?;
            counts.first().is_some_and(|counts| counts.refused == counts.events && counts.events >= 3).then_some(())
        })
        .await;
    let letters = async {
        loop {
            let letters = salon.store.dead_letters(100).await.expect("a store");
            if letters.len() as u64 == salon.store.last_seq().await.expect("a store") {
                return letters;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let letters = timeout(LIMIT, letters).await.expect("dead letters in time");
    assert!(letters.iter().all(|letter| letter.reason.contains("bj-009")), "{letters:?}");
    running.stop().await;
}

#[tokio::test]
async fn an_expired_certificate_is_an_alarm_and_loses_nothing() {
    use skinlink::adapters::pki::{Use, Validity};
    use skinlink::domain::Timestamp;
    let headquarters = Headquarters::start().await;
    let salon = Salon::new().await;
    talk(&salon, 4).await;
    let mut settings = headquarters.settings(&address());
    let pki = tempfile::tempdir().expect("a folder");
    let now = clock::now().wall.unix_ms();
    let past = Validity { from: Timestamp::from_unix_ms(now - 9_000_000), to: Timestamp::from_unix_ms(now - 5_000) };
    settings.tls = headquarters.authority.issue(pki.path(), "sh-001-g1", Use::Client, past).expect("a leaf");
    let mut running = Running::start(&salon.store, skinlink::adapters::mqtt::connector(settings));
    let status = running
        .until("an alarm", |status| matches!(status.connection, Connection::Down(UplinkError::OwnCertificate(_))))
        .await;
    assert!(status.alarm.is_some_and(|alarm| alarm.contains("expired")));
    assert_eq!(headquarters.line.connections(), 0, "a broker is not troubled with it");

    let renewed = Validity::days(clock::now().wall, 2);
    headquarters.authority.issue(pki.path(), "sh-001-g1", Use::Client, renewed).expect("a leaf");
    all_is_there(&headquarters, &salon.store).await;
    running.stop().await;
}

#[tokio::test]
async fn a_picture_arrives_bit_for_bit_over_a_line_that_is_cut() {
    let headquarters = Headquarters::start().await;
    let salon = Salon::new().await;
    for purpose in [Purpose::Measure, Purpose::Photograph, Purpose::KeepPhotographs, Purpose::SharePhotographs] {
        salon.say(purpose, true).await;
    }
    let visit = salon.visit().await;
    let scan = salon.scan(visit).await;
    let capture = salon.capture(scan).await;
    let mut dice = fastrand::Rng::with_seed(11);
    let bytes: Vec<u8> = (0..700_000).map(|_| dice.u8(..)).collect();
    salon.store.save_picture(capture.id, Role::Derivative, Format::Jpeg, bytes.clone()).await.expect("stored");
    salon.store.save_picture(capture.id, Role::Report, Format::Png, bytes[..1_000].to_vec()).await.expect("stored");
    let mut slow = settings();
    slow.sync.image_rate = NonZeroU64::new(500_000);
    let running = Running::start_with(&salon.store, headquarters.connector(&address()), slow);
    headquarters
        .eventually("the small report picture first", |ledger| {
            let pictures = ledger.pictures().ok()?;
            pictures.iter().any(|picture| picture.role == "report" && picture.state == "verified").then_some(())
        })
        .await;
    headquarters
        .eventually("the large one under way", |ledger| {
            ledger.pictures().ok()?.iter().any(|picture| picture.role == "derivative").then_some(())
        })
        .await;
    headquarters.line.cut();
    headquarters
        .eventually("both", |ledger| {
            ledger.pictures().ok()?.iter().all(|picture| picture.state == "verified").then_some(())
        })
        .await;
    assert!(headquarters.picture(&capture.id.to_string(), "derivative") == bytes, "bit for bit");
    let settled = async {
        while salon.store.backlog().await.expect("a store").images > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LIMIT, settled).await.expect("the store knows that both are there");
    running.stop().await;
}

/// Slices that headquarters holds of pictures that are not whole yet.
fn slices(headquarters: &Headquarters) -> u64 {
    let Ok(database) = rusqlite::Connection::open(headquarters.data().join(skinlink::hq::database::FILE)) else {
        return 0;
    };
    database.query_row("SELECT count(*) FROM image_slices", [], |row| row.get(0)).unwrap_or(0)
}

#[tokio::test]
async fn a_withdrawn_consent_stops_a_picture_at_the_next_slice() {
    // Forty seconds at the rate below, so that a busy machine does not get through with it either.
    const WHOLE: usize = 4_000_000;
    let headquarters = Headquarters::start().await;
    let salon = Salon::new().await;
    for purpose in [Purpose::Measure, Purpose::Photograph, Purpose::KeepPhotographs, Purpose::SharePhotographs] {
        salon.say(purpose, true).await;
    }
    let visit = salon.visit().await;
    let scan = salon.scan(visit).await;
    let capture = salon.capture(scan).await;
    salon.store.save_picture(capture.id, Role::Derivative, Format::Jpeg, vec![7; WHOLE]).await.expect("stored");
    let mut slow = settings();
    slow.sync.image_rate = NonZeroU64::new(100_000);
    let running = Running::start_with(&salon.store, headquarters.connector(&address()), slow);
    headquarters.eventually("the offer", |ledger| (!ledger.pictures().ok()?.is_empty()).then_some(())).await;
    headquarters.eventually("its first slice", |_| (slices(&headquarters) > 0).then_some(())).await;
    salon.say(Purpose::SharePhotographs, false).await;
    assert_eq!(salon.store.backlog().await.expect("a store").images, 0, "it is owed no longer");
    headquarters
        .eventually("the withdrawal", |ledger| {
            let consents = ledger.events_of("consent.v1").ok()?;
            consents.iter().any(|event| event.body.contains("\"given\":false")).then_some(())
        })
        .await;
    // A slice that was on its way may overtake the withdrawal at headquarters, never follow it; the broker keeps the order.
    let there = slices(&headquarters);
    assert!(there < WHOLE.div_ceil(SLICE as usize) as u64, "the picture was still under way");
    // At 100 kB a second several would come in this time.
    let until = tokio::time::Instant::now() + Duration::from_secs(2);
    while tokio::time::Instant::now() < until {
        assert_eq!(slices(&headquarters), there, "no slice follows the withdrawal");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let state = headquarters.eventually("its state", |ledger| Some(ledger.pictures().ok()?.remove(0).state)).await;
    assert_eq!(state, "wanted");
    running.stop().await;
    assert!(!headquarters.data().join("images").exists(), "no picture was filed");
}

/// The receiver as a process of its own, killed at `kill_at` if given.
fn receiver(headquarters: &Headquarters, kill_at: Option<&str>) -> tokio::process::Child {
    let config = headquarters.config();
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_skinlink-hq"));
    command
        .args(["--log", "warn", "run", "--broker", &format!("{}:{}", config.host, config.port)])
        .args(["--name", &config.name, "--data"])
        .arg(&config.shelves.data)
        .arg("--ca")
        .arg(&config.tls.ca)
        .arg("--certificate")
        .arg(&config.tls.certificate)
        .arg("--key")
        .arg(&config.tls.key)
        .kill_on_drop(true);
    if let Some(point) = kill_at {
        command.env("SKINLINK_KILL_AT", point);
    }
    command.spawn().expect("the receiver's program starts")
}

#[tokio::test]
async fn a_receiver_killed_at_any_point_loses_nothing_and_stores_nothing_twice() {
    use std::os::unix::process::ExitStatusExt;
    for point in skinlink::faults::HQ_POINTS {
        // The third batch: the first two are hellos and the like on most machines, events on a slow one; all are fine.
        let kill_at = if point.starts_with("hq.batch") { format!("{point}:3") } else { format!("{point}:1") };
        let headquarters = Headquarters::without_receiver().await;
        let salon = Salon::new().await;
        for purpose in [Purpose::Measure, Purpose::Photograph, Purpose::KeepPhotographs, Purpose::SharePhotographs] {
            salon.say(purpose, true).await;
        }
        let visit = salon.visit().await;
        let capture = salon.capture(salon.scan(visit).await).await;
        salon.store.save_picture(capture.id, Role::Derivative, Format::Jpeg, vec![3; 150_000]).await.expect("stored");
        let mut doomed = receiver(&headquarters, Some(&kill_at));
        let running = Running::start(&salon.store, headquarters.connector(&address()));
        let died = timeout(LIMIT, doomed.wait()).await.unwrap_or_else(|_| panic!("{kill_at} is never passed"));
        assert_eq!(died.expect("its status").signal(), Some(9), "{kill_at}");
        talk(&salon, 20).await;
        let mut heir = receiver(&headquarters, None);
        let counts = all_is_there(&headquarters, &salon.store).await;
        println!("{kill_at}: {counts:?}");
        headquarters
            .eventually("the picture", |ledger| {
                let pictures = ledger.pictures().ok()?;
                pictures.first().is_some_and(|picture| picture.state == "verified").then_some(())
            })
            .await;
        let arrived = headquarters.picture(&capture.id.to_string(), "derivative");
        assert!(arrived == vec![3; 150_000], "{kill_at}: bit for bit");
        running.stop().await;
        let pid = nix::unistd::Pid::from_raw(i32::try_from(heir.id().expect("it runs")).expect("a process id"));
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).expect("a signal");
        let ended = timeout(LIMIT, heir.wait()).await.expect("it ends in time").expect("its status");
        assert!(ended.success(), "asked politely it ends in peace: {ended}");
    }
}

#[tokio::test]
async fn tail_prints_one_line_an_event() {
    let headquarters = Headquarters::start().await;
    let salon = Salon::new().await;
    salon.say(Purpose::Measure, true).await;
    let running = Running::start(&salon.store, headquarters.connector(&address()));
    all_is_there(&headquarters, &salon.store).await;
    let tail = |json: bool| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_skinlink-hq"));
        command.args(["tail", "--no-follow", "--data"]).arg(headquarters.data());
        if json {
            command.arg("--json");
        }
        let output = command.output().expect("the program runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    };
    let text = tail(false);
    assert!(
        text.lines().any(|line| line.contains("sh-001-g1 #1") && line.contains("measure given (station)")),
        "{text}"
    );
    for line in tail(true).lines() {
        let value: serde_json::Value = serde_json::from_str(line).expect("a JSON line");
        assert_eq!(value["gateway"], "sh-001-g1");
    }
    running.stop().await;
}
