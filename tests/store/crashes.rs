//! Killed at every named point of the store, at every passing of it, until the work runs through: what was confirmed is
//! there, what was not may be missing, nothing is half there.

use crate::salon::{LIMIT, events, new_capture, new_repeat, options, person, picture, say};
use skinlink::{
    clock,
    domain::{CaptureId, CustomerId, RepeatId, ScanId, VisitId, capture::Format, consent::Purpose, scan::Phase},
    faults,
    store::{Store, StoreError},
    sync::image_lane::Role,
};
use std::{
    collections::HashSet,
    env, fs,
    io::Write,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;

/// The points that the child passes; the others are walked with the whole gateway (`tests/kills/`).
const PASSED: &[&str] =
    &["store.batch.", "store.image.temporary", "store.image.synced", "store.image.renamed", "store.image.row_"];

/// More passings of any point than the child makes.
const PASSINGS: u32 = 200;

/// What the child does; each line it writes was confirmed to it before.
#[tokio::test]
#[ignore = "the child of the tests below"]
async fn child() {
    let folder = PathBuf::from(env::var("SKINLINK_CRASH_FOLDER").unwrap());
    let mut confirmed = fs::File::create(folder.join("confirmed")).unwrap();
    let mut note = |what: &str, id: String| writeln!(confirmed, "{what} {id}").unwrap();
    let store = Store::open(options(folder.join("data"))).unwrap();
    let customer = clock::mint(CustomerId::from_bits);
    store.save_customer(person(customer), "staff-1".to_owned()).await.unwrap();
    for purpose in Purpose::ALL {
        say(&store, customer, *purpose, true).await;
    }
    let visit = store.open_visit(customer, "chair-1".to_owned(), "staff-1".to_owned()).await.unwrap().id;
    note("visit", visit.to_string());
    let scan = store.begin_scan(visit, None, Phase::Before, Vec::new()).await.unwrap().id;
    note("scan", scan.to_string());
    for n in 0..3 {
        let repeat = store.record_repeat(new_repeat(Some(scan), "35.0", Some(n))).await.unwrap();
        note("repeat", repeat.id.to_string());
        let capture = store.save_capture(new_capture(scan), picture()).await.unwrap().id;
        note("original", capture.to_string());
        store.save_picture(capture, Role::Derivative, Format::Webp, picture()).await.unwrap();
        note("derivative", capture.to_string());
    }
    assert!(store.close(LIMIT).await);
}

fn run_child(folder: &Path, point: &str, passing: u32) -> bool {
    let status = Command::new(env::current_exe().unwrap())
        .args(["--exact", "crashes::child", "--ignored", "--quiet"])
        .env("SKINLINK_CRASH_FOLDER", folder)
        .env("SKINLINK_KILL_AT", format!("{point}:{passing}"))
        .output()
        .unwrap();
    match (status.status.success(), status.status.signal()) {
        (true, _) => true,
        (false, Some(9)) => false,
        _ => panic!("{point}:{passing}: {}", String::from_utf8_lossy(&status.stdout)),
    }
}

/// Opens what the killed child left and holds it to what was confirmed.
async fn inspect(folder: &Path, at: &str) {
    let store = Store::open(options(folder.join("data"))).unwrap_or_else(|fault| panic!("{at}: {fault}"));
    let confirmed = fs::read_to_string(folder.join("confirmed")).unwrap_or_default();
    for line in confirmed.lines() {
        let (what, id) = line.split_once(' ').unwrap();
        holds(&store, what, id, at).await;
    }
    assert_eq!(store.verify().await.unwrap(), Vec::<String>::new(), "{at}");
    assert!(store.verify_audit().await.unwrap().is_ok(), "{at}");
    events(&store).await;
    no_row_without_file_and_no_file_without_row(&store, &folder.join("data/pictures"), at).await;
    assert!(store.close(LIMIT).await, "{at}");
}

async fn holds(store: &Store, what: &str, id: &str, at: &str) {
    let fine = match what {
        "visit" => store.visit(id.parse::<VisitId>().unwrap()).await.map(drop),
        "scan" => store.scan(id.parse::<ScanId>().unwrap()).await.map(drop),
        "repeat" => has_repeat(store, id.parse().unwrap()).await,
        "original" => same_picture(store, id.parse().unwrap(), Role::Original).await,
        "derivative" => same_picture(store, id.parse().unwrap(), Role::Derivative).await,
        other => panic!("{other}"),
    };
    fine.unwrap_or_else(|fault| panic!("{at}: {what} {id} was confirmed: {fault}"));
}

async fn has_repeat(store: &Store, id: RepeatId) -> Result<(), StoreError> {
    let scan = store.scan_in_progress("chair-1".to_owned()).await?.expect("the scan goes on");
    assert!(scan.repeats.iter().any(|one| one.repeat.id == id), "repeat {id} was confirmed");
    Ok(())
}

async fn same_picture(store: &Store, id: CaptureId, role: Role) -> Result<(), StoreError> {
    assert_eq!(store.picture_bytes(id, role).await?, picture());
    Ok(())
}

async fn no_row_without_file_and_no_file_without_row(store: &Store, pictures: &Path, at: &str) {
    let mut named = HashSet::new();
    if let Some(scan) = store.scan_in_progress("chair-1".to_owned()).await.unwrap() {
        for capture in scan.captures.iter().map(|entry| entry.item.id) {
            assert_eq!(store.capture_bytes(capture).await.unwrap(), picture(), "{at}");
            named.insert(capture.to_string());
            if store.picture_bytes(capture, Role::Derivative).await.is_ok() {
                named.insert(format!("{capture}.derivative"));
            }
        }
    }
    let files: HashSet<String> =
        fs::read_dir(pictures).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(files, named, "{at}");
}

#[tokio::test]
async fn killed_at_every_point_the_store_keeps_its_word() {
    for point in faults::POINTS.iter().filter(|point| PASSED.iter().any(|part| point.starts_with(part))) {
        let mut killed = 0;
        for passing in 1..=PASSINGS {
            let folder = TempDir::new().unwrap();
            let ran_through = run_child(folder.path(), point, passing);
            inspect(folder.path(), &format!("{point}:{passing}")).await;
            if ran_through {
                break;
            }
            killed += 1;
        }
        assert!((1..PASSINGS).contains(&killed), "{point}: killed {killed} times");
        println!("{point}: killed {killed} times");
    }
}
