//! All forms of one visit say the same. What the long picture says is held against the PDF where both are laid out (`paper`);
//! here the PDF is held against the page's own model, the data and the FHIR bundle.

use crate::{
    LANGUAGES, fonts, pdf,
    sheets::{course, metric, whole},
    text,
};
use skinlink::{
    domain::Region,
    report::{Lang, fhir, page::Row, paper, sheet::leaf},
    sync::{payload::Compared, sheet::Sheet},
};
use skinlink_paper::Fonts;

/// `SKINLINK_PAPERS=40` holds so many visits against one another.
const VISITS: u64 = 4;

/// A visit that a seed makes: one to six metrics at some of the regions, with and without change, some refused.
pub(crate) fn drawn(seed: u64) -> Sheet {
    let mut rng = fastrand::Rng::with_seed(seed);
    let ways = ["higher", "lower", "target", "neutral"];
    let named = ["水分", "油脂", "弹性", "泛红", "肤色", "毛孔"];
    let metrics: Vec<_> = (0..rng.usize(1..=6))
        .map(|n| {
            let mut metric = metric(&format!("m{n}"), named[n], &format!("Item {n}"), ways[rng.usize(..4)]);
            metric.decimals = rng.u8(0..3);
            metric
        })
        .collect();
    let mut items = Vec::new();
    for metric in &metrics {
        for region in Region::ALL.iter().filter(|_| rng.u8(..3) > 0).copied().collect::<Vec<_>>() {
            let before = rng.f64() * 120.0 - 20.0;
            let change = (rng.f64() - 0.5) * 40.0;
            let limit = 0.5 + rng.f64() * 12.0;
            let verdict = match (rng.u8(..8), change) {
                (0, _) => "not_comparable",
                (_, change) if change.abs() <= limit => "none",
                (_, change) if change > 0.0 => "improved",
                _ => "worsened",
            };
            let known = verdict != "not_comparable";
            items.push(Compared {
                metric: metric.metric.clone(),
                region: region.to_string(),
                unit: "%".into(),
                before: Some(before),
                after: Some(before + change),
                change: known.then_some(change),
                smallest_detectable_change: known.then_some(limit),
                verdict: verdict.into(),
                refusal: (!known).then(|| "device_differs".into()),
                model: None,
            });
        }
    }
    let tested = u32::try_from(items.len().max(1)).expect("few");
    Sheet { metrics, tested, items, photographs: Vec::new(), course: vec![course("m0", 3, 3)], ..whole() }
}

/// What is set in the long picture, without spaces.
fn words_of_picture(lang: Lang, sheet: &Sheet) -> String {
    let data = paper::data(lang, sheet, None, &[]);
    let order = skinlink_paper::Order { data: &data, pictures: &[] };
    let words = skinlink_paper::words(&Fonts::of(&fonts()), skinlink_paper::Form::Picture, order);
    words.unwrap_or_else(|fault| panic!("{fault}")).split_whitespace().collect()
}

/// As one line of the PDF, without spaces.
fn line(row: &Row) -> String {
    format!("{}{}→{}", row.region, row.before, row.after).split_whitespace().collect()
}

#[tokio::test]
async fn page_data_bundle_and_paper_say_the_same_values() {
    let visits = std::env::var("SKINLINK_PAPERS").ok().and_then(|n| n.parse().ok()).unwrap_or(VISITS);
    let first = std::env::var("SKINLINK_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(0x5EED);
    for seed in first..first + visits {
        let replay = format!("SKINLINK_SEED={seed} cargo test --test paper same");
        let sheet = drawn(seed);
        let bundle = fhir::bundle(Lang::En, &sheet, 7).to_string();
        let data = serde_json::to_string(&sheet).expect("plain data");
        for value in sheet.items.iter().flat_map(|item| [item.before, item.after]).flatten() {
            let said = serde_json::to_string(&value).expect("a number");
            assert!(data.contains(&said) && bundle.contains(&said), "{said}; {replay}");
        }
        for lang in LANGUAGES {
            let (page, read) = (leaf(lang, &sheet).page, text(&pdf(lang, &sheet).await));
            let in_picture = words_of_picture(lang, &sheet);
            assert_eq!(page.groups.iter().map(|group| group.rows.len()).sum::<usize>(), sheet.items.len(), "{replay}");
            for row in page.groups.iter().flat_map(|group| &group.rows) {
                let line = line(row);
                assert!(read.contains(&line), "{lang}: {line} is not in {read}; {replay}");
                let limit: String = row.limit.split_whitespace().collect();
                assert!(read.contains(&limit), "{lang}: {limit}; {replay}");
                assert!(in_picture.contains(&line), "{lang}: {line} is not in the picture: {in_picture}; {replay}");
            }
        }
    }
}
