//! Every wording in three languages: the table of traditional Chinese is held against the sources, not against itself.

use skinlink::report::traditional;
use std::{
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            files(&path, ending, found);
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
}

fn all(folder: &str, ending: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    files(&root().join(folder), ending, &mut found);
    assert!(!found.is_empty(), "nothing ends with {ending} under {folder}");
    found.into_iter().map(|path| (path.clone(), fs::read_to_string(&path).expect("text"))).collect()
}

fn is_chinese(text: &str) -> bool {
    text.chars().any(|c| ('\u{3400}'..='\u{9fff}').contains(&c))
}

/// The string literals of Rust source or of a template's calls, without comments and unit tests.
fn literals(text: &str) -> Vec<String> {
    let code = text.split("#[cfg(test)]\nmod").next().unwrap_or_default();
    let lines: Vec<&str> = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let code = lines.join("\n");
    let mut found = Vec::new();
    let mut rest = code.as_str();
    while let Some(at) = rest.find('"') {
        let mut literal = String::new();
        let mut chars = rest[at + 1..].char_indices();
        let end = loop {
            match chars.next() {
                Some((end, '"')) => break Some(end),
                Some((_, '\\')) => match chars.next() {
                    Some((_, '\n')) => {
                        let blanks = chars.as_str().len() - chars.as_str().trim_start().len();
                        for _ in 0..blanks {
                            chars.next();
                        }
                    }
                    Some((_, 'n')) => literal.push('\n'),
                    Some((_, c)) => literal.push(c),
                    None => break None,
                },
                Some((_, c)) => literal.push(c),
                None => break None,
            }
        };
        let Some(end) = end else { break };
        found.push(literal);
        rest = &rest[at + 1 + end + 1..];
    }
    found
}

#[test]
fn every_chinese_wording_has_its_traditional_form() {
    let sources =
        ["src/web", "src/report", "src/desk", "src/hq/office"].into_iter().flat_map(|folder| all(folder, ".rs"));
    let sources = sources.filter(|(path, _)| {
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        // What a language calls itself is said in no other.
        !name.starts_with("traditional") && name != "language.rs" && !name.ends_with("_tests.rs")
    });
    let mut checked = 0;
    let mut missing = Vec::new();
    let templates = all("templates", ".html").into_iter().flat_map(|(path, text)| {
        let calls: Vec<&str> = text.split(".t(").skip(1).chain(text.split(".pick(").skip(1)).collect();
        let firsts: Vec<String> = calls.iter().filter_map(|call| literals(call).into_iter().next()).collect();
        firsts.into_iter().map(move |said| (path.clone(), said)).collect::<Vec<_>>()
    });
    let code = sources.flat_map(|(path, text)| literals(&text).into_iter().map(move |said| (path.clone(), said)));
    // What has a gap is put together at run time and turned as a sentence.
    for (path, said) in code.chain(templates).filter(|(_, said)| is_chinese(said) && !said.contains('{')) {
        checked += 1;
        if traditional::of(&said).is_none() {
            missing.push(format!("{}: {said}", path.display()));
        }
    }
    assert!(checked > 250, "only {checked} wordings were found: the walk is broken");
    assert!(missing.is_empty(), "add these to src/report/traditional_words.rs:\n{}", missing.join("\n"));
}

/// What nobody says any more would be kept in two scripts for ever.
#[test]
fn the_table_holds_no_wording_that_nobody_says() {
    let folders =
        [("src", ".rs"), ("src", ".js"), ("templates", ".html"), ("config", ".toml"), ("firmware-protocols", ".toml")];
    let mut said = String::new();
    for (path, text) in folders.into_iter().flat_map(|(folder, ending)| all(folder, ending)) {
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        if !name.starts_with("traditional") {
            let lines: Vec<&str> = text.split("\\\n").map(str::trim_start).collect();
            said += &lines.concat();
        }
    }
    let dead: Vec<&str> = traditional::wordings().filter(|zh| !said.contains(&format!("\"{zh}\""))).collect();
    assert!(dead.is_empty(), "take these out of src/report/traditional_*.rs: {dead:#?}");
}

#[test]
fn the_names_of_metrics_have_their_traditional_form() {
    let metrics = crate::house::metrics();
    let missing: Vec<&str> =
        metrics.iter().map(|m| m.label.zh.as_str()).filter(|zh| traditional::of(zh).is_none()).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// A page that mixes both scripts looks careless: no simplified character that has a traditional form may be left in one.
#[test]
fn a_sentence_put_together_leaves_no_simplified_character() {
    for sentence in [
        "连不上总部：37 条记录在等候，什么都不会丢。可以照常工作。",
        "PIN 多次输错，请 3 分钟后再试，或请店长重设。",
        "探头轻贴左颊，测水分",
        "填写的内容无法识别：name",
        "现在的状态（finished）不能做这个操作。",
    ] {
        let turned = traditional::sentence(sentence);
        for c in "连总录么轻颊测识别现状这个设长钟输错试".chars() {
            assert!(!turned.contains(c), "{turned}: {c}");
        }
    }
}

/// In scripts a wording stands in three languages where it is said: three texts, none of them empty.
#[test]
fn scripts_say_everything_three_times() {
    let mut checked = 0;
    for (path, text) in all("src/web/assets", ".js") {
        for call in text.split("say(").skip(1).filter(|call| call.trim_start().starts_with('\'')) {
            let mut texts = Vec::new();
            let mut rest = call.trim_start();
            while let Some(inside) = rest.strip_prefix('\'') {
                let mut end = 0;
                let bytes = inside.as_bytes();
                while bytes[end] != b'\'' {
                    end += if bytes[end] == b'\\' { 2 } else { 1 };
                }
                texts.push(&inside[..end]);
                rest = inside[end + 1..].trim_start().trim_start_matches(',').trim_start();
            }
            checked += 1;
            let place = format!("{}: {texts:?}", path.display());
            assert_eq!(texts.len(), 3, "{place}");
            assert!(texts.iter().all(|text| !text.is_empty()), "{place}");
            assert!(!is_chinese(texts[2]), "{place}");
        }
    }
    assert!(checked > 15, "only {checked} were found");
}
