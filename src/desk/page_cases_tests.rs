//! Visits whose reports the tests of the page hold against its promises.

use super::*;
use crate::{domain, sync};

#[path = "../../tests/support/sheet.rs"]
mod sheet;
pub use sheet::laid;

const BEFORE: &str = "01a1f0c2-4b00-7000-8000-000000000104";
const AFTER: &str = "01a1f0c2-4b00-7000-8000-00000000010a";

fn item(metric: &str, region: Region, values: (f64, f64)) -> Compared {
    sheet::item(metric, region, values, sheet::limit(metric))
}

/// A visit with everything on its page: an earlier one, a step of the salon's own, and every photograph laid onto its other.
pub fn whole() -> Sheet {
    let mut sheet = sheet::whole(item);
    for shown in &mut sheet.photographs {
        (shown.before, shown.after, shown.pair) = (Some(BEFORE.into()), Some(AFTER.into()), Some(laid()));
    }
    let because = &mut sheet.suggestions[0].because;
    let sebum = Because { metric: "sebum".into(), above: Some(20.0), below: Some(40.0), ..because[0].clone() };
    because.push(sebum);
    Sheet {
        steps: vec!["清洁".into(), "毛孔清洁".into(), "镜湖舒缓".into()],
        course: vec![sheet::course("moisture", 4, 4), sheet::course("redness", 3, 2)],
        earlier: vec![earlier()],
        ..sheet
    }
}

fn earlier() -> Earlier {
    Earlier {
        opened: "2026-10-21T14:06:00.000+08:00".into(),
        steps: vec!["补水导入".into()],
        tested: 2,
        items: vec![
            item("moisture", Region::LeftCheek, (30.2, 12.0)),
            item("redness", Region::LeftCheek, (32.0, -1.0)),
        ],
    }
}

/// Every refusal, every note, the model's method, and both single phases.
pub fn odd() -> Vec<Sheet> {
    let refused = |refusal: &Refusal| sheet::refused(item("pores", Region::Nose, (0.4, 0.0)), refusal.as_str());
    let notes = ["one", "cameras_differ", "poor", "as_taken"];
    let photographs = notes.iter().map(|note| Photographs {
        view: "close".into(),
        light: "uv".into(),
        before: None,
        after: Some(AFTER.into()),
        note: (*note).into(),
        pair: None,
    });
    // Both are there, and were or were not laid onto each other.
    let refusals = Refusal::ALL.iter().map(|refusal| Pair { refusal: refusal.to_string(), pictures: Vec::new() });
    let pairs = refusals.chain([laid(), Pair { pictures: laid().pictures[..2].to_vec(), ..Pair::default() }]);
    let both = pairs.flat_map(|pair| ["poor", "as_taken"].map(|note| (pair.clone(), note))).map(|(pair, note)| {
        let (before, after) = (Some(BEFORE.into()), Some(AFTER.into()));
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
        metrics: vec![sheet::metric("pores", "毛孔", "Pores", "lower")],
        skin_type: "敏感偏干".into(),
        ..whole()
    };
    let single = |phase: &str| Sheet {
        photographs: Vec::new(),
        skin_type: "combination".into(),
        ..sheet::one_phase(phase, whole())
    };
    let judged = |verdict: &str, item: Compared| Compared { verdict: verdict.into(), ..item };
    let worse = |change: f64| judged("worsened", item("moisture", Region::Nose, (35.0, change)));
    let target = |verdict: &str| judged(verdict, item("sebum", Region::Chin, (35.0, 9.0)));
    let worse = Sheet { items: vec![worse(-9.0), worse(9.0), target("improved"), target("worsened")], ..whole() };
    let neutral = Sheet { items: vec![item("tone", Region::Chin, (35.0, 9.0))], ..whole() };
    let nothing = Sheet { phases: Vec::new(), values: Vec::new(), skin_type: "dry".into(), ..single("before") };
    let unjudged = Sheet { phases: vec!["before".into(), "after".into()], ..nothing.clone() };
    vec![refusals, single("before"), single("after"), nothing, unjudged, worse, neutral]
}
