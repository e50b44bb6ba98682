//! Odd visits: each becomes a whole report in every language and form.

use crate::{
    LANGUAGES, pdf, picture,
    sheets::{course, item, metric, one_phase, refused, whole},
    text,
};
use image::GenericImageView as _;
use skinlink::{
    domain::Region,
    report::sheet::leaf,
    sync::sheet::{Label, Look, Sheet},
};

/// Pixels of the long picture from side to side.
const WIDTH: u32 = 780;

/// Longer ones get narrower instead.
const LONGEST: u32 = 30_000;

pub(crate) fn odd() -> Vec<(&'static str, Sheet)> {
    let one_phase = |phase: &str| one_phase(phase, whole());
    let mut only_before = one_phase("before");
    only_before.photographs.iter_mut().for_each(|pair| pair.after = None);
    let mut no_region = whole();
    no_region.items.retain(|item| item.region != "nose");
    no_region.items.push(item("moisture", Region::InnerForearm, (31.0, 9.0)));
    let every = Region::ALL.iter();
    let refusals = ["device_differs", "not_registered", "repeatability_unknown", "missing", "no_colour_reference"];
    let long = "深层清洁补水导入舒缓修护".repeat(6);
    let many = (0..12).map(|n| metric(&format!("m{n}"), &format!("第{n}项"), &format!("Item {n}"), "higher"));
    let many: Vec<_> = many.collect();
    let rows = many.iter().flat_map(|metric| {
        Region::ALL.iter().map(|region| item(&metric.metric, *region, (31.0, 9.0))).collect::<Vec<_>>()
    });
    let logo = r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 80 40"><path d="M0 0h80v40H0z" fill="#5B3A8C"/></svg>"##;
    vec![
        ("one phase, half of the photographs", only_before),
        ("after only", one_phase("after")),
        ("nothing measured", Sheet { phases: Vec::new(), values: Vec::new(), ..one_phase("before") }),
        ("a missing region and one off the face", no_region),
        (
            "refused pairs",
            Sheet {
                items: every.zip(refusals).map(|(region, why)| refused("redness", *region, why)).collect(),
                ..whole()
            },
        ),
        ("forty visits", Sheet { course: vec![course("moisture", 40, 17), course("redness", 40, 40)], ..whole() }),
        (
            "very long names",
            Sheet {
                salon: Label { zh: long.clone(), en: "The Very Long Name of a Salon ".repeat(5) },
                steps: vec![long.clone(), "Verylongwordwithoutanyspace".repeat(8), long],
                ..whole()
            },
        ),
        (
            "from right to left",
            Sheet {
                steps: vec!["العناية بالبشرة".into(), "补水".into(), "טיפול פנים".into()], ..whole()
            },
        ),
        ("emoji", Sheet { steps: vec!["补水💧".into(), "💆‍♀️🌸".into()], ..whole() }),
        ("no photographs", Sheet { photographs: Vec::new(), ..whole() }),
        ("photographs that are not here", {
            let mut sheet = whole();
            sheet.photographs.iter_mut().for_each(|pair| pair.before = Some("gone".into()));
            sheet
        }),
        ("as much as there is", Sheet { metrics: many.clone(), tested: 144, items: rows.collect(), ..whole() }),
        (
            "a look of its own",
            Sheet {
                look: Look {
                    colour: "#5B3A8C".into(),
                    logo: format!("data:image/svg+xml;base64,{}", openssl::base64::encode_block(logo.as_bytes())),
                },
                ..whole()
            },
        ),
    ]
}

#[tokio::test]
async fn every_odd_visit_becomes_a_whole_report_in_every_language_and_form() {
    for (what, sheet) in odd() {
        for lang in LANGUAGES {
            let bytes = pdf(lang, &sheet).await;
            let read = text(&bytes);
            let headline: String = read_headline(lang, &sheet);
            assert!(read.contains(&headline), "{what}, {lang}: {headline} is not in {read}");
            assert!(read.contains("陈静"), "{what}, {lang}: who served is not in {read}");
            for step in &leaf(lang, &sheet).steps {
                let chinese: String = step.chars().filter(|c| ('\u{4e00}'..'\u{9fff}').contains(c)).collect();
                assert!(read.contains(&chinese), "{what}, {lang}: {step}");
            }
            let (kind, bytes) = picture(lang, &sheet).await;
            let drawn = image::load_from_memory(&bytes).unwrap_or_else(|fault| panic!("{what}, {lang}: {fault}"));
            let (width, height) = drawn.dimensions();
            let fits = width == WIDTH && height > WIDTH || width < WIDTH && height == LONGEST;
            assert!(fits, "{what}, {lang}: {width} × {height}");
            assert!(bytes.len() <= 2_500_000, "{what}, {lang}: {kind} of {} bytes", bytes.len());
        }
    }
}

fn read_headline(lang: skinlink::report::Lang, sheet: &Sheet) -> String {
    let headline = leaf(lang, sheet).page.headline;
    headline.chars().filter(|c| !c.is_whitespace()).collect()
}
