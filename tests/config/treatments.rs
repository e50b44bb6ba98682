//! The salon's own treatments: every mistake in their file is said with its place and what to write.

use skinlink::{
    config::treatments,
    domain::treatment::Treatment,
    report::{Lang, treatment::said},
};

const SHIPPED: &str = include_str!("../../config/treatments.toml");

fn parse(text: &str) -> Result<Vec<Treatment>, String> {
    treatments::parse(text, "t.toml").map_err(|complaints| complaints.to_string())
}

/// A sound treatment of one step but for what is put instead of the line of one of the step's keys.
fn with(key: &str, line: &str) -> String {
    let sound = ["id = \"serum\"", "name = { zh = \"精华\", en = \"serum\" }"];
    let kept: Vec<&str> =
        sound.into_iter().filter(|sound| !sound.starts_with(&format!("{key} ="))).chain([line]).collect();
    format!("{}[[treatment.step]]\n{}\n", head("moisture", "补水", "moisture"), kept.join("\n"))
}

fn head(id: &str, zh: &str, en: &str) -> String {
    format!("schema = 1\n[[treatment]]\nid = \"{id}\"\nname = {{ zh = \"{zh}\", en = \"{en}\" }}\n")
}

fn another(id: &str, zh: &str, en: &str, services: &str) -> String {
    let step = "[[treatment.step]]\nid = \"mask\"\nname = { zh = \"面膜\", en = \"mask\" }\n";
    let treatment = head(id, zh, en).replace("schema = 1\n", "");
    format!("{treatment}services = [{services}]\n{step}")
}

#[test]
fn the_shipped_treatments_are_sound() {
    let treatments = parse(SHIPPED).expect("sound");
    assert!(treatments.len() >= 3 && treatments.iter().all(|one| one.steps.len() >= 5));
    let serum = treatments[0].steps.iter().find(|step| step.id == "serum").expect("a serum");
    assert_eq!((serum.levels, serum.device.is_some(), serum.products.len() > 1), (5, true, true));
    assert_eq!(parse(&with("levels", "")).expect("sound")[0].steps[0].levels, 0, "what is left out is not asked");
}

/// A step that is ticked on an English page stands in Chinese in a Chinese report.
#[test]
fn a_report_says_every_shipped_step_in_its_own_language() {
    let languages = [Lang::Zh, Lang::Hant, Lang::En];
    for step in parse(SHIPPED).expect("sound").into_iter().flat_map(|one| one.steps) {
        for (noted, read) in languages.into_iter().flat_map(|noted| languages.map(|read| (noted, read))) {
            assert_eq!(said(read, noted.label(&step.name)), read.label(&step.name));
        }
    }
}

#[test]
fn every_mistake_is_said_with_its_line_and_what_to_write() {
    let two = |first: (&str, &str, &str, &str), second: (&str, &str, &str, &str)| {
        format!(
            "schema = 1\n{}{}",
            another(first.0, first.1, first.2, first.3),
            another(second.0, second.1, second.2, second.3)
        )
    };
    let step_twice = with("id", "id = \"serum\"")
        + "[[treatment.step]]\nid = \"serum\"\nname = { zh = \"导入\", en = \"infusion\" }\n";
    let name_twice =
        with("id", "id = \"serum\"") + "[[treatment.step]]\nid = \"other\"\nname = { zh = \"导入\", en = \"Serum\" }\n";
    let long = "x".repeat(61);
    let cases = [
        ("schema = 2".to_owned(), "t.toml:1: schema: is 2; this gateway reads 1"),
        ("schema = 1".to_owned(), "t.toml:1: treatment: there is none; add [[treatment]]"),
        (head("moisture", "补水", "moisture"), "treatment.step: is missing; a treatment needs at least one"),
        (with("id", ""), "treatment.step.id: is missing"),
        (with("id", "id = \"Serum 1\""), "treatment.step.id: use a-z, 0-9 and '-'"),
        (with("name", ""), "treatment.step.name: is missing; as customers may hear it"),
        (with("name", "name = { zh = \"精华\" }"), "treatment.step.name: needs both languages"),
        (with("name", &format!("name = {{ zh = \"精华\", en = \"{long}\" }}")), "has 61 letters; at most 60"),
        (with("levels", "levels = 3"), "treatment.step.levels: are levels of no device"),
        (with("levels", "levels = 21\ndevice = { zh = \"仪\", en = \"device\" }"), "21 is outside 1 to 20"),
        (with("levels", "levels = 0\ndevice = { zh = \"仪\", en = \"device\" }"), "0 is outside 1 to 20"),
        (with("colour", "colour = \"red\""), "no such key"),
        (
            with("products", "products = [{ zh = \"甲\", en = \"A\" }, { zh = \"甲\", en = \"B\" }]"),
            "treatment.step.products: 甲 stands twice",
        ),
        (with("remarks", "remarks = [{ zh = \"甲\" }]"), "treatment.step.remarks: needs both languages"),
        (step_twice, "treatment.step.id: serum stands twice"),
        (name_twice, "nobody could tell on the sheet which one was done"),
        (two(("a", "甲", "A", ""), ("a", "乙", "B", "")), "treatment.id: a stands twice"),
        (two(("a", "甲", "A", ""), ("b", "甲", "B", "")), "treatment.name: 甲 stands twice"),
        (
            two(("a", "甲", "A", "\"清洁\""), ("b", "乙", "B", "\"深层清洁\"")),
            "treatment.services: \"深层清洁\" never leads here: a has it already",
        ),
        (two(("a", "甲", "A", "\" \""), ("b", "乙", "B", "")), "treatment.services: is empty"),
    ];
    for (text, said) in cases {
        let complaints = parse(&text).err().unwrap_or_default();
        assert!(complaints.contains(said), "{said}\nis not among\n{complaints}\nof\n{text}");
    }
}

#[test]
fn more_than_a_tablet_can_show_is_too_much() {
    let many = |count: usize| {
        let one = |n: usize| another(&format!("t-{n}"), &format!("甲{n}"), &format!("A{n}"), "");
        format!("schema = 1\n{}", (0..count).map(one).collect::<String>())
    };
    assert_eq!(parse(&many(24)).expect("sound").len(), 24);
    assert!(parse(&many(25)).expect_err("too many").contains("there are 25; at most 24"));
    let steps = |count: usize| {
        let one =
            |n: usize| format!("[[treatment.step]]\nid = \"s-{n}\"\nname = {{ zh = \"步{n}\", en = \"S{n}\" }}\n");
        head("a", "甲", "A") + &(0..count).map(one).collect::<String>()
    };
    assert_eq!(parse(&steps(40)).expect("sound")[0].steps.len(), 40);
    assert!(parse(&steps(41)).expect_err("too many").contains("there are 41; at most 40"));
}
