//! What the long form has found so far, one line a visit, so that a campaign of hours shows how far it is, and goes on where it was
//! stopped. The lines lie under the digest of the program that measured: another program begins anew.

use skinlink::{
    analysis::compare::Drawn,
    domain::comparison::{Refusal, Verdict},
};
use std::{
    collections::HashMap,
    fs::{self, File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::time::Instant;

/// One verdict of a visit.
#[derive(Clone)]
pub struct Item {
    pub metric: String,
    pub verdict: Verdict,
    /// Refused since no colour is known in the picture.
    pub is_without_colour: bool,
}

/// The verdicts of a visit, and all that a tally needs of them.
pub fn items(drawn: &Drawn) -> Vec<Item> {
    let of = drawn.items.iter();
    of.map(|item| Item {
        metric: item.metric.to_string(),
        verdict: item.verdict,
        is_without_colour: item.refusal == Some(Refusal::NoColourReference),
    })
    .collect()
}

/// The visits of one table.
pub struct Kept {
    found: HashMap<u32, Vec<Item>>,
    file: Option<File>,
    name: String,
    of: u32,
    began: Instant,
    measured: u32,
}

impl Kept {
    /// `name`: of the table, its seed in it. Only the long form is kept: the short one is over before anybody stops it.
    pub fn open(name: String, of: u32, is_long: bool) -> Self {
        let path = is_long.then(|| folder().join(format!("{name}.txt")));
        let text = path.as_ref().and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default();
        // A line without its end was being written when the campaign was stopped.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let found: HashMap<u32, Vec<Item>> = whole.lines().filter_map(read).collect();
        let file = path.map(|path| {
            fs::create_dir_all(path.parent().expect("a folder")).expect("a place for what is found");
            fs::write(&path, if whole.is_empty() { String::new() } else { format!("{whole}\n") }).expect("writable");
            OpenOptions::new().append(true).open(&path).expect("writable")
        });
        if !found.is_empty() {
            println!("{name}: {} of {of} visits are there already", found.len());
        }
        Self { found, file, name, of, began: Instant::now(), measured: 0 }
    }

    /// The visit's verdicts; `measure` where they are not there yet.
    pub fn or_measure(&mut self, visit: u32, measure: impl FnOnce() -> Vec<Item>) -> Vec<Item> {
        if let Some(items) = self.found.get(&visit) {
            return items.clone();
        }
        let items = measure();
        self.found.insert(visit, items.clone());
        let Some(file) = &mut self.file else { return items };
        file.write_all(written(visit, &items).as_bytes()).expect("room on the disk");
        self.measured += 1;
        let each = self.began.elapsed() / self.measured;
        let left = each * self.of.saturating_sub(self.found.len() as u32);
        println!(
            "{}: {} of {}, {:.1} s each, {} left",
            self.name,
            self.found.len(),
            self.of,
            each.as_secs_f64(),
            said(left)
        );
        items
    }
}

fn said(left: Duration) -> String {
    let minutes = left.as_secs().div_ceil(60);
    if minutes < 60 { format!("{minutes} min") } else { format!("{} h {} min", minutes / 60, minutes % 60) }
}

fn folder() -> PathBuf {
    let program = fs::read(env!("CARGO_BIN_EXE_skinlink")).expect("the program that measures");
    let digest = hex::encode(openssl::sha::sha256(&program));
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/pairs").join(&digest[..16])
}

/// `12 pores:improved pore-contrast:none redness:not_comparable:colour`
fn written(visit: u32, items: &[Item]) -> String {
    let mut line = visit.to_string();
    for Item { metric, verdict, is_without_colour } in items {
        line.push_str(&format!(" {metric}:{verdict}{}", if *is_without_colour { ":colour" } else { "" }));
    }
    line + "\n"
}

fn read(line: &str) -> Option<(u32, Vec<Item>)> {
    let mut words = line.split(' ');
    let visit = words.next()?.parse().ok()?;
    let item = |word: &str| {
        let mut parts = word.split(':');
        let (metric, verdict) = (parts.next()?.to_owned(), parts.next()?.parse().ok()?);
        Some(Item { metric, verdict, is_without_colour: parts.next() == Some("colour") })
    };
    Some((visit, words.map(item).collect::<Option<Vec<Item>>>()?))
}

#[test]
fn what_was_found_reads_back() {
    let item =
        |metric: &str, verdict, is_without_colour| Item { metric: metric.to_owned(), verdict, is_without_colour };
    let items = [
        item("pores", Verdict::Improved, false),
        item("redness", Verdict::NotComparable, true),
        item("pores", Verdict::None, false),
    ];
    let line = written(12, &items);
    let (visit, again) = read(line.trim_end()).expect("a line");
    assert_eq!((visit, written(visit, &again)), (12, line.clone()));
    assert!(read("12 pores").is_none() && read("").is_none(), "what was cut short is measured anew");
}
