//! Reports on paper: the real program that makes them, its PDF read with poppler, its pictures decoded. Every character that a
//! salon may write, every odd visit, the same values as in the other forms, what they look like, and what they cost.

mod beside;
mod edges;
mod fhir;
mod glyphs;
mod looks;
mod same;
mod sheets;
mod sizes;

use skinlink::{
    desk::{self, Press, Unmade},
    report::{Lang, order::Form},
    sync::{image_lane::Role, sheet::Sheet},
};
use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

pub(crate) const LANGUAGES: [Lang; 3] = [Lang::Zh, Lang::Hant, Lang::En];

pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn press() -> Press {
    Press::new(env!("CARGO_BIN_EXE_skinlink-paper").into())
}

/// A photograph of a rendered face, by its name among the samples; of a pair by its view and its role.
fn photograph(name: &str, role: Role) -> Option<(&'static str, Vec<u8>)> {
    let view = name.split('-').next().unwrap_or_default();
    let name = match role {
        role if role.is_of_a_pair() => format!("{view}-{}", role.as_str().replace('_', "-")),
        _ => name.to_owned(),
    };
    std::fs::read(root().join("docs/report").join(format!("{name}.jpg"))).ok().map(|bytes| ("image/jpeg", bytes))
}

pub(crate) async fn tried(lang: Lang, sheet: &Sheet, forms: &[Form]) -> Result<Vec<desk::Paper>, Unmade> {
    let picture = async |name: String, role: Role| Ok(photograph(&name, role));
    desk::made(&press(), lang, sheet, forms.to_vec(), picture).await
}

pub(crate) async fn pdf(lang: Lang, sheet: &Sheet) -> Vec<u8> {
    let papers = tried(lang, sheet, &[Form::Pdf]).await.unwrap_or_else(|fault| panic!("{lang}: {fault}"));
    let [(kind, bytes)] = papers.try_into().expect("one form");
    assert_eq!(kind, "application/pdf");
    bytes
}

/// Its type and bytes.
pub(crate) async fn picture(lang: Lang, sheet: &Sheet) -> (String, Vec<u8>) {
    let papers = tried(lang, sheet, &[Form::Picture]).await.unwrap_or_else(|fault| panic!("{lang}: {fault}"));
    let [paper] = papers.try_into().expect("one form");
    paper
}

/// What `program` answers to `input`.
pub(crate) fn through(program: &str, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|fault| panic!("{program} (scripts/setup.sh installs it): {fault}"));
    let mut pipe = child.stdin.take().expect("piped");
    let output = std::thread::scope(|scope| {
        scope.spawn(move || pipe.write_all(input));
        child.wait_with_output().expect("it ends")
    });
    assert!(output.status.success(), "{program} {arguments:?}: {}", output.status);
    output.stdout
}

/// The text of a PDF in the order in which it was written, without spaces and line ends.
pub(crate) fn text(pdf: &[u8]) -> String {
    let text = through("pdftotext", &["-raw", "-", "-"], pdf);
    String::from_utf8_lossy(&text).chars().filter(|c| !c.is_whitespace()).collect()
}

/// Where setup puts the fonts.
pub(crate) fn fonts() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_skinlink-paper")).parent().expect("a folder").join("../fonts")
}

/// A list that setup makes beside the fonts.
pub(crate) fn made_by_setup(file: &str) -> String {
    let path = fonts().join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|fault| panic!("{} (run scripts/setup.sh): {fault}", path.display()))
}
