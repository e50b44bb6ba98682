//! What a report on paper costs, and that what it cost is given back.

use crate::{pdf, photograph, picture, press, root, sheets::whole};
use skinlink::{
    desk::{self, Press},
    report::{
        Lang,
        order::Form,
        paper::{Shown, data},
    },
    sync::image_lane::Role,
};
use std::{
    fs,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

/// Reports here; `SKINLINK_PAPERS=200` makes so many.
const REPORTS: usize = 6;

/// What all four forms of a visit may take beside the gateway; bytes.
const MOST: u64 = 120_000_000;

/// Pages that this process holds now; bytes.
fn held() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").expect("this process");
    let pages: u64 = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("a count of pages");
    pages * 4096
}

#[tokio::test]
async fn memory_is_given_back_and_stays_flat_over_many_reports() {
    let reports = std::env::var("SKINLINK_PAPERS").ok().and_then(|n| n.parse().ok()).unwrap_or(REPORTS);
    let (sheet, press) = (whole(), press());
    let picture = async |name: String, role: Role| Ok(photograph(&name, role));
    let made = async || desk::made(&press, Lang::Zh, &sheet, vec![Form::Pdf, Form::Picture], picture).await;
    // The first fills what a process fills once.
    made().await.expect("a report");
    let before = held();
    for _ in 0..reports {
        made().await.expect("a report");
    }
    let (grown, child) = (held().saturating_sub(before), press.most_held());
    println!("{reports} reports: this process grew by {grown} bytes, the largest of the makers held {child}");
    assert!(grown < 4_000_000, "{grown} bytes were not given back after {reports} reports");
    assert!(child > 0 && child < MOST, "one report took {child} bytes");
}

#[tokio::test]
async fn a_report_with_six_photographs_is_small_and_the_same_each_time() {
    let sheet = whole();
    assert_eq!(sheet.photographs.len(), 3, "three pairs");
    let paper = pdf(Lang::Zh, &sheet).await;
    assert_eq!(paper, pdf(Lang::Zh, &sheet).await, "the same visit is the same file");
    let (kind, long) = picture(Lang::Zh, &sheet).await;
    assert_eq!(kind, "image/jpeg", "with photographs");
    assert!(long.len() <= 2_500_000 && paper.len() <= 2_500_000, "{} and {} bytes", long.len(), paper.len());
}

/// Twenty customers who asked at once held the photographs of twenty reports while one of them was being made.
#[tokio::test]
async fn whoever_waits_for_the_press_holds_no_photograph() {
    let (press, sheet, asked) = (press(), whole(), AtomicUsize::new(0));
    let picture = async |name: String, role: Role| {
        asked.fetch_add(1, Ordering::Relaxed);
        Ok(photograph(&name, role))
    };
    let turn = press.turn().await.expect("nobody else is there");
    let made = desk::made(&press, Lang::Zh, &sheet, vec![Form::Pdf], picture);
    tokio::pin!(made);
    let waited = tokio::time::timeout(Duration::from_millis(300), &mut made).await;
    assert!(waited.is_err() && asked.load(Ordering::Relaxed) == 0, "{asked:?} photographs were read in the line");
    drop(turn);
    made.await.expect("its turn");
    assert_eq!(asked.load(Ordering::Relaxed), 8, "three pairs, and where the first one differs");
}

/// What `press` says to a report without photographs.
async fn fault(press: &Press) -> String {
    let turn = match press.turn().await {
        Ok(turn) => turn,
        Err(fault) => return fault.to_string(),
    };
    let data = data(Lang::Zh, &whole(), None, &[]);
    turn.make(vec![Form::Pdf], data, vec![]).await.expect_err("it makes nothing").to_string()
}

#[tokio::test]
async fn a_maker_that_is_not_there_dies_falls_silent_or_talks_for_ever_is_an_error_that_says_what_to_do() {
    let nowhere = Press::new("/nowhere/skinlink-paper".into());
    assert!(!nowhere.is_there());
    let said = fault(&nowhere).await;
    assert!(said.contains("/nowhere/skinlink-paper") && said.contains("install"), "{said}");
    let said = fault(&Press::new("/bin/false".into())).await;
    assert!(said.contains("without an answer") && said.contains("install"), "{said}");
    let said = fault(&Press::new("/usr/bin/yes".into())).await;
    assert!(said.contains("more than may be said at once"), "{said}");
    let silent = Press::new(root().join("tests/paper/silent"));
    let said = fault(&silent).await;
    assert!(said.contains("longer than 20 s") && said.contains("again"), "{said}");
}

#[tokio::test]
async fn a_picture_that_is_none_or_larger_than_memory_fails_its_report_and_no_other() {
    let (press, sheet) = (press(), whole());
    let tried = async |logo: Option<&str>, shown: &[Shown], files: Vec<(String, Vec<u8>)>| {
        let data = data(Lang::Zh, &sheet, logo, shown);
        let turn = press.turn().await.expect("nobody else is there");
        turn.make(vec![Form::Pdf, Form::Picture], data, files).await.map(|_| ())
    };
    let shown = Shown { at: 0, before: Some("0-before.jpg".into()), after: None, changes: Vec::new() };
    let broken = vec![("0-before.jpg".to_owned(), b"\xff\xd8 and then nothing".to_vec())];
    tried(None, &[shown], broken).await.expect_err("it is no photograph");
    tried(Some("logo.png"), &[], vec![("logo.png".to_owned(), vast())]).await.expect_err("it is larger than memory");
    tried(None, &[], vec![]).await.expect("the next one");
}

/// A PNG that says it is 20,000 × 20,000 pixels: 1.6 gigabytes decoded.
fn vast() -> Vec<u8> {
    let mut small = std::io::Cursor::new(Vec::new());
    image::RgbaImage::new(8, 8).write_to(&mut small, image::ImageFormat::Png).expect("in memory");
    let mut bytes = small.into_inner();
    // Width and height stand in the first chunk, then its checksum.
    for at in [16, 20] {
        bytes[at..at + 4].copy_from_slice(&20_000_u32.to_be_bytes());
    }
    let sum = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&sum.to_be_bytes());
    bytes
}
