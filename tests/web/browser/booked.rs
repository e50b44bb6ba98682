//! Appointments of headquarters on the page of the day: who comes at what time for what, welcomed by one tap, carried along when
//! they are moved or called off, there again after a restart.

use super::{Browser, MANAGER, PHONE, TABLET, camera, staffed};
use crate::house::{House, Wanted};
use serde_json::json;
use skinlink::{
    clock,
    domain::Timestamp,
    sync::agenda::{Entry, Standing},
    tasks::live::News,
};

fn entry(id: &str, minutes: i64, (member, phone, name): (&str, &str, &str)) -> Entry {
    Entry {
        id: id.to_owned(),
        starts: Timestamp::from_unix_ms(clock::now().wall.unix_ms() + minutes * 60_000).to_string(),
        minutes: 60,
        state: Standing::Booked,
        service: "补水护理".to_owned(),
        staff: MANAGER.0.to_owned(),
        station: String::new(),
        member: member.to_owned(),
        phone: phone.to_owned(),
        name: name.to_owned(),
    }
}

/// As the task does that hears headquarters.
async fn told(house: &House, changes: (u64, u64), entries: Vec<Entry>) {
    house.store.take_agenda("book-1".to_owned(), changes, entries).await.expect("the store takes it");
    house.live.publish(News::Day {}).await;
}

async fn states(house: &House) -> Vec<&'static str> {
    let near = |hours: i64| Timestamp::from_unix_ms(clock::now().wall.unix_ms() + hours * 3_600_000);
    assert!(house.store.expected(near(-12), near(12)).await.expect("the store answers").is_empty());
    let day = house.store.appointments(near(-12), near(12)).await.expect("the store answers");
    day.iter().map(|one| one.state.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_headquarters_booked_is_welcomed_by_one_tap() {
    let house = House::new(Wanted::default()).await;
    let customer = json!({ "name": "林若溪", "phone": "13800006688" });
    let lin = house.post("/customers", None, customer).await.ok().text("/id");
    house.change_customer(&lin, json!({ "allergies": "果酸", "member": "A10023" })).await.ok();
    for phone in ["13711111111", "13922222222"] {
        house.post("/customers", None, json!({ "name": "赵一", "phone": phone })).await.ok();
    }
    staffed(&house).await;
    let hers = || entry("crm-1", 30, ("A10023", "6688", "林若溪"));
    let several = vec![hers(), entry("crm-2", 60, ("", "", "赵一")), entry("crm-3", 90, ("N-1", "4321", "Ana Peña"))];
    told(&house, (0, 3), several).await;

    let mut browser = Browser::open(&house.address, TABLET, &camera(house.building.folder.path())).await;
    browser.goto("/login?lang=zh").await;
    browser.log_in(super::PIN).await;
    browser.see(".day .booked").await;
    for words in ["林若溪", "补水护理 · 周敏", "果酸", "到店时请点是哪一位", "总部预约的新客人", "赵一 …2222"]
    {
        browser.hear(words).await;
    }
    browser.picture("tablet-zh-page-booked").await;
    browser.is_accessible().await;
    browser.fits_fingers().await;
    super::pages::speaks_one_language(&browser).await;

    // One tap each: she is known, one of two namesakes, somebody new.
    browser.tap(".day li.booked:first-child [data-post$='/arrive']").await;
    browser.see(".day li.waiting:first-child").await;
    browser.hear("已等 0 分钟").await;
    browser.tap("[data-post^='/api/v1/expected/'][data-body*='customer']").await;
    browser.see(".day li.waiting:nth-child(2)").await;
    browser.tap("[data-post^='/api/v1/expected/']:not([data-body])").await;
    browser.see(".day li.waiting:nth-child(3)").await;
    let found = house.store.find_customers("赵一".to_owned(), 9).await.expect("the store answers").len();
    assert_eq!(found, 2, "nobody was made twice");
    assert_eq!(states(&house).await, ["waiting", "waiting", "waiting"]);

    // Two more are booked, one is moved, one is called off, and the open page follows; a phone in another language too.
    told(&house, (3, 5), vec![entry("crm-4", 120, ("A10023", "", "")), entry("crm-5", 150, ("A10023", "", ""))]).await;
    browser.see(".day li.booked:nth-child(5)").await;
    let off = Entry { state: Standing::Cancelled, ..entry("crm-4", 120, ("", "", "")) };
    told(&house, (5, 6), vec![off]).await;
    browser.see("#missed").await;
    assert_eq!(browser.run("return document.querySelectorAll('.day li.booked').length").await, 1);
    browser.tap("#missed summary").await;
    browser.hear("总部已取消或改期").await;
    browser.console_is_clean(&[]).await;
    browser.close().await;
    let phone = Browser::open(&house.address, PHONE, &camera(house.building.folder.path())).await;
    phone.goto("/login?lang=en").await;
    phone.log_in(super::PIN).await;
    phone.see(".day .waiting").await;
    phone.picture("phone-en-page-booked").await;
    phone.is_accessible().await;
    phone.fits_fingers().await;
    phone.console_is_clean(&[]).await;
    phone.close().await;

    // The day is there again after a restart; she is seated by one more tap.
    let house = house.close().await.open().await;
    let mut browser = Browser::open(&house.address, TABLET, &camera(house.building.folder.path())).await;
    browser.goto("/login?lang=zh").await;
    browser.log_in(super::PIN).await;
    browser.see(".day li.waiting:nth-child(3)").await;
    browser.tap(".day li.waiting:first-child [data-seat]").await;
    browser.see(".red.bar").await;
    assert_eq!(states(&house).await, ["seated", "waiting", "waiting", "cancelled", "booked"]);
    browser.console_is_clean(&[]).await;
    browser.close().await;
    house.close().await;
}
