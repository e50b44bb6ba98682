//! What an event says, by type. One struct per type and version; a published version is never changed, only followed by
//! the next. Numbers with a precision travel as text (`"35.0"`), so that 2.0 stays 2.0.

use super::{
    downlink::Outcome,
    sheet::{MOST, Report},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// Names of the event types without [`super::envelope::TYPE_PREFIX`].
pub mod kind {
    pub const VISIT: &str = "visit.v1";
    pub const CONSENT: &str = "consent.v1";
    pub const SCAN: &str = "scan.v1";
    pub const READING: &str = "reading.v1";
    pub const CAPTURE: &str = "capture.v1";
    pub const MEASUREMENT: &str = "measurement.v1";
    pub const SCORE: &str = "score.v1";
    pub const COMPARISON: &str = "comparison.v1";
    pub const VOIDED: &str = "voided.v1";
    pub const REASSIGNED: &str = "reassigned.v1";
    pub const ALIAS: &str = "alias.v1";
    pub const FEEDBACK: &str = "feedback.v1";
    pub const SHEET: &str = "sheet.v1";
    pub const REPORT: &str = "report.v1";
    pub const CLOCK: &str = "clock.v1";
    pub const REDACTED: &str = "redacted.v1";
    pub const ERASED: &str = "erased.v1";
    pub const ANSWER: &str = "answer.v1";
    pub const ALL: &[&str] = &[
        VISIT,
        CONSENT,
        SCAN,
        READING,
        MEASUREMENT,
        CAPTURE,
        SCORE,
        COMPARISON,
        VOIDED,
        REASSIGNED,
        ALIAS,
        FEEDBACK,
        SHEET,
        REPORT,
        CLOCK,
        REDACTED,
        ERASED,
        ANSWER,
    ];
}

/// State of a visit after a change; the highest `version` counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Visit {
    pub visit: String,
    pub customer: String,
    pub station: String,
    pub beautician: String,
    pub state: String,
    pub version: u64,
    pub steps: Vec<String>,
}

/// One entry of the consent ledger, without the signature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Consent {
    pub consent: String,
    pub customer: String,
    pub purpose: String,
    pub given: bool,
    pub text_version: String,
    pub channel: String,
    pub staff: String,
}

/// State of a scan after a change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scan {
    pub scan: String,
    pub visit: String,
    pub phase: String,
    pub state: String,
}

/// The device behind a reading.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Device {
    pub protocol: String,
    pub protocol_version: String,
    pub serial: String,
    pub probe: String,
    pub firmware: String,
}

/// One value accepted from the device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Repeat {
    pub repeat: String,
    pub value: String,
    pub flags: Vec<String>,
    pub counter: Option<u64>,
    pub time: String,
    pub clock: String,
    pub monotonicns: String,
}

/// A closed metric × region with its repeats. Never a bare number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reading {
    pub reading: String,
    pub visit: String,
    pub scan: String,
    pub phase: String,
    pub metric: String,
    pub region: String,
    pub value: String,
    pub unit: String,
    pub spread: Option<f64>,
    pub repeats: Vec<Repeat>,
    pub device: Device,
}

/// One value of a [`Measurement`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Measured<'a> {
    pub metric: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub region: Option<Cow<'a, str>>,
    pub value: Cow<'a, str>,
    pub unit: Cow<'a, str>,
}

/// One measurement of a device that measures the store and no customer: the climate of a room, a reference plate. Belongs to
/// no visit and needs no consent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Measurement<'a> {
    pub station: Cow<'a, str>,
    pub counter: Option<u64>,
    pub flags: Vec<Cow<'a, str>>,
    pub values: Vec<Measured<'a>>,
    pub device: Cow<'a, Device>,
}

/// A photograph that HQ will get; only under consent to share photographs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Capture {
    pub capture: String,
    pub visit: String,
    pub scan: String,
    pub phase: String,
    pub view: String,
    pub light: String,
    pub format: String,
    pub width: u32,
    pub height: u32,
    pub bytes: u64,
    pub sha256: String,
    pub complaints: Vec<String>,
}

/// The model behind a score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Engine {
    pub model: String,
    pub model_version: String,
    pub model_digest: String,
    pub provider: String,
}

/// One level measure of one region of one photograph.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Score {
    pub score: String,
    pub capture: String,
    pub visit: String,
    pub scan: String,
    pub phase: String,
    pub metric: String,
    pub region: String,
    pub value: String,
    pub unit: String,
    pub engine: Engine,
}

/// One metric × region of a comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Compared {
    pub metric: String,
    pub region: String,
    pub unit: String,
    pub before: Option<f64>,
    pub after: Option<f64>,
    pub change: Option<f64>,
    pub smallest_detectable_change: Option<f64>,
    pub verdict: String,
    pub refusal: Option<String>,
    pub model: Option<String>,
}

/// A drawn comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Comparison {
    pub comparison: String,
    pub visit: String,
    pub baseline: String,
    pub before: String,
    pub after: String,
    pub tested: u32,
    pub items: Vec<Compared>,
}

/// Something recorded by mistake, or that mistake taken back (`restored`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Voided {
    /// `visit`, `scan`, `reading` or `capture`
    pub what: String,
    pub id: String,
    pub restored: bool,
    pub staff: String,
    pub reason: String,
}

/// Something moved: a scan to the other phase or another visit, a visit to another customer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reassigned {
    /// `visit` or `scan`
    pub what: String,
    pub id: String,
    /// Where it belongs now; the fields that do not apply are absent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub customer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub visit: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub phase: Option<String>,
    pub staff: String,
    pub reason: String,
}

/// Two ids found to be one person: `alias` is `customer` from now on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Alias {
    pub customer: String,
    pub alias: String,
    pub staff: String,
}

/// What a customer said about a visit, and what became of it: each step is an event of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Feedback {
    pub feedback: String,
    pub visit: String,
    pub customer: String,
    /// `given`, `answered` or `solved`
    pub state: String,
    /// 1 to 5, where the customer gave some
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub stars: Option<u8>,
    /// A word of the chain's own list, such as `result`, `service`, `waiting`
    pub topic: String,
    /// What was said or done, as it was written
    pub words: String,
    /// Who answered or solved it; empty for the customer's own words
    pub staff: String,
}

/// The service sheet of a visit, told once when it is closed: what was asked and said, what was done when and by whom, and the
/// customer's stars. Texts are empty and numbers absent where nothing was said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServiceSheet {
    pub visit: String,
    /// How the skin felt, as the customer said it: a word of the page's own list.
    pub skin_state: String,
    /// `none`, `light` or `full`
    pub make_up: String,
    /// Minutes since the face was washed
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub washed_min: Option<u32>,
    /// As they were written
    pub wishes: String,
    /// Treatment steps, in the order in which they were ticked
    pub steps: Vec<TickedStep>,
    /// 1 to 5, given at the station
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub stars: Option<u8>,
    /// What the customer said with them
    pub remark: String,
    /// The day agreed for the next visit, `2026-12-04`
    pub next_day: String,
    /// Who wrote last
    pub staff: String,
}

/// One step of a treatment. What follows `staff` says how it was done, and is absent where nothing was noted of that.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TickedStep {
    pub step: String,
    /// When it was ticked, by the gateway's wall clock
    pub at: String,
    /// Who ticked it; empty where an older version kept nobody
    pub staff: String,
    /// The level of the device
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub level: Option<u8>,
    /// What else the device was set to, as it was written
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub setting: String,
    /// What was used
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub products: Vec<UsedProduct>,
    /// As it was written
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub remark: String,
}

/// A product that was used in a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UsedProduct {
    /// By the salon's own name
    pub product: String,
    /// As printed on the package; empty where nobody looked
    pub batch: String,
}

impl ServiceSheet {
    /// The same within [`MOST`] bytes, which no day in a salon comes near. What explains goes first: the remarks of the steps, then the
    /// settings of the devices, then the products; each of all steps, so that nothing is told in part.
    #[must_use]
    pub fn fitted(mut self) -> Self {
        let drops: [fn(&mut TickedStep); 3] =
            [|step| step.remark.clear(), |step| step.setting.clear(), |step| step.products.clear()];
        for drop in drops {
            if serde_json::to_string(&self).map_or(0, |text| text.len()) <= MOST {
                break;
            }
            self.steps.iter_mut().for_each(drop);
        }
        self
    }
}

/// Maps times taken while the clock was not set: wall = `wall_ms` + (monotonic − `monotonicns`) within `boot`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Clock {
    pub boot: String,
    pub monotonicns: String,
    pub wall_ms: i64,
}

/// Stands where an unsent event was when its consent was withdrawn or its customer erased.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Redacted {
    /// `withdrawn` or `erased`
    pub reason: String,
}

/// A customer asked to be erased: key, rows and files are gone at the store; HQ erases what it holds under this id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Erased {
    pub customer: String,
    pub staff: String,
    pub reason: String,
}

/// What became of an order of headquarters: told once, under the order's id, together with what was done. Nothing personal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    pub order: String,
    pub outcome: Outcome,
    /// Why not; of a check what it found, as JSON
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub words: String,
}

/// Holds the payload of a known type to its shape. A type this program does not know passes: it comes from a newer gateway
/// and is kept for a newer receiver.
///
/// # Errors
/// A sentence that goes back to the gateway.
pub fn check(kind: &str, data: &RawValue) -> Result<(), String> {
    fn shape<T: DeserializeOwned>(data: &RawValue) -> Result<(), String> {
        serde_json::from_str::<T>(data.get()).map(drop).map_err(|fault| format!("data: {fault}"))
    }
    match kind {
        kind::VISIT => shape::<Visit>(data),
        kind::CONSENT => shape::<Consent>(data),
        kind::SCAN => shape::<Scan>(data),
        kind::READING => shape::<Reading>(data),
        kind::MEASUREMENT => shape::<Measurement<'_>>(data),
        kind::CAPTURE => shape::<Capture>(data),
        kind::SCORE => shape::<Score>(data),
        kind::COMPARISON => shape::<Comparison>(data),
        kind::VOIDED => shape::<Voided>(data),
        kind::REASSIGNED => shape::<Reassigned>(data),
        kind::ALIAS => shape::<Alias>(data),
        kind::FEEDBACK => shape::<Feedback>(data),
        kind::SHEET => shape::<ServiceSheet>(data),
        kind::REPORT => shape::<Report>(data),
        kind::CLOCK => shape::<Clock>(data),
        kind::REDACTED => shape::<Redacted>(data),
        kind::ERASED => shape::<Erased>(data),
        kind::ANSWER => shape::<Answer>(data),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet(steps: usize, products: usize, words: usize) -> ServiceSheet {
        let used = || UsedProduct { product: "霜".repeat(words / 5), batch: "批".repeat(words / 8) };
        let step = || TickedStep {
            step: "护".repeat(words / 5),
            setting: "设".repeat(words / 5),
            products: (0..products).map(|_| used()).collect(),
            remark: "\"".repeat(words),
            ..TickedStep::default()
        };
        ServiceSheet {
            visit: String::new(),
            skin_state: String::new(),
            make_up: String::new(),
            washed_min: None,
            wishes: "愿".repeat(words),
            steps: (0..steps).map(|_| step()).collect(),
            stars: None,
            remark: "话".repeat(words),
            next_day: String::new(),
            staff: String::new(),
        }
    }

    /// Forty steps of the longest notes that the station takes are more than one message carries.
    #[test]
    fn a_sheet_fits_a_message_and_a_usual_one_is_told_whole() {
        let usual = sheet(12, 3, 100);
        assert_eq!(usual.clone().fitted(), usual);
        for (products, told) in [(3, [false, true, true]), (4, [false, false, true]), (12, [false; 3])] {
            let fitted = sheet(40, products, 300).fitted();
            assert!(serde_json::to_string(&fitted).expect("plain data").len() <= MOST);
            let of = |some: fn(&TickedStep) -> bool| fitted.steps.iter().filter(|step| some(step)).count();
            assert_eq!(of(|step| !step.step.is_empty()), 40, "what was done is always told");
            let notes = [
                of(|step| !step.remark.is_empty()),
                of(|step| !step.setting.is_empty()),
                of(|step| !step.products.is_empty()),
            ];
            assert_eq!(notes, told.map(|told| 40 * usize::from(told)), "{products} products");
        }
    }
}
