//! Serves a salon to look at: one chair with a simulated analyser, a visit of every kind, a planted change.
//!
//! `cargo run --example salon [port]` prints the addresses and runs until it is ended. Nothing is kept.

#[path = "../tests/web/house.rs"]
#[expect(dead_code, reason = "the tests of the web use the rest")]
mod house;

use house::{CHAIR, House, Wanted, metric};
use serde_json::json;
use skinlink::{
    domain::{Region, scan::Phase},
    sim::Truth,
};

const REGIONS: [Region; 5] = [Region::Forehead, Region::Nose, Region::LeftCheek, Region::RightCheek, Region::Chin];

/// Moister everywhere but on the nose, less sebum on the forehead; elasticity does not change.
fn truth() -> Truth {
    let mut truth = Truth::plausible();
    for (region, moisture) in
        [(Region::Forehead, 49.0), (Region::LeftCheek, 57.0), (Region::RightCheek, 55.5), (Region::Chin, 44.5)]
    {
        truth.plant(&metric("moisture"), region, Phase::After, moisture);
    }
    truth.plant(&metric("sebum"), Region::Forehead, Phase::After, 96.0);
    truth
}

/// An abstract face: enough to see where photographs stand.
fn photograph(view: &str, warm: u8) -> Vec<u8> {
    let (width, height) = (1200_u32, 1500_u32);
    let mut pixels = image::RgbImage::from_pixel(width, height, image::Rgb([214, 202, 186]));
    let shift = match view {
        "left" => 90.0,
        "right" => -90.0,
        _ => 0.0,
    };
    for (x, y, pixel) in pixels.enumerate_pixels_mut() {
        let (dx, dy) = ((f64::from(x) - 600.0 - shift) / 400.0, (f64::from(y) - 730.0) / 560.0);
        let inside = dx * dx + dy * dy;
        if inside < 1.0 {
            let shade = 1.0 - 0.22 * inside;
            let tone = |base: u8| (f64::from(base) * shade) as u8;
            *pixel = image::Rgb([tone(236), tone(200 - warm / 2), tone(178 - warm)]);
        }
    }
    let mut jpeg = Vec::new();
    let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, 88);
    image::DynamicImage::ImageRgb8(pixels).write_with_encoder(encoder).expect("room for a picture");
    jpeg
}

async fn photographs(house: &House, visit: &str, phase: Phase, warm: u8) {
    for view in ["front", "left", "right"] {
        let path = format!("/visits/{visit}/captures?phase={phase}&view={view}&camera=salon-camera");
        house.upload(&path, house.version(visit).await, photograph(view, warm)).await.ok();
    }
}

async fn whole_visit(house: &House, name: &str) -> String {
    let visit = house.visit(name).await;
    house.scan(&visit, Phase::Before).await;
    photographs(house, &visit, Phase::Before, 40).await;
    let steps = json!({ "steps": ["清洁", "补水导入", "面膜"] });
    house.post(&format!("/visits/{visit}/steps"), Some(house.version(&visit).await), steps).await.ok();
    house.scan(&visit, Phase::After).await;
    photographs(house, &visit, Phase::After, 10).await;
    house.post(&format!("/visits/{visit}/comparison"), Some(house.version(&visit).await), json!({})).await.ok();
    visit
}

async fn close(house: &House, visit: &str) {
    house.post(&format!("/visits/{visit}/close"), Some(house.version(visit).await), json!({})).await.ok();
}

#[tokio::main]
async fn main() {
    let port = std::env::args().nth(1).map_or(8471, |port| port.parse().expect("a port number"));
    let wanted = Wanted {
        metrics: vec!["moisture", "sebum", "elasticity"],
        regions: REGIONS.to_vec(),
        repeats: 3,
        truth: truth(),
        port,
        ..Wanted::default()
    };
    let house = House::new(wanted).await;
    let compared = whole_visit(&house, "林女士").await;
    println!("report        {}/report/{compared}", house.address);
    if std::env::args().nth(2).as_deref() == Some("compared") {
        println!("chair         {}/station/{CHAIR}", house.address);
        return std::future::pending().await;
    }
    close(&house, &compared).await;
    if std::env::args().nth(2).as_deref() != Some("free") {
        house.building.analyser.set_phase(Phase::Before).await.expect("the analyser runs");
        let customer = json!({ "name": "周女士", "phone": "13900000000", "skin_type": "混合性", "notes": "对果酸敏感，不喜欢热毛巾" });
        let customer = house.post("/customers", None, customer).await.ok().text("/id");
        let opening = json!({ "customer": customer, "station": CHAIR, "beautician": "b-07" });
        let visit = house.post("/visits", None, opening).await.ok().text("/id");
        if std::env::args().nth(2).as_deref() != Some("consent") {
            house.agree(&visit).await;
            let scan = house.begin(&visit, Phase::Before).await;
            for _ in 0..7 {
                house.act(&visit, &scan, "measure", json!({})).await.ok();
            }
            house.building.analyser.press(metric("sebum"), Region::LeftCheek).await.expect("the analyser runs");
        }
    }
    println!("chair         {}/station/{CHAIR}", house.address);
    std::future::pending::<()>().await;
}
