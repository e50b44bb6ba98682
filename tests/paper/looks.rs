//! What the papers look like, held against approved pictures in `docs/report`. `SKINLINK_WRITE_SAMPLES=1` writes those anew: look at
//! them then.

use crate::{LANGUAGES, pdf, picture, root, sheets::whole, through};
use image::{DynamicImage, GrayImage, imageops::FilterType};
use skinlink::{report::Lang, sync::sheet::Sheet};
use std::fs;

/// Resolution of the approved pages: enough to read them.
const DPI: &str = "112";

/// Pages and long pictures are held against each other at a fourth and a third of their sizes: enough to see a line that moved.
const SHRINK: [u32; 2] = [4, 3];

/// Side of a tile; pixels of what is held against each other.
const TILE: u32 = 4;

/// Where two pictures differ most: the mean difference of the worst tile, 0 to 255. Both are blurred a little first, so that a
/// shape's edge may be smoothed in another way, but may not stand elsewhere.
fn difference(a: &DynamicImage, b: &DynamicImage, shrink: u32) -> f64 {
    let small = |one: &DynamicImage| -> GrayImage {
        one.resize_exact(a.width() / shrink, a.height() / shrink, FilterType::Triangle).to_luma8()
    };
    let (left, right) = (small(a), small(b));
    let tile = TILE;
    let mut worst = 0.0_f64;
    for top in (0..left.height()).step_by(tile as usize) {
        for start in (0..left.width()).step_by(tile as usize) {
            let inside = (top..(top + tile).min(left.height()))
                .flat_map(|y| (start..(start + tile).min(left.width())).map(move |x| (x, y)));
            let (mut sum, mut count) = (0.0, 0.0);
            for (x, y) in inside {
                sum += f64::from(left.get_pixel(x, y)[0].abs_diff(right.get_pixel(x, y)[0]));
                count += 1.0;
            }
            worst = worst.max(sum / count);
        }
    }
    worst
}

/// Smoothing and JPEG move a tile by four at most (another version of poppler was not tried); one digit that changes, by twenty and more.
const ALIKE: f64 = 9.0;

/// Pages of a PDF, from poppler.
fn pages(paper: &[u8]) -> Vec<DynamicImage> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("report.pdf");
    fs::write(&file, paper).expect("writable");
    let name = |path: &std::path::Path| path.to_str().expect("text").to_owned();
    through("pdftoppm", &["-r", DPI, "-png", &name(&file), &name(&folder.path().join("page"))], b"");
    let mut files: Vec<_> = fs::read_dir(folder.path())
        .expect("readable")
        .map(|entry| entry.expect("readable").path())
        .filter(|path| path.extension().is_some_and(|end| end == "png"))
        .collect();
    files.sort();
    files.iter().map(|file| image::open(file).expect("a page")).collect()
}

/// The picture half as large: as wide as a telephone shows it.
async fn long(lang: Lang, sheet: &Sheet) -> DynamicImage {
    let (_, bytes) = picture(lang, sheet).await;
    let whole = image::load_from_memory(&bytes).expect("a picture");
    whole.resize_exact(whole.width() / 2, whole.height() / 2, FilterType::Triangle)
}

#[tokio::test]
async fn papers_look_as_they_were_approved() {
    let (mut wrong, mut seen) = (Vec::new(), Vec::new());
    for lang in LANGUAGES {
        let mut found: Vec<(String, DynamicImage)> = pages(&pdf(lang, &whole()).await)
            .into_iter()
            .enumerate()
            .map(|(at, page)| (format!("paper-{}-{}.jpg", lang.tag(), at + 1), page))
            .collect();
        found.push((format!("picture-{}.jpg", lang.tag()), long(lang, &whole()).await));
        for (name, picture) in found {
            let path = root().join("docs/report").join(&name);
            if std::env::var_os("SKINLINK_WRITE_SAMPLES").is_some() {
                let mut file = fs::File::create(&path).expect("writable");
                let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut file, 85);
                picture.to_rgb8().write_with_encoder(encoder).expect("writable");
            }
            seen.push(name.clone());
            let Ok(approved) = image::open(&path) else {
                wrong.push(format!("{name}: nobody has approved it"));
                continue;
            };
            let same_size = (approved.width(), approved.height()) == (picture.width(), picture.height());
            let shrink = SHRINK[usize::from(name.starts_with("picture-"))];
            let apart = if same_size { difference(&approved, &picture, shrink) } else { 255.0 };
            if apart > ALIKE {
                wrong.push(format!("{name}: a place differs by {apart:.1}"));
            }
        }
    }
    // A page that is not made any more would stay for ever.
    let there = fs::read_dir(root().join("docs/report")).expect("the samples");
    let there = there.map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned());
    let ours = |name: &String| name.starts_with("paper-") || name.starts_with("picture-");
    wrong
        .extend(there.filter(ours).filter(|name| !seen.contains(name)).map(|name| format!("{name}: nothing makes it")));
    assert!(wrong.is_empty(), "write them with SKINLINK_WRITE_SAMPLES=1 and look at them: {wrong:#?}");
}

/// The comparison above must see what a reader would: one digit, one verdict, one photograph.
#[tokio::test]
async fn one_digit_one_verdict_and_one_photograph_are_seen() {
    let approved = pages(&pdf(Lang::Zh, &whole()).await).remove(0);
    let mut digit = whole();
    digit.items[0].before = Some(34.9);
    let mut verdict = whole();
    verdict.items[0].verdict = "none".into();
    let mut photograph = whole();
    photograph.photographs[1].after = photograph.photographs[2].after.clone();
    for (what, sheet) in [("digit", digit), ("verdict", verdict), ("photograph", photograph)] {
        let apart = difference(&approved, &pages(&pdf(Lang::Zh, &sheet).await).remove(0), SHRINK[0]);
        assert!(apart > ALIKE, "{what}: {apart:.1} goes unseen");
    }
}
