//! Whether a rule of the salon can ever be seen. Its conditions may contradict each other only all together; and others may stand in for
//! it so that together they leave it no scan at all, although none of them does so alone: one below 30, the other above 20.
//!
//! Tried out, not reasoned about: of each condition one value is measured and nothing else, since whatever is measured beside can only
//! make more rules hold; at one place there is one value. Between two limits of all rules concerned every value says the same, so one
//! of each span is enough, and the limits themselves, which are exclusive. Of places that all conditions take for the same there are as
//! many as conditions may need. Where there is too much to try, a rule counts as seen: a needless rule is a smaller evil than a sound one
//! that is refused.

use super::{
    Quantity, Region,
    customer::SkinType,
    metric::MetricId,
    suggestion::{Condition, Measured, Rule},
};

/// Scans that are tried out for one rule and one kind of skin.
const MOST: usize = 5_000;

/// Whether some scan of some skin shows `rule`, also where others of `rules` stand in for it; cards apart, which can withhold those.
#[must_use]
pub fn is_ever_seen(rules: &[Rule], rule: &Rule) -> bool {
    let instead: Vec<&Rule> = rules.iter().filter(|other| other.instead_of.contains(&rule.id)).collect();
    let concerned = || instead.iter().copied().chain([rule]).flat_map(|rule| &rule.when);
    let alike = |condition: &Condition| rule.when.iter().filter(|other| other.metric == condition.metric).count();
    let values: Vec<Vec<Measured>> =
        rule.when.iter().map(|condition| fulfilled(condition, concerned().collect(), alike(condition))).collect();
    let tries = values.iter().try_fold(1_usize, |tries, values| tries.checked_mul(values.len()));
    if tries.is_none_or(|tries| tries > MOST) {
        return true;
    }
    let skins = SkinType::ALL.iter().copied().map(Some).chain([None]);
    let ours: Vec<Option<SkinType>> = skins.filter(|skin| rule.is_for(*skin)).collect();
    scans(&values).into_iter().filter(|scan| is_one_scan(scan)).any(|scan| {
        ours.iter()
            .any(|skin| rule.holds_for(&scan, *skin) && !instead.iter().any(|other| other.holds_for(&scan, *skin)))
    })
}

/// One value in each span of the limits that fulfils the condition, at each place that some condition tells from others; at up to `many` of
/// those that none does.
fn fulfilled(condition: &Condition, concerned: Vec<&Condition>, many: usize) -> Vec<Measured> {
    let of_metric: Vec<&Condition> = concerned.into_iter().filter(|other| other.metric == condition.metric).collect();
    let mut limits: Vec<f64> = of_metric.iter().flat_map(|other| other.above.into_iter().chain(other.below)).collect();
    limits.sort_by(f64::total_cmp);
    limits.dedup();
    let between = limits.windows(2).map(|pair| f64::midpoint(pair[0], pair[1]));
    let beyond = limits.first().map(|least| least - 1.0).into_iter().chain(limits.last().map(|most| most + 1.0));
    let values: Vec<f64> =
        limits.iter().copied().chain(between).chain(beyond).filter(|value| condition.holds(*value)).collect();
    let is_there = |other: &Condition, region: Region| other.regions.is_empty() || other.regions.contains(&region);
    let mut told_apart: Vec<Vec<bool>> = Vec::new();
    let places = Region::ALL.iter().copied().filter(|region| is_there(condition, *region)).filter(|region| {
        let seen_by: Vec<bool> = of_metric.iter().map(|other| is_there(other, *region)).collect();
        let is_needed = told_apart.iter().filter(|other| **other == seen_by).count() < many;
        told_apart.push(seen_by);
        is_needed
    });
    places
        .flat_map(|region| values.iter().filter_map(move |value| measured(&condition.metric, region, *value)))
        .collect()
}

/// As finely as a limit may be written.
fn measured(metric: &MetricId, region: Region, value: f64) -> Option<Measured> {
    Some(Measured { metric: metric.clone(), region, value: Quantity::new(value, 9)? })
}

/// Two values of one metric at one place are one value.
fn is_one_scan(scan: &[Measured]) -> bool {
    let place = |one: &Measured| (one.metric.clone(), one.region);
    scan.iter().enumerate().all(|(at, one)| {
        scan[at + 1..].iter().all(|other| place(one) != place(other) || one.value.value() == other.value.value())
    })
}

/// Every choice of one value of each.
fn scans(values: &[Vec<Measured>]) -> Vec<Vec<Measured>> {
    values.iter().fold(vec![Vec::new()], |scans, values| {
        let with = |scan: &Vec<Measured>| {
            let more = |value: &Measured| scan.iter().cloned().chain([value.clone()]).collect();
            values.iter().map(more).collect::<Vec<Vec<Measured>>>()
        };
        scans.iter().flat_map(with).collect()
    })
}
