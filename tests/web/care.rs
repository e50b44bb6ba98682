//! The service sheet over the interface: how a step was done, what the customer signed, and the log of the day in a file.

use crate::house::{CHAIR, House, Wanted};
use reqwest::Method;
use serde_json::{Value, json};

/// A visit in which steps were ticked.
async fn ticked(house: &House, steps: &[&str]) -> String {
    let visit = house.visit("林若溪").await;
    let version = house.version(&visit).await;
    house.post(&format!("/visits/{visit}/steps"), Some(version), json!({ "steps": steps })).await.ok();
    visit
}

#[tokio::test]
async fn how_a_step_was_done_is_noted_and_what_cannot_be_is_refused() {
    let house = House::new(Wanted::default()).await;
    let visit = ticked(&house, &["精华导入", "面膜"]).await;
    let write =
        async |wish: Value| house.post(&format!("/visits/{visit}/step"), Some(house.version(&visit).await), wish).await;
    let products = json!([{ "product": "玻尿酸精华", "batch": "H2609" }, { "product": "自带精油" }]);
    let wish =
        json!({ "step": "精华导入", "level": 3, "setting": " 1 MHz ", "products": products, "remark": "略有泛红" });
    let told = write(wish).await.ok().body["step_notes"].clone();
    let kept = json!([{ "product": "玻尿酸精华", "batch": "H2609" }, { "product": "自带精油", "batch": "" }]);
    let expected =
        json!([{ "step": "精华导入", "level": 3, "setting": "1 MHz", "products": kept, "remark": "略有泛红" }]);
    assert_eq!(told, expected);
    let stale = json!({ "step": "面膜" });
    house.post(&format!("/visits/{visit}/step"), None, stale).await.refused(428, "no_version");
    for wrong in [
        json!({ "step": "" }),
        json!({ "level": 3 }),
        json!({ "step": "面膜", "level": 0 }),
        json!({ "step": "面膜", "level": 21 }),
        json!({ "step": "面膜", "products": [{ "product": " " }] }),
        json!({ "step": "面膜", "products": vec![json!({ "product": "x" }); 13] }),
        json!({ "step": "面膜", "remark": "x".repeat(301) }),
        json!({ "step": "面膜", "colour": "red" }),
    ] {
        write(wrong).await.refused(400, "malformed");
    }
    write(json!({ "step": "按摩" })).await.refused(409, "wrong_state");
    house.close().await;
}

/// Two beauticians' tablets have one visit's service sheet open. What the first one notes of a step is not overwritten by the form of the
/// second, which is as old as its page: that one is refused with the present state, notes and all, and what it then sends knowingly
/// counts.
#[tokio::test]
async fn a_note_from_an_older_page_is_refused_with_what_stands_there_now() {
    let house = House::new(Wanted::default()).await;
    let visit = ticked(&house, &["精华导入", "面膜"]).await;
    let seen = house.version(&visit).await;
    let path = format!("/visits/{visit}/step");
    let used = json!([{ "product": "玻尿酸精华", "batch": "H2609" }]);
    let first = json!({ "step": "精华导入", "level": 2, "products": used, "remark": "略有泛红" });
    house.post(&path, Some(seen), first).await.ok();
    let notes = async || house.get(&format!("/visits/{visit}")).await.ok().body["step_notes"].clone();
    let stands = notes().await;
    for second in [
        json!({ "step": "精华导入", "level": 3, "remark": "T 区加强" }),
        // A note of another step is as stale as one of the same: the page has not shown what came between.
        json!({ "step": "面膜", "remark": "20 分钟" }),
    ] {
        let refused = house.post(&path, Some(seen), second).await.refused(409, "stale").body;
        assert_eq!(refused["current"]["step_notes"], stands, "{refused}");
        assert_eq!(refused["current"]["steps"], json!(["精华导入", "面膜"]));
        assert!(refused["current"]["sheet"].is_object() && refused["current"]["signed"].is_object(), "{refused}");
        assert_eq!(refused["current"]["version"].as_u64(), Some(house.version(&visit).await));
        assert_eq!(notes().await, stands, "nothing was overwritten");
        for lang in ["zh", "zh_hant", "en"] {
            assert!(refused["error"][lang].as_str().is_some_and(|said| said.len() > 20), "{refused}");
        }
    }
    let now = house.version(&visit).await;
    let knowingly = json!({ "step": "精华导入", "level": 3, "products": used, "remark": "略有泛红，T 区加强" });
    house.post(&path, Some(now), knowingly).await.ok();
    let told = notes().await;
    assert_eq!((told[0]["level"].as_u64(), told[0]["products"] == used), (Some(3), true), "{told}");
    house.close().await;
}

#[tokio::test]
async fn the_customer_signs_before_and_after_and_a_treatment_is_one_of_the_salons() {
    let house = House::new(Wanted::default()).await;
    let visit = ticked(&house, &["清洁"]).await;
    let write = async |wish: Value| {
        house.post(&format!("/visits/{visit}/sheet"), Some(house.version(&visit).await), wish).await
    };
    let signed = write(json!({ "passed": "talk", "signed_before": "M10 10L20 20" })).await.ok();
    assert!(signed.body["signed"]["before"].is_string() && signed.body["signed"]["after"].is_null());
    assert!(!signed.body.to_string().contains("M10 10"), "nobody needs the strokes");
    let signed = write(json!({ "treatment": "firming", "signed_after": "M1 1L2 2M3 3" })).await.ok();
    assert!(signed.body["signed"]["after"].is_string());
    assert_eq!(signed.body["sheet"]["treatment"], "firming");
    for wrong in [
        json!({ "signed_before": "" }),
        json!({ "signed_after": "<svg>" }),
        json!({ "treatment": "magic" }),
        json!({ "treatment": "" }),
    ] {
        write(wrong).await.refused(400, "malformed");
    }
    // A long signature is longer than other calls may be.
    write(json!({ "signed_before": "M10 10".to_owned() + &"L100 100".repeat(10_000) })).await.ok();
    house.close().await;
}

/// The page and the file say the same; the file is one that a spreadsheet opens, and its last line is the sum.
#[tokio::test]
async fn the_log_of_the_day_is_a_page_and_a_file_with_the_same_sum() {
    let house = House::new(Wanted::default()).await;
    for steps in [&["清洁", "面膜"][..], &["清洁"], &[]] {
        let visit = ticked(&house, steps).await;
        if let Some(step) = steps.first() {
            let wish = json!({ "step": step, "products": [{ "product": "氨基酸洁面乳", "batch": "=A1" }] });
            house.post(&format!("/visits/{visit}/step"), Some(house.version(&visit).await), wish).await.ok();
        }
        house.post(&format!("/visits/{visit}/close"), Some(house.version(&visit).await), json!({})).await.ok();
        if steps.is_empty() {
            house.post(&format!("/visits/{visit}/void"), Some(house.version(&visit).await), json!({})).await.ok();
        }
    }
    let request = house.request(Method::GET, "/manager/log.csv?lang=en");
    let answer = request.send().await.expect("an answer");
    let header = |name: &str| answer.headers()[name].to_str().expect("text").to_owned();
    assert_eq!(header("content-type"), "text/csv; charset=utf-8");
    let day = house.state.about.calendar.zone.day(skinlink::clock::now().wall);
    assert_eq!(header("content-disposition"), format!("attachment; filename=\"service-log-{day}.csv\""));
    let text = answer.text().await.expect("text");
    let lines: Vec<&str> = text.trim_end().split("\r\n").collect();
    assert_eq!(lines.len(), 5, "{text}");
    assert!(lines[0].trim_start_matches('\u{feff}').starts_with("opened,closed,state,customer,chair"), "{text}");
    assert!(lines[1].contains("清洁 (amino acid cleanser (batch =A1))") && lines[1].contains("Chair 1"), "{text}");
    assert!(lines[3].contains(",voided,林若溪,"), "{text}");
    assert!(lines[4].starts_with("sum,,,,,,,,,2,"), "{text}");
    assert!(lines[4].ends_with(",3,2,0,0,,0,0,0"), "three steps, two products: {text}");

    let page = house.send(house.request(Method::GET, "/manager/log?lang=en")).await.ok().body;
    let page = page.as_str().expect("a page");
    for words in ["<dt>visits</dt><dd>2</dd>", "<dt>number of steps</dt><dd>3</dd>", "amino acid cleanser (batch =A1)"]
    {
        assert!(page.contains(words), "{words}: {page}");
    }
    // For programs: the same visits, each as it says of itself, and the same sum.
    let told = house.get(&format!("/day/{day}/log")).await.ok().body;
    let visits = told["visits"].as_array().expect("visits");
    assert_eq!(visits.iter().map(|visit| visit["counts"] == true).collect::<Vec<_>>(), [true, true, false]);
    let mut steps = 0;
    for line in visits {
        let itself = house.get(&format!("/visits/{}", line["visit"].as_str().expect("an id"))).await.ok().body;
        for field in ["state", "opened", "closed", "station", "beautician"] {
            assert_eq!(line[field], itself[field], "{field}");
        }
        assert_eq!(line["customer_name"], itself["customer"]["name"]);
        let done = line["steps"].as_array().expect("steps");
        assert_eq!(
            done.iter().map(|step| step["step"].clone()).collect::<Vec<_>>(),
            *itself["steps"].as_array().expect("steps")
        );
        for note in itself["step_notes"].as_array().expect("notes") {
            let step = done.iter().find(|step| step["step"] == note["step"]).expect("it was done");
            for field in ["level", "setting", "products", "remark"] {
                assert_eq!(step[field], note[field], "{field}");
            }
        }
        steps += done.len();
    }
    let sum = &told["sum"];
    assert_eq!(
        (sum["visits"].as_u64(), sum["closed"].as_u64(), sum["steps"].as_u64()),
        (Some(2), Some(2), Some(steps as u64))
    );
    assert_eq!(sum["products"], json!([{ "product": "氨基酸洁面乳", "batch": "=A1", "times": 2 }]));
    let empty = house.get(&format!("/day/{}/log", day.plus(-1))).await.ok().body;
    assert_eq!((empty["visits"].clone(), empty["sum"]["visits"].as_u64()), (json!([]), Some(0)));
    for wrong in ["today", "2026-02-30", "2026-1-1"] {
        house.get(&format!("/day/{wrong}/log")).await.refused(400, "malformed");
    }
    let other = house.send(house.request(Method::GET, &format!("/manager/log?day={}", day.plus(-1)))).await.ok().body;
    assert!(other.as_str().expect("a page").contains("这一天没有人到店"));
    assert_eq!(house.store.visit_at(CHAIR.to_owned()).await.expect("an answer"), None);
    house.close().await;
}
