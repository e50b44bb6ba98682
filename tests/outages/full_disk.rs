//! A disk that is full, then has room again. The store lies on a small file system of its own, which only a child process of
//! this test sees: a mount in a namespace of its own, as root or, where the kernel allows it, as anybody. (`RLIMIT_FSIZE` would
//! be easier but is another error to SQLite than a full disk; `max_page_count` does not touch the log.)

use crate::{
    gateway::{Running, all_is_there, talk},
    headquarters::{Headquarters, LIMIT, address},
    line_probe::{Probe, Wire, queue, serve},
    salon::{self, Salon, person},
};
use skinlink::{
    clock,
    domain::{
        CustomerId,
        consent::{Channel, Purpose},
    },
    store::{NewConsent, Store, StoreError},
    tasks::{live, measurements::Measurements, sync::SyncStatus},
};
use std::{fs, io::Write, os::unix::fs::MetadataExt, path::Path, process::Command, time::Duration};
use tokio::time::{sleep, timeout};

/// Set for the child: the folder of the small file system.
const SMALL: &str = "SKINLINK_SMALL_DISK";

/// Runs the story below in a mount namespace of its own.
#[test]
fn a_full_disk_refuses_in_words_loses_nothing_and_goes_on_by_itself() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = fs::metadata("/proc/self").is_ok_and(|about| about.uid() == 0);
    let own: &[&str] = if root { &["--mount"] } else { &["--user", "--map-root-user", "--mount"] };
    let allowed = Command::new("unshare").args(own).args(["true"]).status().is_ok_and(|status| status.success());
    if !allowed {
        assert!(
            std::env::var_os("SKINLINK_WITHOUT_FULL_DISK").is_some(),
            "this machine grants no mount namespace; SKINLINK_WITHOUT_FULL_DISK=1 leaves the story of the full disk out"
        );
        return;
    }
    let me = std::env::current_exe().expect("this test");
    let told = Command::new("unshare")
        .args(own)
        .args(["sh", "-c", "mount -t tmpfs -o size=6m skinlink \"$1\" && exec \"$2\" --exact full_disk::told_on_a_small_disk --ignored --nocapture", "sh"])
        .arg(folder.path())
        .arg(me)
        .env(SMALL, folder.path())
        .output()
        .expect("unshare runs");
    let said = format!("{}{}", String::from_utf8_lossy(&told.stdout), String::from_utf8_lossy(&told.stderr));
    assert!(told.status.success() && said.contains("1 passed"), "{said}");
}

async fn consent(store: &Store, customer: CustomerId) -> Result<(), StoreError> {
    let consent = NewConsent {
        customer,
        purpose: Purpose::DeliverReport,
        given: true,
        text_version: "2026-01".to_owned(),
        channel: Channel::Station,
        staff: "staff-1".to_owned(),
        signature: "M0 0L9 9".repeat(100),
    };
    store.record_consent(consent).await.map(drop)
}

fn fill(path: &Path) {
    let mut filler = fs::File::create(path).expect("a file");
    let block = [7_u8; 4096];
    while filler.write_all(&block).is_ok() {}
}

#[expect(clippy::disallowed_methods, reason = "the test starts what it watches")]
#[tokio::test]
#[ignore = "needs the small disk that the test above gives it"]
async fn told_on_a_small_disk() {
    let disk = std::path::PathBuf::from(std::env::var_os(SMALL).expect("run by the test above"));
    let mut headquarters = Headquarters::start().await;
    let store = Store::open(salon::options(disk.join("data"))).expect("a store");
    let customer = clock::mint(CustomerId::from_bits);
    store.save_customer(person(customer), "staff-1".to_owned()).await.expect("a customer");
    let salon = Salon { folder: tempfile::tempdir().expect("a folder"), store, customer };
    let mut running = Running::start(&salon.store, headquarters.connector(&address()));
    talk(&salon, 20).await;
    all_is_there(&headquarters, &salon.store).await;

    // A device of the store that sends again what it got no word for.
    let cable = salon.folder.path().join("probe");
    let mut probe = Probe::plug_in(&cable, "LP-1", Wire::Clean);
    let (station, observations) = queue();
    let served = serve(&cable, station);
    let (news, ring) = live::live("test");
    let (device, store) = (served.handle.clone(), salon.store.clone());
    let measures = Measurements { station: "room".into(), device, sends_again: true, store, live: news, observations };
    let tasks = [tokio::spawn(ring.run()), tokio::spawn(measures.run())];
    probe.say.send("M,0,1,35.2".to_owned()).expect("the probe lives");
    probe.hears("A,1").await;

    // Five wait for a word from HQ, which is away.
    headquarters.stop_receiver().await;
    talk(&salon, 5).await;
    fill(&disk.join("filler"));
    // What is confirmed is counted; at some point nothing is confirmed any more.
    let (mut confirmed, mut refused) = (0_u64, Vec::new());
    while refused.len() < 20 {
        match consent(&salon.store, customer).await {
            Ok(()) => confirmed += 1,
            Err(fault) => refused.push(fault.to_string()),
        }
        assert!(confirmed < 100_000, "the disk is never full");
    }
    println!("{confirmed} confirmed beside the filler, then: {}", refused[0]);
    assert!(
        refused.iter().all(|reason| reason.contains("disk is full") || reason.contains("not written")),
        "{refused:?}"
    );
    assert!(refused.iter().any(|reason| reason.contains("free some space")), "{refused:?}");
    for _ in 0..3 {
        probe.say.send("M,0,2,35.3".to_owned()).expect("the probe lives");
    }
    // HQ comes back and its word cannot be recorded: the task says so, and stays.
    headquarters.start_receiver();
    let word = |status: &SyncStatus| status.alarm.as_ref().is_some_and(|alarm| alarm.contains("nothing is sent to HQ"));
    running.until("people are told that nothing can be recorded", word).await;
    assert!(!running.task.is_finished(), "a full disk does not end the task");

    while let Ok(line) = probe.heard.try_recv() {
        assert_ne!(line, "A,2", "a device was told that its value is safe");
    }
    fs::remove_file(disk.join("filler")).expect("freed");
    probe.hears("A,2").await;
    let goes_on = async {
        while consent(&salon.store, customer).await.is_err() {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(LIMIT, goes_on).await.expect("the store goes on by itself");
    assert_eq!(
        salon.store.last_seq().await.expect("a store"),
        20 + 1 + 5 + confirmed + 1 + 1,
        "what was confirmed, one value of the device, and nothing else"
    );
    all_is_there(&headquarters, &salon.store).await;
    assert_eq!(salon.store.verify().await.expect("a store"), Vec::<String>::new());
    let values = headquarters.eventually("the device's values", |ledger| ledger.events_of("measurement.v1").ok()).await;
    assert_eq!(values.len(), 2, "each once");
    running.stop().await;
    served.end().await;
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
}
