//! What is true of a visit, as keys and values: read from the daemon's own answers at the moment they leave, from the recovered
//! store when it is checked. The two ways share no code of the product beyond the store itself.

use serde_json::Value;
use skinlink::{
    domain::{reading::Reading, scan::ScanState},
    store::{ScanView, VisitView},
};
use std::collections::BTreeMap;

/// `reading/<id>` → `moisture forehead 35.0 %`, and so on.
pub type Facts = BTreeMap<String, String>;

/// Of the full view that the daemon answers with.
pub fn told(view: &Value) -> Facts {
    let mut facts = Facts::new();
    let mut fact = |key: String, value: String| drop(facts.insert(key, value));
    let (visit, customer) = (text(&view["id"]), text(&view["customer"]["id"]));
    fact(format!("visit/{visit}"), text(&view["station"]));
    fact(format!("customer/{customer}"), text(&view["customer"]["name"]));
    fact(format!("whose/{visit}"), customer.clone());
    for (purpose, given) in view["consents"].as_object().into_iter().flatten().filter(|(_, given)| !given.is_null()) {
        fact(format!("consent/{customer}/{purpose}"), given.to_string());
    }
    if !view["closed"].is_null() {
        fact(format!("closed/{visit}"), text(&view["closed"]));
    }
    let steps: Vec<String> = list(&view["steps"]).map(text).collect();
    if !steps.is_empty() {
        fact(format!("steps/{visit}"), steps.join(" "));
    }
    for comparison in list(&view["comparisons"]) {
        let verdicts: Vec<String> = list(&comparison["items"]).map(|item| text(&item["verdict"])).collect();
        fact(format!("comparison/{}", text(&comparison["id"])), verdicts.join(" "));
    }
    list(&view["scans"]).for_each(|scan| told_of_scan(scan, &mut fact));
    facts
}

/// Of any answer: the full view, a scan's progress, a kept photograph, recorded consents, a card.
pub fn answered(answer: &Value) -> Facts {
    let mut facts = Facts::new();
    if answer["scans"].is_array() && answer["consents"].is_object() {
        return told(answer);
    }
    if answer["scan"]["steps"].is_array() {
        let scan = text(&answer["scan"]["id"]);
        for step in list(&answer["scan"]["steps"]).filter(|step| step["have"] != 0) {
            let key = format!("have/{scan}/{}/{}", text(&step["metric"]), text(&step["region"]));
            facts.insert(key, step["have"].to_string());
        }
    } else if answer["capture"].is_string() {
        facts.insert(format!("kept/{}", text(&answer["capture"])), String::new());
    } else if let Some(purposes) = answer["consents"].as_object() {
        let asked = purposes.iter().filter(|(_, given)| !given.is_null());
        facts.extend(asked.map(|(purpose, given)| (format!("agreed/{purpose}/{given}"), String::new())));
    } else if answer["name"].is_string() && answer["phone"].is_string() {
        facts.insert(format!("card/{}", text(&answer["id"])), text(&answer["name"]));
    }
    facts
}

/// Of a live event.
pub fn lived(event: &Value) -> Facts {
    let mut facts = Facts::new();
    if event["repeat"].is_string() {
        facts.insert(format!("repeat/{}", text(&event["repeat"])), text(&event["value"]));
    } else if event["capture"].is_string() {
        facts.insert(format!("kept/{}", text(&event["capture"])), String::new());
    } else if event["metric"].is_string() && event["value"].is_string() {
        let at = ["scan", "metric", "region", "value"].map(|field| text(&event[field]));
        facts.insert(format!("shown/{}", at.join("/")), String::new());
    }
    facts
}

fn told_of_scan(scan: &Value, fact: &mut impl FnMut(String, String)) {
    let id = text(&scan["id"]);
    fact(format!("scan/{id}"), text(&scan["phase"]));
    if matches!(scan["state"].as_str(), Some("finished" | "voided")) {
        fact(format!("ended/{id}"), text(&scan["state"]));
    }
    for reading in list(&scan["readings"]) {
        let what = ["metric", "region", "value", "unit"].map(|field| text(&reading[field])).join(" ");
        fact(format!("reading/{}", text(&reading["id"])), what);
    }
    let closed = list(&scan["readings"]).flat_map(|reading| list(&reading["repeats"]));
    for repeat in closed.chain(list(&scan["open_repeats"])) {
        fact(format!("repeat/{}", text(&repeat["id"])), text(&repeat["value"]));
    }
    for capture in list(&scan["captures"]) {
        let id = text(&capture["id"]);
        for score in list(&capture["scores"]) {
            let key = format!("score/{id}/{}/{}", text(&score["metric"]), text(&score["region"]));
            fact(key, text(&score["value"]));
        }
        fact(format!("capture/{id}"), text(&capture["view"]));
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

/// Of what the store holds.
pub fn stored(view: &VisitView) -> Facts {
    let VisitView { visit, customer, consents, scans, comparisons, pairs: _ } = view;
    let mut facts = Facts::new();
    let mut fact = |key: String, value: String| drop(facts.insert(key, value));
    fact(format!("visit/{}", visit.id), visit.station.clone());
    fact(format!("customer/{}", customer.id), customer.name.clone());
    fact(format!("whose/{}", visit.id), visit.customer.to_string());
    for (purpose, consent) in consents {
        fact(format!("consent/{}/{purpose}", customer.id), consent.given.to_string());
        fact(format!("agreed/{purpose}/{}", consent.given), String::new());
    }
    if let Some(closed) = visit.closed {
        fact(format!("closed/{}", visit.id), closed.wall.to_string());
    }
    if !visit.steps.is_empty() {
        fact(format!("steps/{}", visit.id), visit.steps.join(" "));
    }
    for comparison in comparisons {
        let verdicts: Vec<&str> = comparison.items.iter().map(|item| item.verdict.as_str()).collect();
        fact(format!("comparison/{}", comparison.id), verdicts.join(" "));
    }
    scans.iter().for_each(|scan| stored_of_scan(scan, &mut fact));
    facts
}

fn stored_of_scan(view: &ScanView, fact: &mut impl FnMut(String, String)) {
    let ScanView { scan, skipped: _, repeats, readings, captures, scores } = view;
    fact(format!("scan/{}", scan.id), scan.phase.to_string());
    if matches!(scan.state, ScanState::Finished | ScanState::Voided) {
        fact(format!("ended/{}", scan.id), scan.state.as_str().to_owned());
    }
    for reading in readings.iter().map(|entry| &entry.item) {
        let Reading { metric, region, value, unit, .. } = reading;
        fact(format!("shown/{}/{metric}/{region}/{value}", scan.id), String::new());
        let what = format!("{metric} {region} {value} {unit}");
        fact(format!("reading/{}", reading.id), what);
    }
    let closed = readings.iter().flat_map(|entry| &entry.item.repeats);
    for repeat in closed.chain(repeats.iter().map(|open| &open.repeat)) {
        fact(format!("repeat/{}", repeat.id), repeat.value.to_string());
        if let Some(counter) = repeat.device_counter {
            fact(format!("counter/{counter}"), "durable".to_owned());
        }
    }
    let mut have: BTreeMap<String, usize> = BTreeMap::new();
    for reading in readings.iter().map(|entry| &entry.item) {
        *have.entry(format!("{}/{}", reading.metric, reading.region)).or_default() += reading.repeats.len();
    }
    for (open, region) in repeats.iter().filter_map(|open| Some((open, open.region?))) {
        *have.entry(format!("{}/{region}", open.metric)).or_default() += 1;
    }
    for (step, count) in have {
        fact(format!("have/{}/{step}", scan.id), count.to_string());
    }
    for capture in captures.iter().map(|entry| &entry.item) {
        fact(format!("kept/{}", capture.id), String::new());
        fact(format!("capture/{}", capture.id), capture.view.to_string());
    }
    for score in scores {
        fact(format!("score/{}/{}/{}", score.capture, score.metric, score.region), score.value.to_string());
    }
}
