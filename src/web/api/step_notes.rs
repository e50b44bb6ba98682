//! How a step of the treatment was done: what the device was set to, products with their batches, a remark.

use super::{refused, visits::answer};
use crate::{
    domain::{
        VisitId,
        treatment::{Noted, Used},
    },
    store::{Signed, StepNote},
    web::{
        AppState,
        ask::{Body, Seen, parse, required, text},
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

/// More on one step is a slip of the finger.
const PRODUCTS: usize = 12;
const LEVELS: u8 = 20;

/// All of it, as it is from now on.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    step: String,
    level: Option<u8>,
    #[serde(default)]
    setting: String,
    #[serde(default)]
    products: Vec<Product>,
    #[serde(default)]
    remark: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Product {
    product: String,
    #[serde(default)]
    batch: String,
}

/// `POST /visits/{id}/step`
pub async fn write(
    State(state): State<AppState>,
    Path(id): Path<String>,
    who: Who,
    Seen(seen): Seen,
    Body(wish): Body<Wish>,
) -> Result<Response, WebError> {
    let visit: VisitId = parse("visit", &id)?;
    let step = required("step", &wish.step, 60)?;
    let noted = checked(wish)?;
    let written = state.store.note_step(visit, Some(seen), step, noted, who.staff("")).await;
    if let Err(fault) = written {
        return Err(refused::with_state(&state.store, visit, refused::store(&fault)).await);
    }
    answer(&state, visit).await
}

fn checked(wish: Wish) -> Result<Noted, WebError> {
    let Wish { step: _, level, setting, products, remark } = wish;
    if level.is_some_and(|level| !(1..=LEVELS).contains(&level)) {
        return Err(WebError::malformed("level", format!("1 to {LEVELS}")));
    }
    if products.len() > PRODUCTS {
        return Err(WebError::malformed("products", format!("at most {PRODUCTS}")));
    }
    let used = |one: &Product| {
        Ok(Used { product: required("product", &one.product, 60)?, batch: text("batch", &one.batch, 40)? })
    };
    Ok(Noted {
        level,
        setting: text("setting", &setting, 60)?,
        products: products.iter().map(used).collect::<Result<_, WebError>>()?,
        remark: text("remark", &remark, 300)?,
    })
}

/// What was noted, as JSON.
pub fn view(notes: &[StepNote]) -> Value {
    let used = |used: &Used| json!({ "product": used.product, "batch": used.batch });
    let note = |StepNote { step, noted: Noted { level, setting, products, remark } }: &StepNote| {
        let products: Vec<Value> = products.iter().map(used).collect();
        json!({ "step": step, "level": level, "setting": setting, "products": products, "remark": remark })
    };
    notes.iter().map(note).collect()
}

/// When the customer signed, as JSON; the strokes stay in the store.
pub fn signed(signed: &[Signed]) -> Value {
    let one = |signed: &Signed| (signed.phase.to_string(), Value::String(signed.at.to_string()));
    Value::Object(signed.iter().map(one).collect())
}
