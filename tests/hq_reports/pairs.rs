//! The pictures of a pair under a report's link: in the store, and at headquarters once they are there.

use crate::{
    Side,
    house::{House, pair_picture},
};
use reqwest::StatusCode;
use skinlink::{
    domain::consent::Purpose,
    sync::image_lane::{self, Role},
};
use std::{net::SocketAddr, time::Duration};
use tokio::time::{Instant, sleep};

const ALL: &[Purpose] = Purpose::ALL;

/// What is asked for, and which of the pictures it is.
const PICTURES: [(&str, &str); 4] =
    [("pair_before", "before"), ("pair_after", "after"), ("change1", "marks"), ("change2", "tint")];

/// The picture as the store keeps it.
fn kept(role: &str, byte: u8, what: &str) -> Vec<u8> {
    image_lane::named(Role::of(role).expect("a role"), pair_picture(byte, what))
}

/// Waits until the page says this, or says it no longer.
async fn until(house: &House, at: SocketAddr, path: &str, words: &str, said: bool) -> String {
    let limit = Instant::now() + crate::headquarters::LIMIT;
    loop {
        let page = house.get(at, path).await;
        if page.status == 200 && page.text().contains(words) == said {
            return page.text();
        }
        if Instant::now() > limit {
            house.headquarters.give_up(&format!("{path}: {words:?} is {said}"));
        }
        sleep(Duration::from_millis(200)).await;
    }
}

/// Waits until headquarters has every picture that it is owed.
async fn all_sent(house: &House) {
    let limit = Instant::now() + crate::headquarters::LIMIT;
    while house.salon.store.backlog().await.expect("a store").images > 0 {
        if Instant::now() > limit {
            house.headquarters.give_up("the pictures go up");
        }
        sleep(Duration::from_millis(50)).await;
    }
}

pub(crate) async fn pictures_of_a_pair_are_shown_where_they_are_and_only_while_they_may_be(side: Side) {
    let house = House::new(side).await;
    house.agree(ALL).await;
    let visit = house.visit(true).await;
    house.pair(visit, 1).await;
    let path = format!("/r/{}", house.link(visit, 90).await);
    let running = house.connect();
    let shows = format!("{path}/0/pair_after");
    for at in [house.local, house.public] {
        house.until(at, &path, StatusCode::OK).await;
        // The last of them to come.
        let page = until(&house, at, &path, &format!("{path}/0/change2"), true).await;
        assert!(page.contains(&shows), "{page}");
        for said in ["已对齐，曝光一致", "蓝色圆环", "橙色圆点", "浅色小点", "蓝色：护理后较弱", "单个标记不等于变化"]
        {
            assert!(page.contains(said), "{said} is missing: {page}");
        }
        assert!(!page.contains(&format!("{path}/0/after")), "one or the other");
        for (word, what) in PICTURES {
            let picture = house.until(at, &format!("{path}/0/{word}"), StatusCode::OK).await;
            assert!(picture.body == kept(word, 1, what), "{word}");
        }
        for word in ["change3", "original", "derivative", "pair", "report", "PAIR_AFTER"] {
            assert_eq!(house.get(at, &format!("{path}/0/{word}")).await.status, 404, "{word}");
        }
        // Nobody can know a picture by what the data say of it.
        let data = house.get(at, &format!("{path}/report.json")).await.text();
        let digest = hex::encode(openssl::sha::sha256(&kept("pair_after", 1, "after")));
        assert!(data.contains("pair_after") && !data.contains(&digest[..16]), "{data}");
    }
    house.settled().await;
    // Not shared any more: at headquarters neither photographs nor pictures of them, in the store both.
    house.salon.say(Purpose::SharePhotographs, false).await;
    until(&house, house.public, &path, "照片对照", false).await;
    for (word, _) in PICTURES {
        assert_eq!(house.get(house.public, &format!("{path}/0/{word}")).await.status, 404, "{word}");
        assert_eq!(house.get(house.local, &format!("{path}/0/{word}")).await.status, 200, "{word}");
    }
    // Nor agreed to: none anywhere, and none is kept.
    house.salon.say(Purpose::Photograph, false).await;
    until(&house, house.local, &path, "照片对照", false).await;
    for (word, _) in PICTURES {
        assert_eq!(house.get(house.local, &format!("{path}/0/{word}")).await.status, 404, "{word}");
    }
    house.end(Some(running)).await;
}

/// A report is told before its pictures have come, and told again before those that were made anew have come: what shows something
/// else than the page says is not shown.
pub(crate) async fn pictures_that_are_not_at_headquarters_leave_the_photographs_as_taken(side: Side) {
    let house = House::new(side).await;
    house.agree(ALL).await;
    let visit = house.visit(true).await;
    let after = house.pair(visit, 1).await;
    let path = format!("/r/{}", house.link(visit, 90).await);
    let (taken, shows) = (format!("{path}/0/after"), format!("{path}/0/pair_after"));
    // This one never comes.
    assert!(house.salon.store.image_refused(after, Role::PairAfter, "lost".to_owned()).await.expect("a store"));
    let running = house.connect();
    house.until(house.public, &path, StatusCode::OK).await;
    house.until(house.public, &taken, StatusCode::OK).await;
    house.settled().await;
    all_sent(&house).await;
    let page = house.get(house.public, &path).await.text();
    assert!(page.contains(&taken) && !page.contains(&shows), "{page}");
    assert!(page.contains("原样展示") && !page.contains("已对齐"), "{page}");
    assert_eq!(house.get(house.public, &format!("{path}/0/pair_before")).await.status, 404, "half a pair");
    assert!(house.get(house.local, &path).await.text().contains(&shows), "the store has them all");

    // Made anew: now all of them come.
    house.pair(visit, 2).await;
    until(&house, house.public, &path, &shows, true).await;
    let picture = house.until(house.public, &shows, StatusCode::OK).await;
    assert!(picture.body == kept("pair_after", 2, "after"));
    running.stop().await;

    // Made anew once more, and this one is lost again: what headquarters has of that role shows something else.
    house.pair(visit, 3).await;
    assert!(house.salon.store.image_refused(after, Role::PairAfter, "lost".to_owned()).await.expect("a store"));
    let running = house.connect();
    house.settled().await;
    all_sent(&house).await;
    let page = house.get(house.public, &path).await.text();
    assert!(page.contains(&taken) && !page.contains(&shows), "{page}");
    assert_eq!(house.get(house.public, &shows).await.status, 404);
    house.end(Some(running)).await;
}
