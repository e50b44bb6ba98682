//! Visits whose reports the tests of the page hold against its promises.

use super::*;

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

pub fn item(
    metric: &str,
    region: Region,
    (before, change): (f64, f64),
    verdict: &str,
    refusal: Option<&str>,
) -> Compared {
    let known = refusal.is_none();
    Compared {
        metric: metric.into(),
        region: region.to_string(),
        unit: "%".into(),
        before: Some(before),
        after: Some(before + change),
        change: known.then_some(change),
        smallest_detectable_change: known.then(|| limit(metric)),
        verdict: verdict.into(),
        refusal: refusal.map(str::to_owned),
        model: None,
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

pub fn course(metric: &str, series: &[u32]) -> Course {
    let first = 12 - series.len();
    let point = |(at, series): (usize, &u32)| Point {
        opened: format!("2026-{:02}-21T14:06:00.000+08:00", first + at),
        value: 29.0 + 2.0 * at as f64,
        series: *series,
    };
    Course { metric: metric.into(), unit: "%".into(), points: series.iter().enumerate().map(point).collect() }
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

/// A visit with everything on its page: five metrics, five regions, six photographs.
pub fn whole() -> Sheet {
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
        let one = |(region, (before, change)): (&Region, &(f64, f64))| {
            let verdict = if change.abs() <= limit(&metric.metric) { "none" } else { "improved" };
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
        pair: Some(laid()),
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
        steps: vec!["清洁".into(), "毛孔清洁".into(), "镜湖舒缓".into()],
        beautician: "陈静".into(),
        phases: vec!["before".into(), "after".into()],
        tested: 25,
        items: items.collect(),
        photographs: photographs.collect(),
        methods: metrics[..5].iter().map(method).collect(),
        metrics: metrics.to_vec(),
        course: vec![course("moisture", &[0, 0, 0, 0]), course("redness", &[0, 0, 1])],
        skin_type: "油性".into(),
        next_day: Some("2026-12-05".into()),
        suggestions: vec![suggested()],
        earlier: vec![earlier()],
        ..Sheet::default()
    }
}

pub fn earlier() -> Earlier {
    Earlier {
        opened: "2026-10-21T14:06:00.000+08:00".into(),
        steps: vec!["补水导入".into()],
        tested: 2,
        items: vec![
            item("moisture", Region::LeftCheek, (30.2, 12.0), "improved", None),
            item("redness", Region::LeftCheek, (32.0, -1.0), "none", None),
        ],
    }
}

pub fn suggested() -> Suggested {
    let because = |metric: &str, region: &str, above: Option<f64>, below: Option<f64>| Because {
        metric: metric.into(),
        region: region.into(),
        value: "31.6".into(),
        unit: "%".into(),
        above,
        below,
    };
    Suggested {
        kind: "treatment".into(),
        offer: Label { zh: "补水面膜".into(), en: "Moisturising mask".into() },
        reason: Label { zh: "面颊水分偏低。".into(), en: "The cheeks hold little moisture.".into() },
        because: vec![
            because("moisture", "left_cheek", None, Some(35.0)),
            because("sebum", "left_cheek", Some(20.0), Some(40.0)),
        ],
    }
}

/// Every refusal, every note, the model's method, and both single phases.
pub fn odd() -> Vec<Sheet> {
    let refused = |refusal: &Refusal| item("pores", Region::Nose, (0.4, 0.0), "not_comparable", Some(refusal.as_str()));
    let notes = ["one", "cameras_differ", "poor", "as_taken"];
    let photographs = notes.iter().map(|note| Photographs {
        view: "close".into(),
        light: "uv".into(),
        before: None,
        after: Some("01a1f0c2-4b00-7000-8000-00000000010a".into()),
        note: (*note).into(),
        pair: None,
    });
    // Both are there, and were or were not laid onto each other.
    let refusals = Refusal::ALL.iter().map(|refusal| Pair { refusal: refusal.to_string(), pictures: Vec::new() });
    let pairs = refusals.chain([laid(), Pair { pictures: laid().pictures[..2].to_vec(), ..Pair::default() }]);
    let both = pairs.flat_map(|pair| ["poor", "as_taken"].map(|note| (pair.clone(), note))).map(|(pair, note)| {
        let (before, after) =
            (Some("01a1f0c2-4b00-7000-8000-000000000104".into()), Some("01a1f0c2-4b00-7000-8000-00000000010a".into()));
        Photographs { view: "left".into(), light: "uv".into(), before, after, note: note.into(), pair: Some(pair) }
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
        photographs: photographs.chain(both).collect(),
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
