//! What was seen in photographs and compared, and who may read it.

use crate::{Salon, id, sides::Side};
use skinlink::{
    domain::{ScanId, VisitId},
    hq::records,
    sync::payload::{self, kind},
};

on_both_sides!(
    what_was_seen_in_photographs_and_compared_is_in_the_views,
    an_index_that_came_is_made_beside_facts_that_stay,
);

/// A photograph, what a model saw in it, what came of comparing, and what a device sent by itself: the numbers as they were told,
/// and again when everything is made anew.
fn what_was_seen_in_photographs_and_compared_is_in_the_views(side: Side) {
    let mut salon = Salon::new(side);
    let (seen, scan, before) = (id(VisitId::from_bits), id(ScanId::from_bits), id(ScanId::from_bits));
    let capture = payload::Capture {
        capture: "c-1".into(),
        visit: seen.clone(),
        scan: scan.clone(),
        phase: "after".into(),
        view: "front".into(),
        light: "white".into(),
        format: "jpeg".into(),
        width: 4_000,
        height: 3_000,
        bytes: 2_097_152,
        sha256: "5e".repeat(32),
        complaints: vec!["blurred".into()],
    };
    let engine = payload::Engine {
        model: "pores-dog".into(),
        model_version: "1.4.0".into(),
        model_digest: "ab".repeat(32),
        provider: "cpu".into(),
    };
    let score = payload::Score {
        score: "s-1".into(),
        capture: "c-1".into(),
        visit: seen.clone(),
        scan: scan.clone(),
        phase: "after".into(),
        metric: "pores".into(),
        region: "nose".into(),
        value: "12.50".into(),
        unit: "1/cm²".into(),
        engine,
    };
    let item = |metric: &str, change: Option<f64>, verdict: &str, refusal: Option<&str>| payload::Compared {
        metric: metric.into(),
        region: "left_cheek".into(),
        unit: "%".into(),
        before: Some(35.25),
        after: Some(58.5),
        change,
        smallest_detectable_change: change.map(|_| 4.75),
        verdict: verdict.into(),
        refusal: refusal.map(str::to_owned),
        model: None,
    };
    let comparison = payload::Comparison {
        comparison: "k-1".into(),
        visit: seen.clone(),
        baseline: "same_visit".into(),
        before: before.clone(),
        after: scan.clone(),
        tested: 7,
        items: vec![
            item("moisture", Some(23.25), "improved", None),
            item("sebum", None, "not_comparable", Some("missing")),
        ],
    };
    salon.tell(kind::CAPTURE, &seen, &capture);
    salon.tell(kind::SCORE, &seen, &score);
    salon.tell(kind::COMPARISON, &seen, &comparison);
    salon.keep();
    let text = |number: &str| format!("coalesce(CAST(CAST({number} * 100 AS INTEGER) AS TEXT), '-')");
    let shown = [
        "SELECT capture || ' ' || visit || ' ' || scan || ' ' || phase || ' ' || face_view || ' ' || light || ' ' || format || ' '
             || width || ' ' || height || ' ' || bytes || ' ' || complaints || ' ' || voided FROM captures"
            .to_owned(),
        format!(
            "SELECT score || ' ' || capture || ' ' || metric || ' ' || region || ' ' || value || ' ' || {} || ' ' || unit || ' '
                 || model || ' ' || model_version || ' ' || provider || ' ' || voided FROM scores",
            text("number")
        ),
        format!(
            "SELECT comparison || ' ' || baseline || ' ' || tested || ' ' || metric || ' ' || region || ' ' || {} || ' ' || {} || ' '
                 || {} || ' ' || {} || ' ' || verdict || ' ' || coalesce(refusal, '-') || ' ' || voided
             FROM comparisons ORDER BY metric",
            text("before_value"),
            text("after_value"),
            text("change"),
            text("smallest_detectable_change")
        ),
    ];
    let expected = [
        vec![format!("c-1 {seen} {scan} after front white jpeg 4000 3000 2097152 [\"blurred\"] 0")],
        vec!["s-1 c-1 pores nose 12.50 1250 1/cm² pores-dog 1.4.0 cpu 0".to_owned()],
        vec![
            "k-1 same_visit 7 moisture left_cheek 3525 5850 2325 475 improved - 0".to_owned(),
            "k-1 same_visit 7 sebum left_cheek 3525 5850 - - not_comparable missing 0".to_owned(),
        ],
    ];
    assert_eq!(shown.each_ref().map(|sql| salon.texts(sql)), expected);
    records::rebuild(&salon.place, &salon.shelves()).expect("it is made again");
    assert_eq!(shown.each_ref().map(|sql| salon.texts(sql)), expected);
    // The scan before was recorded by mistake: what was held against it does not count.
    let void = payload::Voided {
        what: "scan".into(),
        id: before,
        restored: false,
        staff: "staff-7".into(),
        reason: "another customer".into(),
    };
    salon.tell(kind::VOIDED, &seen, &void);
    salon.keep();
    let counting = |table: &str| salon.texts(&format!("SELECT CAST(sum(voided) AS TEXT) FROM {table}"));
    assert_eq!(["captures", "scores", "comparisons"].map(|table| counting(table).remove(0)), ["0", "0", "2"]);
}

/// A newer program looks by an index that an older one did not make, and reads events as that did. It makes the index, and no fact again: a
/// chain of years is not without its tables for an hour because of it.
fn an_index_that_came_is_made_beside_facts_that_stay(side: Side) {
    let mut salon = Salon::new(side);
    let seen = id(VisitId::from_bits);
    salon.tell(kind::VISIT, &seen, &crate::visit(&seen, "c-1", 1));
    salon.keep();
    let mut engine = salon.place.open().expect("the database opens");
    let mut run = |sql: &str| engine.execute(sql, &[]).unwrap_or_else(|fault| panic!("{sql}: {fault}"));
    run("DROP INDEX visit_facts_by_store_at_ms");
    run("DROP TABLE answer_facts");
    run("UPDATE records_version SET version = 6");
    // Whatever was made again would say so.
    run("UPDATE visit_facts SET station = 'as it stood'");
    salon.place.open().expect("it is brought up to date");
    assert_eq!(salon.texts("SELECT station FROM visits"), ["as it stood"]);
    assert!(salon.texts("SELECT gateway FROM remaking").is_empty(), "facts are whole all the while");
    let version = format!("SELECT CAST(version AS TEXT) FROM records_version WHERE version = {}", records::VERSION);
    assert_eq!(salon.texts(&version).len(), 1);
    run("DROP INDEX visit_facts_by_store_at_ms");
    run("DROP TABLE answer_facts");
}

/// The team of a CRM may read some views, and has made one of its own. A newer program makes the views anew: it gives the rights
/// again, and says which view stands in its way instead of taking it down.
#[test]
fn a_newer_program_keeps_who_may_read_and_takes_no_view_of_others_down() {
    let salon = Salon::new(Side::Postgres);
    let role = format!("crm_{:x}", fastrand::u64(..));
    let mut engine = salon.place.open().expect("the database opens");
    let mut run = |sql: &str| engine.execute(sql, &[]).unwrap_or_else(|fault| panic!("{sql}: {fault}"));
    run(&format!("CREATE ROLE {role}"));
    run(&format!("GRANT SELECT ON visits, comparisons TO {role}"));
    run("UPDATE records_version SET version = 5");
    salon.place.open().expect("it is brought up to date");
    let may = |view: &str| salon.texts(&format!("SELECT has_table_privilege('{role}', '{view}', 'SELECT')::text"));
    assert_eq!(["visits", "comparisons", "readings"].map(|view| may(view).remove(0)), ["true", "true", "false"]);

    run("CREATE VIEW our_visits AS SELECT visit FROM visits");
    run("UPDATE records_version SET version = 5");
    let fault = salon.place.open().expect_err("their view stands on ours").to_string();
    assert!(
        fault.contains("our_visits") && fault.contains("drop it, start skinlink-hq once, and make it again"),
        "{fault}"
    );
    run("DROP VIEW our_visits");
    salon.place.open().expect("nothing stands in the way");
    run(&format!("DROP OWNED BY {role}"));
    run(&format!("DROP ROLE {role}"));
}
