//! Pixels stay out of the daemon: it takes a photograph in, keeps it and hands it over as bytes.

use crate::house::{House, project};
use image::{ExtendedColorType, ImageEncoder, codecs::jpeg::JpegEncoder, imageops::FilterType};
use std::fs;

/// A decoded photograph of this size takes 36 MiB at one byte for each colour.
const SIZE: [u32; 2] = [3000, 4000];

/// Bytes of the photograph itself, of the wire and of the database's cache; no room for pixels.
const MOST_MIB: u64 = 24;

/// The demonstration's customer at twelve megapixels, with the anchors of that view.
fn photograph() -> (Vec<u8>, [[f64; 2]; 2]) {
    let folder = project().join("target/demo-photos");
    let small = image::open(folder.join("before/left.jpg")).expect("`make setup` renders it").into_rgb8();
    let planted: serde_json::Value = serde_json::from_slice(&fs::read(folder.join("planted.json")).unwrap()).unwrap();
    let photos = planted["photos"].as_array().unwrap();
    let photo = photos.iter().find(|photo| photo["phase"] == "before" && photo["view"] == "left").unwrap();
    let anchors: [[f64; 2]; 2] = serde_json::from_value(photo["anchors"].clone()).unwrap();
    let [width, height] = SIZE;
    let large = image::imageops::resize(&small, width, height, FilterType::CatmullRom);
    let scale = [f64::from(width) / f64::from(small.width()), f64::from(height) / f64::from(small.height())];
    let mut bytes = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut bytes, 92);
    encoder.write_image(&large, width, height, ExtendedColorType::Rgb8).unwrap();
    (bytes, anchors.map(|[x, y]| [x * scale[0], y * scale[1]]))
}

/// `VmRSS` or `VmHWM` of a process.
fn mib(process: u32, what: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(what)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

/// A photograph of twelve megapixels goes through the gates and all measures while the daemon's own memory stays what it was, at its highest
/// moment too. The first one is taken beforehand: it opens files and fills caches.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_photograph_of_twelve_megapixels_leaves_the_daemons_memory_alone() {
    let house = House::open().await;
    let (visit, scan) = house.scans("大图").await;
    house.scan(&visit, &scan, "pause").await;
    let (picture, anchors) = photograph();
    let daemon = house.daemon.as_ref().unwrap().id().unwrap();
    let own = house.model_in_use().await;
    assert_eq!(house.photographs(&visit, picture.clone(), anchors).await, std::slice::from_ref(&own));
    // What was highest so far is forgotten.
    fs::write(format!("/proc/{daemon}/clear_refs"), "5").unwrap();
    let before = mib(daemon, "VmRSS:");
    for _ in 0..3 {
        assert_eq!(house.photographs(&visit, picture.clone(), anchors).await, std::slice::from_ref(&own));
    }
    let (highest, after) = (mib(daemon, "VmHWM:"), mib(daemon, "VmRSS:"));
    println!(
        "{} kB each: the daemon held {before} MiB before, {highest} at most, {after} afterwards",
        picture.len() / 1000
    );
    assert!(highest <= before + MOST_MIB, "{before} MiB before, {highest} at most: are there pixels in the daemon?");
}
