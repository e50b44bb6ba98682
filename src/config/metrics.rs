//! `metrics.toml`: the metrics this house knows. A new one is a new entry there, not new code.

use super::{
    complaint::Complaints,
    typed::{At, Reader, table},
};
use crate::domain::{
    Quantity,
    metric::{Direction, Label, Metric, MetricId},
};
use std::ops::RangeInclusive;

/// The only layout there is; a file that asks for another was written for a newer gateway.
const SCHEMA: u64 = 1;

table! { File { schema: u64, metric: Vec<At<Entry>> } }
table! {
    Entry { id: String, label: Names, unit: String, better: String, target: f64, decimals: u64, range: Vec<At<f64>>, by_colour: bool }
}
table! { Names { zh: String, en: String } }

/// Reads `text`; `file_name` stands in complaints. The order of the file is kept.
///
/// # Errors
/// Everything that is wrong, at once.
pub fn parse(text: &str, file_name: &str) -> Result<Vec<Metric>, Complaints> {
    let (mut reader, typed) = Reader::read::<File>(text);
    let typed: File = typed.unwrap_or_default();
    reader.schema(typed.schema.as_ref(), SCHEMA);
    let mut metrics: Vec<Metric> = Vec::new();
    for entry in typed.metric.map_or_else(Vec::new, |at| at.value) {
        let Some(metric) = metric(&entry, &mut reader) else { continue };
        if metrics.iter().any(|known| known.id == metric.id) {
            reader.complain(entry.line, "metric.id", format!("{} stands twice", metric.id));
        }
        metrics.push(metric);
    }
    if metrics.is_empty() {
        reader.complain(1, "metric", "there is none; add [[metric]] with id, label, unit, better, decimals and range");
    }
    reader.finish(file_name).map(|()| metrics)
}

/// `None` after a complaint.
fn metric(entry: &At<Entry>, reader: &mut Reader<'_>) -> Option<Metric> {
    let Entry { id, label, unit, better, target, decimals, range, by_colour } = &entry.value;
    let id = parsed(id.as_ref(), entry, "id", reader, |text| MetricId::new(text).map_err(|e| e.to_string()));
    let direction =
        parsed(better.as_ref(), entry, "better", reader, |text| text.parse::<Direction>().map_err(|e| e.to_string()));
    let unit = parsed(unit.as_ref(), entry, "unit", reader, |text| Ok::<_, String>(text.to_owned()));
    let label = names(label.as_ref(), entry, reader);
    let decimals = decimals_of(decimals.as_ref(), entry, reader);
    let range = range_of(range.as_ref(), entry, reader);
    let (direction, range) = (direction?, range?);
    let target = target_of(target.as_ref(), entry, direction, &range, reader)?;
    let by_colour = by_colour.as_ref().is_some_and(|at| at.value);
    Some(Metric { id: id?, label: label?, unit: unit?, direction, target, decimals: decimals?, range, by_colour })
}

/// Set exactly where it is what counts; the outer `None` after a complaint.
fn target_of(
    at: Option<&At<f64>>,
    entry: &At<Entry>,
    direction: Direction,
    range: &RangeInclusive<f64>,
    reader: &mut Reader<'_>,
) -> Option<Option<f64>> {
    match (at, direction == Direction::TowardsTarget) {
        (Some(at), true) if range.contains(&at.value) => Some(Some(at.value)),
        (Some(at), true) => {
            reader.complain_at(at, format!("{} lies outside the metric's own range", at.value));
            None
        }
        (Some(at), false) => {
            reader.complain_at(at, "means something only with better = \"target\"");
            None
        }
        (None, true) => {
            reader.missing(entry.line, "metric.target", "better = \"target\" needs the value that is best");
            None
        }
        (None, false) => Some(None),
    }
}

fn missing(entry: &At<Entry>, key: &str, reader: &mut Reader<'_>) {
    reader.missing(entry.line, &format!("metric.{key}"), "every metric needs it");
}

fn parsed<T>(
    at: Option<&At<String>>,
    entry: &At<Entry>,
    key: &str,
    reader: &mut Reader<'_>,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Option<T> {
    let Some(at) = at else {
        missing(entry, key, reader);
        return None;
    };
    parse(&at.value).map_err(|error| reader.complain_at(at, error)).ok()
}

fn names(at: Option<&At<Names>>, entry: &At<Entry>, reader: &mut Reader<'_>) -> Option<Label> {
    let Some(at) = at else {
        missing(entry, "label", reader);
        return None;
    };
    label(at, "{ zh = \"水分\", en = \"Moisture\" }", reader)
}

/// A label in both languages; `None` after a complaint, which shows `example`.
pub(super) fn label(at: &At<Names>, example: &str, reader: &mut Reader<'_>) -> Option<Label> {
    let text = |name: &Option<At<String>>| name.as_ref().map(|name| name.value.clone()).filter(|name| !name.is_empty());
    let label = text(&at.value.zh).zip(text(&at.value.en)).map(|(zh, en)| Label { zh, en });
    if label.is_none() {
        reader.complain_at(at, format!("needs both languages: {example}"));
    }
    label
}

fn decimals_of(at: Option<&At<u64>>, entry: &At<Entry>, reader: &mut Reader<'_>) -> Option<u8> {
    let Some(at) = at else {
        missing(entry, "decimals", reader);
        return None;
    };
    // A mean of repeats is shown with one decimal more.
    let most = Quantity::MAX_DECIMALS - 1;
    let decimals = u8::try_from(at.value).ok().filter(|decimals| *decimals <= most);
    if decimals.is_none() {
        reader.complain_at(at, format!("{} is outside 0 to {most}", at.value));
    }
    decimals
}

fn range_of(at: Option<&At<Vec<At<f64>>>>, entry: &At<Entry>, reader: &mut Reader<'_>) -> Option<RangeInclusive<f64>> {
    let Some(at) = at else {
        missing(entry, "range", reader);
        return None;
    };
    match at.value.as_slice() {
        [low, high] if low.value < high.value => Some(low.value..=high.value),
        _ => {
            reader.complain_at(at, "needs two numbers, the lower one first: [0.0, 100.0]");
            None
        }
    }
}
