//! A customer's report on paper: from data, where every word and drawing stands already, to a PDF (A4, tagged, with text that
//! can be selected) and to one long picture. One template, `report.typ`, lays both out.
//!
//! Reads no file but the fonts, opens no socket, knows no clock: the same data give the same bytes. A character that no font here
//! can write fails the whole report, by name; nothing is left blank. Text goes in as data and never as markup.
//!
//! Layout takes tens of megabytes that are kept for the next time, so this runs in a process of its own that ends with
//! its one report (`skinlink-paper`).

mod encode;
mod fonts;
mod world;

pub use fonts::Fonts;

use serde_json::Value;
use typst::{
    diag::SourceDiagnostic,
    layout::{Frame, FrameItem},
    text::TextItem,
};
use typst_layout::PagedDocument;
use typst_pdf::{PdfOptions, PdfStandard, PdfStandards};
use world::Desk;

/// What a report becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Pdf,
    Picture,
}

/// A report that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// `application/pdf`, `image/jpeg` or `image/png`.
    pub kind: &'static str,
    pub bytes: Vec<u8>,
}

/// What a report is made of.
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
    /// As `report.typ` reads it.
    pub data: &'a Value,
    /// JPEG, PNG or SVG, by the names that the data give them.
    pub pictures: &'a [(String, Vec<u8>)],
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("the fonts cannot be read: {path}: {reason}; install the package again, or run scripts/setup.sh")]
    Fonts { path: String, reason: String },
    #[error("no font here can write {}; write the salon's name and the treatment steps without it", named(.0))]
    Unwritable(Vec<char>),
    #[error("the report could not be laid out: {0}")]
    Layout(String),
    #[error("the long picture could not be written: {0}")]
    Picture(String),
}

/// `𓀀 (U+13000), 𓀁 (U+13001)`
fn named(characters: &[char]) -> String {
    let name = |c: &char| format!("{c} (U+{:04X})", u32::from(*c));
    characters.iter().take(8).map(name).collect::<Vec<_>>().join(", ")
}

/// Makes the report in `form`.
///
/// # Errors
/// [`Fault`]; it names what the salon wrote only where that cannot be written.
pub fn make(fonts: &Fonts, form: Form, order: Order<'_>) -> Result<Made, Fault> {
    let made = laid_out(fonts, form, order).and_then(|document| match form {
        Form::Pdf => pdf(&document),
        Form::Picture => encode::picture(&document, order.pictures.is_empty()),
    });
    // What was remembered for the next time would grow with every new photograph.
    typst::comemo::evict(0);
    made
}

/// The words of the report in `form` in the order in which they are set: a picture cannot be read back.
///
/// # Errors
/// As [`make`].
pub fn words(fonts: &Fonts, form: Form, order: Order<'_>) -> Result<String, Fault> {
    let mut words = String::new();
    for page in laid_out(fonts, form, order)?.pages() {
        visit(&page.frame, &mut |text| words.push_str(&text.text));
    }
    typst::comemo::evict(0);
    Ok(words)
}

fn laid_out(fonts: &Fonts, form: Form, order: Order<'_>) -> Result<PagedDocument, Fault> {
    let text = order.data.to_string();
    let headline = order.data["headline"].as_str().unwrap_or_default();
    let faces = fonts.for_text(&text, headline)?;
    let desk = Desk::new(faces, form, text, order.pictures);
    let document = typst::compile::<PagedDocument>(&desk).output.map_err(|faults| Fault::Layout(told(&faults)))?;
    // What was remembered while it was laid out would only lie beside what is drawn now.
    typst::comemo::evict(0);
    let mut blank = Vec::new();
    for page in document.pages() {
        visit(&page.frame, &mut |text| unwritten(text, &mut blank));
    }
    if blank.is_empty() { Ok(document) } else { Err(Fault::Unwritable(blank)) }
}

fn pdf(document: &PagedDocument) -> Result<Made, Fault> {
    // What a screen reader needs is made sure of while the file is written: it fails rather than come out without.
    let standards =
        PdfStandards::new(&[PdfStandard::Ua_1]).map_err(|fault| Fault::Layout(fault.message().to_string()))?;
    let options = PdfOptions { standards, ..PdfOptions::default() };
    let bytes = typst_pdf::pdf(document, &options).map_err(|faults| Fault::Layout(told(&faults)))?;
    Ok(Made { kind: "application/pdf", bytes })
}

fn told(faults: &[SourceDiagnostic]) -> String {
    faults.iter().map(|fault| fault.message.as_str()).collect::<Vec<_>>().join("; ")
}

/// Every run of text in a frame.
fn visit(frame: &Frame, told: &mut impl FnMut(&TextItem)) {
    for (_, item) in frame.items() {
        match item {
            FrameItem::Group(group) => visit(&group.frame, told),
            FrameItem::Text(text) => told(text),
            _ => {}
        }
    }
}

/// Adds the characters for which a font showed its blank box.
fn unwritten(text: &TextItem, blank: &mut Vec<char>) {
    for glyph in text.glyphs.iter().filter(|glyph| glyph.id == 0) {
        for c in text.text.get(glyph.range()).unwrap_or_default().chars() {
            if !blank.contains(&c) {
                blank.push(c);
            }
        }
    }
}
