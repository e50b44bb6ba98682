//! The sheet of a visit: questions, steps that were passed, rating, next date.

use super::{
    refused,
    visits::{answer, path_data},
};
use crate::{
    domain::{
        Quantity, VisitId,
        scan::Phase,
        sheet::{Conditions, Sheet, Soft, is_day},
    },
    web::{
        AppState,
        ask::{Body, Seen, parse, text},
        doors::Who,
        error::WebError,
    },
};
use axum::{
    extract::{Path, State},
    response::Response,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

/// A week: whoever washed earlier says so in words.
const LONGEST_MIN: u32 = 7 * 24 * 60;

/// What is left out stays as it is.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    skin_state: Option<String>,
    make_up: Option<String>,
    washed_min: Option<u32>,
    wishes: Option<String>,
    passed: Option<String>,
    stars: Option<u8>,
    remark: Option<String>,
    next_day: Option<String>,
    treatment: Option<String>,
    /// SVG path data of the customer's signature before the treatment.
    signed_before: Option<String>,
    /// The same after it.
    signed_after: Option<String>,
}

/// `POST /visits/{id}/sheet`
pub async fn write(
    State(state): State<AppState>,
    Path(id): Path<String>,
    who: Who,
    Seen(seen): Seen,
    Body(wish): Body<Wish>,
) -> Result<Response, WebError> {
    let visit: VisitId = parse("visit", &id)?;
    let mut wish = checked(&state, wish)?;
    let signed = [(Phase::Before, wish.signed_before.take()), (Phase::After, wish.signed_after.take())];
    let signed = signed.into_iter().filter_map(|(phase, strokes)| Some((phase, strokes?))).collect();
    let change = move |sheet| changed(sheet, wish);
    let written = state.store.write_and_sign(visit, Some(seen), change, signed, who.staff("")).await;
    if let Err(fault) = written {
        return Err(refused::with_state(&state.store, visit, refused::store(&fault)).await);
    }

    answer(&state, visit).await
}

fn checked(state: &AppState, wish: Wish) -> Result<Wish, WebError> {
    let short = |place: &str, raw: Option<String>, longest| raw.map(|raw| text(place, &raw, longest)).transpose();
    let passed = wish.passed.as_deref().map(|word| parse::<Soft>("passed", word)).transpose()?;
    if let Some(stars) = wish.stars.filter(|stars| !(1..=5).contains(stars)) {
        return Err(WebError::malformed("stars", format!("1 to 5, not {stars}")));
    }
    if let Some(day) = wish.next_day.as_deref().filter(|day| !day.is_empty() && !is_day(day)) {
        return Err(WebError::malformed("next_day", format!("expected a day such as 2026-12-04, not {day:?}")));
    }
    if wish.washed_min.is_some_and(|min| min > LONGEST_MIN) {
        return Err(WebError::malformed("washed_min", format!("at most {LONGEST_MIN}")));
    }
    if let Some(id) = wish.treatment.as_deref().filter(|id| state.about.treatments.iter().all(|one| one.id != **id)) {
        return Err(WebError::malformed("treatment", format!("{id:?} is none of this salon's")));
    }
    for strokes in wish.signed_before.iter().chain(&wish.signed_after) {
        signature(strokes)?;
    }
    Ok(Wish {
        skin_state: short("skin_state", wish.skin_state, 60)?,
        make_up: short("make_up", wish.make_up, 20)?,
        wishes: short("wishes", wish.wishes, 300)?,
        remark: short("remark", wish.remark, 500)?,
        passed: passed.map(|step| step.to_string()),
        ..wish
    })
}

/// What somebody signed with: strokes, and not none.
fn signature(strokes: &str) -> Result<(), WebError> {
    if strokes.is_empty() {
        return Err(WebError::malformed("signature", "nothing is drawn"));
    }
    path_data(strokes).map(drop)
}

fn changed(sheet: Sheet, wish: Wish) -> Sheet {
    let Wish {
        skin_state,
        make_up,
        washed_min,
        wishes,
        passed,
        stars,
        remark,
        next_day,
        treatment,
        signed_before: _,
        signed_after: _,
    } = wish;
    let mut now = Sheet {
        skin_state: skin_state.unwrap_or(sheet.skin_state),
        make_up: make_up.unwrap_or(sheet.make_up),
        washed_min: washed_min.or(sheet.washed_min),
        wishes: wishes.unwrap_or(sheet.wishes),
        passed: sheet.passed,
        stars: stars.or(sheet.stars),
        remark: remark.unwrap_or(sheet.remark),
        next_day: next_day.unwrap_or(sheet.next_day),
        treatment: treatment.unwrap_or(sheet.treatment),
    };
    if let Some(step) = passed.filter(|step| !now.passed.contains(step)) {
        now.passed.push(step);
    }
    now
}

/// The sheet as JSON.
pub fn view(sheet: &Sheet) -> Value {
    let Sheet { skin_state, make_up, washed_min, wishes, passed, stars, remark, next_day, treatment } = sheet;
    json!({
        "skin_state": skin_state, "make_up": make_up, "washed_min": washed_min, "wishes": wishes, "passed": passed,
        "stars": stars, "remark": remark, "next_day": next_day, "treatment": treatment,
    })
}

/// Conditions of a scan, as they come with its beginning. Measured numbers are text: their decimals are part of them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stated {
    #[serde(default)]
    probe_wiped: bool,
    rested_min: Option<u32>,
    washed_min: Option<u32>,
    celsius: Option<String>,
    humidity: Option<String>,
}

impl Stated {
    /// # Errors
    /// 400 for what no room and no clock can show.
    pub fn check(self) -> Result<Conditions, WebError> {
        let Self { probe_wiped, rested_min, washed_min, celsius, humidity } = self;
        for (place, min) in [("rested_min", rested_min), ("washed_min", washed_min)] {
            if min.is_some_and(|min| min > LONGEST_MIN) {
                return Err(WebError::malformed(place, format!("at most {LONGEST_MIN}")));
            }
        }
        Ok(Conditions {
            probe_wiped,
            rested_min,
            washed_min,
            celsius: quantity("celsius", celsius, -20.0, 60.0)?,
            humidity: quantity("humidity", humidity, 0.0, 100.0)?,
            ..Conditions::default()
        })
    }
}

fn quantity(place: &str, raw: Option<String>, low: f64, high: f64) -> Result<Option<Quantity>, WebError> {
    let Some(raw) = raw.filter(|raw| !raw.trim().is_empty()) else { return Ok(None) };
    let value: Quantity = parse(place, raw.trim())?;
    if (low..=high).contains(&value.value()) {
        Ok(Some(value))
    } else {
        Err(WebError::malformed(place, format!("{low} to {high}")))
    }
}
