//! The whole of it: `hq::run` with a real mosquitto, stores with the real sync task, pages over TLS.

use crate::{
    Side,
    headquarters::{Headquarters, LIMIT},
    house::{PASSWORD, answer, plain, row, settings, until_served},
    postgres,
};
use reqwest::{Certificate, Client, StatusCode};
use skinlink::{
    adapters::pki::{Use, Validity},
    app::fleet::Fleet,
    clock,
    hq::office::people::{self, Reach, Role},
};
use std::{fs, time::Duration};
use tokio::time::{Instant, sleep, timeout};

/// Five stores come over the broker, record for some seconds, and go. Whoever watches sees them come and go, and everything
/// of theirs arrive; their cookie travels over TLS alone.
pub async fn a_whole_headquarters_shows_stores_that_come_over_the_broker(side: Side) {
    let mut hq = Headquarters::without_receiver().await;
    if let Side::Postgres = side {
        hq.database = postgres::database();
    }
    let validity = Validity::days(clock::now().wall, 2);
    let leaf =
        hq.authority.issue(&hq.folder.path().join("pki"), "office", Use::Server(&["127.0.0.1", "localhost"]), validity);
    let leaf = leaf.expect("a leaf");
    let mut office = settings(hq.folder.path());
    office.tls = Some((leaf.certificate, leaf.key));
    let at = office.listen;
    hq.office = Some(office);
    hq.start_receiver();
    until_served(at).await;
    let authority = Certificate::from_pem(&fs::read(&leaf.ca).expect("the authority")).expect("PEM");
    let client = Client::builder().redirect(reqwest::redirect::Policy::none()).add_root_certificate(authority);
    let client = client.build().expect("a client");
    let base = format!("https://127.0.0.1:{}", at.port());
    let mut engine = hq.database.open().expect("the database");
    people::add(&mut *engine, ("fleet", Role::Operator, &Reach::All), PASSWORD, clock::now().wall).expect("somebody");

    let form = [("name", "fleet"), ("password", PASSWORD), ("next", "/")];
    let came = answer(client.post(format!("{base}/login")).header("origin", &base).form(&form)).await;
    assert_eq!(came.status, StatusCode::SEE_OTHER, "{}", came.text);
    assert!(came.header("set-cookie").contains("; Secure"), "{}", came.header("set-cookie"));
    assert!(came.header("strict-transport-security").contains("max-age"));
    let cookie = came.cookie();
    let page = async || answer(client.get(format!("{base}/")).header("cookie", &cookie)).await.text;

    let stores = 5;
    let fleet = Fleet {
        stores,
        rate: 20.0,
        lasting: Duration::from_secs(6),
        catching_up: Duration::from_secs(40),
        disturbed_every: None,
        seed: 7,
        folder: hq.folder.path().join("fleet"),
    };
    let all = |text: &str, word: &str| {
        let rows = (0..stores).map(|at| Fleet::address(at).store);
        let known = |store: &str| text.contains(&format!("data-store=\"{store}\""));
        rows.into_iter().all(|store| known(&store) && row(text, &store).contains(word))
    };
    let seen = async |word: &str| {
        let limit = Instant::now() + LIMIT;
        loop {
            let text = page().await;
            if all(&text, word) {
                return text;
            }
            assert!(Instant::now() < limit, "not all stores are {word} within {LIMIT:?}: {}", plain(&text));
            sleep(Duration::from_millis(200)).await;
        }
    };
    let connect = |address: &_| hq.connector(address);
    let (ledgers, _) = tokio::join!(fleet.play(connect), seen("● 在线"));
    let ledgers = ledgers.expect("every store caught up");
    timeout(LIMIT, seen("○ 离线")).await.expect("they are seen to go");
    let text = seen("五分钟内到达 100.0 %").await;
    let recorded: u64 = ledgers.iter().map(|ledger| ledger.recorded).sum();
    assert!(recorded > 60, "{recorded}");
    for store in (0..stores).map(|at| Fleet::address(at).store) {
        let here = row(&text, &store);
        assert!(
            here.contains("缺口 0") && here.contains("告警 · 死信 0 · 0") && here.contains("五分钟内到达 100.0 %"),
            "{here}"
        );
        // They were watched for too short a time to say, or were there for all of it but the last.
        assert!(here.contains("在线率 7 天"), "{here}");
    }
    // The receiver was connected to the broker all the time.
    let watched = engine.query("SELECT count(*), max(to_ms - from_ms) FROM watches", &[]).expect("rows");
    assert_eq!(watched[0].get::<u64>(0).expect("a count"), 1);
    let came_and_went =
        engine.query("SELECT count(*) FROM presence", &[]).expect("rows")[0].get::<u64>(0).expect("a count");
    assert_eq!(came_and_went, 2 * u64::from(stores));
    hq.stop_receiver().await;
}
