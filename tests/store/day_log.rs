//! The service log of a day against the visits themselves: whatever the day brought, the log is what each visit says of itself.

use crate::salon::{Salon, why};
use skinlink::{
    clock,
    domain::{
        CustomerId, Region, Timestamp, VisitId,
        consent::Purpose,
        scan::{Phase, ScanState, Step},
        service_log::{Totals, total},
        sheet::Sheet,
        treatment::{Noted, Used},
        visit::VisitState,
    },
    store::{Letterhead, Store, StoreError, Thing},
};
use std::collections::BTreeMap;

const WHO: &str = "staff-1";

fn at(ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(clock::now().wall.unix_ms() + ms)
}

/// What one visit says of itself by every other way of asking.
async fn asked(store: &Store, visit: VisitId, reported: bool) -> Totals {
    let view = store.visit_view(visit).await.unwrap();
    if view.visit.state == VisitState::Voided {
        return Totals::default();
    }
    let (sheet, ticks) = (store.sheet(visit).await.unwrap(), store.ticks(visit).await.unwrap());
    let mut products = BTreeMap::new();
    for note in store.step_notes(visit).await.unwrap() {
        if ticks.iter().any(|tick| tick.step == note.step) {
            for used in note.noted.products {
                *products.entry(used).or_insert(0) += 1;
            }
        }
    }
    let scans = || view.scans.iter().filter(|scan| scan.scan.state.as_str() != "voided");
    let readings = scans().flat_map(|scan| &scan.readings).filter(|one| !one.voided).count();
    let photographs = scans().flat_map(|scan| &scan.captures).filter(|one| !one.voided).count();
    let signed = store.signed(visit).await.unwrap();
    let has = |phase| u32::from(signed.iter().any(|one| one.phase == phase));
    let minutes =
        view.visit.closed.map_or(0, |at| (at.wall.unix_ms() - view.visit.opened.wall.unix_ms()).max(0) / 60_000);
    Totals {
        visits: 1,
        closed: u32::from(view.visit.state == VisitState::Closed),
        minutes: minutes.try_into().unwrap(),
        steps: ticks.len().try_into().unwrap(),
        readings: readings.try_into().unwrap(),
        photographs: photographs.try_into().unwrap(),
        rated: u32::from(sheet.stars.is_some()),
        stars: sheet.stars.map_or(0, u32::from),
        signed_before: has(Phase::Before),
        signed_after: has(Phase::After),
        reported: u32::from(reported),
        products,
        by: [(view.visit.beautician, 1)].into(),
    }
}

/// A visit by dice: ticked, noted, measured, signed, rated, reported, closed, struck out, or none of it. Whether it was reported.
async fn visit(salon: &Salon, customer: CustomerId, roll: &mut impl FnMut(u64) -> u64) -> (VisitId, bool) {
    let store = &salon.store;
    let visit = store.open_visit(customer, "chair-1".to_owned(), format!("b-0{}", roll(3))).await.unwrap().id;
    let steps: Vec<String> =
        ["清洁", "serum", "面膜", "防晒"].iter().filter(|_| roll(2) == 0).map(|s| (*s).to_owned()).collect();
    store.set_steps(visit, None, steps.clone(), WHO.to_owned()).await.unwrap();
    for step in steps {
        let used = |n: u64| Used {
            product: format!("product {n}"),
            batch: if n == 0 { String::new() } else { format!("H{n}") },
        };
        let products: Vec<Used> = (0..roll(3)).map(|_| used(roll(3))).collect();
        let noted = Noted { level: Some(1), products, ..Noted::default() };
        store.note_step(visit, None, step.clone(), noted, WHO.to_owned()).await.unwrap();
        if roll(4) == 0 {
            // Taken back by a slip: its note stays and counts for nothing until it is ticked again.
            let left = store.visit(visit).await.unwrap().steps.into_iter().filter(|one| *one != step).collect();
            store.set_steps(visit, None, left, WHO.to_owned()).await.unwrap();
        }
    }
    if roll(2) == 0 {
        let scan = salon.store.begin_scan(visit, None, Phase::Before, plan()).await.unwrap().id;
        let reading = salon.reading(scan, Region::Forehead).await;
        salon.capture(scan).await;
        if roll(3) == 0 {
            store.void(Thing::Reading(reading.id), why()).await.unwrap();
        }
        store.set_scan_state(scan, ScanState::Finished).await.unwrap();
        if roll(3) == 0 {
            store.void(Thing::Scan(scan), why()).await.unwrap();
        }
    }
    let stars = Some(roll(6) as u8).filter(|stars| *stars > 0);
    let signatures =
        [Phase::Before, Phase::After].into_iter().filter(|_| roll(2) == 0).map(|phase| (phase, "M1 1L2 2".to_owned()));
    let signatures = signatures.collect();
    let change = move |sheet| Sheet { stars, treatment: "moisture".to_owned(), ..sheet };
    store.write_and_sign(visit, None, change, signatures, WHO.to_owned()).await.unwrap();
    let reported = roll(2) == 0;
    if reported {
        store.make_report_link(visit, at(86_400_000), Letterhead::default(), WHO.to_owned()).await.unwrap();
    }
    store.close_visit(visit, None, WHO.to_owned()).await.unwrap();
    if roll(4) == 0 {
        store.void(Thing::Visit(visit), why()).await.unwrap();
    }
    (visit, reported)
}

fn plan() -> Vec<Step> {
    let metric = crate::salon::metric("moisture");
    vec![Step { metric, region: Region::Forehead, repeats: 3 }]
}

#[tokio::test]
async fn the_log_of_a_day_is_what_its_visits_say_of_themselves() {
    let salon = Salon::new().await;
    for purpose in [Purpose::Measure, Purpose::Photograph, Purpose::DeliverReport] {
        salon.say(purpose, true).await;
    }
    let mut state = 5_u64;
    let mut roll = |sides: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % sides
    };
    let before = at(-1);
    let mut expected = Vec::new();
    for _ in 0..24 {
        expected.push(visit(&salon, salon.customer, &mut roll).await);
    }
    let open = salon.visit().await;
    expected.push((open, false));
    let log = salon.store.service_log(before, at(1)).await.unwrap();
    assert_eq!(
        log.iter().map(|one| one.visit).collect::<Vec<_>>(),
        expected.iter().map(|one| one.0).collect::<Vec<_>>()
    );
    let mut sum = Totals::default();
    for ((visit, reported), one) in expected.iter().zip(&log) {
        let says = asked(&salon.store, *visit, *reported).await;
        assert_eq!(one.totals(), says, "{visit}");
        sum = sum + says;
    }
    assert_eq!(total(&log), sum);
    assert!(
        sum.visits > 10 && sum.products.len() > 2 && sum.readings > 2 && sum.rated > 5,
        "the dice were kind: {sum:?}"
    );
    // Two halves of the day are the day, wherever it is cut.
    for cut in [&log[3], &log[11], &log[24]] {
        let first = salon.store.service_log(before, cut.opened).await.unwrap();
        let second = salon.store.service_log(cut.opened, at(1)).await.unwrap();
        assert_eq!([first.as_slice(), &second].concat(), log);
    }
}

/// A note belongs to a tick; a slip of the finger loses nothing; a stranger's version changes nothing.
#[tokio::test]
async fn what_was_noted_of_a_step_comes_back_with_its_tick() {
    let salon = Salon::new().await;
    let (store, visit) = (&salon.store, salon.visit().await);
    let ticked = async |steps: &[&str]| {
        let steps = steps.iter().map(|step| (*step).to_owned()).collect();
        salon.store.set_steps(visit, None, steps, WHO.to_owned()).await.unwrap().version
    };
    let used = |batch: &str| vec![Used { product: "玻尿酸精华".to_owned(), batch: batch.to_owned() }];
    let noted =
        Noted { level: Some(3), setting: "1 MHz".to_owned(), products: used("H1"), remark: "略有泛红".to_owned() };
    let write = async |step: &str, version, noted: &Noted| {
        salon.store.note_step(visit, version, step.to_owned(), noted.clone(), WHO.to_owned()).await
    };
    assert!(matches!(write("serum", None, &noted).await, Err(StoreError::Refused(_))), "nobody ticked it");
    let version = ticked(&["serum", "mask"]).await;
    assert!(matches!(write("serum", Some(version - 1), &noted).await, Err(StoreError::Conflict(_))));
    assert_eq!(write("serum", Some(version), &noted).await.unwrap().version, version + 1);
    ticked(&["mask"]).await;
    let log = async || salon.store.service_log(at(-60_000), at(1)).await.unwrap().remove(0);
    assert_eq!(log().await.steps.len(), 1);
    assert_eq!(log().await.products().count(), 0);
    ticked(&["mask", "serum"]).await;
    assert_eq!(log().await.steps[1].noted, noted);
    assert_eq!(store.batches().await.unwrap()["玻尿酸精华"], "H1");
    write("mask", None, &Noted { products: used("H2"), ..Noted::default() }).await.unwrap();
    write("mask", None, &Noted { products: used(""), ..Noted::default() }).await.unwrap();
    assert_eq!(store.batches().await.unwrap()["玻尿酸精华"], "H2", "no batch is no new one");
    store.close_visit(visit, None, WHO.to_owned()).await.unwrap();
    assert!(matches!(write("mask", None, &noted).await, Err(StoreError::WrongState { .. })));
    // It goes with the customer.
    store.erase_customer(salon.customer, WHO.to_owned(), "asked".to_owned()).await.unwrap();
    assert_eq!((store.step_notes(visit).await.unwrap(), store.signed(visit).await.unwrap()), (Vec::new(), Vec::new()));
}
