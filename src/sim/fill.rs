//! What a simulated device puts into fields that nobody planted: any protocol file becomes a device that speaks whole frames.

use crate::{
    domain::Region,
    protocol::{
        Item, Role,
        field::{Field, Shape, ValueField},
        width::{Sort, Width},
    },
};

/// Completes `items` for the fields of `shape` that have none: zeros, empty texts, no flags. Measured values and arrays are
/// the device's own affair.
pub(super) fn fill(shape: &Shape, items: &mut Vec<Item>, at: Region) {
    for field in shape.all_fields() {
        let default = match field {
            // Which parts follow, and how many, is read off the items when they are written.
            Field::Number { role: Role::Presence | Role::Count, .. } => continue,
            Field::Number { role, .. } => Item::Number { role: *role, value: 0 },
            // A number that is read as text is 0.
            Field::Text { role, form } if form.limits().is_some() => Item::Text { role: *role, text: "0".to_owned() },
            Field::Text { role, .. } => Item::Text { role: *role, text: String::new() },
            Field::Bytes { role, length } => Item::Bytes { role: *role, bytes: vec![0; length.unwrap_or(0)] },
            Field::Region { codes, .. } => Item::Region(codes.first().map_or(at, |(region, _)| *region)),
            Field::Flags { .. } => Item::Flags(Vec::new()),
            _ => continue,
        };
        if !items.iter().any(|item| fits(item, field)) {
            items.push(default);
        }
    }
}

fn fits(item: &Item, field: &Field) -> bool {
    match (item, field) {
        (Item::Number { role, .. }, Field::Number { role: wanted, .. })
        | (Item::Text { role, .. }, Field::Text { role: wanted, .. })
        | (Item::Bytes { role, .. }, Field::Bytes { role: wanted, .. }) => role == wanted,
        (Item::Region(_), Field::Region { .. }) | (Item::Flags(_), Field::Flags { .. }) => true,
        _ => false,
    }
}

/// What skin and room usually show, in the units of config/metrics.toml; other units are left to [`usual_mean`]'s guess.
const USUAL: &[(&str, &str, f64)] = &[
    ("ph", "", 5.4),
    ("temperature", "°C", 32.5),
    ("ambient-temperature", "°C", 23.0),
    ("ambient-humidity", "%", 45.0),
    ("lightness", "", 65.0),
];

/// The mean of a metric of which nothing was planted: usual, else well inside what its field can hold.
pub(super) fn usual_mean(field: &ValueField) -> f64 {
    let usual = USUAL.iter().find(|(metric, unit, _)| *metric == field.metric.as_str() && *unit == &*field.unit);
    let fits = |mean: f64| {
        let raw = (mean - field.offset) / field.scale;
        field.form.limits().is_none_or(|(least, most)| (least as f64..=most as f64).contains(&raw))
            && field.range.is_none_or(|(least, most)| (least..=most).contains(&mean))
    };
    if let Some((.., mean)) = usual.filter(|(.., mean)| fits(*mean)) {
        return *mean;
    }
    let raw = match field.form.width {
        Width::U8 | Width::I8 => 100.0,
        width if matches!(width.sort(), Sort::Float | Sort::MedFloat) || width.bytes().is_none() => 25.0,
        _ => 300.0,
    };
    raw * field.scale + field.offset
}

/// Of what a metric does between two measurements where nobody declared it: enough to tell them apart.
pub(super) fn usual_spread(mean: f64) -> f64 {
    0.02 * mean.abs()
}

/// Place `at` of an array of `length` in measurement `number`: a skin's reflectance in percent, rising to the red. The same
/// measurement gives the same numbers, however often it is read.
pub(super) fn array_place(seed: u64, number: u64, at: usize, length: usize) -> f32 {
    let mut rng = fastrand::Rng::with_seed(seed ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ at as u64);
    let rising = 20.0 + 40.0 * at as f32 / length.max(1) as f32;
    ((rising + rng.f32()) * 100.0).round() / 100.0
}

/// Another serial number of the same length.
pub(super) fn a_lie(serial: &str, rng: &mut fastrand::Rng) -> String {
    let mut characters: Vec<char> = serial.chars().collect();
    match characters.last_mut() {
        Some(last) => {
            let other: Vec<char> = ('0'..='9').filter(|digit| digit != last).collect();
            *last = other[rng.usize(..other.len())];
        }
        None => characters.push('?'),
    }
    characters.into_iter().collect()
}
