//! What a protocol's vectors leave unproved: a sound and a broken frame, every message and command, and everything that can
//! stand in place of a value.

use super::{
    field::{Field, Shape, Status, ValueField},
    item::NoValue,
    spec::Spec,
    vector::{Meaning, Vector, Words},
};
use crate::domain::metric::MetricId;

/// All that is not proved, a sentence each; empty when the vectors show everything there is.
#[must_use]
pub fn unproved(spec: &Spec, vectors: &[Vector]) -> Vec<String> {
    let mut open = Vec::new();
    if vectors.iter().all(Vector::is_broken) {
        open.push("no sound frame among the vectors; add one with message = \"…\"".to_owned());
    }
    if !vectors.iter().any(Vector::is_broken) {
        open.push("no broken frame among the vectors; add one with fault = \"checksum\"".to_owned());
    }
    for shape in &spec.messages {
        let frames: Vec<&Vec<Words>> = vectors.iter().filter_map(|vector| frame_of(shape, vector)).collect();
        if frames.is_empty() {
            open.push(format!(
                "nothing proves the message {:?}; add a vector with message = {:?}",
                shape.name, shape.name
            ));
        }
        let shown: Vec<&Words> = frames.iter().copied().flatten().collect();
        if !shown.is_empty() {
            open.extend(codes(shape, &shown));
        }
    }
    for shape in &spec.commands {
        let proves = |meaning: &Meaning| matches!(meaning, Meaning::Command { name, .. } if *name == shape.name);
        if !vectors.iter().any(|vector| proves(&vector.meaning)) {
            open.push(format!(
                "nothing proves the command {:?}; add a vector with command = {:?}",
                shape.name, shape.name
            ));
        }
    }
    open
}

/// The items of a vector that is a frame of this message.
fn frame_of<'v>(shape: &Shape, vector: &'v Vector) -> Option<&'v Vec<Words>> {
    match &vector.meaning {
        Meaning::Message { name, items } if *name == shape.name => Some(items),
        _ => None,
    }
}

/// What can stand in place of values of this message and no vector shows.
fn codes(shape: &Shape, shown: &[&Words]) -> Vec<String> {
    let is = |words: &Words, key: &str, wanted: &str| words.get(key).is_some_and(|found| found == wanted);
    let mut open = Vec::new();
    for field in shape.all_fields() {
        for (metric, reason) in reasons(field) {
            let of = |words: &Words| metric.is_none_or(|metric| is(words, "metric", metric.as_str()));
            if !shown.iter().any(|words| of(words) && is(words, "value", reason.as_str())) {
                let metric = metric.map_or("a value", MetricId::as_str);
                open.push(format!("{:?} can say that {metric} is {reason}; no vector shows it", shape.name));
            }
        }
        let Field::Status { codes, .. } = field else { continue };
        for (status, _) in
            codes.iter().filter(|(status, _)| !shown.iter().any(|words| is(words, "status", status.as_str())))
        {
            open.push(format!("{:?} can have the status {status}; no vector shows it", shape.name));
        }
    }
    open.sort();
    open.dedup();
    open
}

/// The ends of its range that a field's width reaches beyond.
fn beyond(value: &ValueField) -> impl Iterator<Item = NoValue> {
    let scaled = |raw: i128| raw as f64 * value.scale + value.offset;
    let reach =
        value.form.limits().map(|(one, other)| (scaled(one).min(scaled(other)), scaled(one).max(scaled(other))));
    let (low, high) = reach.unwrap_or((f64::NEG_INFINITY, f64::INFINITY));
    let under = value.range.filter(|(least, _)| low < *least).map(|_| NoValue::UnderRange);
    let over = value.range.filter(|(_, most)| high > *most).map(|_| NoValue::OverRange);
    under.into_iter().chain(over)
}

/// Reasons for no value that a field can give, each for a metric or for all.
fn reasons(field: &Field) -> Vec<(Option<&MetricId>, NoValue)> {
    match field {
        Field::Value(value) => {
            let coded = value.codes.each().filter(|(_, codes)| !codes.is_empty()).map(|(reason, _)| reason);
            coded.chain(beyond(value)).map(|reason| (Some(&value.metric), reason)).collect()
        }
        Field::Status { codes, of, .. } => {
            codes.iter().filter_map(|(status, _)| Status::reason(*status)).map(|reason| (of.as_ref(), reason)).collect()
        }
        Field::Flags { doubts, .. } => {
            doubts.iter().map(|doubt| (doubt.metric.as_ref(), doubt.reason.clone())).collect()
        }
        _ => Vec::new(),
    }
}
