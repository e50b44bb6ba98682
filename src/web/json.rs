//! Domain values as the JSON of the contract. Measured numbers are text, so that 2.0 stays 2.0.

use crate::{
    domain::{
        CaptureId,
        capture::Capture,
        comparison::{Compared, Comparison},
        consent::{Consent, Purpose},
        customer::Customer,
        device::DeviceIdentity,
        reading::{Reading, Repeat},
        score::Score,
        visit::Visit,
    },
    store::{PairView, ScanView, StoredRepeat, VisitView},
    tasks::{scan_view, station::progress_of},
};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

pub fn customer(customer: &Customer) -> Value {
    let Customer { id, name, phone, skin_type, notes } = customer;
    json!({ "id": id.to_string(), "name": name, "phone": phone, "skin_type": skin_type, "notes": notes })
}

/// A visit in a list.
pub fn visit_line(visit: &Visit, name: &str) -> Value {
    json!({
        "id": visit.id.to_string(),
        "customer": visit.customer.to_string(),
        "customer_name": name,
        "station": visit.station,
        "state": visit.state.as_str(),
        "opened": visit.opened.wall.to_string(),
        "closed": visit.closed.map(|at| at.wall.to_string()),
    })
}

/// The full view with what is being done about each photograph: `queued`, `done` (it has scores) or `none`.
pub fn visit_and_analysis(view: &VisitView, awaits: impl Fn(CaptureId) -> bool) -> Value {
    let mut value = visit(view);
    for (at, scan) in view.scans.iter().enumerate() {
        for (nth, entry) in scan.captures.iter().enumerate() {
            let id = entry.item.id;
            let scored = scan.scores.iter().any(|score| score.capture == id);
            let word = if scored {
                "done"
            } else if awaits(id) {
                "queued"
            } else {
                "none"
            };
            value["scans"][at]["captures"][nth]["analysis"] = json!(word);
        }
    }
    value
}

/// The same without what only the analysis knows.
pub fn visit(view: &VisitView) -> Value {
    let Visit { id, customer: _, station, beautician, state, steps, version, opened, closed } = &view.visit;
    json!({
        "id": id.to_string(),
        "version": version,
        "state": state.as_str(),
        "station": station,
        "beautician": beautician,
        "customer": customer(&view.customer),
        "steps": steps,
        "opened": opened.wall.to_string(),
        "closed": closed.map(|at| at.wall.to_string()),
        "consents": consents(&view.consents),
        "scans": view.scans.iter().map(scan).collect::<Vec<_>>(),
        "comparisons": view.comparisons.iter().map(comparison).collect::<Vec<_>>(),
        "pairs": view.pairs.iter().map(pair).collect::<Vec<_>>(),
    })
}

/// Every purpose with the last word on it; `null` where nobody asked.
pub fn consents(consents: &BTreeMap<Purpose, Consent>) -> Value {
    let word = |purpose: &Purpose| (purpose.to_string(), json!(consents.get(purpose).map(|c| c.given)));
    Value::Object(Purpose::ALL.iter().map(word).collect::<Map<_, _>>())
}

fn scan(stored: &ScanView) -> Value {
    let at_rest =
        scan_view::ScanView::at_rest(stored.scan.id, stored.scan.phase, stored.scan.state, &progress_of(stored));
    let mut value = json!(at_rest);
    value["readings"] = stored.readings.iter().map(|entry| reading(&entry.item, entry.voided)).collect();
    value["open_repeats"] = stored.repeats.iter().map(open_repeat).collect();
    let of =
        |capture: &Capture| stored.scores.iter().filter(|s| s.capture == capture.id).map(score).collect::<Vec<_>>();
    value["captures"] =
        stored.captures.iter().map(|entry| capture(&entry.item, entry.voided, &of(&entry.item))).collect();
    value
}

fn reading(reading: &Reading, voided: bool) -> Value {
    let Reading { id, scan: _, metric, region, unit, value, spread, repeats, device, closed } = reading;
    let decimals = usize::from(value.decimals());
    json!({
        "id": id.to_string(),
        "metric": metric.as_str(),
        "region": region.as_str(),
        "value": value.to_string(),
        "unit": unit,
        "spread": spread.map(|spread| format!("{spread:.decimals$}")),
        "repeats": repeats.iter().map(repeat).collect::<Vec<_>>(),
        "device": self::device(device),
        "closed": closed.wall.to_string(),
        "voided": voided,
    })
}

fn repeat(repeat: &Repeat) -> Value {
    let Repeat { id, value, flags, device_counter, taken } = repeat;
    json!({
        "id": id.to_string(),
        "value": value.to_string(),
        "flags": flags.iter().map(|flag| flag.as_str()).collect::<Vec<_>>(),
        "counter": device_counter,
        "taken": taken.wall.to_string(),
    })
}

fn open_repeat(stored: &StoredRepeat) -> Value {
    let mut value = repeat(&stored.repeat);
    value["metric"] = json!(stored.metric.as_str());
    value["region"] = json!(stored.region.map(crate::domain::Region::as_str));
    value["unit"] = json!(stored.unit);
    value
}

/// A value in the tray.
pub fn tray_item(stored: &StoredRepeat) -> Value {
    json!({
        "repeat": stored.repeat.id.to_string(),
        "station": stored.station,
        "metric": stored.metric.as_str(),
        "region": stored.region.map(crate::domain::Region::as_str),
        "value": stored.repeat.value.to_string(),
        "unit": stored.unit,
        "taken": stored.repeat.taken.wall.to_string(),
        "device": device(&stored.device),
    })
}

fn device(device: &DeviceIdentity) -> Value {
    let DeviceIdentity { protocol, protocol_version, serial, probe, firmware } = device;
    json!({
        "protocol": protocol,
        "protocol_version": protocol_version,
        "serial": serial,
        "probe": probe,
        "firmware": firmware,
    })
}

fn capture(capture: &Capture, voided: bool, scores: &[Value]) -> Value {
    let Capture { id, view, light, format, width, height, points, colour, complaints, camera, taken, .. } = capture;
    json!({
        "id": id.to_string(),
        "view": view.as_str(),
        "light": light.as_str(),
        "format": format.as_str(),
        "width": width,
        "height": height,
        "points": points.as_ref().map_or("guide", |set| set.source.as_str()),
        "points_page": format!("/points/{id}"),
        "colour": colour.as_str(),
        "complaints": complaints,
        "camera": camera,
        "taken": taken.wall.to_string(),
        "voided": voided,
        "scores": scores,
    })
}

fn score(score: &Score) -> Value {
    json!({
        "metric": score.metric.as_str(),
        "region": score.region.as_str(),
        "value": score.value.to_string(),
        "unit": score.unit,
        "model": score.engine.model,
        "model_version": score.engine.model_version,
    })
}

fn comparison(comparison: &Comparison) -> Value {
    let Comparison { id, visit: _, baseline, before, after, tested, items } = comparison;
    json!({
        "id": id.to_string(),
        "baseline": baseline.as_str(),
        "before": before.to_string(),
        "after": after.to_string(),
        "tested": tested,
        "items": items.iter().map(compared).collect::<Vec<_>>(),
    })
}

fn compared(item: &Compared) -> Value {
    json!({
        "metric": item.metric.as_str(),
        "region": item.region.as_str(),
        "unit": item.unit,
        "before": item.before,
        "after": item.after,
        "change": item.change,
        "smallest_detectable_change": item.smallest_detectable_change,
        "verdict": item.verdict.as_str(),
        "refusal": item.refusal.map(crate::domain::comparison::Refusal::as_str),
        "model": item.engine.as_ref().map(|engine| engine.model.as_str()),
    })
}

/// Two photographs laid onto each other, or why not.
fn pair(view: &PairView) -> Value {
    let PairView { before, after, pair } = view;
    let pictures: Vec<Value> = pair
        .pictures
        .iter()
        .map(|one| {
            let told = |word: &str| if word.is_empty() { Value::Null } else { Value::from(word) };
            json!({
                "picture": format!("/captures/{after}/pair/{}", one.role),
                "role": one.role,
                "metric": told(&one.metric),
                "drawn": told(&one.how),
            })
        })
        .collect();
    let refusal = if pair.refusal.is_empty() { Value::Null } else { Value::from(pair.refusal.as_str()) };
    json!({ "before": before.to_string(), "after": after.to_string(), "refusal": refusal, "pictures": pictures })
}
