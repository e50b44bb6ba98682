//! Whether the numbers are true, and what is not known is said so.

use crate::{
    Side,
    house::{House, plain, row},
    stores::{ANN, MINUTE_MS, Store, about, ago, id},
};
use skinlink::{
    clock,
    desk::{Heard, Said},
    domain::{ClockState, FeedbackId, VisitId, feedback::Topic},
    hq::{
        office::people::Role,
        reports::{self, Found},
    },
    sync::{
        payload::{self, kind},
        sheet::Sheet,
    },
};
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// What happened is seen within this: a stream that tells of it leaves the rest to the page.
const LIVE: Duration = Duration::from_secs(2);

/// A store whose line breaks while it records goes on recording; one that was never heard of but by a word is not called well.
pub async fn a_store_that_goes_away_and_comes_back_is_shown_with_what_is_known_of_it(side: Side) {
    let mut house = House::new(side).await;
    house.add("fleet", Role::Operator, "all");
    let cookie = house.log_in("fleet").await;
    assert!(house.get("/", &cookie).await.text.contains("没有可看的门店"));
    let mut store = house.opens("sh-001");
    let lone = Store::named("sh-002");
    house.take(&[lone.hello(0)]);
    let first = store.measures(ago(2_000));
    house.take(&[first, store.hello(5)]);
    let page = house
        .until("/", &cookie, "five are told of", |text| {
            text.contains("data-store=\"sh-001\"")
                && row(text, "sh-001").contains("待补传 △ 4")
                && row(text, "sh-001").contains("时钟 慢 ≤ ")
        })
        .await;
    let here = row(&page, "sh-001");
    assert!(here.contains("● 在线 自 ") && here.contains("磁盘可用 66 % 20.0 GiB"), "{here}");
    assert!(here.contains("设备 2/2") && here.contains("告警 · 死信 0 · 0") && here.contains("版本 0.1.0"), "{here}");
    assert!(here.contains("时钟 慢 ≤") && here.contains("已同步"), "{here}");
    let unknown = row(&page, "sh-002");
    assert!(unknown.contains("状态 未知 从未报到"), "{unknown}");
    assert!(
        ["磁盘可用 未知", "设备 未知", "时钟 未知", "在线率 7 天 未知"].iter().all(|word| unknown.contains(word)),
        "{unknown}"
    );

    // Its line breaks; a record comes that leaves a hole, and one that nobody can read.
    store.told = 3;
    let (beyond, odd) = (store.measures(ago(1_000)), store.babble());
    house.take(&[beyond, odd, store.says("offline"), store.about(&about(false, 1_024))]);
    let page = house.until("/", &cookie, "it is away", |text| row(text, "sh-001").contains("○ 离线")).await;
    let away = row(&page, "sh-001");
    assert!(away.contains("缺口 △ 2"), "{away}");
    assert!(away.contains("待补传 △ ≥ 4 已齐至"), "what it recorded since is known there alone: {away}");
    assert!(
        away.contains("磁盘可用 ▲ 3 % 1.0 GiB · 离线前")
            && away.contains("设备 △ 1/2 离线前")
            && away.contains("▲ 0 · 1"),
        "{away}"
    );
    let own = house.get("/stores/sh-001", &cookie).await.text;
    assert!(own.contains("未知（门店离线）") && own.contains("死信") && !own.contains("最近到店"), "{own}");
    // What needs somebody stands first.
    assert!(page.find("data-store=\"sh-001\"") < page.find("data-store=\"sh-002\""));

    store.told = 1;
    let missing: Vec<_> = (0..2).map(|_| store.measures(ago(500))).collect();
    house.take(&missing);
    house.take(&[store.says("online"), store.about(&about(true, 20_480))]);
    let page = house.until("/", &cookie, "it is back", |text| row(text, "sh-001").contains("● 在线")).await;
    assert!(row(&page, "sh-001").contains("缺口 0"), "{}", row(&page, "sh-001"));
    house.end().await;
}

/// Ninety-seven records come at once, two after ten minutes, one of a gateway that does not know the time.
pub async fn records_are_held_against_the_promise_of_five_minutes(side: Side) {
    let mut house = House::new(side).await;
    house.add("fleet", Role::Operator, "all");
    let (mut store, mut fast) = (house.opens("sh-001"), house.opens("sh-002"));
    let now = ago(0);
    let mut arrived: Vec<_> = (0..97).map(|_| store.measures(ago(3_000))).collect();
    arrived.extend((0..2).map(|_| store.measures(ago(10 * MINUTE_MS))));
    let unset = payload::Clock { boot: "b".into(), monotonicns: "1".into(), wall_ms: now.unix_ms() };
    arrived.push(store.tell_by(kind::CLOCK, "boot", &unset, (ago(400 * MINUTE_MS), ClockState::Unset)));
    // Its clock is three minutes ahead.
    arrived.push(fast.measures(ago(-3 * MINUTE_MS)));
    house.take_at(&arrived, now);
    // Three days ago all was late.
    let then = ago(3 * 24 * 60 * MINUTE_MS);
    let late: Vec<_> = (0..3).map(|_| store.measures(ago(3 * 24 * 60 * MINUTE_MS + 30 * MINUTE_MS))).collect();
    house.take_at(&late, then);
    let cookie = house.log_in("fleet").await;
    let page = house.until("/", &cookie, "all days are counted", |text| !text.contains("统计中")).await;
    let (here, ahead) = (row(&page, "sh-001"), row(&page, "sh-002"));
    // 97 of 99 whose time is known; of the week 97 of 102.
    assert!(here.contains("五分钟内到达 △ 97.9 % 7 天 95.0 %"), "{here}");
    assert!(here.contains("时钟 慢 ≤ 3 秒"), "{here}");
    assert!(ahead.contains("时钟 ▲ 快 ≥ 3 分钟") || ahead.contains("时钟 ▲ 快 ≥ 179 秒"), "{ahead}");
    // Whole hours are kept for whoever asks next, and counted once.
    let kept = "SELECT CAST(coalesce(sum(records), 0) AS BIGINT) FROM delays WHERE hour_ms < ";
    let kept = format!("{kept}{}", now.unix_ms() - 2 * 24 * 60 * MINUTE_MS);
    assert_eq!(house.engine().query(&kept, &[]).expect("rows")[0].get::<u64>(0).expect("a sum"), 3);
    house.end().await;
}

/// Three customers said something: this morning, yesterday, and last week.
pub async fn what_customers_said_runs_out_after_a_day_and_after_three(side: Side) {
    let mut house = House::new(side).await;
    house.add("fleet", Role::Operator, "all");
    let mut store = house.opens("sh-001");
    let seen = id(VisitId::from_bits);
    let hour = 60 * MINUTE_MS;
    let ids: Vec<String> = (0..3).map(|_| id(FeedbackId::from_bits)).collect();
    let said = |feedback: &str, state: &str| payload::Feedback {
        feedback: feedback.into(),
        visit: seen.clone(),
        customer: id(skinlink::domain::CustomerId::from_bits),
        state: state.into(),
        stars: None,
        topic: "call".into(),
        words: "请打电话给我".into(),
        staff: String::new(),
    };
    let told = [
        store.tell(kind::FEEDBACK, &seen, &said(&ids[0], "given"), ago(2 * hour)),
        store.tell(kind::FEEDBACK, &seen, &said(&ids[1], "given"), ago(30 * hour)),
        store.tell(kind::FEEDBACK, &seen, &said(&ids[2], "given"), ago(80 * hour)),
        store.tell(kind::FEEDBACK, &seen, &said(&ids[2], "answered"), ago(70 * hour)),
    ];
    house.take(&told);
    house.keep();
    let cookie = house.log_in("fleet").await;
    let page = house.until("/", &cookie, "all three are open", |text| row(text, "sh-001").contains("反馈 ▲ 3")).await;
    assert!(row(&page, "sh-001").contains("反馈 ▲ 3 超时 2"), "{}", row(&page, "sh-001"));
    let own = house.get("/stores/sh-001", &cookie).await.text;
    assert!(
        own.contains("请回电") && own.contains("已答复，待解决") && !own.contains("打电话给我"),
        "words are the store's: {own}"
    );
    let answers = [
        store.tell(kind::FEEDBACK, &seen, &said(&ids[1], "answered"), ago(0)),
        store.tell(kind::FEEDBACK, &seen, &said(&ids[2], "solved"), ago(0)),
    ];
    house.take(&answers);
    house.keep();
    let page = house.until("/", &cookie, "one is solved", |text| row(text, "sh-001").contains("反馈 2")).await;
    assert!(row(&page, "sh-001").contains("反馈 2 最迟 "), "{}", row(&page, "sh-001"));
    house.end().await;
}

/// A customer asks for a call on her report's page while her store is away; two days later nobody has called. The store comes back and takes
/// the word, which is one all the same. Another word, of before, is made late, and a third goes with its customer: the page follows.
pub async fn words_that_no_store_has_taken_run_out_as_well(side: Side) {
    let mut house = House::new(side).await;
    house.add("fleet", Role::Operator, "all");
    let mut store = house.opens("sh-001");
    let (visit, hour) = (id(VisitId::from_bits), 60 * MINUTE_MS);
    let word = clock::mint(FeedbackId::from_bits);
    let found = Found {
        store: "sh-001".into(),
        gateway: store.address.gateway.clone(),
        report: "r".into(),
        visit: visit.clone(),
        customer: ANN.into(),
        expires: ago(-hour),
        sheet: Sheet::default(),
    };
    let said = Said { id: word, topic: Topic::Call, stars: None, words: "请打电话给我".into() };
    let heard = reports::say(&mut *house.engine(), &found, &[said], ago(50 * hour)).expect("written");
    assert!(matches!(heard, Heard::Kept));
    let cookie = house.log_in("fleet").await;
    let page = house.until("/", &cookie, "it is late", |text| row(text, "sh-001").contains("反馈 ▲ 1 超时 1")).await;
    assert!(plain(&page).contains("条反馈超时"), "{page}");
    let own = house.get("/stores/sh-001", &cookie).await.text;
    assert!(own.contains("门店还没有收到") && !own.contains("打电话给我"), "{own}");

    let told = |feedback: &str, customer: &str, state: &str| payload::Feedback {
        feedback: feedback.into(),
        visit: visit.clone(),
        customer: customer.into(),
        state: state.into(),
        stars: None,
        topic: "call".into(),
        words: String::new(),
        staff: String::new(),
    };
    let bea = id(skinlink::domain::CustomerId::from_bits);
    let taken = [
        store.tell(kind::FEEDBACK, &visit, &told(&word.to_string(), ANN, "given"), ago(50 * hour)),
        store.tell(kind::FEEDBACK, &visit, &told(&word.to_string(), ANN, "answered"), ago(hour)),
        store.tell(kind::FEEDBACK, &visit, &told(&id(FeedbackId::from_bits), &bea, "given"), ago(hour)),
    ];
    house.take(&taken);
    house.keep();
    let page = house.until("/", &cookie, "it is answered", |text| row(text, "sh-001").contains("反馈 2 最迟")).await;
    assert!(!row(&page, "sh-001").contains("超时"), "{page}");
    // Its newest event stays; what is known of others changes below it.
    house
        .engine()
        .execute("UPDATE feedback_facts SET at_ms = at_ms - 200000000 WHERE state = 'given'", &[])
        .expect("mapped");
    house
        .until("/", &cookie, "times of before were mapped", |text| row(text, "sh-001").contains("反馈 ▲ 2 超时 2"))
        .await;
    house.database.erase("sh-001", &bea, clock::now().wall).expect("erased");
    house
        .until("/", &cookie, "one went with its customer", |text| row(text, "sh-001").contains("反馈 ▲ 1 超时 1"))
        .await;
    house.end().await;
}

/// A busy store has news ten times a second, and somebody's browser shows its page. It was read again as a whole every five seconds, so that what
/// happened could show five seconds late, where two are promised. Its figures are told of every second; its visits, which are dear to read,
/// every five, and not each time.
pub async fn a_busy_stores_page_is_read_again_now_and_then(side: Side) {
    let mut house = House::new(side).await;
    house.add("fleet", Role::Operator, "all");
    let mut store = house.opens("sh-001");
    let cookie = house.log_in("fleet").await;
    let mut news = house.listen("/stores/sh-001/live?seen=of-before", &cookie).await;
    for stream in [&news, &house.listen("/live", &cookie).await] {
        let headers = stream.headers();
        assert_eq!(headers["content-type"], "text/event-stream");
        assert_eq!(headers["x-accel-buffering"], "no", "a proxy that gathers answers would hold the news back");
    }
    let (begun, mut heard, mut told) = (Instant::now(), Vec::new(), 0);
    let mut text = String::new();
    while begun.elapsed() < Duration::from_secs(12) {
        let record = store.measures(ago(0));
        house.take(&[record]);
        told += 1;
        if let Ok(chunk) = timeout(Duration::from_millis(100), news.chunk()).await {
            text += &String::from_utf8_lossy(&chunk.expect("the line holds").expect("it goes on"));
            while let Some((one, rest)) = text.split_once("\n\n") {
                if one.contains("event: changed") {
                    heard.push((begun.elapsed(), one.contains("\"all\":true")));
                }
                text = rest.to_owned();
            }
        }
    }
    println!("{told} changes, told of after {heard:?}");
    let gaps = |of: &[Duration]| of.windows(2).map(|two| two[1] - two[0]).collect::<Vec<_>>();
    let all: Vec<Duration> = heard.iter().map(|(at, _)| *at).collect();
    let whole: Vec<Duration> = heard.iter().filter(|(_, whole)| *whole).map(|(at, _)| *at).collect();
    assert!(told >= 20 && all[0] < LIVE && heard[0].1, "the first at once, and whole: {told} changes, {heard:?}");
    assert!(gaps(&all).iter().all(|gap| *gap < LIVE), "the store never rested: {heard:?}");
    assert!(all.len() <= 15, "not each of {told}: {heard:?}");
    assert!((2..=3).contains(&whole.len()), "{heard:?}");
    assert!(gaps(&whole).iter().all(|gap| *gap > Duration::from_secs(4)), "{heard:?}");
    house.end().await;
}

/// A page that reads its figures again keeps the visits that it shows; they are neither asked for nor sent. Whoever sees no visit gets no
/// place for them either.
pub async fn a_page_that_keeps_its_visits_is_sent_the_rest(side: Side) {
    let mut house = House::new(side).await;
    house.add("fleet", Role::Operator, "all");
    house.add("li-na", Role::Analyst, "all");
    let mut store = house.opens("sh-001");
    let one = id(VisitId::from_bits);
    let told = [
        store.hears(ANN, "share_numbers", true),
        store.tell(kind::VISIT, &one, &crate::stores::visit(&one, 1, "open"), ago(0)),
    ];
    house.take(&told);
    house.keep();
    for (name, lists) in [("li-na", true), ("fleet", false)] {
        let cookie = house.log_in(name).await;
        let whole = house.get("/stores/sh-001", &cookie).await.text;
        let rest = house.again("/stores/sh-001", &cookie).await.text;
        assert_eq!((whole.contains(&one), rest.contains(&one)), (lists, false), "{name}: {rest}");
        let parts = |text: &str| {
            let names = text.match_indices("data-part=\"").map(|(at, word)| &text[at + word.len()..]);
            names.map(|rest| rest.split('"').next().unwrap_or_default().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(parts(&rest), parts(&whole), "{name}: a page puts each part in its place");
        assert_eq!(parts(&whole).iter().any(|part| part == "visits"), lists, "{name}");
        assert!(plain(&rest).contains("● 在线") && plain(&rest).contains("derma-probe-2"), "{rest}");
    }
    house.end().await;
}

/// A store was away for twelve minutes while somebody watched; of an hour before nobody knows, since no receiver was there.
pub async fn only_time_that_was_watched_counts_as_online_or_away(side: Side) {
    let mut house = House::new(side).await;
    house.add("fleet", Role::Operator, "all");
    let store = house.opens("sh-001");
    house.engine().execute("DELETE FROM presence", &[]).expect("it begins anew");
    house.engine().execute("UPDATE gateways SET status = NULL", &[]).expect("it begins anew");
    let at = |minutes: i64| ago(minutes * MINUTE_MS);
    for (minutes, status) in [(180, "online"), (110, "offline"), (70, "online"), (30, "offline"), (18, "online")] {
        house.take_at(&[store.says(status)], at(minutes));
        // Said again by a broker that comes back: no news.
        house.take_at(&[store.says(status)], at(minutes - 1));
    }
    for (from, to) in [(180, 120), (60, 0)] {
        for second in (0..(from - to) * 60).step_by(50) {
            let due = house.database.downlink_due(ago(from * MINUTE_MS - second * 1_000)).expect("nothing is due");
            assert!(due.is_empty());
        }
    }
    let cookie = house.log_in("fleet").await;
    let page = house.get("/", &cookie).await.text;
    let here = row(&page, "sh-001");
    // Twelve of a hundred and eighteen minutes: a watch ends with the last word on it.
    assert!(here.contains("在线率 7 天 △ 89.8") && here.contains("观测 1 小时"), "{here}");
    assert!(here.contains("● 在线 自 "), "{here}");
    house.end().await;
}
