//! A beautician who plays a visit over the daemon's HTTP interface, one small step at a time.
//!
//! Each [`Beautician::turn`] looks at what the daemon has and does the next thing that is missing, as a person would after
//! an interruption. So the same code plays a visit through a killed and restarted daemon: nothing is remembered here but
//! who the customer is, which visit is hers, and which corrections ([`super::deeds`]) were made.

use super::{
    deeds::Deed,
    diary::{Diary, Exchange},
};
use crate::domain::{Region, metric::MetricId, scan::Phase};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use std::{fs, path::PathBuf, time::Duration};

/// Refusals in a row before she gives up: a few seconds. A restarted gateway has its devices again within half of one.
const REFUSALS: u32 = 200;

/// Longest wait for one answer: a step of three repeats by a slow device, a picture through the door.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the customer agrees to in the demo: everything.
const PURPOSES: &[&str] =
    &["measure", "photograph", "keep_photographs", "deliver_report", "share_numbers", "share_photographs"];

/// Why a turn did not go as it should.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// The daemon cannot be reached, or went away in the middle: take the turn again once it is back.
    #[error("the station does not answer: {0}")]
    Unreachable(#[from] reqwest::Error),
    /// An answer that ends the play.
    #[error("{call} was refused with {status}: {answer}")]
    Refused { call: String, status: StatusCode, answer: String },
    #[error("cannot read the photograph {path}: {reason}; run `make setup`")]
    Photograph { path: PathBuf, reason: std::io::Error },
    #[error("the station's answer lacks {0}")]
    Unexpected(String),
}

/// What a turn came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// Something was done; a line for the onlooker.
    Did(String),
    /// The probe goes to this region; the next turn measures there.
    Places(Region),
    /// The device is to measure this by its own button.
    Presses(MetricId, Region),
    /// These treatment steps were done: the skin is another now.
    Treated(String),
    /// Nothing to do but wait for this.
    Waits(String),
    /// The visit is closed.
    Done,
}

/// A photograph to take.
#[derive(Debug, Clone)]
pub struct Photograph {
    pub phase: Phase,
    pub view: String,
    pub path: PathBuf,
    /// The view's two anchors in pixels.
    pub anchors: [[f64; 2]; 2],
}

/// What is to happen in a visit.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    pub phases: Vec<Phase>,
    pub photographs: Vec<Photograph>,
    /// Treatment steps between the scans.
    pub steps: Vec<String>,
    /// Against what to compare, in order; empty for a visit without a comparison.
    pub baselines: Vec<String>,
    /// What goes otherwise than planned, in this order, each when its time has come.
    pub deeds: Vec<Deed>,
}

/// Plays one customer's visits.
#[derive(Debug)]
pub struct Beautician {
    http: Client,
    base: String,
    pub(super) station: String,
    name: String,
    pub(super) plan: Plan,
    visit: Option<String>,
    /// How many deeds are done, and how often the next one was put off.
    pub(super) deeds_done: usize,
    pub(super) put_off: u32,
    /// Where the probe is held.
    placed: Option<Region>,
    /// How often in a row the device gave no value.
    refusals: u32,
    diary: Diary,
}

impl Beautician {
    /// # Panics
    /// Never: the HTTP client has no TLS to set up.
    #[must_use]
    pub fn new(base: &str, station: &str, customer_name: &str, plan: Plan) -> Self {
        let http = Client::builder().timeout(PATIENCE).build().expect("a client without TLS can always be built");
        Self {
            http,
            base: format!("{}/api/v1", base.trim_end_matches('/')),
            station: station.to_owned(),
            name: customer_name.to_owned(),
            plan,
            visit: None,
            deeds_done: 0,
            put_off: 0,
            placed: None,
            refusals: 0,
            diary: Diary::default(),
        }
    }

    /// The visit being played, once it is known.
    #[must_use]
    pub fn visit(&self) -> Option<&str> {
        self.visit.as_deref()
    }

    /// Every change she asked for so far, and what she was told.
    #[must_use]
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.diary.exchanges()
    }

    /// Points at a restarted daemon on another port.
    pub fn moves_to(&mut self, base: &str) {
        self.base = format!("{}/api/v1", base.trim_end_matches('/'));
    }

    /// The full view of the visit.
    ///
    /// # Errors
    /// [`Trouble`], also before there is a visit.
    pub async fn view(&self) -> Result<Value, Trouble> {
        let visit = self.visit.as_ref().ok_or_else(|| Trouble::Unexpected("a visit".to_owned()))?;
        self.get(&format!("visits/{visit}")).await
    }

    /// Does the next thing that is missing.
    ///
    /// # Errors
    /// [`Trouble::Unreachable`] may be repeated after a restart; the others end the play.
    pub async fn turn(&mut self) -> Result<Turn, Trouble> {
        if self.visit.is_none() {
            return self.begin().await;
        }
        let view = self.view().await?;
        if let Some(turn) = self.do_deed(&view).await? {
            return Ok(turn);
        }
        if view["state"] != "open" {
            return Ok(Turn::Done);
        }
        if view["consents"]["measure"] != true {
            return self.consent(&view).await;
        }
        for (at, phase) in self.plan.phases.clone().into_iter().enumerate() {
            if at > 0 && view["steps"].as_array().is_none_or(Vec::is_empty) && !self.plan.steps.is_empty() {
                return self.treat(&view).await;
            }
            if let Some(turn) = self.scan(&view, phase).await? {
                return Ok(turn);
            }
        }
        if let Some(waiting) = unscored(&view) {
            return Ok(Turn::Waits(waiting));
        }
        self.conclude(&view).await
    }

    async fn begin(&mut self) -> Result<Turn, Trouble> {
        let stations = self.get("stations").await?;
        let here = stations["stations"].as_array().into_iter().flatten().find(|s| s["id"] == self.station.as_str());
        if let Some(visit) = here.and_then(|station| station["visit"]["id"].as_str()) {
            self.visit = Some(visit.to_owned());
            return Ok(Turn::Did(format!("found the open visit {visit}")));
        }
        let found = self.query("customers", &[("query", self.name.as_str())]).await?;
        let Some(customer) = found["customers"][0]["id"].as_str() else {
            let card = json!({"name": self.name, "phone": "13800000000", "skin_type": "混合性", "notes": ""});
            self.post("customers", None, card).await?;
            return Ok(Turn::Did("made the customer's card".to_owned()));
        };
        let opening = json!({"customer": customer, "station": self.station, "beautician": "b-07"});
        let view = match self.post("visits", None, opening).await {
            Ok(view) => view,
            // A call that was given up may still open it: found in the next turn.
            Err(trouble) => return self.again(trouble, "the visit"),
        };
        self.visit = Some(text(&view, "/id")?);
        Ok(Turn::Did("opened the visit".to_owned()))
    }

    async fn consent(&self, view: &Value) -> Result<Turn, Trouble> {
        self.record_consents(view, &agreement()).await?;
        Ok(Turn::Did("recorded the customer's consent, purpose by purpose".to_owned()))
    }

    pub(super) async fn record_consents(&self, view: &Value, purposes: &Value) -> Result<Value, Trouble> {
        let body = json!({"text_version": "2026-11", "channel": "station", "staff": "b-07",
            "signature": "M10 30L20 12L32 34L44 14L60 28", "purposes": purposes});
        self.post(&format!("visits/{}/consents", text(view, "/id")?), Some(view), body).await
    }

    async fn treat(&self, view: &Value) -> Result<Turn, Trouble> {
        let steps = json!({"steps": self.plan.steps});
        self.post(&format!("visits/{}/steps", text(view, "/id")?), Some(view), steps).await?;
        Ok(Turn::Treated(self.plan.steps.join("、")))
    }

    /// The next thing of one phase; `None` when it is finished.
    async fn scan(&mut self, view: &Value, phase: Phase) -> Result<Option<Turn>, Trouble> {
        let mut scans = view["scans"].as_array().into_iter().flatten().rev();
        let stands = |s: &Value| s["state"] != "voided" && s["state"] != "cancelled";
        let Some(scan) = scans.find(|s| s["phase"] == phase.as_str() && stands(s)) else {
            let visit = text(view, "/id")?;
            let what = format!("began the {phase} scan");
            return match self.post(&format!("visits/{visit}/scans"), Some(view), json!({"phase": phase.as_str()})).await
            {
                Ok(_) => Ok(Some(Turn::Did(what))),
                Err(trouble) => self.again(trouble, &what).map(Some),
            };
        };
        let id = text(scan, "/id")?;
        match scan["state"].as_str().unwrap_or_default() {
            "paused" => {
                let what = format!("resumed the {phase} scan");
                match self.post(&format!("scans/{id}/resume"), Some(view), json!({})).await {
                    Ok(_) => Ok(Some(Turn::Did(what))),
                    Err(trouble) => self.again(trouble, &what).map(Some),
                }
            }
            "running" => self.measure(view, scan, phase).await.map(Some),
            _ => Ok(None),
        }
    }

    async fn measure(&mut self, view: &Value, scan: &Value, phase: Phase) -> Result<Turn, Trouble> {
        let id = text(scan, "/id")?;
        if let Some(region) = scan["current"]["region"].as_str() {
            let here: Region = region.parse().map_err(|_| Trouble::Unexpected(format!("a region, not {region}")))?;
            if self.placed.replace(here) != Some(here) {
                return Ok(Turn::Places(here));
            }
            let what = format!("{phase}: {} at {region}", scan["current"]["metric"].as_str().unwrap_or_default());
            return match self.post(&format!("scans/{id}/measure"), Some(view), json!({})).await {
                Ok(_) => {
                    self.refusals = 0;
                    Ok(Turn::Did(what))
                }
                Err(trouble) => self.again(trouble, &what),
            };
        }
        if let Some(photograph) = self.next_photograph(scan, phase) {
            return self.photograph(view, &photograph).await;
        }
        let what = format!("finished the {phase} scan");
        match self.post(&format!("scans/{id}/finish"), Some(view), json!({})).await {
            Ok(_) => Ok(Turn::Did(what)),
            // A call that was given up may be carried out yet: seen in the next turn.
            Err(trouble) => self.again(trouble, &what),
        }
    }

    /// A device that gave no value, is away or busy is asked again, within reason.
    fn again(&mut self, trouble: Trouble, what: &str) -> Result<Turn, Trouble> {
        match trouble {
            Trouble::Refused { status, .. }
                if matches!(status.as_u16(), 409 | 422 | 503) && self.refusals < REFUSALS =>
            {
                self.refusals += 1;
                Ok(Turn::Waits(format!("{what}, once more")))
            }
            other => Err(other),
        }
    }

    fn next_photograph(&self, scan: &Value, phase: Phase) -> Option<Photograph> {
        let taken: Vec<&str> =
            scan["captures"].as_array().into_iter().flatten().filter_map(|capture| capture["view"].as_str()).collect();
        let wanted = self.plan.photographs.iter().filter(|photograph| photograph.phase == phase);
        wanted.into_iter().find(|photograph| !taken.contains(&photograph.view.as_str())).cloned()
    }

    async fn photograph(&self, view: &Value, photograph: &Photograph) -> Result<Turn, Trouble> {
        let Photograph { phase, view: pose, path, anchors } = photograph;
        let bytes = fs::read(path).map_err(|reason| Trouble::Photograph { path: path.clone(), reason })?;
        let [[x1, y1], [x2, y2]] = anchors;
        let call = format!("visits/{}/captures", text(view, "/id")?);
        let request = self
            .http
            .request(Method::POST, format!("{}/{call}", self.base))
            .query(&[("phase", phase.as_str()), ("view", pose), ("light", "white"), ("camera", "demo-camera")])
            .query(&[("anchors", format!("{x1},{y1},{x2},{y2}"))])
            .body(bytes);
        let place = self.diary.asks(&call, &Value::Null);
        let answer = self.send(&call, Some(view), request).await;
        self.diary.learns(place, &answer);
        answer?;
        Ok(Turn::Did(format!("{phase}: photograph, {pose}")))
    }

    async fn conclude(&mut self, view: &Value) -> Result<Turn, Trouble> {
        let visit = text(view, "/id")?;
        let drawn: Vec<&str> =
            view["comparisons"].as_array().into_iter().flatten().filter_map(|c| c["baseline"].as_str()).collect();
        if let Some(baseline) = self.plan.baselines.iter().find(|baseline| !drawn.contains(&baseline.as_str())) {
            self.post(&format!("visits/{visit}/comparison"), Some(view), json!({"baseline": baseline})).await?;
            return Ok(Turn::Did(format!("compared ({baseline})")));
        }
        match self.post(&format!("visits/{visit}/close"), Some(view), json!({"staff": "b-07"})).await {
            Ok(_) => Ok(Turn::Did("closed the visit".to_owned())),
            Err(trouble) => self.again(trouble, "closing the visit"),
        }
    }

    pub(super) async fn get(&self, call: &str) -> Result<Value, Trouble> {
        self.send(call, None, self.http.get(format!("{}/{call}", self.base))).await
    }

    pub(super) async fn query(&self, call: &str, query: &[(&str, &str)]) -> Result<Value, Trouble> {
        self.send(call, None, self.http.get(format!("{}/{call}", self.base)).query(query)).await
    }

    pub(super) async fn post(&self, call: &str, seen: Option<&Value>, body: Value) -> Result<Value, Trouble> {
        let place = self.diary.asks(call, &body);
        let request = self.http.post(format!("{}/{call}", self.base)).json(&body);
        let answer = self.send(call, seen, request).await;
        self.diary.learns(place, &answer);
        answer
    }

    /// `seen` is the view whose version a write builds on. A view that is out of date is no trouble: the next turn looks
    /// again.
    async fn send(&self, call: &str, seen: Option<&Value>, request: reqwest::RequestBuilder) -> Result<Value, Trouble> {
        let request = match seen.and_then(|view| view["version"].as_u64()) {
            Some(version) => request.header("if-match", format!("\"{version}\"")),
            None => request,
        };
        let response = request.header("x-skinlink", "1").send().await?;
        let status = response.status();
        let answer = response.text().await?;
        let parsed: Value = serde_json::from_str(&answer).unwrap_or(Value::Null);
        if status.is_success() || (status == StatusCode::CONFLICT && parsed["error"]["what"] == "stale") {
            return Ok(parsed);
        }
        Err(Trouble::Refused { call: call.to_owned(), status, answer })
    }
}

/// What still waits for its scores: a capture that was neither analysed nor given up.
fn unscored(view: &Value) -> Option<String> {
    let scans = view["scans"].as_array().into_iter().flatten();
    let captures = scans.flat_map(|scan| scan["captures"].as_array().into_iter().flatten());
    let waiting = captures.filter(|capture| capture["analysis"] == "queued").count();
    (waiting > 0).then(|| format!("{waiting} photographs to be analysed"))
}

/// A yes to every purpose.
pub(super) fn agreement() -> Value {
    PURPOSES.iter().map(|purpose| ((*purpose).to_owned(), json!(true))).collect()
}

pub(super) fn text(value: &Value, pointer: &str) -> Result<String, Trouble> {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found.map(str::to_owned).ok_or_else(|| Trouble::Unexpected(pointer.to_owned()))
}
