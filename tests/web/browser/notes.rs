//! Two beauticians at one chair, each with a tablet, and the same step open on both: nothing is overwritten unseen, and nothing that
//! somebody typed is lost.

use super::{Browser, DESKTOP, PHONE, TABLET, Window, camera, regular};
use crate::house::{CHAIR, House, Wanted, soon};
use serde_json::json;
use skinlink::domain::{
    VisitId,
    treatment::{Noted, Used},
};
use std::time::Duration;

const STEP: &str = "精华导入";

/// What the page says, by language.
struct Words {
    /// That another tablet changed something, and that one's own is not saved.
    changed: &'static str,
    unsaved: &'static str,
    /// What it wrote for the level and for the remark.
    level: &'static str,
    remark: &'static str,
    /// The first tablet's note in one line.
    noted: &'static str,
    /// That the step went, and the key that brings it back.
    gone: &'static str,
    back: &'static str,
}

const ZH: Words = Words {
    changed: "另一台平板刚改过",
    unsaved: "您的还没有保存：看一眼，再点一次",
    level: "另一台平板写的是：2 档",
    remark: "另一台平板写的是：左颊泛红",
    noted: "2 档 · 玻尿酸精华（批号 H2609） · 左颊泛红",
    gone: "这一步被移除了，您填的还没有保存",
    back: "加回这一步",
};

const HANT: Words = Words {
    changed: "另一台平板剛改過",
    unsaved: "您的還沒有儲存：看一眼，再點一次",
    level: "另一台平板寫的是：2 檔",
    remark: "另一台平板寫的是：左颊泛红",
    noted: "2 檔 · 玻尿酸精華（批號 H2609） · 左颊泛红",
    gone: "這一步被移除了，您填的還沒有儲存",
    back: "加回這一步",
};

const EN: Words = Words {
    changed: "Another tablet changed",
    unsaved: "Yours is not saved yet: look, then tap once more",
    level: "The other tablet wrote: level 2",
    remark: "The other tablet wrote: 左颊泛红",
    noted: "level 2 · hyaluronic serum (batch H2609) · 左颊泛红",
    gone: "was taken out; what you filled in there is not saved",
    back: "Put it back",
};

async fn open_note(browser: &Browser) {
    browser.touch("details.note:not([open]) summary").await;
    browser.see("details.note[open] form").await;
}

async fn level(browser: &Browser, level: u8) {
    browser.touch(&format!("details.note .pick:has([name='level'][value='{level}'])")).await;
}

async fn types(browser: &Browser, name: &str, words: &str) {
    let field = browser.see(&format!("details.note [name='{name}']")).await;
    field.send_keys(words).await.expect("typing");
}

async fn gives(browser: &Browser, name: &str, value: &str) {
    let script = format!("return document.querySelector(\"details.note [name='{name}']\").value");
    browser.gives(&script, value).await;
}

/// What is kept of the one step.
async fn kept(house: &House, visit: VisitId) -> Noted {
    let notes = house.store.step_notes(visit).await.expect("the store answers");
    notes.into_iter().find(|note| note.step == STEP).map(|note| note.noted).unwrap_or_default()
}

async fn is_kept(house: &House, visit: VisitId, wanted: Noted) {
    soon("it is kept", async {
        while kept(house, visit).await != wanted {
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
    })
    .await;
}

fn noted(level: u8, remark: &str) -> Noted {
    let serum = Used { product: "玻尿酸精华".to_owned(), batch: "H2609".to_owned() };
    Noted { level: Some(level), setting: String::new(), products: vec![serum], remark: remark.to_owned() }
}

/// A form that was opened before the other tablet wrote is refused, shows what the other one wrote, keeps its own words, and is taken when
/// it is sent knowingly. Then the other tablet takes the step out while somebody writes about it.
async fn two_tablets(window: Window, lang: &str, words: Words) {
    let house = House::new(Wanted::default()).await;
    let customer = regular(&house).await.customer;
    let opened = house.post("/visits", None, json!({ "customer": customer, "station": CHAIR })).await.ok();
    let visit: VisitId = opened.text("/id").parse().expect("an id");
    let steps = json!({ "steps": [STEP] });
    let path = format!("/visits/{visit}/steps");
    house.post(&path, Some(house.version(&visit.to_string()).await), steps.clone()).await.ok();
    let camera = camera(house.building.folder.path());
    let [first, second] = Browser::open_two(&house.address, window, &camera).await;
    for browser in [&first, &second] {
        browser.goto(&format!("/station/{CHAIR}?lang={lang}#care")).await;
        open_note(browser).await;
    }
    // Both write; the second one's finger still rests in the remark when the first one saves.
    level(&second, 3).await;
    types(&second, "product", "自带精油").await;
    types(&second, "remark", "T 区加强").await;
    level(&first, 2).await;
    types(&first, "batch-玻尿酸精华", "H2609").await;
    types(&first, "remark", "左颊泛红").await;
    first.touch("details.note [type=submit]").await;
    first.hear(words.noted).await;
    is_kept(&house, visit, noted(2, "左颊泛红")).await;

    second.touch("details.note [type=submit]").await;
    second.hear(words.changed).await;
    second.hear(words.unsaved).await;
    second.hear(words.noted).await;
    second.hear(words.level).await;
    second.hear(words.remark).await;
    assert_eq!(kept(&house, visit).await, noted(2, "左颊泛红"), "nothing was overwritten unseen");
    // Her own words stand; what she did not touch is the first one's.
    gives(&second, "remark", "T 区加强").await;
    gives(&second, "product", "自带精油").await;
    gives(&second, "batch-玻尿酸精华", "H2609").await;
    let chosen = "return document.querySelector(\"details.note [name='level']:checked\").value";
    second.gives(chosen, "3").await;
    second.gives("return String(document.querySelector('details.note').open)", "true").await;
    second.picture(&format!("{}-{lang}-care-stale", window.name)).await;
    second.is_accessible().await;
    second.fits_fingers().await;
    // She takes the other's remark over into hers, and saves knowingly.
    types(&second, "remark", "，左颊泛红").await;
    second.touch("details.note [type=submit]").await;
    let own = Used { product: "自带精油".to_owned(), batch: String::new() };
    let mut both = noted(3, "T 区加强，左颊泛红");
    both.products.push(own);
    is_kept(&house, visit, both.clone()).await;
    first.hear("T 区加强，左颊泛红").await;
    second.gives("return String(document.querySelectorAll('.meanwhile').length)", "0").await;

    // The first one takes the step out, by its cross, while the second one writes about it again.
    open_note(&second).await;
    types(&second, "remark", "，已冷敷").await;
    first.touch("[data-drop='0']").await;
    second.hear(words.gone).await;
    second.hear(words.back).await;
    second.picture(&format!("{}-{lang}-care-taken-out", window.name)).await;
    second.is_accessible().await;
    assert!(house.store.visit(visit).await.expect("the store answers").steps.is_empty());
    if window.name == PHONE.name {
        second.touch(".toast button").await;
    } else {
        // Whatever is looked at or said meanwhile, the words wait above the steps.
        second.gives("location.hash = '#welcome'; return ''", "").await;
        second.gives("return String(document.querySelectorAll('.toast').length)", "0").await;
        second.gives("location.hash = '#care'; return ''", "").await;
        second.see(".left-over button").await;
        second.picture(&format!("{}-{lang}-care-left-over", window.name)).await;
        second.is_accessible().await;
        second.fits_fingers().await;
        second.touch(".left-over button").await;
    }
    second.see("details.note[open] form").await;
    gives(&second, "remark", "T 区加强，左颊泛红，已冷敷").await;
    second.gives("return String(document.querySelectorAll('.left-over').length)", "0").await;
    second.touch("details.note [type=submit]").await;
    is_kept(&house, visit, Noted { remark: "T 区加强，左颊泛红，已冷敷".to_owned(), ..both }).await;
    assert_eq!(house.store.visit(visit).await.expect("the store answers").steps, [STEP]);
    first.console_is_clean(&[]).await;
    second.console_is_clean(&["409"]).await;
    first.close().await;
    second.close().await;
    house.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tablets_write_about_one_step_in_simplified_chinese() {
    two_tablets(TABLET, "zh", ZH).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_phones_write_about_one_step_in_traditional_chinese() {
    two_tablets(PHONE, "hant", HANT).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_desktops_write_about_one_step_in_english() {
    two_tablets(DESKTOP, "en", EN).await;
}
