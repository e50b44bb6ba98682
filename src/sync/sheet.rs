//! What a customer's report shows, as data: enough to draw the same page at headquarters as in the store, and no more. No name
//! of the customer's, no phone number, and never the link's token: only its SHA-256, so that who reads the event cannot open the report with it.
//!
//! A report is told as a whole each time; what stands last in the gateway's order counts. It travels under two consents, to
//! deliver the report and to share numbers; without either it is `closed` and has no sheet.

use super::{MAX_PUBLISH, image_lane::Role, payload::Compared};
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
    /// How the salon looks; absent: as the house does
    #[serde(skip_serializing_if = "Look::is_the_houses", default)]
    pub look: Look,
    /// When the visit was opened, by the store's own calendar: its first ten characters are the day there
    pub opened: String,
    /// Treatment steps in order, as the beautician wrote them
    pub steps: Vec<String>,
    /// Who served, as customers call them; empty where the station did not know
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub beautician: String,
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
    /// `dry`, `normal`, `combination`, `oily`, `sensitive`, or empty: care notes go by it. Older gateways send the note itself
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub skin_type: String,
    /// Day of the next visit as it was agreed, `2026-12-05`; absent: none was. Since version 1.3
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next_day: Option<String>,
    /// What the salon's own rules suggest after the measurement before the treatment. Since version 1.3
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub suggestions: Vec<Suggested>,
    /// Earlier visits, the last one first. Since version 1.3
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub earlier: Vec<Earlier>,
}

/// An earlier visit of the customer, with what was compared then.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Earlier {
    /// As that of the sheet
    pub opened: String,
    pub steps: Vec<String>,
    pub tested: u32,
    pub items: Vec<Compared>,
}

/// A treatment or product that a rule of the salon suggests.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Suggested {
    /// `treatment` or `product`
    pub kind: String,
    /// What, by the salon's own name
    pub offer: Label,
    pub reason: Label,
    /// The readings it comes from, one for each condition of the rule
    pub because: Vec<Because>,
}

/// One reading beyond a limit of a rule.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Because {
    pub metric: String,
    pub region: String,
    pub value: String,
    pub unit: String,
    /// The limit above which it lies
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub above: Option<f64>,
    /// The limit below which it lies
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub below: Option<f64>,
}

/// Largest report that is told: with what is around it, one publish.
pub const MOST: usize = MAX_PUBLISH - 2 * 1024;

impl Report {
    /// The same within [`MOST`] bytes. What explains goes before what was measured: first the logo, then earlier visits, then
    /// the pictures of pairs, then what is suggested, then the course over the visits, then how it was measured, then the photographs; each whole, so that nothing is shown in
    /// part.
    #[must_use]
    pub fn fitted(mut self) -> Self {
        let drops: [fn(&mut Sheet); 8] = [
            |sheet| sheet.look.logo.clear(),
            |sheet| sheet.earlier.clear(),
            |sheet| sheet.photographs.iter_mut().for_each(|pair| pair.pair = None),
            |sheet| sheet.suggestions.clear(),
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

/// How a salon looks.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Look {
    /// `#1E6B5C`; empty: the house's
    pub colour: String,
    /// SVG or PNG as a `data:` address; empty: the house's
    pub logo: String,
}

impl Look {
    fn is_the_houses(&self) -> bool {
        *self == Self::default()
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
    /// The two laid onto each other; absent while that was not tried. Since version 1.3
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pair: Option<Pair>,
}

/// Two photographs laid onto each other: pictures of the after photograph's capture, or why there are none.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Pair {
    /// Word of the refusal; empty where there are pictures
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub refusal: String,
    /// All of one frame: `pair_before`, `pair_after`, then where something changed
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub pictures: Vec<PairPicture>,
}

/// One picture of a pair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PairPicture {
    /// Role under which it travels
    pub role: String,
    /// First 16 digits of its SHA-256: the picture of that role that is held may be an older one, which shows something else
    pub sha256: String,
    /// Where something changed: of which metric
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub metric: String,
    /// Where something changed: `marks` (what went, came and stayed) or `tint` (less and more)
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub how: String,
}

/// Digits of a digest in [`PairPicture`].
pub const DIGITS: usize = 16;

impl Pair {
    /// Its picture of that role.
    #[must_use]
    pub fn picture(&self, role: Role) -> Option<&PairPicture> {
        self.pictures.iter().find(|picture| picture.role == role.as_str())
    }

    /// Whether both photographs can be shown laid onto each other.
    #[must_use]
    pub fn is_aligned(&self) -> bool {
        [Role::PairBefore, Role::PairAfter].into_iter().all(|role| self.picture(role).is_some())
    }

    /// The same with those pictures alone that are `here`; without both photographs there is nothing to show.
    #[must_use]
    pub fn only(mut self, here: impl FnMut(&PairPicture) -> bool) -> Option<Self> {
        let mut here = here;
        self.pictures.retain(|picture| here(picture));
        if !self.is_aligned() {
            self.pictures.clear();
        }
        (self.is_aligned() || !self.refusal.is_empty()).then_some(self)
    }
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
        let drawn = PairPicture {
            role: "pair_before".into(),
            sha256: "0".repeat(DIGITS),
            metric: "pore-contrast".into(),
            how: "marks".into(),
        };
        let photographs = Photographs {
            view: "front".into(),
            light: "parallel_polarised".into(),
            before: Some(id.clone()),
            after: Some(id.clone()),
            note: "cameras_differ".into(),
            pair: Some(Pair { refusal: String::new(), pictures: vec![drawn; 5] }),
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
