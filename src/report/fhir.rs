//! A report as a FHIR R4 bundle, for whoever keeps records of their own: a `DiagnosticReport` over `Observation`s, one for each
//! value, and one for each change with its limit and verdict; a `DocumentReference` for each photograph's place. Codes are the
//! house's own, units UCUM where there is one. It names no person: whose it is knows the one who has the link.
//!
//! Values are those of the sheet, digit by digit.

use super::lang::{self, Lang};
use crate::{
    domain::{Region, scan::Phase},
    sync::{
        payload::Compared,
        sheet::{Metric, Sheet},
    },
};
use serde_json::{Value, json};

/// Systems of our own codes.
const METRIC: &str = "urn:com.skinlink:metric";
const REGION: &str = "urn:com.skinlink:region";
const VERDICT: &str = "urn:com.skinlink:verdict";
const UCUM: &str = "http://unitsofmeasure.org";

/// The house's units and their UCUM codes.
const UNITS: &[(&str, &str)] = &[
    ("%", "%"),
    ("", "1"),
    ("share", "1"),
    ("AU", "[arb'U]"),
    ("µg/cm²", "ug/cm2"),
    ("g/(m²·h)", "g/(m2.h)"),
    ("1/cm²", "/cm2"),
    ("/cm²", "/cm2"),
    ("mm²", "mm2"),
    ("mm", "mm"),
    ("µm", "um"),
    ("°C", "Cel"),
    ("°", "deg"),
    ("kPa", "kPa"),
    ("pH", "[pH]"),
];

/// The bundle. `seed`: 128 bits of the report's own, from which the entries are named; nothing can be read from it.
#[must_use]
pub fn bundle(lang: Lang, sheet: &Sheet, seed: u128) -> Value {
    let mut entries = Entries { seed, all: Vec::new() };
    let mut results = Vec::new();
    for item in &sheet.items {
        let values = [(Phase::Before, item.before), (Phase::After, item.after)];
        let of: Vec<Value> = values
            .into_iter()
            .filter_map(|(phase, value)| {
                let quantity = quantity(&json!(value?), &item.unit);
                Some(entries.add(observation(lang, sheet, (&item.metric, &item.region, Some(phase)), &quantity)))
            })
            .collect();
        results.extend(of.iter().cloned());
        results.push(entries.add(change(lang, sheet, item, &of)));
    }
    for value in &sheet.values {
        let number: Value = serde_json::from_str(&value.value).unwrap_or(Value::Null);
        let about = (value.metric.as_str(), value.region.as_str(), value.phase.parse().ok());
        results.push(entries.add(observation(lang, sheet, about, &quantity(&number, &value.unit))));
    }
    for pair in &sheet.photographs {
        for (phase, there) in [(Phase::Before, pair.before.is_some()), (Phase::After, pair.after.is_some())] {
            if there {
                entries.add(photograph(lang, sheet, &pair.view, phase));
            }
        }
    }
    let report = json!({
        "resourceType": "DiagnosticReport",
        "status": "final",
        "code": { "text": lang.pick("皮肤测量报告", "Report of skin measurements") },
        "effectiveDateTime": sheet.opened,
        "conclusion": lang.pick(
            "描述皮肤外观与仪器读数，不是医学意见。",
            "Describes how the skin looks and what devices read; not medical advice."
        ),
        "result": results,
    });
    entries.first(&without_empty(report));
    json!({ "resourceType": "Bundle", "type": "collection", "timestamp": sheet.opened, "entry": entries.all })
}

struct Entries {
    seed: u128,
    all: Vec<Value>,
}

impl Entries {
    /// Adds a resource; a reference to it.
    fn add(&mut self, resource: Value) -> Value {
        let name = self.name(self.all.len() as u128 + 1);
        self.all.push(json!({ "fullUrl": name, "resource": without_empty(resource) }));
        json!({ "reference": name })
    }

    fn first(&mut self, resource: &Value) {
        let name = self.name(0);
        self.all.insert(0, json!({ "fullUrl": name, "resource": resource }));
    }

    /// A UUID of the free form (version 8).
    fn name(&self, nth: u128) -> String {
        let bits = (self.seed.wrapping_add(nth) & !(0xF << 76 | 0b11 << 62)) | 0x8 << 76 | 0b10 << 62;
        let hex = format!("{bits:032x}");
        format!("urn:uuid:{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }
}

/// FHIR knows no empty lists and no nulls.
fn without_empty(mut value: Value) -> Value {
    if let Value::Object(fields) = &mut value {
        fields.retain(|_, value| !(value.is_null() || value.as_array().is_some_and(Vec::is_empty)));
    }
    value
}

fn known<'a>(sheet: &'a Sheet, metric: &str) -> Option<&'a Metric> {
    sheet.metrics.iter().find(|known| known.metric == metric)
}

fn code(lang: Lang, sheet: &Sheet, metric: &str) -> Value {
    let name = known(sheet, metric).map_or(metric, |known| lang.pick(&known.label.zh, &known.label.en));
    json!({ "coding": [{ "system": METRIC, "code": metric, "display": name }], "text": name })
}

fn site(lang: Lang, region: &str) -> Value {
    let name = region.parse::<Region>().map_or(region, |region| lang::region(lang, region));
    json!({ "coding": [{ "system": REGION, "code": region, "display": name }], "text": name })
}

fn quantity(value: &Value, unit: &str) -> Value {
    let code = UNITS.iter().find(|(known, _)| *known == unit).map(|(_, code)| *code);
    let mut quantity = json!({ "value": value });
    if !unit.is_empty() {
        quantity["unit"] = json!(unit);
    }
    if let Some(code) = code {
        quantity["system"] = json!(UCUM);
        quantity["code"] = json!(code);
    }
    quantity
}

fn observation(
    lang: Lang,
    sheet: &Sheet,
    (metric, region, phase): (&str, &str, Option<Phase>),
    quantity: &Value,
) -> Value {
    let told = |method: &&crate::sync::sheet::Method| {
        method.metric == metric && (method.phase.is_empty() || phase.is_some_and(|p| method.phase == p.as_str()))
    };
    let method = sheet.methods.iter().find(told).map(|method| json!({ "text": method.by.join(", ") }));
    json!({
        "resourceType": "Observation",
        "status": "final",
        "code": code(lang, sheet, metric),
        "bodySite": site(lang, region),
        "effectiveDateTime": sheet.opened,
        "valueQuantity": quantity,
        "method": method,
        "note": phase.map(|phase| json!([{ "text": lang::phase(lang, phase) }])),
    })
}

/// The change of one metric at one region: its size, its limit, and the verdict.
fn change(lang: Lang, sheet: &Sheet, item: &Compared, of: &[Value]) -> Value {
    let limit = item.smallest_detectable_change.map(|limit| {
        json!([{
            "code": { "text": lang.pick("最小可测变化", "smallest detectable change") },
            "valueQuantity": quantity(&json!(limit), &item.unit),
        }])
    });
    let absent = item.change.is_none().then(|| json!({ "text": item.refusal.as_deref().unwrap_or("not compared") }));
    json!({
        "resourceType": "Observation",
        "status": "final",
        "code": {
            "coding": [{ "system": METRIC, "code": format!("{}.change", item.metric) }],
            "text": lang.pick("变化", "change"),
        },
        "bodySite": site(lang, &item.region),
        "effectiveDateTime": sheet.opened,
        "valueQuantity": item.change.map(|change| quantity(&json!(change), &item.unit)),
        "dataAbsentReason": absent,
        "interpretation": [{ "coding": [{ "system": VERDICT, "code": item.verdict }] }],
        "derivedFrom": of,
        "component": limit,
    })
}

fn photograph(lang: Lang, sheet: &Sheet, view: &str, phase: Phase) -> Value {
    json!({
        "resourceType": "DocumentReference",
        "status": "current",
        "date": sheet.opened,
        "description": format!("{} · {view}", lang::phase(lang, phase)),
        "content": [{ "attachment": { "contentType": "image/jpeg", "title": view } }],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::sheet::{Label, Photographs};

    fn sheet(dice: &mut fastrand::Rng) -> Sheet {
        let number = |dice: &mut fastrand::Rng| Some((dice.f64() - 0.2) * 10_f64.powi(dice.i32(-3..5)));
        let item = |dice: &mut fastrand::Rng| {
            let known = dice.u8(..4) > 0;
            Compared {
                metric: "moisture".into(),
                region: Region::ALL[dice.usize(..Region::ALL.len())].to_string(),
                unit: UNITS[dice.usize(..UNITS.len())].0.into(),
                before: number(dice),
                after: if known { number(dice) } else { None },
                change: if known { number(dice) } else { None },
                smallest_detectable_change: if known { number(dice) } else { None },
                verdict: if known { "improved" } else { "not_comparable" }.into(),
                refusal: (!known).then(|| "missing".into()),
                model: None,
            }
        };
        Sheet {
            opened: "2026-03-02T08:30:00.000Z".into(),
            metrics: vec![Metric {
                metric: "moisture".into(),
                label: Label { zh: "水分".into(), en: "Moisture".into() },
                direction: "higher".into(),
                decimals: 1,
            }],
            tested: 3,
            items: (0..dice.usize(1..6)).map(|_| item(dice)).collect(),
            photographs: vec![Photographs {
                view: "front".into(),
                light: "white".into(),
                before: Some("01a1f0c2-4b00-7000-8000-000000000104".into()),
                after: None,
                note: "one".into(),
                pair: None,
            }],
            ..Sheet::default()
        }
    }

    /// Every value of the sheet stands in the bundle as it is, and none that is not in the sheet.
    #[test]
    fn the_values_are_those_of_the_sheet() {
        for seed in 0..500 {
            let mut dice = fastrand::Rng::with_seed(seed);
            let sheet = sheet(&mut dice);
            let bundle = bundle(Lang::En, &sheet, u128::from(seed) << 64);
            let entries = bundle["entry"].as_array().unwrap();
            let found: Vec<f64> =
                entries.iter().filter_map(|entry| entry["resource"]["valueQuantity"]["value"].as_f64()).collect();
            let wanted: Vec<f64> =
                sheet.items.iter().flat_map(|item| [item.before, item.after, item.change]).flatten().collect();
            assert_eq!(found, wanted, "seed {seed}");
            let limits: Vec<f64> = entries
                .iter()
                .filter_map(|entry| entry["resource"]["component"][0]["valueQuantity"]["value"].as_f64())
                .collect();
            let wanted: Vec<f64> = sheet.items.iter().filter_map(|item| item.smallest_detectable_change).collect();
            assert_eq!(limits, wanted, "seed {seed}");
            let names: std::collections::BTreeSet<&str> =
                entries.iter().filter_map(|entry| entry["fullUrl"].as_str()).collect();
            assert_eq!(names.len(), entries.len(), "every entry has a name of its own");
            for reference in entries[0]["resource"]["result"].as_array().unwrap() {
                assert!(names.contains(reference["reference"].as_str().unwrap()), "{reference}");
            }
            let text = bundle.to_string();
            assert!(!text.contains("01a1f0c2") && !text.contains("null") && !text.contains("[]"), "{text}");
        }
    }
}
