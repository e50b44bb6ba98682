//! A camera's own program leaves photographs in the station's folder: they go where they belong, once, and nothing half written
//! or foreign gets in.

use crate::house::{CHAIR, House, Wanted, soon};
use serde_json::json;
use skinlink::{
    domain::{capture::View, scan::Phase},
    web::folder::{PUT_AWAY, REFUSED, WAITING},
};
use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};

fn wanted(um: f64) -> Wanted {
    Wanted { watched: Some(um), ..Wanted::default() }
}

fn folder(house: &House) -> PathBuf {
    house.building.folder.path().join("photos")
}

/// A picture of its own for every number.
fn jpeg(n: u8) -> Vec<u8> {
    let picture = image::RgbImage::from_fn(640, 800, |x, y| image::Rgb([(x % 251) as u8, (y % 241) as u8, n]));
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, image::ImageFormat::Jpeg).expect("a JPEG");
    bytes.into_inner()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let mut names: Vec<String> = entries
        .filter(|entry| entry.path().is_file())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

async fn until(what: &str, mut wanted: impl FnMut() -> bool) {
    soon(what, async {
        while !wanted() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
}

async fn views(house: &House, visit: &str) -> Vec<View> {
    let view = house.store.visit_view(visit.parse().expect("an id")).await.expect("the store answers");
    view.scans.iter().flat_map(|scan| scan.captures.iter().map(|entry| entry.item.view)).collect()
}

#[tokio::test]
async fn photographs_go_into_the_scan_that_is_open_view_by_view_and_leave_the_folder() {
    let house = House::new(wanted(0.0)).await;
    let visit = house.visit("林若溪").await;
    house.begin(&visit, Phase::Before).await;
    let place = folder(&house);
    fs::write(place.join("notes.xml"), "<x/>").expect("writable");
    for n in 1..=3 {
        fs::write(place.join(format!("林若溪_{n}.JPG")), jpeg(n)).expect("writable");
        until("it is taken", || names(&place) == ["notes.xml"]).await;
    }
    assert_eq!(views(&house, &visit).await, [View::Front, View::Left, View::Right]);
    // One more than the scan has room for waits, and so does one that comes while nobody is there.
    fs::write(place.join("more.jpg"), jpeg(4)).expect("writable");
    until("it waits", || names(&place.join(WAITING)) == ["more.jpg"]).await;
    let listed = house.get(&format!("/folder/{CHAIR}")).await.ok().body;
    let id = listed["pictures"][0]["id"].as_str().expect("an id").to_owned();
    assert!(!listed.to_string().contains("more"), "names of files are not told: {listed}");
    let path = format!("/folder/{CHAIR}/{id}");
    house.post(&format!("{path}/take"), None, json!({})).await.refused(409, "wrong_state");
    let page = house.send(house.request(reqwest::Method::GET, "/station/chair-1")).await.ok().body;
    assert!(page.as_str().expect("a page").contains(&format!("/api/v1{path}/take")), "there is a key for it");
    // The scan of the after phase has room again.
    let scan =
        house.store.visit_view(visit.parse().expect("an id")).await.expect("answers").scans[0].scan.id.to_string();
    house.act(&visit, &scan, "finish", json!({})).await.ok();
    house.begin(&visit, Phase::After).await;
    house.post(&format!("{path}/take"), None, json!({})).await.ok();
    assert_eq!(views(&house, &visit).await.len(), 4);
    assert!(names(&place.join(WAITING)).is_empty());
    house.post(&format!("{path}/take"), None, json!({})).await.refused(404, "not_found");
    house.close().await;
}

/// A program writes for a while, into the name that it will keep; half a picture must not get in, and is not given up at once.
#[tokio::test]
async fn a_photograph_that_is_being_written_is_waited_for() {
    let house = House::new(wanted(0.0)).await;
    let visit = house.visit("林若溪").await;
    house.begin(&visit, Phase::Before).await;
    let (place, bytes) = (folder(&house), jpeg(9));
    let mut file = fs::File::create(place.join("slow.jpg")).expect("writable");
    for piece in bytes.chunks(bytes.len() / 3 + 1) {
        file.write_all(piece).expect("written");
        file.sync_all().expect("on disk");
        // Longer than a file needs to look settled.
        tokio::time::sleep(Duration::from_millis(2_700)).await;
    }
    until("it is taken", || names(&place).is_empty()).await;
    assert!(names(&place.join(REFUSED)).is_empty());
    assert_eq!(views(&house, &visit).await, [View::Front]);
    let captures =
        house.store.visit_view(visit.parse().expect("an id")).await.expect("answers").scans.remove(0).captures;
    let kept = house.store.capture_bytes(captures[0].item.id).await.expect("kept");
    assert_eq!(kept.len(), bytes.len(), "all of it");
    house.close().await;
}

/// What is no photograph is laid aside with the reason in both languages; it must not be looked at for ever, nor be lost.
#[tokio::test]
async fn what_is_no_photograph_is_laid_aside_with_a_sentence() {
    let house = House::new(wanted(0.0)).await;
    let place = folder(&house);
    fs::write(place.join("letter.jpg"), "this is no picture").expect("writable");
    fs::write(place.join("scan.bmp"), [b"BM".as_slice(), &[0; 60]].concat()).expect("writable");
    fs::write(place.join("letter.txt"), "beside").expect("writable");
    let refused = place.join(REFUSED);
    until("both are laid aside", || names(&refused).len() == 4).await;
    assert_eq!(names(&refused), ["letter.jpg", "letter.jpg.txt", "scan.bmp", "scan.bmp.txt"]);
    assert_eq!(names(&place), ["letter.txt"]);
    let why = fs::read_to_string(refused.join("letter.jpg.txt")).expect("a sentence");
    assert!(why.contains("这不是照片") && why.contains("set the camera or the upload to JPEG"), "{why}");
    fs::write(place.join("letter.jpg"), "again").expect("writable");
    until("the second one beside it", || names(&refused).contains(&"letter-2.jpg".to_owned())).await;
    house.close().await;
}

/// The gateway ends after it has kept a photograph and before it takes it out of the folder: after the start it is there still,
/// perhaps with another customer in the chair.
#[tokio::test]
async fn a_photograph_is_never_kept_twice_whoever_sits_there_after_a_restart() {
    let house = House::new(wanted(0.0)).await;
    let visit = house.visit("林若溪").await;
    house.begin(&visit, Phase::Before).await;
    let (place, bytes) = (folder(&house), jpeg(5));
    fs::write(place.join("a.jpg"), &bytes).expect("writable");
    until("it is taken", || names(&place).is_empty()).await;
    let scan =
        house.store.visit_view(visit.parse().expect("an id")).await.expect("answers").scans[0].scan.id.to_string();
    house.act(&visit, &scan, "finish", json!({})).await.ok();
    house.post(&format!("/visits/{visit}/close"), Some(house.version(&visit).await), json!({})).await.ok();
    let other = house.visit("赵一").await;
    house.begin(&other, Phase::Before).await;
    let building = house.drop_dead().await;
    fs::write(place.join("a.jpg"), &bytes).expect("writable");
    let house = building.open().await;
    house.until_ready().await;
    until("it is gone", || names(&place).is_empty()).await;
    assert!(names(&place.join(WAITING)).is_empty());
    assert_eq!((views(&house, &visit).await.len(), views(&house, &other).await.len()), (1, 0));
    house.close().await;
}

/// Without consent nothing is kept; what nobody wants is put away by a person.
#[tokio::test]
async fn without_a_visit_or_a_consent_it_waits() {
    let house = House::new(wanted(4.0)).await;
    let place = folder(&house);
    fs::write(place.join("early.jpg"), jpeg(6)).expect("writable");
    until("it waits", || names(&place.join(WAITING)) == ["early.jpg"]).await;
    let customer = house.post("/customers", None, json!({ "name": "钱二" })).await.ok().text("/id");
    house.post("/visits", None, json!({ "customer": customer, "station": CHAIR })).await.ok();
    fs::write(place.join("shy.jpg"), jpeg(7)).expect("writable");
    until("it waits too", || names(&place.join(WAITING)).len() == 2).await;
    for one in house.get(&format!("/folder/{CHAIR}")).await.ok().body["pictures"].as_array().expect("a list") {
        let path = format!("/folder/{CHAIR}/{}", one["id"].as_str().expect("an id"));
        house.post(&format!("{path}/take"), None, json!({})).await.refused(403, "no_consent");
        house.post(&format!("{path}/dismiss"), None, json!({})).await.ok();
    }
    assert_eq!(names(&place.join(PUT_AWAY)), ["early.jpg", "shy.jpg"]);
    house.get("/folder/chair-9").await.refused(404, "not_found");
    house.close().await;
}

/// Photographs of a contact scope have a ruler instead of a face, and there may be many of them.
#[tokio::test]
async fn a_contact_scope_takes_as_many_as_it_likes() {
    let house = House::new(wanted(4.2)).await;
    let visit = house.visit("林若溪").await;
    house.begin(&visit, Phase::Before).await;
    let place = folder(&house);
    for n in 0..5 {
        fs::write(place.join(format!("{n}.jpg")), jpeg(n)).expect("writable");
    }
    until("all are taken", || names(&place).is_empty()).await;
    assert_eq!(views(&house, &visit).await, [View::Close; 5]);
    house.close().await;
}
