//! Numbers as a reader sees them. Whoever checks a row with a pencil finds it right: what is shown of before and after differs by
//! what is shown as the change, and the change is seen to lie on its side of the limit.

use crate::domain::comparison::Compared;

/// So many decimals more than the metric's own are shown where it takes them.
const MORE: u8 = 4;

/// The numbers of one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    pub before: String,
    pub after: String,
    /// With its sign.
    pub change: String,
    /// With ±.
    pub limit: String,
}

/// All of a row with the same decimals: `decimals`, and more where rounding would set them at odds.
#[must_use]
pub fn shown(item: &Compared, decimals: u8) -> Shown {
    let agrees = |places: &u8| agrees(item, *places);
    let places = (decimals..=decimals + MORE).find(agrees).unwrap_or(decimals + MORE);
    let text = |value: Option<f64>| value.map_or_else(|| "–".to_owned(), |value| number(value, places));
    // At the very last decimal the difference of what is shown counts.
    let change = difference(item).map_or(item.change, |(before, after)| {
        Some((units(after, places) - units(before, places)) / 10_f64.powi(i32::from(places)))
    });
    Shown {
        before: text(item.before),
        after: text(item.after),
        change: change.map_or_else(|| "–".to_owned(), |change| signed(change, places)),
        limit: item
            .smallest_detectable_change
            .map_or_else(|| "–".to_owned(), |limit| format!("±{}", number(limit, places))),
    }
}

/// Before and after, where the change is their difference: a measure of photographs finds its own at the same places.
fn difference(item: &Compared) -> Option<(f64, f64)> {
    let (before, after, change) = (item.before?, item.after?, item.change?);
    ((after - before - change).abs() <= change.abs() * 1e-9 + 1e-9).then_some((before, after))
}

/// In units of the last decimal, as its text has them.
fn units(value: f64, places: u8) -> f64 {
    let text = format!("{value:.*}", usize::from(places));
    (text.parse::<f64>().unwrap_or(value) * 10_f64.powi(i32::from(places))).round()
}

fn agrees(item: &Compared, places: u8) -> bool {
    let units = |value: f64| units(value, places);
    let Some(change) = item.change else { return true };
    let rounded = difference(item).is_none_or(|(before, after)| units(after) - units(before) == units(change));
    rounded && item.smallest_detectable_change.is_none_or(|limit| units(change.abs()) != units(limit))
}

/// With a true minus sign and never as minus zero.
#[must_use]
pub fn number(value: f64, decimals: u8) -> String {
    let text = format!("{value:.*}", usize::from(decimals));
    match text.strip_prefix('-') {
        Some(digits) if digits.bytes().all(|b| matches!(b, b'0' | b'.')) => digits.to_owned(),
        Some(digits) => format!("−{digits}"),
        None => text,
    }
}

fn signed(value: f64, decimals: u8) -> String {
    let text = number(value, decimals);
    if value > 0.0 && text.bytes().any(|b| (b'1'..=b'9').contains(&b)) { format!("+{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Region, comparison::Verdict, metric::MetricId};

    fn item(before: f64, after: f64, limit: f64) -> Compared {
        Compared {
            metric: MetricId::new("moisture").unwrap(),
            region: Region::Nose,
            unit: "%".into(),
            before: Some(before),
            after: Some(after),
            change: Some(after - before),
            smallest_detectable_change: Some(limit),
            verdict: Verdict::None,
            refusal: None,
            engine: None,
        }
    }

    fn told(item: &Compared, decimals: u8) -> [String; 4] {
        let Shown { before, after, change, limit } = shown(item, decimals);
        [before, after, change, limit]
    }

    /// A row said 40.0 → 58.0 and "+18.1": each number was rounded by itself.
    #[test]
    fn the_shown_change_is_the_difference_of_what_is_shown() {
        assert_eq!(told(&item(39.96, 58.03, 4.1), 1), ["39.96", "58.03", "+18.07", "±4.10"]);
        assert_eq!(told(&item(40.0, 58.0, 4.1), 1), ["40.0", "58.0", "+18.0", "±4.1"], "no more than it takes");
        let read = |text: &str| text.replace('−', "-").replace(['+', '±'], "").parse::<f64>().unwrap();
        let mut dice = fastrand::Rng::with_seed(0x0D16);
        for _ in 0..20_000 {
            let decimals = dice.u8(0..3);
            let before = dice.f64() * 120.0 - 20.0;
            let item = item(before, before + (dice.f64() - 0.5) * 60.0, dice.f64() * 9.0);
            let [before, after, change, _] = told(&item, decimals);
            assert!((read(&after) - read(&before) - read(&change)).abs() < 1e-9, "{before} → {after}, {change}");
        }
    }

    #[test]
    fn a_change_just_over_its_limit_is_told_with_enough_decimals_to_see_it() {
        let [_, _, change, limit] = told(&item(35.0, 39.14, 4.12), 1);
        assert_eq!((change.as_str(), limit.as_str()), ("+4.14", "±4.12"));
    }

    /// A paired measure's change is no difference of its means: it must not be chased through all decimals.
    #[test]
    fn a_change_found_at_the_same_places_is_told_as_it_is() {
        let paired = Compared { change: Some(-3.1), ..item(412.0, 405.2, 9.0) };
        assert_eq!(told(&paired, 1), ["412.0", "405.2", "−3.1", "±9.0"]);
    }

    #[test]
    fn numbers_have_a_true_minus_and_no_minus_zero() {
        assert_eq!(number(-1.25, 1), "−1.2");
        assert_eq!(number(-0.01, 1), "0.0");
        assert_eq!(signed(0.01, 1), "0.0");
        assert_eq!(signed(2.0, 0), "+2");
    }
}
