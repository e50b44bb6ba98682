//! Which tokens open what, where, and until when.

use crate::{
    Side,
    house::{Delivered, House, PICTURE, texts},
};
use reqwest::StatusCode;
use skinlink::{
    clock, desk,
    domain::{Timestamp, consent::Purpose},
    hq::{
        archive::{self, Month},
        database::HqError,
        records, reports,
    },
    store::{Thing, Why},
    sync::image_lane::{self, Role},
};
use std::time::Duration;

/// The text of a PDF, as any reader of PDF finds it.
fn read(paper: &[u8]) -> String {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), paper).expect("writable");
    let read = std::process::Command::new("pdftotext").arg("-raw").arg(file.path()).arg("-").output();
    String::from_utf8_lossy(&read.expect("poppler-utils, which scripts/setup.sh installs").stdout).into_owned()
}

/// How many photographs a PDF holds: they stay the JPEG files they are.
fn photographs(paper: &[u8]) -> usize {
    String::from_utf8_lossy(paper).matches("/DCTDecode").count()
}

const ALL: &[Purpose] = Purpose::ALL;

/// What the form's random word differs in.
fn without_once(html: &str) -> String {
    let mut out = String::new();
    let mut rest = html;
    while let Some((before, after)) = rest.split_once("name=\"once\" value=\"") {
        out += before;
        rest = after.split_once('"').expect("a closing quote").1;
    }
    out + rest
}

pub(crate) async fn a_report_opens_in_the_store_and_at_headquarters_and_closes_with_its_consent(side: Side) {
    let Delivered { house, running, visit, token, path } = Delivered::new(side, true).await;
    let there = house.until(house.public, &path, StatusCode::OK).await;
    let here = house.get(house.local, &path).await;
    assert_eq!(without_once(&there.text()), without_once(&here.text()), "both say the same");
    assert_eq!(there.headers, here.headers);
    let html = there.text();
    for said in ["清和肌研", "水分提升", "35.0", "58.5", "±4.1", "深层清洁 &#60;b&#62;", "不是医学意见"]
    {
        assert!(html.contains(said), "{said} is missing: {html}");
    }
    assert!(house.get(house.public, &format!("{path}?lang=en")).await.text().contains("Moisture up"));
    // No id of anything, nobody's name, nobody else's address.
    let events = crate::salon::events(&house.salon.store).await;
    let ids = events.iter().flat_map(|event| [event.subject.clone(), event.id.clone()]);
    for id in ids.chain([house.salon.customer.to_string(), crate::salon::NAME.into(), crate::salon::PHONE.into()]) {
        assert!(!html.contains(&id), "{id} is on the page");
    }
    let elsewhere: Vec<&str> = html.match_indices("http").map(|(at, _)| &html[at..(at + 40).min(html.len())]).collect();
    assert!(elsewhere.iter().all(|link| link.starts_with("http://www.w3.org/2000/svg")), "{elsewhere:?}");
    // The photographs, from the shelf as from the store.
    for at in [house.public, house.local] {
        for phase in ["before", "after"] {
            let picture = house.until(at, &format!("{path}/0/{phase}"), StatusCode::OK).await;
            assert_eq!(picture.body, image_lane::named(Role::Report, PICTURE.to_vec()));
        }
        assert_eq!(house.get(at, &format!("{path}/1/before")).await.status, 404);
    }
    // On paper, from the store as from headquarters: the words of the page, and its photographs.
    for at in [house.public, house.local] {
        let paper = house.get(at, &format!("{path}/report.pdf")).await;
        let said = read(&paper.body);
        for value in ["清和肌研", "水分提升", "35.0", "58.5", "±4.1", "美容师", "staff-1", "深层清洁", "不是医学意见"]
        {
            assert!(said.contains(value), "{value} is not on paper: {said}");
        }
        // One: both of this story are the same file, and stand in it once.
        assert_eq!(photographs(&paper.body), 1);
        let long = house.get(at, &format!("{path}/picture?lang=en")).await;
        let found = image::guess_format(&long.body).expect("a picture");
        assert_eq!((long.status, found), (200, image::ImageFormat::Jpeg));
        let how = long.headers.iter().find(|(name, _)| name == "content-disposition").map(|(_, value)| value.as_str());
        assert!(how.is_some_and(|how| how.starts_with("inline; filename=\"report-20")), "{how:?}");
    }
    // Without the consent to photographs: a report of numbers.
    house.salon.say(Purpose::Photograph, false).await;
    assert_eq!(photographs(&house.get(house.local, &format!("{path}/report.pdf")).await.body), 0);
    house.salon.say(Purpose::Photograph, true).await;
    let header = |name: &str| there.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    assert_eq!(header("referrer-policy"), Some("no-referrer"));
    assert_eq!(header("cache-control"), Some("no-store"));
    assert!(header("x-robots-tag").is_some_and(|value| value.contains("noindex")));
    assert!(
        header("content-security-policy")
            .is_some_and(|value| value.starts_with("default-src 'none'; style-src 'sha256-"))
    );
    // The event holds the token's digest, never the token.
    let told = texts(&mut *house.engine(), "SELECT body FROM events WHERE kind = 'com.skinlink.report.v1'").concat();
    assert!(told.contains(&hex::encode(desk::digest(&token))) && !told.contains(&token));
    // The consent ends: dead here at once, there when the word arrives.
    house.salon.say(Purpose::DeliverReport, false).await;
    assert_eq!(house.get(house.local, &path).await.status, 404);
    let dead = house.until(house.public, &path, StatusCode::NOT_FOUND).await;
    for at in [house.public, house.local] {
        assert_eq!(house.get(at, &format!("{path}/report.pdf")).await, dead);
        assert_eq!(house.get(at, &format!("{path}/picture")).await, dead);
    }
    assert_eq!(house.get(house.public, &format!("{path}/0/before")).await, dead);
    // Given again, it opens again.
    house.salon.say(Purpose::DeliverReport, true).await;
    assert_eq!(house.get(house.local, &path).await.status, 200);
    house.until(house.public, &path, StatusCode::OK).await;
    house.salon.store.withdraw_report_links(visit, "staff-1".to_owned()).await.expect("withdrawn");
    assert_eq!(house.get(house.local, &path).await.status, 404);
    house.until(house.public, &path, StatusCode::NOT_FOUND).await;
    house.settled().await;
    house.end(Some(running)).await;
}

pub(crate) async fn tokens_that_open_nothing_are_told_from_one_another_by_nobody(side: Side) {
    let house = House::new(side).await;
    let running = house.connect();
    house.agree(ALL).await;
    let visit = house.visit(false).await;
    let withdrawn = house.link(visit, 90).await;
    house.salon.store.withdraw_report_links(visit, "staff-1".to_owned()).await.expect("withdrawn");
    let expired = house.link(visit, 0).await;
    let good = house.link(visit, 90).await;
    let (digest, week) = (desk::digest(&good), Duration::from_secs(7 * 86_400));
    house
        .eventually("the good one", |engine| reports::open(engine, &digest, clock::now().wall, week).ok().flatten())
        .await;
    let other: String = good.chars().rev().collect();
    let cut = &good[..31];
    let dead = [
        format!("/r/{withdrawn}"),
        format!("/r/{expired}"),
        format!("/r/{other}"),
        format!("/r/{cut}"),
        format!("/r/{good}0"),
        format!("/r/{cut}g"),
        format!("/r/{withdrawn}/report.pdf"),
        format!("/r/{other}/picture"),
        format!("/r/{good}/9/before"),
        format!("/r/{good}/x/before"),
        "/r/".to_owned(),
        "/r/%00".to_owned(),
        "/r/..%2f..%2fetc%2fpasswd".to_owned(),
        "/".to_owned(),
        "/api/v1/visits".to_owned(),
    ];
    for at in [house.public, house.local] {
        let first = house.get(at, &dead[0]).await;
        assert_eq!(first.status, 404);
        // Photographs that an open report does not have (yet, or any more) are no guesses: a page with six pairs locked its own
        // customer out, and everybody behind the same address.
        for _ in 0..30 {
            assert_eq!(house.get(at, &format!("/r/{good}/9/before")).await, first);
        }
        assert_eq!(house.get(at, &format!("/r/{good}")).await.status, 200);
        for path in &dead {
            assert_eq!(house.get(at, path).await, first, "{path}");
        }
        // A form sent to a dead link gets the same again.
        for path in &dead[..4] {
            assert_eq!(house.post(at, &format!("{path}/feedback"), &[("call", "on")]).await, first, "{path}");
        }
        // Fifteen in vain: a few more, and whoever goes on has to wait, whatever is asked for.
        for _ in 0..10 {
            house.get(at, "/r/00").await;
        }
        let (guess, open) = (house.get(at, &dead[2]).await, house.get(at, &format!("/r/{good}")).await);
        assert_eq!((guess.status, open.status), (429, 429));
        assert_eq!(guess, open);
    }
    house.end(Some(running)).await;
}

pub(crate) async fn headquarters_is_told_only_what_was_agreed_to(side: Side) {
    let house = House::new(side).await;
    let running = house.connect();
    use Purpose::{DeliverReport, KeepPhotographs, Measure, Photograph, ShareNumbers, SharePhotographs};
    house.agree(&[Measure, Photograph, KeepPhotographs, DeliverReport]).await;
    let visit = house.visit(true).await;
    let token = house.link(visit, 90).await;
    let path = format!("/r/{token}");
    // Delivered is not shared: the report stays in the store.
    let here = house.get(house.local, &path).await;
    assert!(here.status == 200 && here.text().contains("/0/before"));
    assert_eq!(house.salon.count("report.v1").await, 0);
    // Numbers alone: the report without photographs there, with them here.
    house.agree(&[ShareNumbers]).await;
    let there = house.until(house.public, &path, StatusCode::OK).await.text();
    assert!(there.contains("58.5") && !there.contains("/0/before"), "{there}");
    assert_eq!(house.get(house.public, &format!("{path}/0/before")).await.status, 404);
    house.agree(&[SharePhotographs]).await;
    house.until(house.public, &format!("{path}/0/before"), StatusCode::OK).await;
    // Photographs no longer agreed to are gone from both.
    house.salon.say(Photograph, false).await;
    assert!(!house.get(house.local, &path).await.text().contains("/0/before"));
    house.until(house.public, &format!("{path}/0/before"), StatusCode::NOT_FOUND).await;
    assert_eq!(house.get(house.public, &path).await.status, 200);
    // No numbers: closed there, and what waits in the outbox holds nothing of it.
    house.salon.say(ShareNumbers, false).await;
    house.until(house.public, &path, StatusCode::NOT_FOUND).await;
    assert_eq!(house.get(house.local, &path).await.status, 200, "it is still delivered");
    let kept = crate::salon::events(&house.salon.store).await;
    assert!(kept.iter().all(|event| !event.data.get().contains("\"sheet\"")), "a sheet is still in the outbox");
    house.end(Some(running)).await;
}

/// While all facts are made again, an older word that a report is open comes before the later one that it is closed.
pub(crate) async fn a_closed_report_does_not_open_while_facts_are_made_again(side: Side) {
    let Delivered { mut house, running, visit, token, path } = Delivered::new(side, false).await;
    house.salon.store.withdraw_report_links(visit, "staff-1".to_owned()).await.expect("withdrawn");
    house.until(house.public, &path, StatusCode::NOT_FOUND).await;
    house.settled().await;
    running.stop().await;
    house.headquarters.stop_receiver().await;
    // As it stands in the middle of making them: the closing is not there yet.
    let mut engine = house.engine();
    engine.execute("DELETE FROM report_facts WHERE state = 'closed'", &[]).expect("deleted");
    let facts = texts(&mut *engine, "SELECT state FROM report_facts");
    assert_eq!(facts, ["open"]);
    let week = Duration::from_secs(7 * 86_400);
    let open = reports::open(&mut *engine, &desk::digest(&token), clock::now().wall, week).expect("an answer");
    assert!(open.is_none(), "a report that was closed is open again");
    drop(engine);
    let shelves = house.headquarters.config().shelves.open().expect("the shelves");
    records::rebuild(&house.headquarters.database, &shelves).expect("made again");
    assert_eq!(texts(&mut *house.engine(), "SELECT state FROM reports"), ["closed"]);
    house.end(None).await;
}

/// A new version, or an operator, has all facts made again. Until the report's own were there its link answered as if there was no such
/// report, and whoever asked for it counted as guessing; where its photographs had been withdrawn since, they were shown again until the
/// store's later word was. Here a month is archived and its object away, so that it takes its time.
pub(crate) async fn a_report_is_away_and_not_gone_while_its_facts_are_made_again(side: Side) {
    let Delivered { mut house, running, path, .. } = Delivered::new(side, false).await;
    house.settled().await;
    running.stop().await;
    house.headquarters.stop_receiver().await;
    let shelves = house.headquarters.config().shelves.open().expect("the shelves");
    let (mut engine, now) = (house.engine(), clock::now().wall);
    let archived = archive::archive(&mut *engine, &shelves, Month::of(now).next(), now).expect("it is archived");
    assert!(archived > 0);
    let folder = house.headquarters.data().join("archive");
    let aside = house.headquarters.data().join("aside");
    std::fs::rename(&folder, &aside).expect("the disk is away");
    let waits = records::rebuild(&house.headquarters.database, &shelves).expect_err("what is archived cannot be read");
    assert!(matches!(&waits, HqError::Waits { made: 0, many: 1, .. }), "{waits}");

    house.headquarters.start_receiver();
    house.until(house.public, &path, StatusCode::SERVICE_UNAVAILABLE).await;
    for _ in 0..30 {
        assert_eq!(house.get(house.public, &path).await.status, 503, "it is no guess");
    }
    std::fs::rename(&aside, &folder).expect("the disk is back");
    house.until(house.public, &path, StatusCode::OK).await;
    assert!(texts(&mut *engine, "SELECT gateway FROM remaking").is_empty());
    drop(engine);
    house.end(None).await;
}

/// Two pictures that their shelf did not give held both of headquarters' connections, and every customer's report with them.
pub(crate) async fn a_picture_that_its_shelf_does_not_give_keeps_no_report_from_being_read(side: Side) {
    let Delivered { house, running, path, .. } = Delivered::new(side, true).await;
    let picture = format!("{path}/0/before");
    house.until(house.public, &picture, StatusCode::OK).await;
    house.until(house.public, &format!("{path}/0/after"), StatusCode::OK).await;
    // Whoever reads a pipe waits until somebody writes into it.
    let folder = house.headquarters.data().join("images").join("sh-001-g1");
    let objects: Vec<_> =
        std::fs::read_dir(folder).expect("the shelf").map(|one| one.expect("an entry").path()).collect();
    for object in &objects {
        std::fs::remove_file(object).expect("it goes");
        assert!(std::process::Command::new("mkfifo").arg(object).status().expect("it runs").success());
    }
    let (client, at) = (house.client.clone(), house.public);
    let url = format!("http://{at}{picture}");
    #[expect(clippy::disallowed_methods, reason = "the test ends them itself")]
    let hanging: Vec<_> = (0..3).map(|_| tokio::spawn(client.get(&url).send())).collect();
    // Once somebody reads there, one can write without waiting.
    let begun = |object: &std::path::PathBuf| {
        use std::os::unix::fs::OpenOptionsExt as _;
        let mut writing = std::fs::OpenOptions::new();
        writing.write(true).custom_flags(nix::libc::O_NONBLOCK).open(object).ok()
    };
    let pipe = house.eventually("a picture that is read", |_| objects.iter().find_map(begun)).await;
    assert_eq!(house.get(at, &path).await.status, 200);
    assert!(hanging.iter().all(|one| !one.is_finished()), "the pictures wait all the while");
    drop(pipe);
    // One that came later waits for another end.
    house
        .eventually("all are answered", |_| {
            drop(objects.iter().filter_map(begun).collect::<Vec<_>>());
            hanging.iter().all(|one| one.is_finished()).then_some(())
        })
        .await;
    house.end(Some(running)).await;
}

pub(crate) async fn a_silent_store_and_a_struck_out_visit_close_their_reports(side: Side) {
    let Delivered { house, running, visit, token, path } = Delivered::new(side, false).await;
    let (mut engine, now, week) = (house.engine(), clock::now().wall, Duration::from_secs(7 * 86_400));
    let mut after = |days: i64| {
        let then = Timestamp::from_unix_ms(now.unix_ms() + days * 86_400_000);
        reports::open(&mut *engine, &desk::digest(&token), then, week).expect("an answer").is_some()
    };
    assert_eq!([0, 6, 8, 91].map(&mut after), [true, true, false, false]);
    let why = || Why { staff: "staff-1".to_owned(), reason: "wrong chair".to_owned() };
    house.salon.store.void(Thing::Visit(visit), why()).await.expect("struck out");
    assert_eq!(house.get(house.local, &path).await.status, 404);
    house.until(house.public, &path, StatusCode::NOT_FOUND).await;
    house.salon.store.restore(Thing::Visit(visit), why()).await.expect("restored");
    house.until(house.public, &path, StatusCode::OK).await;
    house.end(Some(running)).await;
}

/// `SKINLINK_GUESSES=1000000` is the whole campaign (`make guesses`).
#[tokio::test]
async fn guesses_find_nothing_and_slow_down() {
    let number = |name: &str, usual: u64| {
        std::env::var(name).map_or(usual, |text| text.parse().unwrap_or_else(|_| panic!("{name} is no number")))
    };
    let (guesses, seed) = (number("SKINLINK_GUESSES", 2_000), number("SKINLINK_SEED", fastrand::u64(..)));
    println!("SKINLINK_SEED={seed} SKINLINK_GUESSES={guesses}");
    let mut dice = fastrand::Rng::with_seed(seed);
    let house = House::new(Side::Sqlite).await;
    house.agree(ALL).await;
    let token = house.link(house.visit(false).await, 90).await;
    let begun = tokio::time::Instant::now();
    let mut answered = std::collections::BTreeMap::new();
    for _ in 0..guesses {
        // Near the real one too: one digit off, cut, longer.
        let guess = match dice.u8(..4) {
            0 => format!("{:032x}", dice.u128(..)),
            1 => {
                let at = dice.usize(..32);
                let digit = char::from_digit(dice.u32(..16), 16).expect("a digit");
                let other = if token[at..].starts_with(digit) { 'x' } else { digit };
                format!("{}{other}{}", &token[..at], &token[at + 1..])
            }
            2 => token[..dice.usize(..32)].to_owned(),
            _ => format!("{token}{:x}", dice.u8(..)),
        };
        let answer = house.get(house.local, &format!("/r/{guess}")).await;
        *answered.entry(answer.status).or_insert(0_u64) += 1;
    }
    println!("{answered:?} within {:?}", begun.elapsed());
    // Twenty at once, and one every ten seconds.
    let allowed = 21 + begun.elapsed().as_secs() / 10;
    assert_eq!(answered.keys().copied().collect::<Vec<_>>(), [404, 429]);
    assert!(answered[&404] <= allowed, "{answered:?}, {allowed} allowed");
    house.end(None).await;
}
