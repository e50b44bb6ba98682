//! A report as tests make it, for the page (`src/desk`) and for paper (`tests/paper`). One of them is inside the library and one is
//! not: `domain` and `sync` are those of the module that this file stands in.

use super::{
    domain::{Region, capture::View},
    sync::{
        payload::Compared,
        sheet::{
            Because, Course, Label, Method, Metric, Pair, PairPicture, Photographs, Point, Sheet, Suggested, Value,
        },
    },
};

/// As finely as each metric is measured.
pub fn limit(metric: &str) -> f64 {
    match metric {
        "sebum" => 5.2,
        "elasticity" => 3.4,
        "redness" => 3.8,
        "tone" => 1.6,
        _ => 4.1,
    }
}

/// What is within its limit has not changed, and what has is better.
pub fn item(metric: &str, region: Region, (before, change): (f64, f64), limit: f64) -> Compared {
    Compared {
        metric: metric.into(),
        region: region.to_string(),
        unit: "%".into(),
        before: Some(before),
        after: Some(before + change),
        change: Some(change),
        smallest_detectable_change: Some(limit),
        verdict: if change.abs() <= limit { "none" } else { "improved" }.into(),
        refusal: None,
        model: None,
    }
}

pub fn refused(item: Compared, why: &str) -> Compared {
    Compared {
        change: None,
        smallest_detectable_change: None,
        verdict: "not_comparable".into(),
        refusal: Some(why.into()),
        ..item
    }
}

pub fn metric(id: &str, zh: &str, en: &str, direction: &str) -> Metric {
    Metric {
        metric: id.into(),
        label: Label { zh: zh.into(), en: en.into() },
        direction: direction.into(),
        decimals: 1,
    }
}

/// A visit a month, the last of them the report's own.
pub fn course(metric: &str, visits: usize, breaks_at: usize) -> Course {
    let point = |at: usize| {
        let month = 2026 * 12 + 10 - (visits - 1 - at);
        Point {
            opened: format!("{}-{:02}-21T14:06:00.000+08:00", month / 12, 1 + month % 12),
            value: 29.0 + 2.0 * at as f64,
            series: u32::from(at >= breaks_at),
        }
    };
    Course { metric: metric.into(), unit: "%".into(), points: (0..visits).map(point).collect() }
}

/// Two photographs laid onto each other, with where two metrics changed.
pub fn laid() -> Pair {
    let picture = |role: &str, metric: &str, how: &str| PairPicture {
        role: role.into(),
        sha256: "0123456789abcdef".into(),
        metric: metric.into(),
        how: how.into(),
    };
    let pictures = vec![
        picture("pair_before", "", ""),
        picture("pair_after", "", ""),
        picture("change1", "pores", "marks"),
        picture("change2", "pore-contrast", "tint"),
    ];
    Pair { refusal: String::new(), pictures }
}

/// What one rule of the salon says of the cheeks.
fn suggested() -> Suggested {
    Suggested {
        kind: "treatment".into(),
        offer: Label { zh: "补水面膜".into(), en: "Moisturising mask".into() },
        reason: Label { zh: "面颊水分偏低。".into(), en: "The cheeks hold little moisture.".into() },
        because: vec![Because {
            metric: "moisture".into(),
            region: "left_cheek".into(),
            value: "31.6".into(),
            unit: "%".into(),
            above: None,
            below: Some(35.0),
        }],
    }
}

/// Everything a report may hold: five metrics at five regions, as `item` compares them, six photographs, courses, methods.
pub fn whole(item: fn(&str, Region, (f64, f64)) -> Compared) -> Sheet {
    let regions = [Region::Forehead, Region::Nose, Region::LeftCheek, Region::RightCheek, Region::Chin];
    let metrics = [
        metric("moisture", "水分", "Moisture", "higher"),
        metric("sebum", "油脂", "Sebum", "target"),
        metric("elasticity", "弹性", "Elasticity", "higher"),
        metric("redness", "泛红", "Redness", "lower"),
        metric("tone", "肤色", "Skin tone", "neutral"),
        metric("pores", "毛孔", "Visible pores", "lower"),
        metric("pore-contrast", "毛孔深浅", "Pore contrast", "lower"),
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
        regions.iter().zip(row).map(|(region, values)| item(&metric.metric, *region, *values)).collect::<Vec<_>>()
    });
    let photographs = [View::Front, View::Left, View::Right].map(|view| Photographs {
        view: view.to_string(),
        light: "white".into(),
        before: Some(format!("{view}-before")),
        after: Some(format!("{view}-after")),
        note: "as_taken".into(),
        pair: (view == View::Front).then(laid),
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
        opened: "2026-11-21T14:06:00.000+08:00".into(),
        steps: vec!["清洁".into(), "毛孔清洁".into(), "补水导入".into()],
        beautician: "陈静".into(),
        phases: vec!["before".into(), "after".into()],
        tested: 25,
        items: items.collect(),
        photographs: photographs.to_vec(),
        methods: metrics[..5].iter().map(method).collect(),
        metrics: metrics.to_vec(),
        course: vec![course("moisture", 4, 4), course("redness", 4, 2)],
        skin_type: "油性".into(),
        next_day: Some("2026-12-05".into()),
        suggestions: vec![suggested()],
        ..Sheet::default()
    }
}

/// The same visit where only one phase was measured: values, and nothing to compare.
pub fn one_phase(phase: &str, whole: Sheet) -> Sheet {
    Sheet {
        phases: vec![phase.into()],
        tested: 0,
        items: Vec::new(),
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
        ..whole
    }
}
