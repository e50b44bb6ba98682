//! How rollouts look in the browser.

use crate::{
    Side,
    driver::{Browser, DESKTOP, PHONE, TABLET, Window},
    house::{House, PASSWORD},
    rollouts::{add, chain, header, holding, key, says, signed},
    stores::Store,
};
use skinlink::{
    clock,
    hq::{
        office::people::Role,
        rollout::{self, turn},
    },
    sync::package::Stand,
};
use std::path::Path;

async fn log_in(browser: &Browser, name: &str) {
    browser.goto("/login").await;
    browser.see("input[name=name]").await.send_keys(name).await.expect("keys");
    browser.see("input[name=password]").await.send_keys(PASSWORD).await.expect("keys");
    browser.touch("main button").await;
    browser.see(".numbers").await;
}

/// What a rollout looks like on its way, and when it was halted by itself, on a telephone, a tablet and a desk; an open page draws itself anew.
#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_is_followed_on_any_window_and_halted_before_one_s_eyes() {
    let mut house = House::new(Side::Sqlite).await;
    house.add("fleet", Role::Operator, "all");
    let stores = chain(&mut house, 60);
    let dark = Window { dark: true, ..TABLET };
    for (version, window, langs) in [(7, DESKTOP, ["zh", "hant"]), (8, PHONE, ["zh", "en"]), (9, dark, ["hant", "en"])]
    {
        add(&house, &signed(header(version), &key(&house))).expect("it is taken in");
        let two = Browser::open_two(&house.base(), window, Path::new("/dev/null")).await;
        let mut open = Vec::new();
        for (browser, lang) in two.into_iter().zip(langs) {
            log_in(&browser, "fleet").await;
            let dark = if window.dark { "-dark" } else { "" };
            browser.goto(&format!("/rollouts?lang={lang}")).await;
            open.push((browser, format!("{}-{lang}{dark}", window.name)));
        }
        for (browser, name) in &open {
            browser.see(".offer").await;
            browser.is_accessible().await;
            browser.fits_fingers().await;
            browser.picture(&format!("office-rollouts-{name}")).await;
        }
        open[0].0.touch(".offer button").await;
        open[0].0.see(".rings").await;
        let address = open[0].0.path().await;
        let n: u64 = address.rsplit('/').next().and_then(|n| n.parse().ok()).expect("a number");
        let pilots: Vec<&Store> = stores
            .iter()
            .filter(|one| rollout::member(&mut *house.engine(), &one.address.store).expect("rings").get(&n) == Some(&0))
            .collect();
        let (using, holding_it) = pilots.split_at(7);
        let mut told: Vec<_> =
            using.iter().map(|one| says(one, vec![holding(version, Stand::Used, "", Some((30, 0)))])).collect();
        told.extend(holding_it[..1].iter().map(|one| says(one, vec![holding(version, Stand::Held, "", None)])));
        house.take(&told);
        for (browser, name) in &open {
            browser.goto(&address).await;
            browser.gives("return document.querySelector('.tally dd').textContent", "7").await;
            browser.is_accessible().await;
            browser.fits_fingers().await;
            browser.picture(&format!("office-rollout-{name}")).await;
        }
        // Now its photographs fail: it is halted, and the page that is open says so and why.
        let told: Vec<_> =
            using.iter().map(|one| says(one, vec![holding(version, Stand::Used, "", Some((42, 18)))])).collect();
        house.take(&told);
        turn(&mut *house.engine(), &house.rollouts.limits, clock::now().wall).expect("weighed");
        let left: Vec<_> = using.iter().map(|one| says(one, vec![holding(version, Stand::Left, "", None)])).collect();
        house.take(&left);
        for (browser, name) in &open {
            browser.see(".halted").await;
            browser.gives("return document.querySelectorAll('.tally dd')[4].textContent", "7").await;
            browser.is_accessible().await;
            browser.fits_fingers().await;
            browser.picture(&format!("office-rollout-halted-{name}")).await;
            browser.console_is_clean(&[]).await;
        }
        for (browser, _) in open {
            browser.close().await;
        }
    }
    house.end().await;
}
