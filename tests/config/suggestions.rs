//! The salon's own rules: every mistake in their file is said, and whatever is measured, nothing that a card forbids is suggested.

use crate::METRICS;
use skinlink::{
    config::{metrics, suggestions},
    domain::{
        Quantity, Region,
        customer::SkinType,
        metric::{Metric, MetricId},
        suggestion::{Measured, Rule, Suggested, suggest},
    },
};

const SHIPPED: &str = include_str!("../../config/suggestions.toml");

fn house() -> Vec<Metric> {
    metrics::parse(METRICS, "metrics.toml").expect("the shipped metrics")
}

fn parse(text: &str) -> Result<Vec<Rule>, String> {
    suggestions::parse(text, "s.toml", &house()).map_err(|complaints| complaints.to_string())
}

/// A sound rule but for what is put instead of the line of one of its keys.
fn with(key: &str, line: &str) -> String {
    let sound = [
        "id = \"mask\"",
        "kind = \"treatment\"",
        "offer = { zh = \"面膜\", en = \"Mask\" }",
        "reason = { zh = \"水分偏低\", en = \"Little moisture\" }",
        "when = [{ metric = \"moisture\", below = 35 }]",
    ];
    let starts = |sound: &&str| sound.starts_with(&format!("{key} ="));
    let kept: Vec<&str> = sound.into_iter().filter(|sound| !starts(sound)).chain([line]).collect();
    format!("schema = 1\n[[suggestion]]\n{}\n", kept.join("\n"))
}

fn another(id: &str, more: &str) -> String {
    format!(
        "[[suggestion]]\nid = \"{id}\"\nkind = \"treatment\"\noffer = {{ zh = \"甲{id}\", en = \"A {id}\" }}\nreason = {{ zh = \"乙\", en = \"B\" }}\n{more}\n"
    )
}

#[test]
fn the_shipped_rules_are_sound_and_each_can_be_seen() {
    let rules = parse(SHIPPED).expect("sound");
    assert!(rules.len() >= 5);
    for rule in &rules {
        let measured: Vec<Measured> = rule
            .when
            .iter()
            .map(|condition| {
                let value =
                    condition.above.map_or_else(|| condition.below.unwrap_or_default() - 1e-3, |limit| limit + 1e-3);
                let region = condition.regions.first().copied().unwrap_or(Region::Face);
                measured(condition.metric.as_str(), region, value)
            })
            .collect();
        let skin = rule.skin_types.first().copied();
        let seen = suggest(&rules, &measured, skin, &[]);
        assert!(seen.suggestions.iter().any(|one| one.rule.id == rule.id), "{} is never seen", rule.id);
    }
}

#[test]
fn every_mistake_is_said_with_its_line_and_what_to_write() {
    let twice = another("one", "when = [{ metric = \"moisture\", below = 35 }]").repeat(2);
    let ring = another("one", "instead_of = [\"two\"]\nwhen = [{ metric = \"moisture\", below = 35 }]")
        + &another("two", "instead_of = [\"one\"]\nwhen = [{ metric = \"sebum\", below = 35 }]");
    let eclipse = another("one", "instead_of = [\"two\"]\nwhen = [{ metric = \"moisture\", below = 35 }]")
        + &another("two", "when = [{ metric = \"moisture\", regions = [\"chin\"], below = 30 }]");
    let same =
        |id: &str, when: &str| another(id, when).replace(&format!("甲{id}"), "甲").replace(&format!("A {id}"), "A");
    let needless = same("one", "when = [{ metric = \"moisture\", below = 35 }]")
        + &same("two", "skin_types = [\"dry\"]\nwhen = [{ metric = \"moisture\", below = 20 }]");
    let moisture = |rest: &str| with("when", &format!("when = [{{ metric = \"moisture\", {rest} }}]"));
    let two = |one: &str, other: &str| {
        let condition = |rest: &str| format!("{{ metric = \"moisture\", regions = [\"chin\"], {rest} }}");
        with("when", &format!("when = [{}, {}]", condition(one), condition(other)))
    };
    let cases = [
        ("[[suggestion]]\n".to_owned(), "s.toml:1: schema: is missing; write schema = 1"),
        ("schema = 2\n".to_owned(), "is 2; this gateway reads 1"),
        (with("id", ""), "suggestion.id: is missing"),
        (with("id", "id = \"Mask 1\""), "use a-z, 0-9 and '-'"),
        (with("kind", "kind = \"cure\""), "known are treatment, product"),
        (with("kind", ""), "suggestion.kind: is missing"),
        (with("offer", "offer = { zh = \"面膜\" }"), "needs both languages"),
        (with("offer", ""), "suggestion.offer: is missing"),
        (with("reason", ""), "suggestion.reason: is missing"),
        (with("when", ""), "suggestion.when: is missing"),
        (with("when", "when = []"), "it would always hold"),
        (with("when", "when = [{ below = 3 }]"), "suggestion.when.metric: is missing"),
        (
            with("when", "when = [{ metric = \"moistur\", below = 3 }]"),
            "is no metric of this house; known are moisture",
        ),
        (moisture("regions = [\"elbow\"], below = 3"), "is no region"),
        (moisture("regions = [\"chin\", \"chin\"], below = 3"), "stands twice"),
        (with("when", "when = [{ metric = \"moisture\" }]"), "a condition needs above or below"),
        (moisture("above = 60, below = 40"), "never holds: no value lies above 60 and below 40"),
        (moisture("above = 100"), "100 never holds: moisture lies within 0 to 100"),
        (moisture("below = 0"), "0 never holds"),
        (moisture("above = -1.5"), "-1.5 always holds"),
        (moisture("below = 101"), "101 always holds"),
        (two("above = 60", "below = 50"), "two conditions on moisture contradict each other"),
        (two("below = 60", "below = 50"), "one says all that the other does"),
        (with("skin_types", "skin_types = [\"young\"]"), "is no skin type; known are sensitive"),
        (with("contains", "contains = [\" , \"]"), "every entry needs a word"),
        (with("instead_of", "instead_of = [\"peeling\"]"), "no suggestion is called \"peeling\""),
        (with("instead_of", "instead_of = [\"mask\"]"), "stand in for each other"),
        (with("containz", "containz = []"), "did you mean contains?"),
        (format!("schema = 1\n{twice}"), "one stands twice"),
        (format!("schema = 1\n{ring}"), "one and two stand in for each other"),
        (format!("schema = 1\n{eclipse}"), "two can never be seen: one holds whenever it does"),
        (format!("schema = 1\n{needless}"), "two adds nothing: one offers the same whenever it holds"),
    ];
    assert_eq!(parse(&with("none", "")).expect("the rule itself is sound").len(), 1);
    for (text, said) in cases {
        let complaint = parse(&text).err().unwrap_or_default();
        assert!(complaint.contains(said), "{text}\nsaid {complaint:?}, not {said:?}");
    }
    let full = "schema = 1\n".to_owned()
        + &(0..201)
            .map(|n| another(&format!("r{n}"), "when = [{ metric = \"sebum\", below = 9 }]"))
            .collect::<String>();
    assert!(parse(&full).unwrap_err().contains("there are 201; at most 200"));
}

fn measured(metric: &str, region: Region, value: f64) -> Measured {
    let (metric, value) = (MetricId::new(metric).expect("a metric"), Quantity::new(value, 3).expect("finite"));
    Measured { metric, region, value }
}

fn ids(suggested: &Suggested<'_>) -> Vec<String> {
    suggested.suggestions.iter().map(|one| one.rule.id.clone()).collect()
}

/// Mrs. Wang's cheeks are dry, the left one more; her skin is sensitive, and she cannot bear panthenol.
#[test]
fn a_suggestion_names_its_reading_its_limit_and_its_rule() {
    let rules = parse(SHIPPED).expect("sound");
    let scan = [
        measured("moisture", Region::LeftCheek, 28.0),
        measured("moisture", Region::RightCheek, 31.5),
        measured("moisture", Region::Forehead, 20.0),
        measured("sebum", Region::Forehead, 90.0),
    ];
    let of_anyone = suggest(&rules, &scan, None, &[]);
    assert_eq!(ids(&of_anyone), ["moisture-mask"]);
    let because = &of_anyone.suggestions[0].because[0];
    assert_eq!(
        (because.measured.region, because.condition.below),
        (Region::LeftCheek, Some(35.0)),
        "the clearest reading"
    );
    let of_hers = suggest(&rules, &scan, Some(SkinType::Sensitive), &[]);
    assert_eq!(ids(&of_hers), ["gentle-moisture"], "it stands in for the mask");
    let careful = suggest(&rules, &scan, Some(SkinType::Sensitive), &["泛醇过敏"]);
    assert_eq!(ids(&careful), ["moisture-mask"], "what is withheld stands in for nothing");
    assert_eq!((careful.withheld[0].rule, careful.withheld[0].word.as_str()), ("gentle-moisture", "泛醇"));
    // Spelled in another way, or named only in what is offered.
    for note in ["ＰＡＮＴＨＥＮＯＬ!", "pan-thenol", "舒缓补水护理以后发红", "no gentle stuff"] {
        let found = suggest(&rules, &scan, Some(SkinType::Sensitive), &["", note]);
        assert!(
            found.withheld.iter().any(|one| one.rule == "gentle-moisture") == (note != "舒缓补水护理以后发红"),
            "{note}"
        );
    }
    // Between limits nothing is said: both are exclusive.
    assert_eq!(
        ids(&suggest(&rules, &[measured("moisture", Region::LeftCheek, 35.0)], None, &[])),
        Vec::<String>::new()
    );
}

/// Whatever is measured, of whatever skin: what stands on the card is in nothing that is suggested, and what is suggested has all
/// its readings.
#[test]
fn nothing_a_card_forbids_is_ever_suggested() {
    let seed =
        std::env::var("SKINLINK_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    println!("seed {seed} (SKINLINK_SEED)");
    let mut dice = fastrand::Rng::with_seed(seed);
    let (rules, house) = (parse(SHIPPED).expect("sound"), house());
    let words: Vec<&String> = rules.iter().flat_map(|rule| &rule.contains).collect();
    let (mut withheld, mut given) = (0, 0);
    for _ in 0..20_000 {
        let scan: Vec<Measured> = (0..dice.usize(0..12))
            .map(|_| {
                let metric = &house[dice.usize(..house.len())];
                let (least, most) = (*metric.range.start(), *metric.range.end());
                let region = Region::ALL[dice.usize(..Region::ALL.len())];
                measured(metric.id.as_str(), region, least + dice.f64() * (most - least))
            })
            .collect();
        let skin = SkinType::ALL.get(dice.usize(..=SkinType::ALL.len())).copied();
        let word = words[dice.usize(..words.len())];
        let spelled = match dice.u8(..4) {
            0 => word.to_uppercase(),
            1 => word.chars().flat_map(|c| [c, '.']).collect(),
            2 => format!("对{word}过敏（2024）"),
            _ => word.clone(),
        };
        let found = suggest(&rules, &scan, skin, &[&spelled]);
        withheld += found.withheld.len();
        given += found.suggestions.len();
        for one in &found.suggestions {
            assert!(
                !one.rule.contains.contains(word),
                "{} contains {word:?}, and the card says {spelled:?}",
                one.rule.id
            );
            assert_eq!(one.because.len(), one.rule.when.len());
            for because in &one.because {
                assert!(scan.contains(&because.measured) && because.condition.holds(because.measured.value.value()));
            }
            let replaced = found.suggestions.iter().any(|other| other.rule.instead_of.contains(&one.rule.id));
            assert!(!replaced, "{} stands beside what stands in for it", one.rule.id);
        }
    }
    assert!(withheld > 100 && given > 100, "{withheld} withheld, {given} given: nothing was tried");
}
