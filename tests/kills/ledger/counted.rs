//! Headquarters' file counted by nobody's code but this: rows as they lie there, read by SQL and as plain JSON. What headquarters
//! says of itself (duplicates, gaps, refusals) and how it reads its own rows could be wrong in the same way as what it stores.
//!
//! A value that a device sent and that has no row is a finding, unless the store's own file, read by SQL as well, shows that
//! headquarters is not owed it, or its device was never told that it is kept. Nothing that the rest of the ledger found counts here.

use super::{
    CONFIRMED_PROTOCOL, Devices,
    rows::{self, Kept},
};
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;
use skinlink::{app::demo::summary::Sent, domain::Epoch, hq::database::FILE};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::Path,
};

/// One row of the table of events.
struct Row {
    epoch: String,
    seq: u64,
    id: String,
    kind: String,
    body: Value,
}

/// Values by protocol, the device's own number, and metric.
type Values = HashMap<(String, u64, String), Vec<String>>;

/// In what the file in `folder` differs from what the devices sent and from what the store in `data` believes to be there.
///
/// # Panics
/// For what no waiting mends: something twice, another value, a refused row.
pub fn differs((folder, gateway): (&Path, &str), data: &Path, devices: &Devices) -> Vec<String> {
    let rows = events(folder, gateway);
    let mut found = not_there(&rows, data);
    let (values, measured) = values(&rows);
    for ((protocol, counter, metric), there) in &values {
        assert_eq!(there.len(), 1, "{metric}, number {counter} of the {protocol}, stands there as {there:?}");
    }
    let mut unsent: BTreeSet<_> = values.keys().collect();
    for Sent { protocol, counter, metric, value } in &devices.sent {
        let key = ((*protocol).to_owned(), *counter, metric.clone());
        unsent.remove(&key);
        if let Some(there) = values.get(&key) {
            assert_eq!(there.as_slice(), std::slice::from_ref(value), "{key:?}");
            continue;
        }
        let told = *protocol == CONFIRMED_PROTOCOL && !devices.unconfirmed.contains(&(*protocol, *counter));
        let kept = rows::kept(data, &key);
        if is_lost(&kept, value, told) {
            found.push(format!("no row holds {key:?}, sent as {value}; in the store's file: {kept:?}"));
        }
    }
    found.extend(unsent.iter().map(|key| format!("a row holds {key:?}, which no device sent")));
    let sent: BTreeMap<u64, &str> = devices.measured.iter().map(|line| (line.counter, line.value.as_str())).collect();
    for (counter, there) in &measured {
        let Some(value) = sent.get(counter) else {
            found.push(format!("a row holds measurement {counter} of the store, which its device never sent"));
            continue;
        };
        assert!(*there == [*value], "measurement {counter} of the store stands there as {there:?}, sent as {value}");
    }
    let lost = devices.measured_confirmed.iter().filter(|counter| !measured.contains_key(counter));
    found.extend(lost.map(|counter| format!("no row holds measurement {counter} of the store")));
    found
}

/// Whether a value that has no row at headquarters should have one. `kept`: as the store's file holds it. `told`: its device was
/// told that it is kept.
fn is_lost(kept: &[Kept], sent: &str, told: bool) -> bool {
    match kept {
        [] => told,
        [kept] => kept.is_owed || kept.value != sent,
        _ => true,
    }
}

fn events(folder: &Path, gateway: &str) -> Vec<Row> {
    let conn =
        Connection::open_with_flags(folder.join(FILE), OpenFlags::SQLITE_OPEN_READ_ONLY).expect("headquarters' file");
    conn.busy_timeout(std::time::Duration::from_secs(5)).expect("a limit");
    let refused = "SELECT count(*) FROM events WHERE gateway = ?1 AND refused IS NOT NULL";
    let refused: i64 = conn.query_row(refused, [gateway], |row| row.get(0)).expect("a count");
    assert_eq!(refused, 0, "headquarters has refused something");
    let mut select =
        conn.prepare("SELECT epoch, seq, id, kind, body FROM events WHERE gateway = ?1").expect("headquarters' table");
    let rows = select.query_map([gateway], |row| {
        let body: String = row.get(4)?;
        let body = serde_json::from_str(&body).expect("an event is JSON");
        Ok(Row { epoch: row.get(0)?, seq: row.get(1)?, id: row.get(2)?, kind: row.get(3)?, body })
    });
    rows.expect("the rows").collect::<Result<_, _>>().expect("the rows")
}

/// Every number that the store believes to be at headquarters has its row, but for what was told under a later epoch instead.
fn not_there(rows: &[Row], data: &Path) -> Vec<String> {
    let mut there: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
    for row in rows {
        let fresh = there.entry(&row.epoch).or_default().insert(row.seq);
        assert!(fresh, "number {} of {} has two rows", row.seq, row.epoch);
    }
    let none = BTreeSet::new();
    let mut found = Vec::new();
    for believed in rows::believed(data) {
        let epoch = Epoch::from_bits(believed.epoch).to_string();
        let there = there.get(epoch.as_str()).unwrap_or(&none);
        let lacking: Vec<u64> = (1..=believed.upto)
            .filter(|seq| {
                !there.contains(seq) && !believed.moved.iter().any(|(first, last)| (first..=last).contains(&seq))
            })
            .collect();
        if !lacking.is_empty() {
            found.push(format!(
                "the store believes these of {epoch} to be at headquarters, no row holds them: {lacking:?}"
            ));
        }
    }
    found
}

/// Values of closed readings, and measurements of the store, each event once under whatever numbers it lies.
fn values(rows: &[Row]) -> (Values, HashMap<u64, Vec<String>>) {
    let (mut seen, mut values, mut measured) = (HashMap::new(), Values::new(), HashMap::<u64, Vec<String>>::new());
    for row in rows.iter().filter(|row| !row.kind.ends_with(".redacted.v1")) {
        let data = &row.body["data"];
        if let Some(before) = seen.insert(row.id.as_str(), data) {
            assert_eq!(before, data, "event {} lies there with two contents", row.id);
            continue;
        }
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        if row.kind.ends_with(".reading.v1") {
            for repeat in data["repeats"].as_array().into_iter().flatten() {
                if let Some(counter) = repeat["counter"].as_u64() {
                    let key = (text(&data["device"]["protocol"]), counter, text(&data["metric"]));
                    values.entry(key).or_default().push(text(&repeat["value"]));
                }
            }
        } else if row.kind.ends_with(".measurement.v1") {
            let counter = data["counter"].as_u64().expect("the analyser numbers its values");
            measured.entry(counter).or_default().push(text(&data["values"][0]["value"]));
        }
    }
    (values, measured)
}

/// The ledger that counts by itself said of a value without a row what the code under suspicion said.
#[test]
fn a_value_without_a_row_is_lost_unless_the_stores_file_says_why() {
    let kept = |value: &str, is_owed| Kept { value: value.to_owned(), is_owed };
    assert!(is_lost(&[], "35.0", true), "its device was told that it is kept");
    assert!(!is_lost(&[], "35.0", false), "it was never here");
    assert!(is_lost(&[kept("35.0", true)], "35.0", false), "closed, shared, and not told");
    assert!(!is_lost(&[kept("35.0", false)], "35.0", true), "in the tray, or struck out");
    assert!(is_lost(&[kept("35.1", false)], "35.0", true), "another value");
    assert!(is_lost(&[kept("35.0", false), kept("35.0", false)], "35.0", true), "twice");
}

/// What headquarters' own counter of duplicates would not see, since the two rows have two ids.
#[test]
fn a_value_that_stands_there_under_two_events_is_counted_twice() {
    let row = |seq: u64, id: &str| {
        let body = serde_json::json!({ "data": {
            "device": { "protocol": "pen" }, "metric": "moisture", "repeats": [{ "counter": 7, "value": "35.0" }],
        } });
        let (epoch, kind) = ("e".to_owned(), "com.skinlink.reading.v1".to_owned());
        Row { epoch, seq, id: id.to_owned(), kind, body }
    };
    let key = ("pen".to_owned(), 7, "moisture".to_owned());
    let count = |rows: &[Row]| values(rows).0[&key].len();
    assert_eq!(count(&[row(1, "a"), row(2, "a")]), 1, "one event that moved");
    assert_eq!(count(&[row(1, "a"), row(2, "b")]), 2);
}
