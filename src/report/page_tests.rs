use super::*;
use crate::domain::{
    ComparisonId, Region, ScanId, VisitId,
    comparison::{Baseline, Refusal, Verdict},
    metric::Label,
};

fn metric(id: &str, direction: Direction) -> Metric {
    Metric {
        id: MetricId::new(id).unwrap(),
        label: Label { zh: format!("{id}中"), en: id.to_owned() },
        unit: "%".into(),
        direction,
        target: None,
        decimals: 1,
        range: 0.0..=100.0,
        by_colour: false,
    }
}

fn item(id: &str, region: Region, change: f64, limit: f64) -> Compared {
    let verdict = match change {
        c if c.abs() <= limit => Verdict::None,
        c if c > 0.0 => Verdict::Improved,
        _ => Verdict::Worsened,
    };
    Compared {
        metric: MetricId::new(id).unwrap(),
        region,
        unit: "%".into(),
        before: Some(35.0),
        after: Some(35.0 + change),
        change: Some(change),
        smallest_detectable_change: Some(limit),
        verdict,
        refusal: None,
        engine: None,
    }
}

fn comparison(items: Vec<Compared>) -> Comparison {
    Comparison {
        id: ComparisonId::from_bits(1),
        visit: VisitId::from_bits(2),
        baseline: Baseline::SameVisit,
        before: ScanId::from_bits(3),
        after: ScanId::from_bits(4),
        tested: u32::try_from(items.len()).unwrap(),
        items,
    }
}

fn drawn(lang: Lang, items: Vec<Compared>) -> Page {
    let metrics = [metric("moisture", Direction::HigherIsBetter), metric("sebum", Direction::Neutral)];
    let comparison = comparison(items);
    let source = Source {
        comparison: Some(&comparison),
        metrics: &metrics,
        before: &[],
        after: &[],
        captures_before: &[],
        captures_after: &[],
    };
    page(lang, &source)
}

#[test]
fn the_headline_names_only_what_exceeded_its_limit() {
    let page = drawn(Lang::En, vec![item("moisture", Region::Nose, 9.0, 4.0), item("sebum", Region::Nose, 3.0, 4.0)]);
    assert_eq!(page.headline, "moisture up");
    assert!(page.summary.contains("2 items compared"), "{}", page.summary);
    assert!(page.summary.contains("1 improved") && page.summary.contains("1 within measurement error"));
    assert!(page.rule.contains("2 items tested"));
}

#[test]
fn no_change_is_said_plainly() {
    let page = drawn(Lang::Zh, vec![item("moisture", Region::Nose, 1.0, 4.0)]);
    assert_eq!(page.headline, "这一次，没有超出测量误差的变化");
    assert_eq!(page.groups[0].verdict.words, "无可测变化");
    assert_eq!(page.groups[0].rows[0].verdict.class, "same");
}

#[test]
fn a_neutral_metric_is_never_praised() {
    let page = drawn(Lang::En, vec![item("sebum", Region::Nose, 9.0, 4.0)]);
    assert_eq!(page.groups[0].rows[0].verdict.words, "Changed, higher");
    assert_eq!(page.headline, "sebum up");
    assert!(!page.summary.contains("improved"));
}

#[test]
fn up_here_and_down_there_is_no_victory() {
    let items = vec![item("moisture", Region::Nose, 9.0, 4.0), item("moisture", Region::Chin, -9.0, 4.0)];
    let page = drawn(Lang::En, items);
    assert_eq!(page.headline, "moisture up here, down there");
    assert_eq!(page.groups[0].verdict.class, "changed");
}

#[test]
fn a_refused_row_gives_its_reason_and_is_counted_apart() {
    let mut refused = item("moisture", Region::Nose, 9.0, 4.0);
    (refused.verdict, refused.refusal) = (Verdict::NotComparable, Some(Refusal::DeviceDiffers));
    (refused.change, refused.smallest_detectable_change) = (None, None);
    let page = drawn(Lang::En, vec![refused]);
    assert_eq!(page.groups[0].rows[0].verdict.words, "Not compared: measured with two different devices");
    assert_eq!(page.groups[0].rows[0].change, "–");
    // It was said that nothing had changed where nothing was compared.
    assert_eq!(page.summary, "Nothing could be compared; each row gives the reason.");
    assert_eq!(page.headline, "Nothing could be compared this time");
}

#[test]
fn a_visit_without_comparison_says_what_is_missing() {
    let source =
        Source { comparison: None, metrics: &[], before: &[], after: &[], captures_before: &[], captures_after: &[] };
    assert_eq!(page(Lang::Zh, &source).missing.as_deref(), Some("还没有护理前的测量。"));
    assert_eq!(page(Lang::En, &source).headline, "Nothing to compare yet");
}

/// Without a grey card in view a page showed a row for every colour metric and region, each with the same reason.
#[test]
fn colours_without_a_reference_are_named_once_and_have_no_rows() {
    let grey = |id: &str, region: Region| Compared {
        verdict: Verdict::NotComparable,
        refusal: Some(Refusal::NoColourReference),
        change: None,
        ..item(id, region, 0.0, 4.0)
    };
    let items = || {
        vec![
            item("moisture", Region::Nose, 10.0, 4.0),
            grey("redness", Region::Nose),
            grey("redness", Region::Chin),
            grey("sebum", Region::Nose),
        ]
    };
    let page = drawn(Lang::Zh, items());
    let shown: Vec<&str> = page.groups.iter().map(|group| group.metric.as_str()).collect();
    assert_eq!(shown, ["moisture"]);
    assert_eq!(page.uncoloured, "没有比较：sebum中、redness。照片中没有灰卡等颜色基准。");
    assert!(page.summary.contains("共比较 1 项") && !page.summary.contains("未作比较"), "{}", page.summary);
    assert_eq!(drawn(Lang::Hant, items()).uncoloured, "沒有比較：sebum中、redness。照片中沒有灰卡等顏色基準。");
    let english = drawn(Lang::En, items()).uncoloured;
    assert!(english.starts_with("Not compared: sebum, redness.") && english.contains("grey card"), "{english}");
    // Nothing else: it is said to be over, not still to come.
    let page = drawn(Lang::Zh, vec![grey("redness", Region::Nose)]);
    assert_eq!((page.headline.as_str(), page.groups.len()), ("这一次没有可以比较的项目", 0));
    // Where one region was compared, the other's reason stands in its row.
    let page = drawn(Lang::En, vec![item("redness", Region::Nose, 10.0, 4.0), grey("redness", Region::Chin)]);
    assert!(page.uncoloured.is_empty() && page.groups[0].rows.len() == 2, "{page:?}");
}
