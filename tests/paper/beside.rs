//! What stands on paper beside the numbers: where something changed, what the salon suggests, and the day of the next visit.

use crate::{LANGUAGES, pdf, picture, sheets::whole, text, through};
use skinlink::{
    report::{Lang, days, overlay},
    sync::sheet::Sheet,
};

fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}

/// Pictures in a PDF: sizes in pixels.
fn pictures(pdf: &[u8]) -> Vec<(u32, u32)> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("report.pdf");
    std::fs::write(&file, pdf).expect("writable");
    let listed = through("pdfimages", &["-list", file.to_str().expect("text")], b"");
    let listed = String::from_utf8(listed).expect("text");
    let size = |line: &str| {
        let cells: Vec<&str> = line.split_whitespace().collect();
        (cells.get(2) == Some(&"image")).then(|| (cells[3].parse().expect("pixels"), cells[4].parse().expect("pixels")))
    };
    listed.lines().filter_map(size).collect()
}

/// The page showed where pores went and came; on paper and in the long picture that was left out.
#[tokio::test]
async fn where_something_changed_is_on_paper_with_its_signs_and_decides_nothing() {
    let without = {
        let mut sheet = whole();
        sheet.photographs.iter_mut().for_each(|pair| pair.pair = None);
        sheet
    };
    for (lang, heading) in [(Lang::Zh, "哪里有不同"), (Lang::Hant, "哪裡有不同"), (Lang::En, "Where it differs")]
    {
        let paper = pdf(lang, &whole()).await;
        assert_eq!(pictures(&paper).len(), 8, "six photographs, and two pictures of change");
        let read = text(&paper);
        assert!(read.contains(&plain(heading)) && read.contains(&plain(overlay::no_verdict(lang))), "{lang}: {read}");
        for drawn in skinlink::domain::comparison::Drawn::ALL {
            for key in overlay::key(lang, *drawn) {
                assert!(read.contains(&plain(key.words)), "{lang}: {} is not explained", key.words);
            }
        }
        let paper = pdf(lang, &without).await;
        assert_eq!(pictures(&paper).len(), 6);
        assert!(!text(&paper).contains(&plain(heading)), "{lang}: nothing is explained that is not there");
    }
    let long = async |sheet: &Sheet| {
        let (_, bytes) = picture(Lang::Zh, sheet).await;
        image::load_from_memory(&bytes).expect("a picture").height()
    };
    assert!(long(&whole()).await > long(&without).await + 400, "they are in the long picture too");
}

/// A report told oily skin to come after a week, whatever had been agreed, and nothing of what the salon's rules say.
#[tokio::test]
async fn what_was_agreed_and_what_is_suggested_is_on_paper() {
    for lang in LANGUAGES {
        let read = text(&pdf(lang, &whole()).await);
        assert!(read.contains(&plain(&days::long(lang, "2026-12-05"))), "{lang}: {read}");
        assert!(read.contains("31.6%") && read.contains("35%"), "{lang}: the reading and the limit: {read}");
    }
    let english = text(&pdf(Lang::En, &whole()).await);
    assert!(english.contains("Moisturisingmask") && english.contains("porecleansing"), "{english}");
    assert!(!english.contains("毛孔清洁"), "steps that every salon knows are said in the language of the report");
}
