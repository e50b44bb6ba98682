//! Rules of the salon that no scan can show, and those that some scan does.

use crate::suggestions::{another, measured, parse};
use skinlink::domain::{
    Region,
    customer::SkinType,
    reach,
    suggestion::{Measured, Rule, suggest},
};

/// Skin that is moist at one place and dry at another is one scan, though both conditions look at the same places: such a rule was refused
/// as one whose conditions contradict each other.
#[test]
fn a_rule_for_uneven_skin_is_taken() {
    let uneven = "{ metric = \"moisture\", above = 60 }, { metric = \"moisture\", below = 35 }";
    let cheeks = uneven.replace("\"moisture\",", "\"moisture\", regions = [\"left_cheek\", \"right_cheek\"],");
    let oily = "{ metric = \"sebum\", above = 200 }";
    let instead = another("b", &format!("instead_of = [\"a\"]\nwhen = [{oily}]"));
    for (when, more) in [
        (uneven.to_owned(), ""),
        (format!("{uneven}, {oily}"), ""),
        (format!("{cheeks}, {oily}"), ""),
        (uneven.to_owned(), instead.as_str()),
    ] {
        let text = format!("schema = 1\n{}{more}", another("a", &format!("when = [{when}]")));
        parse(&text).unwrap_or_else(|complaint| panic!("{complaint} in\n{text}"));
    }
    // One place has one value.
    let cheek = uneven.replace("\"moisture\",", "\"moisture\", regions = [\"left_cheek\"],");
    let text = format!("schema = 1\n{}", another("a", &format!("when = [{cheek}, {oily}]")));
    assert!(parse(&text).unwrap_err().contains("never holds"), "{text}");
}

/// Three rules by dice, limits and values on one coarse grid: what counts as seen is seen in some scan of all there are, what does not in
/// none; and the loader takes what can be seen, and no more.
#[test]
fn what_is_loaded_can_be_seen_and_what_is_refused_cannot() {
    let seed =
        std::env::var("SKINLINK_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    println!("seed {seed} (SKINLINK_SEED)");
    let scans = every_scan();
    for seed in [1, seed] {
        let mut dice = fastrand::Rng::with_seed(seed);
        let (mut loaded, mut refused) = (0, 0);
        while loaded < 8 || refused < 3 {
            let drawn = ["a", "b", "c"].map(|id| Drawn::by(&mut dice, id));
            let rules = drawn.each_ref().map(Drawn::built);
            let seen = rules.each_ref().map(|rule| is_seen(&rules, &scans, &rule.id));
            let thought = rules.each_ref().map(|rule| reach::is_ever_seen(&rules, rule));
            assert_eq!(thought, seen, "seed {seed}:\n{rules:#?}");
            let text = format!("schema = 1\n{}", drawn.each_ref().map(Drawn::text).concat());
            match parse(&text) {
                Ok(_) => {
                    loaded += 1;
                    assert_eq!(seen, [true; 3], "seed {seed}: taken, though one is never seen:\n{text}");
                }
                Err(complaint) if complaint.contains("can never be seen") || complaint.contains("never holds") => {
                    refused += 1;
                    assert_ne!(seen, [true; 3], "seed {seed}: refused, though all are seen:\n{text}\n{complaint}");
                }
                Err(_) => {}
            }
        }
    }
}

/// A rule as it was drawn.
struct Drawn {
    id: &'static str,
    conditions: Vec<String>,
    dry: bool,
    instead: bool,
}

impl Drawn {
    fn by(dice: &mut fastrand::Rng, id: &'static str) -> Self {
        let many = [1, 1, 2, 2, 3][dice.usize(..5)];
        // At most two that look anywhere: the scans have two places that no condition names.
        let conditions = (0..many).map(|at| condition(dice, at < 2)).collect();
        Self { id, conditions, dry: dice.u8(..4) == 0, instead: id != "a" && dice.u8(..3) > 0 }
    }

    fn text(&self) -> String {
        let skin = if self.dry { "skin_types = [\"dry\"]\n" } else { "" };
        let instead = if self.instead { "instead_of = [\"a\"]\n" } else { "" };
        another(self.id, &format!("{instead}{skin}when = [{}]", self.conditions.join(", ")))
    }

    /// Without asking the loader whether it makes sense: each condition is read as a rule of its own.
    fn built(&self) -> Rule {
        let read = |condition: &String| {
            let text = format!("schema = 1\n{}", another(self.id, &format!("when = [{condition}]")));
            parse(&text).expect("one condition is sound").remove(0)
        };
        let mut rules: Vec<Rule> = self.conditions.iter().map(read).collect();
        let mut rule = rules.pop().expect("one condition at least");
        rule.when = rules.into_iter().chain([rule.clone()]).flat_map(|one| one.when).collect();
        rule.skin_types = if self.dry { vec![SkinType::Dry] } else { Vec::new() };
        rule.instead_of = if self.instead { vec!["a".to_owned()] } else { Vec::new() };
        rule
    }
}

const GRID: [f64; 3] = [20.0, 40.0, 60.0];

/// One limit or two, at one place, at the other, or `anywhere`.
fn condition(dice: &mut fastrand::Rng, anywhere: bool) -> String {
    let places = ["regions = [\"chin\"], ", "regions = [\"nose\"], ", "regions = [\"chin\", \"nose\"], ", ""];
    let regions = places[dice.usize(..places.len() - usize::from(!anywhere))];
    let (least, most) = [(0, 1), (1, 2), (0, 2)][dice.usize(..3)];
    let limits = match dice.u8(..3) {
        0 => format!("above = {}", GRID[least]),
        1 => format!("below = {}", GRID[most]),
        _ => format!("above = {}, below = {}", GRID[least], GRID[most]),
    };
    format!("{{ metric = \"moisture\", {regions}{limits} }}")
}

/// Every scan on the grid: the two places that rules name and two that none does, each not measured, on a limit, or between two.
fn every_scan() -> Vec<Vec<Measured>> {
    let mut scans = vec![Vec::new()];
    for region in [Region::Chin, Region::Nose, Region::Forehead, Region::Neck] {
        let with = |value: Option<f64>| {
            let one = value.map(|value| measured("moisture", region, value));
            scans.iter().map(|scan| scan.iter().cloned().chain(one.clone()).collect()).collect::<Vec<Vec<Measured>>>()
        };
        let values = [10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0].map(Some).into_iter().chain([None]);
        scans = values.flat_map(with).collect();
    }
    scans
}

fn is_seen(rules: &[Rule], scans: &[Vec<Measured>], id: &str) -> bool {
    scans.iter().any(|scan| {
        let shows = |skin| suggest(rules, scan, skin, &[]).suggestions.iter().any(|one| one.rule.id == id);
        shows(None) || shows(Some(SkinType::Dry))
    })
}
