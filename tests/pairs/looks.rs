//! Who looked at the annotated face, and when: there is one, and whoever chooses by it has nothing left to be judged on. Every look of the
//! long form is a line of `models/looks.tsv`, which is kept with the project.

use crate::{bench, inference::root};
use std::{
    fs::{self, OpenOptions},
    io::Write as _,
};

/// Day, digest of the program that measures, digest of the model, test.
pub fn written_down(test: &str) {
    let path = root().join("models/looks.tsv");
    let program = fs::read(env!("CARGO_BIN_EXE_skinlink")).expect("the program under test");
    let program = hex::encode(openssl::sha::sha256(&program));
    let day: String = skinlink::clock::now().wall.to_string().chars().take(10).collect();
    let line = format!("{day}\t{}\t{}\t{test}\n", &program[..12], &bench::manifest().sha256[..12]);
    // Never made anew: a list that begins again would say less than none.
    let file = OpenOptions::new().append(true).open(&path);
    let put = file.and_then(|mut file| file.write_all(line.as_bytes()));
    put.unwrap_or_else(|fault| panic!("{}: {fault}; no look without its line", path.display()));
}
