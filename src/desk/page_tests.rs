use super::*;
use crate::{
    domain::{FeedbackId, Region, Timestamp, capture::View, comparison::Refusal},
    report::hant,
    sync::{
        payload::Compared,
        sheet::{Course, Label, Method, Metric, Photographs, Point, Sheet, Value},
    },
};

const TOKEN: &str = "00112233445566778899aabbccddeeff";

/// Words that claim more than a measurement can: none may stand in what a customer reads.
const FORBIDDEN: &[&str] = &[
    "治疗",
    "治愈",
    "治癒",
    "根治",
    "诊断",
    "诊疗",
    "疾病",
    "病",
    "患者",
    "疗效",
    "处方",
    "药",
    "保证",
    "无效退",
    "最佳",
    "第一",
    "排名",
    "百分位",
    "打败",
    "超过同龄",
    "肤色等级",
    "衰老",
    "缺陷",
    "丑",
    "diagnos",
    "treat",
    "cure",
    "disease",
    "patient",
    "clinical",
    "guarantee",
    "therap",
    "heal",
    "prescri",
    "medicin",
    "rosacea",
    "acne",
    "melanom",
    "percentile",
    "ranking",
    "flaw",
    "defect",
    "ageing",
    "aging",
    "younger",
];

fn item(metric: &str, region: Region, (before, change): (f64, f64), verdict: &str, refusal: Option<&str>) -> Compared {
    let known = refusal.is_none();
    Compared {
        metric: metric.into(),
        region: region.to_string(),
        unit: "%".into(),
        before: Some(before),
        after: Some(before + change),
        change: known.then_some(change),
        smallest_detectable_change: known.then_some(4.1),
        verdict: verdict.into(),
        refusal: refusal.map(str::to_owned),
        model: None,
    }
}

fn metric(id: &str, zh: &str, en: &str, direction: &str) -> Metric {
    Metric {
        metric: id.into(),
        label: Label { zh: zh.into(), en: en.into() },
        direction: direction.into(),
        decimals: 1,
    }
}

fn course(series: &[u32]) -> Course {
    let point = |(at, series): (usize, &u32)| Point {
        opened: format!("2026-{:02}-21T06:06:00.000Z", 8 + at),
        value: 29.0 + 2.0 * at as f64,
        series: *series,
    };
    Course { metric: "moisture".into(), unit: "%".into(), points: series.iter().enumerate().map(point).collect() }
}

/// A visit with everything on its page: five metrics, five regions, six photographs.
fn whole() -> Sheet {
    let regions = [Region::Forehead, Region::Nose, Region::LeftCheek, Region::RightCheek, Region::Chin];
    let metrics = [
        metric("moisture", "水分", "Moisture", "higher"),
        metric("sebum", "油脂", "Sebum", "target"),
        metric("elasticity", "弹性", "Elasticity", "higher"),
        metric("redness", "泛红", "Redness", "lower"),
        metric("tone", "肤色", "Skin tone", "neutral"),
    ];
    // Moisture rises, redness falls on the cheeks, the rest stays within its limits.
    let rows: [[(f64, f64); 5]; 5] = [
        [(34.2, 21.5), (38.0, 2.9), (31.6, 25.4), (32.1, 24.0), (36.4, 18.7)],
        [(46.0, 1.8), (52.3, -2.2), (38.1, 0.9), (37.7, 1.1), (44.0, -0.6)],
        [(61.0, 1.2), (58.4, 0.3), (63.2, -1.9), (62.8, 2.0), (60.1, 0.8)],
        [(21.0, -1.0), (24.2, -2.5), (31.9, -9.6), (30.7, -8.8), (20.3, 0.4)],
        [(64.1, 0.4), (63.0, 0.2), (65.5, -0.5), (65.2, 0.1), (62.9, 0.3)],
    ];
    let items = metrics.iter().zip(&rows).flat_map(|(metric, row)| {
        let one = |(region, (before, change)): (&Region, &(f64, f64))| {
            let verdict = if change.abs() <= 4.1 { "none" } else { "improved" };
            item(&metric.metric, *region, (*before, *change), verdict, None)
        };
        regions.iter().zip(row).map(one).collect::<Vec<_>>()
    });
    let photographs = View::ALL.iter().take(3).map(|view| Photographs {
        view: view.to_string(),
        light: "white".into(),
        before: Some("01a1f0c2-4b00-7000-8000-000000000104".into()),
        after: Some("01a1f0c2-4b00-7000-8000-00000000010a".into()),
        note: "as_taken".into(),
    });
    let method = |metric: &Metric| Method {
        metric: metric.metric.clone(),
        phase: String::new(),
        unit: "%".into(),
        by: vec!["derma-reference DR-0417".into()],
        repeats: (3, 3),
        left_out: 1,
    };
    Sheet {
        salon: Label { zh: "清和肌研".into(), en: "Qinghe Skin Studio".into() },
        opened: "2026-11-21T06:06:00.000Z".into(),
        steps: vec!["深层清洁".into(), "补水导入".into()],
        phases: vec!["before".into(), "after".into()],
        tested: 25,
        items: items.collect(),
        photographs: photographs.collect(),
        methods: metrics.iter().map(method).collect(),
        metrics: metrics.to_vec(),
        course: vec![course(&[0, 0, 0, 0]), course(&[0, 0, 1])],
        skin_type: "油性".into(),
        ..Sheet::default()
    }
}

/// Every refusal, every note, the model's method, and both single phases.
fn odd() -> Vec<Sheet> {
    let refused = |refusal: &Refusal| item("pores", Region::Nose, (0.4, 0.0), "not_comparable", Some(refusal.as_str()));
    let notes = ["one", "cameras_differ", "poor", "as_taken"];
    let photographs = notes.iter().map(|note| Photographs {
        view: "close".into(),
        light: "uv".into(),
        before: None,
        after: Some("01a1f0c2-4b00-7000-8000-00000000010a".into()),
        note: (*note).into(),
    });
    let model = Method {
        metric: "pores".into(),
        phase: "after".into(),
        unit: String::new(),
        by: ["pores-dog", "1.10.2", "0123456789ab", "cpu/1.28.0"].map(str::to_owned).into(),
        repeats: (0, 0),
        left_out: 0,
    };
    let refusals = Sheet {
        tested: 13,
        items: Refusal::ALL.iter().map(refused).collect(),
        photographs: photographs.collect(),
        methods: vec![model],
        metrics: vec![metric("pores", "毛孔", "Pores", "lower")],
        skin_type: "敏感偏干".into(),
        ..whole()
    };
    let single = |phase: &str| Sheet {
        phases: vec![phase.into()],
        tested: 0,
        items: Vec::new(),
        photographs: Vec::new(),
        skin_type: "combination".into(),
        values: Region::ALL
            .iter()
            .map(|region| Value {
                phase: phase.into(),
                metric: "moisture".into(),
                region: region.to_string(),
                value: "35.0".into(),
                unit: "%".into(),
            })
            .collect(),
        ..whole()
    };
    let worse = |change: f64| item("moisture", Region::Nose, (35.0, change), "worsened", None);
    let target = |verdict: &str| item("sebum", Region::Chin, (35.0, 9.0), verdict, None);
    let worse = Sheet { items: vec![worse(-9.0), worse(9.0), target("improved"), target("worsened")], ..whole() };
    let neutral = Sheet { items: vec![item("tone", Region::Chin, (35.0, 9.0), "improved", None)], ..whole() };
    let nothing = Sheet { phases: Vec::new(), values: Vec::new(), skin_type: "dry".into(), ..single("before") };
    let unjudged = Sheet { phases: vec!["before".into(), "after".into()], ..nothing.clone() };
    vec![refusals, single("before"), single("after"), nothing, unjudged, worse, neutral]
}

async fn html(response: Response) -> String {
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.expect("a page");
    String::from_utf8(bytes.to_vec()).expect("text")
}

async fn drawn(tongue: Tongue, sheet: Sheet) -> String {
    let opened = Opened { sheet, expires: Timestamp::from_unix_ms(1_780_000_000_000) };
    html(report(tongue, TOKEN, &opened)).await
}

/// Every page there is, in one language.
async fn all(tongue: Tongue) -> Vec<String> {
    let said = |topic: &Topic| Said { id: FeedbackId::from_bits(1), topic: *topic, stars: None, words: String::new() };
    let said: Vec<Said> = Topic::ALL.iter().map(said).collect();
    let mut pages = vec![
        html(dead(tongue)).await,
        html(wait(tongue)).await,
        html(away(tongue)).await,
        html(nothing_said(tongue, TOKEN)).await,
        html(thanks(tongue, TOKEN, &said)).await,
        drawn(tongue, whole()).await,
    ];
    for sheet in odd() {
        pages.push(drawn(tongue, sheet).await);
    }
    pages
}

/// Without what the salon wrote itself.
fn ours(page: &str) -> String {
    let pieces = page.split("<bdi>").map(|piece| piece.split_once("</bdi>").map_or(piece, |(_, after)| after));
    pieces.collect()
}

/// What a reader sees: without style, script and tags, but with what is read aloud.
fn read(page: &str) -> String {
    let without = |text: &str, open: &str, close: &str| {
        let (before, rest) = text.split_once(open).unwrap_or((text, ""));
        format!("{before}{}", rest.split_once(close).map_or("", |(_, after)| after))
    };
    without(&without(page, "<style>", "</style>"), "<script>", "</script>")
}

#[tokio::test]
async fn no_page_in_any_language_says_a_forbidden_word() {
    for tongue in Tongue::ALL {
        for page in all(*tongue).await {
            let said = read(&page).to_lowercase();
            for word in FORBIDDEN {
                let before = said.split_once(word).map(|(before, _)| before.chars().rev().take(30).collect::<String>());
                let before = before.map(|reversed| reversed.chars().rev().collect::<String>());
                assert_eq!(before, None, "{word} stands behind that in {tongue}");
            }
        }
    }
}

#[tokio::test]
async fn every_character_of_a_traditional_page_is_known_to_the_table() {
    for page in all(Tongue::Hans).await {
        assert_eq!(hant::tests::unknown(&ours(&read(&page))), Vec::<char>::new(), "add them to src/report/hant.rs");
    }
    let page = drawn(Tongue::Hant, whole()).await;
    assert!(page.contains("護理後") && page.contains("<bdi>深层清洁</bdi>") && page.contains("lang=\"zh-Hant\""));
}

#[tokio::test]
async fn a_page_is_whole_under_its_own_policy_and_small() {
    for tongue in Tongue::ALL {
        let pages = all(*tongue).await;
        for page in &pages {
            assert!(!page.contains(" style="), "a style attribute is blocked by the policy");
            assert!(page.contains(&format!("<style>{STYLE}</style>")), "the digest is of these very bytes");
        }
        let whole = &pages[5];
        assert!(whole.contains(&format!("<script>{SCRIPT}</script>")));
        assert!(!whole.contains("01a1f0c2"), "an id is on the page");
        assert!(whole.contains("loading=\"lazy\""));
    }
}

#[tokio::test]
async fn what_a_salon_writes_is_text_and_never_markup() {
    let sheet = Sheet {
        steps: vec!["<script>alert(1)</script>".into(), "\"><img src=x>".into(), "مرحبا".into(), "💆‍♀️".into()],
        salon: Label { zh: "清<b>和".into(), en: "Q & \"A\"".into() },
        ..whole()
    };
    for tongue in Tongue::ALL {
        let page = drawn(*tongue, sheet.clone()).await;
        assert!(!page.contains("<script>alert") && !page.contains("<img src=x") && !page.contains("清<b>"));
        assert!(page.contains("<bdi>مرحبا</bdi>") && page.contains("💆‍♀️"));
    }
}

/// What a page of the samples shows: its address and the word that makes a form one are other each time, and the photographs are
/// those of a rendered face beside it.
fn as_sample(page: &str) -> String {
    let mut out = String::new();
    for (at, piece) in page.split("name=\"once\" value=\"").enumerate() {
        out += if at == 0 { piece } else { piece.split_once('"').map_or("", |(_, after)| after) };
        out += "name=\"once\" value=\"\"";
    }
    let out = out.trim_end_matches("name=\"once\" value=\"\"").to_owned();
    let out = (0..3).fold(out, |out, at| {
        let at = format!("/r/{TOKEN}/{at}/");
        out.replace(&format!("{at}before"), "front-before.jpg").replace(&format!("{at}after"), "front-after.jpg")
    });
    out.replace(TOKEN, "00000000000000000000000000000000")
}

/// `docs/report/` shows what customers see. `SKINLINK_WRITE_SAMPLES=1` writes it anew: look at it then.
#[tokio::test]
async fn the_samples_are_current() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/report");
    let mut sheet = whole();
    sheet.photographs.truncate(1);
    let mut samples = Vec::new();
    for tongue in Tongue::ALL {
        samples.push((format!("report-{}.html", tongue.tag()), as_sample(&drawn(*tongue, sheet.clone()).await)));
    }
    samples.push(("no-comparison.html".to_owned(), as_sample(&drawn(Tongue::Hans, odd().remove(1)).await)));
    samples.push(("dead-link.html".to_owned(), html(dead(Tongue::Hans)).await));
    // Two regions say as much as twenty-five.
    sheet.items.truncate(2);
    let bundle = crate::report::fhir::bundle(Lang::En, &sheet, 7);
    samples.push(("report.fhir.json".to_owned(), format!("{bundle:#}\n")));
    for (name, text) in samples {
        let path = folder.join(&name);
        if std::env::var_os("SKINLINK_WRITE_SAMPLES").is_some() {
            std::fs::write(&path, &text).expect("writable");
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == text, "{name} is out of date; write it with SKINLINK_WRITE_SAMPLES=1 and look at it");
    }
}
