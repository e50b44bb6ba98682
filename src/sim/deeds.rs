//! What goes otherwise than planned in a visit: pauses, corrections, withdrawn consents, values from the tray.
//!
//! A deed is one call. It may have been done when the daemon went away before it could answer; so a refusal because
//! nothing is left to do counts as done.

use super::beautician::{Beautician, Trouble, Turn, agreement, text};
use crate::domain::{Region, metric::MetricId, scan::Phase};
use reqwest::StatusCode;
use serde_json::{Value, json};

/// How often a deed waits for what it needs before it is given up: a value from the tray may have gone elsewhere.
const PATIENCE: u32 = 100;

/// One thing that goes otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    // While a scan runs or pauses and has a reading.
    Pause,
    SkipRegion(Region),
    RepeatRegion(Region),
    CancelScan,
    /// Pauses the scan; the beautician asks again at once.
    WithdrawMeasuring,
    /// Measured by the button of the device while the scan pauses: the value comes into the tray.
    PressSebum(Region),
    BindFromTray(Region),
    /// With its scan still under way.
    CloseVisit,
    // Between two scans.
    VoidScan,
    RestoreScan,
    MoveScan(Phase),
    WithdrawNumbers,
    WithdrawPhotographs,
    /// To everything, after a withdrawal.
    AgreeAgain,
    // After the visit was closed.
    VoidVisit,
    RestoreVisit,
    /// To another customer, who agreed to nothing.
    MoveVisit,
}

/// When a deed is done.
#[derive(Debug, PartialEq, Eq)]
enum Time {
    Measuring,
    Between,
    Closed,
}

impl Deed {
    const fn time(self) -> Time {
        match self {
            Self::Pause
            | Self::SkipRegion(_)
            | Self::RepeatRegion(_)
            | Self::CancelScan
            | Self::WithdrawMeasuring
            | Self::PressSebum(_)
            | Self::BindFromTray(_)
            | Self::CloseVisit => Time::Measuring,
            Self::VoidScan
            | Self::RestoreScan
            | Self::MoveScan(_)
            | Self::WithdrawNumbers
            | Self::WithdrawPhotographs
            | Self::AgreeAgain => Time::Between,
            Self::VoidVisit | Self::RestoreVisit | Self::MoveVisit => Time::Closed,
        }
    }
}

impl Beautician {
    /// Does the next deed if its time has come.
    pub(super) async fn do_deed(&mut self, view: &Value) -> Result<Option<Turn>, Trouble> {
        let Some(deed) =
            self.plan.deeds.get(self.deeds_done).copied().filter(|deed| Some(deed.time()) == time_of(view))
        else {
            return Ok(None);
        };
        match self.perform(view, deed).await {
            Ok(Done::Now(turn)) => {
                self.deeds_done += 1;
                self.put_off = 0;
                Ok(Some(turn))
            }
            // Another version of the visit: looked at again in the next turn.
            Ok(Done::Stale) => Ok(Some(Turn::Waits(format!("{deed:?}, once more")))),
            Ok(Done::NotYet) if self.put_off < PATIENCE => {
                self.put_off += 1;
                Ok(Some(Turn::Waits(format!("{deed:?}"))))
            }
            Ok(Done::NotYet) => {
                self.deeds_done += 1;
                self.put_off = 0;
                Ok(None)
            }
            Err(Trouble::Refused { status: StatusCode::CONFLICT, .. }) => {
                self.deeds_done += 1;
                Ok(Some(Turn::Did(format!("{deed:?} was done already"))))
            }
            Err(trouble) => Err(trouble),
        }
    }

    async fn perform(&self, view: &Value, deed: Deed) -> Result<Done, Trouble> {
        let visit = text(view, "/id")?;
        let scan = last_scan(view).and_then(|scan| scan["id"].as_str()).unwrap_or_default();
        let why = json!({"staff": "b-07", "reason": "wrong button"});
        let (call, body) = match deed {
            Deed::Pause => (format!("scans/{scan}/pause"), json!({})),
            Deed::SkipRegion(region) => (format!("scans/{scan}/skip"), json!({"region": region.as_str()})),
            Deed::RepeatRegion(region) => (format!("scans/{scan}/repeat"), json!({"region": region.as_str()})),
            Deed::CancelScan => (format!("scans/{scan}/cancel"), json!({})),
            Deed::VoidScan => (format!("scans/{scan}/void"), why),
            Deed::RestoreScan => (format!("scans/{scan}/restore"), why),
            Deed::MoveScan(phase) => (format!("scans/{scan}/reassign"), json!({"phase": phase.as_str()})),
            Deed::CloseVisit => (format!("visits/{visit}/close"), json!({"staff": "b-07"})),
            Deed::VoidVisit => (format!("visits/{visit}/void"), why),
            Deed::RestoreVisit => (format!("visits/{visit}/restore"), why),
            Deed::MoveVisit => {
                (format!("visits/{visit}/reassign"), json!({"customer": self.someone_else(view).await?}))
            }
            Deed::WithdrawMeasuring => return self.withdraw(view, "measure").await,
            Deed::WithdrawNumbers => return self.withdraw(view, "share_numbers").await,
            Deed::WithdrawPhotographs => return self.withdraw(view, "share_photographs").await,
            Deed::AgreeAgain => {
                let answer = self.record_consents(view, &agreement()).await?;
                return done(&answer, "agreed again".to_owned());
            }
            Deed::PressSebum(region) => {
                let sebum = MetricId::new("sebum").expect("a metric's name");
                return Ok(Done::Now(Turn::Presses(sebum, region)));
            }
            Deed::BindFromTray(region) => return self.bind(view, scan, region).await,
        };
        done(&self.post(&call, Some(view), body).await?, format!("{deed:?}"))
    }

    async fn withdraw(&self, view: &Value, purpose: &str) -> Result<Done, Trouble> {
        let answer = self.record_consents(view, &json!({purpose: false})).await?;
        done(&answer, format!("took the consent back: {purpose}"))
    }

    async fn bind(&self, view: &Value, scan: &str, region: Region) -> Result<Done, Trouble> {
        let tray = self.query("tray", &[("station", self.station.as_str())]).await?;
        let Some(value) = tray["tray"].as_array().into_iter().flatten().find(|value| value["metric"] == "sebum") else {
            return Ok(Done::NotYet);
        };
        let call = format!("tray/{}/bind", text(value, "/repeat")?);
        let body = json!({"scan": scan, "region": region.as_str(), "staff": "b-07"});
        match self.post(&call, Some(view), body).await {
            // The call before was cut off after it was done, and the tray looked at in between.
            Err(Trouble::Refused { status: StatusCode::NOT_FOUND, .. }) => {
                Ok(Done::Now(Turn::Did("the value was bound already".to_owned())))
            }
            answer => done(&answer?, "bound a value from the tray".to_owned()),
        }
    }

    /// A customer made for this, who agreed to nothing.
    async fn someone_else(&self, view: &Value) -> Result<String, Trouble> {
        let name = format!("Chen {}", text(view, "/id")?);
        let found = self.query("customers", &[("query", name.as_str())]).await?;
        if let Some(customer) = found["customers"][0]["id"].as_str() {
            return Ok(customer.to_owned());
        }
        text(&self.post("customers", None, json!({"name": name})).await?, "/id")
    }
}

/// What a call came to.
enum Done {
    Now(Turn),
    Stale,
    NotYet,
}

fn done(answer: &Value, what: String) -> Result<Done, Trouble> {
    if answer["error"]["what"] == "stale" { Ok(Done::Stale) } else { Ok(Done::Now(Turn::Did(what))) }
}

fn last_scan(view: &Value) -> Option<&Value> {
    view["scans"].as_array()?.last()
}

/// `None` where nothing can be corrected: no scan yet, or one that has no reading yet.
fn time_of(view: &Value) -> Option<Time> {
    if view["state"] != "open" {
        return Some(Time::Closed);
    }
    let scan = last_scan(view)?;
    if scan["state"] != "running" && scan["state"] != "paused" {
        return Some(Time::Between);
    }
    let has_reading = scan["readings"].as_array().is_some_and(|readings| !readings.is_empty());
    has_reading.then_some(Time::Measuring)
}
