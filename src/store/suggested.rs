//! What the salon's rules suggest on a report. The rules stand in its letterhead as they were when its link was made; what was measured
//! and what the card forbids is looked at each time, so that a value that was struck out, or an allergy that was noted later, counts.

use super::{StoreError, VisitView, cards};
use crate::{
    domain::{
        customer::SkinType,
        metric::{self, MetricId},
        scan::{Phase, ScanState},
        suggestion::{self, Condition, Measured, Suggestion, suggest},
    },
    sync::sheet::{Because, Label, Suggested},
};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};

/// So many fit on a page that is still read.
const MOST: usize = 6;

/// A rule as a letterhead keeps it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Rule {
    id: String,
    kind: String,
    offer: Label,
    reason: Label,
    when: Vec<When>,
    skin_types: Vec<String>,
    contains: Vec<String>,
    instead_of: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct When {
    metric: String,
    regions: Vec<String>,
    above: Option<f64>,
    below: Option<f64>,
}

fn texts<T: ToString>(all: &[T]) -> Vec<String> {
    all.iter().map(ToString::to_string).collect()
}

fn parsed<T: std::str::FromStr>(all: &[String]) -> Option<Vec<T>> {
    all.iter().map(|text| text.parse().ok()).collect()
}

impl Rule {
    pub(super) fn of(rule: &suggestion::Rule) -> Self {
        let suggestion::Rule { id, kind, offer, reason, when, skin_types, contains, instead_of } = rule;
        let label = |label: &metric::Label| Label { zh: label.zh.clone(), en: label.en.clone() };
        let when = when.iter().map(|Condition { metric, regions, above, below }| When {
            metric: metric.to_string(),
            regions: texts(regions),
            above: *above,
            below: *below,
        });
        Self {
            id: id.clone(),
            kind: kind.to_string(),
            offer: label(offer),
            reason: label(reason),
            when: when.collect(),
            skin_types: texts(skin_types),
            contains: contains.clone(),
            instead_of: instead_of.clone(),
        }
    }

    /// `None` where a newer version wrote it in words that this one does not know.
    fn rule(&self) -> Option<suggestion::Rule> {
        let label = |label: &Label| metric::Label { zh: label.zh.clone(), en: label.en.clone() };
        let when = self.when.iter().map(|When { metric, regions, above, below }| {
            Some(Condition {
                metric: MetricId::new(metric).ok()?,
                regions: parsed(regions)?,
                above: *above,
                below: *below,
            })
        });
        Some(suggestion::Rule {
            id: self.id.clone(),
            kind: self.kind.parse().ok()?,
            offer: label(&self.offer),
            reason: label(&self.reason),
            when: when.collect::<Option<_>>()?,
            skin_types: parsed(&self.skin_types)?,
            contains: self.contains.clone(),
            instead_of: self.instead_of.clone(),
        })
    }
}

impl VisitView {
    /// What stands of the last finished scan of a phase, with its units.
    #[must_use]
    pub fn measured(&self, phase: Phase) -> Vec<(Measured, &str)> {
        let finished = |scan: &&super::ScanView| scan.scan.phase == phase && scan.scan.state == ScanState::Finished;
        let Some(scan) = self.scans.iter().rev().find(finished) else { return Vec::new() };
        let readings = scan.readings.iter().filter(|entry| !entry.voided).map(|entry| &entry.item);
        let readings = readings.map(|one| (one.metric.clone(), one.region, one.value, one.unit.as_str()));
        let scores = scan.scores.iter().map(|one| (one.metric.clone(), one.region, one.value, one.unit.as_str()));
        let all = readings.chain(scores);
        all.map(|(metric, region, value, unit)| (Measured { metric, region, value }, unit)).collect()
    }
}

/// What `rules` suggest after the scan before the treatment, in the order of their file.
pub(super) fn of(conn: &Connection, view: &VisitView, rules: &[Rule]) -> Result<Vec<Suggested>, StoreError> {
    let rules: Vec<suggestion::Rule> = rules.iter().filter_map(Rule::rule).collect();
    if rules.is_empty() {
        return Ok(Vec::new());
    }
    let card = cards::of_person(conn, view.visit.customer)?;
    let card = [card.allergies.as_str(), &card.contraindications, &view.customer.notes];
    let measured = view.measured(Phase::Before);
    let values: Vec<Measured> = measured.iter().map(|(value, _)| value.clone()).collect();
    let suggested = suggest(&rules, &values, SkinType::noted(&view.customer.skin_type), &card);
    Ok(suggested.suggestions.iter().take(MOST).map(|one| told(one, &measured)).collect())
}

fn told(Suggestion { rule, because }: &Suggestion<'_>, measured: &[(Measured, &str)]) -> Suggested {
    let label = |label: &metric::Label| Label { zh: label.zh.clone(), en: label.en.clone() };
    let because = because.iter().map(|suggestion::Because { measured: by, condition }| Because {
        metric: by.metric.to_string(),
        region: by.region.to_string(),
        value: by.value.to_string(),
        unit: measured.iter().find(|(value, _)| value == by).map_or_else(String::new, |(_, unit)| (*unit).to_owned()),
        above: condition.above,
        below: condition.below,
    });
    Suggested {
        kind: rule.kind.to_string(),
        offer: label(&rule.offer),
        reason: label(&rule.reason),
        because: because.collect(),
    }
}
