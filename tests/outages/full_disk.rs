//! A disk that is full, then has room again. The store lies on a small file system of its own, which only a child process of
//! this test sees: a mount in a namespace of its own, as root or, where the kernel allows it, as anybody. (`RLIMIT_FSIZE` would
//! be easier but is another error to SQLite than a full disk; `max_page_count` does not touch the log.)

use crate::{
    gateway::{Running, all_is_there, talk},
    headquarters::{Headquarters, LIMIT, address},
    salon::{self, Salon, person},
};
use skinlink::{
    clock,
    domain::{
        CustomerId,
        consent::{Channel, Purpose},
    },
    store::{NewConsent, Store, StoreError},
    tasks::sync::SyncStatus,
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
        eprintln!("this kernel gives nobody a mount namespace of his own; the story of the full disk is not told here");
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
    // HQ comes back and its word cannot be recorded: the task says so, and stays.
    headquarters.start_receiver();
    let word = |status: &SyncStatus| status.alarm.as_ref().is_some_and(|alarm| alarm.contains("nothing is sent to HQ"));
    running.until("people are told that nothing can be recorded", word).await;
    assert!(!running.task.is_finished(), "a full disk does not end the task");

    fs::remove_file(disk.join("filler")).expect("freed");
    let goes_on = async {
        while consent(&salon.store, customer).await.is_err() {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(LIMIT, goes_on).await.expect("the store goes on by itself");
    assert_eq!(
        salon.store.last_seq().await.expect("a store"),
        20 + 5 + confirmed + 1,
        "what was confirmed, and nothing else"
    );
    all_is_there(&headquarters, &salon.store).await;
    assert_eq!(salon.store.verify().await.expect("a store"), Vec::<String>::new());
    running.stop().await;
}
