//! The salon's own rules: every mistake in their file is said, and whatever is measured, nothing that a card forbids is suggested.

use crate::METRICS;
use skinlink::{
    config::{metrics, suggestions},
    domain::{
        Quantity, Region,
        customer::SkinType,
        metric::{Metric, MetricId},
        suggestion::{Kind, Measured, Rule, Suggested, suggest},
    },
};
use std::collections::BTreeSet;

const SHIPPED: &str = include_str!("../../config/suggestions.toml");

fn house() -> Vec<Metric> {
    metrics::parse(METRICS, "metrics.toml").expect("the shipped metrics")
}

pub fn parse(text: &str) -> Result<Vec<Rule>, String> {
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

pub fn another(id: &str, more: &str) -> String {
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

/// One scan, skin and card, and what is said to them: ids that are suggested, `-id` for what is withheld.
type Seen<'a> = (&'a [(&'a str, Region, f64)], Option<SkinType>, &'a str, &'a str);

/// What the file that loads says to one scan.
fn said(rules: &[Rule], (scan, skin, card, _): &Seen<'_>) -> String {
    let scan: Vec<Measured> = scan.iter().map(|(metric, region, value)| measured(metric, *region, *value)).collect();
    let found = suggest(rules, &scan, *skin, &[card]);
    let withheld = found.withheld.iter().map(|one| format!("-{}", one.rule));
    ids(&found).into_iter().chain(withheld).collect::<Vec<_>>().join(" ")
}

/// The keys that the loader knows, as it names them to whoever writes another one.
fn known_keys() -> BTreeSet<String> {
    let strange = "zzzzzzzzzzzzzzzzzzzz = 1";
    let texts = [
        format!("schema = 1\n{strange}\n"),
        with("none", strange),
        with("when", &format!("when = [{{ metric = \"moisture\", below = 3, {strange} }}]")),
    ];
    let keys = texts.map(|text| {
        let complaint = parse(&text).expect_err("a key that nobody knows");
        let list = complaint.split("known here are ").nth(1).unwrap_or_else(|| panic!("{complaint}"));
        list.lines().next().expect("a line").trim_end_matches('.').split(", ").map(str::to_owned).collect::<Vec<_>>()
    });
    keys.into_iter().flatten().collect()
}

/// Each key of the file, with a rule whose answer hangs on it alone.
#[test]
fn every_key_of_the_file_does_what_it_says() {
    use Region::{Chin, Forehead, LeftCheek};
    use SkinType::{Dry, Oily};
    let dry = [("moisture", Forehead, 30.0)];
    let both = [("moisture", Forehead, 30.0), ("sebum", Chin, 250.0)];
    let one = |rest: &str| with("when", &format!("when = [{{ metric = \"moisture\", {rest} }}]"));
    let second = another("cream", "when = [{ metric = \"sebum\", above = 200 }]");
    let instead = another(
        "gentle",
        "instead_of = [\"mask\"]\nskin_types = [\"dry\"]\nwhen = [{ metric = \"moisture\", below = 35 }]",
    );
    let cases: &[(&str, String, &[Seen<'_>])] = &[
        ("schema", with("none", ""), &[(&dry, None, "", "mask")]),
        ("suggestion", with("none", "") + &second, &[(&both, None, "", "mask cream"), (&dry, None, "", "mask")]),
        ("id", with("id", "id = \"sheet-mask\""), &[(&dry, None, "", "sheet-mask")]),
        ("kind", with("kind", "kind = \"product\""), &[(&dry, None, "", "mask")]),
        (
            "offer",
            with("offer", "offer = { zh = \"燕窝面膜\", en = \"Nest mask\" }"),
            &[(&dry, None, "燕窝", "-mask"), (&dry, None, "Nest", "-mask")],
        ),
        (
            "reason",
            with("reason", "reason = { zh = \"额头干\", en = \"A dry forehead\" }"),
            &[(&dry, None, "额头干", "mask")],
        ),
        (
            "when",
            with("when", "when = [{ metric = \"moisture\", below = 35 }, { metric = \"sebum\", above = 200 }]"),
            &[(&both, None, "", "mask"), (&dry, None, "", ""), (&both[1..], None, "", ""), (&[], None, "", "")],
        ),
        ("metric", one("below = 35"), &[(&dry, None, "", "mask"), (&[("sebum", Forehead, 30.0)], None, "", "")]),
        (
            "regions",
            one("regions = [\"chin\", \"left_cheek\"], below = 35"),
            &[
                (&dry, None, "", ""),
                (&[("moisture", Chin, 30.0)], None, "", "mask"),
                (&[("moisture", LeftCheek, 30.0)], None, "", "mask"),
            ],
        ),
        (
            "above",
            one("above = 60"),
            &[
                (&[("moisture", Chin, 60.0)], None, "", ""),
                (&[("moisture", Chin, 60.001)], None, "", "mask"),
                (&dry, None, "", ""),
            ],
        ),
        (
            "below",
            one("below = 35"),
            &[
                (&[("moisture", Chin, 35.0)], None, "", ""),
                (&[("moisture", Chin, 34.999)], None, "", "mask"),
                (&[("moisture", Chin, 60.0)], None, "", ""),
            ],
        ),
        (
            "skin_types",
            with("skin_types", "skin_types = [\"dry\"]"),
            &[(&dry, Some(Dry), "", "mask"), (&dry, Some(Oily), "", ""), (&dry, None, "", "")],
        ),
        (
            "contains",
            with("contains", "contains = [\"aloe\", \"芦荟\"]"),
            &[
                (&dry, None, "", "mask"),
                (&dry, None, "对芦荟过敏", "-mask"),
                (&dry, None, "ALOE vera", "-mask"),
                (&dry, None, "坚果", "mask"),
            ],
        ),
        (
            "instead_of",
            with("none", "") + &instead,
            &[
                (&dry, Some(Oily), "", "mask"),
                (&dry, Some(Dry), "", "gentle"),
                (&dry, Some(Dry), "甲gentle", "mask -gentle"),
            ],
        ),
    ];
    for (key, text, seen) in cases {
        let rules = parse(text).unwrap_or_else(|complaint| panic!("{key}: {complaint}"));
        for one in *seen {
            assert_eq!(said(&rules, one), one.3, "{key}: {one:?}");
        }
    }
    let shown =
        |key: &str| parse(&cases.iter().find(|case| case.0 == key).expect("a case").1).expect("sound").remove(0);
    assert_eq!(shown("kind").kind, Kind::Product);
    assert_eq!((shown("offer").offer.zh, shown("offer").offer.en), ("燕窝面膜".to_owned(), "Nest mask".to_owned()));
    assert_eq!(
        (shown("reason").reason.zh, shown("reason").reason.en),
        ("额头干".to_owned(), "A dry forehead".to_owned())
    );
    let told: BTreeSet<String> = cases.iter().map(|case| case.0.to_owned()).collect();
    assert_eq!(told, known_keys(), "a key of the file without a line in this table");
}

#[test]
fn every_mistake_is_said_with_its_line_and_what_to_write() {
    let twice = another("one", "when = [{ metric = \"moisture\", below = 35 }]").repeat(2);
    let ring = another("one", "instead_of = [\"two\"]\nwhen = [{ metric = \"moisture\", below = 35 }]")
        + &another("two", "instead_of = [\"one\"]\nwhen = [{ metric = \"sebum\", below = 35 }]");
    let eclipse = another("one", "instead_of = [\"two\"]\nwhen = [{ metric = \"moisture\", below = 35 }]")
        + &another("two", "when = [{ metric = \"moisture\", regions = [\"chin\"], below = 30 }]");
    // At the nose there is one value: it is the chin that is moist.
    let around = another(
        "one",
        "when = [{ metric = \"moisture\", regions = [\"chin\", \"nose\"], above = 60 }, { metric = \"moisture\", regions = [\"nose\"], below = 40 }]",
    ) + &another(
        "two",
        "instead_of = [\"one\"]\nwhen = [{ metric = \"moisture\", regions = [\"chin\"], above = 20 }]",
    );
    let three = with(
        "when",
        "when = [{ metric = \"moisture\", regions = [\"chin\", \"nose\"], above = 60 }, { metric = \"moisture\", regions = [\"chin\"], below = 40 }, { metric = \"moisture\", regions = [\"nose\"], below = 40 }]",
    );
    let together = another("one", "when = [{ metric = \"moisture\", below = 35 }]")
        + &another("two", "instead_of = [\"one\"]\nwhen = [{ metric = \"moisture\", below = 30 }]")
        + &another("three", "instead_of = [\"one\"]\nwhen = [{ metric = \"moisture\", above = 20 }]");
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
        (format!("schema = 1\n{around}"), "one can never be seen: two holds whenever it does"),
        (three, "mask never holds: its conditions contradict each other"),
        (format!("schema = 1\n{together}"), "one can never be seen: together two and three hold whenever it does"),
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

pub fn measured(metric: &str, region: Region, value: f64) -> Measured {
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
