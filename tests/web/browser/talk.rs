//! Between the scan and the care: what the salon's rules suggest, with the reading, the limit and the rule, as a beautician talks it
//! over with the customer; and what the card forbids.

use super::{Browser, DESKTOP, PHONE, TABLET, Window, camera};
use crate::house::{CHAIR, House, Wanted, metric};
use serde_json::json;
use skinlink::{
    domain::{Region, scan::Phase},
    sim::Truth,
};

/// What the page says: heads, offers, the limit of the first one, what is withheld and why.
struct Words {
    head: &'static str,
    cleansing: &'static str,
    limit: &'static str,
    cream: &'static str,
    withheld: &'static str,
}

/// Ms. Lin's forehead is oily, her nose dry. While they talk another tablet notes an allergy on her card: the cream goes from the
/// suggestions at once, and the page says for which word.
async fn talked_over(window: Window, lang: &str, words: Words) {
    let mut truth = Truth::plausible();
    truth.plant(&metric("sebum"), Region::Forehead, Phase::Before, 280.0);
    truth.plant(&metric("sebum"), Region::Nose, Phase::Before, 40.0);
    truth.plant(&metric("moisture"), Region::Nose, Phase::Before, 25.0);
    let house = House::new(Wanted { truth, ..Wanted::default() }).await;
    let visit = house.visit("林若溪").await;
    let view = house.get(&format!("/visits/{visit}")).await.ok();
    let customer = view.text("/customer/id");
    house.change_customer(&customer, json!({ "skin_type": "油性" })).await.ok();
    house.scan(&visit, Phase::Before).await;
    let readings = house.get(&format!("/visits/{visit}")).await.ok().body["scans"][0]["readings"].clone();
    let measured = |metric: &str, region: &str| {
        let found =
            readings.as_array().expect("readings").iter().find(|r| r["metric"] == metric && r["region"] == region);
        found.expect("it was measured")["value"].as_str().expect("a value").to_owned()
    };
    let browser = Browser::open(&house.address, window, &camera(house.building.folder.path())).await;
    browser.goto(&format!("/station/{CHAIR}?lang={lang}#talk")).await;
    browser.see(".panel.shown[data-panel='talk']").await;
    let shown = |part: &str| format!("{}-{lang}-talk-{part}", window.name);
    let looked_at = async |name: &str| {
        browser.run("document.querySelector('.panel.shown h3').scrollIntoView({ block: 'center' })").await;
        browser.picture(name).await;
        browser.is_accessible().await;
        browser.fits_fingers().await;
        super::pages::speaks_one_language(&browser).await;
    };
    for said in [words.head, words.cleansing, words.limit, words.cream, "deep-cleansing", "day-cream"] {
        browser.hear(said).await;
    }
    for (metric, region) in [("sebum", "forehead"), ("moisture", "nose"), ("sebum", "nose")] {
        browser.hear(&measured(metric, region)).await;
    }
    looked_at(&shown("suggested")).await;

    house.change_customer(&customer, json!({ "allergies": "对羊毛脂过敏" })).await.ok();
    browser.goto(&format!("/station/{CHAIR}?lang={lang}#talk")).await;
    browser.see(".panel.shown[data-panel='talk']").await;
    browser.hear(words.withheld).await;
    let offered = "return String([...document.querySelectorAll('#talk li')].some((one) => one.textContent.includes('day-cream')))";
    browser.gives(offered, "false").await;
    browser.hear(words.cleansing).await;
    looked_at(&shown("withheld")).await;
    browser.console_is_clean(&[]).await;
    browser.close().await;
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn suggestions_on_a_tablet_in_simplified_chinese() {
    let words = Words {
        head: "可以谈的建议",
        cleansing: "T 区深层清洁",
        limit: "高于 220 µg/cm²",
        cream: "保湿日霜",
        withheld: "卡上写有 羊毛脂",
    };
    talked_over(TABLET, "zh", words).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn suggestions_on_a_phone_in_traditional_chinese() {
    let words = Words {
        head: "可以談的建議",
        cleansing: "T 區深層清潔",
        limit: "高於 220 µg/cm²",
        cream: "保濕日霜",
        withheld: "卡上寫有 羊毛脂",
    };
    talked_over(PHONE, "hant", words).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn suggestions_on_a_desktop_in_english() {
    let words = Words {
        head: "What may be suggested",
        cleansing: "Deep cleansing of the T-zone",
        limit: "above 220 µg/cm²",
        cream: "Moisturising day cream",
        withheld: "the card says 羊毛脂",
    };
    talked_over(DESKTOP, "en", words).await;
}
