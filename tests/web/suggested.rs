//! What the salon's rules suggest, as the beautician sees it between the scan and the care.

use crate::house::{House, Wanted, metric};
use serde_json::json;
use skinlink::{
    domain::{Region, scan::Phase},
    sim::Truth,
};

/// Mrs. Lin's forehead is oily and her nose dry. The page names the reading, the limit and the rule of what it suggests; once an
/// allergy stands on her card, the cream with that in it is withheld, and the page says for which word.
#[tokio::test]
async fn what_is_suggested_names_its_reading_and_what_the_card_forbids_is_withheld() {
    let mut truth = Truth::plausible();
    truth.plant(&metric("sebum"), Region::Forehead, Phase::Before, 280.0);
    truth.plant(&metric("sebum"), Region::Nose, Phase::Before, 40.0);
    truth.plant(&metric("moisture"), Region::Nose, Phase::Before, 25.0);
    let house = House::new(Wanted { truth, ..Wanted::default() }).await;
    let visit = house.visit("林女士").await;
    let customer = house.get(&format!("/visits/{visit}")).await.text("/customer/id");
    house.change_customer(&customer, json!({ "skin_type": "油性" })).await.ok();
    let page = async |lang: &str| {
        let request = house.request(reqwest::Method::GET, &format!("/station/chair-1?lang={lang}"));
        house.send(request).await.ok().body.as_str().expect("a page").to_owned()
    };
    assert!(!page("zh").await.contains("可以谈的建议"), "nothing was measured yet");
    house.scan(&visit, Phase::Before).await;
    let told = page("zh").await;
    for said in
        ["可以谈的建议", "T 区深层清洁", "保湿日霜", "额头 油脂 2", "高于 220 µg/cm²", "deep-cleansing", "day-cream"]
    {
        assert!(told.contains(said), "the page lacks {said}");
    }
    let english = page("en").await;
    assert!(english.contains("Deep cleansing of the T-zone") && english.contains("above 220 µg/cm²"));
    assert!(page("hant").await.contains("可以談的建議"));

    house.change_customer(&customer, json!({ "allergies": "对羊毛脂过敏" })).await.ok();
    let told = page("zh").await;
    assert!(told.contains("T 区深层清洁") && !told.contains("day-cream"), "the rule is not shown any more");
    let withheld = told.split("不建议").nth(1).unwrap_or_default();
    assert!(withheld.contains("保湿日霜") && withheld.contains("羊毛脂"), "it is said what was withheld, and why");
    house.close().await;
}
