//! What a customer's report shows, as data: enough to draw the same page at headquarters as in the store, and no more. No name,
//! no phone number, and never the link's token: only its SHA-256, so that who reads the event cannot open the report with it.
//!
//! A report is told as a whole each time; what stands last in the gateway's order counts. It travels under two consents, to
//! deliver the report and to share numbers; without either it is `closed` and has no sheet.

use super::{MAX_PUBLISH, payload::Compared};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A customer's report under its link, open or closed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Id of the link: a visit may have several, each with a token of its own.
    pub report: String,
    pub visit: String,
    pub customer: String,
    /// `open` or `closed`
    pub state: String,
    /// SHA-256 of the token's 16 bytes, 64 hex digits
    pub token_sha256: String,
    /// From then on the link is dead, whatever else is said
    pub expires: String,
    /// What the page shows; absent exactly where it is closed
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sheet: Option<Sheet>,
}

/// Everything on the page.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sheet {
    /// The salon's name
    pub salon: Label,
    /// When the visit was opened
    pub opened: String,
    /// Treatment steps in order, as the beautician wrote them
    pub steps: Vec<String>,
    /// Phases (`before`, `after`) of which there is a finished scan
    pub phases: Vec<String>,
    /// Metrics named below, in the order of the house
    pub metrics: Vec<Metric>,
    /// How many things were tested: the limits are corrected for it; 0 where nothing was compared
    pub tested: u32,
    pub items: Vec<Compared>,
    /// Values of single phases, where there is no comparison
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub values: Vec<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub photographs: Vec<Photographs>,
    pub methods: Vec<Method>,
    /// Earlier visits and this one, oldest first, metric by metric
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub course: Vec<Course>,
    /// Skin type as the beautician noted it: care notes go by it
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub skin_type: String,
}

/// Largest report that is told: with what is around it, one publish.
pub const MOST: usize = MAX_PUBLISH - 2 * 1024;

impl Report {
    /// The same within [`MOST`] bytes. What explains goes before what was measured: first the course over the visits, then how
    /// it was measured, then the photographs; each whole, so that nothing is shown in part.
    #[must_use]
    pub fn fitted(mut self) -> Self {
        let drops: [fn(&mut Sheet); 4] = [
            |sheet| sheet.course.clear(),
            |sheet| sheet.methods.clear(),
            |sheet| sheet.photographs.clear(),
            |sheet| sheet.steps.clear(),
        ];
        for drop in drops {
            if serde_json::to_string(&self).map_or(0, |text| text.len()) <= MOST {
                break;
            }
            if let Some(sheet) = &mut self.sheet {
                drop(sheet);
            }
        }
        self
    }
}

/// A text in both languages of the house.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Label {
    pub zh: String,
    pub en: String,
}

/// How a metric is called and read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Metric {
    pub metric: String,
    pub label: Label,
    /// `higher`, `lower`, `target` or `neutral`: what counts as better
    pub direction: String,
    pub decimals: u8,
}

/// One value of one phase.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Value {
    pub phase: String,
    pub metric: String,
    pub region: String,
    pub value: String,
    pub unit: String,
}

/// The photographs of one view and light; either may be missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Photographs {
    pub view: String,
    pub light: String,
    /// Capture of the photograph from before
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub before: Option<String>,
    /// Capture of the photograph from after
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub after: Option<String>,
    /// `as_taken`, `one`, `cameras_differ` or `poor`: what is to be said with them
    pub note: String,
}

/// How one metric was measured in one phase, or from photographs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Method {
    pub metric: String,
    /// `before`, `after`, or empty for both
    pub phase: String,
    pub unit: String,
    /// Devices as `protocol serial / probe`; for a measure from photographs model, version and first digits of its digest
    pub by: Vec<String>,
    /// Fewest and most repeats of a region; 0 and 0 for a measure from photographs
    pub repeats: (u32, u32),
    /// Values flagged and left out of the mean
    pub left_out: u32,
}

/// How one metric went over the visits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Course {
    pub metric: String,
    pub unit: String,
    pub points: Vec<Point>,
}

/// One visit in a course: the mean over the regions that all of its visits have, before the treatment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Point {
    pub opened: String,
    pub value: f64,
    /// Visits with the same number were measured alike; between others no line may be drawn
    pub series: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every region of the face and twelve metrics, all compared, every text as long as it may be: larger than one publish.
    #[test]
    fn the_largest_report_fits_into_one_publish_with_everything_that_was_measured() {
        let item = |at: usize| Compared {
            metric: format!("metric-with-a-long-name-{:02}", at / 11),
            region: "inner_forearm".into(),
            unit: "g/(m²·h)".into(),
            before: Some(35.123_456_789_012_34),
            after: Some(58.123_456_789_012_34),
            change: Some(-23.123_456_789_012_34),
            smallest_detectable_change: Some(14.123_456_789_012_34),
            verdict: "not_comparable".into(),
            refusal: Some("repeatability_unknown".into()),
            model: Some("pores-dog-with-a-long-name 1.10.2".into()),
        };
        let id = "01a1f0c2-4b00-7000-8000-000000000101".to_owned();
        let photographs = Photographs {
            view: "front".into(),
            light: "parallel_polarised".into(),
            before: Some(id.clone()),
            after: Some(id.clone()),
            note: "cameras_differ".into(),
        };
        let point = Point { opened: "2026-03-02T09:14:05.120Z".into(), value: 35.123_456_789_012_34, series: 1 };
        let metric = Metric {
            metric: "metric-with-a-long-name-00".into(),
            label: Label { zh: "指标的名字很长很长".into(), en: "a metric with a long name".into() },
            direction: "target".into(),
            decimals: 1,
        };
        let method = Method {
            metric: "metric-with-a-long-name-00".into(),
            phase: "before".into(),
            unit: "g/(m²·h)".into(),
            by: vec!["derma-reference DR-0417-0417-0417 / probe A".into(); 2],
            repeats: (3, 9),
            left_out: 2,
        };
        let sheet = Sheet {
            steps: vec!["护".repeat(60); 40],
            metrics: vec![metric; 12],
            tested: 132,
            items: (0..132).map(item).collect(),
            photographs: vec![photographs; 12],
            methods: vec![method; 24],
            course: vec![Course { metric: "m".repeat(40), unit: "%".into(), points: vec![point; 12] }; 6],
            ..Sheet::default()
        };
        let report = |sheet: Sheet| Report {
            report: id.clone(),
            visit: id.clone(),
            customer: id.clone(),
            state: "open".into(),
            token_sha256: "0".repeat(64),
            expires: "2026-05-31T09:14:05.120Z".into(),
            sheet: Some(sheet),
        };
        let length = |report: &Report| serde_json::to_string(report).expect("plain data").len();
        let whole = report(sheet.clone());
        assert!(length(&whole) > MOST, "too small to prove anything: {}", length(&whole));
        let fitted = whole.fitted();
        assert!(length(&fitted) <= MOST, "{}", length(&fitted));
        let told = fitted.sheet.as_ref().expect("still open");
        assert_eq!((told.items.len(), told.photographs.len(), told.course.len()), (132, 12, 0));
        // One as a salon makes it, ten metrics at five regions, keeps everything.
        let usual = report(Sheet { items: sheet.items[..50].to_vec(), ..sheet });
        assert_eq!(usual.clone().fitted(), usual);
    }
}
