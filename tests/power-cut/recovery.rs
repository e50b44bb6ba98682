//! The real recovery of a disk after a power cut, and whether everything that was confirmed is there.

use crate::facts::{self, Facts};
use rusqlite::{Connection, OpenFlags};
use skinlink::{
    domain::{CaptureId, CustomerId, VisitId},
    store::{Options, Store, StoreError, StoreKey, VisitView},
    sync::{envelope::Event, image_lane::Role},
};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

/// Longest wait for the store to close; a hanging one fails.
const LIMIT: Duration = Duration::from_secs(30);

/// The store opens on whatever lies in `data`; as the daemon does at start.
pub fn open(data: &Path) -> Result<Store, String> {
    let key = StoreKey::load_or_create(&data.join("store.key"), data).map_err(|e| format!("the key: {e}"))?;
    let source = "skinlink://demo-store/demo-store-g1".to_owned();
    let options = Options { data: data.to_owned(), key, source, min_free: 0, readers: 1 };
    Store::open(options).map_err(|e| format!("opening: {e}"))
}

/// Opens what a cut left in `root` and holds it and those `backups` to `demands`; the sentence says what is wrong.
pub async fn holds(root: &Path, backups: &[PathBuf], demands: &Facts) -> Result<(), String> {
    let data = root.join("data");
    let store = open(&data)?;
    let held = examine(&store, demands).await.and_then(|()| whole(backups, &data));
    if !store.close(LIMIT).await {
        return Err("the recovered store does not close".to_owned());
    }
    held
}

async fn examine(store: &Store, demands: &Facts) -> Result<(), String> {
    let wrong = store.verify().await.map_err(said("verify"))?;
    ensure(wrong.is_empty(), || format!("integrity: {}", wrong.join("; ")))?;
    let audit = store.verify_audit().await.map_err(said("audit"))?;
    ensure(audit.is_ok(), || format!("audit: {audit:?}"))?;
    outbox(store, demands).await?;
    let mut there = Facts::new();
    for (kind, id, value) in demands.iter().filter_map(|(key, value)| split(key, value)) {
        match kind {
            "visit" => {
                let view = store.visit_view(parse::<VisitId>(id)).await.map_err(said(&format!("visit {id}")))?;
                pictures(store, &view).await?;
                there.extend(facts::stored(&view));
            }
            "erased" => erased(store, parse(id)).await?,
            "gone" => {
                let found = store.capture(parse::<CaptureId>(id)).await;
                ensure(matches!(found, Err(StoreError::NotFound { .. })), || format!("capture {id} was erased"))?;
            }
            "card" => {
                let card = store.customer(parse(id)).await.map_err(said(&format!("customer {id}")))?;
                ensure(card.name == value, || format!("the card of {id} is another"))?;
            }
            "whole-or-gone" => whole_or_gone(store, parse(id), parse(value)).await?,
            _ => {}
        }
    }
    let asked = ["visit", "customer", "whose", "consent", "closed", "steps", "comparison", "scan", "ended", "reading"];
    let asked = [asked.as_slice(), &["repeat", "score", "capture", "kept", "shown", "agreed", "counter"]].concat();
    for (key, value) in demands.iter().filter(|(key, _)| asked.contains(&key.split('/').next().unwrap())) {
        let found = there.get(key);
        ensure(found == Some(value), || format!("{key} was confirmed as {value:?}, found {found:?}"))?;
    }
    for (key, least) in demands.iter().filter(|(key, _)| key.starts_with("have/")) {
        let found: usize = there.get(key).map_or(0, |count| parse(count));
        ensure(found >= parse(least), || format!("{key}: {least} were confirmed, found {found}"))?;
    }
    Ok(())
}

fn split<'f>(key: &'f str, value: &'f str) -> Option<(&'f str, &'f str, &'f str)> {
    key.split_once('/').map(|(kind, id)| (kind, id, value))
}

/// Every photograph that a row names is whole: it decrypts, and its digest is the one noted when it was taken.
async fn pictures(store: &Store, view: &VisitView) -> Result<(), String> {
    for capture in view.scans.iter().flat_map(|scan| &scan.captures).map(|entry| &entry.item) {
        for role in [Role::Original, Role::Derivative, Role::Report] {
            let named = store.has_picture(capture.id, role).await.map_err(said("a picture's row"))?;
            ensure(named || role != Role::Original, || format!("capture {} has no original", capture.id))?;
            if !named {
                continue;
            }
            let bytes = store.picture_bytes(capture.id, role).await.map_err(said("a picture"))?;
            let same = role != Role::Original || openssl::sha::sha256(&bytes) == capture.sha256;
            ensure(same, || format!("the original of capture {} is another picture", capture.id))?;
        }
    }
    Ok(())
}

/// Gapless from the oldest kept, every event readable; what headquarters has heard is still the same event, so that no
/// number is given out a second time.
async fn outbox(store: &Store, demands: &Facts) -> Result<(), String> {
    let fault = said("the outbox");
    let epoch = store.epoch().await.map_err(&fault)?;
    let (first, last) = (store.oldest_kept().await.map_err(&fault)?, store.last_seq().await.map_err(&fault)?);
    let rows = store.range(epoch, first, last, usize::MAX, usize::MAX).await.map_err(&fault)?;
    let seqs = rows.iter().map(|(seq, _)| *seq);
    ensure(seqs.eq(first..=last), || format!("the outbox has a gap between {first} and {last}"))?;
    let mut ids = BTreeMap::new();
    for (seq, body) in &rows {
        let event: Event = serde_json::from_str(body).map_err(|e| format!("event {seq}: {e}"))?;
        event.check().map_err(|e| format!("event {seq}: {e:?}"))?;
        ids.insert(*seq, event.id.clone());
    }
    let heard = format!("heard/{epoch}/");
    for (key, id) in demands.range(heard.clone()..).take_while(|(key, _)| key.starts_with(&heard)) {
        let seq: u64 = parse(&key[heard.len()..]);
        let found = ids.get(&seq);
        ensure(seq < first || found == Some(id), || {
            format!("headquarters has heard event {seq} as {id}, found {found:?}")
        })?;
    }
    if let Some(wanted) = demands.get("epoch") {
        ensure(*wanted == epoch.to_string(), || format!("the epoch was {wanted}, found {epoch}"))?;
    }
    if let Some(upto) = demands.get(&format!("acknowledged/{epoch}")) {
        let waiting = store.unacknowledged(0, 1, usize::MAX).await.map_err(&fault)?;
        let first = waiting.first().map_or(u64::MAX, |(seq, _)| *seq);
        ensure(first > parse(upto), || format!("event {first} waits, but {upto} was settled"))?;
    }
    Ok(())
}

/// A backup that has its name is whole.
fn whole(backups: &[PathBuf], data: &Path) -> Result<(), String> {
    for path in backups {
        let check = || -> rusqlite::Result<String> {
            let key = fs::read_to_string(data.join("store.key")).unwrap();
            let backup = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
            backup.execute_batch("PRAGMA cipher_log_level = NONE;")?;
            backup.execute_batch(&format!("PRAGMA key = \"x'{}'\";", key.trim()))?;
            backup.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        };
        let said = check().map_err(|e| format!("backup: {e}"))?;
        ensure(said == "ok", || format!("backup: {said}"))?;
    }
    Ok(())
}

async fn erased(store: &Store, customer: CustomerId) -> Result<(), String> {
    let found = store.customer(customer).await;
    ensure(matches!(found, Err(StoreError::NotFound { .. })), || format!("customer {customer} was erased, and is back"))
}

/// An erasure that was cut short is finished at opening, or had not begun.
async fn whole_or_gone(store: &Store, customer: CustomerId, visit: VisitId) -> Result<(), String> {
    match store.customer(customer).await {
        Err(StoreError::NotFound { .. }) => {
            let found = store.visit(visit).await;
            ensure(matches!(found, Err(StoreError::NotFound { .. })), || "a visit outlived its customer".to_owned())
        }
        Err(fault) => Err(said("a customer")(fault)),
        Ok(_) => {
            let view = store.visit_view(visit).await.map_err(said("a visit being erased"))?;
            pictures(store, &view).await.map_err(|e| format!("half erased: {e}"))
        }
    }
}

fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}

fn said(what: &str) -> impl Fn(StoreError) -> String {
    move |fault| format!("{what}: {fault}")
}

fn parse<T: std::str::FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| panic!("the note {text:?} is malformed"))
}
