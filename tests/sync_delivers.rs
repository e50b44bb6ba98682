//! From the outbox of a real store through a real broker into headquarters' database: everything arrives, once, whatever is
//! cut, killed or restored on the way.

#[path = "support/headquarters.rs"]
mod headquarters;
#[expect(dead_code, reason = "shared with the store's own stories")]
#[path = "store/salon.rs"]
#[expect(clippy::unwrap_used, reason = "here an unwrap that fails is a story that fails")]
mod salon;

use headquarters::{Headquarters, LIMIT, address};
use salon::Salon;
use skinlink::{
    clock,
    config::{AcknowledgedBy, Sync},
    domain::{Region, capture::Format, consent::Purpose},
    hq::ledger::Counts,
    ports::{Connector, UplinkError},
    store::{Store, StoreError},
    sync::image_lane::Role,
    tasks::sync::{self, Connection, SyncSettings, SyncStatus},
};
use std::{num::NonZeroU64, path::Path, time::Duration};
use tokio::{sync::watch, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

/// The sync task of one store.
struct Running {
    status: watch::Receiver<SyncStatus>,
    stop: CancellationToken,
    task: JoinHandle<Result<(), StoreError>>,
}

fn settings() -> SyncSettings {
    SyncSettings {
        address: address(),
        sync: Sync {
            acknowledged_by: AcknowledgedBy::Hq,
            window: 16,
            batch_events: 20,
            resend_after: Duration::from_secs(3),
            image_rate: None,
        },
        about: "{\"version\":\"test\"}".into(),
        version: "test".into(),
    }
}

impl Running {
    fn start(store: &Store, connector: Connector) -> Self {
        Self::start_with(store, connector, settings())
    }

    #[expect(clippy::disallowed_methods, reason = "the test watches this task itself")]
    fn start_with(store: &Store, connector: Connector, settings: SyncSettings) -> Self {
        let (sender, status) = watch::channel(SyncStatus::default());
        let stop = CancellationToken::new();
        let task = tokio::spawn(sync::run(store.clone(), connector, settings, sender, stop.clone()));
        Self { status, stop, task }
    }

    async fn until(&mut self, what: &str, wanted: impl FnMut(&SyncStatus) -> bool) -> SyncStatus {
        let now = self.status.clone();
        match timeout(LIMIT, self.status.wait_for(wanted)).await {
            Ok(status) => status.expect("the task lives").clone(),
            Err(_) => panic!("{what}: not within {LIMIT:?}; status {:?}", *now.borrow()),
        }
    }

    async fn stop(self) {
        self.stop.cancel();
        timeout(LIMIT, self.task).await.expect("it stops in time").expect("no panic").expect("no fault");
    }
}

/// Enqueues `count` events.
async fn talk(salon: &Salon, count: usize) {
    for at in 0..count {
        salon.say(Purpose::DeliverReport, at % 2 == 0).await;
    }
}

/// Waits until HQ holds everything and the outbox knows it; then holds both against one another.
async fn all_is_there(headquarters: &Headquarters, store: &Store) -> Counts {
    let (epoch, last) = (store.epoch().await.expect("a store").to_string(), store.last_seq().await.expect("a store"));
    headquarters
        .eventually(&format!("{last} events"), |ledger| {
            let rows = ledger.events_after(0, 100_000).ok()?;
            let here = rows.iter().filter(|row| row.epoch == epoch).count() as u64;
            (here == last && ledger.gaps().ok()?.is_empty()).then_some(())
        })
        .await;
    let mut changed = store.outbox_changed();
    let settled = async {
        while store.backlog().await.expect("a store").events > 0 {
            // Acknowledgements do not wake the outbox: look again soon, or when it changes.
            let _ = timeout(Duration::from_millis(20), changed.changed()).await;
        }
    };
    timeout(LIMIT, settled).await.expect("the outbox empties");
    let sent = store.range(store.epoch().await.expect("a store"), 1, last, 100_000, usize::MAX).await.expect("a store");
    headquarters
        .eventually("the ledger", |ledger| {
            let mut rows = ledger.events_after(0, 100_000).ok()?;
            rows.retain(|row| row.epoch == epoch);
            rows.sort_by_key(|row| row.seq);
            let held: Vec<(u64, String)> = rows.into_iter().map(|row| (row.seq, row.body)).collect();
            assert!(held == sent, "HQ holds exactly what the outbox sent");
            let counts = ledger.counts().ok()?.remove(0);
            assert_eq!((counts.duplicates, counts.gaps, counts.alarms), (0, 0, 0), "{counts:?}");
            Some(counts)
        })
        .await
}

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

#[tokio::test]
async fn everything_arrives_once_through_cuts_and_restarts() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
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
async fn a_store_restored_from_a_backup_starts_a_new_epoch() {
    let headquarters = Headquarters::start().await;
    let salon = Salon::new().await;
    let running = Running::start(&salon.store, headquarters.connector(&address()));
    talk(&salon, 10).await;
    all_is_there(&headquarters, &salon.store).await;
    running.stop().await;
    let before = salon.store.epoch().await.expect("a store");

    // The backup: what the outbox held then, including two events that HQ gets only afterwards.
    talk(&salon, 2).await;
    let Salon { folder, store, customer } = salon;
    assert!(store.close(LIMIT).await, "the store closes");
    let backup = tempfile::tempdir().expect("a folder");
    copy(&folder.path().join("data"), &backup.path().join("data"));

    let salon = Salon { store: salon::open(&folder), folder, customer };
    let running = Running::start(&salon.store, headquarters.connector(&address()));
    talk(&salon, 5).await;
    all_is_there(&headquarters, &salon.store).await;
    running.stop().await;
    assert!(salon.store.close(LIMIT).await, "the store closes");

    let restored = Salon { store: salon::open(&backup), folder: backup, customer };
    talk(&restored, 3).await;
    let running = Running::start(&restored.store, headquarters.connector(&address()));
    headquarters
        .eventually("events under a new epoch", |ledger| {
            let rows = ledger.events_after(0, 1_000).ok()?;
            rows.iter().any(|row| row.epoch != before.to_string()).then_some(())
        })
        .await;
    let counts = all_is_there(&headquarters, &restored.store).await;
    assert_ne!(restored.store.epoch().await.expect("a store"), before);
    // The two that HQ had already are known as the same; none is a duplicate (checked above).
    assert_eq!(counts.refused, 0);
    let consents = headquarters.eventually("each event once", |ledger| ledger.events_of("consent.v1").ok()).await;
    assert_eq!(consents.len(), 10 + 2 + 5 + 3);
    running.stop().await;
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("a copy");
        }
    }
    let mode = std::fs::metadata(from).expect("a folder").permissions();
    std::fs::set_permissions(to, mode).expect("the same mode");
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
    let file = headquarters.data().join(format!("images/sh-001-g1/{}-derivative.jpg", capture.id));
    assert!(std::fs::read(file).expect("its file") == bytes, "bit for bit");
    let settled = async {
        while salon.store.backlog().await.expect("a store").images > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(LIMIT, settled).await.expect("the store knows that both are there");
    running.stop().await;
}

#[tokio::test]
async fn a_withdrawn_consent_stops_a_picture_at_the_next_slice() {
    let headquarters = Headquarters::start().await;
    let salon = Salon::new().await;
    for purpose in [Purpose::Measure, Purpose::Photograph, Purpose::KeepPhotographs, Purpose::SharePhotographs] {
        salon.say(purpose, true).await;
    }
    let visit = salon.visit().await;
    let scan = salon.scan(visit).await;
    let capture = salon.capture(scan).await;
    salon.store.save_picture(capture.id, Role::Derivative, Format::Jpeg, vec![7; 900_000]).await.expect("stored");
    let mut slow = settings();
    slow.sync.image_rate = NonZeroU64::new(100_000);
    let running = Running::start_with(&salon.store, headquarters.connector(&address()), slow);
    headquarters.eventually("the offer", |ledger| (!ledger.pictures().ok()?.is_empty()).then_some(())).await;
    salon.say(Purpose::SharePhotographs, false).await;
    assert_eq!(salon.store.backlog().await.expect("a store").images, 0, "it is owed no longer");
    headquarters
        .eventually("the withdrawal", |ledger| {
            let consents = ledger.events_of("consent.v1").ok()?;
            consents.iter().any(|event| event.body.contains("\"given\":false")).then_some(())
        })
        .await;
    // At 100 kB a second the picture would need nine seconds; the withdrawal is told at once, and no slice follows it.
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
        .args(["--log", "warn", "run", "--host", &config.host, "--port", &config.port.to_string()])
        .args(["--name", &config.name, "--data"])
        .arg(&config.data)
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
        let file = headquarters.data().join(format!("images/sh-001-g1/{}-derivative.jpg", capture.id));
        assert!(std::fs::read(file).expect("its file") == vec![3; 150_000], "{kill_at}: bit for bit");
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
