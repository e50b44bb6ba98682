//! Nothing is left blank. A subset of the usual 6,763 characters once left 喆, 玥 and 堃 out of people's names without a word.

use crate::{made_by_setup, pdf, sheets::whole, text, tried};
use skinlink::{
    report::{Lang, order::Form},
    sync::sheet::{Label, Sheet},
};
use std::collections::BTreeSet;

/// A report with `characters` in the salon's own words, forty to a step.
fn with(characters: &[char]) -> Sheet {
    let steps = characters.chunks(40).map(|some| some.iter().collect()).collect();
    Sheet { steps, photographs: Vec::new(), items: Vec::new(), tested: 0, ..whole() }
}

/// What a PDF reader does not find of `list` in a report that was written with it.
async fn lost(lang: Lang, list: &str) -> (usize, Vec<char>) {
    let characters: Vec<char> = list.chars().filter(|c| !c.is_whitespace()).collect();
    let read: BTreeSet<char> = text(&pdf(lang, &with(&characters)).await).chars().collect();
    (characters.len(), characters.into_iter().filter(|c| !read.contains(c)).collect())
}

#[tokio::test]
async fn every_standard_and_every_frequent_traditional_character_is_written_and_can_be_read_again() {
    assert_eq!(lost(Lang::Zh, &made_by_setup("standard.txt")).await, (8105, vec![]));
    let (count, lost) = lost(Lang::Hant, &made_by_setup("traditional.txt")).await;
    assert!(count >= 5401, "the first level of Big5 has 5,401 characters, here are {count}");
    assert_eq!(lost, Vec::<char>::new());
}

#[tokio::test]
async fn names_of_every_script_of_a_salon_are_written() {
    // Beyond the lists: second level of Big5, rare names, kana, Korean, Arabic, Hebrew, Thai, Hindi, Cyrillic, emoji.
    for name in [
        "喆玥堃昇珺瑄",
        "龘靐齉爩",
        "さくら",
        "김민준",
        "محمد",
        "שרה",
        "สมชาย",
        "प्रिया",
        "Наталья",
        "Zoë Łukasz",
        "💧🌸",
    ] {
        let salon = Label { zh: name.into(), en: name.into() };
        let sheet = Sheet { salon, steps: vec![name.into()], photographs: Vec::new(), ..whole() };
        let papers = tried(Lang::Zh, &sheet, &[Form::Pdf, Form::Picture]).await;
        let papers = papers.unwrap_or_else(|fault| panic!("{name}: {fault}"));
        let read = text(&papers[0].1);
        // Scripts from right to left come back in the order in which they stand on the page.
        let there = |c: char| c.is_whitespace() || read.contains(c);
        assert!(name.chars().all(there), "{name} is not in {read}");
    }
}

#[tokio::test]
async fn a_character_that_no_font_writes_fails_the_report_by_name() {
    for (name, said) in [("\u{13000}馆", "U+13000"), ("店\u{e000}", "U+E000")] {
        let sheet = Sheet { steps: vec![name.into()], ..whole() };
        for form in [Form::Pdf, Form::Picture] {
            let fault = tried(Lang::Zh, &sheet, &[form]).await.expect_err("nothing can write it").to_string();
            assert!(fault.contains(said) && fault.contains("treatment steps"), "{fault}");
        }
    }
}
