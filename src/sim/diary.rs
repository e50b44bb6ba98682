//! What a simulated beautician asked the gateway to change, and what she was told: her side of an independent ledger. An
//! answer is a promise; a call that was cut off before its answer may have been carried out or not.

use super::beautician::Trouble;
use reqwest::StatusCode;
use serde_json::Value;
use std::sync::{Mutex, PoisonError};

/// What came of a call.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It is done: what it answered.
    Answered(Value),
    /// It was turned down, or built on a view that was out of date: nothing was done.
    Refused,
    /// Nobody knows: the gateway went away, broke down over it, or nobody waited for the answer.
    Unanswered,
}

/// One call that asks for a change.
#[derive(Debug, Clone, PartialEq)]
pub struct Exchange {
    /// Its path below `/api/v1/`.
    pub call: String,
    /// `null` for a photograph.
    pub body: Value,
    pub outcome: Outcome,
}

/// All exchanges in the order they were begun. Grows with each call; a diary lives as long as one visit is played.
#[derive(Debug, Default)]
pub(super) struct Diary(Mutex<Vec<Exchange>>);

impl Diary {
    fn with<T>(&self, look: impl FnOnce(&mut Vec<Exchange>) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Before the call goes out, so that one that is given up stands here as unanswered. Gives its place for [`Self::learns`].
    pub(super) fn asks(&self, call: &str, body: &Value) -> usize {
        let exchange = Exchange { call: call.to_owned(), body: body.clone(), outcome: Outcome::Unanswered };
        self.with(|exchanges| {
            exchanges.push(exchange);
            exchanges.len() - 1
        })
    }

    pub(super) fn learns(&self, place: usize, answer: &Result<Value, Trouble>) {
        let outcome = match answer {
            Ok(answer) if answer["error"]["what"] == "stale" => Outcome::Refused,
            Ok(answer) => Outcome::Answered(answer.clone()),
            Err(Trouble::Refused { status, .. })
                if status.is_client_error() || *status == StatusCode::SERVICE_UNAVAILABLE =>
            {
                Outcome::Refused
            }
            Err(_) => Outcome::Unanswered,
        };
        self.with(|exchanges| exchanges[place].outcome = outcome);
    }

    pub(super) fn exchanges(&self) -> Vec<Exchange> {
        self.with(|exchanges| exchanges.clone())
    }
}
