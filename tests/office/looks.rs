//! What each person may see, and what is written down of it.

use crate::{
    Side,
    house::{House, plain},
    stores::{ANN, Store, ago, id, reading, visit},
};
use reqwest::StatusCode;
use skinlink::{
    domain::{CaptureId, ComparisonId, ScanId, VisitId},
    hq::{
        database::engine::Engine,
        office::{audit, people::Role, sessions},
    },
    sync::{
        image_lane::{Offer, Role as PictureRole, SLICE, slices},
        payload::{self, kind},
        topic::Lane,
    },
};

/// A visit with two readings and what came of comparing them.
struct Seen {
    visit: String,
    before: String,
    after: String,
}

fn visited(house: &mut House, store: &mut Store) -> Seen {
    let [before, after] = [id(ScanId::from_bits), id(ScanId::from_bits)];
    let seen = Seen { visit: id(VisitId::from_bits), before, after };
    let now = ago(0);
    let mut told = vec![
        store.hears(ANN, "share_numbers", true),
        store.hears(ANN, "share_photographs", true),
        store.tell(kind::VISIT, &seen.visit, &visit(&seen.visit, 1, "open"), now),
    ];
    for (scan, phase, value) in [(&seen.before, "before", "35.0"), (&seen.after, "after", "58.5")] {
        let of = payload::Scan {
            scan: scan.clone(),
            visit: seen.visit.clone(),
            phase: phase.into(),
            state: "closed".into(),
        };
        told.push(store.tell(kind::SCAN, &seen.visit, &of, now));
        told.push(store.tell(kind::READING, &seen.visit, &reading((&seen.visit, scan), phase, value), now));
    }
    let item = |metric: &str, change, verdict: &str, refusal: Option<&str>| payload::Compared {
        metric: metric.into(),
        region: "left_cheek".into(),
        unit: "%".into(),
        before: Some(35.0),
        after: Some(58.5),
        change,
        smallest_detectable_change: Some(4.1),
        verdict: verdict.into(),
        refusal: refusal.map(Into::into),
        model: None,
    };
    let items = vec![
        item("moisture", Some(23.5), "improved", None),
        item("sebum", Some(0.4), "none", None),
        item("elasticity", None, "not_comparable", Some("probe_differs")),
    ];
    let comparison = payload::Comparison {
        comparison: id(ComparisonId::from_bits),
        visit: seen.visit.clone(),
        baseline: "same_visit".into(),
        before: seen.before.clone(),
        after: seen.after.clone(),
        tested: 3,
        items,
    };
    told.push(store.tell(kind::COMPARISON, &seen.visit, &comparison, now));
    house.take(&told);
    house.keep();
    seen
}

/// Four people with four tasks; two of them for one city alone. What is not theirs looks as if it were not there.
pub async fn each_role_sees_its_own_pages_and_each_person_their_own_stores(side: Side) {
    let mut house = House::new(side).await;
    let people = [
        ("an-all", Role::Analyst, "all"),
        ("an-sh", Role::Analyst, "sh-001,sh-002"),
        ("fleet", Role::Operator, "all"),
        ("dpo", Role::Protection, "all"),
        ("admin", Role::Administrator, "sh-001"),
    ];
    for (name, role, stores) in people {
        house.add(name, role, stores);
    }
    let (mut here, mut there) = (house.opens("sh-001"), house.opens("bj-001"));
    let (of_here, of_there) = (visited(&mut house, &mut here), visited(&mut house, &mut there));
    let visit_here = format!("/stores/sh-001/visits/{}", of_here.visit);
    let visit_there = format!("/stores/bj-001/visits/{}", of_there.visit);
    // A visit of a store that is hers, asked for under one that is.
    let crossed = format!("/stores/sh-001/visits/{}", of_there.visit);
    for (name, store_there, seen_here, seen_there, audited) in [
        ("an-all", 200, 200, 200, 404),
        ("an-sh", 404, 200, 404, 404),
        ("fleet", 200, 404, 404, 404),
        ("dpo", 200, 200, 200, 200),
        ("admin", 404, 404, 404, 404),
    ] {
        let cookie = house.log_in(name).await;
        let chain = house.get("/", &cookie).await;
        assert!(chain.text.contains("data-store=\"sh-001\""), "{name}");
        assert_eq!(chain.text.contains("bj-001"), store_there == 200, "{name}");
        let pages = [
            ("/stores/sh-001", 200),
            ("/stores/bj-001", store_there),
            (visit_here.as_str(), seen_here),
            (visit_there.as_str(), seen_there),
            (crossed.as_str(), 404),
            ("/audit", audited),
            ("/stores/xx-999", 404),
        ];
        for (path, status) in pages {
            assert_eq!(house.get(path, &cookie).await.status.as_u16(), status, "{name} {path}");
        }
        let listed = house.get("/stores/sh-001", &cookie).await.text;
        assert_eq!(listed.contains(&of_here.visit), seen_here == 200, "{name}: {listed}");
    }
    // What may not be seen looks like what is not there, byte for byte.
    let cookie = house.log_in("an-sh").await;
    let (hidden, absent) = (house.get("/stores/bj-001", &cookie).await, house.get("/stores/xx-999", &cookie).await);
    assert_eq!(hidden.text.replace("bj-001", "xx-999"), absent.text);
    house.end().await;
}

/// An analyst opens a visit; the data-protection officer finds it. Later somebody with the database's password tries to make it
/// unseen.
pub async fn every_look_at_a_visit_stands_in_an_audit_that_shows_when_it_was_changed(side: Side) {
    let mut house = House::new(side).await;
    house.add("li-na", Role::Analyst, "all");
    house.add("dpo", Role::Protection, "all");
    let mut store = house.opens("sh-001");
    let seen = visited(&mut house, &mut store);
    let cookie = house.log_in("li-na").await;
    let path = format!("/stores/sh-001/visits/{}", seen.visit);
    for _ in 0..2 {
        assert_eq!(house.get(&path, &cookie).await.status, StatusCode::OK);
    }
    house.try_in("li-na", "a wrong password").await;
    let officer = house.log_in("dpo").await;
    let page = plain(&house.get("/audit", &officer).await.text);
    assert!(page.contains("校验链完整") && page.contains("skinlink-hq people verify"), "{page}");
    assert_eq!(page.matches(&format!("li-na 查看到店记录 sh-001 {}", seen.visit)).count(), 2, "{page}");
    assert!(page.contains("li-na 登录被拒 127.0.0.1") && page.contains("dpo 登录 127.0.0.1"), "{page}");
    // Whoever reads it stands in it, too.
    assert!(plain(&house.get("/audit", &officer).await.text).contains("dpo 查看审计"));

    let mut engine = house.engine();
    let rows = audit::verify(&mut *engine).expect("an answer").expect("it is whole");
    let look = "SELECT n FROM people_audit WHERE what = 'visit seen' ORDER BY n LIMIT 1";
    let first: u64 = engine.query(look, &[]).expect("rows")[0].get(0).expect("a number");
    engine.execute("UPDATE people_audit SET who = 'somebody' WHERE what = 'visit seen'", &[]).expect("changed");
    assert_eq!(audit::verify(&mut *engine).expect("an answer"), Err(first));
    assert!(house.get("/audit", &officer).await.text.contains(&format!("在第 {first} 条断开")));
    engine.execute("UPDATE people_audit SET who = 'li-na' WHERE what = 'visit seen'", &[]).expect("put back");
    assert!(audit::verify(&mut *engine).expect("an answer").is_ok_and(|now| now > rows));
    engine.execute("DELETE FROM people_audit WHERE n = (SELECT max(n) FROM people_audit)", &[]).expect("cut off");
    assert!(audit::verify(&mut *engine).expect("an answer").is_err());
    house.end().await;
}

/// What is done at headquarters' terminal, and what programs read, stands in the audit beside what people did on its pages, in the words of
/// whoever reads it.
pub async fn what_the_terminal_and_programs_did_is_read_in_three_languages(side: Side) {
    let house = House::new(side).await;
    house.add("dpo", Role::Protection, "all");
    let mut engine = house.engine();
    let wang = "command line (wang)";
    let done = [
        (wang, "picture opened", "sh-001-g1 c-1 report", "打开照片", "打開照片"),
        (wang, "month shown", "2026-03", "查看归档月份", "檢視封存月份"),
        (wang, "customer erased", "sh-001 p-1", "在总部删除顾客", "在總部刪除顧客"),
        (wang, "key made", "crm visits:read all", "新建密钥", "新建金鑰"),
        (wang, "key withdrawn", "crm", "作废密钥", "作廢金鑰"),
        ("key crm", "visit seen", "sh-001 v-1", "查看到店记录", "檢視到店記錄"),
        ("key crm", "birthday written", "sh-001 p-2", "写入生日", "寫入生日"),
        ("key crm", "birthday removed", "sh-001 p-2", "删除生日", "刪除生日"),
    ];
    for (who, what, about, ..) in done {
        sessions::looked(&mut *engine, who, what, about, ago(0)).expect("noted");
    }
    let officer = house.log_in("dpo").await;
    let page = async |lang: &str| plain(&house.get(&format!("/audit?lang={lang}"), &officer).await.text);
    let (zh, hant, en) = (page("zh").await, page("hant").await, page("en").await);
    for (who, what, about, simplified, traditional) in done {
        assert!(zh.contains(&format!("{who} {simplified} {about}")), "{zh}");
        assert!(hant.contains(&format!("{who} {traditional} {about}")), "{hant}");
        let what = if what == "month shown" { "archived month shown" } else { what };
        assert!(en.contains(&format!("{who} {what} {about}")), "{en}");
    }
    // Whatever is noted has a word of the reader's: birthdays once stood there in English for everybody.
    for what in audit::DEEDS {
        sessions::looked(&mut *engine, "wang", what, "x-9", ago(0)).expect("noted");
    }
    for lang in ["zh", "hant"] {
        let said = page(lang).await;
        assert_eq!(said.matches(" x-9").count(), audit::DEEDS.len(), "{said}");
        for what in audit::DEEDS {
            assert!(!said.contains(&format!("wang {what} x-9")), "{what} in {lang}: {said}");
        }
    }
    // Who was let in, and by whom, is of the terminal too.
    assert!(en.contains(&format!("{} person added dpo protection all", audit::command_line())), "{en}");
    house.end().await;
}

/// An audit of years is not read from its first row whenever somebody looks at it: it is followed on from where it was whole last, and so are
/// the rows that are shown. What was changed before shows to the command, and on the page of those rows.
pub async fn an_audit_is_followed_from_where_it_was_whole_last(side: Side) {
    let house = House::new(side).await;
    house.add("dpo", Role::Protection, "all");
    let mut engine = house.engine();
    for n in 0..150 {
        sessions::looked(&mut *engine, "li-na", "visit seen", &format!("sh-001 v-{n}"), ago(0)).expect("noted");
    }
    let officer = house.log_in("dpo").await;
    let whole = |text: &str| text.contains("校验链完整");
    assert!(whole(&house.get("/audit", &officer).await.text));
    let mark = |engine: &mut dyn Engine| {
        let sql = "SELECT verified_n, n FROM people_audit_end";
        let row = &engine.query(sql, &[]).expect("rows")[0];
        (row.get::<u64>(0).expect("a number"), row.get::<u64>(1).expect("a number"))
    };
    let (verified, rows) = mark(&mut *engine);
    assert!(verified == rows && rows > 150, "{verified} of {rows}");

    // An old row, of before the mark, that the first page does not show: nobody reads it to show that page.
    let change = |engine: &mut dyn Engine, n: u64, who: &str| {
        let sql = "UPDATE people_audit SET who = ?2 WHERE n = ?1";
        assert_eq!(engine.execute(sql, &[n.into(), who.into()]).expect("changed"), 1);
    };
    change(&mut *engine, 9, "somebody");
    assert!(whole(&house.get("/audit", &officer).await.text));
    assert!(
        house.get("/audit?before=40", &officer).await.text.contains("在第 9 条断开"),
        "where it is shown, it shows"
    );
    assert_eq!(audit::verify(&mut *engine).expect("an answer"), Err(9), "the command finds it");
    change(&mut *engine, 9, "li-na");
    assert!(audit::verify(&mut *engine).expect("an answer").is_ok());

    // What came since the mark is followed each time, and a break moves no mark.
    sessions::looked(&mut *engine, "li-na", "visit seen", "sh-001 v-150", ago(0)).expect("noted");
    let (verified, rows) = mark(&mut *engine);
    assert!(verified < rows);
    change(&mut *engine, rows, "somebody");
    assert!(house.get("/audit", &officer).await.text.contains(&format!("在第 {rows} 条断开")));
    assert_eq!(mark(&mut *engine).0, verified);
    change(&mut *engine, rows, "li-na");
    assert!(whole(&house.get("/audit", &officer).await.text));
    // Nor does it help to change the row of the mark, or to cut everything off behind it.
    let (verified, _) = mark(&mut *engine);
    engine
        .execute("UPDATE people_audit SET hash = ?2 WHERE n = ?1", &[verified.into(), [7_u8; 32].as_slice().into()])
        .expect("changed");
    assert!(house.get("/audit", &officer).await.text.contains(&format!("在第 {verified} 条断开")));
    house.end().await;
}

/// Ann agreed and her visit is shown. She takes the photographs back, and they are not shown; then the numbers, and nothing is. Of a customer
/// who said nothing there is neither a line nor a page. While facts are made again nobody knows who agrees, and that is said.
pub async fn a_visit_of_whoever_does_not_agree_is_neither_listed_nor_shown(side: Side) {
    let mut house = House::new(side).await;
    house.add("li-na", Role::Analyst, "all");
    let mut store = house.opens("sh-001");
    let seen = visited(&mut house, &mut store);
    let (silent, now) = (id(VisitId::from_bits), ago(0));
    let nobody =
        payload::Visit { customer: id(skinlink::domain::CustomerId::from_bits), ..visit(&silent, 1, "closed") };
    let told = [
        store.tell(kind::VISIT, &silent, &nobody, now),
        store.tell(kind::CAPTURE, &seen.visit, &photograph(&id(CaptureId::from_bits), &seen), now),
    ];
    house.take(&told);
    house.keep();
    let cookie = house.log_in("li-na").await;
    let path = |visit: &str| format!("/stores/sh-001/visits/{visit}");
    let listed = house.get("/stores/sh-001", &cookie).await.text;
    assert!(listed.contains(&seen.visit) && !listed.contains(&silent), "{listed}");
    assert_eq!(house.get(&path(&silent), &cookie).await.status, StatusCode::NOT_FOUND);
    let page = plain(&house.get(&path(&seen.visit), &cookie).await.text);
    assert!(page.contains("35.0 %") && page.contains("护理前 正面 white"), "{page}");
    let told = [store.hears(ANN, "share_photographs", false)];
    house.take(&told);
    house.keep();
    let page = plain(&house.get(&path(&seen.visit), &cookie).await.text);
    assert!(page.contains("35.0 %") && page.contains("总部没有这次到店的照片"), "{page}");

    let looks = "SELECT count(*) FROM people_audit WHERE what = 'visit seen'";
    let looked = |house: &House| house.engine().query(looks, &[]).expect("rows")[0].get::<u64>(0).expect("a count");
    assert_eq!(looked(&house), 2, "what was not shown was not seen");
    let again = "INSERT INTO remaking(gateway, epoch, upto) SELECT gateway, epoch, 1000 FROM gateways";
    house.engine().execute(again, &[]).expect("facts are made again");
    let told = [store.hears(ANN, "share_numbers", false)];
    house.take(&told);
    house.keep();
    let answer = house.get(&path(&seen.visit), &cookie).await;
    assert_eq!((answer.status, answer.header("retry-after")), (StatusCode::SERVICE_UNAVAILABLE, "60"));
    assert!(answer.text.contains("正在重新整理") && !answer.text.contains("35.0"), "{}", answer.text);
    let listed = house.get("/stores/sh-001", &cookie).await;
    assert!(listed.status == StatusCode::OK && listed.text.contains("正在重新整理"), "{}", listed.text);
    assert!(!listed.text.contains(&seen.visit));
    house.engine().execute("DELETE FROM remaking", &[]).expect("they are there again");
    assert_eq!(house.get(&path(&seen.visit), &cookie).await.status, StatusCode::NOT_FOUND);
    assert!(!house.get("/stores/sh-001", &cookie).await.text.contains(&seen.visit));
    assert_eq!(looked(&house), 2);
    house.end().await;
}

fn photograph(capture: &str, seen: &Seen) -> payload::Capture {
    payload::Capture {
        capture: capture.into(),
        visit: seen.visit.clone(),
        scan: seen.before.clone(),
        phase: "before".into(),
        view: "front".into(),
        light: "white".into(),
        format: "jpeg".into(),
        width: 3_000,
        height: 4_000,
        bytes: 70_000,
        sha256: "00".repeat(32),
        complaints: Vec::new(),
    }
}

/// A scan was recorded in the wrong visit and moved; the page shows it where it belongs, and no photograph that headquarters
/// has not got.
pub async fn a_visit_is_shown_as_it_stands_after_its_corrections(side: Side) {
    let mut house = House::new(side).await;
    house.add("li-na", Role::Analyst, "all");
    let mut store = house.opens("sh-001");
    let seen = visited(&mut house, &mut store);
    let cookie = house.log_in("li-na").await;
    let path = |visit: &str| format!("/stores/sh-001/visits/{visit}");
    let page = plain(&house.get(&path(&seen.visit), &cookie).await.text);
    assert!(
        page.contains("水分 左颊 阶段 护理前 数值 35.0 % 离散 · 次数 ± 0.50") && page.contains("护理后 数值 58.5 %"),
        "{page}"
    );
    assert!(
        page.contains("水分 左颊 变化 +23.50 % 可测下限 4.10 % 改善")
            && page.contains("油脂 左颊 变化 +0.40 % 可测下限 4.10 % 无可测变化"),
        "{page}"
    );
    assert!(page.contains("不可比：两次所用探头不同") && page.contains("总部没有这次到店的照片"), "{page}");

    let other = id(VisitId::from_bits);
    let moved = payload::Reassigned {
        what: "scan".into(),
        id: seen.after.clone(),
        customer: None,
        visit: Some(other.clone()),
        phase: Some("before".into()),
        staff: "b-07".into(),
        reason: "wrong chair".into(),
    };
    let capture = id(CaptureId::from_bits);
    let taken = photograph(&capture, &seen);
    let now = ago(0);
    let told = [
        store.tell(kind::VISIT, &other, &visit(&other, 1, "closed"), now),
        store.tell(kind::REASSIGNED, &other, &moved, now),
        store.tell(kind::CAPTURE, &seen.visit, &taken, now),
    ];
    house.take(&told);
    let offer = Offer {
        capture: capture.clone(),
        visit: seen.visit.clone(),
        role: PictureRole::Report,
        format: "image/jpeg".into(),
        bytes: 70_000,
        slice_bytes: SLICE,
        slices: slices(70_000),
        sha256: "00".repeat(32),
    };
    let offered = serde_json::to_vec(&offer).expect("plain data");
    let from = store.address.clone();
    house.take(&[skinlink::hq::database::Arrived { from, lane: Lane::Offer { capture }, payload: offered }]);
    house.keep();
    let page = plain(&house.get(&path(&seen.visit), &cookie).await.text);
    assert!(page.contains("35.0 %") && !page.contains("58.5 %"), "{page}");
    assert!(page.contains("护理前 正面 white report 传输中"), "{page}");
    let page = plain(&house.get(&path(&other), &cookie).await.text);
    assert!(page.contains("水分 左颊 阶段 护理前 数值 58.5 %") && page.contains("已结束"), "{page}");
    house.end().await;
}
