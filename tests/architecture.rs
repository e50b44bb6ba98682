//! The arrows of the house: reads every `crate::` path in `src/` and fails on any that points the wrong way; keeps files
//! small and pure modules pure.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// Who may name whom. `clock`, `faults`, `folding`, `doorway` and `seal` are leaves for impure code; a module may always name itself.
const ARROWS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("clock", &["domain"]),
    ("faults", &[]),
    ("seal", &[]),
    ("folding", &[]),
    ("doorway", &[]),
    ("sync", &["domain"]),
    ("protocol", &["domain"]),
    ("analysis", &["domain"]),
    ("report", &["analysis", "sync", "domain"]),
    ("config", &["domain", "sync"]),
    ("ports", &["analysis", "sync", "domain"]),
    ("store", &["sync", "domain", "clock", "faults", "folding", "seal"]),
    ("adapters", &["ports", "protocol", "analysis", "sync", "config", "domain", "clock", "faults"]),
    ("sim", &["ports", "protocol", "analysis", "sync", "config", "domain", "clock"]),
    ("worker", &["adapters", "analysis", "config", "domain", "clock", "faults"]),
    ("tasks", &["ports", "store", "protocol", "analysis", "sync", "config", "domain", "clock", "faults", "seal"]),
    ("desk", &["report", "sync", "domain", "clock", "doorway"]),
    ("web", &["tasks", "store", "desk", "report", "analysis", "config", "domain", "clock", "faults", "doorway"]),
    (
        "hq",
        &[
            "adapters", "ports", "desk", "report", "analysis", "config", "sync", "domain", "clock", "faults",
            "folding", "seal", "doorway",
        ],
    ),
];

/// The composition roots may name everything.
const ROOTS: &[&str] = &["app", "main", "cli", "lib", "bin"];

/// Without tokio, file, socket or clock.
const PURE: &[&str] = &["domain", "sync", "protocol", "analysis", "report", "config"];

const FORBIDDEN_IN_PURE: &[&str] = &[
    "tokio::",
    "std::fs",
    "std::net",
    "std::process",
    "std::env",
    "SystemTime",
    "Instant::now",
    "std::thread",
    "rusqlite",
    "axum",
];

#[test]
fn arrows_point_one_way() {
    let mut wrong = Vec::new();
    for file in sources() {
        let from = module_of(&file);
        if ROOTS.contains(&from.as_str()) {
            continue;
        }
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == from) else {
            wrong.push(format!("{}: module {from:?} has no line in the table of arrows", file.display()));
            continue;
        };
        for (line, to) in crate_paths(&read(&file)) {
            if to != from && !allowed.contains(&to.as_str()) {
                wrong.push(format!("{}:{line}: {from} names crate::{to}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "arrows that point the wrong way:\n{}", wrong.join("\n"));
}

#[test]
fn pure_modules_touch_nothing_outside() {
    let mut wrong = Vec::new();
    let pure = sources().into_iter().filter(|file| PURE.contains(&module_of(file).as_str()));
    for file in pure.chain(sources_of("pixels/src")) {
        let text = read(&file);
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        for (at, line) in code.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
            for word in FORBIDDEN_IN_PURE.iter().filter(|word| line.contains(**word)) {
                wrong.push(format!("{}:{}: {word}", file.display(), at + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "impure words in pure modules:\n{}", wrong.join("\n"));
}

#[test]
fn no_file_over_500_lines_and_half_of_them_under_200() {
    let mut lengths: BTreeMap<PathBuf, usize> =
        sources().into_iter().map(|file| (file.clone(), read(&file).lines().count())).collect();
    let long: Vec<_> = lengths.iter().filter(|(_, lines)| **lines > 500).collect();
    assert!(long.is_empty(), "split these by noun: {long:?}");
    let mut lines: Vec<usize> = std::mem::take(&mut lengths).into_values().collect();
    lines.sort_unstable();
    assert!(lines[lines.len() / 2] <= 200, "median file has {} lines", lines[lines.len() / 2]);
}

/// `Cargo.lock` must not bring the certificate library with open advisories back in.
#[test]
fn no_webpki_with_open_advisories() {
    let lock = read(&root().join("Cargo.lock"));
    let mut lines = lock.lines();
    while let Some(line) = lines.next() {
        if line == "name = \"rustls-webpki\"" {
            let version = lines.next().and_then(|l| l.split('"').nth(1)).expect("a version follows the name");
            let parts: Vec<u32> = version.split('.').filter_map(|p| p.parse().ok()).collect();
            assert!(parts >= vec![0, 103, 13], "rustls-webpki {version} has open advisories");
        }
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn sources() -> Vec<PathBuf> {
    sources_of("src")
}

fn sources_of(folder: &str) -> Vec<PathBuf> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("src is readable") {
            let path = entry.expect("src is readable").path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join(folder), &mut found);
    assert!(found.len() > 5, "the walk found too little to prove anything");
    found
}

fn module_of(file: &Path) -> String {
    let inside = file.strip_prefix(root().join("src")).expect("walked from src");
    let first = inside.components().next().expect("not empty").as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_owned()
}

/// Line number and first segment of every `crate::a` and every `crate::{a, b::c}` (also over several lines) outside
/// comments; `$crate::` in macros counts like `crate::`.
fn crate_paths(text: &str) -> Vec<(usize, String)> {
    let code: String = text.lines().map(|line| format!("{}\n", line.split("//").next().unwrap_or_default())).collect();
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let line = code[..at].matches('\n').count() + 1;
        let names = rest.strip_prefix('{').map_or_else(|| vec![rest], top_level_names);
        for name in names {
            let name: String = name.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if !name.is_empty() && !name.starts_with(char::is_uppercase) {
                found.push((line, name));
            }
        }
    }
    found
}

#[test]
fn the_reader_of_paths_sees_nested_and_broken_lines() {
    let text = "use crate::{\n    store::{a, b},\n    web,\n};\n// crate::hq\nfn f() { crate::app::x() }";
    let names: Vec<String> = crate_paths(text).into_iter().map(|(_, name)| name).collect();
    assert_eq!(names, ["store", "web", "app"]);
}

fn top_level_names(list: &str) -> Vec<&str> {
    let (mut depth, mut start, mut names) = (0, 0, Vec::new());
    for (at, c) in list.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                names.push(&list[start..at]);
                return names;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                names.push(&list[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    names.push(&list[start..]);
    names
}
