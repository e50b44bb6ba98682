//! The service log of a day: what was done at each visit, and what it adds up to. People, chairs and treatments by their ids, and
//! products by the salon's own names: whoever reads this has the same files.

use super::refused;
use crate::{
    domain::{
        Day, Zone,
        service_log::{Done, Served, Totals, total},
        treatment::{Noted, Used},
        visit::VisitState,
    },
    web::{AppState, ask::parse, doors::Who, error::WebError, looks},
};
use axum::{
    Json,
    extract::{Path, State},
};
use serde_json::{Value, json};

/// The visits of a day by the salon's clocks, struck out ones too. That somebody looked at them is noted.
pub(crate) async fn of(state: &AppState, who: &Who, day: Day) -> Result<Vec<Served>, WebError> {
    let zone = state.about.calendar.zone;
    let (from, to) = (zone.start(day), zone.start(day.plus(1)));
    let seen = state.store.visits_between(from, to).await.map_err(|fault| refused::store(&fault))?;
    looks::note(state, who, "looked.log", seen.iter().map(|one| one.visit.customer)).await;
    state.store.service_log(from, to).await.map_err(|fault| refused::store(&fault))
}

/// `GET /day/{day}/log`
pub async fn one(State(state): State<AppState>, Path(day): Path<String>, who: Who) -> Result<Json<Value>, WebError> {
    let day: Day = parse("day", &day)?;
    let log = of(&state, &who, day).await?;
    Ok(Json(told(day, &state.about.calendar.zone, &log)))
}

fn told(day: Day, zone: &Zone, log: &[Served]) -> Value {
    json!({
        "day": day.to_string(),
        "from": zone.start(day).to_string(),
        "to": zone.start(day.plus(1)).to_string(),
        "visits": log.iter().map(line).collect::<Vec<_>>(),
        "sum": sum(&total(log)),
    })
}

fn line(served: &Served) -> Value {
    let Served {
        visit,
        state,
        opened,
        closed,
        customer,
        station,
        beautician,
        treatment,
        steps,
        readings,
        photographs,
        stars,
        signed_before,
        signed_after,
        reported,
    } = served;
    json!({
        "visit": visit.to_string(),
        "state": state.as_str(),
        "counts": *state != VisitState::Voided,
        "opened": opened.to_string(),
        "closed": closed.map(|at| at.to_string()),
        "minutes": served.minutes(),
        "customer_name": customer,
        "station": station,
        "beautician": beautician,
        "treatment": treatment,
        "steps": steps.iter().map(step).collect::<Vec<_>>(),
        "readings": readings,
        "photographs": photographs,
        "stars": stars,
        "signed_before": signed_before,
        "signed_after": signed_after,
        "reported": reported,
    })
}

fn step(Done { step, at, staff, noted }: &Done) -> Value {
    let Noted { level, setting, products, remark } = noted;
    let products: Vec<Value> = products.iter().map(used).collect();
    json!({ "step": step, "at": at.to_string(), "staff": staff, "level": level, "setting": setting,
        "products": products, "remark": remark })
}

fn used(Used { product, batch }: &Used) -> Value {
    json!({ "product": product, "batch": batch })
}

fn sum(totals: &Totals) -> Value {
    let Totals {
        visits,
        closed,
        minutes,
        steps,
        readings,
        photographs,
        rated,
        stars,
        signed_before,
        signed_after,
        reported,
        products,
        by,
    } = totals;
    let product =
        |(Used { product, batch }, times): (&Used, &u32)| json!({ "product": product, "batch": batch, "times": times });
    let beautician = |(id, visits): (&String, &u32)| json!({ "beautician": id, "visits": visits });
    json!({
        "visits": visits,
        "closed": closed,
        "minutes": minutes,
        "steps": steps,
        "readings": readings,
        "photographs": photographs,
        "rated": rated,
        "stars": stars,
        "signed_before": signed_before,
        "signed_after": signed_after,
        "reported": reported,
        "products": products.iter().map(product).collect::<Vec<_>>(),
        "by": by.iter().map(beautician).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::service_log::tests::{Dice, day};
    use std::collections::BTreeMap;

    fn number(value: &Value) -> u64 {
        match value {
            Value::Bool(yes) => u64::from(*yes),
            Value::Array(items) => items.len() as u64,
            number => number.as_u64().unwrap_or_default(),
        }
    }

    /// What the lines of an answer add up to, reckoned by whoever reads it and knows nothing but the contract.
    fn added_up(visits: &[Value]) -> Value {
        let counts: Vec<&Value> = visits.iter().filter(|visit| visit["counts"] == true).collect();
        let sum = |field: &str| counts.iter().map(|visit| number(&visit[field])).sum::<u64>();
        let (mut products, mut by) = (BTreeMap::new(), BTreeMap::new());
        for visit in &counts {
            *by.entry(visit["beautician"].as_str().expect("an id")).or_insert(0) += 1;
            for used in visit["steps"].as_array().expect("steps").iter().flat_map(|step| step["products"].as_array()) {
                for used in used {
                    let text = |field: &str| used[field].as_str().expect("a text").to_owned();
                    *products.entry((text("product"), text("batch"))).or_insert(0) += 1;
                }
            }
        }
        json!({
            "visits": counts.len(),
            "closed": counts.iter().filter(|visit| visit["state"] == "closed").count(),
            "minutes": sum("minutes"),
            "steps": sum("steps"),
            "readings": sum("readings"),
            "photographs": sum("photographs"),
            "rated": counts.iter().filter(|visit| !visit["stars"].is_null()).count(),
            "stars": sum("stars"),
            "signed_before": sum("signed_before"),
            "signed_after": sum("signed_after"),
            "reported": sum("reported"),
            "products": products.iter().map(|((product, batch), times)| json!({ "product": product, "batch": batch, "times": times }))
                .collect::<Vec<_>>(),
            "by": by.iter().map(|(id, visits)| json!({ "beautician": id, "visits": visits })).collect::<Vec<_>>(),
        })
    }

    /// Whatever a day brings.
    #[test]
    fn the_sum_of_a_day_is_what_its_visits_add_up_to() {
        let mut dice = Dice(23);
        let (mut struck, mut used) = (0, 0);
        for _ in 0..500 {
            let log = day(&mut dice);
            let told = told("2026-11-28".parse().expect("a day"), &Zone::UTC, &log);
            let visits = told["visits"].as_array().expect("visits");
            assert_eq!(told["sum"], added_up(visits), "{told}");
            assert_eq!(visits.len(), log.len());
            struck += visits.iter().filter(|visit| visit["counts"] == false).count();
            used += number(&told["sum"]["products"]);
        }
        assert!(struck > 50 && used > 50, "the dice were kind: {struck} struck out, {used} products");
    }
}
