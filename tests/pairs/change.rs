//! Whether a comparison finds the change that is there, and none where none is: whole visits through the inference process
//! and the verdicts a page would show.

use crate::{
    bench::{Bench, house_metrics, judged, manifest, model},
    kept::{self, Item, Kept},
    scenes::{self, PEOPLE, Person, Variant},
    shots::{Anchors, shoot},
    table::{self, Share, trials},
};
use skinlink::{
    analysis::retake::{HANDHELD, Manner, RIG},
    domain::comparison::Verdict,
};
use std::collections::{BTreeMap, BTreeSet};

/// Verdicts over all visits of one kind.
#[derive(Default)]
struct Tally {
    /// Visits in which anything at all was called changed.
    visits: Share,
    /// Metric × region items called improved, or worsened, of those that were tested; and refused, of all.
    improved: BTreeMap<String, Share>,
    worsened: BTreeMap<String, Share>,
    /// The same of a visit's regions together: whether any of them was.
    improved_anywhere: BTreeMap<String, Share>,
    worsened_anywhere: BTreeMap<String, Share>,
    refused: Share,
}

impl Tally {
    fn add(&mut self, items: &[Item]) {
        let is = |verdict: Verdict| items.iter().any(|item| item.verdict == verdict);
        self.visits.add(is(Verdict::Improved) || is(Verdict::Worsened));
        // Colours are refused without a card in view, which these scenes do not have: another campaign's matter.
        for item in items.iter().filter(|item| !item.is_without_colour) {
            self.refused.add(item.verdict == Verdict::NotComparable);
            if item.verdict != Verdict::NotComparable {
                let metric = item.metric.clone();
                self.improved.entry(metric.clone()).or_default().add(item.verdict == Verdict::Improved);
                self.worsened.entry(metric).or_default().add(item.verdict == Verdict::Worsened);
            }
        }
        let metrics: BTreeSet<&str> = items.iter().map(|item| item.metric.as_str()).collect();
        for metric in metrics {
            let any = |verdict: Verdict| items.iter().any(|item| item.metric == metric && item.verdict == verdict);
            self.improved_anywhere.entry(metric.to_owned()).or_default().add(any(Verdict::Improved));
            self.worsened_anywhere.entry(metric.to_owned()).or_default().add(any(Verdict::Worsened));
        }
    }

    fn print(&self, what: &str) {
        println!("{what}: visits with any change {}; items refused {}", self.visits, self.refused);
        for (metric, improved) in &self.improved {
            println!(
                "    {metric:14} improved {improved}   worsened {}   of visits: improved {}   worsened {}",
                self.worsened[metric], self.improved_anywhere[metric], self.worsened_anywhere[metric],
            );
        }
    }

    /// The demo's customer is rendered without a change, so the short form has the annotated face alone for it.
    fn tried(&self) -> bool {
        let tried = self.visits.of > 0;
        assert!(tried || (!table::is_long() && scenes::shared().is_none()), "nothing was tried");
        if !tried {
            crate::skipped::skipped(
                "the short form's only face with a change is in ../shared/data, which is not on this machine",
            );
        }
        tried
    }

    fn improved(&self, metric: &str) -> Share {
        self.improved[metric]
    }
}

fn visits(people: &[Person], manner: Manner, variant: Variant, backwards: bool, count: u32, which: u64) -> Tally {
    let seed = table::seed() ^ (which << 40);
    let (manifest, metrics) = (manifest(), house_metrics());
    let people: Vec<&Person> =
        people.iter().filter(|person| person.scenes.iter().all(|scene| scene.has(variant))).collect();
    let mut tally = Tally::default();
    let way = if backwards { "-backwards" } else { "" };
    let mut kept = Kept::open(format!("{}-{variant:?}{way}-{seed}", manner.name), count, table::is_long());
    for (at, person) in people.iter().enumerate() {
        let mut bench = None;
        for visit in (0..count).filter(|visit| *visit as usize % people.len() == at) {
            tally.add(&kept.or_measure(visit, || {
                let bench = bench.get_or_insert_with(|| Bench::new(&person.regions, &model()));
                let mut random = fastrand::Rng::with_seed(seed ^ (u64::from(visit) << 20));
                let mut measures = Vec::new();
                for scene in &person.scenes {
                    let mut take = |variant| shoot(scene, variant, manner, 0.0, Anchors::Tapped, &mut random);
                    let (is, changed) = (take(Variant::AsIs), take(variant));
                    let (before, after) = if backwards { (&changed, &is) } else { (&is, &changed) };
                    measures.extend(bench.pair(scene.view.view, before, after));
                }
                kept::items(&judged(&manifest, &metrics, &measures))
            }));
        }
    }
    let way = if backwards { ", backwards in time" } else { "" };
    tally.print(&format!("{} {variant:?}{way}, {count} visits, seed {seed}", manner.name));
    tally
}

fn people() -> Vec<Person> {
    let mut people = if table::is_long() { scenes::rendered(PEOPLE) } else { vec![scenes::of_the_demo()] };
    people.extend(scenes::annotated("change"));
    people
}

#[test]
fn unchanged_skin_shows_no_change() {
    let people = people();
    let mut all = Share::default();
    for (which, manner) in [(11, RIG), (12, HANDHELD)] {
        let tally = visits(&people, manner, Variant::AsIs, false, trials(2, 105), which);
        assert!(tally.refused.is_at_most(0.05), "pairs taken as the guide asks are refused: {}", tally.refused);
        all.hits += tally.visits.hits;
        all.of += tally.visits.of;
    }
    println!("unchanged visits that show any change, both: {all}");
    assert!(all.is_at_most(0.05), "{all}");
}

/// Of the face as a whole: a region of sixty pores that lost four says nothing by itself, since as many come and go on unchanged
/// skin. How many of the single regions are found is printed.
#[test]
fn a_tenth_of_the_pores_gone_is_found() {
    let people = people();
    for (which, manner, least) in [(13, RIG, 0.95), (14, HANDHELD, 0.90)] {
        let tally = visits(&people, manner, Variant::Removed10, false, trials(1, 45), which);
        if tally.tried() {
            let found = tally.improved_anywhere["pores"];
            assert!(found.is_at_least(least), "{found} of the visits, {} of the regions", tally.improved("pores"));
            assert!(tally.worsened["pores"].is_at_most(0.05), "nothing came: {}", tally.worsened["pores"]);
        }
    }
    // The other way about the same pores are gained.
    let tally = visits(&people, HANDHELD, Variant::Removed10, true, trials(1, 15), 15);
    if tally.tried() {
        assert!(tally.worsened_anywhere["pores"].is_at_least(0.9), "{}", tally.worsened_anywhere["pores"]);
        assert!(tally.improved["pores"].is_at_most(0.05), "nothing went: {}", tally.improved["pores"]);
    }
}

#[test]
fn pores_a_quarter_fainter_are_found() {
    let people = people();
    for (which, manner) in [(16, RIG), (17, HANDHELD)] {
        let tally = visits(&people, manner, Variant::Faded25, false, trials(1, 45), which);
        if tally.tried() {
            assert!(
                tally.improved("pore-contrast").is_at_least(0.9),
                "{} of the regions",
                tally.improved("pore-contrast")
            );
        }
    }
}
