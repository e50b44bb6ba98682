//! What the demo prints at its end, counted honestly: the devices' own ledgers against HQ's tables.

use super::plant::{Planted, Rendered};
use crate::{hq::ledger::Ledger, sync::payload};
use serde::Serialize;
use serde_json::{Value, json};
use std::{collections::HashMap, fmt::Write as _, path::Path};

/// One value as a simulated device sent it. The demo has one device of each protocol, so that the protocol names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Sent {
    pub protocol: &'static str,
    /// The device's own running number.
    pub counter: u64,
    pub metric: String,
    /// With the device's decimals.
    pub value: String,
}

/// HQ's side, counted against what the devices sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AtHq {
    pub events_received: u64,
    /// Values of the devices' ledgers that stand at HQ twice under any id, and events under two keys.
    pub duplicates: u64,
    /// Values of the devices' ledgers that are not at HQ, and missing sequence numbers.
    pub gaps: u64,
    /// Times something came again and was recognised: normal after a cut connection.
    pub redeliveries: u64,
    pub images_received: u64,
    pub images_verified: u64,
}

impl AtHq {
    /// Holds `sent` against the database in `folder`.
    ///
    /// # Errors
    /// When HQ's database cannot be read.
    pub fn count(folder: &Path, gateway: &str, sent: &[Sent]) -> anyhow::Result<Self> {
        let ledger = Ledger::open(folder)?;
        let counts = ledger.counts()?.into_iter().find(|counts| counts.gateway == gateway);
        let mut stored: HashMap<(String, u64, String, String), u64> = HashMap::new();
        for (_, reading) in ledger.readings()? {
            let payload::Reading { device, repeats, metric, .. } = reading;
            for repeat in repeats {
                let Some(counter) = repeat.counter else { continue };
                *stored.entry((device.protocol.clone(), counter, metric.clone(), repeat.value)).or_default() += 1;
            }
        }
        let times = |item: &Sent| {
            let key = (item.protocol.to_owned(), item.counter, item.metric.clone(), item.value.clone());
            stored.get(&key).copied().unwrap_or(0)
        };
        let twice: u64 = sent.iter().map(|item| times(item).saturating_sub(1)).sum();
        let missing = sent.iter().filter(|item| times(item) == 0).count() as u64;
        let pictures = ledger.pictures()?;
        Ok(Self {
            events_received: counts.as_ref().map_or(0, |c| c.events),
            duplicates: twice + counts.as_ref().map_or(0, |c| c.duplicates),
            gaps: missing + counts.as_ref().map_or(0, |c| c.gaps),
            redeliveries: counts.as_ref().map_or(0, |c| c.redeliveries),
            images_received: pictures.len() as u64,
            images_verified: counts.as_ref().map_or(0, |c| c.images_verified),
        })
    }
}

/// The whole summary.
#[derive(Debug, Serialize)]
pub struct Summary {
    pub visit: String,
    pub before: Value,
    pub after: Value,
    pub comparison: Vec<Value>,
    pub scores: Vec<Value>,
    pub planted: Vec<Planted>,
    pub report: Value,
    pub hq: AtHq,
    pub elapsed_s: f64,
}

impl Summary {
    /// Draws it from the visit's full view and HQ's count. `base` is the address of the pages.
    ///
    /// # Errors
    /// When the view lacks a scan or the comparison within the visit.
    pub fn draw(view: &Value, rendered: &Rendered, base: &str, hq: AtHq, elapsed_s: f64) -> anyhow::Result<Self> {
        let drawn = of(view, "comparisons", "baseline", "same_visit")?;
        let items: Vec<&Value> = drawn["items"].as_array().into_iter().flatten().collect();
        let (images, readings): (Vec<&Value>, Vec<&Value>) = items.iter().partition(|item| item["model"].is_string());
        let found = |metric: &str, region: &str| {
            let item = items.iter().find(|item| item["metric"] == metric && item["region"] == region);
            item.is_some_and(|item| item["verdict"] == "improved" || item["verdict"] == "worsened")
        };
        let visit = view["id"].as_str().unwrap_or_default().to_owned();
        Ok(Self {
            before: scan(of(view, "scans", "phase", "before")?),
            after: scan(of(view, "scans", "phase", "after")?),
            comparison: readings.into_iter().map(|item| pick(item, READING)).collect(),
            scores: images.into_iter().map(|item| pick(item, SCORE)).collect(),
            planted: rendered.held_against(found),
            report: json!({"html": format!("{base}/report/{visit}"), "english": format!("{base}/report/{visit}?lang=en")}),
            visit,
            hq,
            elapsed_s: (elapsed_s * 100.0).round() / 100.0,
        })
    }

    /// What did not happen as it should, in sentences; empty when all did.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let AtHq { duplicates, gaps, images_received, images_verified, events_received, redeliveries: _ } = self.hq;
        let mut faults: Vec<String> = self
            .planted
            .iter()
            .filter(|planted| !planted.is_right())
            .map(|p| format!("{} at {}: planted {}, found {}", p.metric, p.region, p.change, p.found))
            .collect();
        let mut expect = |holds: bool, what: String| {
            if !holds {
                faults.push(what);
            }
        };
        expect(events_received > 0, "HQ received nothing".to_owned());
        expect(duplicates == 0, format!("{duplicates} values stand at HQ twice"));
        expect(gaps == 0, format!("{gaps} values or sequence numbers are missing at HQ"));
        expect(
            images_received > 0 && images_received == images_verified,
            format!("{images_verified} of {images_received} pictures were verified at HQ"),
        );
        faults
    }
}

const READING: &[&str] =
    &["metric", "region", "before", "after", "change", "smallest_detectable_change", "unit", "verdict", "refusal"];
const SCORE: &[&str] = &[
    "model",
    "metric",
    "region",
    "before",
    "after",
    "change",
    "smallest_detectable_change",
    "unit",
    "verdict",
    "refusal",
];

fn of<'a>(view: &'a Value, list: &str, key: &str, wanted: &str) -> anyhow::Result<&'a Value> {
    let found = view[list].as_array().into_iter().flatten().find(|entry| entry[key] == wanted);
    found.ok_or_else(|| anyhow::anyhow!("the visit has no entry of {list} with {key} {wanted}"))
}

fn pick(item: &Value, keys: &[&str]) -> Value {
    keys.iter().map(|key| ((*key).to_owned(), item[*key].clone())).collect()
}

fn scan(scan: &Value) -> Value {
    let readings = scan["readings"].as_array().into_iter().flatten();
    let readings: Vec<Value> = readings.map(|r| pick(r, &["metric", "region", "value", "unit", "spread"])).collect();
    let captures = scan["captures"].as_array().into_iter().flatten();
    let captures: Vec<Value> = captures.map(|c| pick(c, &["id", "view", "width", "height", "complaints"])).collect();
    json!({"scan": scan["id"], "state": scan["state"], "readings": readings, "captures": captures})
}

impl Summary {
    /// The same for people, in a few lines.
    #[must_use]
    pub fn for_people(&self) -> String {
        let mut text = String::from("\n");
        for item in self.comparison.iter().chain(&self.scores) {
            let number = |key: &str| item[key].as_f64().map_or_else(|| "–".to_owned(), |value| format!("{value:.2}"));
            let word = |key: &str| item[key].as_str().unwrap_or_default();
            let _ = writeln!(
                text,
                "  {:<11} {:<12} {:>8} → {:>8} {:<7} change {:>7}, detectable from {:>6}   {}",
                word("metric"),
                word("region"),
                number("before"),
                number("after"),
                word("unit"),
                number("change"),
                number("smallest_detectable_change"),
                word("verdict"),
            );
        }
        let planted = self.planted.iter().filter(|planted| planted.change != 0.0).count();
        let found = self.planted.iter().filter(|planted| planted.change != 0.0 && planted.found).count();
        let false_ones = self.planted.iter().filter(|planted| planted.change == 0.0 && planted.found).count();
        let AtHq { events_received, duplicates, gaps, redeliveries, images_received, images_verified } = &self.hq;
        let _ = write!(
            text,
            "\n  planted changes found: {found} of {planted}; changes called where none was planted: {false_ones} of {}\n  \
             headquarters: {events_received} events, {duplicates} duplicates, {gaps} gaps, {redeliveries} redeliveries, \
             {images_verified} of {images_received} pictures verified\n  {:.1} s in all",
            self.planted.len() - planted,
            self.elapsed_s,
        );
        text
    }
}
